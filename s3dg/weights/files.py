"""Reads checkpoint files into dicts from variable name to NumPy array."""

import pathlib
import pickle
import re

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
    path = pathlib.Path(path).expanduser()
    prefix = re.sub(r'\.(index|meta|data-\d+-of-\d+)$', '', str(path))
    if not (path.exists() or pathlib.Path(prefix + '.index').exists()):
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
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise WeightsError('there is no such file.')
    try:
        import torch
    except ImportError as error:
        raise WeightsError("reading it needs torch: pip install '.[torch]'") from error
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's text advises to load it all the same, which is for nobody to follow.
        reason = re.search(r'Unsupported[^.]*|GLOBAL \S+', str(error))
        raise WeightsError(
            'not a torch state dict: it is no pickle, or holds more than tensors'
            + (f' ({reason.group()}).' if reason else '.')
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, AttributeError) as error:
        raise WeightsError(f'not a readable torch file: {_first_line(error)}') from error
    for key in ('state_dict', 'model'):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items()
    )
    if not tensors or not content:
        raise WeightsError(f'holds a {type(content).__name__}, expected a state dict of tensors.')
    return {
        name.removeprefix('module.'): _to_numpy(value.detach(), torch)
        for name, value in content.items()
    }


def _to_numpy(tensor, torch):
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return np.asarray(tensor.numpy())


def _first_line(error):
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
