"""Agreement of float32 results, whose last digits depend on the order in which threads add."""

import numpy as np


def is_close(found, expected, share):
    """Whether all differences are at most a share of the largest magnitude that is expected."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() <= share * np.abs(expected).max()


def assert_close(found, expected, share):
    """`is_close`, with the values where they are not."""
    assert is_close(found, expected, share), f'found {found}, expected {expected}'
