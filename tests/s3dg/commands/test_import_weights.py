"""Released checkpoints by the command line: the published figures, and clear refusals."""

import json

import keras
import numpy as np
import pytest

from s3dg.commands import import_weights
from s3dg.config import ENDPOINTS
from s3dg.program.entry import UsageError
from s3dg.program.workdir import file_identity
from s3dg.saving.export import ExportedNetwork
from tests import in_process, programs
from tests.s3dg.weights import golden
from tests.s3dg.weights.pseudo_weights import clip, pseudo_weight

TOLERANCE = 1e-4


def _import(source, checkpoint, folder, *flags):
    output = folder / 'network.keras'
    done = programs.run(
        'import-weights',
        f'--source={source}',
        f'--checkpoint={checkpoint}',
        f'--output={output}',
        f'--workdir={folder / "run"}',
        *flags,
    )
    return output, done


@pytest.mark.parametrize(
    ('name', 'source'),
    [
        ('slim_s3dg', 'slim'),
        pytest.param('slim_i3d', 'slim', marks=pytest.mark.slow),
        pytest.param('slim_s3d', 'slim', marks=pytest.mark.slow),
        pytest.param('deepmind_rgb_imagenet', 'deepmind_i3d', marks=pytest.mark.slow),
    ],
)
def test_tensorflow_checkpoints_give_the_published_figures(name, source, tmp_path):
    arrays = golden.arrays(name)
    checkpoint = golden.write_tensorflow_checkpoint(arrays, tmp_path / 'model.ckpt')
    output, _ = _import(source, checkpoint, tmp_path)
    network = keras.models.load_model(output)
    x = golden.golden_clip(name)
    assert golden.logits_error(name, network(x).numpy()) < TOLERANCE
    for endpoint, activations in network.endpoints(ENDPOINTS)(x).items():
        assert golden.endpoint_error(name, endpoint, activations) < TOLERANCE, endpoint
    results = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert results['variables_used'] == len(arrays)
    assert results['variables_left_out'] == []
    assert network.class_names[:2] == ('abseiling', 'air drumming')


@pytest.mark.slow
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_torch_files_give_the_published_figures(prefix, tmp_path):
    torch = pytest.importorskip('torch')
    arrays = golden.arrays('torchvision_s3d')
    source, state = 'torchvision', arrays
    if prefix:
        source, state = 'kylemin', golden.kylemin_names(arrays)
    checkpoint = tmp_path / 's3d.pth'
    tensors = {prefix + name: torch.from_numpy(np.asarray(array)) for name, array in state.items()}
    torch.save(tensors, checkpoint)
    output, _ = _import(source, checkpoint, tmp_path)
    network = keras.models.load_model(output)
    x = golden.golden_clip('torchvision_s3d').astype('float32')
    if prefix:
        mean, std = np.array([0.43216, 0.394666, 0.37645]), np.array([0.22803, 0.22145, 0.216989])
        x = (((x / 255.0 - mean) / std + 1.0) * 127.5).astype('float32')
    assert golden.logits_error('torchvision_s3d', network(x).numpy()) < TOLERANCE
    results = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert (results['variables_used'], len(results['variables_left_out'])) == (387, 77)


@pytest.mark.slow
def test_a_training_programs_checkpoint_in_half_precision(tmp_path):
    torch = pytest.importorskip('torch')
    arrays = golden.arrays('pytorch_i3d_rgb')
    half = {f'module.{name}': torch.from_numpy(np.asarray(a)) for name, a in arrays.items()}
    half = {
        name: value.half() if value.is_floating_point() else value for name, value in half.items()
    }
    content = {
        'epoch': 5,
        'state_dict': half,
        'optimizer': {'state': {0: {'momentum_buffer': torch.zeros(3)}}, 'param_groups': []},
    }
    torch.save(content, tmp_path / 'best.pth.tar')
    output, _ = _import('pytorch_i3d', tmp_path / 'best.pth.tar', tmp_path)
    logits = keras.models.load_model(output)(golden.golden_clip('pytorch_i3d_rgb')).numpy()
    assert golden.logits_error('pytorch_i3d_rgb', logits) < 0.01  # the precision of halves
    results = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert len(results['variables_left_out']) == 57 + 1  # counters of batches
    assert results['variables_left_out'][-1] == 'optimizer/state/0/momentum_buffer'


@pytest.mark.slow
def test_an_embedding_is_exported_and_not_classified(tmp_path):
    torch = pytest.importorskip('torch')
    reference = pytest.importorskip('tests.s3dg.weights.torch_reference')
    shapes = {
        name: shape
        for name, shape in reference.howto100m_shapes().items()
        if not name.startswith('text_module.word_embd')
    }
    state = {name: pseudo_weight(name, shape) for name, shape in shapes.items()}
    checkpoint = tmp_path / 's3d_howto100m.pth'
    tensors = {name: torch.from_numpy(np.asarray(array)) for name, array in state.items()}
    torch.save(tensors, checkpoint, _use_new_zipfile_serialization=False)  # as the published file
    output, _ = _import('howto100m', checkpoint, tmp_path)
    x = clip((32, 224, 224, 3))[None]
    expected = reference.howto100m(state, (x / np.float32(255)).astype('float32'))['embedding']
    found = keras.models.load_model(output)(x).numpy()
    assert np.abs(found - expected).max() < TOLERANCE * np.abs(expected).max()

    saved_model = tmp_path / 'saved_model'
    workdir = f'--workdir={tmp_path / "export"}'
    programs.run('export', f'--model={output}', f'--output={saved_model}', workdir)
    # Frames larger than the crop, of which the middle is seen.
    video = np.zeros((1, 32, 256, 256, 3), 'uint8')
    video[:, :, 16:240, 16:240] = x
    served = ExportedNetwork(saved_model).serve(video)
    assert set(served) == {'embedding'}
    assert np.abs(served['embedding'] - expected).max() < TOLERANCE * np.abs(expected).max()
    done = programs.run('classify', f'--model={saved_model}', 'video.mp4', code=2)
    assert 'returns an embedding of 512 dimensions, expected classes' in done.stderr


@pytest.mark.slow
def test_inflated_network_is_named_by_the_user(tmp_path):
    arrays = golden.arrays('slim_inception_v1')
    checkpoint = golden.write_tensorflow_checkpoint(arrays, tmp_path / 'inception_v1.ckpt')
    names = tmp_path / 'names.txt'
    names.write_text('walk\nrun\n')
    output, done = _import(
        'inception_v1', checkpoint, tmp_path, '--network=s3d_slim', f'--class_names={names}'
    )
    assert 'as initialised, not from the file: logits' in done.stdout
    network = keras.models.load_model(output)
    assert network.class_names == ('walk', 'run')
    np.testing.assert_array_equal(
        network.get_layer('Conv2d_2c_3x3').parts[0].spatial.kernel[0],
        arrays['InceptionV1/Conv2d_2c_3x3/weights'],
    )


def _missing(arrays):
    del arrays['InceptionV1/Mixed_4c/Branch_1/Conv2d_0b_3x3/BatchNorm/beta']


def _misshapen(arrays):
    arrays['InceptionV1/Mixed_4c/Branch_0/Conv2d_0a_1x1/weights'] = np.zeros(
        (1, 1, 1, 7, 160), 'f4'
    )


def _unknown(arrays):
    arrays['InceptionV1/Mixed_6a/weights'] = np.zeros(3, 'f4')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            _missing,
            'variable InceptionV1/Mixed_4c/Branch_1/Conv2d_0b_3x3/BatchNorm/beta is missing.',
        ),
        pytest.param(
            _misshapen,
            'Mixed_4c/Branch_0/Conv2d_0a_1x1/weights has shape [1, 1, 1, 7, 160], which',
            marks=pytest.mark.slow,
        ),
        pytest.param(
            _unknown,
            'variable InceptionV1/Mixed_6a/weights is unknown: ',
            marks=pytest.mark.slow,
        ),
        (None, 'not a readable TensorFlow checkpoint (DataLossError: '),
    ],
)
def test_files_that_do_not_fit_are_refused_in_one_line(change, message, tmp_path, capsys):
    checkpoint = tmp_path / 'model.ckpt'
    if change is None:
        checkpoint.write_text('nothing of the kind\n')
    else:
        arrays = golden.arrays('slim_s3dg')
        change(arrays)
        golden.write_tensorflow_checkpoint(arrays, checkpoint)
    check_refused('slim', checkpoint, message, capsys)


class _Code:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path, capsys):
    torch = pytest.importorskip('torch')
    checkpoint = tmp_path / 's3d.pth'
    torch.save({'features.0.0.0.weight': _Code(tmp_path / 'it_ran')}, checkpoint)
    check_refused('torchvision', checkpoint, 'not a torch state dict', capsys)
    assert not (tmp_path / 'it_ran').exists()


def check_refused(source, checkpoint, message, capsys):
    output, workdir = checkpoint.parent / 'network.keras', checkpoint.parent / 'run'
    words = (f'--checkpoint={checkpoint}', f'--output={output}', f'--workdir={workdir}')
    assert in_process.call(import_weights, f'--source={source}', *words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'error: {checkpoint}: ')
    assert message in line
    assert not output.exists()
    assert not workdir.exists()


@pytest.mark.parametrize(
    ('content', 'names'),
    [
        ('walk\nrun\n', ('walk', 'run')),
        ('\ufeffwalk\r\n run \r\n\r\n', ('walk', 'run')),
        ('walk\n\nrun\n', 'has no name in line 2'),
        ('walk\nwalk\n', "has 'walk' for the second time in line 2"),
        ('', 'has no name in line 1'),
    ],
)
def test_class_names_are_one_per_line(content, names, tmp_path):
    path = tmp_path / 'names.txt'
    path.write_text(content, encoding='utf-8', newline='')
    if isinstance(names, tuple):
        assert import_weights.read_class_names(str(path)) == names
        return
    with pytest.raises(UsageError, match=f'--class_names: .*names.txt {names}'):
        import_weights.read_class_names(str(path))


def test_the_labels_of_kinetics_are_known_by_name():
    assert len(import_weights.read_class_names('kinetics600')) == 600
    assert import_weights.read_class_names(None) is None


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        ((), '--output: expected a name ending in .keras, found x.h5.'),
        (
            ('--output=x.keras',),
            '--network is needed: which network inception_v1 is inflated into.',
        ),
        (
            ('--output=x.keras', '--network=s3d', '--class_names=kinetics'),
            "--class_names: expected kinetics400, kinetics600 or a text file, found 'kinetics'.",
        ),
        (
            ('--output=x.keras', '--source=slim', '--network=s3d'),
            '--network: the file of source slim',
        ),
    ],
)
def test_flags_that_cannot_be_are_named(flags, message, capsys):
    base = ('--source=inception_v1', '--checkpoint=nowhere', '--output=x.h5')
    assert in_process.call(import_weights, *base, *flags) == 2
    assert f'error: {message}' in capsys.readouterr().err


def test_other_networks_are_not_replaced(tmp_path):
    """Such as a trained one, whose name was given by mistake."""
    output, work = tmp_path / 'model.keras', tmp_path / 'run'
    import_weights.check_replaceable(output, work)
    output.write_bytes(b'trained')
    with pytest.raises(UsageError, match='--output: .*model.keras is there already, and not'):
        import_weights.check_replaceable(output, work)
    work.mkdir()
    results = {'written': file_identity(output)}
    (work / 'results.json').write_text(json.dumps(results))
    import_weights.check_replaceable(output, work)
    output.write_bytes(b'trained further')
    with pytest.raises(UsageError, match='or --overwrite to replace it'):
        import_weights.check_replaceable(output, work)


@pytest.mark.parametrize(
    ('flags', 'said'),
    [((), '--output: {} is there already'), (('--overwrite',), 'no.ckpt')],
)
def test_overwrite_is_needed_to_replace_them(flags, said, tmp_path, capsys):
    output = tmp_path / 'model.keras'
    output.write_bytes(b'trained')
    words = ('--source=slim', f'--checkpoint={tmp_path / "no.ckpt"}', f'--output={output}')
    code = in_process.call(import_weights, *words, f'--workdir={tmp_path / "run"}', *flags)
    assert code in (1, 2)
    assert said.format(output) in capsys.readouterr().err
    assert output.read_bytes() == b'trained'
