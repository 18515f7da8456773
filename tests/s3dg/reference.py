"""The layers' arithmetic in plain NumPy, written from the definitions and for clarity only."""

import itertools

import numpy as np


def same_padding(size, kernel, stride):
    """TensorFlow's SAME: (before, after, output size); the odd one goes after."""
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2, out


def symmetric_padding(size, kernel, stride):
    """torch's padding by k // 2, the output size rounded down: (before, after, output size)."""
    before = kernel // 2
    return before, before, (size + 2 * before - kernel) // stride + 1


def no_padding(size, kernel, stride):
    """Nothing outside; what does not fill a window is dropped."""
    return 0, 0, (size - kernel) // stride + 1


def _windows(x, kernel, strides, value, padding):
    """Yields (output position, window of the padded `x`)."""
    pads = [padding(*sizes) for sizes in zip(x.shape[1:4], kernel, strides, strict=True)]
    rows = [(0, 0), *[(before, after) for before, after, _ in pads], (0, 0)]
    padded = np.pad(x, rows, constant_values=value)
    for position in itertools.product(*[range(out) for _, _, out in pads]):
        starts = [p * s for p, s in zip(position, strides, strict=True)]
        t, h, w = (slice(start, start + k) for start, k in zip(starts, kernel, strict=True))
        yield position, padded[:, t, h, w]


def _output(x, kernel, strides, channels, padding):
    sizes = [padding(*s)[2] for s in zip(x.shape[1:4], kernel, strides, strict=True)]
    return np.zeros((x.shape[0], *sizes, channels))


def convolution(x, kernel, strides, padding=same_padding):
    """`x` (B, T, H, W, C), `kernel` (t, h, w, C, D), float64."""
    y = _output(x, kernel.shape[:3], strides, kernel.shape[-1], padding)
    for (t, h, w), window in _windows(x, kernel.shape[:3], strides, 0.0, padding):
        y[:, t, h, w] = np.einsum('bthwc,thwcd->bd', window, kernel)
    return y


def max_pool(x, size, strides, padding=same_padding):
    """Max-pool: what lies outside never wins."""
    y = _output(x, size, strides, x.shape[-1], padding)
    for (t, h, w), window in _windows(x, size, strides, -np.inf, padding):
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
