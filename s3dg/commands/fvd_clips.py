"""Clips of videos as the published Fréchet video distances take them: which frames, how resized.

What the sources do, by the files that say it:

- google-research/frechet_video_distance (frechet_video_distance.py, example.py): takes videos that
  are loaded already, all their frames; `tf.image.resize_bilinear` of TensorFlow 1 to 224x224, whose
  pixels have their centres at whole numbers.
- songweige/content-debiased-fvd (cdfvd/fvd.py, third_party/i3d/utils.py, utils/data_utils.py): one
  clip of 16 frames from each video, which begins anywhere in it; `torch`'s bilinear `interpolate`
  without aligned corners; all real videos and 2,048 generated ones.
- universome/stylegan-v (src/metrics/metric_main.py, src/metrics/frechet_video_distance.py,
  src/training/dataset.py): one clip of 16 or 128 frames, or of every eighth one of 128. Videos with
  fewer frames are discarded. A real one's clip begins anywhere, a generated one's with the video.
  2,048 of each. The network does the resizing, in a compiled file; it is said to be the first one's
  "up to the upsampling operation", which is taken here to be torch's.

What the loaders of the last two do before (a smaller copy of the video, cut to a square) belongs to
the data and not to the distance: it is not done here.
"""

import collections
import dataclasses
import itertools
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from s3dg.errors import VideoError

# With fewer, the I3D that the distance is defined by has no two steps left to average.
LEAST_FRAMES = 10


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How videos become clips.

    Attributes:
      name: as it is published.
      half_pixel_centers: whether pixels have their centres at halves when frames are resized, or at
        whole numbers.
      frames: of a clip; None: all of the video.
      stride: frames from one of a clip to the next.
      videos: how many of each side are taken, by the side; None: all.
      random: of which sides the published clips begin anywhere in the video.
      size: (height, width) that whole frames are resized to.
    """

    name: str
    half_pixel_centers: bool
    frames: int | None = None
    stride: int = 1
    videos: dict[str, int | None] = dataclasses.field(
        default_factory=lambda: dict.fromkeys(('real', 'generated'))
    )
    random: tuple[str, ...] = ()
    size: tuple[int, int] = (224, 224)

    @property
    def least_frames(self) -> int:
        """Frames that a video must have."""
        return LEAST_FRAMES if self.frames is None else self.frames * self.stride


def _stylegan_v(name, frames, stride=1):
    videos = {'real': 2048, 'generated': 2048}
    return Protocol(name, True, frames, stride, videos, random=('real',))


PROTOCOLS = {
    'original': Protocol('original', False),
    'cd_fvd': Protocol(
        'cd_fvd', True, 16, videos={'real': None, 'generated': 2048}, random=('real', 'generated')
    ),
    'stylegan_v': _stylegan_v('fvd2048_16f', 16),  # the one that its own program computes
    'fvd2048_16f': _stylegan_v('fvd2048_16f', 16),
    'fvd2048_128f': _stylegan_v('fvd2048_128f', 128),
    'fvd2048_128f_subsample8f': _stylegan_v('fvd2048_128f_subsample8f', 16, 8),
}


def resize(frame: np.ndarray, protocol: Protocol) -> np.ndarray:
    """A uint8 frame (height, width, 3) at the protocol's size: float32, 0 to 255, not rounded."""
    # What `tf.compat.v1.image.resize_bilinear` is, without its warning that it is old.
    resized = tf.raw_ops.ResizeBilinear(
        images=frame[None], size=protocol.size, half_pixel_centers=protocol.half_pixel_centers
    )
    return resized.numpy()[0]


def cut_clip(
    video: Iterable[np.ndarray],
    protocol: Protocol,
    most_frames: int,
    generator: np.random.Generator | None = None,
) -> np.ndarray:
    """The clip of a video, whose frames are read once, and no further than they are needed.

    Args:
      video: its frames, uint8 (height, width, 3).
      protocol: which of them.
      most_frames: of a clip, where the protocol takes all of a video.
      generator: draws the start of the clip from all that there are; None: it is the video's.

    Returns:
      float32 (frames, *size, 3), 0 to 255.

    Raises:
      VideoError: for a video with too few frames, or too many; and what the video raises.
    """
    if protocol.frames is None:
        clip = [resize(frame, protocol) for frame in itertools.islice(video, most_frames + 1)]
        count = len(clip)
    elif generator is None:
        clip, count = _first_clip(video, protocol)
    else:
        clip, count = _any_clip(video, protocol, generator)
    if count < protocol.least_frames:
        raise VideoError(f'{count} frames, expected at least {protocol.least_frames}')
    if len(clip) > most_frames:
        raise VideoError(
            f'more than {most_frames} frames, which are too many at once; --frames={most_frames} '
            f'takes the first ones'
        )
    return np.stack(clip)


def _first_clip(video, protocol):
    """The clip that begins with the video, and how many frames have been seen."""
    clip, count = [], 0
    for count, frame in enumerate(itertools.islice(video, protocol.least_frames), 1):
        if (count - 1) % protocol.stride == 0:
            clip.append(resize(frame, protocol))
    return clip, count


def _any_clip(video, protocol, generator):
    """One of all clips, each as probable as the others, and how many frames the video has."""
    held = collections.deque(maxlen=(protocol.frames - 1) * protocol.stride + 1)
    clip, clips, count = [], 0, 0
    for frame in video:
        count += 1
        held.append(resize(frame, protocol))
        if len(held) == held.maxlen:
            clips += 1
            if generator.integers(clips) == 0:  # the k-th takes the place with a chance of 1 in k
                clip = list(held)[:: protocol.stride]
    return clip, count
