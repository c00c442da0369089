"""Lookups: bit for bit the pairwise Pipeline, and wherever the pairwise tag is lost."""

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from conftest import random_graph
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skemb import BipartiteEmbedder, EmbeddingLookup, GraphEmbedder

NAMES = np.array([f"node {k}" for k in range(60)], dtype=object)
X = NAMES[:, None]
FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)
ZEROS = "ignore:.*(no affinity|are unknown):UserWarning"


@pytest.fixture
def embedder():
    return GraphEmbedder(8, max_iter=15, random_state=0)


@pytest.fixture
def lookup(embedder, graph):
    return EmbeddingLookup(embedder, graph, NAMES)


@pytest.fixture
def y(rng):
    return rng.integers(0, 2, 60)


@pytest.fixture
def order(rng):
    """Forty of the sixty rows in some order."""
    return rng.permutation(60)[:40]


def classifier(*steps):
    return make_pipeline(*steps, StandardScaler(), LogisticRegression(C=0.1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings(ZEROS)
def test_inductive_scores_are_those_of_the_pairwise_pipeline(
    lookup, embedder, graph, y, dtype
):
    A = graph.astype(dtype)
    lookup.set_params(affinity=A)
    results, expected = (
        cross_validate(
            classifier(step),
            data,
            y,
            cv=FOLDS,
            scoring=["accuracy", "neg_log_loss"],
            return_train_score=True,
        )
        for step, data in ((lookup, X), (embedder, A))
    )
    assert len(np.unique(expected["test_neg_log_loss"])) == 3
    for name in expected:
        if name.startswith(("test_", "train_")):
            np.testing.assert_array_equal(results[name], expected[name])
    probabilities, expected = (
        cross_val_predict(classifier(step), data, y, cv=FOLDS, method="predict_proba")
        for step, data in ((lookup, X), (embedder, A))
    )
    assert probabilities.tobytes() == expected.tobytes()


@pytest.mark.filterwarnings(ZEROS)
def test_inductive_searches_choose_as_the_pairwise_pipeline_does(
    lookup, embedder, graph, y
):
    grid = {"temperature": [0.25, 1.0], "walk_length": [1, 2]}
    searches = []
    for step, data, prefix in (
        (lookup, X, "embeddinglookup__embedder__"),
        (embedder, graph, "graphembedder__"),
    ):
        named = {prefix + name: values for name, values in grid.items()}
        search = GridSearchCV(classifier(step), named, cv=FOLDS, scoring="neg_log_loss")
        searches.append(search.fit(data, y))
    np.testing.assert_array_equal(*(s.cv_results_["mean_test_score"] for s in searches))


def test_inductive_fit_sees_the_ids_of_fit_alone(lookup, embedder, graph, order):
    expected = clone(embedder).fit(graph[order][:, order])
    lookup.fit(X[order])
    assert lookup.embedding_.tobytes() == expected.embedding_.tobytes()
    np.testing.assert_array_equal(lookup.ids_, NAMES[order])
    rest = np.setdiff1d(np.arange(60), order)
    joining = expected.transform(graph[rest][:, order])
    assert lookup.transform(X[rest]).tobytes() == joining.tobytes()
    np.testing.assert_array_equal(lookup.transform(X[order]), expected.embedding_)


def test_transductive_fit_sees_all(lookup, embedder, graph, order):
    expected = clone(embedder).fit_transform(graph)
    lookup.set_params(inductive=False).fit(X[order])
    np.testing.assert_array_equal(lookup.transform(X), expected)
    np.testing.assert_array_equal(lookup.ids_, NAMES)


def test_ids_count_once_and_several_columns_stand_side_by_side(lookup, order):
    pairs = np.stack([NAMES[order[:30]], NAMES[order[10:]]], axis=1)
    lookup.fit(pairs)
    vectors = lookup.transform(pairs)
    assert vectors.shape == (30, 16)
    assert len(lookup.ids_) == 40
    single = clone(lookup).fit(pairs.reshape(-1, 1))
    np.testing.assert_array_equal(vectors[:, :8], single.transform(pairs[:, :1]))
    np.testing.assert_array_equal(vectors[:, 8:], single.transform(pairs[:, 1:]))
    names = [f"embeddinglookup{k}" for k in range(16)]
    assert lookup.get_feature_names_out().tolist() == names


def test_rows_alone_in_a_batch_and_in_another_order(lookup, order):
    lookup.fit(X[order])
    together = lookup.transform(X)
    turned = lookup.transform(X[::-1])[::-1]
    alone = np.concatenate([lookup.transform(X[k : k + 1]) for k in range(60)])
    np.testing.assert_allclose(turned, together, atol=1e-12)
    np.testing.assert_allclose(alone, together, atol=1e-12)
    twice = lookup.transform(np.concatenate([X, X]))
    np.testing.assert_array_equal(twice, np.concatenate([together, together]))


@pytest.mark.parametrize("inductive", [True, False])
@pytest.mark.filterwarnings(ZEROS)
def test_rows_of_interactions(interactions, inductive):
    embedder = BipartiteEmbedder(8, max_iter=5, random_state=0)
    users = [("user", k) for k in range(50)]
    X = np.empty((50, 1), dtype=object)
    X[:, 0] = users
    lookup = EmbeddingLookup(embedder, interactions, users, inductive=inductive)
    lookup.fit(X[:30])
    embedder.fit(interactions[:30] if inductive else interactions)
    expected = embedder.transform(interactions)
    np.testing.assert_allclose(lookup.transform(X), expected, atol=1e-12)


CONTAINERS = {
    "array": lambda X: X,
    "list": lambda X: X.tolist(),
    "strings": lambda X: X.astype(str),
    "pandas": lambda X: pd.DataFrame({"node": X[:, 0]}),
    "categories": lambda X: pd.DataFrame({"node": pd.Categorical(X[:, 0])}),
    "polars": lambda X: pl.DataFrame({"node": X[:, 0].tolist()}),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_of_ids(lookup, order, container):
    expected = clone(lookup).fit(X[order]).transform(X)
    contained = CONTAINERS[container]
    lookup.fit(contained(X[order]))
    assert lookup.transform(contained(X)).tobytes() == expected.tobytes()
    if container in ("pandas", "categories"):
        assert lookup.feature_names_in_.tolist() == ["node"]


AFFINITIES = {
    "dense": lambda A: A.toarray(),
    "list": lambda A: A.toarray().tolist(),
    "coo": sp.coo_array,
    "csc matrix": sp.csc_matrix,
    "integers": lambda A: A,
    "DataFrame": lambda A: pd.DataFrame(A.toarray(), index=NAMES, columns=NAMES),
}


@pytest.mark.parametrize("container", AFFINITIES)
def test_containers_of_affinities(lookup, graph, order, container):
    graph = (graph > 0).astype(int) if container == "integers" else graph
    expected = clone(lookup).set_params(affinity=graph.astype(float)).fit(X[order])
    ids = None if container == "DataFrame" else NAMES
    lookup.set_params(affinity=AFFINITIES[container](graph), ids=ids).fit(X[order])
    # Sums of unsorted entries, as cutting leaves them in sparse matrices, are rounded
    # in another order.
    found, expected = lookup.transform(X), expected.transform(X)
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


def test_ids_are_row_numbers_unless_given(lookup, order):
    expected = clone(lookup).fit(X[order]).transform(X)
    numbers = np.arange(60)[:, None]
    lookup.set_params(ids=None).fit(numbers[order])
    for kind in (np.int8, np.uint64, np.float32, object):
        assert lookup.transform(numbers.astype(kind)).tobytes() == expected.tobytes()


def test_lists_keep_the_types_of_their_ids(embedder, graph):
    lookup = EmbeddingLookup(embedder, graph, [1, "1", *NAMES[2:]])
    vectors = lookup.fit([[1], ["1"], ["node 2"]]).transform([["1"], [1]])
    np.testing.assert_array_equal(vectors, lookup.embedding_[[1, 0]])


@pytest.mark.parametrize("unknown", ["nobody", None, np.nan, pd.NA, 3])
def test_unknown_ids_are_zero_vectors_or_errors(lookup, unknown):
    asked = np.array([["node 1"], [unknown], ["node 2"]], dtype=object)
    lookup.fit(X)
    with pytest.warns(UserWarning, match="1 of the 3 ids of X are unknown") as warned:
        vectors = lookup.transform(asked)
    assert [warning.filename for warning in warned] == [__file__]
    np.testing.assert_array_equal(vectors[[0, 2]], lookup.embedding_[[1, 2]])
    assert not vectors[1].any()
    lookup.set_params(handle_unknown="error")
    with pytest.raises(
        ValueError, match=r"got .* in row 1, column 0: make it known by extend"
    ):
        lookup.transform(asked)
    with pytest.raises(ValueError, match="in row 1, column 0"):
        lookup.fit(asked)


@pytest.mark.parametrize("inductive", [True, False])
@pytest.mark.parametrize("dense", [True, False])
def test_extension_embeds_new_ids_from_their_affinities(
    lookup, graph, order, inductive, dense
):
    A = graph.toarray() if dense else graph
    lookup.set_params(affinity=A, inductive=inductive).fit(X[order])
    before = lookup.transform(X)
    new = random_graph(60, 0.2, seed=5)[:3]
    columns = order if inductive else slice(None)
    expected = lookup.embedder_.transform(new[:, columns])
    assert lookup.extend(new, ["new", 7, "node 60"]) is lookup
    found = lookup.transform([["new"], [7], ["node 60"]])
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(lookup.transform(X), before, atol=1e-12)
    again = lookup.extend(new[:1].toarray(), ["later"]).transform([["later"], ["new"]])
    np.testing.assert_allclose(again, expected[[0, 0]], atol=1e-12)
    assert A.shape == (60, 60)


def test_extension_refuses_what_it_cannot_add(lookup, graph):
    lookup.fit(X)
    with pytest.raises(ValueError, match=r"affinity must have 60 columns, .* got 50"):
        lookup.extend(graph[:1, :50], ["new"])
    with pytest.raises(ValueError, match=r"affinity must have 60 columns, .* got 61"):
        lookup.extend(np.ones((1, 61)), ["new"])
    for wrong, message in ((np.nan, "NaN"), (-1.0, "Negative")):
        with pytest.raises(ValueError, match=message):
            lookup.extend(np.full((1, 60), wrong), ["new"])
    with pytest.raises(ValueError, match="ids must be new, got 'node 3' of type str"):
        lookup.extend(graph[:2], ["new", "node 3"])
    with pytest.raises(ValueError, match="one id for each row of affinity, 2, got 1"):
        lookup.extend(graph[:2], ["new"])
    with pytest.raises(ValueError, match="ids must have each id once, got 'new'"):
        lookup.extend(graph[:2], ["new", "new"])
    with pytest.warns(
        UserWarning, match=r"1 of the 1 ids .*whether ids are of one type"
    ):
        assert not lookup.transform([["new"]]).any()


def test_columns_of_an_extension_keep_the_order_of_fit(lookup, graph):
    table = pd.DataFrame(graph.toarray(), index=NAMES, columns=NAMES)
    lookup.set_params(affinity=table, ids=None).fit(X)
    new = pd.DataFrame(graph[:1].toarray(), columns=NAMES)
    with pytest.raises(ValueError, match="must have the columns of the affinity"):
        lookup.extend(new[NAMES[::-1]], ["new"])
    vector = lookup.extend(new, ["new"]).transform([["new"]])
    np.testing.assert_allclose(vector, lookup.embedding_[:1], atol=1e-12)


def test_ids_given_come_before_those_of_an_index(embedder, graph):
    table = pd.DataFrame(graph.toarray(), index=range(60), columns=range(60))
    lookup = EmbeddingLookup(embedder, table, NAMES, handle_unknown="error").fit(X)
    np.testing.assert_array_equal(lookup.ids_, NAMES)


def test_unknown_ids_among_several_columns(lookup):
    pairs = np.array([["node 1", "node 2"], ["node 3", "nobody"], ["node 1"] * 2])
    lookup.fit(pairs.astype(object)[[0, 2]])
    with pytest.warns(UserWarning, match="1 of the 6 ids"):
        vectors = lookup.transform(pairs)
    assert not vectors[1, 8:].any()
    with pytest.raises(ValueError, match=r"'nobody'.* in row 1, column 1"):
        lookup.set_params(handle_unknown="error").transform(pairs)


def test_ids_that_join_are_embedded_once(lookup, order, monkeypatch):
    lookup.fit(X[order])
    rest = np.setdiff1d(np.arange(60), order)
    transform, asked = lookup.embedder_.transform, []
    monkeypatch.setattr(
        lookup.embedder_, "transform", lambda A: asked.append(A.shape) or transform(A)
    )
    lookup.transform(X[np.concatenate([rest, order, rest])])
    assert asked == [(20, 40)]


def test_a_copy_keeps_its_own_ids(lookup, graph):
    twin = copy.copy(lookup.fit(X))
    lookup.extend(graph[:1], ["new"])
    with pytest.warns(UserWarning, match="1 of the 1 ids .* are unknown"):
        assert not twin.transform([["new"]]).any()


@pytest.mark.parametrize("dtype", ["M8[D]", "M8[ns]", "m8[D]", "m8[ns]"])
def test_dates_and_durations_are_ids(lookup, dtype):
    days = np.arange(60).astype(dtype)
    found = lookup.set_params(ids=days).fit(days[:, None])
    assert len(found.ids_) == 60
    np.testing.assert_array_equal(
        found.transform(days[5:6, None]), [found.embedding_[5]]
    )


def test_frozen_embedders_are_not_fitted_again(embedder, graph, order):
    fitted = embedder.fit(graph)
    lookup = EmbeddingLookup(FrozenEstimator(fitted), graph, NAMES, inductive=False)
    lookup.fit(X[order])
    np.testing.assert_array_equal(lookup.transform(X), fitted.embedding_)
    assert lookup.embedder_.estimator is fitted
    with pytest.raises(ValueError, match="inductive must be False with a frozen"):
        lookup.set_params(inductive=True).fit(X)


@pytest.mark.filterwarnings(ZEROS)
def test_works_where_the_pairwise_tag_is_lost(lookup, y, order):
    table = pd.DataFrame({"node": NAMES, "kind": np.arange(60) % 3})
    columns = ColumnTransformer(
        [
            ("node", lookup, ["node"]),
            ("kind", OneHotEncoder(sparse_output=False), ["kind"]),
        ]
    )
    union = make_union(lookup, make_pipeline(clone(lookup), StandardScaler()))
    models = {
        "columns": (classifier(columns), table),
        "union": (classifier(union), X),
        "bagging": (BaggingClassifier(classifier(lookup), 3, random_state=0), X),
        "calibrated": (CalibratedClassifierCV(classifier(lookup), cv=2), X),
        "stacking": (StackingClassifier([("only", classifier(lookup))], cv=2), X),
    }
    for name, (model, data) in models.items():
        scores = cross_validate(model, data, y, cv=FOLDS, error_score="raise")
        assert np.isfinite(scores["test_score"]).all(), name
    out = columns.set_output(transform="pandas").fit_transform(table)
    assert list(out)[:2] == ["node__embeddinglookup0", "node__embeddinglookup1"]


def test_pickles_and_clones(lookup, order):
    lookup.fit(X[order])
    again = pickle.loads(pickle.dumps(lookup))
    assert again.transform(X).tobytes() == lookup.transform(X).tobytes()
    fresh = clone(lookup)
    assert not hasattr(fresh, "embedding_")
    assert fresh.fit(X[order]).transform(X).tobytes() == lookup.transform(X).tobytes()


def test_a_failed_fit_leaves_the_last_one(lookup, order):
    lookup.fit(X[order])
    before = lookup.transform(X)
    with pytest.raises(ValueError, match="got none of them but 'nobody'"):
        lookup.fit([["nobody"]])
    lookup.set_params(embedder__temperature=-1)
    with pytest.raises(ValueError, match="temperature"):
        lookup.fit(np.concatenate([X, X], axis=1))
    assert lookup.transform(X).tobytes() == before.tobytes()


BAD_PARAMETERS = {
    "ids too few": ({"ids": NAMES[:5]}, "one id for each row of affinity, 60, got 5"),
    "ids twice": ({"ids": NAMES[[0] * 60]}, "ids must have each id once"),
    "rectangular": (
        {"affinity": np.ones((60, 7))},
        r"affinity must have a column for each of its rows.*\(60, 7\)",
    ),
    "negative": ({"affinity": -np.ones((60, 60))}, "Negative values"),
    "missing": ({"affinity": np.full((60, 60), np.nan)}, "NaN"),
    "unknown": ({"handle_unknown": "ignore"}, "handle_unknown"),
    "embedder": ({"embedder": LogisticRegression()}, "embedder"),
}


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_bad_parameters(lookup, case):
    parameters, message = BAD_PARAMETERS[case]
    with pytest.raises(ValueError, match=message):
        lookup.set_params(**parameters).fit(X)


def test_bad_ids(lookup, graph):
    with pytest.raises(ValueError, match="2D array"):
        lookup.fit(NAMES)
    with pytest.raises(ValueError, match=r"2-dimensional container but got .*Series"):
        lookup.fit(pd.Series(NAMES))
    with pytest.raises(ValueError, match="0 sample"):
        lookup.fit(pd.DataFrame({"node": []}))
    unhashable = np.empty((1, 1), dtype=object)
    unhashable[0, 0] = ["node 1"]
    with pytest.raises(TypeError, match=r"X must hold ids that can be hashed.*list"):
        lookup.fit(unhashable)
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        lookup.fit(graph)
    with pytest.raises(ValueError, match="expecting 1 features"):
        lookup.fit(X).transform(np.concatenate([X, X], axis=1))
    shuffled = pd.DataFrame(graph.toarray(), index=NAMES, columns=NAMES[::-1])
    with pytest.raises(ValueError, match="one order"):
        lookup.set_params(affinity=shuffled, ids=None).fit(X)


def test_graphs_of_networkx_are_told_what_to_do(embedder):
    nx = pytest.importorskip("networkx")
    with pytest.raises(TypeError, match="affinity must be a matrix, got a graph"):
        EmbeddingLookup(embedder, nx.path_graph(3)).fit(X)
