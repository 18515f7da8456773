"""Segments from the answers of windows, with borders by hand."""

import json
import pathlib
import re
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest

from s3dg.analysis import segments
from s3dg.analysis.segments import Rules, Segment, find_segments, label_studio, stretches
from s3dg.files import write_json

DOCS = pathlib.Path(__file__).parents[3] / 'docs' / 'features.md'


def _spans(count, seconds=1.0):
    edges = np.arange(count + 1) * seconds
    return np.stack([edges[:-1], edges[1:]], axis=1)


def _probabilities(labels, scores=None, classes=3):
    scores = [0.9] * len(labels) if scores is None else scores
    found = np.zeros((len(labels), classes), np.float32)
    for row, label, score in zip(found, labels, scores, strict=True):
        row[:] = (1 - score) / (classes - 1)
        row[label] = score
    return found


def _told(labels, rules, scores=None):
    found = find_segments(_probabilities(labels, scores), _spans(len(labels)), rules)
    return [(one.start, one.end, one.label) for one in found]


def test_windows_of_one_class_are_one_segment():
    assert _told([0, 0, 1, 1, 1, 0], Rules()) == [(0, 2, 0), (2, 5, 1), (5, 6, 0)]
    found = find_segments(_probabilities([2, 2], [0.5, 0.7]), _spans(2), Rules())
    assert found == [Segment(0, 2, 2, pytest.approx(0.6))]


def test_windows_below_the_threshold_belong_to_none():
    scores = [0.9, 0.4, 0.9, 0.9]
    assert _told([0, 0, 0, 1], Rules(0.5), scores) == [(0, 1, 0), (2, 3, 0), (3, 4, 1)]
    assert _told([0, 0, 0, 1], Rules(0.5, gap=1.0), scores) == [(0, 3, 0), (3, 4, 1)]
    assert _told([0, 0, 0, 1], Rules(0.95), scores) == []


def test_what_is_too_short_leaves_its_neighbours_to_be_joined():
    labels = [0, 0, 1, 0, 0, 2, 2]
    assert _told(labels, Rules(shortest=1.5)) == [(0, 2, 0), (3, 5, 0), (5, 7, 2)]
    assert _told(labels, Rules(shortest=1.5, gap=1)) == [(0, 5, 0), (5, 7, 2)]
    # Short ones that together are long enough are kept.
    assert _told([0, 1, 0], Rules(0.5, 1, 2.0), [0.9, 0.4, 0.9]) == [(0, 3, 0)]


def test_answers_stand_half_way_to_the_next_window():
    times = np.arange(20) / 10 + 5  # two seconds from 5 on
    found = stretches(times, np.array([0, 4, 8, 12]), 8)  # middles at 5.4, 5.8, 6.2, 6.6
    np.testing.assert_allclose(found, [[5, 5.6], [5.6, 6.0], [6.0, 6.4], [6.4, 7]])
    np.testing.assert_allclose(stretches(times[:3], np.array([0]), 8), [[5, 5.3]])
    np.testing.assert_allclose(stretches(times[:1], np.array([0]), 8), [[5, 5]])


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'threshold': 1.5}, 'threshold: found 1.5, expected a number from 0 to 1'),
        ({'gap': -1}, 'gap: found -1'),
        ({'shortest': float('nan')}, 'shortest: found nan'),
    ],
)
def test_rules_that_cannot_be(values, message):
    with pytest.raises(segments.SegmentError, match=message):
        Rules(**values)


def test_label_studio_counts_frames_from_one():
    found = [Segment(0.0, 1.0, 0, 0.75), Segment(1.0, 1.01, 2, 0.25)]
    task = label_studio('v.mp4', found, ('a', 'b', 'c'), 25.0)
    assert task['data'] == {'video': 'v.mp4', 'frames_per_second': 25.0}
    (prediction,) = task['predictions']
    assert prediction['score'] == 0.5
    first, second = prediction['result']
    assert first['value'] == {'ranges': [{'start': 1, 'end': 25}], 'timelinelabels': ['a']}
    assert second['value'] == {'ranges': [{'start': 26, 'end': 26}], 'timelinelabels': ['c']}
    assert {one['type'] for one in prediction['result']} == {'timelinelabels'}
    assert first['id'] != second['id']


def test_label_studio_has_no_prediction_without_segments():
    """An empty result is refused by its SDK up to 2.0.3."""
    assert label_studio('v.mp4', [], ('a',), 25.0)['predictions'] == []


def _interface(names):
    """The labelling interface of the documentation, with a label for each name."""
    text = DOCS.read_text()
    view = text[text.index('<View>') : text.index('</View>') + len('</View>')]
    labels = ''.join(f'<Label value={quoteattr(name)}/>' for name in names)
    whole, count = re.subn(r'<Label value="dancing"/> \.\.\.', lambda _: labels, view)
    assert count == 1
    return whole


@pytest.fixture
def written(tmp_path):
    """A task as it is after a file: (interface, task)."""
    names = ('a', 'b & c', '"d" <e>')
    found = [Segment(0.0, 1.0, 0, 0.75), Segment(1.0, 1.01, 1, 0.25), Segment(1.2, 3.3, 2, 1.0)]
    write_json(tmp_path / 'v.json', [label_studio('v.mp4', found, names, 30000 / 1001)])
    (task,) = json.loads((tmp_path / 'v.json').read_text())
    return _interface(names), task


def test_label_studio_understands_the_task(written):
    """What its import and its editor (TimelineRegion.js, Video.js) ask for."""
    interface, task = written
    tree = ElementTree.fromstring(interface)
    (control,), (video,) = tree.findall('TimelineLabels'), tree.findall('Video')
    assert control.get('toName') == video.get('name')
    for attribute, kind in (('value', str), ('frameRate', float)):  # '$name' is of the task's data
        assert type(task['data'][video.get(attribute).removeprefix('$')]) is kind
    assert task['data']['frames_per_second'] >= 1  # less is taken as seconds of a frame
    (prediction,) = task['predictions']
    assert 0 <= prediction['score'] <= 1
    assert len({region['id'] for region in prediction['result']}) == 3
    for region in prediction['result']:
        assert region['from_name'] == control.get('name')
        assert region['to_name'] == video.get('name')
        assert region['type'] == control.tag.lower()
        assert set(region['value']) == {'ranges', region['type']}
        (one,) = region['value']['ranges']
        assert {type(one['start']), type(one['end'])} == {int}
        assert 1 <= one['start'] <= one['end']
        (label,) = region['value'][region['type']]
        assert label in {known.get('value') for known in control}


def test_label_studios_own_schema_takes_the_task(written):
    """Its SDK knows TimelineLabels from 2.1.2 on, and that release's `validate_task` is broken."""
    label_interface = pytest.importorskip('label_studio_sdk.label_interface')
    interface, task = written
    checked = label_interface.LabelInterface(interface)
    checked.validate()
    assert checked.validate_task({'data': task['data']})
    (prediction,) = task['predictions']
    assert checked.validate_prediction(prediction, return_errors=True) == []
    del prediction['result'][0]['value']['ranges'][0]['start']
    assert len(checked.validate_prediction(prediction, return_errors=True)) == 1
