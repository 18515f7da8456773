"""Layouts of features: what the tools that read them expect, as a table.

Where a layout's own extraction is public, its values are from there: windows, rates, sizes, crops
and the names of files. Each may be changed by a flag.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from s3dg.commands.inputs import video_id
from s3dg.network import POOLED_FEATURES
from s3dg.program.entry import UsageError
from s3dg.video import crops, streams

OWN_RATE = 'own'  # frames a second of the video
OF_THE_NETWORK = 'network'  # what the network says


def _flat(name, features, about):
    """One file: RGB before flow along the channels."""
    del about
    return {f'{name}.npy': _joined(features)}


def _transposed(name, features, about):
    del about
    return {f'{name}.npy': np.ascontiguousarray(_joined(features).T)}


def _joined(features):
    """float32 (windows, channels) of all streams, RGB first."""
    return np.concatenate([rows[:, 0] for rows in features.values()], axis=-1)


# Folders of the streams where files of both have one name. (UR-DMU's loader of XD-Violence)
_FOLDERS = {streams.RGB: 'RGB', streams.FLOW: 'Flow'}


def _by_crop(name, features, about):
    """A file (windows, channels) for each crop, and of two streams a folder for each."""
    del about
    return {
        f'{f"{_FOLDERS[stream]}/" if len(features) > 1 else ""}{name}__{number}.npy': rows[
            :, number
        ]
        for stream, rows in features.items()
        for number in range(rows.shape[1])
    }


def _video_features_i3d(name, features, about):
    files = {f'i3d/{name}_{stream}.npy': rows[:, 0] for stream, rows in features.items()}
    ends = about.frame_times[:, -1] + 1 / about.frames_per_second
    return {
        **files,
        f'i3d/{name}_fps.npy': np.array(about.frames_per_second),
        f'i3d/{name}_timestamps_ms.npy': 1000 * ends,
    }


def _video_features_s3d(name, features, about):
    del about
    return {f's3d/{name}_s3d.npy': features[streams.RGB][:, 0]}


@dataclasses.dataclass(frozen=True)
class Layout:
    """A layout, and how its features are extracted.

    Attributes:
      about: what reads it, and whose values these are.
      files: from an id, the features of each stream, float32 (windows, crops, channels), and the
        `extraction.Times` to the arrays of the files to write, by their names; None: a .npz file
        with everything (feature_file.py).
      window, stride: in frames; None: the network's clip, and the window.
      tail, centred: as of `windows.Cut`.
      frames_per_second: a number, `OWN_RATE` or `OF_THE_NETWORK`.
      frame_size, short_side: as of `reading.read_frames`; both None: the network's.
      crops, mirrored: as of `crops.crop_each`.
      takes_crops: whether there may be several crops.
      endpoint: of the network, averaged over time and space.
      streams: of which features are taken.
      leaves_last: whether the last frame is left out where only RGB is taken, too.
    """

    about: str
    files: Callable | None = None
    window: int | None = None
    stride: int | None = None
    tail: str = 'shift'
    centred: bool = False
    frames_per_second: float | str = OF_THE_NETWORK
    frame_size: tuple[int, int] | None = None
    short_side: int | None = None
    crops: tuple[str, ...] = (crops.CENTRE,)
    mirrored: bool = False
    takes_crops: bool = False
    endpoint: str = POOLED_FEATURES
    streams: tuple[str, ...] = (streams.RGB,)
    leaves_last: bool = False


_BOTH = (streams.RGB, streams.FLOW)

LAYOUTS = {
    'npz': Layout(
        'features with their times, one .npz per video',
        takes_crops=True,
        endpoint='Mixed_5c',
    ),
    # THUMOS-14's; ActivityNet's are --fps=25 --stride=16. (happyharrycn/actionformer_release;
    # sming256/OpenTAD)
    'actionformer': Layout(
        'ActionFormer, OpenTAD: ID.npy, (windows, channels)',
        _flat,
        window=16,
        stride=4,
        tail='drop',
        frames_per_second=OWN_RATE,
        streams=_BOTH,
    ),
    # "a window of size 21 around each frame", with zero padding. (yabufarha/ms-tcn, issue 34)
    'ms_tcn': Layout(
        'MS-TCN: ID.npy, (channels, frames)',
        _transposed,
        window=21,
        stride=1,
        tail='zero',
        centred=True,
        frames_per_second=OWN_RATE,
        streams=_BOTH,
    ),
    # henrryzh1/UR-DMU: feature_extract/i3d_extract.py, and the names in its lists.
    'anomaly': Layout(
        'UCF-Crime in ten crops (UR-DMU, VadCLIP): ID__0.npy to ID__9.npy, (windows, channels)',
        _by_crop,
        window=16,
        stride=16,
        tail='repeat',
        frames_per_second=OWN_RATE,
        frame_size=(256, 340),
        crops=crops.FIVE_OF_UCF_CRIME,
        mirrored=True,
        takes_crops=True,
    ),
    # Roc-Ng/XDVioDet, issue 5.
    'xd_violence': Layout(
        'XD-Violence in five crops: ID__0.npy to ID__4.npy, (windows, channels)',
        _by_crop,
        window=16,
        stride=16,
        tail='repeat',
        frames_per_second=OWN_RATE,
        short_side=256,
        crops=crops.FIVE,
        takes_crops=True,
    ),
    # v-iashin/video_features: models/i3d/extract_i3d.py, which takes a frame more than a window for
    # its flow, and leaves it out of RGB too.
    'video_features': Layout(
        'video_features: i3d/ID_rgb.npy, _flow, _fps, _timestamps_ms; of an S3D s3d/ID_s3d.npy',
        _video_features_i3d,
        window=64,
        tail='drop',
        frames_per_second=OWN_RATE,
        short_side=256,
        streams=_BOTH,
        leaves_last=True,
    ),
}

# The same of a separable network. (models/s3d/extract_s3d.py)
VIDEO_FEATURES_S3D = Layout(
    LAYOUTS['video_features'].about,
    _video_features_s3d,
    window=64,
    tail='drop',
    frames_per_second=25.0,
    short_side=224,
)


def choose(name, separable):
    """The `Layout` of a name in `LAYOUTS`, for a network that is `separable` or not."""
    if name == 'video_features' and separable:
        return VIDEO_FEATURES_S3D
    return LAYOUTS[name]


def ids(videos):
    """The id of each of some `inputs.Video`s, by which layouts name its files.

    Raises:
      UsageError: where two videos have one.
    """
    found = {}
    for video in videos:
        other = found.setdefault(video_id(video), video)
        if other is not video:
            raise UsageError(
                f'{video.path}: its files would be named like those of {other.path}; give each a '
                f'name in a list, a .csv file of path and name.'
            )
    return {video: name for name, video in found.items()}
