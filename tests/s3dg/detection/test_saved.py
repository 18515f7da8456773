"""Detectors on disk."""

import json

import numpy as np
import pytest

import s3dg
from s3dg.commands import export as export_command
from s3dg.detection import saved
from s3dg.saving.export import ExportedNetwork
from s3dg.saving.keras_file import KerasFileError
from s3dg.saving.saved_model import METADATA_FILE, ExportError
from tests.s3dg.detection import detectors
from tests.s3dg.detection.detectors import FRAMES, SIZE


@pytest.fixture(scope='module', params=['rgb', 'flow', 'both'])
def stored(request, tmp_path_factory):
    """A detector, its .keras file and its SavedModel."""
    folder = tmp_path_factory.mktemp(request.param)
    modalities = ('rgb', 'flow') if request.param == 'both' else (request.param,)
    detector = detectors.create(modalities)
    detector.save(folder / 'detector.keras')
    export_command.export_detector(detector, folder / 'exported')
    return detector, folder / 'detector.keras', folder / 'exported'


def test_all_three_answer_alike(stored):
    detector, path, exported = stored
    rng = np.random.default_rng(1)
    clip = rng.integers(0, 256, (2, FRAMES, *SIZE, 3), np.uint8)
    flow = rng.integers(0, 256, (2, FRAMES, *SIZE, 2), np.uint8)
    batch = {'clip': clip, 'flow': flow, 'key': clip[:, 2]}
    expected = detector(batch)
    assert expected.is_box.numpy().any()
    for place in (path, exported):
        loaded = saved.SavedDetector(place, chunk=7)
        assert loaded.class_names == detectors.CLASSES
        assert loaded.video_format == detector.video_format
        assert set(loaded.inputs) <= set(batch)
        assert 'key' not in loaded.inputs or 'clip' not in loaded.inputs
        found = loaded.detect(batch)
        for name, values in expected._asdict().items():
            assert found[name] == pytest.approx(values.numpy(), abs=1e-3), name


def test_a_network_is_no_detector_and_the_other_way_round(stored, tmp_path):
    detector, path, exported = stored
    s3dg.build('s3d_g', 4, width=0.125).save(tmp_path / 'network.keras')
    with pytest.raises(KerasFileError, match='it holds a Network, expected a detector'):
        saved.SavedDetector(tmp_path / 'network.keras')
    with pytest.raises(ExportError, match='SavedModel of a detector, expected a network'):
        ExportedNetwork(exported)


def test_damaged_files_are_refused(stored, tmp_path):
    detector, path, exported = stored
    content = path.read_bytes()
    (tmp_path / 'cut.keras').write_bytes(content[: len(content) // 2])
    with pytest.raises(KerasFileError):
        saved.SavedDetector(tmp_path / 'cut.keras')
    metadata = exported / METADATA_FILE
    before = metadata.read_text()
    try:
        metadata.write_text(json.dumps(json.loads(before) | {'files': {'saved_model.pb': 'other'}}))
        with pytest.raises(ExportError, match='is not as it was exported'):
            saved.SavedDetector(exported)
    finally:
        metadata.write_text(before)
