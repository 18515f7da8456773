"""From a video to the encoded frames that are stored: the work that is worth several processes.

No TensorFlow in here: a process that does nothing else starts in a moment and stays small.
"""

import dataclasses
import functools
import numbers
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2

from data import workers
from data.errors import DatasetError
from data.example import CHANNELS
from data.listing import Source
from s3dg.errors import VideoError
from s3dg.video import frame_folder, optical_flow, reading, writing

# A record is one protocol buffer, which cannot pass 2 GiB; some is left for what is not frames.
MOST_BYTES = 2**31 - 2**24

# What is beyond is a slip, and would fill memory before it was noticed.
MOST_FRAMES_PER_SECOND = 1000
LONGEST_SIDE = 16384


@dataclasses.dataclass(frozen=True)
class Storage:
    """How videos are stored: fields of `datasets.builder.VideoConfig`, and of the builder.

    A value that cannot be raises DatasetError, naming the field.

    Attributes:
      folder_frames_per_second: rate of videos that come as folders of images; None: there are none.
      read_annotation: reads the file that comes with a video; of a module that can be imported, and
        that leaves TensorFlow alone. None: there is none, or not one for each video.
    """

    frames_per_second: float | None
    frame_size: tuple[int, int] | None
    short_side: int | None
    jpeg_quality: int
    modality: str
    flow_algorithm: str
    folder_frames_per_second: float | None = None
    read_annotation: Callable[[str], Any] | None = None

    def __post_init__(self):
        if self.frame_size is not None and self.short_side is not None:
            raise DatasetError(
                f'found frame_size={self.frame_size} and short_side={self.short_side}, expected one'
                ' of them to be None'
            )
        rate = f'above 0 and at most {MOST_FRAMES_PER_SECOND}, or None'
        side = f'1 to {LONGEST_SIDE} pixels'
        is_short_side = self.short_side is None or _is_count(self.short_side, LONGEST_SIDE)
        is_flow_algorithm = self.flow_algorithm in list(optical_flow.ALGORITHMS)
        for field, fits, expected in (
            ('frames_per_second', _is_rate(self.frames_per_second), rate),
            ('folder_frames_per_second', _is_rate(self.folder_frames_per_second), rate),
            ('frame_size', _is_size(self.frame_size), f'(height, width), each {side}'),
            ('short_side', is_short_side, side),
            ('modality', self.modality in list(CHANNELS), f'one of {", ".join(CHANNELS)}'),
            ('jpeg_quality', _is_count(self.jpeg_quality, 100), '1 to 100'),
            ('flow_algorithm', is_flow_algorithm, f'one of {", ".join(optical_flow.ALGORITHMS)}'),
        ):
            if not fits:
                raise DatasetError(f'found {field}={getattr(self, field)!r}, expected {expected}')


def _is_count(value, most: int) -> bool:
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return is_whole and 1 <= value <= most


def _is_rate(value) -> bool:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return value is None or (is_number and 0 < value <= MOST_FRAMES_PER_SECOND)


def _is_size(value) -> bool:
    is_pair = isinstance(value, tuple) and len(value) == 2
    return value is None or (is_pair and all(_is_count(side, LONGEST_SIDE) for side in value))


@dataclasses.dataclass(frozen=True)
class Encoded:
    """What comes of a video.

    Frames are colour pictures or, of flow, a gray one per pair of neighbouring frames, which holds
    the x components, (height, width), and the y components to the right of them.
    """

    frames: list[bytes]
    faults: str = ''  # in words, of a file that could be used nevertheless
    annotation: Any = None  # what `Storage.read_annotation` returns, if anything


def in_order(
    sources: Iterable[Source], storage: Storage, processes: int
) -> Iterator[tuple[Source, Encoded | VideoError]]:
    """Yields (source, what came of it) in the order of the sources, as `workers.in_order` does.

    All that is stored comes through here. Other processes parse the files; a video that kills its
    process is unusable, like one with an error.
    """
    work = functools.partial(try_video, storage=storage)
    return workers.in_order(work, sources, processes, functools.partial(crash, storage))


def encode_video(path: str, storage: Storage) -> Encoded:
    """Decodes a video and encodes its frames, or the flow between them, as JPEG.

    It is a file or, where `storage` has a rate for them, a folder of frames; the annotation is not
    read.

    Raises:
      VideoError: if the video is unusable, or too long for a record.
      FlowError: if this OpenCV lacks the algorithm of the flow.
    """
    wanted = (storage.frames_per_second, storage.frame_size, storage.short_side)
    folder_rate = storage.folder_frames_per_second
    if folder_rate is not None and os.path.isdir(path):
        frames = frame_folder.read_frames(path, folder_rate, *wanted, bgr=True)
    else:
        frames = reading.read_frames(path, *wanted, bgr=True)
    try:
        return Encoded(_encode(frames, storage), frames.faults)
    except cv2.error as error:  # a shape it cannot work on, or memory it cannot have
        raise VideoError(f'OpenCV fails on it: {" ".join(str(error).split())}') from None


def _encode(frames, storage):
    if storage.modality == 'flow':
        gray = (cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames)
        fields = optical_flow.flow_fields(gray, storage.flow_algorithm)
        frames = (optical_flow.to_image(field) for field in fields)
    encoded, size = [], 0
    for frame in frames:
        encoded.append(writing.encode_jpeg(frame, storage.jpeg_quality, bgr=True))
        size += len(encoded[-1])
        if size > MOST_BYTES:
            raise VideoError(
                f'too long: its first {len(encoded)} frames fill a record; cut it into pieces'
            )
    if not encoded:  # flow of what resampling has left a single frame of
        raise VideoError('only one frame, no flow')
    return encoded


def try_video(source: Source, storage: Storage) -> Encoded | VideoError:
    """All that is to be read of a video, or its error as the value: what a process hands back."""
    annotation = None
    try:
        # The annotation first, which takes a moment: decoding may take minutes, flow hours. A video
        # that is not there is reported as such.
        if storage.read_annotation is not None and os.path.exists(source.path):
            annotation = storage.read_annotation(source.annotation)
        return dataclasses.replace(encode_video(source.path, storage), annotation=annotation)
    except VideoError as error:
        return error


def crash(storage: Storage) -> VideoError:
    """In place of `try_video`'s value where the video killed its process."""
    what = 'decoding it' if storage.read_annotation is None else 'reading it or its annotation'
    return VideoError(f'{what} kills the process, or takes more memory than there is')
