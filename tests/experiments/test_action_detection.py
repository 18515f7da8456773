"""Table 6's experiment from flags to a page, on a few generated videos; and what it refuses."""

import json

import numpy as np
import pytest

from data import catalog
from data.conversion.convert import convert_dataset
from data.datasets.moving_shapes_boxes import scenes
from experiments import action_detection
from s3dg.commands import detect, export
from s3dg.detection import frame_ap
from s3dg.detection.rows import read_rows
from s3dg.video.writing import write_video
from tests import in_process


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data')
    few = {
        'moving_shapes': {'train_per_class': 2, 'validation_per_class': 1},
        'moving_shapes_boxes': {'train': 3, 'test': 2},
    }
    for dataset, fields in few.items():
        for modality in ('rgb', 'flow'):
            builder = catalog.make_builder(
                dataset, modality, folder, flow_algorithm='dis', **fields
            )
            convert_dataset(builder, processes=0)
    return folder


def call(data_dir, workdir, *words):
    return in_process.call(
        action_detection,
        '--preset=tiny',
        '--streams=both',
        '--steps=2',
        '--rpn_steps=2',
        '--pretraining_steps=2',
        '--frames=4',
        f'--data_dir={data_dir}',
        f'--workdir={workdir}',
        *words,
    )


@pytest.mark.slow
def test_from_flags_to_a_page(data_dir, tmp_path, capsys):
    workdir = tmp_path / 'runs' / 'page'
    assert call(data_dir, workdir) is None
    results = json.loads((workdir / 'results.json').read_text())
    figures = results['moving_shapes_boxes']['s3d_g/both']
    for rule in ('pascal', 'act'):
        assert 0 <= figures[rule]['all'] <= 1
        assert set(figures['per_class'][rule]) <= set(scenes.CLASSES)
    assert set(figures['reversed']) == {'pascal', 'act'}
    page = (workdir / 'report.md').read_text()
    assert '| Faster R-CNN, S3D-G | 75.2 | 78.8 |' in page
    for name in ('precision_recall_pascal', 'found_and_true', 'filmstrip'):
        assert f'({name}.png)' in page
        assert (workdir / f'{name}.png').read_bytes().startswith(b'\x89PNG')

    # The figure from the rows alone, and true boxes from the drawing.
    (folder,) = (tmp_path / 'runs' / 'networks').glob('detector-*')
    detections, names = read_rows(folder / 'detections.csv')
    truth = [
        (place, scenes.CLASSES.index(one.label), *one.boxes[frame])
        for place, (video, frame) in enumerate(names)
        for one in scenes.layout(*split_and_number(video))
    ]
    place, label, *box = zip(*truth, strict=True)
    true = frame_ap.FrameBoxes(np.array(place), np.array(label), np.array(box, np.float32).T)
    found = frame_ap.average_precisions(detections, true, len(scenes.CLASSES), frame_ap.ACT)
    assert found.mean == pytest.approx(figures['act']['all'], abs=1e-6)

    capsys.readouterr()
    assert call(data_dir, workdir) is None
    assert 'finished already' in capsys.readouterr().out

    # What it leaves finds boxes in video files, and is exported.
    path = tmp_path / 'new.avi'
    write_video(path, scenes.video('new', 0), 25, 'FFV1')
    words = (f'--model={folder / "model.keras"}', f'--workdir={tmp_path / "detected"}')
    assert in_process.call(detect, *words, '--least_score=0', '--stride=4', path) == 0
    assert (tmp_path / 'detected' / 'detections' / 'new.mp4').exists()
    words = (f'--model={folder / "model.keras"}', f'--output={tmp_path / "saved"}')
    assert in_process.call(export, *words, f'--workdir={tmp_path / "exporting"}') is None
    exporting = json.loads((tmp_path / 'exporting' / 'results.json').read_text())
    assert exporting['endpoints'] == ['detect']
    assert exporting['max_difference'] < 1e-2


def test_a_finished_page_needs_no_data(tmp_path, capsys):
    init = [f'--init_{modality}=i3d.keras,s3d_g.keras' for modality in ('rgb', 'flow')]
    words = ['--preset=paper', *init, f'--data_dir={tmp_path}', f'--workdir={tmp_path / "page"}']
    assert in_process.call(action_detection, *words) == 2
    assert 'or --preset=tiny, which makes its own videos' in capsys.readouterr().err
    (tmp_path / 'page').mkdir()
    (tmp_path / 'page' / 'results.json').write_text('{}')
    assert in_process.call(action_detection, *words) is None
    assert 'finished already, not compared with what it needed' in capsys.readouterr().out


def split_and_number(video):
    split, number = video.split('/')
    return split, int(number)


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--preset=paper'], '--init_rgb is needed'),
        (['--preset=paper', '--init_rgb=a.keras'], '--init_rgb: found 1 files, expected one for'),
        (['--preset=tiny', '--init_flow=a.keras'], '--init_flow: --streams=rgb has no use for it'),
        (['--preset=tiny', '--dataset=jhmdb'], '--preset=tiny: its dataset is moving_shapes_boxes'),
        (['--preset=tiny', '--networks=resnet'], "--networks: found 'resnet', expected names of"),
        (['--preset=tiny', '--resnet=imagenet'], "--resnet: found 'imagenet'"),
        (['--preset=tiny', '--set=boxes=3'], "--set: no field 'boxes'"),
        (['--preset=paper', '--rpn_steps=3'], '--rpn_steps: nothing is trained by itself'),
    ],
)
def test_what_cannot_be_is_said_in_a_line(words, said, tmp_path, capsys):
    words = [*words, f'--data_dir={tmp_path}', f'--workdir={tmp_path / "out"}']
    assert in_process.call(action_detection, *words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / 'out').exists()
