"""What a record holds: the keys of an example, and what tells its class names from others."""

import hashlib
import json
from collections.abc import Mapping

import tensorflow_datasets as tfds

# Keys of a stored example.
VIDEO = 'video'  # JPEG frames, in order
LABEL = 'label'
ID = 'id'  # stable, and free of local folders; unique within the dataset

UNKNOWN_LABEL = -1  # stored where a published test split keeps its labels to itself

# Channels of the frames that clips are cut from, and of the JPEG pictures that hold them.
CHANNELS = {'rgb': 3, 'flow': 2}
STORED_CHANNELS = {'rgb': 3, 'flow': 1}

# Key of a dataset's metadata: what tells its class names, which TFDS keeps in files of their own, from
# others.
LABEL_DIGESTS = 'label_digests'


def label_digests(features: Mapping[str, object], prefix: str = '') -> dict[str, str]:
    """SHA-256 of the names of every feature that is a class, by the feature's path."""
    digests = {}
    for name, feature in features.items():
        inner = getattr(feature, 'feature', feature)  # a sequence's
        if isinstance(inner, tfds.features.ClassLabel):
            names = json.dumps(inner.names).encode()
            digests[prefix + name] = hashlib.sha256(names).hexdigest()
        elif isinstance(inner, tfds.features.FeaturesDict):
            digests |= label_digests(inner, f'{prefix}{name}/')
    return digests
