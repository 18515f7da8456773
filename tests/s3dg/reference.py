"""The layers' arithmetic in plain NumPy, written from the definitions and for clarity only."""

import itertools

import numpy as np


def same_padding(size, kernel, stride):
    """TensorFlow's SAME: (before, after, output size); the odd one goes after."""
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2, out


def _windows(x, kernel, strides, value):
    """Yields (output position, window of the padded `x`)."""
    pads = [same_padding(*sizes) for sizes in zip(x.shape[1:4], kernel, strides, strict=True)]
    padding = [(0, 0), *[(before, after) for before, after, _ in pads], (0, 0)]
    padded = np.pad(x, padding, constant_values=value)
    for position in itertools.product(*[range(out) for _, _, out in pads]):
        starts = [p * s for p, s in zip(position, strides, strict=True)]
        t, h, w = (slice(start, start + k) for start, k in zip(starts, kernel, strict=True))
        yield position, padded[:, t, h, w]


def _output(x, kernel, strides, channels):
    sizes = [same_padding(*s)[2] for s in zip(x.shape[1:4], kernel, strides, strict=True)]
    return np.zeros((x.shape[0], *sizes, channels))


def convolution(x, kernel, strides):
    """`x` (B, T, H, W, C), `kernel` (t, h, w, C, D), float64."""
    y = _output(x, kernel.shape[:3], strides, kernel.shape[-1])
    for (t, h, w), window in _windows(x, kernel.shape[:3], strides, 0.0):
        y[:, t, h, w] = np.einsum('bthwc,thwcd->bd', window, kernel)
    return y


def max_pool(x, size, strides):
    """SAME max-pool: what lies outside never wins."""
    y = _output(x, size, strides, x.shape[-1])
    for (t, h, w), window in _windows(x, size, strides, -np.inf):
        y[:, t, h, w] = window.max(axis=(1, 2, 3))
    return y


def gate(x, kernel, bias, axes):
    """sigmoid(W mean(x) + b) * x, the mean over `axes`."""
    logits = x.mean(axis=axes, keepdims=True) @ kernel + bias
    return x / (1.0 + np.exp(-logits))


def batch_norm(x, mean, variance, gamma, beta, epsilon):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, per channel."""
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def relu(x):
    return np.maximum(x, 0.0)
