"""Evaluation with a network whose answers are written in the clips."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from s3dg.training import evaluation
from s3dg.training.evaluation import EvaluationError, Predictions

CLASSES = 3


class Reader(keras.Model):
    """Logits of a clip are its first pixels."""

    def call(self, clip, training=False):
        return tf.cast(clip[:, 0, 0, :CLASSES, 0], 'float32')


def _windows(rows, batch_size):
    """Rows of (id, label, window, windows, logits) as the dataset that `predict` takes."""
    clips = np.zeros((len(rows), 2, 1, 4, 1), 'uint8')
    for clip, row in zip(clips, rows, strict=True):
        clip[0, 0, :CLASSES, 0] = row[4]
    columns = {
        'clip': clips,
        'id': [row[0] for row in rows],
        'label': np.int32([row[1] for row in rows]),
        'window': np.int32([row[2] for row in rows]),
        'windows': np.int32([row[3] for row in rows]),
    }
    return tf.data.Dataset.from_tensor_slices(columns).batch(batch_size)


def test_windows_of_a_video_are_averaged_and_the_last_batch_is_whole():
    rows = [
        ('b', 1, 0, 2, [10, 20, 30]),
        ('b', 1, 1, 2, [30, 40, 10]),
        ('a', 0, 0, 1, [5, 1, 2]),
        ('c', 2, 1, 3, [0, 3, 6]),
        ('c', 2, 0, 3, [3, 3, 3]),
        ('c', 2, 2, 3, [0, 0, 9]),
    ]
    done = []
    found = evaluation.predict(Reader(), _windows(rows, 4), 4, progress=done.append)
    assert found.ids.tolist() == ['a', 'b', 'c']
    assert found.labels.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.logits, [[5, 1, 2], [20, 30, 20], [1, 2, 6]])
    assert done == [4, 6]


class Overflowing(Reader):
    """Infinite logits where a clip's first pixel is 255."""

    def call(self, clip, training=False):
        logits = super().call(clip)
        return tf.where(logits == 255, np.inf, logits)


def test_answers_that_are_no_numbers_are_errors():
    rows = [('a', 0, 0, 1, [1, 2, 3]), ('b', 1, 0, 1, [0, 255, 0])]
    with pytest.raises(EvaluationError, match='The logits of video b are not finite'):
        evaluation.predict(Overflowing(), _windows(rows, 2), 2)


class Training(Reader):
    """Other answers in training, as by dropout and batch norm."""

    def call(self, clip, training=False):
        logits = super().call(clip)
        return -logits if training else logits


def test_networks_are_in_inference():
    found = evaluation.predict(Training(), _windows([('a', 0, 0, 1, [1, 2, 3])], 1), 1)
    np.testing.assert_array_equal(found.logits, [[1, 2, 3]])


class Counting(Reader):
    """Counts how often it is traced; its weight is added to its answers."""

    def __init__(self):
        super().__init__()
        self.traced = 0
        self.weight = self.add_weight(initializer='zeros', name='weight')

    def call(self, clip, training=False):
        self.traced += 1
        return super().call(clip) + self.weight


def test_a_network_is_traced_once_and_seen_as_it_is_now():
    network = Counting()
    for weight in (0, 5):
        network.weight.assign(weight)
        found = evaluation.predict(network, _windows([('a', 0, 0, 1, [1, 2, 3])], 1), 1)
        np.testing.assert_array_equal(found.logits, [np.add([1, 2, 3], weight)])
    assert network.traced == 1
    living = weakref.ref(network)
    del network
    gc.collect()
    assert living() is None


def test_missing_and_doubled_windows_are_errors():
    with pytest.raises(EvaluationError, match=r'Windows \[1\] of video a are missing'):
        evaluation.predict(Reader(), _windows([('a', 0, 0, 2, [1, 2, 3])], 2), 2)
    doubled = [('a', 0, 0, 2, [1, 2, 3])] * 2
    with pytest.raises(EvaluationError, match='Window 0 of video a came twice'):
        evaluation.predict(Reader(), _windows(doubled, 2), 2)


def _predictions(logits, labels):
    ids = np.array([f'v{i}' for i in range(len(labels))])
    return Predictions(ids, np.int32(labels), np.float32(logits))


def test_metrics_by_hand():
    logits = [
        [9, 8, 7, 6, 5, 4, 3],  # 0: first
        [9, 8, 7, 6, 5, 4, 3],  # 4: fifth
        [9, 8, 7, 6, 5, 4, 3],  # 5: sixth
        [1, 2, 3, 4, 5, 6, 7],  # 6: first
    ]
    metrics = evaluation.compute_metrics(_predictions(logits, [0, 4, 5, 6]), videos_expected=5)
    assert metrics.top1 == 0.5
    assert metrics.top5 == 0.75
    assert (metrics.videos_expected, metrics.videos_seen) == (5, 4)
    expected = np.zeros((7, 7), int)
    expected[0, 0] = expected[4, 0] = expected[5, 0] = expected[6, 6] = 1
    np.testing.assert_array_equal(metrics.confusion, expected)
    per_class = metrics.per_class('abcdefg')
    assert per_class['a'] == {'top1': 1.0, 'videos': 1}
    assert per_class['e'] == {'top1': 0.0, 'videos': 1}
    assert per_class['b'] == {'top1': None, 'videos': 0}


def test_equal_logits_are_no_hit():
    """A network that says the same of every class has found nothing."""
    metrics = evaluation.compute_metrics(_predictions(np.zeros((4, 10)), [0, 1, 2, 3]), 4)
    assert (metrics.top1, metrics.top5) == (0.0, 0.0)


def test_few_classes_and_bad_logits():
    metrics = evaluation.compute_metrics(_predictions([[1, 2], [1, 2]], [0, 1]), 2)
    assert (metrics.top1, metrics.top5) == (0.5, 1.0)
    with pytest.raises(EvaluationError, match='logits of video v1 are not finite'):
        evaluation.compute_metrics(_predictions([[1, 2], [np.nan, 2]], [0, 1]), 2)
    with pytest.raises(EvaluationError, match='no videos'):
        evaluation.compute_metrics(_predictions(np.zeros((0, 2)), []), 0)


def test_predictions_are_saved_and_read_back(tmp_path):
    predictions = _predictions([[1, 2], [3, 4]], [0, 1])
    predictions.save(tmp_path / 'predictions.npz')
    loaded = Predictions.load(tmp_path / 'predictions.npz')
    assert loaded.ids.tolist() == ['v0', 'v1']
    np.testing.assert_array_equal(loaded.labels, predictions.labels)
    np.testing.assert_array_equal(loaded.logits, predictions.logits)
    assert [path.name for path in tmp_path.iterdir()] == ['predictions.npz']


def test_damaged_predictions_are_named(tmp_path):
    path = tmp_path / 'predictions.npz'
    Predictions(np.array(['a']), np.array([0]), np.zeros((1, 2), 'float32')).save(path)
    whole = path.read_bytes()
    for damaged in (whole[:60], b'', b'text'):
        path.write_bytes(damaged)
        with pytest.raises(EvaluationError, match=r'predictions\.npz is damaged'):
            Predictions.load(path)
