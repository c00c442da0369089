"""PairFeatures and link_prediction_score: against their definitions, and bad input."""

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from skemb import BipartiteEmbedder, EmbeddingLookup, GraphEmbedder, PairFeatures
from skemb.metrics import link_prediction_score
from skemb.model_selection import split_edges

OPERATIONS = {
    "hadamard": lambda u, v: u * v,
    "average": lambda u, v: (u + v) / 2,
    "l1": lambda u, v: abs(u - v),
    "l2": lambda u, v: (u - v) * (u - v),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_features_are_those_of_the_definition(operation, dtype, rng):
    X = rng.standard_normal((5, 6)).astype(dtype)
    features = PairFeatures(operation).fit(X).transform(X)
    expected = [
        [OPERATIONS[operation](row[k], row[k + 3]) for k in range(3)] for row in X
    ]
    np.testing.assert_array_equal(features, expected)
    assert features.dtype == dtype
    swapped = PairFeatures(operation).transform(X[:, [3, 4, 5, 0, 1, 2]])
    np.testing.assert_array_equal(features, swapped)


def test_feature_names_and_tables(rng):
    X = pd.DataFrame(rng.random((3, 4)), columns=list("abcd"), index=[5, 6, 7])
    for kind, table in (("pandas", X), ("polars", pl.DataFrame(X))):
        features = PairFeatures().set_output(transform=kind).fit_transform(table)
        assert type(features) is type(table)
        assert list(features.columns) == ["pairfeatures0", "pairfeatures1"]
        np.testing.assert_array_equal(features, PairFeatures().fit_transform(X))


def test_pairs_of_ids_to_a_classifier():
    graph = nx.planted_partition_graph(4, 20, 0.5, 0.01, seed=0)
    A = nx.to_scipy_sparse_array(graph, dtype=float)
    train, pairs, is_edge = split_edges(A, random_state=0)
    embedder = GraphEmbedder(16, random_state=0)
    lookup = EmbeddingLookup(embedder, train, inductive=False)
    model = make_pipeline(lookup, PairFeatures(), LogisticRegression())
    assert cross_val_score(model, pairs, is_edge, scoring="roc_auc").mean() > 0.75
    features = model[:-1].fit_transform(pairs)
    source, target = embedder.fit_transform(train)[pairs.T]
    np.testing.assert_array_equal(features, source * target)


@pytest.mark.parametrize("operation", ["sum", None, ["l1"]])
def test_bad_operation(operation):
    with pytest.raises(ValueError, match=r"'operation' parameter of Pair.* Got"):
        PairFeatures(operation).fit([[1.0, 2.0]])


def test_odd_width():
    message = r"X must have an even number of columns, .* got n_features = 3"
    with pytest.raises(ValueError, match=message):
        PairFeatures().fit([[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match=message):
        PairFeatures().transform([[1.0, 2.0, 3.0]])


@pytest.fixture
def fitted(graph):
    return GraphEmbedder(12, max_iter=15, symmetric=False, random_state=0).fit(graph)


@pytest.fixture
def many(rng):
    """More pairs than a block takes, and which are edges, by chance."""
    return rng.integers(0, 60, (20_000, 2)), rng.integers(0, 2, 20_000)


def test_score_is_that_of_cosines(fitted, many):
    pairs, is_edge = many
    cosines = [fitted.embedding_[i] @ fitted.context_embedding_[j] for i, j in pairs]
    for metric in (roc_auc_score, average_precision_score):
        score = link_prediction_score(fitted, pairs, is_edge, metric=metric)
        assert score == pytest.approx(metric(is_edge, cosines), abs=1e-6)
        assert isinstance(score, float)
    assert link_prediction_score(fitted, pairs, is_edge) == link_prediction_score(
        fitted, pairs.tolist(), is_edge.astype(bool)
    )


@pytest.mark.parametrize("dtype", [bool, float, object])
def test_metrics_get_integers(fitted, dtype):
    kinds = []

    def metric(is_edge, scores):
        kinds.append((is_edge.dtype.kind, is_edge.tolist()))
        return 0.5

    pairs, is_edge = [[0, 1], [1, 2]], np.array([1, 0], dtype=dtype)
    assert link_prediction_score(fitted, pairs, is_edge, metric=metric) == 0.5
    assert kinds == [("i", [1, 0])]


def test_edges_held_out_rank_first():
    graph = nx.planted_partition_graph(4, 20, 0.5, 0.01, seed=0)
    A = nx.to_scipy_sparse_array(graph, dtype=float)
    train, pairs, is_edge = split_edges(A, random_state=0)
    embedder = GraphEmbedder(16, random_state=0).fit(train)
    assert link_prediction_score(embedder, pairs, is_edge) > 0.8
    assert link_prediction_score(embedder, pairs, 1 - is_edge) < 0.2


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([[0, 1, 2]], r"pairs must have shape \(n_pairs, 2\), .* got \(1, 3\)"),
        ([0, 1], r"pairs must have shape .* got \(2,\)"),
        (np.empty((0, 2), dtype=int), r"pairs must have shape .* got \(0, 2\)"),
        ([[0.0, 1.0]], "pairs must hold numbers of nodes, got dtype float64"),
        ([["a", "b"]], "pairs must hold numbers of nodes, got dtype <U1"),
        ([[0, 60]], "pairs must hold numbers of nodes from 0 to 59, got 0 to 60"),
        ([[-1, 5]], "pairs must hold numbers of nodes from 0 to 59, got -1 to 5"),
    ],
)
def test_bad_pairs(fitted, pairs, message):
    with pytest.raises(ValueError, match=message):
        link_prediction_score(fitted, pairs, [1])


@pytest.mark.parametrize(
    ("is_edge", "message"),
    [
        ([1], r"is_edge must have shape \(2,\), .* got \(1,\)"),
        ([[1], [0]], r"is_edge must have shape \(2,\), .* got \(2, 1\)"),
        ([1, 1], r"is_edge must be 1 for edges and 0 .* both of them, got \[1\]"),
        ([1, 2], r"is_edge must be 1 for edges .* got \[1, 2\]"),
        ([1, None], r"is_edge must be 1 for edges .* got \[1, None\]"),
        (["yes", "no"], r"is_edge must be 1 for edges .* got \['yes', 'no'\]"),
    ],
)
def test_bad_is_edge(fitted, is_edge, message):
    with pytest.raises(ValueError, match=message):
        link_prediction_score(fitted, [[0, 1], [2, 3]], is_edge)


def test_bad_embedder_and_metric(interactions):
    pairs, is_edge = [[0, 1], [2, 3]], [1, 0]
    with pytest.raises(NotFittedError):
        link_prediction_score(GraphEmbedder(), pairs, is_edge)
    bipartite = BipartiteEmbedder(4, max_iter=2).fit(interactions[10:, [0]])
    with pytest.raises(TypeError, match=r"metric must be a function .* got 'roc_auc'"):
        link_prediction_score(GraphEmbedder(), pairs, is_edge, metric="roc_auc")
    with pytest.raises(TypeError, match=r"must be of graphs.*got BipartiteEmb"):
        link_prediction_score(bipartite, pairs, is_edge)
