"""Matrices from edges, tables and graphs, with the ids of their rows and columns."""

from decimal import Decimal
from numbers import Real

import numpy as np
import scipy.sparse as sp

from skemb._ids import column_of, encode, frame_of, is_iterable, shown, to_list
from skemb._mapped_matrix import open_matrix, write_matrix

__all__ = [
    "adjacency_from_edges",
    "adjacency_from_networkx",
    "interactions_from_table",
    "open_matrix",
    "write_matrix",
]


def adjacency_from_edges(
    edges, source="source", target="target", weight=None, directed=False, nodes=None
):
    """Return the adjacency matrix of a list of edges, and the ids of its rows.

    Each row of ``edges`` is one edge. The weights of edges between the same two nodes
    are summed, in either direction unless ``directed``: a table that lists each edge in
    both directions takes ``directed=True``. A node's edge to itself counts once, on the
    diagonal, and an edge of weight zero is none. Costs O(n_edges log n_edges).

    Parameters
    ----------
    edges : DataFrame or array-like of shape (n_edges, 2)
        A table of pandas, polars, pyarrow or any other library that narwhals reads, or
        pairs of ids. Ids may be anything that can be hashed; those that are equal, such
        as 1 and 1.0, are one node.
    source : str, default="source"
        Column of the table that holds the ids of the nodes that edges start from.
    target : str, default="target"
        Column of the table that holds the ids of the nodes that edges lead to.
    weight : str, array-like of shape (n_edges,) or None, default=None
        Finite numbers of at least 0: a column of the table, or with pairs the weights
        themselves. None counts each edge as 1.
    directed : bool, default=False
        Whether an edge leads from row to column alone, or in both directions.
    nodes : array-like of shape (n_nodes,) or None, default=None
        Ids of all nodes in the order of rows, also of those without edges. None takes
        those of ``edges`` in the order they first appear, row by row, source first.

    Returns
    -------
    A : csr_array of shape (n_nodes, n_nodes)
        Weights in float64, symmetric unless ``directed``.
    ids : ndarray of shape (n_nodes,)
        Id of each row and column: in int64 or float64 if that holds them all, else
        objects.

    Raises
    ------
    ValueError
        If ids are missing, not in ``nodes`` or there twice, if weights or the shape of
        pairs are not as above, if there is no such column, or no node.
    TypeError
        If an argument is of another kind, or an id cannot be hashed.

    Examples
    --------
    >>> from skemb.datasets import adjacency_from_edges
    >>> edges = [("Ann", "Bob"), ("Bob", "Cid"), ("Bob", "Ann")]
    >>> A, ids = adjacency_from_edges(edges, nodes=["Ann", "Bob", "Cid", "Dan"])
    >>> A.toarray()
    array([[0., 2., 0., 0.],
           [2., 0., 1., 0.],
           [0., 1., 0., 0.],
           [0., 0., 0., 0.]])
    >>> ids
    array(['Ann', 'Bob', 'Cid', 'Dan'], dtype=object)
    """
    frame = frame_of(edges)
    if frame is None:
        ends = _ends_of_pairs(edges)
        _check_unnamed(source, target, weight)
    else:
        ends = {
            "source": column_of(frame, source, "source", "edges"),
            "target": column_of(frame, target, "target", "edges"),
        }
        weight = column_of(frame, weight, "weight", "edges")
    return _adjacency(ends, weight, directed, nodes, "edges")


def interactions_from_table(table, row, column, weight=None, rows=None, columns=None):
    """Return the matrix of a table of interactions, and the ids of rows and columns.

    Each row of ``table`` is one interaction, as of a user with an item; the weights of
    those between the same two are summed. Costs O(n log n) for n interactions.

    Parameters
    ----------
    table : DataFrame
        A table of pandas, polars, pyarrow or any other library that narwhals reads. Ids
        may be anything that can be hashed; those that are equal, such as 1 and 1.0, are
        one row or column.
    row : str
        Column of the table that holds the ids of the matrix's rows, such as users.
    column : str
        Column of the table that holds the ids of the matrix's columns, such as items.
    weight : str or None, default=None
        Column of the table that holds finite numbers of at least 0. None counts each
        interaction as 1.
    rows : array-like of shape (n_rows,) or None, default=None
        Ids of all rows in order, also of those without interactions. None takes those
        of the table in the order they first appear.
    columns : array-like of shape (n_columns,) or None, default=None
        The same of columns. That of an earlier matrix gives new rows its columns.

    Returns
    -------
    X : csr_array of shape (n_rows, n_columns)
        Sums of weights, or numbers of interactions, in float64.
    row_ids : ndarray of shape (n_rows,)
        Id of each row: in int64 or float64 if that holds them all, else objects.
    column_ids : ndarray of shape (n_columns,)
        Id of each column, likewise.

    Raises
    ------
    ValueError
        If ids are missing, not in ``rows`` or ``columns`` or there twice, if weights
        are not as above, if there is no such column of the table, or no id.
    TypeError
        If an argument is of another kind, or an id cannot be hashed.

    Examples
    --------
    >>> import pandas as pd
    >>> from skemb.datasets import interactions_from_table
    >>> table = pd.DataFrame({"user": [7, 3, 7], "item": ["pen", "ink", "pen"]})
    >>> X, users, items = interactions_from_table(table, "user", "item")
    >>> X.toarray()
    array([[2., 0.],
           [0., 1.]])
    >>> users
    array([7, 3])
    >>> items
    array(['pen', 'ink'], dtype=object)
    """
    frame = frame_of(table)
    if frame is None:
        raise TypeError(
            "table must be a DataFrame of pandas, polars or another library that "
            f"narwhals reads, got {type(table).__name__}."
        )
    ends = {
        "row": column_of(frame, row, "row", "table"),
        "column": column_of(frame, column, "column", "table"),
    }
    weights = _weights(column_of(frame, weight, "weight", "table"), ends, "table")
    (i,), row_ids = encode({"row": ends["row"]}, rows, "table", "rows")
    (j,), column_ids = encode({"column": ends["column"]}, columns, "table", "columns")
    return _csr(weights, i, j, (len(row_ids), len(column_ids))), row_ids, column_ids


def adjacency_from_networkx(graph, weight="weight", nodes=None):
    """Return the adjacency matrix of a graph of networkx, and the ids of its rows.

    It is symmetric unless the graph is directed. Parallel edges are summed and a node's
    edge to itself counts once, as in ``networkx.to_scipy_sparse_array``; an edge of
    weight zero is none. Costs O(n_edges log n_edges).

    Parameters
    ----------
    graph : Graph, DiGraph, MultiGraph or MultiDiGraph
        A graph of networkx, or one with its ``nodes``, ``edges`` and ``is_directed``.
    weight : str or None, default="weight"
        Attribute of edges that holds finite numbers of at least 0. An edge without it
        counts as 1, as all do with None.
    nodes : array-like of shape (n_nodes,) or None, default=None
        Ids of all nodes in the order of rows, also of those without edges. None takes
        all nodes of the graph in its order.

    Returns
    -------
    A : csr_array of shape (n_nodes, n_nodes)
        Weights in float64.
    ids : ndarray of shape (n_nodes,)
        Id of each row and column: in int64 or float64 if that holds them all, else
        objects.

    Raises
    ------
    ValueError
        If a node with edges is not in ``nodes`` or there twice, if weights are not as
        above, or there is no node.
    TypeError
        If ``graph`` or ``nodes`` is of another kind.

    Examples
    --------
    >>> import networkx as nx
    >>> from skemb.datasets import adjacency_from_networkx
    >>> A, ids = adjacency_from_networkx(nx.path_graph(["Ann", "Bob", "Cid"]))
    >>> A.toarray()
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    >>> ids
    array(['Ann', 'Bob', 'Cid'], dtype=object)
    """
    if not _is_graph(graph):
        raise TypeError(
            f"graph must be a graph of networkx, got {type(graph).__name__}: tables "
            "and pairs of ids go to adjacency_from_edges."
        )
    edges = list(graph.edges(data=True))
    ends = {"source": [e[0] for e in edges], "target": [e[1] for e in edges]}
    weights = [attributes.get(weight, 1) for _, _, attributes in edges]
    nodes = list(graph.nodes) or None if nodes is None else nodes
    return _adjacency(ends, weights, graph.is_directed(), nodes, "graph")


def _is_graph(value):
    """Tell graphs of networkx, and what looks like them, from all else."""
    return all(hasattr(value, name) for name in ("nodes", "edges", "is_directed"))


def _ends_of_pairs(edges):
    """Return the ids on both sides of pairs, as lists."""
    if _is_graph(edges) or isinstance(edges, dict) or not is_iterable(edges):
        raise TypeError(
            f"edges must be a table or pairs of ids, got {type(edges).__name__}: "
            "graphs of networkx go to adjacency_from_networkx."
        )
    if isinstance(edges, np.ndarray) and edges.ndim == 2 and edges.shape[1] == 2:
        return {"source": to_list(edges[:, 0]), "target": to_list(edges[:, 1])}
    edges = to_list(edges)
    for position, pair in enumerate(edges):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ValueError(
                "edges must be a table or pairs of ids (source, target), got "
                f"{shown(pair)} at position {position}: weights go to weight."
            )
    return {
        "source": [source for source, _ in edges],
        "target": [target for _, target in edges],
    }


def _check_unnamed(source, target, weight):
    """Refuse names of columns where there are none, as in pairs."""
    for role, name in (("source", source), ("target", target)):
        if not isinstance(name, str) or name != role:
            raise TypeError(
                f"{role} must be left out where edges are pairs, got {shown(name)}: "
                "it names a column of a table."
            )
    if weight is not None and not is_iterable(weight):
        raise TypeError(
            "weight must be an array of numbers where edges are pairs, got "
            f"{shown(weight)}."
        )


def _adjacency(ends, weight, directed, nodes, argument):
    """Return the matrix of edges given as lists of ids, and the ids of its rows."""
    weights = _weights(weight, ends, argument)
    (i, j), ids = encode(ends, nodes, argument, "nodes")
    shape = len(ids), len(ids)
    if directed:
        return _csr(weights, i, j, shape), ids
    # Summed on one side of the diagonal, both sides are equal to the last bit.
    upper = _csr(weights, np.minimum(i, j), np.maximum(i, j), shape)
    return sp.csr_array(upper + sp.triu(upper, k=1).T), ids


def _csr(weights, i, j, shape):
    """Return weights at rows i and columns j, all (n,), as CSR without zeros."""
    matrix = sp.csr_array(sp.coo_array((weights, (i, j)), shape=shape))
    matrix.eliminate_zeros()
    return matrix


def _weights(weights, ends, argument):
    """Return weights, one for each pair of ends, in float64."""
    n_pairs = len(next(iter(ends.values())))
    if weights is None:
        return np.ones(n_pairs)
    weights = to_list(weights)
    if len(weights) != n_pairs:
        raise ValueError(
            f"weight must have shape ({n_pairs},), one for each row of {argument}, got "
            f"{len(weights)} of them."
        )
    numbers = Real | Decimal | np.bool_
    kinds = {kind for kind in set(map(type, weights)) if issubclass(kind, numbers)}
    checked = np.array(
        [value if type(value) in kinds else np.nan for value in weights],
        dtype=np.float64,
    )
    bad = ~((checked >= 0) & (checked < np.inf))
    if bad.any():
        position = int(bad.argmax())
        at = ", ".join(f"{end} {ids[position]!r:.60}" for end, ids in ends.items())
        raise ValueError(
            "weight must hold finite numbers of at least 0, got "
            f"{shown(weights[position])} at position {position} of {argument} ({at}): "
            "drop, fill or convert such weights."
        )
    return checked
