"""Pictures of a run: that they are drawn, and that what they show is in them."""

import cv2
import numpy as np

from s3dg.figures import plots


def _rows(top1):
    return [
        {'step': s, 'loss': 2.0 / s, 'accuracy': s / 10, 'learning_rate': 0.1, 'top1': t}
        for s, t in zip((1, 5, 10), top1, strict=True)
    ]


def test_curves_show_the_evaluations_where_there_are_any(tmp_path, figures):
    plots.training_curves(_rows([None, None, None]), tmp_path / 'without.png')
    plots.training_curves(_rows([None, 0.2, 0.9]), tmp_path / 'with.png')
    without, with_them = (
        {line.get_label(): line.get_xydata().tolist() for line in figure.axes[1].lines}
        for figure in figures
    )
    training = [[1, 0.1], [5, 0.5], [10, 1.0]]
    assert without == {'training clips': training}
    assert with_them == {'training clips': training, 'held-out videos': [[5, 0.2], [10, 0.9]]}
    loss, _, rate = (axes.lines[0].get_xydata().tolist() for axes in figures[1].axes)
    assert (loss, rate) == ([[1, 2.0], [5, 0.4], [10, 0.2]], [[1, 0.1], [5, 0.1], [10, 0.1]])


def test_learning_curves_are_means_within_what_the_seeds_reach(tmp_path, figures):
    def training(accuracies, steps=(1, 5)):
        rows = zip(steps, accuracies, strict=True)
        return [{'step': step, 'loss': 1 - value, 'accuracy': value} for step, value in rows]

    histories = {
        'alike': [training((0.1, 0.4)), training((0.3, 0.8))],
        'apart': [training((0.2, 0.5)), training((0.2, 0.6), steps=(2, 4))],
    }
    plots.learning_curves(histories, tmp_path / 'curves.png')
    ((_, axes),) = (figure.axes for figure in figures)
    drawn = [line.get_xydata().round(6).tolist() for line in axes.lines]
    assert drawn == [[[1, 0.2], [5, 0.6]], [[1, 0.2], [5, 0.5]], [[2, 0.2], [4, 0.6]]]
    (band,) = axes.collections
    reached = {tuple(point) for point in band.get_paths()[0].vertices.round(6).tolist()}
    assert reached == {(1, 0.1), (1, 0.3), (5, 0.4), (5, 0.8)}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ['alike', 'apart']


def test_confusion_matrices_are_dark_where_the_videos_are(tmp_path):
    diagonal = np.eye(3, dtype=int) * 5
    plots.confusion_matrices({'one': diagonal, 'two': diagonal[::-1]}, 'abc', tmp_path / 'c.png')
    image = cv2.imread(str(tmp_path / 'c.png'))
    assert image.shape[1] > 1.8 * image.shape[0]
    dark = (image.sum(axis=2) < 300).mean()
    empty = tmp_path / 'empty.png'
    plots.confusion_matrices({'one': diagonal * 0, 'two': diagonal * 0}, 'abc', empty)
    assert dark > (cv2.imread(str(empty)).sum(axis=2) < 300).mean() + 0.02


def test_many_classes_are_drawn_without_names(tmp_path):
    names = [f'class {i}' for i in range(400)]
    plots.confusion_matrices({'all': np.eye(400, dtype=int)}, names, tmp_path / 'many.png')
    assert max(cv2.imread(str(tmp_path / 'many.png')).shape) < 2000


def test_contact_sheet_holds_the_frames(tmp_path):
    clips = [np.full((12, 20, 20, 3), colour, 'uint8') for colour in ((255, 0, 0), (0, 0, 255))]
    plots.contact_sheet(clips + clips[:1], ['red', 'blue', 'red'], tmp_path / 'sheet.png')
    image = cv2.imread(str(tmp_path / 'sheet.png'))  # BGR
    red = (image == (0, 0, 255)).all(axis=2).sum()
    blue = (image == (255, 0, 0)).all(axis=2).sum()
    assert red > 1.8 * blue > 0
