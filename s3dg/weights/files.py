"""Reads checkpoint files into dicts from variable name to NumPy array."""

import argparse
import glob
import math
import os
import pathlib
import pickle
import re
import warnings
import zipfile
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from s3dg.errors import reading
from s3dg.weights.assign import WeightsError

# How many times larger than a file its variables may be; none of the formats is compressed.
MOST_INFLATION = 4


def tensorflow_prefix(path):
    """What `tf.train.load_checkpoint` takes for a TensorFlow checkpoint.

    Args:
      path: what `tf.train.Saver` was given (`model.ckpt`), or any of the files it wrote (`.index`,
        `.data-00000-of-00001`, `.meta`), or a folder with a `checkpoint` file, or that of a
        SavedModel.

    Raises:
      WeightsError: where there is none.
    """
    path = pathlib.Path(os.path.expanduser(path))
    prefix = re.sub(r'\.(index|meta|data-\d+-of-\d+)$', '', str(path))
    if (path / 'variables').is_dir():
        prefix = str(path / 'variables' / 'variables')
    elif path.is_dir():
        with reading("not a readable TensorFlow checkpoint: its 'checkpoint'", WeightsError):
            state = tf.train.get_checkpoint_state(str(path))
        if state is None:
            raise WeightsError(
                "not a readable TensorFlow checkpoint: a folder without 'checkpoint'."
            )
        prefix = state.model_checkpoint_path
    if not (os.path.isfile(prefix) or os.path.isfile(prefix + '.index')):
        raise WeightsError('there is no such TensorFlow checkpoint.')
    return prefix


def tensorflow_files(path):
    """The files, as `pathlib.Path`s, that hold the variables of a checkpoint, in a fixed order.

    `path` and errors are as of `tensorflow_prefix`.
    """
    prefix = tensorflow_prefix(path)
    if not os.path.isfile(prefix + '.index'):
        return [pathlib.Path(prefix)]  # of the first version: one file
    data = sorted(glob.glob(glob.escape(prefix) + '.data-*'))
    return [pathlib.Path(name) for name in (prefix + '.index', *data)]


def read_tensorflow(path):
    """The variables of a TensorFlow checkpoint; `path` is as of `tensorflow_prefix`.

    Raises:
      WeightsError: where that is no checkpoint, or a broken one.
    """
    prefix = tensorflow_prefix(path)
    held = sum(os.path.getsize(file) for file in glob.glob(glob.escape(prefix) + '*'))
    with reading('not a readable TensorFlow checkpoint', WeightsError):
        reader = tf.train.load_checkpoint(prefix)
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        stated = sum(math.prod(shape) * types[name].size for name, shape in shapes.items())
    _check_size(stated, held)
    with reading('not a readable TensorFlow checkpoint', WeightsError):
        return {name: np.asarray(reader.get_tensor(name)) for name in shapes}


# Where training programs keep a network's state dict beside their own.
STATE_KEYS = ('state_dict', 'model_state_dict', 'model_state', 'model', 'net')
# What DataParallel, torch.compile and Lightning put before the names of variables.
PREFIXES = ('module.', '_orig_mod.', 'model.')


class TorchFile(NamedTuple):
    """What a torch file holds."""

    arrays: dict[str, np.ndarray]  # the state dict
    beside: list[str]  # names of the tensors beside it, an optimizer's for instance


def read_torch(path):
    """The `TorchFile` of a state dict that `torch.save` wrote.

    Code in the file is never run (`weights_only=True`). A state dict under one of `STATE_KEYS` is
    found, however deep, and the `PREFIXES` that all names have are taken off.

    Raises:
      WeightsError: where torch is not installed, or the file is not a state dict.
    """
    path = pathlib.Path(os.path.expanduser(path))
    if not path.is_file():
        raise WeightsError('there is no such file.')
    try:
        import torch
    except ImportError as error:
        raise WeightsError("reading it needs torch: pip install '.[torch]'") from error
    content = _load_torch(path, torch)
    state, place = _state_dict(content, torch)
    stated = sum(value.numel() * value.element_size() for value in state.values())
    _check_size(stated, path.stat().st_size)
    arrays = {name: _to_numpy(name, value, torch) for name, value in state.items()}
    beside = sorted(name for name in _tensors(content, torch) if not name.startswith(place))
    return TorchFile(_without_prefixes(arrays), beside if place else [])


def _tensors(content, torch, name=''):
    """The names of all tensors in what a file holds, with a slash between levels."""
    if isinstance(content, torch.Tensor):
        yield name.removesuffix('/')
    elif isinstance(content, dict | list | tuple):
        entries = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in entries:
            yield from _tensors(value, torch, f'{name}{key}/')


def _without_prefixes(arrays):
    """The arrays without what all of their names begin with; wrappers may be in each other."""
    while prefix := next(
        (prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in arrays)), None
    ):
        arrays = {name.removeprefix(prefix): array for name, array in arrays.items()}
    return arrays


def _load_torch(path, torch):
    with reading('not a readable torch file', WeightsError):
        if zipfile.is_zipfile(path):  # torch does not compare its check sums
            with zipfile.ZipFile(path) as archive:
                stated = sum(member.file_size for member in archive.infolist())
                _check_size(stated, path.stat().st_size)
                if archive.testzip() is not None:
                    raise WeightsError('not a readable torch file: its check sums are wrong.')
                if any(name.endswith('/constants.pkl') for name in archive.namelist()):
                    raise WeightsError(
                        'a TorchScript program, expected a state dict: in torch, '
                        "torch.save(torch.jit.load(FILE).state_dict(), 'state.pth') writes one."
                    )
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_harmless()):
            warnings.simplefilter('ignore')  # of formats, whose errors are told below
            return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's text advises to load it all the same, which is for nobody to follow.
        held = re.search(r'GLOBAL (\S+)', str(error))
        reason = 'it is no pickle, or holds more than tensors, and nothing in it was run.'
        if held:
            reason = (
                f'it holds {held[1]}, as whole models do, and nothing in it was run; where '
                f"the model's code is, torch.save(model.state_dict(), 'state.pth') writes one."
            )
        raise WeightsError(f'not a torch state dict: {reason}') from error
    except Exception as error:  # whatever a broken file makes torch do
        raise WeightsError('not a readable torch file: none at all, or not a whole one.') from error


def _harmless():
    """What training programs save beside weights, and what runs no code: flags and figures."""
    known = [argparse.Namespace, np.ndarray, np.dtype]
    known += [getattr(np.dtypes, name) for name in np.dtypes.__all__]
    for name in ('scalar', '_reconstruct'):
        function = getattr(np._core.multiarray, name)
        # Files of NumPy 1 and 2 name it so.
        known += [(function, f'numpy.{core}.multiarray.{name}') for core in ('core', '_core')]
    return known


def _check_size(stated, held):
    """Refuses a file that says of itself that it fills the memory."""
    if stated > MOST_INFLATION * held:
        raise WeightsError(
            f'its {held:,} bytes state {stated:,} bytes of variables, expected at most '
            f'{MOST_INFLATION} times as many.'
        )


def _state_dict(content, torch):
    """The state dict in what a file holds, and where: its keys, with a slash after each."""
    place = ''
    while isinstance(content, dict) and (
        key := next((key for key in STATE_KEYS if isinstance(content.get(key), dict)), None)
    ):
        content = content[key]
        place += f'{key}/'
    if not isinstance(content, dict) or not content:
        raise WeightsError(f'holds a {type(content).__name__}, expected a state dict of tensors.')
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise WeightsError(
                f'its entry {name!r} is a {type(value).__name__}, expected a state dict of tensors.'
            )
    return content, place


def _to_numpy(name, tensor, torch):
    try:
        tensor = tensor.detach()
        if tensor.layout != torch.strided:
            raise TypeError
        if tensor.dtype == torch.bfloat16:
            tensor = tensor.float()
        return np.asarray(tensor.numpy())
    except (TypeError, RuntimeError) as error:
        raise WeightsError(
            f'variable {name} is a {tensor.layout} tensor of {tensor.dtype}, expected a dense one '
            f'of floating-point numbers.'
        ) from error
