"""What CooccurrenceEmbedder promises beyond scikit-learn's checks."""

import re

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import reference
import scipy.sparse as sp
from conftest import ZEROS
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skemb import CooccurrenceEmbedder

pytestmark = pytest.mark.filterwarnings(ZEROS)


def baskets(n_groups=3, n_rows=40, n_features=12, seed=0):
    """Return rows that hold features of their group, and the groups."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), n_rows)
    own = groups[:, None] == np.repeat(np.arange(n_groups), n_features)
    X = rng.random(own.shape) < np.where(own, 0.4, 0.02)
    return sp.csr_array(X.astype(np.float64)), groups


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_gaussians", [1, 6, 256])
def test_features_that_meet_are_alike(dtype, n_gaussians):
    X, _ = baskets()
    embedder = CooccurrenceEmbedder(8, n_gaussians=n_gaussians, random_state=0)
    vectors = embedder.fit(X.astype(dtype)).feature_embedding_
    assert vectors.dtype == dtype
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    group = np.repeat(np.arange(3), 12)
    same = group[:, None] == group
    cosines = vectors @ vectors.T
    assert cosines[same].mean() > cosines[~same].mean() + 0.5


@pytest.mark.parametrize("smoothing", [None, "auto", 0.01, 5])
def test_rows_are_weighted_means_of_their_features(interactions, smoothing):
    embedder = CooccurrenceEmbedder(8, smoothing=smoothing, random_state=0)
    means = embedder.fit_transform(interactions)
    counts = interactions.sum(axis=0)
    np.testing.assert_allclose(embedder.feature_frequency_, counts / counts.sum())
    X = interactions.toarray()
    smoothing = 25 / 35 if smoothing == "auto" else smoothing
    expected = reference.weighted_means(
        X, embedder.feature_embedding_, counts / counts.sum(), smoothing
    )
    np.testing.assert_allclose(means, expected, atol=1e-14)
    assert not means[3:5].any()
    new = np.random.default_rng(0).poisson(0.1, (9, 35)).astype(float)
    expected = reference.weighted_means(
        new, embedder.feature_embedding_, embedder.feature_frequency_, smoothing
    )
    np.testing.assert_allclose(embedder.transform(new), expected, atol=1e-14)


def test_smoothing_can_be_set_after_fit(interactions):
    embedder = CooccurrenceEmbedder(8, smoothing=None, random_state=0)
    plain = embedder.fit_transform(interactions)
    weighted = embedder.set_params(smoothing=0.01).transform(interactions)
    assert np.abs(weighted - plain).max() > 0.01
    again = clone(embedder).fit_transform(interactions)
    np.testing.assert_array_equal(again, weighted)


def test_tiny_smoothing_weighs_by_inverse_frequency_alone(interactions):
    embedder = CooccurrenceEmbedder(4, smoothing=1e-300, random_state=0)
    means = embedder.fit_transform(interactions.astype(np.float32))
    counts = np.maximum(interactions.sum(axis=0), 1)
    expected = reference.weighted_means(
        interactions.toarray() / counts, embedder.feature_embedding_, counts, None
    )
    np.testing.assert_allclose(means, expected, atol=1e-6)


@pytest.mark.parametrize("n_gaussians", [1, 40])
def test_fit_equals_fit_to_the_cooccurrences(interactions, n_gaussians):
    options = {"n_components": 8, "n_gaussians": n_gaussians, "random_state": 0}
    met = reference.cooccurrences(interactions.toarray())
    implicit = CooccurrenceEmbedder(max_iter=8, **options).fit(interactions)
    explicit = CooccurrenceEmbedder(max_iter=8, affinity="precomputed", **options)
    explicit.fit(met)
    for name in ("feature_embedding_", "context_embedding_", "log_prior_"):
        np.testing.assert_allclose(
            getattr(implicit, name), getattr(explicit, name), atol=1e-9
        )
    np.testing.assert_allclose(
        explicit.feature_frequency_, met.sum(axis=1) / met.sum(), atol=1e-12
    )


def test_a_precomputed_matrix_may_have_a_direction_and_a_diagonal(rng):
    A = rng.poisson(0.5, (20, 20)).astype(float) + np.eye(20)
    options = {"n_components": 6, "affinity": "precomputed", "random_state": 0}
    forward = CooccurrenceEmbedder(**options).fit(A)
    backward = CooccurrenceEmbedder(**options).fit(A.T)
    assert np.abs(forward.feature_embedding_ - backward.feature_embedding_).max() > 0.01
    np.testing.assert_allclose(forward.feature_frequency_, A.sum(axis=1) / A.sum())
    A[0, 0] += 9
    changed = CooccurrenceEmbedder(**options).fit(A)
    assert np.abs(changed.feature_embedding_ - forward.feature_embedding_).max() > 0.01


def test_long_rows_weigh_as_much_as_their_sum(interactions):
    # Twice the row, and the row twice, are the same.
    once = CooccurrenceEmbedder(8, max_iter=5, random_state=0)
    twice = sp.vstack([interactions, interactions[:7]])
    heavier = interactions.copy()
    heavier.data[: heavier.indptr[7]] *= 2
    np.testing.assert_allclose(
        clone(once).fit(twice).feature_embedding_,
        once.fit(heavier).feature_embedding_,
        atol=1e-9,
    )


def test_a_feature_that_meets_no_other_has_no_vector_and_no_part_in_means():
    X = baskets()[0].toarray()
    X = np.column_stack([X, np.zeros(120)])
    alone = np.zeros((2, 37))
    alone[:, 36] = 5
    embedder = CooccurrenceEmbedder(8, random_state=0)
    with pytest.warns(
        UserWarning, match="1 of the 37 features of X co-occur with nothing"
    ):
        embedder.fit(np.vstack([X, alone]))
    assert not embedder.feature_embedding_[36].any()
    assert np.isneginf(embedder.log_prior_[36])
    with_it = X[:5].copy()
    with_it[:, 36] = 3
    np.testing.assert_allclose(
        embedder.transform(with_it), embedder.transform(X[:5]), atol=1e-12
    )
    with pytest.warns(UserWarning, match="2 of the 2 rows of X"):
        assert not embedder.transform(alone).any()


def test_entries_given_in_parts_and_zeros(interactions):
    halves = sp.csr_array(
        (
            np.repeat(interactions.data / 2, 2),
            np.repeat(interactions.indices, 2),
            2 * interactions.indptr,
        ),
        shape=interactions.shape,
    )
    halves.data[0], halves.data[1] = 0, 2 * halves.data[1]
    embedder = CooccurrenceEmbedder(8, max_iter=5, random_state=0)
    expected = embedder.fit(interactions)
    score = embedder.score(interactions)
    np.testing.assert_allclose(
        clone(embedder).fit(halves).feature_embedding_,
        expected.feature_embedding_,
        atol=1e-9,
    )
    assert embedder.score(halves) == pytest.approx(score)
    assert halves.nnz == 2 * interactions.nnz


@pytest.mark.parametrize("n_components", [1, 8])
def test_score_is_the_mean_log_likelihood_of_pairs(interactions, n_components):
    embedder = CooccurrenceEmbedder(n_components, n_gaussians=3, random_state=0)
    embedder.fit(interactions)
    new = np.random.default_rng(5).poisson(0.3, (25, 35)).astype(float)
    X, Y = embedder.feature_embedding_, embedder.context_embedding_
    known = X.any(axis=1)
    assert not known.all()
    met = reference.cooccurrences(new * known)
    with np.errstate(invalid="ignore"):
        log_p = X @ Y.T / embedder.temperature + embedder.log_prior_
    log_p = log_p - reference.log_sum_exp(log_p[:, known])[:, None]
    expected = (met * np.where(known, log_p, 0)).sum() / met.sum()
    assert embedder.score(new) == pytest.approx(expected)
    assert embedder.score(sp.coo_array(new)) == pytest.approx(expected)


def test_score_of_precomputed_rows_embeds_them_first(interactions):
    met = reference.cooccurrences(interactions.toarray()) + np.eye(35)
    embedder = CooccurrenceEmbedder(
        8, affinity="precomputed", n_gaussians=1, temperature=0.5, random_state=0
    ).fit(met)
    rows = np.random.default_rng(0).permutation(met)[:20] + met[:20]
    P, Y = reference.row_normalized(rows), embedder.context_embedding_
    prior, zero = np.exp(embedder.log_prior_), np.zeros(8)
    X = reference.embed(P, Y, prior, zero, 0.5, 0.0, n_steps=10)
    losses = reference.row_losses(
        X, Y, P, prior, 0.5, lambda X: reference.log_partition(X, Y, prior, 0.5)
    )
    expected = -rows.sum(axis=1) @ losses / rows.sum()
    assert embedder.score(rows) == pytest.approx(expected)


def test_every_kind_of_zero_is_warned_of(interactions):
    with pytest.warns(UserWarning, match="co-occur with|have no") as caught:
        CooccurrenceEmbedder(4, max_iter=2).fit_transform(interactions)
    assert sorted(str(warning.message)[:20] for warning in caught) == [
        "2 of the 35 features",
        "2 of the 50 rows of ",
    ]


def test_parameters_set_after_fit_are_checked(interactions):
    embedder = CooccurrenceEmbedder(4, max_iter=2).fit(interactions)
    embedder.set_params(affinity="pairs")
    for method in (embedder.transform, embedder.score):
        with pytest.raises(ValueError, match="'affinity' parameter"):
            method(interactions)


@pytest.mark.parametrize("X", [np.zeros((3, 35)), np.eye(4, 35)])
def test_nothing_to_score(interactions, X):
    embedder = CooccurrenceEmbedder(4, max_iter=2).fit(interactions)
    with pytest.raises(ValueError, match="features known from fit that co-occur"):
        embedder.score(X)


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((1, 1)),
        np.ones((1, 1)),
        np.ones((1, 3)),
        np.zeros((4, 3)),
        np.eye(3),
        np.ones((5, 2)),
    ],
    ids=["empty", "one", "row", "zeros", "alone", "alike"],
)
@pytest.mark.parametrize("n_components", [1, 3, 20])
@pytest.mark.parametrize("n_gaussians", [1, 2, 9])
def test_degenerate_rows(X, n_components, n_gaussians):
    embedder = CooccurrenceEmbedder(
        n_components, n_gaussians=n_gaussians, random_state=0
    )
    means = embedder.fit_transform(X)
    assert np.isfinite(means).all()
    assert (np.linalg.norm(means, axis=1) <= 1 + 1e-12).all()
    assert np.isfinite(embedder.loss_curve_).all()


rows_of_counts = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: hnp.arrays(
        np.float64,
        shape,
        elements=st.one_of(st.just(0.0), st.floats(1e-3, 1e3)),
        fill=st.just(0.0),
    )
)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    X=rows_of_counts,
    n_gaussians=st.integers(1, 11),
    temperature=st.sampled_from([1e-3, 0.25, 1e3]),
    smoothing=st.sampled_from([None, 1e-9, 0.01, 1e9]),
)
def test_any_counts(X, n_gaussians, temperature, smoothing):
    embedder = CooccurrenceEmbedder(
        4,
        n_gaussians=n_gaussians,
        temperature=temperature,
        smoothing=smoothing,
        max_iter=3,
        random_state=0,
    )
    means = embedder.fit_transform(X)
    met = reference.cooccurrences(X).any(axis=1)
    np.testing.assert_array_equal(embedder.feature_embedding_.any(axis=1), met)
    np.testing.assert_array_equal(means.any(axis=1) | ~(X @ met > 0), True)
    assert np.isfinite(means).all()
    if met.any():
        assert np.isfinite(embedder.score(X))


def test_bad_input():
    X = baskets()[0].toarray()
    with pytest.raises(ValueError, match=r"square co-occurrence .* \(120, 36\)"):
        CooccurrenceEmbedder(affinity="precomputed").fit(X)
    table = pd.DataFrame(np.eye(3), index=list("cba"), columns=list("abc"))
    with pytest.raises(ValueError, match="one order"):
        CooccurrenceEmbedder(affinity="precomputed").fit(table)
    with pytest.raises(TypeError, match="must be a matrix, got a graph"):
        CooccurrenceEmbedder().fit(nx.path_graph(3))
    with pytest.raises(ValueError, match="Negative values in data"):
        CooccurrenceEmbedder().fit(-X)
    with pytest.raises(ValueError, match="NaN"):
        CooccurrenceEmbedder().fit(np.where(X > 0, np.nan, X))
    with pytest.raises(ValueError, match="expecting 36 features"):
        CooccurrenceEmbedder(4, max_iter=2).fit(X).transform(X[:, :9])
    for parameters in ({"affinity": "counts"}, {"smoothing": 0}, {"smoothing": -1.0}):
        (name,) = parameters
        with pytest.raises(ValueError, match=re.escape(f"'{name}' parameter")):
            CooccurrenceEmbedder(**parameters).fit(X)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, pd.DataFrame])
def test_model_selection(container):
    X, groups = baskets()
    X = container(X.toarray())
    model = make_pipeline(CooccurrenceEmbedder(8, random_state=0), LogisticRegression())
    assert cross_val_score(model, X, groups, cv=3).min() > 0.9


@pytest.mark.parametrize("affinity", ["rows", "precomputed"])
def test_grid_search_without_labels(affinity):
    X = baskets()[0]
    if affinity == "precomputed":
        X = reference.cooccurrences(X.toarray())
    search = GridSearchCV(
        CooccurrenceEmbedder(4, affinity=affinity, max_iter=5, random_state=0),
        {"temperature": [0.2, 1.0]},
        cv=3,
    ).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
