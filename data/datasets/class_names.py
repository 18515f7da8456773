"""What tells the class names of a dataset from others."""

import hashlib
import json
from collections.abc import Mapping

import tensorflow_datasets as tfds

# Key of a dataset's metadata for what `label_digests` returns: TFDS keeps the names in files of
# their own.
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
