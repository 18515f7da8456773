"""Checks of a single record or frame, for `data.records.verification`.

Nothing here starts TensorFlow's runtime.
"""

import dataclasses

import tensorflow as tf
import tensorflow_datasets as tfds
from google.protobuf import message

from data import boxes
from data.errors import DatasetError
from data.example import CHANNELS, ID, LABEL, UNKNOWN_LABEL, VIDEO
from data.records.heads import box_columns, values_of
from s3dg.errors import S3dgError

# Records.


class RecordError(S3dgError, ValueError):
    """A record is not an example of the dataset at all; the message says why."""


@dataclasses.dataclass(frozen=True)
class Content:
    """What a record holds."""

    id: str
    label: int | None  # None where there is not exactly one
    frames: list[bytes]  # encoded
    faults: list[str]  # whatever is wrong with the rest, a line each


class Parser:
    """Parses records, and checks all but the content of frames and what only the dataset knows."""

    def __init__(self, info: tfds.core.DatasetInfo):
        self._names = list(info.features)
        self._classes = info.features[LABEL].num_classes
        self._has_boxes = boxes.BOXES in info.features
        if self._has_boxes:
            self._box_classes = info.features[boxes.BOXES][boxes.LABEL].num_classes
        # A video's last frame has no flow, and may have boxes.
        self._frames_without_picture = int(modality(info) == 'flow')

    def parse(self, record: bytes) -> Content:
        """Parses a record. Raises RecordError if it is no example, or one without an id."""
        try:
            features = tf.train.Example.FromString(record).features.feature
        except message.DecodeError:
            raise RecordError('it is no tf.train.Example') from None
        video_id = _read_id(features)
        held = {name.partition('/')[0] for name in features}
        faults = [f'has no feature {name!r}' for name in self._names if name not in held]
        frames = list(values_of(features, VIDEO, 'bytes_list'))
        labels = list(values_of(features, LABEL, 'int64_list'))
        if not frames:
            faults.append('has no frames')
        if len(labels) != 1:
            faults.append(f'has {len(labels)} labels, expected one')
        elif not (0 <= labels[0] < self._classes or labels[0] == UNKNOWN_LABEL):
            faults.append(f'has label {labels[0]}, expected 0 to {self._classes - 1}')
        if self._has_boxes:
            length = len(frames) + self._frames_without_picture
            faults += _box_faults(features, length, self._box_classes)
        return Content(video_id, labels[0] if len(labels) == 1 else None, frames, faults)


def _read_id(features) -> str:
    values = values_of(features, ID, 'bytes_list')
    if len(values) != 1:
        raise RecordError(f'it has {len(values)} ids, expected one')
    try:
        video_id = values[0].decode()
    except UnicodeDecodeError:
        raise RecordError(f'its id {values[0]!r} is not UTF-8') from None
    if not video_id or video_id.startswith('/'):
        raise RecordError(f'its id {video_id!r} is {"a local path" if video_id else "empty"}')
    return video_id


def _box_faults(features, length, classes) -> list[str]:
    """The faults of an example's boxes in one line, if there are any."""
    columns = box_columns(features)
    count = len(columns[boxes.FRAME])
    for name, values in columns.items():
        expected = 4 * count if name == boxes.BOX else count
        if len(values) != expected:
            found = f'{len(values)} values of {boxes.BOXES}/{name}'
            return [f'has {found}, expected {expected} for the {count} boxes']
    faults = []
    for k, corners in enumerate(columns[boxes.BOX].reshape(-1, 4)):
        frame, label, tube = (columns[name][k] for name in (boxes.FRAME, boxes.LABEL, boxes.TUBE))
        ymin, xmin, ymax, xmax = corners
        if not 0 <= frame < length:
            faults.append((k, f'is on frame {frame} of {length}'))
        elif not (0 <= ymin < ymax <= 1 and 0 <= xmin < xmax <= 1):
            numbers = ', '.join(f'{number:g}' for number in corners)
            faults.append((k, f'is ({numbers}), expected 0 <= ymin < ymax <= 1 and so for x'))
        elif not 0 <= label < classes:
            faults.append((k, f'has label {label}, expected 0 to {classes - 1}'))
        elif tube < 0:
            faults.append((k, f'is of tube {tube}'))
    return [summary('box', faults, count)] if faults else []


def summary(noun: str, faults: list[tuple[int, str]], count: int) -> str:
    """Faults (number, text) of some of `count` things in one line: the first, and how many more."""
    number, fault = faults[0]
    more = f'; {len(faults) - 1} more are faulty' if len(faults) > 1 else ''
    return f'{noun} {number} of {count} {fault}{more}'


# Frames.


class Picture:
    """What decoded frames are to be, as far as the dataset says so; raises as `modality`."""

    def __init__(self, info: tfds.core.DatasetInfo):
        self._flow = modality(info) == 'flow'
        self._size = info.metadata.get('frame_size')
        self._short_side = info.metadata.get('short_side')

    def faults(self, decoded: list[tuple[int, ...] | str]) -> list[tuple[int, str]]:
        """(number, fault) of a video's frames, given what `pictures.shapes` makes of them."""
        first = next((shape for shape in decoded if isinstance(shape, tuple)), None)
        found = ((number, self._fault(shape, first)) for number, shape in enumerate(decoded))
        return [(number, fault) for number, fault in found if fault is not None]

    def _fault(self, shape, first) -> str | None:
        if isinstance(shape, str):
            return shape
        gray = len(shape) == 2
        if gray != self._flow:
            return f'is {"gray" if gray else "in colour"}, expected {"colour" if gray else "gray"}'
        height, width = shape[0], shape[1]
        if self._flow:  # x and y components lie beside each other
            if width % 2:
                return f'is {width} pixels wide, expected an even number for the two halves of flow'
            width //= 2
        size = f'is {height}x{width} (height x width)'
        if self._size is not None:
            fits = [height, width] == list(self._size)
            return None if fits else f'{size}, expected {self._size[0]}x{self._size[1]}'
        if self._short_side is not None and min(height, width) != self._short_side:
            return f'{size}, expected a shorter side of {self._short_side}'
        if shape != first:
            return f'{size}, unlike the first frame'
        return None


def modality(info: tfds.core.DatasetInfo) -> str:
    """What the frames of a dataset show. Raises DatasetError if it does not say so."""
    found = (info.metadata or {}).get('modality')
    if found not in CHANNELS:
        raise DatasetError(
            f'{info.full_name}: found modality {found!r} in its metadata,'
            f' expected one of {", ".join(CHANNELS)}'
        )
    return found
