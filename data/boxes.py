"""What a record holds of boxes, in the detection sets.

Stored boxes are (ymin, xmin, ymax, xmax) divided by the height and width of the pictures that they
were drawn on, so 0 to 1 whatever the size of the stored frames.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds

# Key of the feature in an example, and the keys in it, each with one value per box.
BOXES = 'boxes'
# Frames count from 0, and rise. Flow has no picture for a video's last frame, which may have boxes.
FRAME = 'frame'
BOX = 'box'
LABEL = 'label'
TUBE = 'tube'  # which of the video's actors, from 0


def features(label_names: Sequence[str]) -> dict[str, tfds.features.FeatureConnector]:
    """What a builder returns as its `extra_features`."""
    boxes = {
        FRAME: np.int32,
        BOX: tfds.features.BBoxFeature(),
        LABEL: tfds.features.ClassLabel(names=list(label_names)),
        TUBE: np.int32,
    }
    return {BOXES: tfds.features.Sequence(boxes)}
