"""Where the networks of the paper start: from one that was trained on images, inflated.

Table 4's column "Pre-train" says ImNet of every network, flow included, Table 5's ImNet+Kinetics,
and section 4.3 the same of the I3D of Table 2. For Mini-Kinetics and Something-Something the paper
names no start; ours follows section 3.2, which follows I3D's training.
"""

from absl import flags

from experiments.training.presets import SINGLE_FRAMES, choose_videos
from experiments.training.recipe import Recipe
from experiments.training.start import How, Start
from s3dg.program.entry import UsageError

IMAGENET = 'ImNet'  # as the paper's tables say it
SINGLE = 'single frames'
# Datasets of the paper for whose networks it names the start.
_NAMED = ('kinetics400',)


def define_start_flags():
    """The flags that say where networks start that start from no other of the experiment's."""
    flags.DEFINE_string(
        'imagenet',
        None,
        "A 2D network for images to start from, inflated: TF-slim's inception_v1.ckpt, or a .keras "
        'file of s3dg import-weights; default with the tiny preset an I2D that is trained first, '
        'on single frames.',
    )
    flags.DEFINE_bool('from_scratch', False, 'Start from random weights, which the paper does not.')


def given_start(values, config=None):
    """The `Start` of networks that start from no other of the experiment's, by the flags.

    Args:
      values: the parsed flags.
      config: whose single frames tiny networks start from; by default of the harder videos.

    Raises:
      UsageError: where the paper's is not given.
    """
    if values.from_scratch:
        if values.imagenet is not None:
            raise UsageError('--imagenet and --from_scratch: a network starts from one of them.')
        return Start()
    if values.imagenet is not None:
        return Start(values.imagenet, How.IMAGES)
    if values.preset == 'tiny':
        return Start(single_frames(config), How.IMAGES)
    if values.dry_run:  # which weights they are makes no difference there
        return Start()
    raise UsageError(
        "--imagenet is needed with --preset=paper: TF-slim's inception_v1.ckpt, which the paper's "
        'networks start from; or --from_scratch for random weights.'
    )


def start_unless_given(values, files, config=None):
    """As `given_start`, where networks of files (`files`: the flag) may be taken that are trained.

    Raises:
      UsageError: where the flags of a start are given beside such files.
    """
    if values[files].value is None:
        return given_start(values, config)
    for name in ('imagenet', 'from_scratch'):
        if values[name].present:
            raise UsageError(f'--{name} and --{files}: the networks in files are trained already.')
    return Start()


def single_frames(config=None):
    """The `Recipe` of what stands for ImageNet's network with the tiny preset."""
    dataset, usual = choose_videos('tiny', None)
    return Recipe('i2d on single frames', 'i2d', dataset, config or usual, SINGLE_FRAMES)


def pretraining(one):
    """What a `Trained` network was trained on before, as the tables of the paper say it."""
    start = one.recipe.start
    if start.how is How.IMAGES:
        return SINGLE if one.start else IMAGENET
    if start.how is not How.TAKEN_OVER:
        return '-'
    if one.start is None:
        return f'`{one.recipe.name}`'
    before = pretraining(one.start)
    own = f'{one.start.plan.dataset}/{one.start.plan.config}'
    return own if before == '-' else f'{before} + {own}'


def note(trained):
    """What a report says of where its networks start.

    Args:
      trained: dict from label to `Trained` networks.
    """
    one = next(iter(trained.values()))[0]
    while one.start is not None and one.recipe.start.how is How.TAKEN_OVER:
        one = one.start
    start, dataset = one.recipe.start, one.plan.dataset
    if start.how is How.TAKEN_OVER:
        return ''  # of a file, whose own start is not known
    if start.how is not How.IMAGES:
        return "Networks start from random weights, the paper's from ImageNet's."
    if start.recipe is not None:
        return (
            'Networks start from an I2D that was trained on single frames of the same videos, '
            "inflated: it stands for the paper's network for ImageNet."
        )
    said = 'Networks start from a network for ImageNet, inflated'
    if dataset in _NAMED:
        return f'{said} (Table 4, section 4.3).'
    return (
        f'{said}. For this dataset the paper names no start: ours follows section 3.2, which '
        "follows I3D's training."
    )
