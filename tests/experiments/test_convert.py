"""A published dataset, from its files to TFRecords to a trained network, by the programs."""

import json
import pathlib

import numpy as np
import pytest

from experiments import convert
from s3dg.video.writing import write_video
from tests import in_process, programs

CLASSES = ('Hammering', 'HammerThrow')  # as in classInd.txt; sorted, they would change places


def _write_videos(folder):
    """Two classes of UCF-101: a texture that moves to the right, and one that moves to the left."""
    texture = np.random.default_rng(0).integers(0, 256, (4, 48, 256)).astype('uint8')
    texture = np.repeat(np.repeat(texture, 4, 1), 4, 2)[:, :96]
    lists = {'train': [], 'test': []}
    for number, name in enumerate(CLASSES, start=1):
        for group in range(1, 7):
            file = f'v_{name}_g{group:02d}_c01.avi'
            path = folder / 'UCF-101' / name / file
            step = 3 if number == 1 else -3
            starts = [200 + step * k for k in range(12)]
            frames = [np.stack([texture[group % 4][:, x : x + 128]] * 3, -1) for x in starts]
            write_video(path, frames, 25, 'MJPG')
            split = 'test' if group > 4 else 'train'
            lists[split].append(f'{name}/{file}' + (f' {number}' if split == 'train' else ''))
    (folder / 'UCF-101' / 'Hammering' / 'v_Hammering_g02_c01.avi').write_bytes(b'')
    (folder / 'UCF-101' / 'Hammering' / 'v_Hammering_g03_c01.avi').unlink()
    (folder / 'ucfTrainTestlist').mkdir()
    numbered = [f'{number} {name}' for number, name in enumerate(CLASSES, start=1)]
    for name, lines in (
        ('classInd', numbered),
        *((f'{split}list0{k}', lists[split]) for split in lists for k in (1, 2, 3)),
    ):
        content = ''.join(f'{line}\r\n' for line in lines)
        (folder / 'ucfTrainTestlist' / f'{name}.txt').write_bytes(content.encode())


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    """Converts split 1 to flow and verifies it; the folder with the workdirs."""
    work = tmp_path_factory.mktemp('ucf101')
    _write_videos(work / 'ucf101')
    work.joinpath('convert.txt').write_text(_convert(work, '--verify').stdout)
    return work


def _dataset(work):
    return (
        '--dataset=ucf101',
        '--config=split1_flow_small',
        f'--data_dir={work / "data"}',
    )


def _convert(work, *flags, code=0):
    return programs.run(
        'convert',
        *_dataset(work),
        f'--manual_dir={work / "ucf101"}',
        f'--workdir={work / "convert"}',
        '--frame_size=40',
        '--max_skipped_fraction=0.2',
        *flags,
        code=code,
    )


def test_a_published_dataset_becomes_flow(work):
    results = json.loads((work / 'convert' / 'results.json').read_text())
    assert results['examples'] == {'train': 6, 'test': 4}
    assert results['found'] == 12
    assert (results['skipped'], results['missing'], results['problems']) == (2, 1, 0)
    assert results['frames'] == 10 * 11  # one less than there are frames
    lines = (work / 'convert.txt').read_text().splitlines()
    name = 'ucf101/split1_flow_small/1.0.0'
    assert f"{name}: split 'train' lists 8 videos, the published one 9,537" in lines
    assert any(f'{name}: 1 of 12 videos are not there' in line for line in lines)
    assert any(line.startswith('ucf101/all_flow_small/1.0.0: 12/12 videos') for line in lines)
    assert any('12/12 videos' in line and '0 s left' in line for line in lines)
    assert any('converted 6 train, 4 test, 2 skipped (1 missing)' in line for line in lines)
    assert '  skipped v_Hammering_g02_c01: empty file (0 bytes)' in lines
    assert '  skipped v_Hammering_g03_c01: file not found' in lines
    assert lines[-1] == 'verified 10 videos, 110 frames: no problems'


def test_verification_alone_finds_damage_and_fails(work):
    shard = next((work / 'data').rglob('ucf101-test.tfrecord-00000*'))
    content = shard.read_bytes()
    place = len(content) // 2
    shard.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    try:
        done = programs.run(
            'convert', *_dataset(work), '--verify', f'--workdir={work / "verify"}', code=1
        )
    finally:
        shard.write_bytes(content)
    assert f'{shard.name}: record' in done.stdout
    assert 'checksum is wrong' in done.stdout
    results = json.loads((work / 'verify' / 'results.json').read_text())
    assert results['problems'] > 0
    assert 'checksum' in (work / 'verify' / 'report.md').read_text()


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (('--modality=flow',), '--modality: the --config of ucf101 says it, one of split1_rgb'),
        (('--beam_option=x=y',), '--beam_option: needs --runner'),
        (('--processes=0',), 'flag --processes=0: 0 is not an integer in the range'),
    ],
)
def test_flags_that_cannot_be(work, flags, message, capsys):
    words = (f'--manual_dir={work / "ucf101"}', f'--workdir={work / "convert"}')
    assert in_process.call(convert, *_dataset(work), *words, *flags) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
def test_a_network_is_trained_and_evaluated_on_flow(work):
    """Two channels, and the split `test` where there is no `validation`."""
    train = work / 'train'
    programs.run(
        'train',
        *_dataset(work),
        f'--workdir={train}',
        '--preset=tiny',
        '--network=fast_s3d',
        '--frames=8',
        '--evaluation_frames=16',
        '--crop=32',
        '--set=width=0.1',
        '--steps=60',
        '--batch_size=6',
        '--learning_rate=0.02',
        '--flip=no',  # a mirror makes each class the other
    )
    results = json.loads((train / 'results.json').read_text())
    assert results['videos_seen'] == results['videos_expected'] == 4
    assert results['top1'] == 1.0  # to the right or to the left is all there is
    config = json.loads((train / 'config.json').read_text())
    assert config['network']['channels'] == 2
    assert config['splits'] == ['train', 'test']
    programs.run(
        'evaluate',
        *_dataset(work),
        f'--model={train / "model.keras"}',
        f'--workdir={work / "eval"}',
    )
    evaluated = json.loads((work / 'eval' / 'results.json').read_text())
    assert evaluated['top1'] == 1.0
    assert pathlib.Path(train / 'confusion.png').exists()


@pytest.mark.slow
def test_an_rgb_network_does_not_take_flow(work):
    import s3dg

    network = s3dg.build('fast_s3d', num_classes=2, width=0.1)
    network.save(work / 'rgb.keras')
    flags = (*_dataset(work), f'--init={work / "rgb.keras"}', f'--workdir={work / "no"}')
    done = programs.run('train', *flags, '--crop=32', code=2)
    assert '--init: the network takes 3 channels' in done.stderr.splitlines()[-1]
    assert not (work / 'no').exists()
