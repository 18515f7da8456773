"""The devices and the precision that a program runs its networks with."""

import dataclasses
import pathlib
import re

import keras
import tensorflow as tf

from s3dg.program import entry
from s3dg.program.flags import read
from s3dg.training.devices import create_strategy

# Linux's words for the instructions of a CPU that compute in bfloat16: x86's, and ARM's.
_BFLOAT16 = {'avx512_bf16', 'amx_bf16', 'bf16'}


@dataclasses.dataclass(frozen=True)
class RuntimeOptions:
    """What the flags of `define_runtime_flags` say, each under the name of its flag."""

    seed: int
    strategy: str  # a name known to `create_strategy`
    logical_cpus: int  # devices to split the CPU into; 0 leaves it whole
    dtype: str  # the Keras dtype policy
    deterministic: bool

    @classmethod
    def of(cls, values):
        """The options that parsed flags hold."""
        return read(cls, values)


def start_runtime(options):
    """Sets TensorFlow up, before anything else of it is used; returns the strategy to run under."""
    if options.logical_cpus > 0:
        cpu = tf.config.list_physical_devices('CPU')[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * options.logical_cpus
        tf.config.set_logical_device_configuration(cpu, parts)
    for gpu in tf.config.list_physical_devices('GPU'):
        tf.config.experimental.set_memory_growth(gpu, True)
    if options.dtype == 'mixed_bfloat16' and emulates_bfloat16():
        entry.report(
            '--dtype=mixed_bfloat16: this CPU has neither AVX512-BF16 nor AMX, and emulates it'
        )
    keras.utils.set_random_seed(options.seed)
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(options.dtype)
    return create_strategy(options.strategy)


def emulates_bfloat16(cpu_info='/proc/cpuinfo'):
    """Whether there is no GPU, and the CPU, as Linux describes it, lacks bfloat16."""
    path = pathlib.Path(cpu_info)
    if tf.config.list_physical_devices('GPU') or not path.exists():
        return False
    flags = re.findall(r'^(?:flags|Features)\s*:(.*)$', path.read_text(), re.MULTILINE)
    return bool(flags) and _BFLOAT16.isdisjoint(flags[0].split())
