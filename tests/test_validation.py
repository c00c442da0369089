"""Every message: it names the argument, what it was, what is allowed."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skemb import GraphEmbedder

SQUARE = np.ones((4, 4))


def with_entry(value, dtype=float):
    X = SQUARE.astype(dtype)
    X[1, 2] = value
    return X


BAD_X = {
    "negative": (with_entry(-1), ValueError, "Negative values in data passed to X"),
    "nan": (with_entry(np.nan), ValueError, "X contains NaN"),
    "infinite": (with_entry(np.inf), ValueError, "X contains infinity"),
    "complex": (with_entry(1j, complex), ValueError, "Complex data not supported"),
    "rectangular": (np.ones((3, 5)), ValueError, r"square .* got shape \(3, 5\)"),
    "edge list": (
        np.ones((9, 2)),
        ValueError,
        "table of edges .*adjacency_from_edges",
    ),
    "no rows": (np.ones((0, 4)), ValueError, "0 sample"),
    "no columns": (np.ones((4, 0)), ValueError, "0 feature"),
    "one dimension": (np.ones(4), ValueError, "Reshape your data"),
    "three dimensions": (np.ones((2, 2, 2)), ValueError, "dim 3"),
    "text": (with_entry("anna", object), ValueError, "X must hold .*numbers.*'anna'"),
    "names": ([["a", "b"], ["b", "c"]], ValueError, "X must hold .*numbers.*'a'"),
    "none": (None, ValueError, "Expected 2D array"),
    "overflow": (with_entry(1e307), ValueError, "rescale its weights"),
    "underflow": (1e-320 * SQUARE, ValueError, "rescale its weights"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_affinities_in_fit(case):
    X, error, message = BAD_X[case]
    with pytest.raises(error, match=message):
        GraphEmbedder(2, max_iter=2).fit(X)


@pytest.mark.parametrize("container", [sp.csr_array, sp.coo_matrix])
@pytest.mark.parametrize(
    "case", ["negative", "nan", "infinite", "rectangular", "edge list", "overflow"]
)
def test_bad_sparse_affinities_in_fit(case, container):
    X, error, message = BAD_X[case]
    with pytest.raises(error, match=message):
        GraphEmbedder(2, max_iter=2).fit(container(X))


@pytest.mark.parametrize("case", ["negative", "nan", "infinite", "complex", "text"])
def test_bad_affinities_in_transform(case):
    embedder = GraphEmbedder(2, max_iter=2).fit(SQUARE)
    X, error, message = BAD_X[case]
    for method in (embedder.transform, embedder.score, embedder.score_samples):
        with pytest.raises(error, match=message):
            method(X)


def test_wrong_width_in_transform():
    embedder = GraphEmbedder(2, max_iter=2).fit(SQUARE)
    with pytest.raises(
        ValueError, match="3 features, but GraphEmbedder is expecting 4"
    ):
        embedder.transform(np.ones((2, 3)))


def test_float32_overflow_names_the_dtype():
    X = np.full((4, 4), 1e37, dtype=np.float32)
    with pytest.raises(ValueError, match=r"in float32, got 4\.0e\+37"):
        GraphEmbedder(2, max_iter=2).fit(X)
    assert np.isfinite(GraphEmbedder(2, max_iter=2).fit_transform(1e37 * SQUARE)).all()


def test_graphs_of_networkx_are_told_what_to_do():
    graph = nx.karate_club_graph()
    with pytest.raises(TypeError, match=r"got a graph .*adjacency_from_networkx"):
        GraphEmbedder().fit(graph)


def test_permuted_rows_of_a_dataframe():
    names = list("abcd")
    X = pd.DataFrame(SQUARE, index=names[::-1], columns=names)
    with pytest.raises(ValueError, match=r"one order.*X\.loc\[X\.columns\]"):
        GraphEmbedder(2, max_iter=2).fit(X)
    fitted = GraphEmbedder(2, max_iter=2).fit(X.loc[X.columns])
    assert list(fitted.feature_names_in_) == names


def test_indices_beyond_the_shape():
    X = sp.csr_array(SQUARE)
    X.indices[3] = 9
    with pytest.raises(ValueError, match=r"column indices from 0 to 3, got 0 to 9"):
        GraphEmbedder(2, max_iter=2).fit(X)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("n_components", 0, r"int in the range \[1, inf\)"),
        ("n_components", 2.5, "int"),
        ("n_components", "8", "int"),
        ("walk_length", 0, r"int in the range \[1, inf\)"),
        ("symmetric", "yes", "bool"),
        ("temperature", 0.0, r"float in the range \[0.001, 1000.0\]"),
        ("temperature", np.nan, r"float in the range \[0.001, 1000.0\]"),
        ("temperature", np.inf, r"float in the range \[0.001, 1000.0\]"),
        ("n_gaussians", 0, r"int in the range \[1, inf\)"),
        ("normalizer", "softmax", "a str among .*'sampled'.* or a callable"),
        ("normalizer", None, "a str among .*'gaussian'.* or a callable"),
        ("n_negatives", 0, r"int in the range \[1, 65536\]"),
        ("n_negatives", 2.5, "int"),
        ("sampler", "random", "a str among .*'popularity'"),
        ("sampler", np.ones(4), "a str among .*'adaptive'"),
        ("context_power", 1.5, r"float in the range \[0.0, 1.0\]"),
        ("mean_penalty", -1, r"float in the range \[0.0, 1000.0\]"),
        ("max_iter", 0, r"int in the range \[1, inf\)"),
        ("tol", -1e-3, r"float in the range \[0.0, inf\)"),
        ("init", "spectral", "'random'"),
        ("warm_start", 3.5, "bool"),
        ("n_jobs", 1.5, "int"),
        ("random_state", "seed", "random"),
        ("verbose", "loud", "verbose|int|bool"),
    ],
)
def test_parameters(name, value, allowed):
    embedder = GraphEmbedder().set_params(**{name: value})
    with pytest.raises(
        ValueError, match=f"'{name}' parameter of GraphEmbedder must be"
    ):
        embedder.fit(SQUARE)
    with pytest.raises(ValueError, match=allowed):
        embedder.fit(SQUARE)


def test_init_that_is_not_a_number():
    with pytest.raises(ValueError, match="init contains NaN"):
        GraphEmbedder(2, init=np.full((4, 2), np.nan)).fit(SQUARE)


def test_isolated_nodes_give_one_warning_that_counts_them():
    X = np.zeros((6, 6))
    X[:3, :3] = 1
    with pytest.warns(UserWarning, match="3 of the 6 rows of X have no") as caught:
        embedder = GraphEmbedder(2, max_iter=2).fit(X)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="1 of the 2 rows of X") as caught:
        embedder.transform([[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]])
    assert len(caught) == 1


def test_dead_ends_of_a_one_sided_fit_are_told():
    X = np.eye(4, k=1)
    with pytest.warns(UserWarning) as caught:  # noqa: PT030 - both are looked at
        GraphEmbedder(2, max_iter=2).fit(X)
    messages = [str(warning.message) for warning in caught]
    assert messages[0].startswith("1 nodes of X have incoming edges alone")
    assert messages[0].endswith("Set symmetric=False, or fit X + X.T.")
    assert messages[1].startswith("1 of the 4 rows of X have no affinity")
    assert {warning.filename for warning in caught} == {__file__}


def test_score_without_any_affinity():
    embedder = GraphEmbedder(2, max_iter=2).fit(SQUARE)
    with pytest.raises(ValueError, match=r"row with affinities .*, got 3"):
        embedder.score(np.zeros((3, 4)))


def test_new_rows_are_checked_one_by_one():
    X = np.ones((4, 4), dtype=np.float32)
    embedder = GraphEmbedder(2, max_iter=2, random_state=0).fit(X)
    heavy = 5e31 * np.ones((50, 4), dtype=np.float32)
    expected = 50 * [embedder.embedding_[0]]
    np.testing.assert_allclose(embedder.transform(heavy), expected, atol=1e-5)
    with pytest.raises(ValueError, match="rescale its weights"):
        embedder.transform(1e6 * heavy)


def test_a_failed_fit_leaves_names_and_width():
    embedder = GraphEmbedder(2, max_iter=3, random_state=0)
    embedder.fit(pd.DataFrame(SQUARE, columns=list("abcd")))
    before = dict(vars(embedder))
    with pytest.raises(ValueError, match="a square"):
        embedder.fit(np.ones((3, 5)))
    assert dict(vars(embedder)) == before


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(
    ("dtype", "small"), [(np.float32, 1e-40), (np.float64, 1e-310)]
)
def test_columns_too_light_to_be_normalized(symmetric, dtype, small):
    X = np.eye(3, dtype=dtype)
    X[:, 2], X[2, 0], X[0, 2] = 0, 1, small
    embedder = GraphEmbedder(2, symmetric=symmetric, walk_length=1, max_iter=2)
    if symmetric:
        assert np.isfinite(embedder.fit_transform(X)).all()
    else:
        with pytest.raises(ValueError, match=r"sums of rows and of columns .* rescale"):
            embedder.fit(X)


@pytest.mark.parametrize(
    ("dtype", "small"), [(np.float32, 1e-40), (np.float64, 1e-310)]
)
@pytest.mark.filterwarnings("ignore:1 of the 4 rows of X")
def test_new_rows_too_light_where_they_count(dtype, small):
    X = np.ones((4, 4), dtype=dtype)
    X[3] = X[:, 3] = 0
    embedder = GraphEmbedder(2, max_iter=2).fit(X)
    row = np.array([[small, 0, 0, 1]], dtype=dtype)
    for method in (embedder.transform, embedder.score_samples):
        with pytest.raises(ValueError, match=r"sums of rows and of columns .* rescale"):
            method(row)
