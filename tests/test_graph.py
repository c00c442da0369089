"""What GraphEmbedder promises beyond what all embedders do."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skemb import GraphEmbedder

ISOLATED = "ignore:.*rows of X have no affinity:UserWarning"
DEAD_ENDS = "ignore:.*nodes of X have incoming edges alone:UserWarning"


def block_graph(n_blocks=3, size=30, seed=0):
    """Return a graph of dense blocks with sparse links between, and its labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_blocks), size)
    density = np.where(labels[:, None] == labels, 0.45, 0.04)
    upper = np.triu(rng.random(density.shape) < density, 1)
    return sp.csr_array((upper | upper.T).astype(np.float64)), labels


def test_weights_count_by_row_only_in_proportion(graph):
    embedder = GraphEmbedder(8, max_iter=6, random_state=0)
    scale = np.random.default_rng(0).uniform(0.5, 2, 60)
    expected = embedder.fit_transform(graph)
    scaled = sp.diags_array(scale) @ graph
    np.testing.assert_allclose(embedder.fit_transform(scaled), expected, atol=1e-10)
    heavier = graph.copy()
    heavier.data[::3] *= 5
    assert np.abs(embedder.fit_transform(heavier) - expected).max() > 0.01


def test_direction_counts(graph):
    upper = sp.csr_array(sp.triu(graph)) + 0.1 * sp.eye_array(60)
    embedder = GraphEmbedder(8, max_iter=6, random_state=0)
    with_direction = embedder.fit_transform(upper)
    assert np.abs(with_direction - embedder.fit_transform(upper.T)).max() > 0.01


@pytest.mark.parametrize("symmetric", [True, False])
def test_isolated_nodes_change_nothing_for_the_others(symmetric):
    A, _ = block_graph()
    start = np.random.default_rng(0).standard_normal((100, 8))
    embedder = GraphEmbedder(8, symmetric=symmetric, init=start[:90], random_state=0)
    alone = embedder.fit_transform(A)
    A = A.copy()
    A.resize((100, 100))
    with pytest.warns(UserWarning, match="10 of the 100 rows"):
        together = embedder.set_params(init=start).fit_transform(A)
    np.testing.assert_allclose(together[:90], alone, atol=1e-9)
    assert not together[90:].any()
    assert not embedder.context_embedding_[90:].any()
    assert np.isneginf(embedder.log_prior_[90:]).all()


@pytest.mark.parametrize("symmetric", [True, False])
def test_new_rows_linked_to_isolated_nodes_alone(symmetric):
    A, _ = block_graph()
    A.resize((92, 92))
    embedder = GraphEmbedder(8, symmetric=symmetric, max_iter=5, random_state=0)
    with pytest.warns(UserWarning, match="2 of the 92 rows"):
        embedder.fit(A)
    X = np.zeros((3, 92))
    X[0, 0] = X[1, 0] = 1
    X[1, 91] = X[2, 91] = 7
    with pytest.warns(UserWarning, match="1 of the 3 rows"):
        Z = embedder.transform(X)
    np.testing.assert_array_equal(Z[0], Z[1])
    assert not Z[2].any()
    log_likelihoods = embedder.score_samples(X)
    assert np.isfinite(log_likelihoods).all()
    assert log_likelihoods[2] == 0


@pytest.mark.filterwarnings(ISOLATED, DEAD_ENDS)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("walk_length", [1, 3])
def test_directed_graph_with_dead_ends(directed_graph, symmetric, walk_length):
    embedder = GraphEmbedder(
        8, symmetric=symmetric, walk_length=walk_length, random_state=0
    )
    Z = embedder.fit_transform(directed_graph)
    length = np.linalg.norm(Z, axis=1)
    empty = directed_graph.sum(axis=1) == 0
    np.testing.assert_allclose(length[~empty], 1)
    assert not length[empty].any()
    assert np.isfinite(embedder.score(directed_graph))


@pytest.mark.filterwarnings(ISOLATED, DEAD_ENDS)
@pytest.mark.parametrize(
    "X",
    [
        np.zeros((1, 1)),
        np.ones((1, 1)),
        np.zeros((5, 5)),
        np.eye(5),
        np.ones((5, 5)),
        np.eye(5, k=1),
        np.array([[0.0, 1.0], [1.0, 0.0]]),
    ],
    ids=["empty", "loop", "no edges", "loops", "complete", "path", "pair"],
)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("n_components", [1, 3, 20])
@pytest.mark.parametrize("n_gaussians", [1, 2, 9])
def test_degenerate_graphs(X, symmetric, n_components, n_gaussians):
    embedder = GraphEmbedder(
        n_components, symmetric=symmetric, n_gaussians=n_gaussians, random_state=0
    )
    length = np.linalg.norm(embedder.fit_transform(X), axis=1)
    np.testing.assert_allclose(length, X.any(axis=1))
    assert np.isfinite(embedder.loss_curve_).all()
    assert np.isfinite(embedder.score_samples(X)).all()


@pytest.mark.parametrize("n_components", [1, 2])
def test_what_rows_read_is_the_contexts_met_on_walks(graph, n_components):
    # In one dimension contexts and prior have the same shape, and one buffer.
    embedder = GraphEmbedder(n_components, max_iter=3, random_state=0).fit(graph)
    hop = graph.toarray() / graph.sum(axis=1)[:, None]
    spread = np.eye(60) + hop + hop @ hop
    expected = spread @ embedder.context_embedding_
    np.testing.assert_allclose(embedder._conditional.source, expected, atol=1e-12)
    expected = spread @ embedder.log_prior_[:, None]
    np.testing.assert_allclose(embedder._conditional.log_prior, expected, atol=1e-12)


def test_one_sided_prior_of_a_directed_graph():
    A = np.array([[0.0, 1, 1], [0, 0, 2], [0, 3, 0]])
    embedder = GraphEmbedder(4, context_power=1.0, random_state=0).fit(A)
    # Nobody points to the first node: it counts as the one with the least sum, 3.
    np.testing.assert_allclose(np.exp(embedder.log_prior_), [0.3, 0.4, 0.3])
    assert embedder.transform([[1, 0, 0]]).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_rarest_contexts_keep_a_prior(dtype):
    weights = [1e25, 1e-25] if dtype == np.float32 else [1e200, 1e-200]
    A = np.kron(np.diag(weights), np.ones((5, 5))).astype(dtype)
    embedder = GraphEmbedder(4, context_power=1.0, random_state=0).fit(A)
    assert np.isfinite(embedder.log_prior_).all()
    assert embedder.score(A) < 0


def test_a_row_pulled_to_the_mean_context_alone_is_still_a_unit_vector():
    embedder = GraphEmbedder(3, mean_penalty=0.0, random_state=0)
    Z = embedder.fit_transform([[1.0]])
    np.testing.assert_allclose(np.linalg.norm(Z, axis=1), 1)


affinities = st.integers(1, 12).flatmap(
    lambda n: hnp.arrays(
        np.float64,
        (n, n),
        elements=st.one_of(st.just(0.0), st.floats(1e-3, 1e3)),
        fill=st.just(0.0),
    )
)


@pytest.mark.filterwarnings(ISOLATED, DEAD_ENDS)
@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    X=affinities,
    symmetric=st.booleans(),
    walk_length=st.integers(1, 4),
    n_gaussians=st.integers(1, 14),
    temperature=st.sampled_from([1e-3, 0.1, 1.0, 1e3]),
)
def test_any_affinities(X, symmetric, walk_length, n_gaussians, temperature):
    embedder = GraphEmbedder(
        4,
        symmetric=symmetric,
        walk_length=walk_length,
        n_gaussians=n_gaussians,
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


def test_extreme_weights_are_embedded_as_if_rescaled(graph):
    embedder = GraphEmbedder(6, max_iter=5, random_state=0)
    expected = embedder.fit_transform(graph)
    for factor in (1e-200, 1e200):
        got = embedder.fit_transform(factor * graph)
        np.testing.assert_allclose(got, expected, atol=1e-9)


def test_blocks_are_found():
    A, labels = block_graph(4, 40)
    model = make_pipeline(GraphEmbedder(16, random_state=0), LogisticRegression())
    assert cross_val_score(model, A, labels, cv=5).mean() > 0.95


def test_directed_roles_need_two_sides():
    # Block k points to block k + 1 alone: nodes of a block share targets, not links.
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 30)
    follows = labels == (labels[:, None] + 1) % 4
    A = np.where(follows, rng.random(follows.shape) < 0.2, 0).astype(float)
    two_sided = GraphEmbedder(
        8, symmetric=False, walk_length=1, temperature=0.125, random_state=0
    ).fit(A)
    same = labels[:, None] == labels
    np.fill_diagonal(same, False)
    likeness = two_sided.embedding_ @ two_sided.embedding_.T
    assert likeness[same].mean() > 0.6
    assert likeness[labels[:, None] != labels].mean() < 0.1
    # Where a block points is where its targets stand.
    pointing = two_sided.embedding_ @ two_sided.context_embedding_.T
    assert pointing[follows].mean() > pointing[~follows].mean() + 0.3


PIPELINE = make_pipeline(
    GraphEmbedder(8, max_iter=20, random_state=0),
    StandardScaler(),
    LogisticRegression(),
)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.coo_matrix])
def test_model_selection(container):
    A, labels = block_graph()
    X = container(A.toarray())
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(PIPELINE, X, labels, cv=cv)
    assert scores.min() > 0.8
    guesses = cross_val_predict(PIPELINE, X, labels, cv=cv)
    assert (guesses == labels).mean() == pytest.approx(scores.mean())
    # The same by hand: the induced subgraph in fit, links to it in transform.
    train, test = next(cv.split(A, labels))
    model = clone(PIPELINE).fit(A[train][:, train], labels[train])
    assert model.score(A[test][:, train], labels[test]) == scores[0]
    search = GridSearchCV(
        PIPELINE, {"graphembedder__temperature": [0.25, 1.0]}, cv=cv, n_jobs=2
    )
    search.fit(X, labels)
    assert search.best_score_ >= scores.mean()


def test_grid_search_without_labels():
    A, _ = block_graph()
    search = GridSearchCV(
        GraphEmbedder(8, max_iter=20, random_state=0),
        {"temperature": [0.1, 0.5, 100.0], "n_gaussians": [1, 4]},
        cv=3,
    )
    search.fit(A)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["temperature"] < 100


def test_larger_blocks_of_k_do_not_change_the_limits(graph):
    # As many Gaussians as nodes, or more, are the same exact normaliser.
    fits = [
        GraphEmbedder(
            6, n_gaussians=k, max_iter=4, tol=0, random_state=0
        ).fit_transform(graph)
        for k in (60, 61, 10**6)
    ]
    np.testing.assert_array_equal(fits[0], fits[1])
    np.testing.assert_array_equal(fits[0], fits[2])
