"""Reads checkpoint files into dicts from variable name to NumPy array."""

import os
import pathlib
import pickle
import re
import warnings
import zipfile

import numpy as np
import tensorflow as tf

from s3dg.weights.assign import WeightsError


def read_tensorflow(path):
    """The variables of a TensorFlow checkpoint.

    Args:
      path: what `tf.train.Saver` was given (`model.ckpt`), or any of the files it wrote (`.index`,
        `.data-00000-of-00001`, `.meta`), or a folder with a `checkpoint` file.

    Raises:
      WeightsError: where that is no checkpoint, or a broken one.
    """
    path = pathlib.Path(os.path.expanduser(path))
    prefix = re.sub(r'\.(index|meta|data-\d+-of-\d+)$', '', str(path))
    if path.is_dir():
        state = tf.train.get_checkpoint_state(str(path))
        if state is None:
            raise WeightsError(
                "not a readable TensorFlow checkpoint: a folder without 'checkpoint'."
            )
        prefix = state.model_checkpoint_path
    if not (os.path.isfile(prefix) or os.path.isfile(prefix + '.index')):
        raise WeightsError('there is no such TensorFlow checkpoint.')
    try:
        reader = tf.train.load_checkpoint(prefix)
        names = reader.get_variable_to_shape_map()
        return {name: np.asarray(reader.get_tensor(name)) for name in names}
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise WeightsError(f'not a readable TensorFlow checkpoint: {_first_line(error)}') from error


def read_torch(path):
    """The tensors of a state dict that `torch.save` wrote, by name.

    Code in the file is never run (`weights_only=True`). A state dict under 'state_dict' or 'model' is
    found, and the prefix 'module.' of `DataParallel` taken off.

    Args:
      path: the file.

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
    state = _state_dict(_load_torch(path, torch), torch)
    arrays = {}
    for name, value in state.items():
        name = name.removeprefix('module.')
        if name in arrays:
            raise WeightsError(f'variable {name} is there twice, with and without module.')
        arrays[name] = _to_numpy(name, value, torch)
    return arrays


def _load_torch(path, torch):
    try:
        # torch does not compare the check sums of the file that it reads.
        if zipfile.is_zipfile(path) and zipfile.ZipFile(path).testzip() is not None:
            raise WeightsError('not a readable torch file: its check sums are wrong.')
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of formats, whose errors are told below
            return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's text advises to load it all the same, which is for nobody to follow.
        held = re.search(r'GLOBAL (\S+)', str(error))
        reason = f'it holds {held[1]}' if held else 'it is no pickle, or holds more than tensors'
        raise WeightsError(
            f'not a torch state dict: {reason}, and nothing in it was run.'
        ) from error
    except WeightsError:
        raise
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError) as error:
        raise WeightsError('not a readable torch file: none at all, or not a whole one.') from error


def _state_dict(content, torch):
    for key in ('state_dict', 'model_state_dict', 'model'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise WeightsError(f'holds a {type(content).__name__}, expected a state dict of tensors.')
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise WeightsError(
                f'its entry {name!r} is a {type(value).__name__}, expected a state dict of tensors.'
            )
    return content


def _to_numpy(name, tensor, torch):
    try:
        tensor = tensor.detach()
        if tensor.dtype == torch.bfloat16:
            tensor = tensor.float()
        return np.asarray(tensor.numpy())
    except (TypeError, RuntimeError) as error:
        raise WeightsError(
            f'variable {name} is a {tensor.layout} tensor of {tensor.dtype}, expected a dense one of '
            f'floating-point numbers.'
        ) from error


def _first_line(error):
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
