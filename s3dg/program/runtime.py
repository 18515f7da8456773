"""The devices and the precision that a program runs its networks with."""

import dataclasses

import keras
import tensorflow as tf
from absl import flags

from s3dg.program.flags import read
from s3dg.training.devices import create_strategy


@dataclasses.dataclass(frozen=True)
class RuntimeOptions:
    """What the runtime flags say.

    Attributes:
      seed: of all random choices.
      strategy: a name known to `create_strategy`.
      logical_cpus: how many devices to split the CPU into; 0 leaves it whole.
      dtype: the Keras dtype policy.
      deterministic: whether every run gives the same result to the last bit.
    """

    seed: int
    strategy: str
    logical_cpus: int
    dtype: str
    deterministic: bool

    @classmethod
    def of(cls, values: flags.FlagValues) -> 'RuntimeOptions':
        """The options that parsed flags hold; `define_runtime_flags` defines these flags."""
        return read(cls, values)


def start_runtime(options):
    """Sets TensorFlow up; called once, before anything else of TensorFlow's.

    Args:
      options: `RuntimeOptions`.

    Returns:
      The strategy to run under.
    """
    if options.logical_cpus > 0:
        cpu = tf.config.list_physical_devices('CPU')[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * options.logical_cpus
        tf.config.set_logical_device_configuration(cpu, parts)
    for gpu in tf.config.list_physical_devices('GPU'):
        tf.config.experimental.set_memory_growth(gpu, True)
    keras.utils.set_random_seed(options.seed)
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(options.dtype)
    return create_strategy(options.strategy)
