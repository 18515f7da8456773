"""Pseudo-weights keyed by variable name, and a test clip: the inputs of the goldens beside it.

A golden NAME.npz holds what a published network computes with these weights on this clip, NAME.json
the names and shapes of its checkpoint's variables. Making the inputs again takes only numpy.
"""

import zlib

import numpy as np


def pseudo_weight(name, shape, salt=''):
    """The float32 array of `shape` that the variable `name` holds in goldens with this `salt`."""
    rng = np.random.default_rng(zlib.crc32((salt + name).encode()))
    shape = tuple(int(s) for s in shape)
    leaf = name.lower()
    if 'variance' in leaf or 'running_var' in leaf:
        return rng.uniform(0.5, 1.5, shape).astype('f4')
    if leaf.endswith('gamma') or (leaf.endswith('.weight') and len(shape) == 1):
        return rng.uniform(0.5, 1.5, shape).astype('f4')
    if leaf.endswith(('beta', 'biases', 'bias', 'mean', '/b')):
        return (0.1 * rng.standard_normal(shape)).astype('f4')
    # Torch kernels are (out, in, ...), TensorFlow kernels (..., in, out).
    fan_in = np.prod(shape[1:]) if '.' in name and '/' not in name else np.prod(shape[:-1])
    return (rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)).astype('f4')


def clip(shape, seed=7):
    """A smooth moving pattern, uint8 (T, H, W, C); a golden says how its network scales it."""
    t, h, w, c = shape
    rng = np.random.default_rng(seed)
    tt, yy, xx = np.meshgrid(np.arange(t), np.arange(h), np.arange(w), indexing='ij')
    out = np.zeros(shape, 'f8')
    for k in range(c):
        for _ in range(4):
            a, b, d, p = rng.uniform(-0.25, 0.25, 3).tolist() + [rng.uniform(0, 6.28)]
            out[..., k] += np.sin(a * tt + b * yy + d * xx + p)
    return np.round(127.5 * (1.0 + np.clip(out / 3.0, -1, 1))).astype('u1')
