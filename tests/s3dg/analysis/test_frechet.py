"""Fréchet distances against closed forms and SciPy; statistics against NumPy's, in any batches."""

import numpy as np
import pytest

from s3dg.analysis import frechet
from tests import fuzzing

REMEDY = 'make it again'


def gaussian(mean, covariance):
    return frechet.Statistics(9, np.array(mean, 'float64'), np.array(covariance, 'float64'))


def random_covariance(dimensions, rank=None, seed=0):
    factor = np.random.default_rng(seed).normal(size=(dimensions, rank or dimensions))
    return factor @ factor.T


def statistics_of(features, sizes):
    stream = frechet.Stream()
    for batch in np.split(features, np.cumsum(sizes)[:-1]):
        stream.update(batch)
    return stream.statistics()


@pytest.mark.parametrize('rank', [1, 5, 60])
def test_equal_gaussians_have_no_distance(rank):
    """Large ones too: eigenvalues are in the hundreds, and most of them zero."""
    covariance = 10 * random_covariance(60, rank)
    one = gaussian(np.arange(60), covariance)
    assert 0 <= frechet.distance(one, gaussian(np.arange(60), covariance.copy())) < 1e-9


def test_shifted_means():
    covariance = random_covariance(3)
    found = frechet.distance(gaussian([0, 1, 2], covariance), gaussian([1, 3, -1], covariance))
    assert found == pytest.approx(1 + 4 + 9, abs=1e-10)


def test_diagonal_covariances():
    """The sum of the squared differences of standard deviations; some are zero."""
    one, other = np.array([1.0, 4, 9, 0, 0]), np.array([4.0, 4, 0, 16, 0])
    found = frechet.distance(
        gaussian(np.zeros(5), np.diag(one)), gaussian(np.ones(5), np.diag(other))
    )
    assert found == pytest.approx(5 + 1 + 0 + 9 + 16 + 0, abs=1e-10)


def test_commuting_covariances():
    """Of the same eigenvectors: as diagonal ones, in another basis."""
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(7, 7)))[0]
    one, other = np.arange(1.0, 8), np.arange(7.0, 0, -1) ** 2
    found = frechet.distance(
        gaussian(np.zeros(7), basis * one @ basis.T), gaussian(np.zeros(7), basis * other @ basis.T)
    )
    assert found == pytest.approx(np.sum((np.sqrt(one) - np.sqrt(other)) ** 2), abs=1e-10)


def test_scaling():
    """Features times s have covariances times s^2: (s - 1)^2 tr(S), and distances times s^2."""
    covariance = random_covariance(6)
    one, scaled = gaussian(np.zeros(6), covariance), gaussian(np.zeros(6), 9 * covariance)
    assert frechet.distance(one, scaled) == pytest.approx(4 * np.trace(covariance), rel=1e-12)
    other = gaussian(np.ones(6), random_covariance(6, seed=1))
    ninefold = gaussian(3 * np.ones(6), 9 * other.covariance)
    found = frechet.distance(scaled, ninefold)
    assert found == pytest.approx(9 * frechet.distance(one, other), rel=1e-12)


def test_two_dimensions():
    """There tr((AB)^1/2) is the root of tr(AB) + 2 det(AB)^1/2."""
    one, other = np.array([[2.0, 1], [1, 3]]), np.array([[5.0, -2], [-2, 1]])
    root = np.sqrt(np.trace(one @ other) + 2 * np.sqrt(np.linalg.det(one @ other)))
    expected = np.trace(one) + np.trace(other) - 2 * root
    found = frechet.distance(gaussian([0, 0], one), gaussian([0, 0], other))
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('dimensions', [2, 40, 150])
def test_scipy_finds_the_same(dimensions):
    linalg = pytest.importorskip('scipy.linalg')
    one, other = (random_covariance(dimensions, seed=seed) for seed in (0, 1))
    means = np.random.default_rng(2).normal(size=(2, dimensions))
    root = np.real(linalg.sqrtm(one @ other))
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(one + other - 2 * root)
    a, b = gaussian(means[0], one), gaussian(means[1], other)
    assert frechet.distance(a, b) == pytest.approx(expected, rel=1e-8)
    assert frechet.distance(b, a) == pytest.approx(expected, rel=1e-8)


def test_samples_of_gaussians_come_near_their_distance():
    """Known means and covariances, from 400,000 samples each."""
    generator = np.random.default_rng(0)
    one = statistics_of(generator.normal(size=(400_000, 2)) * [1, 2], [400_000])
    other = statistics_of(generator.normal(size=(400_000, 2)) * [3, 1] + [1, 0], [400_000])
    assert frechet.distance(one, other) == pytest.approx(4 + 1 + 1, rel=0.02)


@pytest.mark.parametrize('sizes', [[17], [1] * 17, [1, 16], [16, 1], [5, 1, 8, 3]])
@pytest.mark.parametrize('offset', [0, 1e6])
def test_any_batches_give_numpy_s_statistics(sizes, offset):
    features = np.random.default_rng(0).normal(size=(17, 5)) + offset
    found = statistics_of(features, sizes)
    assert found.count == 17
    np.testing.assert_allclose(found.mean, features.mean(0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(features.T), rtol=1e-8, atol=1e-8)


def test_single_precision_does_not_add_up():
    """A large mean, of which float32 would keep no deviation in its squares."""
    features = np.float32(4096) + np.tile(np.float32([0, 1]), 5000)[:, None]
    found = statistics_of(features, [1000] * 10)
    assert found.covariance[0, 0] == pytest.approx(0.25 * 10_000 / 9_999, rel=1e-12)


@pytest.mark.parametrize('count', [0, 1])
def test_too_few_have_no_statistics(count):
    stream = frechet.Stream()
    for _ in range(count):
        stream.update(np.zeros((1, 3)))
    with pytest.raises(frechet.StatisticsError, match=f'found {count} features, expected at least'):
        stream.statistics()


def test_different_dimensions_have_no_distance():
    with pytest.raises(ValueError, match='found 2 and 3 dimensions'):
        frechet.distance(gaussian([0, 0], np.eye(2)), gaussian([0, 0, 0], np.eye(3)))


OF = {'model': ('U', 0), 'frames': ('iu', 0)}


def test_saved_and_loaded(tmp_path):
    features = np.random.default_rng(0).normal(size=(30, 8))
    statistics = statistics_of(features, [10, 20])
    frechet.save(tmp_path / 'a.npz', statistics, {'model': 'abc', 'frames': 16, 'other': [1, 2]})
    found, of = frechet.load(tmp_path / 'a.npz', OF, REMEDY)
    assert (found.count, found.mean.dtype, found.covariance.dtype) == (30, 'float64', 'float64')
    np.testing.assert_array_equal(found.mean, statistics.mean)
    np.testing.assert_allclose(found.covariance, statistics.covariance, rtol=1e-15)
    assert {name: array.item() for name, array in of.items()} == {'model': 'abc', 'frames': 16}
    assert [path.name for path in tmp_path.iterdir()] == ['a.npz']


@pytest.mark.parametrize(
    ('changes', 'fault'),
    [
        ({'count': 1}, 'of 1 features, expected at least 2'),
        ({'mean': np.zeros(4)}, r'a mean of shape \(4,\) and a covariance of shape \(3, 3\)'),
        ({'mean': np.zeros(0), 'covariance': np.zeros((0, 0))}, r'a mean of shape \(0,\)'),
        ({'mean': np.full(3, np.nan)}, 'NaN or infinity, expected numbers'),
        ({'covariance': np.eye(3, dtype=int)}, "array 'covariance' is of int64"),
    ],
)
def test_statistics_that_cannot_be_are_damage(tmp_path, changes, fault):
    arrays = {'count': 9, 'mean': np.zeros(3), 'covariance': np.eye(3), **changes}
    np.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(frechet.StatisticsError, match=f'a.npz is damaged.*{fault}.*make it again'):
        frechet.load(tmp_path / 'a.npz', {}, REMEDY)


@pytest.mark.parametrize(
    'examples', [fuzzing.FEW, pytest.param(fuzzing.MANY, marks=pytest.mark.slow)]
)
def test_damaged_statistics_are_refused_or_have_a_distance(tmp_path, examples):
    statistics = gaussian(np.arange(3), random_covariance(3))

    def read(path):
        found, _ = frechet.load(path, OF, REMEDY)
        with np.errstate(all='ignore'):
            frechet.distance(found, found)

    path = tmp_path / 'a.npz'
    frechet.save(path, statistics, {'model': 'abc', 'frames': 16})
    fuzzing.check(read, path.read_bytes(), path, examples)
