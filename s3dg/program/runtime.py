"""The devices and the precision that a program runs its networks with."""

import keras
import tensorflow as tf
from absl import flags

from s3dg.training.loop import create_strategy

FLAGS = flags.FLAGS


def start_runtime():
    """Sets TensorFlow up as the runtime flags say; the strategy to run under. Called once, first."""
    if FLAGS.logical_cpus > 0:
        cpu = tf.config.list_physical_devices('CPU')[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * FLAGS.logical_cpus
        tf.config.set_logical_device_configuration(cpu, parts)
    for gpu in tf.config.list_physical_devices('GPU'):
        tf.config.experimental.set_memory_growth(gpu, True)
    keras.utils.set_random_seed(FLAGS.seed)
    if FLAGS.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(FLAGS.dtype)
    return create_strategy(FLAGS.strategy)
