"""The paper's experiments, whole, on a few videos and networks of two steps.

What they leave behind, and what they reuse.
"""

import json
import pathlib

import keras
import numpy as np
import pytest
from scipy.special import softmax

from data import catalog
from data.conversion.convert import convert_dataset
from data.records.decode import stored_videos
from experiments import (
    ablations,
    arrow_of_time,
    feature_embedding,
    filter_statistics,
    kinetics,
    mini_kinetics,
    optical_flow,
    report,
    something_something,
    speed_accuracy,
    transfer,
)
from experiments.paper import costs
from experiments.paper.families import FIGURE_4
from experiments.training import run as training
from s3dg.files import locks
from s3dg.training.evaluation import Predictions
from tests import in_process
from tests.closeness import assert_close, is_close

CLASSES = 22
PNG = b'\x89PNG'


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
    """A few videos under the names of the real configurations."""
    folder = tmp_path_factory.mktemp('data')
    splits = ('split1_rgb', 'split2_rgb', 'split3_rgb')
    for config in ('hard_rgb', 'hard_flow', 'rgb', 'half_rgb', *splits):
        validation = 1 if config == 'rgb' or config in splits else 2
        few = {'train_per_class': 2 if config in splits else 1, 'validation_per_class': validation}
        builder = catalog.make_builder('moving_shapes', config, folder, flow_algorithm='dis', **few)
        convert_dataset(builder, processes=0)
    return folder


class Conducted:
    """Runs experiments into folders of one parent, where they share their networks."""

    def __init__(self, data_dir, runs):
        self.data_dir, self.runs = data_dir, runs

    def folder(self, program, *flags):
        """The folder of an experiment, which is run unless it has been."""
        workdir = self.runs / program.__name__.rpartition('.')[2]
        if not (workdir / 'results.json').exists():
            assert self.call(program, *flags) is None
        return workdir

    def call(self, program, *flags, name=None):
        """Its exit code."""
        workdir = self.runs / (name or program.__name__.rpartition('.')[2])
        words = (f'--data_dir={self.data_dir}', f'--workdir={workdir}')
        return in_process.call(program, *in_process.TINY, *words, *flags)

    def network(self, program, label, seed=0):
        """The folder of a network that an experiment says it is on."""
        text = (self.runs / program / 'report.md').read_text().partition('## Networks')[2]
        rows = [[cell.strip() for cell in line.split('|')] for line in text.splitlines()]
        (folder,) = {
            row[7].strip('`') for row in rows if row[1:2] == [label] and row[4] == str(seed)
        }
        return pathlib.Path(folder)


@pytest.fixture(scope='module')
def conducted(data_dir, tmp_path_factory):
    return Conducted(data_dir, tmp_path_factory.mktemp('runs'))


def results_of(workdir):
    return json.loads((workdir / 'results.json').read_text())


def top1(predictions):
    """By hand, of a network that gives no two classes the same logit."""
    return float((predictions.logits.argmax(axis=1) == predictions.labels).mean())


def rows_of(text):
    """The tables above '## Networks' as dict from first cell to the others."""
    lines = text.partition('## Networks')[0].splitlines()
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines if '|' in line]
    return {row[0]: row[1:] for row in rows}


def percent(share):
    return f'{100 * share:.1f}'


def check_pictures(workdir, text):
    pictures = [part.partition(')')[0] for part in text.split('](')[1:]]
    assert pictures
    for name in pictures:
        assert (workdir / name).read_bytes().startswith(PNG), name


def test_arrow_of_time(conducted):
    workdir = conducted.folder(arrow_of_time)
    results = results_of(workdir)
    assert set(results) == {'i3d', 'i2d', 'i2d_order_blind'}
    for name, figures in results.items():
        folder = conducted.network('arrow_of_time', name)
        normal = Predictions.load(folder / 'predictions.npz')
        reverse = Predictions.load(folder / 'predictions_validation_reversed.npz')
        assert figures == {'top1': top1(normal), 'top1_reversed': top1(reverse)}
        assert len(normal.ids) == 2 * CLASSES
        same = is_close(reverse.logits, normal.logits, 1e-5)
        # Without temporal kernels and overlapping pools, order cannot be told.
        assert same == (name == 'i2d_order_blind')
    text = (workdir / 'report.md').read_text()
    printed = {'i3d': ('45.8', '15.2'), 'i2d': ('34.4', '35.2')}  # Table 1, Something-Something
    for name, figures in results.items():
        normal, reverse = printed.get(name, ('-', '-'))
        ours = [percent(figures[order]) for order in ('top1', 'top1_reversed')]
        assert rows_of(text)[name] == [ours[0], normal, ours[1], reverse]
    assert '0.1 of the width, clips of 8 frames of 32x32' in text
    check_pictures(workdir, text)


def test_a_finished_experiment_is_left_alone(conducted, capsys):
    results = conducted.folder(arrow_of_time) / 'results.json'
    before = results.stat().st_mtime_ns
    capsys.readouterr()
    assert conducted.call(arrow_of_time) is None
    assert 'finished already' in capsys.readouterr().out
    # A value that the preset has too.
    assert conducted.call(arrow_of_time, '--momentum=0.9', '--log_every=7') is None
    assert 'finished already' in capsys.readouterr().out
    assert results.stat().st_mtime_ns == before


def test_other_settings_are_refused(conducted, capsys):
    conducted.folder(arrow_of_time)
    assert conducted.call(arrow_of_time, '--momentum=0.8') == 2
    assert (
        'holds a run with other settings: networks.i2d.0.training.momentum'
        in capsys.readouterr().err
    )


@pytest.mark.slow
def test_networks_are_shared(conducted, capsys):
    """Table 2 trains S3D and S3D-G; its I3D is there. Mini-Kinetics adds two, Table 3 none."""
    conducted.folder(arrow_of_time)
    capsys.readouterr()
    assert results_of(conducted.folder(kinetics)).keys() == {'i3d', 's3d', 's3d_g'}
    assert capsys.readouterr().out.count('training ') == 2
    workdir = conducted.folder(mini_kinetics)
    assert len(results_of(workdir)) == 6
    assert capsys.readouterr().out.count('training ') == 2
    conducted.folder(something_something)
    assert capsys.readouterr().out.count('training ') == 0
    # Anew: the report, not the networks.
    assert conducted.call(mini_kinetics, '--overwrite') is None
    assert 'training ' not in capsys.readouterr().out


@pytest.mark.slow
def test_what_is_finished_needs_no_lock(conducted, monkeypatch):
    """So a folder of trained networks may be one where nothing can be written."""
    conducted.folder(kinetics)
    locked = []
    original = locks.lock

    def lock(path, *waiting):
        locked.append(path)
        return original(path, *waiting)

    monkeypatch.setattr(locks, 'lock', lock)
    assert conducted.call(kinetics, name='again') is None
    assert locked == [conducted.runs / '.again.lock']
    assert conducted.call(kinetics, name='again') is None
    assert len(locked) == 1


@pytest.mark.slow
def test_tables_stand_beside_the_papers(conducted):
    results = results_of(conducted.folder(kinetics))
    folder = conducted.network('kinetics', 's3d_g')
    assert results['s3d_g']['top1'] == top1(Predictions.load(folder / 'predictions.npz'))
    network = keras.models.load_model(folder / 'model.keras')
    parameters = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert results['s3d_g']['parameters'] == parameters
    # By hand: 68.18 G, and the gates' dense products.
    assert results['s3d_g']['full_size_multiply_adds'] / 1e9 == pytest.approx(68.185, abs=5e-3)
    text = (conducted.runs / 'kinetics' / 'report.md').read_text()
    full_size_parameters = {'i3d': 12.69, 's3d': 9.69, 's3d_g': 10.91}  # by hand, elsewhere
    table_2 = {
        'i3d': ('71.1', '89.3', '12.06', '107.89'),
        's3d': ('72.2', '90.6', '8.77', '66.38'),
        's3d_g': ('74.7', '93.4', '11.56', '71.38'),
    }
    for name, printed in table_2.items():
        row = rows_of(text)[name]
        assert (row[2], row[4], row[7], row[10]) == printed
        assert row[6] == f'{full_size_parameters[name]:.2f}'
        assert row[0] == 'single frames'
        assert row[1] == percent(results[name]['top1'])
        assert row[3] == percent(results[name]['top5'])
    text = (conducted.folder(something_something) / 'report.md').read_text()
    assert rows_of(text)['the paper: TRN'][:5] == ['-', '-', '34.4', '-', '63.2']
    text = (conducted.folder(mini_kinetics) / 'report.md').read_text()
    for name, printed in {
        'i3d': '78.4',
        's3d_slim': '78.4',
        's3d': '78.9',
        'fast_s3d': '78.0',
    }.items():
        assert rows_of(text)[name][2] == printed


@pytest.mark.slow
def test_speed_accuracy(conducted):
    workdir = conducted.folder(speed_accuracy)
    results = results_of(workdir)
    families = {figures['family'] for figures in results.values()}
    assert families == {None, *FIGURE_4}
    assert len(results) == 8
    # As `cost_table` counts them: in the paper's size, and as they were trained.
    for field, clip, fields in (
        ('full_size_multiply_adds', (64, 224, 224), {'num_classes': 400}),
        ('multiply_adds', (8, 32, 32), {'num_classes': CLASSES, 'width': 0.1}),
    ):
        variants = [v for v in costs.find_variants(**fields) if v.name in results]
        rows = costs.table_rows(variants, costs.count(variants, clip), compared=False)
        counted = {label: row['multiply_adds'] for label, row in rows.items()}
        assert {label: figures[field] for label, figures in results.items()} == counted
    check_pictures(workdir, (workdir / 'report.md').read_text())


@pytest.mark.slow
def test_filter_statistics(conducted):
    workdir = conducted.folder(filter_statistics)
    before = json.loads((workdir / 'step_0.json').read_text())
    varied = json.loads((workdir / 'temporal_variation.json').read_text())
    assert set(varied['step 0'].values()) == {0}
    assert min(varied['trained'].values()) > 0
    after = results_of(workdir)
    assert list(after) == ['Conv2d_2c_3x3', 'Mixed_3c', 'Mixed_4d', 'Mixed_5c']
    folder = conducted.network('filter_statistics', 'i2d on single frames')
    image = keras.models.load_model(folder / 'model.keras')
    for layer, offsets in before.items():
        assert list(offsets) == ['-1', '0', '1']
        assert offsets['-1'] == offsets['0'] == offsets['1']
        moved = after[layer]
        # Of 8 frames one is left at Mixed_5c: its neighbours are padding, and teach nothing.
        assert (moved['-1'] == moved['1']) == (layer == 'Mixed_5c')
        assert moved['0'] not in (moved['-1'], moved['1'])
    # Inflated from the 2D network: its kernels over three.
    (kernel,) = (w for w in image.get_layer('Conv2d_2c_3x3').weights if w.path.endswith('kernel'))
    assert before['Conv2d_2c_3x3']['0']['max'] == pytest.approx(kernel.numpy().max() / 3, rel=1e-6)
    check_pictures(workdir, (workdir / 'report.md').read_text())


def agreement(features, groups, neighbours):
    """By hand: all distances between standardised features."""
    features = features.astype('float64')
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    shares = []
    for i, one in enumerate(features):
        distances = ((features - one) ** 2).sum(axis=1)
        nearest = [k for k in np.argsort(distances, kind='stable') if k != i][:neighbours]
        shares.append(np.mean([groups[k] == groups[i] for k in nearest]))
    return np.mean(shares)


def test_too_few_videos_for_the_maps_are_refused_before_training(conducted, capsys):
    flags = ('--videos=5', '--neighbours=5')
    assert conducted.call(feature_embedding, *flags, '--seed=9', name='few') == 2
    told = capsys.readouterr()
    assert 'found 5 videos for the maps, 5 neighbours need 6' in told.err
    assert 'training' not in told.out


@pytest.mark.slow
def test_feature_embedding(conducted):
    workdir = conducted.folder(feature_embedding, '--videos=40', '--neighbours=3')
    results = results_of(workdir)
    assert list(results) == ['i2d', 'bottom_heavy_s3d', 'top_heavy_s3d', 's3d']
    for network, levels in results.items():
        folder = conducted.network('feature_embedding', network)
        with np.load(folder / 'features_validation.npz') as file:
            assert list(levels) == [name for name in file if name != 'id']
            assert len(file['id']) == 40
            groups = [video.split('/')[-2] for video in file['id'].tolist()]
            for level, figures in levels.items():
                expected = agreement(file[level], groups, neighbours=3)
                assert figures['neighbour_agreement'] == pytest.approx(expected)
    # Pooled by hand, of one video's 16 frames, looped.
    folder = conducted.network('feature_embedding', 's3d')
    network = keras.models.load_model(folder / 'model.keras')
    with np.load(folder / 'features_validation.npz') as file:
        video, stored = str(file['id'][0]), file['Mixed_5c'][0]
    builder = catalog.open_dataset('moving_shapes', 'hard_rgb', conducted.data_dir)
    frames = next(e['video'] for e in stored_videos(builder, 'validation') if e['id'] == video)
    clip = np.stack([frames[i % len(frames)] for i in range(16)])[None, :, 20:52, 20:52]
    expected = network.endpoint('Mixed_5c')(clip).numpy().mean(axis=(0, 1, 2, 3))
    assert_close(stored, expected, 1e-4)
    check_pictures(workdir, (workdir / 'report.md').read_text())


def wins(logits, label):
    """Whether the class is ahead of all others: two streams sure of different classes tie."""
    logits = logits.astype('float32')
    return (logits >= logits[label]).sum() == 1


@pytest.mark.slow
def test_optical_flow(conducted):
    workdir = conducted.folder(optical_flow)
    assert conducted.call(optical_flow, '--fusion=probabilities', name='averaged') is None
    by_probabilities = conducted.runs / 'averaged'
    results = results_of(workdir)
    assert set(results) == {'i3d', 's3d_g'}
    for name, streams in results.items():
        stored = {}
        for modality in ('rgb', 'flow'):
            folder = conducted.network('optical_flow', f'{name}/{modality}')
            stored[modality] = Predictions.load(folder / 'predictions.npz')
            assert streams[modality]['top1'] == top1(stored[modality])
            model = keras.models.load_model(folder / 'model.keras')
            assert model.config.channels == {'rgb': 3, 'flow': 2}[modality]
        logits = dict(zip(stored['flow'].ids, stored['flow'].logits, strict=True))
        rgb = stored['rgb']
        hits = {'logits': [], 'probabilities': []}
        for video, own, label in zip(rgb.ids, rgb.logits, rgb.labels, strict=True):
            other = logits[video]
            hits['logits'].append(wins(own.astype('float64') + other, label))
            mean = (softmax(own.astype('float64')) + softmax(other.astype('float64'))) / 2
            with np.errstate(divide='ignore'):  # a probability of 0
                hits['probabilities'].append(wins(np.log(mean), label))
        assert streams['two_stream']['top1'] == pytest.approx(np.mean(hits['logits']))
        averaged = results_of(by_probabilities)[name]['two_stream']['top1']
        assert averaged == pytest.approx(np.mean(hits['probabilities']))
    lines = (workdir / 'report.md').read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    printed = {tuple(row[:2]): (row[4], row[6]) for row in cells if len(row) == 7}
    assert printed[('i3d', 'flow')] == ('63.91', '85.0')
    assert printed[('i3d', 'two-stream')] == ('74.1', '91.6')
    assert printed[('s3d_g', 'rgb')] == ('74.7', '93.4')
    assert printed[('s3d_g', 'flow')] == ('68.0', '87.6')
    assert printed[('s3d_g', 'two-stream')] == ('77.22', '93.0')


@pytest.mark.slow
def test_ablations(conducted):
    workdir = conducted.folder(ablations, '--ablations=branches')
    results = results_of(workdir)
    assert list(results) == ['branches']
    assert list(results['branches']) == ['four', 'two']
    text = (workdir / 'report.md').read_text()
    for name, label in (('four', 's3d'), ('two', 's3d_slim')):
        folder = conducted.network('ablations', label)
        assert results['branches'][name]['top1'] == top1(
            Predictions.load(folder / 'predictions.npz')
        )
        assert rows_of(text)[name][0] == 'single frames'
    # Footnote 5's figures.
    assert [rows_of(text)[name][2] for name in ('four', 'two')] == ['78.9', '78.4']


@pytest.mark.slow
def test_transfer(conducted):
    flags = ('--pretraining_steps=3', '--network=i2d', '--nocompare_scratch')
    workdir = conducted.folder(transfer, *flags)
    figures = results_of(workdir)['moving_shapes']
    splits = [figures[f'split{k}'] for k in (1, 2, 3)]
    assert figures['mean'] == pytest.approx(sum(splits) / 3)
    pretrained = conducted.network('transfer', 'i2d')
    assert results_of(pretrained)['step'] == 3
    source = keras.models.load_model(pretrained / 'model.keras')
    assert source.class_names == ('move_right', 'move_left', 'grow', 'shrink', 'appear')
    for k, top1_of_split in enumerate(splits, start=1):
        folder = conducted.network('transfer', f'moving_shapes/split{k}')
        settings = json.loads((folder / 'config.json').read_text())
        assert settings['init'] == str(pretrained / 'model.keras')
        assert settings['config'] == f'split{k}_rgb'
        assert results_of(folder)['step'] == 2
        assert top1_of_split == top1(Predictions.load(folder / 'predictions.npz'))
    text = (workdir / 'report.md').read_text()
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines()]
    means = {tuple(row[:2]): row[-1] for row in rows if len(row) == 7}
    before = {tuple(row[:2]): row[2] for row in rows if len(row) == 7}
    assert before['ucf101', 'the paper: S3D-G'] == 'ImNet + Kinetics'
    assert before['moving_shapes', 'i2d, fine-tuned'] == 'single frames + moving_shapes/half_rgb'
    assert means['ucf101', 'the paper: S3D-G'] == '96.8'
    assert means['hmdb51', 'the paper: S3D-G'] == '75.9'
    assert means['hmdb51', 'the paper: R(2+1)D'] == '74.5'
    assert means['moving_shapes', 'i2d, fine-tuned'] == percent(figures['mean'])


@pytest.mark.slow
def test_seeds_and_a_stop_between_networks(conducted, monkeypatch, capsys):
    conducted.folder(arrow_of_time)
    monkeypatch.setattr(kinetics.Kinetics, 'networks', ('i3d', 'i2d'))
    trained = []

    def stopped(builder, plan, workdir, *rest):
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(workdir)
        return train(builder, plan, workdir, *rest)

    train = training.train
    with monkeypatch.context() as patch:
        patch.setattr(training, 'train', stopped)
        assert conducted.call(kinetics, '--seeds=2', name='seeds') == 130
    assert not (conducted.runs / 'seeds' / 'results.json').exists()
    before = (trained[0] / 'results.json').stat().st_mtime_ns
    capsys.readouterr()
    assert conducted.call(kinetics, '--seeds=2', name='seeds') is None
    # Of three with seed 1: what they start from was there.
    assert capsys.readouterr().out.count('training ') == 2
    assert (trained[0] / 'results.json').stat().st_mtime_ns == before
    figures = results_of(conducted.runs / 'seeds')['i3d']
    by_seed = [results_of(conducted.network('seeds', 'i3d', seed))['top1'] for seed in (0, 1)]
    assert figures['seeds'] == 2
    assert figures['top1'] == pytest.approx(np.mean(by_seed))
    assert figures['top1_deviation'] == pytest.approx(abs(by_seed[0] - by_seed[1]) / 2**0.5)
    assert ' ± ' in (conducted.runs / 'seeds' / 'report.md').read_text()


@pytest.mark.slow
def test_report(conducted):
    conducted.folder(arrow_of_time)
    conducted.folder(optical_flow)
    foreign = conducted.runs / 'foreign'
    foreign.mkdir()
    (foreign / 'config.json').write_text('[1, 2]')
    page = conducted.runs / 'page'
    flags = (f'--runs_dir={conducted.runs}', f'--workdir={page}')
    assert in_process.call(report, *flags) is None
    text = (page / 'report.md').read_text()
    results = results_of(page)
    assert str(conducted.runs / 'arrow_of_time') in results['arrow_of_time']['finished']
    assert set(results['arrow_of_time']['missing']) == {'something_something_v1', 'kinetics400'}
    command = (
        'python -m experiments.optical_flow --imagenet=inception_v1.ckpt '
        f'--workdir={conducted.runs}/optical_flow_paper'
    )
    assert results['optical_flow']['missing'] == {'kinetics400': command}
    assert 'cost_table' in text
    for printed in ('71.1', '45.8', '15.2', '78.4', '48.2', '77.2', '96.8', '75.9'):
        assert printed in text
    check_pictures(page, text)
    # Written anew without a word.
    assert in_process.call(report, *flags) is None
