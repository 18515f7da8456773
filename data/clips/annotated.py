"""Clips around annotated frames, for action detection (section 5.3): read, decode, mirror, batch.

An epoch holds every annotated frame once, in an order that is a pure function of (seed, epoch).
Whether a frame is mirrored is one of (seed, epoch, id, frame). Where the frames of a video lie in
their shard is found once, and then no more is read than the clip needs, by TensorFlow alone. So
frames come in any order at all, without a whole video being read for each or many being held for
shuffling, and a training goes on with exactly the frames that are still to come.
"""

import dataclasses
import os

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from data import boxes
from data.clips import common
from data.clips.common import CLIP, EPOCH, ClipError
from data.clips.order import hashed
from data.example import ID
from data.records import read
from data.records.decode import Decoder
from data.records.heads import Head, frame_spans, split_heads

# Keys of a batch, besides the clip, the id and the epoch.
FLOW = 'flow'
KEY = 'key'  # the annotated frame
FRAME = 'frame'
TRUE_BOXES = 'true_boxes'
IS_TRUE = 'is_true'
LABELS = 'labels'
LEFT_OUT = 'left_out'
SEED = 'seed'

_LEAST_OF_FLOW = 2  # frames of a video that has flow
_READ_AT_ONCE = 8  # ranges of bytes
# Keys until the pixels are decoded.
_VIDEO = 'video_number'
_MIRRORED = 'mirrored'


@dataclasses.dataclass(frozen=True)
class AnnotatedVideo:
    """A video with boxes, and what is stored of its flow."""

    rgb: Head
    flow: Head | None

    def boxes_of(self, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """(boxes (n, 4) in 0 to 1, labels (n,)) of a frame."""
        columns = self.rgb.boxes
        here = columns[boxes.FRAME] == frame
        return columns[boxes.BOX].reshape(-1, 4)[here], columns[boxes.LABEL][here]

    def left_out(self, most_boxes: int) -> int:
        """How many boxes are left out where a frame has at most `most_boxes`."""
        counts = np.unique(self.rgb.boxes[boxes.FRAME], return_counts=True)[1]
        return int(np.maximum(counts - most_boxes, 0).sum())


def annotated_videos(
    rgb: tfds.core.DatasetBuilder, split: str, flow: tfds.core.DatasetBuilder | None = None
) -> list[AnnotatedVideo]:
    """The videos of a split that have boxes, in the order of their ids.

    With flow, those of a single frame are left out, for they have none.

    Raises:
      ClipError: if the split is unknown or empty, the dataset holds no boxes, or a video has no
        flow though a dataset of flow is given.
      DatasetError: as `read_heads`.
    """

    def heads(builder):
        return {head.id: head for head in split_heads(read.split_info(builder, split))}

    if boxes.BOXES not in rgb.info.features:
        raise ClipError(f'{rgb.info.full_name}: found no boxes, expected a detection dataset')
    flows = {} if flow is None else heads(flow)
    found = []
    for video_id, head in sorted(heads(rgb).items()):
        if not len(head.boxes[boxes.FRAME]):
            continue
        if flow is not None and video_id not in flows:
            if head.frames < _LEAST_OF_FLOW:
                continue
            raise ClipError(
                f'{flow.info.full_name}: found no video {video_id!r}, which {rgb.info.full_name} '
                'has; convert both from the same videos'
            )
        found.append(AnnotatedVideo(head, flows.get(video_id)))
    if not found:
        raise ClipError(f'{rgb.info.full_name}: split {split!r} has no boxes')
    return found


def annotated_frames(videos: list[AnnotatedVideo]) -> np.ndarray:
    """Every frame that has boxes: int32 (n, 2), each the number of a video and of its frame."""
    return _pairs(videos, lambda video: np.unique(video.rgb.boxes[boxes.FRAME]))


def all_frames(videos: list[AnnotatedVideo]) -> np.ndarray:
    """Every frame, with boxes or without, as `annotated_frames`."""
    return _pairs(videos, lambda video: range(video.rgb.frames))


def _pairs(videos, frames_of):
    pairs = [(number, frame) for number, one in enumerate(videos) for frame in frames_of(one)]
    return np.array(pairs, np.int32).reshape(-1, 2)


def context(frame, frames: int, stored) -> tf.Tensor:
    """Numbers of the frames around one: `frames` from `frame - frames // 2` on, held to the video.

    The annotated frame stands at `frames // 2`. Of flow one less is stored than of frames, and the
    last frame has the field before it.

    Args:
      frame, stored: int64; the number of a frame, and how many there are.
      frames: clip length.
    """
    numbers = frame - frames // 2 + tf.range(frames, dtype=tf.int64)
    return tf.clip_by_value(numbers, 0, stored - 1)


def training_frames(
    rgb: tfds.core.DatasetBuilder,
    split: str,
    *,
    flow: tfds.core.DatasetBuilder | None = None,
    frames: int,
    most_boxes: int,
    batch_size: int,
    seed: int,
    flip: bool,
    first_example: int = 0,
    num_shards: int = 1,
    shard_index: int = 0,
) -> tf.data.Dataset:
    """Endless batches of annotated frames with the clips around them, whole, not cropped.

    Args:
      rgb: an opened detection dataset, whose frames all have one size.
      split: name of a split.
      flow: the dataset of the flow of the same videos, or None.
      frames: clip length; see `context`.
      most_boxes: boxes of a frame, at most; where there are more, the first ones are taken.
      batch_size: frames per batch.
      seed: of the order and of mirroring.
      flip: whether to mirror every second frame, with its boxes and its flow.
      first_example: how many frames all pipelines together have taken: the dataset begins there.
      num_shards, shard_index: pipelines that share the work; each takes every num_shards-th frame.

    Returns:
      Dataset of {"clip": uint8 (batch, frames, height, width, 3), "key": uint8 (batch, height,
      width, 3), "flow": uint8 (batch, frames, height, width, 2), where asked for, "true_boxes":
      float32 (batch, most_boxes, 4), y_min, x_min, y_max, x_max in pixels, padded with 0,
      "is_true": bool (batch, most_boxes), "labels": int32 (batch, most_boxes), "left_out": int32
      (batch,), boxes beyond `most_boxes`, "id": string (batch,), "frame": int32 (batch,), "epoch":
      int64 (batch,), "seed": int32 (batch, 2), of what else is drawn of a frame in this epoch},
      static shapes.

    Raises:
      ClipError: as `annotated_videos`, if stored frames have no common size, or an argument is out
        of range.
    """
    common.check_shard(num_shards, shard_index, first_example)
    common.check_positive(batch_size=batch_size)
    reader = _Reader.of(rgb, split, flow, frames, most_boxes)
    pairs = annotated_frames(reader.videos)
    entries = reader.entries(pairs)

    def draw(example):
        epoch = example // len(pairs)
        key = _hashed(seed, epoch)
        index = tf.random.experimental.index_shuffle(
            example % len(pairs), tf.stack([key % 2**31, key // 2**31]), len(pairs) - 1
        )
        found = entries(index)
        own = _hashed(seed, epoch, found[ID], found[FRAME])
        return found | {
            EPOCH: epoch,
            SEED: tf.cast(tf.stack([own // 2 % 2**30, own // 2**32]), tf.int32),
            _MIRRORED: own % 2 == 1 if flip else tf.constant(False),
        }

    examples = tf.data.Dataset.counter(first_example + shard_index, num_shards)
    return reader.batches(examples.map(draw), batch_size, drop_remainder=True)


def evaluation_frames(
    rgb: tfds.core.DatasetBuilder,
    split: str,
    *,
    flow: tfds.core.DatasetBuilder | None = None,
    frames: int,
    most_boxes: int,
    batch_size: int,
    every_frame: bool = False,
    first_video: int = 0,
) -> tf.data.Dataset:
    """Every annotated frame of a split once, or every frame, video by video.

    Args:
      rgb, split, flow, frames, most_boxes, batch_size: as of `training_frames`.
      every_frame: whether to return frames without boxes too ("over all individual frames"), of
        the same videos.
      first_video: the videos before it, in the order of `annotated_videos`, are left out.

    Returns:
      Finite dataset of batches as `training_frames` has them, without "epoch" and "seed"; the last
      one may be smaller.

    Raises:
      ClipError: as `training_frames`.
    """
    common.check_positive(batch_size=batch_size)
    reader = _Reader.of(rgb, split, flow, frames, most_boxes)
    pairs = (all_frames if every_frame else annotated_frames)(reader.videos)
    pairs = pairs[pairs[:, 0] >= first_video]
    entries = reader.entries(pairs)

    def take(index):
        return entries(index) | {_MIRRORED: tf.constant(False)}

    chosen = tf.data.Dataset.range(len(pairs)).map(take)
    return reader.batches(chosen, batch_size, drop_remainder=False)


def _hashed(*values) -> tf.Tensor:
    tensors = map(tf.convert_to_tensor, values)
    return hashed(*(x if x.dtype == tf.string else tf.strings.as_string(x) for x in tensors))


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Reads what is stored around a frame, and the frame's boxes."""

    videos: list[AnnotatedVideo]
    frames: int
    most_boxes: int
    size: tuple[int, int]  # of the frames, height and width
    decoders: dict[str, Decoder]  # by the key in a batch

    @classmethod
    def of(cls, rgb, split, flow, frames, most_boxes):
        common.check_positive(frames=frames, most_boxes=most_boxes)
        videos = annotated_videos(rgb, split, flow)
        opened = {CLIP: rgb} | ({} if flow is None else {FLOW: flow})
        sizes = [builder.info.metadata['frame_size'] for builder in opened.values()]
        sizes = {size and tuple(size) for size in sizes}
        if None in sizes or len(sizes) > 1:
            raise ClipError(
                f'{rgb.info.full_name}: found frames of sizes {sorted(map(str, sizes))}, expected '
                'one (height, width) for all, and for their flow'
            )
        decoders = {key: Decoder(builder) for key, builder in opened.items()}
        return cls(videos, frames, most_boxes, *sizes, decoders)

    def entries(self, pairs: np.ndarray):
        """A function from the number of one of (video, frame) to what is known without pixels."""
        count, most = len(pairs), self.most_boxes
        corners = np.zeros([count, most, 4], np.float32)
        labels, held = np.zeros([count, most], np.int32), np.zeros(count, np.int32)
        for place, (number, frame) in enumerate(pairs):
            theirs, of_theirs = self.videos[number].boxes_of(frame)
            held[place], taken = len(theirs), min(len(theirs), most)
            corners[place, :taken], labels[place, :taken] = theirs[:taken], of_theirs[:taken]
        ids = [self.videos[number].rgb.id for number in pairs[:, 0]]
        columns = {
            _VIDEO: pairs[:, 0],
            FRAME: pairs[:, 1],
            ID: tf.constant(ids, tf.string),
            TRUE_BOXES: corners * np.float32([*self.size, *self.size]),
            IS_TRUE: np.arange(most) < held[:, None],
            LABELS: labels,
            LEFT_OUT: np.maximum(held - most, 0),
        }
        columns = {key: tf.constant(values) for key, values in columns.items()}
        return lambda index: {key: tf.gather(values, index) for key, values in columns.items()}

    def batches(self, chosen, batch_size, drop_remainder) -> tf.data.Dataset:
        """Of datasets of `entries`, batches with their pixels."""
        ranges = {CLIP: self._ranges([video.rgb for video in self.videos])}
        if FLOW in self.decoders:
            ranges[FLOW] = self._ranges([video.flow for video in self.videos])

        def encoded(entry):
            stored = {key: of_entry(entry) for key, of_entry in ranges.items()}
            return tf.data.Dataset.zip(stored).map(lambda frames: entry | frames)

        read_too = chosen.interleave(
            encoded, _READ_AT_ONCE, num_parallel_calls=_READ_AT_ONCE, deterministic=True
        )
        batches = read_too.batch(batch_size, drop_remainder=drop_remainder)
        batches = batches.map(self._decode, common.BATCHES_AT_ONCE)
        return batches.prefetch(common.PREFETCHED_BATCHES).with_options(read.options(True))

    def _ranges(self, heads):
        """A function from one of `entries` to a dataset of the encoded frames (frames,) around it.

        The bytes from the first to the last of them are read at once: as the one record of a file
        of records of that length, what is before and after being its header and footer.
        """
        spans = [frame_spans(head) for head in heads]
        lengths = np.array([len(one) for one in spans])
        before = np.cumsum([0, *lengths])[:-1]
        paths = np.array([str(head.path) for head in heads])
        sizes = np.array([os.path.getsize(path) for path in paths])
        columns = [np.concatenate(spans), lengths, before, paths, sizes]
        spans, lengths, before, paths, sizes = map(tf.constant, columns)

        def of_entry(entry):
            video, frame = entry[_VIDEO], tf.cast(entry[FRAME], tf.int64)
            numbers = context(frame, self.frames, tf.gather(lengths, video))
            places = tf.gather(spans, tf.gather(before, video) + numbers)
            first, last = places[0, 0], places[-1, 1]
            stored = tf.data.FixedLengthRecordDataset(
                tf.gather(paths, video)[None],
                record_bytes=last - first,
                header_bytes=first,
                footer_bytes=tf.gather(sizes, video) - last,
                buffer_size=last - first,
            )
            starts, ends = tf.unstack(places - first, axis=1)
            return stored.map(lambda record: tf.strings.substr(record, starts, ends - starts))

        return of_entry

    def _decode(self, batch):
        height, width = self.size
        mirrored = batch.pop(_MIRRORED)
        del batch[_VIDEO]
        windows = tf.tile([[0, 0, height, width]], [tf.shape(mirrored)[0], 1])
        for key, decoder in self.decoders.items():
            pixels = decoder.crops(batch[key], windows, mirrored)
            shape = [mirrored.shape[0], self.frames, height, width, decoder.channels]
            batch[key] = tf.ensure_shape(pixels, shape)
        top, left, bottom, right = tf.unstack(batch[TRUE_BOXES], axis=-1)
        seen = tf.stack([top, width - right, bottom, width - left], -1)
        seen = tf.where(
            mirrored[:, None, None] & batch[IS_TRUE][..., None], seen, batch[TRUE_BOXES]
        )
        return batch | {TRUE_BOXES: seen, KEY: batch[CLIP][:, self.frames // 2]}
