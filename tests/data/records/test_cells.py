"""CSV cells that a spreadsheet would run."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.records import cells, outcomes

RUN = ['=1+2', '+1', '-1', '@sum', '\tx', '\rx', '=cmd|"/c calc"!A1']


@pytest.mark.parametrize('text', RUN)
def test_what_would_run_begins_with_an_apostrophe(text):
    assert cells.escaped([text, -1]) == ["'" + text, -1]


@given(st.lists(st.text("'=+-@\t\rab", max_size=6) | st.text(max_size=4)))
@settings(max_examples=300)
def test_the_way_back_is_exact(row):
    written = cells.escaped(row)
    assert cells.unescaped(written) == row
    assert not any(cell.startswith(('=', '+', '-', '@', '\t', '\r')) for cell in written)


@given(st.lists(st.text(max_size=4) | st.text(',"\'\r\n=a', max_size=4), min_size=1))
@settings(max_examples=300)
def test_lines_are_read_as_they_were_written(row):
    lines = cells.line(row) + cells.line(['next'])
    assert [cells.unescaped(one) for one in csv.reader(io.StringIO(lines, newline=''))] == [
        row,
        ['next'],
    ]


def test_ids_that_would_run_are_kept_in_the_files_of_a_dataset(tmp_path):
    kept = outcomes.Outcomes(tmp_path)
    for number, text in enumerate(["'=1", "it's", 'a\rb', 'a\nb', *RUN]):
        kept.add_stored(text, number)
        kept.add_skipped(outcomes.Skipped(text + '.', text, text))
    again = outcomes.Outcomes(tmp_path)
    assert (again.frames, again.skipped) == (kept.frames, kept.skipped)
    for name in ('videos.csv', 'skipped.csv'):
        with (tmp_path / name).open(newline='') as file:
            for row in csv.reader(file):
                assert not any(cell.startswith(('=', '+', '-', '@', '\t', '\r')) for cell in row)


def test_files_of_earlier_versions_are_read(tmp_path):
    (tmp_path / 'videos.csv').write_text("id,frames\n=1+2,3\nit's,4\n'a,5\n")
    assert outcomes.Outcomes(tmp_path).frames == {'=1+2': 3, "it's": 4, "'a": 5}
