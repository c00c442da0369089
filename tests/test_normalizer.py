"""The normaliser against exact sums, its own formula and finite differences."""

import copy

import numpy as np
import pytest
import reference

from skemb._normalizer import gaussian_or_exact
from skemb._parallel import Workers


@pytest.fixture
def contexts(rng):
    centers = reference.unit(rng.standard_normal((6, 8)))
    spread = centers[rng.integers(0, 6, 300)] + 0.4 * rng.standard_normal((300, 8))
    return reference.unit(spread)


@pytest.fixture
def prior(rng):
    prior = rng.random(300)
    prior[:10] = 0
    return prior / prior.sum()


def fitted(contexts, prior, n_gaussians, temperature=0.5, n_updates=10, n_jobs=1):
    normalizer = gaussian_or_exact(prior, temperature, n_gaussians)
    normalizer.start(contexts, np.random.RandomState(0))
    with Workers(n_jobs) as workers:
        for _ in range(n_updates):
            normalizer.update(contexts, workers)
    return normalizer


@pytest.mark.parametrize("n_gaussians", [300, 1000])
def test_as_many_gaussians_as_contexts_are_exact(contexts, prior, n_gaussians, rng):
    rows = reference.unit(rng.standard_normal((20, 8)))
    normalizer = fitted(contexts, prior, n_gaussians)
    log_z, gradient = normalizer.evaluate(rows)
    expected = reference.log_partition(rows, contexts, prior, 0.5)
    np.testing.assert_allclose(log_z, expected, rtol=1e-12)
    shares = prior * np.exp(rows @ contexts.T / 0.5 - expected[:, None])
    np.testing.assert_allclose(gradient, shares @ contexts, rtol=1e-10)


def test_exact_normalizer_keeps_its_contexts(contexts, prior):
    moving = contexts.copy()
    normalizer = fitted(moving, prior, 300)
    moving[:] = 0
    np.testing.assert_array_equal(normalizer.contexts, contexts)


def test_one_gaussian_is_mean_and_covariance(contexts, prior, rng):
    rows = reference.unit(rng.standard_normal((20, 8)))
    gaussian = reference.single_gaussian(contexts, prior)
    log_z, gradient = fitted(contexts, prior, 1).evaluate(rows)
    expected = reference.mixture_log_partition(rows, *gaussian, 0.5)
    np.testing.assert_allclose(log_z, expected, rtol=1e-12)
    expected = reference.gaussian_gradient(rows, *gaussian, 0.5)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)


@pytest.mark.parametrize("n_gaussians", [2, 7, 40])
def test_mixture_matches_its_own_definition(contexts, prior, n_gaussians, rng):
    rows = reference.unit(rng.standard_normal((20, 8)))
    normalizer = fitted(contexts, prior, n_gaussians, n_updates=1)
    # The centres of the first update are contexts drawn by the seed.
    counting = np.flatnonzero(prior)
    drawn = np.random.RandomState(0).choice(counting, n_gaussians, replace=False)
    first = contexts[drawn]
    labels = (contexts @ first.T).argmax(axis=1)
    member = np.eye(n_gaussians)[labels] * prior[:, None]
    weights = member.sum(axis=0)
    kept = weights > 0
    means = (member.T @ contexts)[kept] / weights[kept, None]
    residual = contexts - means[np.cumsum(kept)[labels] - 1]
    covariance = (residual * prior[:, None]).T @ residual
    mixture = weights[kept], means, covariance
    # The next centres are the directions of the means, or stay where nobody came.
    moved = first.copy()
    moved[kept] = reference.unit(means)
    np.testing.assert_allclose(normalizer.centers, moved, atol=1e-12)
    log_z, gradient = normalizer.evaluate(rows)
    expected = reference.mixture_log_partition(rows, *mixture, 0.5)
    np.testing.assert_allclose(log_z, expected, rtol=1e-10)
    expected = reference.gaussian_gradient(rows, *mixture, 0.5)
    np.testing.assert_allclose(gradient, expected, atol=1e-12)


def test_mixture_grows_by_contexts_where_they_are(contexts, prior):
    normalizer = gaussian_or_exact(prior, 0.5, 10)
    normalizer.start(contexts, np.random.RandomState(0))
    with Workers() as workers:
        normalizer.update(contexts, workers, share=0.3)
        assert normalizer.width == len(normalizer.means) == 3
        settled = normalizer.centers.copy()
        copied = copy.copy(normalizer)
        copied.update(-contexts, workers)
        assert (copied.width, normalizer.width) == (10, 3)
        np.testing.assert_array_equal(normalizer.centers, settled)
        normalizer.update(contexts, workers, share=0.31)
        assert normalizer.width == 4
    counting = np.flatnonzero(prior)
    drawn = np.random.RandomState(0).choice(counting, 10, replace=False)
    labels = (contexts @ np.vstack([settled, contexts[drawn[3]]]).T).argmax(axis=1)
    expected = np.bincount(labels, weights=prior, minlength=4)
    np.testing.assert_allclose(np.exp(normalizer.log_weights), expected)


@pytest.mark.parametrize("temperature", [1e-3, 0.008, 0.0312, 0.0313, 0.1, 1e3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_temperature_is_finite_and_right(contexts, prior, temperature, dtype, rng):
    rows = reference.unit(rng.standard_normal((20, 8)))
    # Rows alike and opposite to all contexts have the largest exponents there are.
    contexts[:] = contexts[0] if temperature < 0.1 else contexts
    rows[:2] = contexts[0], -contexts[0]
    expected = reference.log_partition(rows, contexts, prior, temperature)
    normalizer = gaussian_or_exact(prior.astype(dtype), temperature, 300)
    with Workers() as workers:
        normalizer.update(contexts.astype(dtype), workers)
    log_z, gradient = normalizer.evaluate(rows.astype(dtype))
    # Exponents of 1 / t are rounded to the precision of the dtype.
    tolerance = 100 * np.finfo(dtype).eps
    np.testing.assert_allclose(log_z, expected, atol=tolerance / min(temperature, 1))
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("n_gaussians", [1, 7, 300])
def test_gradient_is_the_derivative_of_log_partition(contexts, prior, n_gaussians, rng):
    normalizer = fitted(contexts, prior, n_gaussians)
    rows = reference.unit(rng.standard_normal((5, 8)))
    _, gradient = normalizer.evaluate(rows)
    step = 1e-6
    for f in range(8):
        shift = step * np.eye(8)[f]
        above, _ = normalizer.evaluate(rows + shift)
        below, _ = normalizer.evaluate(rows - shift)
        slope = (above - below) / (2 * step)
        np.testing.assert_allclose(gradient[:, f], 0.5 * slope, atol=1e-8)


@pytest.mark.parametrize("temperature", [0.15, 0.3])
def test_error_falls_as_gaussians_are_added(contexts, prior, temperature):
    exact = reference.log_partition(contexts, contexts, prior, temperature)
    errors = []
    for n_gaussians in (1, 6, 60, 300):
        log_z, _ = fitted(contexts, prior, n_gaussians, temperature).evaluate(contexts)
        errors.append(np.abs(log_z - exact).mean())
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.7 * errors[0]
    assert errors[-1] < 1e-12


def test_contexts_without_prior_do_not_count(contexts, prior, rng):
    rows = reference.unit(rng.standard_normal((4, 8)))
    other = contexts.copy()
    other[:10] = reference.unit(rng.standard_normal((10, 8)))
    for n_gaussians in (1, 5, 300):
        one, _ = fitted(contexts, prior, n_gaussians).evaluate(rows)
        two, _ = fitted(other, prior, n_gaussians).evaluate(rows)
        np.testing.assert_allclose(one, two, rtol=1e-12)


def test_more_gaussians_than_contexts_that_count(contexts, rng):
    prior = np.zeros(300)
    prior[:3] = 1 / 3
    rows = reference.unit(rng.standard_normal((4, 8)))
    log_z, gradient = fitted(contexts, prior, 8).evaluate(rows)
    expected = reference.log_partition(rows, contexts, prior, 0.5)
    np.testing.assert_allclose(log_z, expected, rtol=1e-6)
    assert np.isfinite(gradient).all()


def test_low_temperature_does_not_overflow(contexts, prior):
    for dtype in (np.float32, np.float64):
        for n_gaussians in (1, 9, 300):
            cast = contexts.astype(dtype), prior.astype(dtype)
            normalizer = fitted(*cast, n_gaussians, temperature=1e-3)
            log_z, gradient = normalizer.evaluate(cast[0])
            assert np.isfinite(log_z).all()
            assert np.isfinite(gradient).all()
