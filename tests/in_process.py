"""Runs entry points within the test's own process, for starting TensorFlow anew takes long."""

import contextlib

from absl import flags

from s3dg.commands import VERBS
from s3dg.program import entry

FLAGS = flags.FLAGS

_TAKE_ARGUMENTS = {verb.module for verb in VERBS.values() if verb.takes_arguments}

# What makes an experiment a matter of seconds: two steps, a tenth of the width, small clips.
TINY = (
    '--preset=tiny',
    '--steps=2',
    '--pretraining_steps=2',
    '--batch_size=2',
    '--learning_rate=0.01',
    '--set=width=0.1',
    '--frames=8',
    '--evaluation_frames=16',
    '--crop=32',
)


@contextlib.contextmanager
def flags_of(program, *words):
    """The flags of a program, as if it had been called with `words`; gone at the end.

    Args:
      program: its module.
      *words: e.g. '--preset=tiny'.

    Yields:
      The module's name and the words that are not flags.
    """
    before = set(FLAGS)
    try:
        program.define_flags()
        yield entry.parse_flags([program.__name__, *map(str, words)])
    finally:
        for name in set(FLAGS) - before:
            delattr(FLAGS, name)


def call(program, *words):
    """Calls a program; its exit code, None where it ends well."""
    try:
        with flags_of(program, *words) as argv:
            return entry.guard(program.main, program.__name__ in _TAKE_ARGUMENTS)(argv)
    except SystemExit as ended:  # for a flag that cannot be
        return ended.code
