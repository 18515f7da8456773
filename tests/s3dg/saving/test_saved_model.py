"""What an export says of its files: nothing else than what was written is taken for it."""

import json

import pytest

from s3dg.config import NetworkConfig, VideoFormat
from s3dg.saving.saved_model import METADATA_FILE, ExportError, digests, read_metadata
from tests import fuzzing

FILES = ('saved_model.pb', 'variables/variables.index', 'variables/variables.data-00000-of-00001')


@pytest.fixture
def folder(tmp_path):
    """A folder as `export` leaves it, without TensorFlow's part."""
    folder = tmp_path / 'saved_model'
    for name in (*FILES, METADATA_FILE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f'content of {name}')
    _write(folder, _values(folder))
    return folder


def _values(folder):
    return {
        'class_names': ['jump', 'run'],
        'network': NetworkConfig(num_classes=2).to_dict(),
        'video_format': VideoFormat().to_dict(),
        'files': digests(folder),
    }


def _write(folder, values):
    (folder / METADATA_FILE).write_text(json.dumps(values, indent=2))


def test_whole_folders_are_read(folder):
    metadata = read_metadata(folder)
    assert metadata.class_names == ('jump', 'run')
    assert (metadata.config, metadata.video_format) == (NetworkConfig(num_classes=2), VideoFormat())
    (folder / 'notes.txt').write_text('of the user')
    assert read_metadata(folder) == metadata


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('damage', ['gone', 'cut', 'flipped', 'empty'])
def test_damaged_files_are_named(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    if damage == 'gone':
        path.unlink()
    else:
        flipped = content[:3] + bytes([content[3] ^ 1]) + content[4:]
        path.write_bytes({'cut': content[:-1], 'flipped': flipped, 'empty': b''}[damage])
    with pytest.raises(ExportError, match=f'{name} is not .*; export the network again'):
        read_metadata(folder)


@pytest.mark.parametrize(
    'change',
    [
        {'class_names': ['jump']},
        {'class_names': [1, 2]},
        {'class_names': 3},
        {'network': {'width': -1}},
        {'network': []},
        {'video_format': {'crop': 3}},
        {'files': {}},
        {'files': ['saved_model.pb']},
        {'files': {'../../etc/passwd': 'x'}},
    ],
)
def test_metadata_that_cannot_be_are_told(folder, change):
    _write(folder, _values(folder) | change)
    with pytest.raises(ExportError, match='; export the network again'):
        read_metadata(folder)
    values = _values(folder)
    (key,) = change
    del values[key]
    _write(folder, values)
    if key == 'files':  # as of earlier versions
        assert read_metadata(folder).class_names == ('jump', 'run')
        return
    with pytest.raises(ExportError, match='network.json is damaged; export the network again'):
        read_metadata(folder)


@pytest.mark.parametrize('content', ['', '{}', '[]', '[' * 10**5, '{"a":' * 10**5])
def test_metadata_that_are_none_are_told(folder, content):
    (folder / METADATA_FILE).write_text(content)
    with pytest.raises(ExportError, match='network.json is damaged'):
        read_metadata(folder)


@pytest.mark.parametrize(
    'examples', [fuzzing.FEW, pytest.param(fuzzing.MANY, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize('name', [*FILES, METADATA_FILE])
def test_damaged_folders(folder, name, examples):
    path = folder / name
    fuzzing.check(lambda path: read_metadata(folder), path.read_bytes(), path, examples)
