"""Damaged descriptions of a dataset: refused in a line, by all programs that open it."""

import json
import shutil

import pytest

from data import catalog
from data.conversion.plan import read_plan
from data.errors import DatasetError
from data.records import outcomes, verification
from data.records.heads import read_frames, read_heads, stored_files
from s3dg.errors import S3dgError
from tests import fuzzing

EXAMPLES = pytest.mark.parametrize(
    'examples', [fuzzing.FEW // 2, pytest.param(fuzzing.MANY, marks=pytest.mark.slow)]
)


@pytest.fixture
def folder(shapes_dataset, tmp_path):
    """A copy of a dataset, to be damaged."""
    folder = tmp_path / 'moving_shapes' / 'rgb_small' / '2.0.0'
    shutil.copytree(shapes_dataset.data_dir, folder)
    return folder


def _open(folder):
    return catalog.open_dataset('moving_shapes', 'rgb_small', folder.parents[2])


@pytest.mark.parametrize(
    'change',
    [
        lambda names: names[:-1],
        lambda names: [*names[1:], names[0]],
        lambda names: ['other', *names[1:]],
        lambda names: [],
        lambda names: [names[1], *names[1:]],
    ],
)
@pytest.mark.parametrize('digest', [True, False])
def test_class_names_of_another_dataset_are_refused(folder, change, digest):
    path, metadata = folder / 'label.labels.txt', folder / 'metadata.json'
    names = path.read_text().split()
    if not digest:  # as of an earlier version
        values = json.loads(metadata.read_text())
        del values['label_digests']
        metadata.write_text(json.dumps(values))
        assert verification.verify(_open(folder)).problems == []
        if len(set(change(names))) in (0, len(names)):
            return  # cannot be told
    path.write_text('\n'.join(change(names)))
    with pytest.raises(DatasetError, match='label'):
        _open(folder)


def test_class_names_that_are_gone_are_missed(folder):
    (folder / 'label.labels.txt').unlink()
    with pytest.raises(DatasetError, match='label.labels.txt: found .* not those that the dataset'):
        _open(folder)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('frame_size', ['32', 32]),
        ('frame_size', [32]),
        ('frame_size', 3),
        ('frames_per_second', 'x'),
        ('frames_per_second', -1),
        ('modality', ['rgb']),
        ('short_side', {}),
        ('flip_left_right', 'no'),
        ('label_digests', []),
    ],
)
def test_metadata_that_cannot_be_are_refused(folder, name, value):
    path = folder / 'metadata.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(DatasetError, match=str(folder)):
        _open(folder)
    values = json.loads(path.read_text())
    del values[name]
    path.write_text(json.dumps(values))
    if name != 'label_digests':
        with pytest.raises(DatasetError, match=f'metadata.json: found no {name!r}'):
            _open(folder)


@pytest.mark.parametrize('name', ['dataset_info.json', 'features.json', 'metadata.json'])
@pytest.mark.parametrize('content', ['', '{}', '[]', '3', '[' * 10**5, '{"a":' * 10**5, '\x00'])
def test_a_description_that_is_none_is_refused(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(DatasetError, match=str(folder)):
        _open(folder)


@EXAMPLES
@pytest.mark.parametrize(
    'name', ['dataset_info.json', 'features.json', 'metadata.json', 'label.labels.txt']
)
def test_damaged_descriptions(folder, name, examples):
    def read(path):
        opened = _open(path.parent)
        for info in opened.info.splits.values():
            stored_files(info)

    fuzzing.check(read, (folder / name).read_bytes(), folder / name, examples)


@EXAMPLES
@pytest.mark.parametrize('name', ['videos.csv', 'skipped.csv', 'plan.json'])
def test_damaged_files_beside_the_records(folder, name, examples):
    skipped = outcomes.Skipped('=a,"b"', '/videos/a\nb.mp4', 'empty file (0 bytes)')
    outcomes.Outcomes(folder).add_skipped(skipped)
    read = outcomes.Outcomes if name != 'plan.json' else read_plan
    fuzzing.check(
        lambda path: read(path if name == 'plan.json' else path.parent),
        (folder / name).read_bytes(),
        folder / name,
        examples,
    )


@EXAMPLES
def test_damaged_heads_of_records(folder, examples):
    path = next(path for path in folder.glob('*-train.tfrecord*') if path.stat().st_size)
    whole = path.read_bytes()

    def read(path):
        for head in read_heads(path):
            read_frames(head)

    fuzzing.check(read, whole[: _ends(whole)[1]], path, examples)


@EXAMPLES
def test_damaged_records_in_verification(folder, examples):
    path = next(path for path in folder.glob('*-validation.tfrecord*') if path.stat().st_size)
    for other in folder.glob('*-train.tfrecord*'):
        other.write_bytes(b'')
    opened = _open(folder)

    def read(path):
        problems = verification.verify(opened, processes=0).problems
        for line in problems:
            assert line.isprintable()

    fuzzing.check(read, path.read_bytes(), path, examples, refused=S3dgError)


def _ends(content):
    """Where each record of a shard ends."""
    ends, position = [], 0
    while position < len(content):
        position += int.from_bytes(content[position : position + 8], 'little') + 16
        ends.append(position)
    return ends
