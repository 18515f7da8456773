"""Detectors on disk."""

import json
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

import s3dg
from s3dg.commands import export as export_command
from s3dg.detection import saved
from s3dg.errors import S3dgError
from s3dg.saving.export import ExportedNetwork
from s3dg.saving.keras_file import KerasFileError
from s3dg.saving.saved_model import METADATA_FILE, ExportError
from tests.s3dg.detection import detectors
from tests.s3dg.detection.detectors import FRAMES, SIZE


@pytest.fixture(scope='module')
def stored(tmp_path_factory):
    """A detector, its .keras file and its SavedModel."""
    folder = tmp_path_factory.mktemp('stored')
    detector = detectors.create(('rgb', 'flow'))
    detector.save(folder / 'detector.keras')
    export_command.export_detector(detector, folder / 'exported')
    return detector, folder / 'detector.keras', folder / 'exported'


@pytest.mark.slow
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
        assert loaded.inputs == ('clip', 'flow')
        found = loaded.detect(batch)
        for name, values in expected._asdict().items():
            assert found[name] == pytest.approx(values.numpy(), abs=1e-3), name


@pytest.mark.parametrize(
    ('inputs', 'names'),
    [(('clip',), ('clip',)), (('flow',), ('flow', 'key')), (('clip', 'flow'), ('clip', 'flow'))],
)
def test_the_key_frame_is_that_of_the_clip_where_there_is_one(inputs, names):
    seen = {}

    class StandIn:
        bodies = dict.fromkeys(inputs)
        video_format = s3dg.VideoFormat(clip_frames=5)

        def __call__(self, batch, chunk):
            seen.update(batch)
            return SimpleNamespace(_asdict=dict)

    assert saved.input_names(StandIn) == names
    arguments = {
        'clip': np.arange(10).reshape(2, 5),
        'flow': np.zeros((2, 5)),
        'key': np.array([2, 7]),
    }
    saved.function(StandIn())(*(arguments[name] for name in names))
    assert seen['key'].tolist() == [2, 7]


@pytest.mark.slow
def test_a_network_is_no_detector_and_the_other_way_round(stored, tmp_path):
    detector, path, exported = stored
    s3dg.build('s3d_g', 4, width=0.125).save(tmp_path / 'network.keras')
    with pytest.raises(KerasFileError, match='it holds a Network, expected a detector of'):
        saved.SavedDetector(tmp_path / 'network.keras')
    with pytest.raises(ExportError, match='SavedModel of a detector, expected a network'):
        ExportedNetwork(exported)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'resnet_width': 1e6}, 'its resnet_width is 1000000.0'),
        ({'class_names': [1, 2]}, 'names of its classes are no texts'),
        ({'config': {'proposals': 10**9}}, 'proposals must be an integer from 1 to'),
        ({'networks': {'rgb': {'width': 2.0}}}, 'needs .* weights or more'),
        ({'networks': 7}, 'cannot be read'),
        ({'class_names': ['a'] * 10**6}, 'needs .* weights or more'),
    ],
)
def test_what_a_file_says_of_itself_is_checked_before_anything_is_built(
    changes, said, stored, tmp_path
):
    _, path, _ = stored
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    values = json.loads(parts['config.json'])
    values['config'] |= changes
    parts['config.json'] = json.dumps(values)
    with zipfile.ZipFile(tmp_path / 'other.keras', 'w') as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(S3dgError, match=said):
        saved.load(tmp_path / 'other.keras')
