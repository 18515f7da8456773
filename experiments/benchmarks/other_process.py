"""Sides that run in a process of their own: another checkout, or other settings of TensorFlow."""

import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from experiments.benchmarks import plain
from experiments.benchmarks.comparing import SECONDS_PER_TURN, Side
from s3dg.program import startup
from s3dg.program.entry import UsageError


def checkout(folder, work, options, training):
    """The side of a plain step, or answer, of the same network in another checkout.

    TensorFlow is set up as the programs of that checkout do, not as this one's.

    Args:
      folder: the checkout; its `s3dg` is what is imported.
      work: has the `clips`, uint8 (batch, T, H, W, C).
      options: of the benchmark.
      training: whether steps are measured.

    Raises:
      UsageError: if there is no such checkout, or once it cannot do the work.
    """
    if not (pathlib.Path(folder) / 's3dg' / '__init__.py').is_file():
        raise UsageError(
            f'--against: found {folder}, expected torchvision or a folder with a checkout of this '
            'project.'
        )
    words = {
        'network': options.network,
        'fields': options.fields,
        'clips': work.clips.shape,
        'dtype': options.dtype,
        'jit': options.jit,
        'training': training,
    }
    environment = {'PYTHONPATH': os.fspath(pathlib.Path(folder).absolute())}
    # Of checkouts that know it: TensorFlow is set up first, and imported then.
    environment['S3DG_WITHOUT_TENSORFLOW'] = '1'
    return _side('checkout', words, environment, f'--against: {folder}')


def eigen_matrix_product(count):
    """The side of a float32 matrix product as TensorFlow computes it without oneDNN.

    So it does by itself where a CPU has no AVX512-VNNI.

    Args:
      count: units that a product counts for.
    """
    words = {'dtype': 'float32', 'count': count}
    return _side('eigen_matrix_product', words, {startup.ONEDNN_VARIABLE: '0'}, 'TensorFlow')


def _side(name, words, environment, blamed):
    """A side whose process starts with its first turn."""

    @functools.cache
    def start():
        errors = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the process runs
        process = subprocess.Popen(
            [sys.executable, '-P', plain.__file__, json.dumps(words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=startup.GIVEN | environment,
        )
        _answer(process, errors)
        return process, errors

    def _answer(process, errors):
        line = process.stdout.readline()
        if not line:
            process.wait()
            errors.seek(0)
            said = errors.read().decode(errors='replace').split('\n')
            said = next((line for line in reversed(said) if line.strip()), 'nothing')
            raise UsageError(f'{blamed}: the process that measures it ended, and said: {said}')
        return line

    def work(started):
        process, errors = started
        print(SECONDS_PER_TURN, file=process.stdin, flush=True)
        return float(_answer(process, errors))

    return Side(name, work, start)
