"""Operators against dense matrices, with empty rows, dangling nodes and odd formats."""

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from conftest import random_graph

from skemb._operators import (
    AttributedWalkOperator,
    CooccurrenceOperator,
    ReversedWalkOperator,
    SparseOperator,
    WalkOperator,
    normalized_blocks,
)
from skemb._parallel import Workers
from skemb._trainer import pull_of


def dense(operator):
    """Return the matrix of an operator by applying it to the identity."""
    with Workers() as workers:
        return pull_of(operator, np.eye(operator.shape[1]), workers)


def walk_operator(A, known, walk_length):
    with Workers() as workers:
        return WalkOperator(A, known, walk_length, workers)


def test_sparse_operator_normalizes_rows():
    A = random_graph(20, 0.08, seed=0, directed=True)
    matrix = dense(SparseOperator(A, np.ones(20)))
    np.testing.assert_allclose(matrix, reference.row_normalized(A.toarray()))
    assert (matrix.sum(axis=1) == 0).any()


def test_sparse_operator_is_rectangular_and_leaves_out_contexts_without_mass():
    A = np.array([[1.0, 1.0, 2.0], [0.0, 0.0, 3.0]])
    operator = SparseOperator(sp.csr_array(A), np.array([1.0, 1.0, 0.0]))
    assert operator.shape == (2, 3)
    np.testing.assert_array_equal(operator.pulled, [True, False])
    pull = operator.rows(np.eye(3), 0, 2)
    np.testing.assert_allclose(pull, [[1 / 2, 1 / 2, 1], [0, 0, 0]])


def test_a_hub_of_float32_is_normalized_by_its_true_sum():
    n_neighbors = 10**6
    row = np.full((1, n_neighbors), 0.1, dtype=np.float32)
    operator = SparseOperator(sp.csr_array(row), np.ones(n_neighbors))
    pull = operator.rows(np.ones((n_neighbors, 1), dtype=np.float32), 0, 1)
    np.testing.assert_allclose(pull, 1, rtol=1e-5)


def test_the_mass_of_a_hub_is_the_length_of_its_walks():
    # A star: from the hub a walk of three steps meets leaves, the hub, leaves.
    n_leaves = 200_000
    star = sp.coo_array(
        (
            np.ones(n_leaves, dtype=np.float32),
            (np.zeros(n_leaves, dtype=np.int32), np.arange(1, n_leaves + 1)),
        ),
        shape=(n_leaves + 1, n_leaves + 1),
    )
    operator = walk_operator((star + star.T).tocsr(), np.ones(n_leaves + 1), 3)
    np.testing.assert_allclose(operator.mass, 3, rtol=1e-6)


@pytest.mark.parametrize("walk_length", [1, 2, 3, 5])
def test_walk_operator_of_undirected_graph_is_mean_of_powers(graph, walk_length):
    hop = reference.row_normalized(graph.toarray())
    powers = [np.linalg.matrix_power(hop, k + 1) for k in range(walk_length)]
    operator = walk_operator(graph, np.ones(60, dtype=bool), walk_length)
    np.testing.assert_allclose(dense(operator), np.mean(powers, axis=0), atol=1e-14)


@pytest.mark.parametrize("walk_length", [1, 2, 4])
def test_walk_operator_of_directed_graph(directed_graph, walk_length, rng):
    A = directed_graph.toarray()
    known = A.any(axis=0)
    operator = walk_operator(directed_graph, known, walk_length)
    # Contexts that do not count are zero vectors, as they are in training.
    contexts = rng.standard_normal((50, 4)) * known[:, None]
    expected = reference.walk_matrix(A, walk_length, known)
    with Workers() as workers:
        pull = pull_of(operator, contexts, workers)
    np.testing.assert_allclose(pull, expected @ contexts, atol=1e-13)
    sums = pull_of(operator, known[:, None].astype(float), Workers())
    np.testing.assert_allclose(sums.ravel(), A.any(axis=1), atol=1e-13)


def test_walk_operator_is_adjoint_to_the_walks_of_the_reversed_graph(graph, rng):
    # <P Y, X> = <Y, P' X>, with P' = S P S^-1 for an undirected graph of strengths S.
    operator = walk_operator(graph, np.ones(60, dtype=bool), 3)
    X, Y = rng.standard_normal((2, 60, 3))
    strength = graph.sum(axis=1)[:, None]
    with Workers() as workers:
        forward = (pull_of(operator, Y, workers) * X * strength).sum()
        backward = (pull_of(operator, X, workers) * Y * strength).sum()
    np.testing.assert_allclose(forward, backward)


def test_rows_do_not_depend_on_the_block(graph, rng):
    operator = walk_operator(graph, np.ones(60, dtype=bool), 3)
    contexts = rng.standard_normal((60, 5))
    with Workers() as workers:
        source = operator.propagate(contexts, workers)
    pulls = operator.pulls(source)
    whole = pulls.rows()
    parts = [pulls[start : start + 20].rows() for start in (0, 20, 40)]
    np.testing.assert_array_equal(pulls[10:30][5:9].rows(), whole[15:19])
    np.testing.assert_array_equal(whole, np.vstack(parts))


def attributed_operators(X, walk_length, attribute_weight):
    affinity = normalized_blocks(X, X.shape[0])
    known = X.sum(axis=0) > 0
    with Workers() as workers:
        walks = AttributedWalkOperator(
            affinity, known, attribute_weight, walk_length, workers
        )
        return walks, ReversedWalkOperator(walks, workers)


WALKS = [(1, 0.75), (2, 0.75), (3, 0.75), (5, 0.3), (3, 0.0), (3, 1.0)]


@pytest.mark.parametrize(("walk_length", "attribute_weight"), WALKS)
def test_attributed_walks_meet_what_the_dense_product_says(
    attributed_graph, walk_length, attribute_weight
):
    X = attributed_graph.toarray()
    expected = reference.attributed_walk_matrix(
        X[:, :50], X[:, 50:], walk_length, attribute_weight
    )
    walks, nodes = attributed_operators(attributed_graph, walk_length, attribute_weight)
    np.testing.assert_allclose(dense(walks), expected, atol=1e-14)
    np.testing.assert_array_equal(walks.pulled, expected.any(axis=1))
    np.testing.assert_array_equal(nodes.pulled, expected.any(axis=0))
    np.testing.assert_allclose(nodes.strength, expected.sum(axis=0), atol=1e-14)
    np.testing.assert_allclose(
        dense(nodes), reference.row_normalized(expected.T), atol=1e-14
    )


@pytest.mark.parametrize(("walk_length", "attribute_weight"), WALKS)
def test_attributed_walks_and_their_reverse_are_adjoint(
    attributed_graph, walk_length, attribute_weight, rng
):
    # <P Y, X> = <Y, D Q X>, D the column sums of P, which divide the rows of Q.
    walks, nodes = attributed_operators(attributed_graph, walk_length, attribute_weight)
    X, Y = rng.standard_normal((50, 3)), rng.standard_normal((59, 3))
    with Workers() as workers:
        forward = (pull_of(walks, Y, workers) * X).sum()
        back = nodes.strength[:, None] * pull_of(nodes, X, workers)
    np.testing.assert_allclose(forward, (back * Y).sum())


def test_blocks_are_normalized_each_by_its_own_sums(attributed_graph):
    X = normalized_blocks(attributed_graph, 50)
    assert X.dtype == attributed_graph.dtype
    dense = attributed_graph.toarray()
    for block in (slice(50), slice(50, None)):
        expected = reference.row_normalized(dense[:, block])
        np.testing.assert_allclose(X.toarray()[:, block], expected, rtol=1e-14)
    least = np.finfo(np.float32).smallest_subnormal
    tiny = sp.csr_array(np.array([[1, 0, least, least]], dtype=np.float32))
    np.testing.assert_array_equal(
        normalized_blocks(tiny, 2).toarray(), [[1, 0, 0.5, 0.5]]
    )


def counts(seed=0, n_rows=70, n_features=40):
    """Return counts of features, some alone in their rows, one alone in all of them."""
    rng = np.random.default_rng(seed)
    X = rng.poisson(0.1, (n_rows, n_features)) * rng.integers(1, 5, n_features)
    X[:5] = 0
    X[[1, 2, 3], [4, 5, 6]] = 9
    X[:, 7] = 0
    X[4, 7] = 3
    return X.astype(float)


def test_features_meet_in_rows_and_never_themselves(rng):
    X = counts()
    operator = CooccurrenceOperator(sp.csr_array(X))
    expected = reference.cooccurrences(X)
    np.testing.assert_allclose(operator.strength, expected.sum(axis=1))
    assert not operator.pulled[7]
    matrix = dense(operator)
    np.testing.assert_allclose(matrix, reference.row_normalized(expected), atol=1e-15)
    Y = rng.standard_normal((40, 3))
    with Workers(2) as workers:
        got = pull_of(operator, Y, workers)
    np.testing.assert_allclose(got, matrix @ Y, atol=1e-14)


def test_cooccurrences_are_adjoint_to_themselves(rng):
    operator = CooccurrenceOperator(sp.csr_array(counts()))
    u, v = rng.standard_normal((2, 40, 1))
    with Workers() as workers:
        left = u.T @ (operator.strength[:, None] * pull_of(operator, v, workers))
        right = v.T @ (operator.strength[:, None] * pull_of(operator, u, workers))
    np.testing.assert_allclose(left, right)


@pytest.mark.parametrize(
    ("dtype", "heavy"), [(np.float32, 1e7), (np.float32, 1e30), (np.float64, 1e18)]
)
def test_features_that_are_nearly_all_of_their_rows(dtype, heavy, rng):
    # In float64 a sum does not change by what it is taken to meet here.
    X = rng.poisson(0.5, (60, 6)).astype(dtype)
    X[:50, 0] = heavy
    X[40:45, 1:] = 0
    X[50:, 1] = heavy
    operator = CooccurrenceOperator(sp.csr_array(X))
    rest = X.astype(float).copy()
    rest[X == heavy] = 0
    sums = X.astype(float).sum(axis=1, keepdims=True)
    met = rest.T @ (rest / sums)
    for column in (0, 1):
        share = np.where(X[:, [column]] == heavy, heavy / sums, 0)
        met[column] += (share * rest).sum(axis=0)
        met[:, column] += (share * rest).sum(axis=0)
    np.fill_diagonal(met, 0)
    np.testing.assert_allclose(operator.strength, met.sum(axis=1), rtol=1e-6)
    Y = rng.standard_normal((6, 3)).astype(dtype)
    with Workers() as workers:
        got = pull_of(operator, Y, workers)
    expected = reference.row_normalized(met) @ Y
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(got, expected, atol=tolerance)


def test_rows_of_a_single_entry_are_not_met_with_rounding(rng):
    X = np.vstack([counts(), 1e7 * np.eye(40)]).astype(np.float32)
    Y = rng.standard_normal((40, 3)).astype(np.float32)
    with Workers() as workers:
        got = pull_of(CooccurrenceOperator(sp.csr_array(X)), Y, workers)
        expected = pull_of(CooccurrenceOperator(sp.csr_array(counts())), Y, workers)
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_strengths_of_float32_are_summed_in_float64():
    X = np.full((400_000, 2), 0.1, dtype=np.float32)
    operator = CooccurrenceOperator(sp.csr_array(X))
    np.testing.assert_allclose(operator.strength, X[:, 0].astype(float).sum() / 2)


@pytest.mark.parametrize("X", [np.zeros((3, 4)), np.eye(4), np.ones((1, 1))])
def test_features_that_never_meet(X):
    operator = CooccurrenceOperator(sp.csr_array(X))
    assert not operator.pulled.any()
    assert not dense(operator).any()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_scale_of_counts_has_no_part_in_cooccurrence(scale):
    X = sp.csr_array(counts().astype(np.float32))
    expected = dense(CooccurrenceOperator(X))
    got = dense(CooccurrenceOperator((scale * X).astype(np.float32)))
    np.testing.assert_allclose(got, expected, atol=1e-6)
