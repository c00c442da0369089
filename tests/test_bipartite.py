"""What BipartiteEmbedder promises beyond what all embedders do."""

import pickle

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import reference
import scipy.sparse as sp
from conftest import KINDS
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skemb import BipartiteEmbedder
from skemb._normalizer import ExactNormalizer
from skemb._trainer import inverted_prior

EMPTY = "ignore:.*rows of X have no affinity:UserWarning"

pytestmark = pytest.mark.filterwarnings(EMPTY)


def tastes(n_groups=3, n_rows=20, n_columns=15, seed=0):
    """Return interactions of groups of rows with their own columns, and the groups."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), n_rows)
    own = groups[:, None] == np.repeat(np.arange(n_groups), n_columns)
    X = rng.random(own.shape) < np.where(own, 0.5, 0.03)
    return sp.csr_array(X.astype(np.float64)), groups


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("parameters", KINDS["bipartite"].forms, ids=str)
@pytest.mark.parametrize("kind", ["bipartite"])
def test_recommended_are_the_best_of_the_model(embedder, X, dtype):
    embedder.fit(X)
    assert not hasattr(embedder, "context_embedding_")
    with np.errstate(divide="ignore"):
        expected = (
            embedder.transform(X) @ embedder.column_embedding_.T
        ) / embedder.temperature_ + embedder.column_log_prior_
        expected -= np.log(np.exp(expected).sum(axis=1, keepdims=True))
        popularity = X.sum(axis=0) / X.sum()
        expected[X.sum(axis=1) == 0] = np.log(popularity)
    columns, scores = embedder.recommend(X, 35, exclude_known=False)
    assert scores.dtype == embedder.column_log_prior_.dtype == dtype
    np.testing.assert_array_equal(np.sort(columns), np.tile(np.arange(35), (50, 1)))
    ranked = np.take_along_axis(expected, columns, axis=1)
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(scores, ranked, atol=tolerance)
    assert (scores[:, :-1] >= scores[:, 1:]).all()
    # The two columns without interactions come last, in their order.
    np.testing.assert_array_equal(columns[:, -2:], np.tile([5, 6], (50, 1)))
    assert np.isneginf(scores[:, -2:]).all()


def test_automatic_temperature(interactions):
    X = interactions.toarray()
    p = X / X.sum()
    expected = p.sum(axis=1, keepdims=True) * p.sum(axis=0)
    information = (
        p * np.log(np.where(p > 0, p, 1) / np.where(p > 0, expected, 1))
    ).sum()
    assert 0.8 < information < 8
    for matrix in (X, interactions, sp.csc_matrix(X), sp.csr_array(X.astype(int))):
        embedder = BipartiteEmbedder(4, max_iter=2).fit(matrix)
        assert embedder.temperature_ == pytest.approx(0.8 / information)
    # Each entry in two halves.
    halves = sp.csr_array(
        (
            np.repeat(interactions.data / 2, 2),
            np.repeat(interactions.indices, 2),
            2 * interactions.indptr,
        ),
        shape=X.shape,
    )
    again = BipartiteEmbedder(4, max_iter=2).fit(halves)
    assert again.temperature_ == pytest.approx(embedder.temperature_)
    assert halves.nnz == 2 * interactions.nnz
    given = BipartiteEmbedder(4, max_iter=2, temperature=0.4).fit(X)
    assert given.temperature_ == 0.4


def test_automatic_temperature_at_any_scale(interactions):
    expected = BipartiteEmbedder(4, max_iter=2).fit(interactions).temperature_
    for scale in (1e-200, 1e-30, 1e160, 1e290):
        fitted = BipartiteEmbedder(4, max_iter=2).fit(scale * interactions)
        assert fitted.temperature_ == pytest.approx(expected)
    heavy = interactions.copy()
    heavy.data[0] = 1e155
    assert BipartiteEmbedder(4, max_iter=2).fit(heavy).temperature_ == 1


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, bool])
def test_events_given_one_by_one_are_counted(dtype):
    events = np.zeros(600, dtype=int), np.arange(600) // 300
    X = sp.coo_array((np.ones(600, dtype=dtype), events), shape=(2, 3))
    embedder = BipartiteEmbedder(2, max_iter=2).fit(X)
    np.testing.assert_allclose(embedder.column_popularity_, [0.5, 0.5, 0])


@pytest.mark.parametrize(
    ("X", "temperature"),
    [(np.ones((4, 3)), 1), (np.zeros((4, 3)), 1), (np.eye(4000), 0.1)],
    ids=["no information", "no interactions", "identity"],
)
def test_automatic_temperature_has_bounds(X, temperature):
    embedder = BipartiteEmbedder(4, max_iter=1, n_gaussians=1)
    assert embedder.fit(sp.csr_array(X)).temperature_ == temperature


def test_known_columns_are_left_out(interactions):
    embedder = BipartiteEmbedder(8, random_state=0).fit(interactions)
    everything = embedder.recommend(interactions, 35, exclude_known=False).columns
    known = interactions.toarray() > 0
    for n_items in (1, 4, 20):
        got = embedder.recommend(interactions, n_items).columns
        for i in range(50):
            unknown = [j for j in everything[i] if not known[i, j]]
            np.testing.assert_array_equal(got[i], unknown[:n_items])


def test_explicit_zeros_and_duplicates_in_recommend(interactions):
    embedder = BipartiteEmbedder(8, random_state=0).fit(interactions)
    plain = sp.csr_array(([2.0, 1.0], [3, 9], [0, 2]), shape=(1, 35))
    messy = sp.csr_array(
        ([1.0, 0.0, 1.0, 1.0, 0.0], [9, 4, 3, 3, 3], [0, 5]), shape=(1, 35)
    )
    expected = embedder.recommend(plain, 33)
    got = embedder.recommend(messy, 33)
    np.testing.assert_array_equal(got.columns, expected.columns)
    assert 4 in got.columns
    assert not np.isin([3, 9], got.columns).any()


@pytest.mark.parametrize("context_power", [0.0, 1.0])
def test_rows_without_interactions_get_the_most_popular_columns(context_power):
    X = sp.csr_array(np.triu(np.ones((12, 6))))
    embedder = BipartiteEmbedder(4, context_power=context_power, random_state=0).fit(X)
    columns, scores = embedder.recommend(np.zeros((2, 6)), 6)
    np.testing.assert_array_equal(columns, [[5, 4, 3, 2, 1, 0]] * 2)
    popularity = np.arange(1, 7) / 21
    np.testing.assert_allclose(embedder.column_popularity_, popularity)
    np.testing.assert_allclose(scores[0], np.log(popularity)[::-1])


def test_ties_are_broken_by_index():
    X = np.ones((6, 9))
    X[:, 4] = 2
    embedder = BipartiteEmbedder(3, random_state=0).fit(X)
    columns = embedder.recommend(np.zeros((1, 9)), 9).columns
    np.testing.assert_array_equal(columns, [[4, 0, 1, 2, 3, 5, 6, 7, 8]])


def test_names_of_recommended_columns():
    X, _ = tastes()
    names = np.array([f"item {j}" for j in range(45)], dtype=object)
    table = pd.DataFrame(X.toarray(), columns=names)
    embedder = BipartiteEmbedder(8, random_state=0).fit(table)
    found = embedder.recommend(table, 3)
    np.testing.assert_array_equal(found.column_names, names[found.columns])
    columns, scores = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(columns, found.columns)
    np.testing.assert_array_equal(scores, found.scores)
    assert pickle.loads(pickle.dumps(found)).column_names.shape == (60, 3)
    unnamed = BipartiteEmbedder(8, random_state=0).fit(X).recommend(X, 3)
    assert unnamed.column_names is None
    np.testing.assert_array_equal(unnamed.columns, found.columns)


def test_score_samples_is_the_mean_score_of_what_a_row_has(interactions):
    embedder = BipartiteEmbedder(8, n_gaussians=3, random_state=0).fit(interactions)
    columns, scores = embedder.recommend(interactions, 35, exclude_known=False)
    log_p = np.empty(scores.shape)
    np.put_along_axis(log_p, columns, scores, axis=1)
    P = reference.row_normalized(interactions.toarray())
    expected = (P * np.where(P > 0, log_p, 0)).sum(axis=1)
    np.testing.assert_allclose(embedder.score_samples(interactions), expected)
    pulled = P.any(axis=1)
    assert embedder.score(interactions) == pytest.approx(expected[pulled].mean())


def test_held_out_entries_are_found():
    X, groups = tastes(n_rows=40, seed=1)
    embedder = BipartiteEmbedder(8, temperature=0.3, random_state=0).fit(X[::2])
    found = embedder.recommend(X[1::2], 5).columns
    assert (found // 15 == groups[1::2, None]).mean() > 0.9


def test_the_two_sides_swap_with_the_matrix():
    # What follows the first step of rows differs, what is found does not.
    X, groups = tastes(n_rows=30, n_columns=30)
    for matrix in (X, X.T.tocsr()):
        embedder = BipartiteEmbedder(8, temperature=0.3, random_state=0).fit(matrix)
        for vectors in (embedder.embedding_, embedder.column_embedding_):
            likeness = vectors @ vectors.T
            same = groups[:, None] == groups
            assert likeness[same].mean() > likeness[~same].mean() + 0.5


class Apart(BipartiteEmbedder):
    """Leaves columns where their own loss puts them."""

    _cohesion = (0.0, 0.0)


def test_columns_are_drawn_to_their_mean():
    X, _ = tastes()
    apart, together = (
        np.linalg.norm(cls(8, random_state=0).fit(X).column_embedding_.mean(axis=0))
        for cls in (Apart, BipartiteEmbedder)
    )
    assert together > apart + 0.1


@pytest.mark.parametrize("context_power", [0.0, 1.0])
def test_the_prior_is_the_share_but_for_how_rows_lie(interactions, context_power):
    embedder = BipartiteEmbedder(8, context_power=context_power, random_state=0)
    share = interactions.sum(axis=0) / interactions.sum()
    # At a high temperature it does not matter where a column lies.
    level = embedder.set_params(temperature=1000).fit(interactions)
    np.testing.assert_allclose(np.exp(level.column_log_prior_), share, rtol=1e-2)
    steep = embedder.set_params(temperature=0.2).fit(interactions)
    assert np.abs(np.exp(steep.column_log_prior_) - share).max() > 0.01
    assert np.exp(steep.column_log_prior_).sum() == pytest.approx(1)


def own_normalizer(prior, temperature):
    return ExactNormalizer(prior, temperature)


@pytest.mark.parametrize("principal_axes", [False, True])
@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"normalizer": "exact"}, 1e-10),
        ({"normalizer": "sampled", "n_negatives": 2}, 1e-10),
        ({"normalizer": own_normalizer}, 1e-10),
        ({"n_gaussians": 50}, 1e-10),
        ({"n_gaussians": 20}, 0.2),
    ],
    ids=str,
)
def test_the_prior_is_of_bayes_theorem(
    interactions, monkeypatch, options, tolerance, principal_axes
):
    trained = []

    def recorded(sides, workers):
        trained[:] = [side.vectors.copy() for side in sides]
        return inverted_prior(sides, workers)

    monkeypatch.setattr("skemb._bipartite.inverted_prior", recorded)
    embedder = BipartiteEmbedder(
        8,
        temperature=0.3,
        principal_axes=principal_axes,
        random_state=0,
        **options,
    ).fit(interactions)
    rows, columns = interactions.sum(axis=1), interactions.sum(axis=0)
    # Rows go by their shares, and draws or a normaliser of one's own have no part.
    log_z = reference.log_partition(*trained[::-1], rows / rows.sum(), 0.3)
    expected = columns * np.exp(-log_z)
    expected /= expected.sum()
    counts = columns > 0
    np.testing.assert_allclose(
        embedder.column_log_prior_[counts], np.log(expected[counts]), atol=tolerance
    )
    assert np.isneginf(embedder.column_log_prior_[~counts]).all()


def test_weights_count_by_row_and_by_column_in_proportion(interactions):
    embedder = BipartiteEmbedder(8, random_state=0).fit(interactions)
    doubled = 2 * interactions
    np.testing.assert_allclose(
        embedder.transform(doubled), embedder.embedding_, atol=1e-12
    )
    again = clone(embedder).fit(doubled)
    np.testing.assert_allclose(again.embedding_, embedder.embedding_, atol=1e-9)
    ones = clone(embedder).fit(interactions > 0)
    assert np.abs(ones.embedding_ - embedder.embedding_).max() > 0.1


def test_empty_rows_and_columns_change_nothing_for_the_others():
    X, _ = tastes()
    start = np.random.default_rng(0).standard_normal((70, 8))
    embedder = BipartiteEmbedder(8, init=start[:60], random_state=0)
    alone = embedder.fit_transform(X)
    X = X.copy()
    X.resize((70, 50))
    with pytest.warns(UserWarning, match="10 of the 70 rows"):
        together = embedder.set_params(init=start).fit_transform(X)
    np.testing.assert_allclose(together[:60], alone, atol=1e-9)
    assert not together[60:].any()
    assert not embedder.column_embedding_[45:].any()


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((1, 1)),
        np.ones((1, 1)),
        np.zeros((4, 3)),
        np.ones((1, 7)),
        np.ones((7, 1)),
        np.eye(5),
        np.ones((5, 3)),
    ],
    ids=lambda X: f"{X.shape} {X.sum():.0f}",
)
@pytest.mark.parametrize("n_components", [1, 3, 20])
@pytest.mark.parametrize("n_gaussians", [1, 2, 9])
def test_degenerate_interactions(X, n_components, n_gaussians):
    embedder = BipartiteEmbedder(n_components, n_gaussians=n_gaussians, random_state=0)
    length = np.linalg.norm(embedder.fit_transform(X), axis=1)
    np.testing.assert_allclose(length, X.any(axis=1))
    assert np.isfinite(embedder.loss_curve_).all()
    assert np.isfinite(embedder.score_samples(X)).all()
    columns, scores = embedder.recommend(X, X.shape[1], exclude_known=False)
    np.testing.assert_array_equal(np.sort(columns)[0], np.arange(X.shape[1]))
    assert not np.isnan(scores).any()


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    X=hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.one_of(st.just(0.0), st.floats(1e-3, 1e3)),
        fill=st.just(0.0),
    ),
    n_gaussians=st.integers(1, 10),
    context_power=st.sampled_from([0.0, 0.5, 1.0]),
    temperature=st.sampled_from([1e-3, 0.1, 1.0, 1e3]),
)
def test_any_interactions(X, n_gaussians, context_power, temperature):
    embedder = BipartiteEmbedder(
        4,
        n_gaussians=n_gaussians,
        context_power=context_power,
        temperature=temperature,
        max_iter=5,
        random_state=0,
    )
    Z = embedder.fit_transform(sp.csr_array(X))
    np.testing.assert_allclose(np.linalg.norm(Z, axis=1), X.any(axis=1))
    assert np.isfinite(embedder.loss_curve_).all()
    assert np.isfinite(embedder.score_samples(X)).all()
    again = clone(embedder).set_params(n_jobs=2).fit_transform(sp.csr_array(X))
    assert again.tobytes() == Z.tobytes()
    n_left = (X == 0).sum(axis=1).min()
    if n_left:
        columns, scores = embedder.recommend(X, n_left)
        assert not np.take_along_axis(X, columns, axis=1).any()
        assert not np.isnan(scores).any()


def fitted():
    return BipartiteEmbedder(4, max_iter=3, random_state=0).fit(tastes()[0])


@pytest.mark.parametrize("n_items", [0, -1, 46, 2.5, "ten", None, True, np.nan])
def test_bad_n_items(n_items):
    with pytest.raises(
        ValueError, match="n_items must be an integer from 1 to 45, the number of col"
    ):
        fitted().recommend(np.zeros((1, 45)), n_items)


def test_more_items_than_columns_left():
    X = np.zeros((3, 45))
    X[1, :41] = 1
    assert fitted().recommend(X, 4).columns.shape == (3, 4)
    with pytest.raises(
        ValueError,
        match=r"n_items must be at most 4, .* row 1 of X .* got 5: .*exclude_known=F",
    ):
        fitted().recommend(X, 5)
    assert fitted().recommend(X, 45, exclude_known=False).columns.shape == (3, 45)


def test_bad_interactions():
    embedder = fitted()
    with pytest.raises(
        ValueError, match="3 features, but BipartiteEmbedder is expecti"
    ):
        embedder.recommend(np.ones((2, 3)))
    for value, message in [(-1, "Negative values in data"), (np.nan, "X contains NaN")]:
        X = np.ones((2, 45))
        X[1, 7] = value
        for method in (embedder.fit, embedder.transform, embedder.recommend):
            with pytest.raises(ValueError, match=message):
                method(sp.csr_array(X))
    with pytest.raises(TypeError, match="biadjacency_matrix"):
        BipartiteEmbedder().fit(nx.davis_southern_women_graph())


PIPELINE = make_pipeline(
    BipartiteEmbedder(8, temperature=0.3, random_state=0),
    StandardScaler(),
    LogisticRegression(),
)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, pd.DataFrame])
def test_model_selection(container):
    X, groups = tastes()
    X = container(X.toarray())
    if isinstance(X, pd.DataFrame):
        X = X.add_prefix("item ")
    assert cross_val_score(PIPELINE, X, groups).mean() > 0.95
    search = GridSearchCV(
        PIPELINE, {"bipartiteembedder__temperature": [0.3, 1.0]}, n_jobs=2
    )
    assert search.fit(X, groups).best_score_ > 0.95
    weighted = make_pipeline(TfidfTransformer(), *clone(PIPELINE))
    assert cross_val_score(weighted, X, groups).mean() > 0.95


def test_grid_search_without_labels():
    X, _ = tastes()
    search = GridSearchCV(
        BipartiteEmbedder(8, random_state=0), {"temperature": [0.2, 100.0]}, cv=3
    )
    assert search.fit(X).best_params_ == {"temperature": 0.2}
