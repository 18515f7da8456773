"""A `.keras` file or a SavedModel, called in the same way and with the same answers."""

import os
import pathlib

import tensorflow as tf

from s3dg.answers import require_finite
from s3dg.files import folders
from s3dg.saving import keras_file
from s3dg.saving.export import ExportedNetwork
from s3dg.video import sampling


class LoadedNetwork:
    """A `Network`, called as an `ExportedNetwork` is and with the same attributes."""

    def __init__(self, network):
        self.network, self.class_names = network, network.class_names
        self.config, self.video_format = network.config, network.video_format
        # Every window has the same shape, so it is traced once.
        self._forward = tf.function(lambda clips: network(clips, training=False))

    def serve(self, video):
        """The 'logits', float32 (batch, classes), of videos, as a dict.

        Args:
          video: uint8 (batch, frames, height, width, channels), before the crop.

        Raises:
          VideoError: if the frames are smaller than the crop.
          NonFiniteAnswerError: when the network answers with NaN or infinity.
        """
        clips = sampling.crop_centre(video, self.video_format.crop_size)
        logits = tf.cast(self._forward(tf.constant(clips)), 'float32')
        return {'logits': require_finite(logits, 'logits')}


def load(path, load_network=keras_file.load):
    """The `LoadedNetwork` of a `.keras` file, or the `ExportedNetwork` of a SavedModel's folder.

    Args:
      load_network: makes a `Network` of a path that is no folder.

    Raises:
      ExportError: for a folder that is no SavedModel of ours, or a damaged one.
      Whatever `load_network` raises.
    """
    path = pathlib.Path(os.path.expanduser(path))
    if not path.exists():
        folders.finish_swap(path)  # where an export was cut off
    if path.is_dir():
        return ExportedNetwork(path)
    return LoadedNetwork(load_network(path))
