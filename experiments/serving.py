"""What answers for videos: a `.keras` file or a SavedModel, called alike and with the same answers."""

import tensorflow as tf

from experiments import run
from s3dg.answers import require_finite
from s3dg.files import folders
from s3dg.saving.export import ExportedNetwork


class LoadedNetwork:
    """A `Network`, called as an `ExportedNetwork` is.

    Attributes:
      class_names, config, video_format: as of the network.

    Args:
      network: the `Network`.
    """

    def __init__(self, network):
        self.class_names = network.class_names
        self.config, self.video_format = network.config, network.video_format
        # Every window has the same shape, so it is traced once.
        self._forward = tf.function(lambda clips: network(clips, training=False))

    def serve(self, video):
        """Logits, float32 (batch, classes), of a window of videos, as a dict.

        Args:
          video: uint8 (batch, frames, height, width, channels): as many frames as the network is evaluated
            on, of the size that it wants before the crop.

        Raises:
          NonFiniteAnswerError: when the network answers with NaN or infinity.
        """
        height, width = self.video_format.crop_size
        top, left = (video.shape[2] - height) // 2, (video.shape[3] - width) // 2
        clips = video[:, :, top : top + height, left : left + width]
        logits = tf.cast(self._forward(tf.constant(clips)), 'float32')
        return {'logits': require_finite(logits, 'logits')}


def load_model(path):
    """The `LoadedNetwork` of a `.keras` file, or the `ExportedNetwork` of a SavedModel's folder.

    Raises:
      UsageError, ExportError: where there is neither.
    """
    path = run.home_path(path)
    if not path.exists():
        folders.finish_swap(path)  # where an export was cut off
    if path.is_dir():
        return ExportedNetwork(path)
    return LoadedNetwork(run.load_network(path))
