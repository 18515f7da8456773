"""Decoding stored frames by TensorFlow, whole or as much of them as a crop shows."""

import os
from collections.abc import Iterator

import tensorflow as tf
import tensorflow_datasets as tfds

from data.errors import DatasetError
from data.example import CHANNELS, ID, LABEL, STORED_CHANNELS, VIDEO
from data.records import faults, read
from data.records.heads import ADVICE, read_frames, stored_files


def stored_videos(
    builder: tfds.core.DatasetBuilder, split: str, limit: int | None = None
) -> Iterator[dict]:
    """Whole videos as they are stored, in the order of evaluation.

    Yields:
      {"video": uint8 array (time, height, width, channels), "label": int, "id": str}.

    Raises:
      ClipError: as `read.split_info`.
      DatasetError: naming the video or the shard, if one is damaged.
    """
    decoder = Decoder(builder)
    files = stored_files(read.split_info(builder, split))
    records = iter(read.records(files).take(-1 if limit is None else limit))
    while True:
        with faults.named(builder, [split]):
            try:
                example = read.parse(next(records))
            except StopIteration:
                return
            video = {
                'video': decoder.frames(example[VIDEO]).numpy(),
                LABEL: int(example[LABEL]),
                ID: example[ID].numpy().decode(),
            }
        yield video


class Decoder:
    """Decodes the stored pictures of a dataset into frames of its modality.

    The pictures of an RGB dataset are its frames. Those of a flow dataset are gray and hold the x
    components left and the y components right; the frames have them as two channels.

    Attributes:
      channels: of the frames: 3, or 2 for flow.
      flow: whether the frames are flow.
      frames: function of JPEG strings (time,): uint8 (time, height, width, channels).

    Raises:
      ClipError: if the dataset's modality is unknown.
    """

    def __init__(self, builder: tfds.core.DatasetBuilder):
        self._name = builder.info.full_name
        self._metadata = builder.info.metadata
        modality = self._metadata['modality']
        if modality not in CHANNELS:
            raise read.ClipError(
                f'{self._name}: found modality {modality!r}, expected one of {", ".join(CHANNELS)}'
            )
        self.flow = modality == 'flow'
        self.channels = CHANNELS[modality]
        self._stored_channels = STORED_CHANNELS[modality]
        # Compiled: a loop over pictures of two sizes ends in one of TensorFlow's errors, which
        # `faults.named` looks into. Run eagerly, it ends in a ValueError, which may be anybody's.
        self.frames = tf.function(
            self._frames, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
        )

    def _frames(self, encoded: tf.Tensor) -> tf.Tensor:
        pictures = tf.map_fn(
            lambda picture: tf.io.decode_jpeg(
                picture, channels=self._stored_channels, dct_method='INTEGER_ACCURATE'
            ),
            encoded,
            fn_output_signature=tf.uint8,
        )
        return _halves_to_channels(pictures) if self.flow else pictures

    def crops(self, encoded: tf.Tensor, windows: tf.Tensor, mirror: tf.Tensor) -> tf.Tensor:
        """Decodes what a window on each clip shows.

        All frames of a batch are decoded by one loop, straight into the batch: a clip is ten
        megabytes, which take as long to be copied as some of its frames to be decoded.

        Args:
          encoded: JPEG strings (clips, time).
          windows: int32 (clips, 4), each (top, left, height, width), all of one size.
          mirror: bool (clips,), whether to see the clip in a mirror: reversed from left to right,
            and flow to the right becomes flow to the left.

        Returns:
          uint8 (clips, time, height, width, channels). The first and the last column of RGB may
          differ by a few levels from those of the whole frame.
        """
        clips, frames = tf.unstack(tf.shape(encoded))

        def decode(item):
            picture, clip = item
            frame = self._crop(picture, windows[clip])
            return tf.cond(mirror[clip], lambda: self._mirrored(frame), lambda: frame)

        items = (tf.reshape(encoded, [-1]), tf.repeat(tf.range(clips), frames))
        decoded = tf.map_fn(
            decode,
            items,
            fn_output_signature=tf.uint8,
            parallel_iterations=2 * (os.cpu_count() or 1),
        )
        return tf.reshape(decoded, tf.concat([[clips, frames], tf.shape(decoded)[1:]], 0))

    def _crop(self, picture, window):
        left, width = window[1], window[3]
        if self.flow:  # one picture holds both windows: cut its rows, then its columns
            full = tf.io.extract_jpeg_shape(picture)[1]
            window = tf.stack([window[0], 0, window[2], full])
        # The accurate transform equals OpenCV's decoder to the bit and is no slower.
        frame = tf.io.decode_and_crop_jpeg(
            picture, window, self._stored_channels, dct_method='INTEGER_ACCURATE'
        )
        return _halves_to_channels(frame)[:, left : left + width] if self.flow else frame

    def _mirrored(self, frame):
        frame = tf.reverse(frame, [1])
        return tf.stack([255 - frame[..., 0], frame[..., 1]], -1) if self.flow else frame

    def size(self, encoded_frame: tf.Tensor, video_id: tf.Tensor | str = '') -> tf.Tensor:
        """(height, width) of an encoded frame: int32 (2,). One of other channels fails, by name."""
        stored = tf.io.extract_jpeg_shape(encoded_frame)
        message = tf.strings.format(
            'video {}: stored frames of {} channels, expected {}',
            (video_id, stored[2], self._stored_channels),
        )
        fits = tf.equal(stored[2], self._stored_channels)
        with tf.control_dependencies([tf.debugging.Assert(fits, [message])]):
            stored = stored[:2]
        return stored // tf.constant([1, 2]) if self.flow else stored

    def stored_size(self, info: tfds.core.SplitInfo) -> tuple[int, int]:
        """(height, width) of the frames; where it differs from video to video, of the first one."""
        size = self._metadata['frame_size']
        if size is None:
            head = read.first_head(info)
            try:
                size = self.size(read_frames(head)[0]).numpy().tolist()
            except tf.errors.OpError:
                raise DatasetError(
                    f'{head.path}: the first frame of video {head.id!r} is no picture; {ADVICE}'
                ) from None
        return tuple(size)


def _halves_to_channels(pictures: tf.Tensor) -> tf.Tensor:
    """(..., height, 2 width, 1) to (..., height, width, 2)."""
    return tf.concat(tf.split(pictures, 2, axis=-2), axis=-1)


def reversed_in_time(frames: tf.Tensor, flow: bool) -> tf.Tensor:
    """Frames in reverse order; flow is also negated, as what moves back along the same way does."""
    frames = tf.reverse(frames, [0])
    return 255 - frames if flow else frames
