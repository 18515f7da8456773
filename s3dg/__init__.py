"""S3D-G and its relatives for video classification, in TensorFlow.

Xie, Sun, Huang, Tu, Murphy: "Rethinking Spatiotemporal Feature Learning: Speed-Accuracy Trade-offs in
Video Classification", ECCV 2018. Importing this package registers its classes with Keras, so that
`tf.keras.models.load_model(path)` loads its networks. Where the environment sets
`S3DG_WITHOUT_TENSORFLOW`, as `data.workers` does for its processes, only `s3dg.video`, `s3dg.errors` and
`s3dg.files` are meant to be used, and nothing else is imported.
"""

import os

if not os.environ.get('S3DG_WITHOUT_TENSORFLOW'):
    from s3dg.config import (
        ENDPOINTS,
        NETWORKS,
        ConfigError,
        NetworkConfig,
        VideoFormat,
        named_config,
    )
    from s3dg.network import Network, build

__all__ = [
    'ENDPOINTS',
    'NETWORKS',
    'ConfigError',
    'Network',
    'NetworkConfig',
    'VideoFormat',
    'build',
    'named_config',
]
