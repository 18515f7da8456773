"""What trainings and evaluations need to know of a dataset on disk, and what they refuse."""

from data.records import read
from data.records.decode import Decoder
from s3dg.program.entry import UsageError


def class_names(builder):
    """Names of the classes of a dataset, in the order of their labels."""
    return tuple(builder.info.features['label'].names)


def channels(builder):
    """Channels of the clips of a dataset: 3 for RGB, 2 for flow."""
    return Decoder(builder).channels


def choose_split(builder, name, flag):
    """The split that a flag names; by default `validation`, or `test` where there is none.

    Raises:
      UsageError: where the dataset has no such split, or its labels are not published.
    """
    splits = builder.info.splits
    if name is None:
        name = next((known for known in ('validation', 'test') if known in splits), None)
        if name is None:
            raise UsageError(
                f'--{flag}: {builder.info.full_name} has no split validation or test; name one of '
                f'{", ".join(splits)}.'
            )
    if name not in splits:
        raise UsageError(
            f'--{flag}: {builder.info.full_name} has no split {name!r}; '
            f'its splits are {", ".join(splits)}.'
        )
    if not read.is_labelled(builder, name):
        raise UsageError(
            f'--{flag}: the labels of split {name!r} of {builder.info.full_name} are not published.'
        )
    return name


def require_channels(network, builder, flag='--model'):
    """Refuses a network that does not take the clips of a dataset.

    Raises:
      UsageError: naming both.
    """
    if network.channels != channels(builder):
        raise UsageError(
            f'{flag}: the network takes {network.channels} channels, the videos of '
            f'{builder.info.full_name} have {channels(builder)}.'
        )
