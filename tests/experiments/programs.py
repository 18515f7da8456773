"""Runs the entry points as a user does: as processes in the root of the checkout."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
# As users have it: the programs are to be quiet by themselves.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != 'TF_CPP_MIN_LOG_LEVEL'}


def command(program, *flags):
    """The words that start a program."""
    return [sys.executable, '-m', f'experiments.{program}', *map(str, flags)]


def run(program, *flags, code=0):
    """Runs a program to its end, which must be with exit code `code`; its CompletedProcess."""
    done = subprocess.run(
        command(program, *flags),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f'{done.stdout[-1500:]}\n{done.stderr[-3000:]}'
    return done
