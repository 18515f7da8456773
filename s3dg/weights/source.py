"""What there is to know about a source of released weights."""

import dataclasses
from collections.abc import Callable

from s3dg.config import VideoFormat
from s3dg.weights.assign import WeightsError

# What optimisers and savers leave in TensorFlow 1 checkpoints beside the weights.
NOT_WEIGHTS = (
    r'(.*/)?global_step',
    r'.*/(Momentum|RMSProp(_1)?|Adam(_1)?|ExponentialMovingAverage)',
    r'(.*/)?beta[12]_power',
)


@dataclasses.dataclass(frozen=True)
class Source:
    """A source of released weights: how its files are read and what its networks are.

    Attributes:
      torch: whether its files are torch's, not TensorFlow's.
      fields_of: from the file's arrays to the `NetworkConfig` fields of the network it holds.
      names_of, convert, left_out: as of `assign`.
      video_format: how the network was given its videos.
      kept: endpoints that the files have nothing for; then the network is there to be inflated.
    """

    torch: bool
    fields_of: Callable
    names_of: Callable
    convert: Callable
    left_out: tuple[str, ...]
    video_format: VideoFormat = VideoFormat()
    kept: tuple[str, ...] = ()


def find(arrays, names, dimensions):
    """The array under the first of `names` that the file has, or a WeightsError for another one."""
    name = next((name for name in names if name in arrays), None)
    if name is None:
        raise WeightsError(
            f'variable {" or ".join(names)} is missing: is the file of another source?'
        )
    if arrays[name].ndim != dimensions:
        raise WeightsError(
            f'variable {name} has {arrays[name].ndim} dimensions, expected {dimensions}.'
        )
    if arrays[name].size == 0:
        raise WeightsError(f'variable {name} is empty: its shape is {list(arrays[name].shape)}.')
    return arrays[name]


def stem_channels(channels, kernel_name):
    """The `channels` that the file's stem takes, if they are those of RGB or flow."""
    if channels not in (2, 3):
        raise WeightsError(
            f'variable {kernel_name} takes {channels} channels, expected 3 (RGB) or 2 (flow).'
        )
    return channels
