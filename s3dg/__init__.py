"""S3D-G and its relatives for video classification, in TensorFlow.

Xie, Sun, Huang, Tu, Murphy: "Rethinking Spatiotemporal Feature Learning: Speed-Accuracy Trade-offs
in Video Classification", ECCV 2018. Importing this package registers its classes with Keras, so
that `tf.keras.models.load_model(path)` loads its networks.

TensorFlow is imported later in two cases: in the console program `s3dg`, whose `--help` is quick,
and where the environment sets `S3DG_WITHOUT_TENSORFLOW`, as for processes that only read videos.
"""

import importlib
import os
import re
import sys

_PLACES = {
    'ENDPOINTS': 's3dg.config',
    'NETWORKS': 's3dg.config',
    'ConfigError': 's3dg.config',
    'NetworkConfig': 's3dg.config',
    'VideoFormat': 's3dg.config',
    'named_config': 's3dg.config',
    'Network': 's3dg.network',
    'build': 's3dg.network',
    'load': 's3dg.analysis.video_model',
}

__all__ = [*_PLACES]


def __getattr__(name):
    if name not in _PLACES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__():
    return sorted({*globals(), *_PLACES})


def _is_program(argv, original):
    """Whether these `sys.argv` and `sys.orig_argv` are of `s3dg`, installed or `python -m s3dg`."""
    if argv[:1] == ['-m']:  # while it is imported; Python's own words end with its name then
        return re.fullmatch(rf'(-\w*m)?{__name__}', original[-len(argv)]) is not None
    return os.path.basename((argv or [''])[0]) == __name__


if not os.environ.get('S3DG_WITHOUT_TENSORFLOW') and not _is_program(sys.argv, sys.orig_argv):
    importlib.import_module('s3dg.network')
