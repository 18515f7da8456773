"""The devices that a network runs on."""

import tensorflow as tf

from s3dg.config import ConfigError


def create_strategy(kind='auto'):
    """The `tf.distribute.Strategy` called `kind`; ConfigError for another name.

    They are 'one' (the first GPU, else the CPU), 'mirrored' (all GPUs, else all logical CPUs), and
    'auto' (mirrored where there is more than one GPU or logical CPU, else one).
    """
    devices = tf.config.list_logical_devices('GPU') or tf.config.list_logical_devices('CPU')
    names = [device.name for device in devices]
    if kind == 'one' or (kind == 'auto' and len(names) == 1):
        return tf.distribute.OneDeviceStrategy(names[0])
    if kind in ('auto', 'mirrored'):
        return tf.distribute.MirroredStrategy(names)
    raise ConfigError(f'There is no strategy {kind!r}; use auto, one or mirrored.')
