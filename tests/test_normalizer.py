"""The normaliser against exact sums, its own formula and finite differences."""

import copy
import warnings
from functools import partial

import numpy as np
import pytest
import reference
from conftest import ZEROS, learned
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.validation import check_is_fitted

from skemb import BipartiteEmbedder, GraphEmbedder
from skemb._normalizer import gaussian_or_exact, prior_of
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


def test_prior_of_logs():
    # Zero stands for contexts that do not count, and so for these alone.
    weights = prior_of(np.array([3.0, -2000.0, -np.inf, 3.0]))
    assert weights.sum() == 1
    assert weights[0] == weights[3] > 0.4
    assert np.float32(weights[1]) > 0 == weights[2]
    np.testing.assert_array_equal(prior_of(np.full(4, -np.inf)), np.full(4, 0.25))
    np.testing.assert_allclose(prior_of(np.log([1, 2, 5])), [0.125, 0.25, 0.625])


def fitted(contexts, prior, n_gaussians, temperature=0.5, n_updates=10, n_jobs=1):
    normalizer = gaussian_or_exact(prior, temperature, n_gaussians)
    normalizer.start(contexts, np.random.RandomState(0))
    with Workers(n_jobs) as workers:
        for _ in range(n_updates):
            normalizer.update(contexts, workers)
    return normalizer


@pytest.mark.parametrize("tile", [37, 1024])
@pytest.mark.parametrize("n_gaussians", [300, 1000])
def test_as_many_gaussians_as_contexts_are_exact(
    contexts, prior, n_gaussians, tile, rng, monkeypatch
):
    monkeypatch.setattr("skemb._normalizer._TILE", tile)
    rows = reference.unit(rng.standard_normal((20, 8)))
    normalizer = fitted(contexts, prior, n_gaussians)
    log_z, gradient = normalizer.evaluate(rows)
    expected = reference.log_partition(rows, contexts, prior, 0.5)
    np.testing.assert_allclose(log_z, expected, rtol=1e-12)
    shares = prior * np.exp(rows @ contexts.T / 0.5 - expected[:, None])
    np.testing.assert_allclose(gradient, shares @ contexts, rtol=1e-10)
    np.testing.assert_allclose(normalizer.log_partition(rows), log_z, rtol=1e-13)


def test_exact_normalizer_keeps_its_contexts(contexts, prior):
    moving = contexts.copy()
    normalizer = fitted(moving, prior, 300)
    moving[:] = 0
    np.testing.assert_array_equal(normalizer.contexts, contexts[10:])


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
def test_any_temperature_is_finite_and_right(
    contexts, prior, temperature, dtype, rng, monkeypatch
):
    monkeypatch.setattr("skemb._normalizer._TILE", 100)
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


@pytest.mark.filterwarnings(ZEROS)
@pytest.mark.parametrize(
    "embedder", [GraphEmbedder(8, symmetric=False), BipartiteEmbedder(8)]
)
def test_exact_by_name_is_that_of_a_gaussian_a_context(embedder, directed_graph):
    embedder = clone(embedder).set_params(max_iter=5, random_state=0)
    expected = clone(embedder).set_params(n_gaussians=50).fit(directed_graph)
    got = embedder.set_params(n_gaussians=1, normalizer="exact").fit(directed_graph)
    assert learned(got, directed_graph) == learned(expected, directed_graph)


def test_exact_sums_that_take_long_are_warned_of(graph, monkeypatch):
    embedder = GraphEmbedder(8, normalizer="exact", symmetric=False, max_iter=1)
    n_products = 2 * 8 * (60 * 60 + 60 * 60)
    monkeypatch.setattr("skemb._validation._MANY_PRODUCTS", n_products - 1)
    message = (
        r"^normalizer='exact' takes 1e\+05 multiplications an epoch, .* "
        "normalizer='gaussian' takes time in proportion to rows and columns"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        embedder.fit(graph)
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(embedder).set_params(normalizer="gaussian").fit(graph)
        monkeypatch.setattr("skemb._validation._MANY_PRODUCTS", n_products)
        embedder.fit(graph)


class OwnNormalizer:
    """Exact sums as a user would write them, with a factor that changes nothing."""

    calls = None

    def __init__(self, prior, temperature, factor=1.0):
        self.prior, self.temperature, self.factor = prior, temperature, factor
        self.width = len(prior)
        self.note("made", prior.copy(), temperature)

    def note(self, *call):
        if self.calls is not None:
            self.calls.append(call)

    def start(self, contexts, random_state):
        self.note("start", contexts.shape, random_state)

    def update(self, contexts, workers, share=1.0):
        self.contexts = contexts.copy()
        self.note("update", share)

    def rotate(self, axes):
        self.note("rotate", axes)

    def evaluate(self, rows, known, keys):
        self.note("evaluate", len(rows), known, keys)
        exponents = rows @ self.contexts.T / self.temperature
        terms = self.factor * self.prior * np.exp(exponents)
        total = terms.sum(axis=1)
        return np.log(total / self.factor), terms @ self.contexts / total[:, None]


def recorded():
    """Return a class of normalisers and the list that it writes its calls to."""
    calls = []
    return type("Recorded", (OwnNormalizer,), {"calls": calls}), calls


@pytest.mark.filterwarnings(ZEROS)
@pytest.mark.parametrize(
    "normalizer", [OwnNormalizer, partial(OwnNormalizer, factor=7)]
)
def test_a_normalizer_of_ones_own(interactions, normalizer):
    exact = BipartiteEmbedder(6, normalizer="exact", max_iter=5, random_state=0)
    own = clone(exact).set_params(normalizer=normalizer, principal_axes=True)
    exact.set_params(principal_axes=True)
    got, expected = (e.fit_transform(interactions) for e in (own, exact))
    np.testing.assert_allclose(got, expected, atol=1e-8)
    np.testing.assert_allclose(own.loss_curve_, exact.loss_curve_, rtol=1e-10)
    new = interactions[:, ::-1]
    np.testing.assert_allclose(own.transform(new), exact.transform(new), atol=1e-8)
    assert own.score(new) == pytest.approx(exact.score(new))
    again = clone(own)
    assert isinstance(again.normalizer, type(normalizer))
    assert again.fit_transform(interactions).tobytes() == got.tobytes()


@pytest.mark.filterwarnings(ZEROS)
def test_a_search_takes_callables(interactions):
    embedder = BipartiteEmbedder(6, max_iter=5, random_state=0)
    grid = {"normalizer": ["exact", OwnNormalizer, "gaussian"], "n_gaussians": [2]}
    search = GridSearchCV(embedder, grid, cv=3).fit(interactions)
    exact, own, gaussian = search.cv_results_["mean_test_score"]
    assert own == pytest.approx(exact, rel=1e-9)
    assert own != pytest.approx(gaussian, rel=1e-4)


@pytest.mark.filterwarnings(ZEROS)
def test_what_callables_are_given(directed_graph):
    normalizer, calls = recorded()
    embedder = GraphEmbedder(
        4,
        normalizer=normalizer,
        symmetric=False,
        temperature=0.25,
        context_power=0.5,
        max_iter=4,
        principal_axes=True,
    ).fit(directed_graph)
    names = [call[0] for call in calls]
    assert names[:5] == ["made", "made", "start", "start", "update"]
    for (_, prior, temperature), axis in zip(calls[:2], (1, 0), strict=True):
        strength = np.sqrt(directed_graph.sum(axis=axis))
        np.testing.assert_allclose(prior, strength / strength.sum())
        assert temperature == 0.25
    # Both sides in each epoch, before its rows ask, and last of all for new rows.
    shares = [call[1] for call in calls if call[0] == "update"]
    growing = np.sqrt(np.repeat([1, 2, 3, 4], 2) / 4)
    np.testing.assert_allclose(shares[:8], growing)
    assert set(shares[8:]) == {1.0}
    assert names.count("rotate") == 2
    # Blocks of 32 rows and of the rest: their numbers, and their entries in X.
    first, second = [call for call in calls if call[0] == "evaluate"][:2]
    assert (first[1], second[1]) == (32, 18)
    np.testing.assert_array_equal(first[3], np.arange(32))
    np.testing.assert_array_equal(second[3], np.arange(32, 50))
    indptr, indices, data = second[2]
    A = directed_graph[32:]
    np.testing.assert_array_equal(np.diff(indptr), np.diff(A.indptr))
    np.testing.assert_array_equal(indices[indptr[0] : indptr[-1]], A.indices)
    np.testing.assert_array_equal(data[indptr[0] : indptr[-1]], A.data)
    # A new row's draws are named by the step, so that they are the same in any batch.
    calls.clear()
    embedder.transform(directed_graph[:3])
    assert {call[0] for call in calls} == {"evaluate"}
    keys = [call[3] for call in calls]
    np.testing.assert_array_equal(
        keys, np.repeat(np.arange(len(keys)), 3).reshape(-1, 3)
    )
    assert {key.dtype for key in keys} == {np.dtype(np.uint64)}


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("method", ["__init__", "start", "update", "evaluate"])
def test_errors_of_callables_come_through(graph, method, n_jobs):
    def fail(*arguments):
        raise ZeroDivisionError(f"in {method}")

    normalizer = type("Failing", (OwnNormalizer,), {method: fail})
    embedder = GraphEmbedder(4, normalizer=normalizer, n_jobs=n_jobs)
    with pytest.raises(ZeroDivisionError, match=f"^in {method}$"):
        embedder.fit(graph)
    with pytest.raises(NotFittedError):
        check_is_fitted(embedder)


def test_what_callables_return_is_checked(graph):
    message = (
        r"normalizer must return an object with prior, temperature, width, start, "
        r"update, rotate, evaluate when called, got dict without prior, temperature, "
        r"width, start, rotate, evaluate\.$"
    )
    with pytest.raises(TypeError, match=message):
        GraphEmbedder(4, normalizer=lambda prior, temperature: {}).fit(graph)


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (lambda rows: None, "NoneType"),
        (lambda rows: (np.zeros(len(rows)),), r"\(60,\)"),
        (lambda rows: (np.zeros(len(rows)), rows[:, 1:]), r"\(60,\) and \(60, 3\)"),
        (lambda rows: (np.zeros(len(rows)), rows[1:]), r"\(60,\) and \(59, 4\)"),
        (lambda rows: (0.0, rows), r"\(\) and \(60, 4\)"),
        (lambda rows: (np.zeros(len(rows)), None), "a tuple of ndarray and NoneType"),
        (lambda rows: ([[1], [1, 2]], rows), "a tuple of list and ndarray"),
        (
            lambda rows: (np.full(len(rows), np.nan), rows),
            r"\(60,\) and \(60, 4\), not all finite",
        ),
        (
            lambda rows: (np.zeros(len(rows)), rows * np.inf),
            r"\(60,\) and \(60, 4\), not all finite",
        ),
    ],
)
def test_what_evaluate_returns_is_checked(graph, answer, shown, monkeypatch):
    monkeypatch.setattr("skemb._parallel._BLOCK_SIZE", 2**18)
    normalizer = type(
        "Wrong",
        (OwnNormalizer,),
        {"evaluate": lambda self, rows, known, keys: answer(np.abs(rows) + 1)},
    )
    message = (
        r"^evaluate of normalizer Wrong must return a tuple of log Z \(60,\) and its "
        rf"gradient \(60, 4\), both finite, got {shown}\.$"
    )
    with pytest.raises(ValueError, match=message):
        GraphEmbedder(4, normalizer=normalizer).fit(graph)


def test_evaluate_cannot_change_the_rows(graph):
    def change(self, rows, known, keys):
        rows *= 2

    normalizer = type("Changing", (OwnNormalizer,), {"evaluate": change})
    with pytest.raises(ValueError, match="read-only"):
        GraphEmbedder(4, normalizer=normalizer).fit(graph)
