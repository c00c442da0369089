"""Splits: what they hide, what they keep, and that they are splits."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skemb.model_selection import split_edges, split_entries

FORMATS = ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"]


def dense(X):
    return X.toarray() if sp.issparse(X) else np.asarray(X)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    X=hnp.arrays(np.int64, (6, 9), elements=st.sampled_from([0, 0, 1, 3])),
    test_size=st.one_of(st.floats(0.01, 0.99), st.integers(1, 12)),
)
def test_every_row_is_split(X, test_size):
    train, test = split_entries(X, test_size, random_state=0)
    np.testing.assert_array_equal(train + test, X)
    assert not (train * test).any()
    for row, hidden in zip(X, test, strict=True):
        n = np.count_nonzero(row)
        asked = test_size if test_size >= 1 else int(np.ceil(test_size * n))
        assert np.count_nonzero(hidden) == max(min(asked, n - 1), 0)


@pytest.mark.parametrize(
    ("n_entries", "test_size", "n_hidden"),
    [
        (10, 0.2, 2),
        (11, 0.2, 3),
        (5, 0.2, 1),
        (2, 0.9, 1),
        (1, 0.9, 0),
        (50, 0.14, 7),
    ],
)
def test_shares_are_rounded_up(n_entries, test_size, n_hidden):
    _, test = split_entries(np.ones((3, n_entries)), test_size, random_state=1)
    np.testing.assert_array_equal(np.count_nonzero(test, axis=1), n_hidden)


def test_every_container_hides_the_same_entries(interactions):
    X = interactions.toarray()
    expected = split_entries(X, 0.3, random_state=7)
    for name in FORMATS:
        for kind in ("array", "matrix"):
            given = getattr(sp, f"{name}_{kind}")(X)
            for part, wanted in zip(
                split_entries(given, 0.3, 7), expected, strict=True
            ):
                assert type(part) is getattr(sp, f"csr_{kind}")
                assert part.dtype == X.dtype
                assert (part.data != 0).all()
                np.testing.assert_array_equal(part.toarray(), wanted)
    table = pd.DataFrame(X, index=np.arange(50) + 7).add_prefix("item ")
    for part, wanted in zip(split_entries(table, 0.3, 7), expected, strict=True):
        pd.testing.assert_index_equal(part.index, table.index)
        pd.testing.assert_index_equal(part.columns, table.columns)
        np.testing.assert_array_equal(part, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_dtype_stays(interactions, dtype):
    for container in (sp.csr_array, lambda X: X.toarray()):
        for part in split_entries(container(interactions.astype(dtype)), 0.5):
            assert part.dtype == dtype


def test_duplicates_and_explicit_zeros_are_one_entry_and_none():
    X = sp.coo_array(([1.0, 2.0, 0.0, 4.0], ([0, 0, 0, 0], [1, 1, 2, 3])), shape=(1, 5))
    for matrix in (X, sp.csr_array((X.data, X.col, [0, 4]), shape=(1, 5))):
        before = matrix.copy()
        train, test = split_entries(matrix, 1, random_state=0)
        assert train.nnz == test.nnz == 1
        np.testing.assert_array_equal((train + test).toarray(), [[0, 3, 0, 4, 0]])
        assert (matrix != before).nnz == 0
        assert matrix.nnz == before.nnz


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, bool])
def test_small_integers_are_widened_where_their_sum_needs_it(dtype):
    events = np.zeros(300, dtype=int), np.zeros(300, dtype=int)
    X = sp.coo_array((np.ones(300, dtype=dtype), events), shape=(1, 2))
    train, test = split_entries(X)
    assert (train.toarray() == [[300, 0]]).all()
    assert test.nnz == 0


def test_the_largest_integers_stay():
    X = np.array([[2**63, 2**63 + 5]], dtype=np.uint64)
    train, test = split_entries(sp.csr_array(X), 1, random_state=0)
    assert train.dtype == test.dtype == np.uint64
    np.testing.assert_array_equal((train + test).toarray(), X)


def test_random_state(interactions):
    def hidden(seed):
        return dense(split_entries(interactions, 0.3, seed)[1])

    np.testing.assert_array_equal(hidden(0), hidden(0))
    np.testing.assert_array_equal(hidden(np.random.RandomState(0)), hidden(0))
    assert (hidden(0) != hidden(1)).any()


def test_entries_are_drawn_alike():
    hidden = sum(
        split_entries(np.ones((200, 10)), 0.3, seed)[1].sum(axis=0)
        for seed in range(10)
    )
    np.testing.assert_allclose(hidden, 600, atol=100)


@pytest.mark.parametrize("test_size", [0, -1, 0.0, 1.0, 1.5, np.nan, "all", None, True])
def test_bad_test_size(test_size):
    with pytest.raises(ValueError, match=r"test_size must be a float between 0 and 1"):
        split_entries(np.ones((3, 3)), test_size)


def test_bad_entries():
    with pytest.raises(ValueError, match="X contains NaN"):
        split_entries([[np.nan, 1.0]])
    with pytest.raises(ValueError, match="Expected 2D array"):
        split_entries([1.0, 2.0])


def links(A, *, directed):
    """Return the edges as a set of pairs, undirected ones with the lower node first."""
    return {
        (i, j) if directed or i < j else (j, i)
        for i, j in np.argwhere(A).tolist()
        if i != j
    }


def linked(edges):
    return {node for edge in edges for node in edge}


def test_a_graph_is_directed_though_all_nodes_have_as_many_edges_in_as_out():
    nodes = np.arange(9)
    edges = np.concatenate([nodes, nodes]), np.concatenate([nodes + 1, nodes + 2]) % 9
    A = np.zeros((9, 9))
    A[edges] = 1
    _, pairs, is_edge = split_edges(A, test_size=8, random_state=0)
    held_out = pairs[is_edge == 1]
    assert A[tuple(held_out.T)].all()
    assert (held_out[:, 0] > held_out[:, 1]).any()


def test_fewer_edges_than_asked_for_are_said_to_be():
    # Of a triangle with a tail, one or two edges can go.
    A = nx.to_numpy_array(nx.lollipop_graph(3, 1))
    with pytest.warns(UserWarning, match="2 edges are held out of the 3 "):
        _, pairs, _ = split_edges(A, test_size=3, random_state=0)
    assert len(pairs) == 4


@pytest.mark.filterwarnings("ignore:.* edges are held out:UserWarning")
@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    A=hnp.arrays(np.int64, (7, 7), elements=st.sampled_from([0, 0, 0, 1, 3])),
    directed=st.booleans(),
    test_size=st.one_of(st.floats(0.01, 0.99), st.integers(1, 12)),
    hard_negatives=st.booleans(),
)
def test_edges_are_split(A, directed, test_size, hard_negatives):
    A = np.pad(A if directed else A + A.T, (0, 7))  # nodes alone: enough non-edges
    directed = ((A > 0) != (A.T > 0)).any()
    edges = links(A, directed=directed)
    options = {"random_state": 0, "hard_negatives": hard_negatives}
    if not any(set(edge) <= linked(edges - {edge}) for edge in edges):
        with pytest.raises(ValueError, match="none can be held out"):
            split_edges(A, test_size, **options)
        return
    train, pairs, is_edge = split_edges(A, test_size, **options)
    n_held_out = len(pairs) // 2
    assert pairs.dtype == np.intp
    np.testing.assert_array_equal(is_edge, np.repeat([1, 0], n_held_out))
    held_out, non_edges = (
        set(map(tuple, half.tolist())) for half in np.split(pairs, 2)
    )
    assert len(held_out) == len(non_edges) == n_held_out
    kept = links(train, directed=directed)
    assert held_out == edges - kept
    assert not non_edges & edges
    assert all(i != j if directed else i < j for i, j in non_edges)
    assert linked(kept) == linked(edges)
    # What is kept is as it was, self-loops too, and both entries of an edge go.
    np.testing.assert_array_equal(train, np.where(train > 0, A, 0))
    np.testing.assert_array_equal(np.diag(train), np.diag(A))
    assert np.count_nonzero(A) - np.count_nonzero(train) == n_held_out * (2 - directed)
    asked = test_size if test_size >= 1 else int(np.ceil(test_size * len(edges)))
    assert n_held_out <= asked
    if n_held_out < asked:
        assert not any(set(edge) <= linked(kept - {edge}) for edge in kept)


def test_non_edges_are_drawn_alike():
    A = nx.to_numpy_array(nx.gnp_random_graph(9, 0.4, seed=0, directed=True)) > 0
    for graph in (A, A | A.T):
        counts = np.zeros((9, 9))
        for seed in range(150):
            non_edges = split_edges(graph, 6, seed)[1][6:]
            counts[tuple(non_edges.T)] += 1
        free = ~graph & ~np.eye(9, dtype=bool)
        free = free if graph is A else np.triu(free)
        expected = 900 / free.sum()
        assert not counts[~free].any()
        np.testing.assert_allclose(counts[free], expected, atol=4 * np.sqrt(expected))


def test_edges_are_drawn_alike():
    A = nx.to_numpy_array(nx.complete_bipartite_graph(3, 4))
    counts = sum(A - split_edges(A, 3, seed)[0] for seed in range(200))
    np.testing.assert_allclose(counts[A > 0], 50, atol=25)


def test_pairs_of_many_nodes_are_numbered_right():
    # There are more pairs than 32 bits can count.
    ring = sp.diags_array([1.0, 1.0], offsets=[1, 1 - 10**5], shape=(10**5, 10**5))
    for A in (ring, ring + ring.T):
        train, pairs, _ = split_edges(A, 100, random_state=0)
        edges, non_edges = np.split(pairs, 2)
        assert A.nnz - train.nnz == 100 * A.nnz // 10**5
        np.testing.assert_array_equal(A.tocsr()[tuple(edges.T)], 1)
        np.testing.assert_array_equal(A.tocsr()[tuple(non_edges.T)], 0)
        assert 0 <= non_edges.min() < 10**4 < 9 * 10**4 < non_edges.max() < 10**5


@pytest.mark.parametrize("directed", [False, True])
def test_hard_negatives_are_two_steps_away(directed):
    graph = nx.gnp_random_graph(80, 0.1, seed=0, directed=directed)
    A = nx.to_numpy_array(graph)
    train, pairs, _ = split_edges(A, 0.2, random_state=0, hard_negatives=True)
    _, uniform, _ = split_edges(A, 0.2, random_state=0)
    edges, non_edges = np.split(pairs, 2)
    np.testing.assert_array_equal(edges, uniform[: len(edges)])
    two_steps = train @ train > 0
    assert two_steps[tuple(non_edges.T)].all()
    assert not two_steps[tuple(uniform[len(edges) :].T)].all()
    if directed:
        np.testing.assert_array_equal(edges[:, 0], non_edges[:, 0])
    else:
        shared = (edges[:, :, None] == non_edges[:, None, :]).any(axis=2)
        assert shared.any(axis=1).all()
        assert shared.any(axis=0).all()


def test_where_no_hard_negative_is_there_it_is_uniform():
    # In a triangle the edge held out joined what is two steps away; and from the left
    # to the right of a directed bipartite graph there are no two steps.
    triangles = np.kron(np.eye(4), 1 - np.eye(3))
    left_to_right = np.kron([[0, 1], [0, 0]], np.ones((4, 4)))
    for A in (triangles, left_to_right):
        _, pairs, _ = split_edges(A, 4, random_state=0, hard_negatives=True)
        assert len({(i, j) for i, j in pairs.tolist() if i != j}) == 8
        np.testing.assert_array_equal(A[tuple(pairs.T)], np.repeat([1, 0], 4))


@pytest.mark.parametrize("hard_negatives", [False, True])
@pytest.mark.parametrize("name", ["graph", "directed_graph"])
def test_every_container_splits_alike(name, hard_negatives, request):
    A = request.getfixturevalue(name).toarray()
    options = {"random_state": 7, "hard_negatives": hard_negatives}
    train, pairs, is_edge = split_edges(A, 0.3, **options)
    shuffled = np.random.default_rng(0).permutation(np.argwhere(A))
    values = A[tuple(shuffled.T)]
    twice = sp.coo_array(
        (np.tile(values, 2) / 2, np.tile(shuffled.T, 2)), shape=A.shape
    )
    table = pd.DataFrame(A, index=np.arange(len(A)) + 7, columns=np.arange(len(A)) + 7)
    matrices = [getattr(sp, f"{name}_array")(A) for name in FORMATS]
    for B in [*matrices, sp.coo_matrix(A), twice, table]:
        before = B.copy()
        result = split_edges(B, 0.3, **options)
        np.testing.assert_array_equal(result[1], pairs)
        np.testing.assert_array_equal(result[2], is_edge)
        np.testing.assert_array_equal(dense(result[0]), train)
        np.testing.assert_array_equal(dense(B), dense(before))
        if sp.issparse(B):
            kind = sp.csr_matrix if isinstance(B, sp.spmatrix) else sp.csr_array
            assert type(result[0]) is kind
        else:
            pd.testing.assert_index_equal(result[0].index, table.index)


def test_random_state_of_edges(graph):
    def drawn(seed):
        return split_edges(graph, 0.3, seed, hard_negatives=True)[1]

    np.testing.assert_array_equal(drawn(0), drawn(0))
    np.testing.assert_array_equal(drawn(np.random.RandomState(0)), drawn(0))
    assert (drawn(0) != drawn(1)).any()


def test_bad_graphs():
    ring = nx.to_numpy_array(nx.cycle_graph(5))
    with pytest.raises(ValueError, match=r"test_size must be a float between 0 and 1"):
        split_edges(ring, 1.5)
    with pytest.raises(ValueError, match=r"A must be a square .* got shape \(4, 5\)"):
        split_edges(ring[1:])
    with pytest.raises(ValueError, match=r"A must have no negative .* got -1.0"):
        split_edges(-ring)
    with pytest.raises(ValueError, match=r"A contains NaN"):
        split_edges(ring * np.nan)
    with pytest.raises(TypeError, match=r"A must be a matrix, got a graph"):
        split_edges(nx.cycle_graph(5))
    table = pd.DataFrame(ring, index=list("abcde"), columns=list("edcba"))
    with pytest.raises(ValueError, match=r"index is a permutation of its columns"):
        split_edges(table)


@pytest.mark.parametrize(
    "A",
    [np.zeros((3, 3)), np.eye(3), np.eye(2)[::-1], nx.to_numpy_array(nx.star_graph(4))],
)
def test_graphs_that_can_spare_no_edge(A):
    with pytest.raises(ValueError, match=r"A must have edges whose ends both .* none"):
        split_edges(A)


@pytest.mark.parametrize("hard_negatives", [False, True])
def test_nearly_complete_graphs(hard_negatives):
    A = 1 - np.eye(6)
    A[0, 1] = A[1, 0] = 0
    pairs = split_edges(A, 1, 0, hard_negatives=hard_negatives)[1]
    np.testing.assert_array_equal(pairs[1], [0, 1])
    with pytest.raises(ValueError, match=r"non-edges as .* out, 2, got 1: lower test_"):
        split_edges(A, 2, hard_negatives=hard_negatives)
