"""Looking at a dataset: its figures, the files of a run, and strange names in a report."""

import csv
import json

import cv2
import numpy as np
import pytest

from data import catalog
from data.conversion.convert import convert_dataset
from data.inspection import charts
from experiments import inspect_dataset
from s3dg.program.entry import UsageError
from s3dg.video.writing import write_video
from tests import in_process, programs

# Frames of the videos, at 25 a second.
LENGTHS = {'train': {'dim': (5, 10), 'bright | *old*': (30,)}, 'validation': {'dim': (7,)}}


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp('inspect')
    for split, classes in LENGTHS.items():
        for name, lengths in classes.items():
            for length in lengths:
                path = root / 'videos' / split / name / f'{length}.avi'
                path.parent.mkdir(parents=True, exist_ok=True)
                frames = [np.full((24, 32, 3), 8 * k, np.uint8) for k in range(length)]
                write_video(path, frames, 25, 'MJPG')
    for name in ('empty.mp4', 'zero.mp4'):
        (root / 'videos' / 'train' / 'dim' / name).touch()
    builder = catalog.make_builder(
        'video_folder', 'mine', root / 'data', root / 'videos', frame_size=(24, 32)
    )
    convert_dataset(builder, processes=0)
    return root / 'data'


def look(data_dir, workdir, *words):
    """Runs the program in this process."""
    dataset = ('--dataset=video_folder', '--config=mine', f'--data_dir={data_dir}')
    with in_process.flags_of(inspect_dataset, *dataset, f'--workdir={workdir}', *words):
        return inspect_dataset.main([])


def test_the_program(data_dir, tmp_path):
    done = programs.run(
        'inspect_dataset',
        '--dataset=video_folder',
        '--config=mine',
        f'--data_dir={data_dir}',
        f'--workdir={tmp_path}',
    )
    assert 'train: 3 videos, 5 to 30 frames' in done.stdout
    assert '2 classes, 2 skipped' in done.stdout
    results = json.loads((tmp_path / 'results.json').read_text())
    splits = results.pop('splits')
    assert results == {
        'dataset': 'video_folder/mine/1.0.0',
        'data_path': str(data_dir / 'video_folder' / 'mine' / '1.0.0'),
        'classes': 2,
        'videos': 4,
        'skipped': 2,
        'skipped_reasons': {'empty file (0 bytes)': 2},
        'settings': {
            'frames_per_second': 25.0,
            'frame_size': [24, 32],
            'short_side': None,
            'jpeg_quality': 95,
            'modality': 'rgb',
            'flow_algorithm': None,
            'flip_left_right': True,
        },
    }
    assert splits['train'].pop('bytes') > 3 * 500
    assert splits['train'] == {
        'videos': 3,
        'unlabelled': 0,
        'per_class': {'bright | *old*': 1, 'dim': 2},
        'length_frames': {'min': 5, 'median': 10, 'max': 30, 'total': 45},
        'length_seconds': {'min': 0.2, 'median': 0.4, 'max': 1.2, 'total': 1.8},
    }
    assert splits['validation']['per_class'] == {'bright | *old*': 0, 'dim': 1}
    with open(tmp_path / 'class_counts.csv', newline='') as file:
        assert list(csv.reader(file)) == [
            ['index', 'class', 'train', 'validation'],
            ['0', 'bright | *old*', '1', '0'],
            ['1', 'dim', '2', '1'],
        ]
    report = (tmp_path / 'report.md').read_text()
    assert '| train | 3 | 2 | 0 | 45 | 2 s |' in report
    assert '| train | seconds | 0.2 | 0.4 | 1.2 |' in report
    assert '| empty file (0 bytes) | 2 |' in report
    assert '| frame_size | 24x32 |' in report
    assert r'| bright \| \*old\* | 1 | 0 |' in report
    assert r'Classes without videos in validation (1): bright \| \*old\*.' in report
    for name in ('contact_sheet_train', 'contact_sheet_validation', 'class_counts', 'lengths'):
        assert f'({name}.png)' in report
        assert cv2.imread(str(tmp_path / f'{name}.png')) is not None
    # Three rows and one.
    heights = [
        cv2.imread(str(tmp_path / f'contact_sheet_{split}.png')).shape[0] for split in LENGTHS
    ]
    assert heights == [38 + 3 * (22 + 105 + 10), 38 + 22 + 105 + 10]


def test_other_settings_replace_the_report(data_dir, tmp_path, capsys):
    look(data_dir, tmp_path)
    capsys.readouterr()
    look(data_dir, tmp_path)
    assert 'finished already' in capsys.readouterr().out
    other = ('--split=validation', '--videos_per_split=1')
    look(data_dir, tmp_path, *other)
    assert 'finished' not in capsys.readouterr().out
    results = json.loads((tmp_path / 'results.json').read_text())
    assert results['videos'] == 1
    assert list(results['splits']) == ['validation']
    assert 'contact_sheet_train' not in (tmp_path / 'report.md').read_text()
    look(data_dir, tmp_path, *other, '--overwrite')
    assert 'finished' not in capsys.readouterr().out


@pytest.mark.parametrize(
    ('flag', 'message'),
    [
        ('--split=test', "--split: found 'test', expected one of train, validation."),
    ],
)
def test_flags_that_cannot_be(data_dir, tmp_path, flag, message):
    with pytest.raises(UsageError) as error:
        look(data_dir, tmp_path / 'run', flag)
    assert str(error.value) == message
    assert not (tmp_path / 'run').exists()


def figures(per_class, unlabelled=0, seconds=True, **boxes):
    lengths = {'min': 4, 'median': 6.5, 'max': 9, 'total': 13}
    return {
        'videos': sum(per_class.values()) + unlabelled,
        'unlabelled': unlabelled,
        'per_class': per_class,
        'bytes': 3 * 2**20,
        'length_frames': lengths,
        'length_seconds': lengths if seconds else None,
        **boxes,
    }


def report_of(splits, reasons=None):
    names = list(next(iter(splits.values()))['per_class'])
    results = {
        'dataset': 'some/rgb/1.0.0',
        'splits': splits,
        'skipped_reasons': reasons or {},
        'settings': {'modality': 'rgb', 'short_side': None},
    }
    return inspect_dataset.write_report(results, names)


def test_unlabelled_splits_are_shown_as_such(tmp_path):
    splits = {
        'train': figures({'a': 2, 'b': 0}, seconds=False),
        'test': figures({'a': 0, 'b': 0}, unlabelled=7),
    }
    report = report_of(splits)
    assert '| train | 2 | 1 | 0 | 13 | - | 3.0 MiB |' in report
    assert '| test | 7 | 0 | 7 | 13 | 13 s | 3.0 MiB |' in report
    assert 'Classes without videos in train (1): b.' in report
    assert 'videos in test' not in report
    assert '| train | frames | 4 | 6.5 | 9 |' in report
    assert '| train | seconds |' not in report
    assert '## Boxes' not in report
    assert '## Skipped\n\nNone.' in report
    assert 'short_side' not in report
    inspect_dataset.write_class_counts(tmp_path / 'counts.csv', ['a', 'b'], splits)
    assert (tmp_path / 'counts.csv').read_text().splitlines()[-1] == '-1,,0,7'


def test_boxes_have_a_table():
    boxes = {'boxes': 50, 'tubes': 3, 'annotated_frames': 40, 'annotated_videos': 2}
    report = report_of({'train': figures({'a': 5}, **boxes)})
    assert '| split | boxes | tubes | annotated frames | annotated videos | videos |' in report
    assert '| train | 50 | 3 | 40 | 2 | 5 |' in report


def test_many_classes_and_reasons_stay_readable():
    count = 400
    assert count > charts.MOST_NAMED_CLASSES
    train = figures({f'class {k}': 1000 - k for k in range(count)})
    reasons = {f'reason {"x" * k}': 1 for k in range(30)}
    report = report_of({'train': train}, reasons)
    assert '| class 0 | 1000 |' in report
    assert '| class 399 | 601 |' in report
    assert '| class 200 |' not in report
    assert '[class_counts.csv](class_counts.csv)' in report
    assert 'And 10 other reasons.' in report
    assert len(report.splitlines()) < 120


def test_strange_names_stay_in_their_cells():
    report = report_of({'train': figures({'<b>x</b>|`y`\n# z [l](u) $1$ _w_': 1})})
    assert '| \\<b>x\\</b>\\|\\`y\\`?# z \\[l](u) \\$1\\$ _w_ | 1 |' in report


def test_class_names_that_would_run(tmp_path):
    splits = {'train': {'per_class': {'=1+2': 3}, 'unlabelled': 1}}
    inspect_dataset.write_class_counts(tmp_path / 'c.csv', ['=1+2'], splits)
    assert (tmp_path / 'c.csv').read_text() == "index,class,train\n0,'=1+2,3\n-1,,1\n"
