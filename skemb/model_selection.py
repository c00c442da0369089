"""Splits of data that relate rows to columns."""

from numbers import Integral

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_random_state
from sklearn.utils.random import sample_without_replacement

from skemb._kernels import hold_out_edges
from skemb._validation import (
    check_entries,
    check_node_order,
    check_not_graph,
    check_square,
    check_test_size,
    warn_few_edges,
)

__all__ = ["split_edges", "split_entries"]

# How often a non-edge two steps away is looked for.
_N_ROUNDS = 20


def split_entries(X, test_size=0.2, random_state=None):
    """Hide a share of the entries of each row: fit on some, test on the others.

    Of the entries above or below zero of a row, so many as ``test_size`` says go to
    ``test``, rounded up, drawn without replacement; one at least stays in ``train``, so
    that rows with a single entry have none in ``test``. Costs O(nnz log nnz).

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_rows, n_columns)
        Interactions. The entries that sparse formats hold twice are summed.
    test_size : float or int, default=0.2
        If a float, the share of each row's entries to hide, in (0, 1); if an int, how
        many of them, at least 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. The same entries are drawn whatever the container of X.

    Returns
    -------
    train : {ndarray, DataFrame, sparse matrix} of shape (n_rows, n_columns)
        X without the hidden entries: CSR for sparse X, a dense DataFrame for one of
        pandas, else an array.
    test : {ndarray, DataFrame, sparse matrix} of shape (n_rows, n_columns)
        The hidden entries; ``train + test`` is X.

    Raises
    ------
    ValueError
        If ``test_size`` is out of range, or X is not a matrix of finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from skemb.model_selection import split_entries
    >>> X = np.array([[5, 3, 0, 1], [0, 2, 0, 0]])
    >>> train, test = split_entries(X, test_size=1, random_state=0)
    >>> train
    array([[0, 3, 0, 1],
           [0, 2, 0, 0]])
    >>> test
    array([[5, 0, 0, 0],
           [0, 0, 0, 0]])
    """
    check_test_size(test_size)
    entries = check_entries(X)
    counts = np.diff(entries.indptr)
    n_hidden = np.minimum(_n_asked(test_size, counts), np.maximum(counts - 1, 0))
    keys = check_random_state(random_state).uniform(size=entries.nnz)
    rows = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((keys, rows))
    place = np.arange(entries.nnz) - np.repeat(entries.indptr[:-1], counts)
    hidden = np.empty(entries.nnz, dtype=bool)
    hidden[order] = place < np.repeat(n_hidden, counts)
    return tuple(_as_given(_part(entries, part), X) for part in (~hidden, hidden))


def split_edges(A, test_size=0.2, random_state=None, *, hard_negatives=False):
    """Hold out edges of a graph and draw as many non-edges, to test link prediction.

    Edges are taken in random order, and one is held out only if both its ends keep
    another, in or out: so no node that has an edge loses its last, and fewer edges than
    asked for may be held out, with a warning. The non-edges are pairs of nodes that A
    does not join, drawn uniformly, or nearby ones with ``hard_negatives``, which are
    harder to tell from edges. Costs O(m log m) time and O(m) memory for m = nnz +
    n_nodes.

    Parameters
    ----------
    A : {array-like, sparse matrix} of shape (n_nodes, n_nodes)
        Non-negative affinities. Where (i, j) has an entry whenever (j, i) has one, the
        graph is undirected: the two are one edge. Self-loops stay in ``train``, and
        count neither as edges nor as non-edges.
    test_size : float or int, default=0.2
        If a float, the share of the edges to hold out, in (0, 1), rounded up; if an
        int, how many of them, at least 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. The same pairs are drawn whatever the container of A.
    hard_negatives : bool, default=False
        Whether each non-edge joins one end of a held-out edge to a node two steps away
        in ``train``: either end, or, in a directed graph, its source i to j along edges
        i → k → j. Where a few random walks find none, it is a uniform one. The edges
        held out are the same.

    Returns
    -------
    train : {ndarray, DataFrame, sparse matrix} of shape (n_nodes, n_nodes)
        A without the held-out edges: CSR for sparse A, a dense DataFrame for one of
        pandas, else an array.
    pairs : ndarray of shape (2 * n_held_out, 2)
        Held-out edges (i, j) in the order drawn, then as many different non-edges, the
        hard ones in the order of their edges. Numbers of rows: ``ids[pairs]`` are the
        ids. Undirected pairs have i < j; of directed ones (j, i) may be an edge.
    is_edge : ndarray of shape (2 * n_held_out,)
        1 for edges, 0 for non-edges.

    Raises
    ------
    ValueError
        If ``test_size`` is out of range, A is not a square matrix of finite
        non-negative numbers, no edge can be held out, or A has fewer non-edges than
        edges are held out.

    Notes
    -----
    Scores depend on the non-edges as much as on the model, and can be compared only
    for one kind of them. The ends of uniform ones are mostly far apart: ranking edges
    above them does not tell which of its neighbours' neighbours a node will be joined
    to. The ends of hard ones share a neighbour in ``train``, and those of held-out
    edges need not: methods that go by nearness alone can fall below chance.

    Examples
    --------
    >>> import networkx as nx
    >>> from skemb import GraphEmbedder
    >>> from skemb.metrics import link_prediction_score
    >>> from skemb.model_selection import split_edges
    >>> A = nx.to_scipy_sparse_array(nx.les_miserables_graph(), dtype=float)
    >>> train, pairs, is_edge = split_edges(A, test_size=0.2, random_state=0)
    >>> pairs.shape
    (102, 2)
    >>> embedder = GraphEmbedder(32, random_state=0).fit(train)
    >>> round(link_prediction_score(embedder, pairs, is_edge), 1)
    0.9
    """
    check_test_size(test_size)
    entries = _check_graph(A)
    random_state = check_random_state(random_state)
    numbering = _PairNumbers(entries)
    rows, columns = entries.nonzero()
    numbers = numbering.encode(rows, columns)
    edges = numbers[rows != columns if numbering.directed else rows < columns]
    held_out = _held_out(edges, numbering, test_size, random_state)
    train = _part(entries, ~_is_among(np.sort(held_out), numbers))
    nodes = np.arange(entries.shape[0])
    taken = np.sort(np.concatenate([edges, numbering.encode(nodes, nodes)]))
    n_free = numbering.total - len(taken)
    if n_free < len(held_out):
        raise ValueError(
            f"A must have as many non-edges as edges are held out, {len(held_out)}, "
            f"got {n_free}: lower test_size."
        )
    non_edges = np.full(len(held_out), -1, dtype=np.int64)
    if hard_negatives:
        ends = numbering.decode(held_out)
        _walk_to_non_edges(non_edges, ends, train, taken, numbering, random_state)
    _draw_non_edges(non_edges, taken, numbering, random_state)
    pairs = numbering.decode(np.concatenate([held_out, non_edges]))
    return _as_given(train, A), pairs, np.repeat([1, 0], len(held_out))


class _PairNumbers:
    """Numbers of the pairs (i, j), row by row; if undirected, of those with i <= j."""

    def __init__(self, entries):
        n_nodes = entries.shape[0]
        mirrored = entries.T.tocsr()
        self.directed = not (
            np.array_equal(entries.indptr, mirrored.indptr)
            and np.array_equal(entries.indices, mirrored.indices)
        )
        nodes = np.arange(n_nodes, dtype=np.int64)
        first = np.zeros_like(nodes) if self.directed else nodes
        ends = np.cumsum(n_nodes - first)
        self.total = int(ends[-1])
        self._starts = ends - (n_nodes - first)
        self._shift = self._starts - first

    def encode(self, rows, columns):
        """Return the numbers of pairs, given in either order if undirected."""
        if not self.directed:
            rows, columns = np.minimum(rows, columns), np.maximum(rows, columns)
        return self._shift[rows] + columns

    def decode(self, numbers):
        """Return the pairs (k, 2) of numbers (k,)."""
        rows = np.searchsorted(self._starts, numbers, side="right") - 1
        return np.column_stack([rows, numbers - self._shift[rows]]).astype(np.intp)


def _check_graph(A):
    """Return the entries of A in new CSR, refusing what is no affinity matrix."""
    check_not_graph(A, "A")
    check_node_order(A, "A")
    entries = check_entries(A, "A")
    check_square(entries, "A")
    if entries.nnz and entries.data.min() < 0:
        raise ValueError(
            f"A must have no negative affinities, got {entries.data.min()}."
        )
    return entries


def _held_out(edges, numbering, test_size, random_state):
    """Return the numbers of the edges to hold out, in random order."""
    order = random_state.permutation(edges)
    ends = numbering.decode(order)
    degrees = np.bincount(ends.ravel(), minlength=1)
    held_out = np.zeros(len(order), dtype=bool)
    n_asked = min(_n_asked(test_size, len(order)), len(order))
    hold_out_edges(ends, n_asked, degrees, held_out)
    n_held_out = np.count_nonzero(held_out)
    if not n_held_out:
        raise ValueError(
            "A must have edges whose ends both have another edge, got none among its "
            f"{len(edges)}: none can be held out without leaving a node alone."
        )
    warn_few_edges(n_held_out, n_asked)
    return order[held_out]


def _walk_to_non_edges(non_edges, ends, graph, taken, numbering, random_state):
    """Set those ``non_edges`` (k,) that two steps from ``ends`` (k, 2) come to."""
    for _ in range(_N_ROUNDS):
        left = np.flatnonzero(non_edges < 0)
        side = 0 if numbering.directed else random_state.randint(2, size=len(left))
        start = ends[left, side]
        end = _random_neighbors(graph, start, random_state)
        end = _random_neighbors(graph, end, random_state)
        numbers, first = np.unique(numbering.encode(start, end), return_index=True)
        new = ~_is_among(taken, numbers)
        non_edges[left[first[new]]] = numbers[new]
        taken = np.sort(np.concatenate([taken, numbers[new]]))


def _random_neighbors(graph, nodes, random_state):
    """Return a neighbour of each node; those without any stay where they are."""
    degrees = np.diff(graph.indptr)[nodes]
    picks = random_state.randint(np.maximum(degrees, 1), dtype=np.int64)
    places = np.minimum(graph.indptr[nodes] + picks, graph.nnz - 1)
    return np.where(degrees > 0, graph.indices[places], nodes)


def _draw_non_edges(non_edges, taken, numbering, random_state):
    """Set those ``non_edges`` that are still -1 to free numbers, drawn alike."""
    missing = np.flatnonzero(non_edges < 0)
    taken = np.sort(np.concatenate([taken, non_edges[non_edges >= 0]]))
    ranks = sample_without_replacement(
        numbering.total - len(taken), len(missing), random_state=random_state
    )
    # A free number of rank r comes after the taken ones with up to r free before.
    n_free_before = taken - np.arange(len(taken))
    non_edges[missing] = ranks + np.searchsorted(n_free_before, ranks, side="right")


def _is_among(ordered, numbers):
    """Tell which numbers are among those in order."""
    places = np.searchsorted(ordered, numbers)
    return ordered[np.minimum(places, len(ordered) - 1)] == numbers


def _n_asked(test_size, counts):
    """Return how many of each count ``test_size`` asks for; shares are rounded up."""
    if isinstance(test_size, Integral):
        return test_size
    return np.ceil(np.round(float(test_size) * counts, 9)).astype(int)


def _part(entries, chosen):
    """Return the chosen entries alone."""
    part = entries.copy()
    part.data[~chosen] = 0
    part.eliminate_zeros()
    return part


def _as_given(part, X):
    """Return CSR in the container of X."""
    if sp.issparse(X):
        return part if isinstance(X, sp.sparray) else sp.csr_matrix(part)
    part = part.toarray()
    if hasattr(X, "iloc"):
        return type(X)(part, index=X.index, columns=X.columns)
    return part
