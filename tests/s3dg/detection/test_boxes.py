"""What is done with boxes, against plain NumPy."""

import numpy as np
import pytest

from s3dg.detection import boxes
from tests.s3dg.detection import reference


def test_overlaps():
    rng = np.random.default_rng(0)
    ones, others = (
        np.stack([reference.random_boxes(rng, count) for _ in range(2)]) for count in (40, 7)
    )
    others[0, 3] = ones[0, 5]  # one is the other
    others[1, 2, 2] = others[1, 2, 0]  # no area
    ones[1, 0] = others[1, 2]
    found = boxes.overlaps(ones, others).numpy()
    for frame in range(2):
        expected = reference.overlaps(ones[frame], others[frame])
        assert found[frame] == pytest.approx(expected, abs=1e-6)
    assert found[0, 5, 3] == pytest.approx(1)
    assert (found[1, :, 2] == 0).all()


def test_offsets_and_back():
    rng = np.random.default_rng(1)
    ones, references = (reference.random_boxes(rng, 50) for _ in range(2))
    found = boxes.encode(ones, references).numpy()
    expected = [reference.offsets(*pair) for pair in zip(ones, references, strict=True)]
    assert found == pytest.approx(np.array(expected), rel=1e-4, abs=1e-4)
    assert boxes.decode(found, references).numpy() == pytest.approx(ones, abs=1e-2)


def test_boxes_of_several_classes_are_decoded_from_one_reference():
    rng = np.random.default_rng(2)
    references = np.stack([reference.random_boxes(rng, 5) for _ in range(2)])
    offsets = rng.normal(0, 1, (2, 5, 3, 4)).astype(np.float32)
    found = boxes.decode(offsets, references[:, :, None]).numpy()
    for label in range(3):
        alone = boxes.decode(offsets[:, :, label], references).numpy()
        assert found[:, :, label] == pytest.approx(alone)


def test_a_box_grows_no_more_than_a_thousand_sixteenths():
    reference_box = np.array([[90, 90, 106, 106]], np.float32)
    found = boxes.decode(np.array([[0, 0, 1e9, 50]], np.float32), reference_box).numpy()
    assert found[0] == pytest.approx([98 - 500, 98 - 500, 98 + 500, 98 + 500], rel=1e-4)


def test_boxes_are_cut_at_the_border():
    found = boxes.clip(np.array([[-5, -6, 330, 390], [1, 2, 3, 410]], np.float32), 320, 400)
    assert found.numpy().tolist() == [[0, 0, 320, 390], [1, 2, 3, 400]]


def test_what_has_an_area():
    found = boxes.has_area(np.array([[0, 0, 1, 1], [0, 0, 0, 1], [0, 3, 1, 2]], np.float32))
    assert found.numpy().tolist() == [True, False, False]
