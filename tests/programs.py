"""Runs the entry points as a user does: as processes in the root of the checkout."""

import os
import pathlib
import subprocess
import sys

from s3dg.commands import VERBS

ROOT = pathlib.Path(__file__).parents[1]
# As users have it: the programs set these by themselves.
_SET = ('TF_CPP_MIN_LOG_LEVEL', 'TF_ENABLE_ONEDNN_OPTS', 'TF_NUM_INTEROP_THREADS')
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in _SET}


def command(program, *flags):
    """The words that start a program: one of the checkout's, or a verb of `s3dg`."""
    module = ['s3dg', program] if program in VERBS else [f'experiments.{program}']
    return [sys.executable, '-m', *module, *map(str, flags)]


def run(program, *flags, code=0, **variables):
    """Runs a program to its end, which must be with exit code `code`; its CompletedProcess.

    Args:
      **variables: of the environment, beside `ENVIRONMENT`.
    """
    done = subprocess.run(
        command(program, *flags),
        cwd=ROOT,
        env={**ENVIRONMENT, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f'{done.stdout[-1500:]}\n{done.stderr[-3000:]}'
    return done
