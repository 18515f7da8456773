"""Puts arrays from a file into a network, and accounts for every variable on both sides."""

import re
from typing import NamedTuple

import numpy as np

from s3dg.errors import S3dgError


class WeightsError(S3dgError, ValueError):
    """Weights that do not fit: one line with the variable, what was found and what was expected."""


class Address(NamedTuple):
    """Where a variable stands in a `Network`; the sources translate it into names of their own."""

    endpoint: str  # one of `ENDPOINTS`, or 'logits'
    branch: int | None  # 0-3 in an Inception block, else None
    # 'convolution' before the blocks, 'Conv2d_0a_1x1' and the like in them, 'self_gating', or ''
    # for the classifier.
    layer: str
    part: str | None  # 'spatial' or 'temporal' in a separable convolution, else None
    leaf: str  # 'kernel', 'bias', or batch norm's 'gamma', 'beta', 'moving_mean', 'moving_variance'

    @classmethod
    def of(cls, path):
        """The address of a variable by its path, e.g. 'Mixed_3b/Branch_0/self_gating/kernel'."""
        endpoint, *inner, leaf = path.split('/')
        if inner and inner[-1] == 'batch_norm':
            inner.pop()
        part = inner.pop() if inner and inner[-1] in ('spatial', 'temporal') else None
        branch = None
        if inner and inner[0].startswith('Branch_'):
            branch = int(inner.pop(0).removeprefix('Branch_'))
        return cls(endpoint, branch, inner[0] if inner else '', part, leaf)


def network_weights(network):
    """The variables of a `Network` that are weights or statistics, by path."""
    return {
        variable.path: variable
        for variable in network.variables
        if not variable.path.endswith('/random_state')  # dropout's
    }


def assign(network, arrays, names_of, convert=None, left_out=(), kept=()):
    """Sets every variable of `network` from `arrays`, or changes nothing.

    Args:
      network, arrays: a `Network`, and a dict from variable name to array, as the file has them.
      names_of: from an `Address` to the names that its variable may have in the file.
      convert: from (address, array) to the array in the network's layout, raising ValueError where
        its shape is none that can be; None: it is in that layout.
      left_out: patterns (`re.fullmatch`) of names in the file that have no place in the network.
      kept: endpoints whose variables keep their values, the file having none for them.

    Returns:
      (number of the file's variables that were used, sorted names of those left out).

    Raises:
      WeightsError: where a variable is missing, unknown, of another shape, or not finite.
    """
    values, used, missing = [], set(), []
    for path, variable in network_weights(network).items():
        address = Address.of(path)
        if address.endpoint in kept:
            continue
        names = names_of(address)
        name = next((name for name in names if name in arrays), None)
        if name is None:
            missing.append(names[0])
            continue
        used.add(name)
        fitting = _fitting(name, arrays[name], path, variable, address, convert)
        values.append((variable, fitting))
    if missing:
        raise WeightsError(f'{_counted(missing)} missing.')
    rest = sorted(set(arrays) - used)
    unknown = [name for name in rest if not any(re.fullmatch(p, name) for p in left_out)]
    if unknown:
        raise WeightsError(
            f'{_counted(unknown)} unknown: not of the network that the rest describe.'
        )
    for variable, value in values:
        variable.assign(value)
    return len(used), rest


def _fitting(name, array, path, variable, address, convert):
    if array.dtype.kind not in 'fV':  # V: bfloat16, which NumPy does not know
        raise WeightsError(f'variable {name} holds {array.dtype}, expected floating-point numbers.')
    try:
        converted = array if convert is None else convert(address, array)
        fits = converted.shape == tuple(variable.shape)
    except ValueError:  # too few dimensions for the conversion, or other ones
        fits = False
    if not fits:
        raise WeightsError(
            f'variable {name} has shape {list(array.shape)}, which does not fit {path}, '
            f'{list(variable.shape)} here.'
        )
    with np.errstate(over='ignore'):  # what float32 cannot hold becomes infinite
        converted = converted.astype('float32')
    if not np.isfinite(converted).all():
        raise WeightsError(f'variable {name} holds values that are not finite.')
    return converted


def without_leading_ones(array, dimensions):
    """An array with only its last `dimensions`; ValueError where those before are not all 1."""
    ones = array.ndim - dimensions
    if ones < 0 or array.shape[:ones] != (1,) * ones:
        raise ValueError(f'shape {array.shape} is not that of {dimensions} dimensions.')
    return array.reshape(array.shape[ones:])


def _counted(names, shown=3):
    listed = ', '.join(names[:shown]) + (', ...' if len(names) > shown else '')
    if len(names) == 1:
        return f'variable {listed} is'
    return f'{len(names)} variables ({listed}) are'
