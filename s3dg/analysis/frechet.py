"""The Fréchet distance of two sets of features: statistics in one pass, the distance, their files.

    stream = frechet.Stream()
    for batch in batches:
        stream.update(batch)  # (features, dimensions)
    real = stream.statistics()
    frechet.distance(real, generated)

All is float64, and memory is that of a few matrices (dimensions, dimensions), however many features
there are.
"""

import dataclasses
import os
from collections.abc import Mapping

import numpy as np

from s3dg import files
from s3dg.errors import S3dgError
from s3dg.files.readers import read_npz

_KINDS = {'count': ('iu', 0), 'mean': ('f', 1), 'covariance': ('f', 2)}


class StatisticsError(S3dgError, ValueError):
    """A file of statistics that is damaged, or features that have none."""


@dataclasses.dataclass(frozen=True)
class Statistics:
    """Of a set of features.

    Attributes:
      count: of the features, at least 2.
      mean: float64 (dimensions,).
      covariance: float64 (dimensions, dimensions), the sum over the features divided by count - 1.
    """

    count: int
    mean: np.ndarray
    covariance: np.ndarray

    @property
    def dimensions(self) -> int:
        return len(self.mean)


class Stream:
    """Features that come in batches, of which the statistics alone are kept.

    Attributes:
      count: of the features up to now.
    """

    def __init__(self):
        self.count = 0
        self._mean = self._products = 0.0

    def update(self, features: np.ndarray) -> None:
        """Adds features (features, dimensions), at least one.

        Deviations are taken from the mean of each batch, and the batches merged pairwise (Chan,
        Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
        variances", 1979): nothing large is subtracted from anything large.
        """
        features = np.asarray(features, 'float64')
        count, mean = len(features), features.mean(axis=0)
        deviations = features - mean
        shift, total = mean - self._mean, self.count + count
        between = np.outer(shift, shift) * (self.count * count / total)
        self._products = self._products + deviations.T @ deviations + between
        self._mean = self._mean + shift * (count / total)
        self.count = total

    def statistics(self) -> Statistics:
        """The `Statistics` of the features up to now; StatisticsError for fewer than two."""
        if self.count < 2:
            raise StatisticsError(f'found {self.count} features, expected at least 2')
        return Statistics(self.count, self._mean, self._products / (self.count - 1))


def distance(one: Statistics, other: Statistics) -> float:
    """The Fréchet distance, squared as everybody gives it, of two Gaussians with these statistics.

    |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1^1/2 S2 S1^1/2)^1/2), never negative. (Dowson and
    Landau, "The Fréchet distance between multivariate normal distributions", 1982)

    The last trace is the sum of the singular values of S1^1/2 S2^1/2. The eigenvalues of the
    product in between would be their squares: of a singular covariance, what rounding leaves in
    place of a zero there is after the root 1e-8 of the largest, and not 1e-16.

    Raises:
      ValueError: for different numbers of dimensions.
    """
    if one.dimensions != other.dimensions:
        raise ValueError(f'found {one.dimensions} and {other.dimensions} dimensions, expected one')
    roots = _square_root(one.covariance) @ _square_root(other.covariance)
    common = np.linalg.svd(roots, compute_uv=False).sum()
    apart = np.sum((one.mean - other.mean) ** 2)
    spread = np.trace(one.covariance) + np.trace(other.covariance) - 2 * common
    return max(float(apart + spread), 0.0)


def _square_root(covariance):
    """The symmetric square root; eigenvalues that are rounding errors, negative ones too, are 0."""
    values, vectors = np.linalg.eigh(covariance)
    least = max(values[-1], 0) * len(values) * np.finfo('float64').eps
    return (vectors * np.sqrt(np.where(values > least, values, 0))) @ vectors.T


def save(path: str | os.PathLike, statistics: Statistics, of: Mapping[str, object]) -> None:
    """Writes statistics to a `.npz`, which appears when it is whole.

    Args:
      path: the file.
      statistics: its arrays `count`, `mean` and `covariance`.
      of: what they are of; further arrays, numbers or strings, by name.

    Raises:
      OSError: with the name of the file, where it cannot be written.
    """
    with files.unfinished(path) as temporary:
        np.savez(temporary, **dataclasses.asdict(statistics), **of)


def load(
    path: str | os.PathLike, of: Mapping[str, tuple[str, int]], remedy: str
) -> tuple[Statistics, dict[str, np.ndarray]]:
    """What `save` has written: the statistics, and the arrays that say what they are of.

    Args:
      path: the file.
      of: the arrays wanted, as of `read_npz`.
      remedy: what to do where the file is damaged; ends the message.

    Raises:
      StatisticsError: for a damaged file, and one of something else.
      OSError: where it cannot be opened.
    """
    arrays = read_npz(path, {**_KINDS, **of}, StatisticsError, remedy)
    count, mean, covariance = (arrays.pop(name) for name in _KINDS)
    for fault, is_there in (
        (f'of {count} features, expected at least 2', count < 2),
        (
            f'a mean of shape {mean.shape} and a covariance of shape {covariance.shape}, expected '
            f'(n,) and (n, n)',
            covariance.shape != 2 * mean.shape or not mean.size,
        ),
        (
            'NaN or infinity, expected numbers',
            not (np.isfinite(mean).all() and np.isfinite(covariance).all()),
        ),
    ):
        if is_there:
            raise StatisticsError(f'{path} is damaged: it has {fault}; {remedy}')
    mean, covariance = mean.astype('float64'), covariance.astype('float64')
    return Statistics(int(count), mean, (covariance + covariance.T) / 2), arrays
