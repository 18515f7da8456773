"""What trainings and evaluations need to know of a dataset on disk, and what they refuse."""

import itertools

from data.records import read
from data.records.decode import Decoder
from s3dg.errors import one_line
from s3dg.program.entry import UsageError

_NAMED = 3  # places in which lists of classes differ
_LONGEST_NAME = 40


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


def describe_difference(found, expected):
    """How many names two lists of classes have, and where they first differ.

    Returns:
      e.g. "3 classes, expected 3; 1 places differ: class 2 is 'dance', expected 'jump'; 2 names are
      in both".
    """

    def told(name, absent):
        return absent if name is None else repr(one_line(name, _LONGEST_NAME))

    places = enumerate(itertools.zip_longest(found, expected))
    differ = [(place, *names) for place, names in places if names[0] != names[1]]
    shown = '; '.join(
        f'class {place} is {told(one, "not there")}, expected {told(other, "none")}'
        for place, one, other in differ[:_NAMED]
    )
    return (
        f'{len(found)} classes, expected {len(expected)}; {len(differ)} places differ: {shown}; '
        f'{len(set(found) & set(expected))} names are in both'
    )
