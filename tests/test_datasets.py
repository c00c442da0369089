"""Matrices from tables: the same as by hand, in the order said, or one clear error."""

import csv
import datetime
from decimal import Decimal

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pyarrow.csv
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from skemb import BipartiteEmbedder, GraphEmbedder
from skemb.datasets import (
    adjacency_from_edges,
    adjacency_from_networkx,
    interactions_from_table,
)

GRAPHS = {
    "karate": nx.karate_club_graph,
    "women": nx.davis_southern_women_graph,
    "miserables": nx.les_miserables_graph,
}


READERS = {
    "pandas": pd.read_csv,
    "pandas categorical": lambda path: pd.read_csv(
        path, dtype={"from": "category", "to": "category"}
    ),
    "pandas nullable": lambda path: pd.read_csv(path).convert_dtypes(
        dtype_backend="numpy_nullable"
    ),
    "polars": pl.read_csv,
    "polars lazy": pl.scan_csv,
    "polars categorical": lambda path: pl.read_csv(path).with_columns(
        pl.col("from", "to").cast(pl.Categorical)
    ),
    "pyarrow": pyarrow.csv.read_csv,
}

TABLES = {
    "pandas": pd.DataFrame,
    "pandas object": lambda data: pd.DataFrame(data, dtype=object),
    "polars": lambda data: pl.DataFrame(data, strict=False),
    "pyarrow": pyarrow.table,
}


@pytest.fixture(params=TABLES)
def table(request):
    return TABLES[request.param]


def by_hand(edges, weights, directed, nodes=None):
    """Return the matrix, dense, and ids: one edge after the other."""
    ids = [] if nodes is None else list(nodes)
    for end in (end for edge in edges for end in edge):
        if end not in ids:
            ids.append(end)
    A = np.zeros((len(ids), len(ids)))
    for (source, target), weight in zip(edges, weights, strict=True):
        i, j = ids.index(source), ids.index(target)
        A[i, j] += weight
        if i != j and not directed:
            A[j, i] += weight
    return A, ids


def check_csr(X):
    """Check that X is CSR in the form that all code can rely on."""
    assert type(X) is sp.csr_array
    assert X.dtype == np.float64
    fresh = sp.csr_array((X.data, X.indices, X.indptr), shape=X.shape)
    assert fresh.has_canonical_format
    assert (X.data > 0).all()


def check_ids(ids, expected):
    assert type(ids) is np.ndarray
    assert ids.shape == (len(expected),)
    assert list(ids) == list(expected)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("reader", READERS)
def test_graphs_come_back_from_files(tmp_path, name, reader):
    graph = GRAPHS[name]()
    graph = nx.relabel_nodes(graph, {node: f"node {node}" for node in graph})
    edges = list(graph.edges(data="weight", default=0.5))
    with (tmp_path / "edges.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("to", "w", "from"), *((v, w, u) for u, v, w in edges)]
        )
    table = READERS[reader](tmp_path / "edges.csv")
    for directed, kind in ((False, nx.Graph), (True, nx.DiGraph)):
        A, ids = adjacency_from_edges(table, "from", "to", "w", directed=directed)
        expected = kind()
        expected.add_weighted_edges_from(edges)
        check_csr(A)
        check_ids(ids, expected)
        np.testing.assert_array_equal(
            A.toarray(), nx.to_scipy_sparse_array(expected).toarray()
        )


@pytest.mark.parametrize("reader", READERS)
def test_interactions_come_back_from_files(tmp_path, reader):
    graph = nx.davis_southern_women_graph()
    women, events = graph.graph["top"], graph.graph["bottom"]
    with (tmp_path / "visits.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("from", "to"), *graph.edges(women)])
    table = READERS[reader](tmp_path / "visits.csv")
    X, row_ids, column_ids = interactions_from_table(table, "from", "to")
    check_csr(X)
    check_ids(row_ids, women)
    assert set(column_ids) == set(events)
    expected = nx.bipartite.biadjacency_matrix(graph, women, list(column_ids))
    np.testing.assert_array_equal(X.toarray(), expected.toarray())
    X, row_ids, column_ids = interactions_from_table(
        table, "from", "to", rows=["nobody", *women[::-1]], columns=events[::-1]
    )
    check_ids(row_ids, ["nobody", *women[::-1]])
    check_ids(column_ids, events[::-1])
    expected = nx.bipartite.biadjacency_matrix(graph, women[::-1], events[::-1])
    assert not X[[0]].nnz
    np.testing.assert_array_equal(X[1:].toarray(), expected.toarray())


EDGES = [("b", "a"), ("a", "b"), ("a", "c"), ("b", "a"), ("c", "c"), ("c", "c")]
WEIGHTS = [1, 2, 4, 8, 16, 32]


def test_what_an_edge_adds():
    A, ids = adjacency_from_edges(EDGES, weight=WEIGHTS)
    check_ids(ids, ["b", "a", "c"])
    np.testing.assert_array_equal(A.toarray(), [[0, 11, 0], [11, 0, 4], [0, 4, 48]])
    A, ids = adjacency_from_edges(EDGES, weight=WEIGHTS, directed=True)
    check_ids(ids, ["b", "a", "c"])
    np.testing.assert_array_equal(A.toarray(), [[0, 9, 0], [2, 0, 4], [0, 0, 48]])
    A, _ = adjacency_from_edges(EDGES)
    np.testing.assert_array_equal(A.toarray(), [[0, 3, 0], [3, 0, 1], [0, 1, 2]])


@settings(deadline=None, max_examples=200, derandomize=True)
@given(data=st.data(), directed=st.booleans(), listed=st.booleans())
def test_matrices_are_those_made_by_hand(data, directed, listed):
    ids = st.sampled_from([0, 1, 2.5, "1", "b", (1, "b"), 2**60, 2**60 + 1, b"1"])
    edges = data.draw(st.lists(st.tuples(ids, ids), min_size=1, max_size=30))
    n = len(edges)
    weights = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    nodes = None
    if listed:
        ends = list({end: 0 for edge in edges for end in edge})
        nodes = data.draw(st.permutations([*ends, "alone"]))
    expected, names = by_hand(edges, weights, directed, nodes)
    frame = pd.DataFrame(
        {
            "source": pd.Series([source for source, _ in edges], dtype=object),
            "target": pd.Series([target for _, target in edges], dtype=object),
            "w": weights,
        }
    )
    for A, found in (
        adjacency_from_edges(edges, weight=weights, directed=directed, nodes=nodes),
        adjacency_from_edges(frame, weight="w", directed=directed, nodes=nodes),
    ):
        check_csr(A)
        check_ids(found, names)
        np.testing.assert_array_equal(A.toarray(), expected)
    X, rows, columns = interactions_from_table(frame, "source", "target", "w")
    check_csr(X)
    check_ids(rows, dict.fromkeys(frame["source"]))
    check_ids(columns, dict.fromkeys(frame["target"]))
    expected, names = by_hand(edges, weights, directed=True)
    order = [[names.index(name) for name in ids.tolist()] for ids in (rows, columns)]
    np.testing.assert_array_equal(X.toarray(), expected[np.ix_(*order)])


def test_undirected_sums_are_symmetric_to_the_last_bit():
    rng = np.random.default_rng(0)
    A, _ = adjacency_from_edges(
        rng.integers(4, size=(999, 2)), weight=rng.uniform(size=999)
    )
    assert (A != A.T).nnz == 0


@pytest.mark.parametrize(
    "edges",
    [
        [[3, 1], [1, 2]],
        ((3, 1), (1, 2)),
        np.array([[3, 1], [1, 2]]),
        np.array([[3, 1], [1, 2]], dtype=np.uint8),
        np.array([[3, 1], [1, 2]], dtype=object),
        np.array([[3.0, 1.0], [1.0, 2.0]]),
        nx.Graph([(3, 1), (1, 2)]).edges,
        nx.Graph([(3, 1), (1, 2)]).edges(),
    ],
)
@pytest.mark.parametrize(
    "weights", [[2, 3], (2, 3), np.array([2, 3]), pl.Series([2, 3])]
)
def test_pairs(edges, weights):
    A, ids = adjacency_from_edges(edges, weight=weights)
    check_ids(ids, [3, 1, 2])
    np.testing.assert_array_equal(A.toarray(), [[0, 2, 0], [2, 0, 3], [0, 3, 0]])


def test_pairs_may_be_given_once_only():
    A, ids = adjacency_from_edges(zip("ab", "bc", strict=True), weight=iter([1, 2]))
    check_ids(ids, ["a", "b", "c"])
    assert A.sum() == 6


@pytest.mark.parametrize(
    "weights",
    [
        [True, False, True],
        np.array([1, 0, 1], dtype=np.int8),
        np.array([1, 0, 1], dtype=np.float32),
        [Decimal(1), np.bool_(False), np.float32(1)],
        pd.array([1, 0, 1], dtype="UInt8"),
    ],
)
def test_numbers_of_all_kinds_are_weights(table, weights):
    expected = [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    A, _ = adjacency_from_edges([(1, 2), (2, 3), (3, 3)], weight=weights)
    check_csr(A)
    np.testing.assert_array_equal(A.toarray(), expected)
    if isinstance(weights, np.ndarray):
        data = {"source": [1, 2, 3], "target": [2, 3, 3], "w": weights}
        A, _ = adjacency_from_edges(table(data), weight="w")
        np.testing.assert_array_equal(A.toarray(), expected)


def test_small_integers_do_not_overflow():
    A, _ = adjacency_from_edges([(1, 2)] * 300, weight=np.full(300, 100, dtype=np.int8))
    assert A[0, 1] == 30000


@pytest.mark.parametrize("ends", [["a", "b"], [1, 2], [0.5, 1.5]])
def test_nodes_without_edges_stay(table, ends):
    source, target = ends
    alone = source * 7
    edges = table({"source": [source], "target": [target]})
    kinds = [list, tuple, np.array, pd.Series, pd.Index, pl.Series, dict.fromkeys, iter]
    for kind in kinds:
        nodes = [alone, target, source]
        A, ids = adjacency_from_edges(edges, nodes=kind(nodes))
        check_ids(ids, nodes)
        np.testing.assert_array_equal(A.toarray(), [[0, 0, 0], [0, 0, 1], [0, 1, 0]])


def test_columns_of_pyarrow_are_nodes_and_weights():
    table = pyarrow.table({"id": ["b", "a"], "w": [1, 2]})
    edges = [("a", "b"), ("b", "b")]
    A, ids = adjacency_from_edges(edges, weight=table["w"], nodes=table["id"])
    check_ids(ids, ["b", "a"])
    np.testing.assert_array_equal(A.toarray(), [[2, 1], [1, 0]])


def test_no_edges_at_all(table):
    empty = table({"source": [], "target": [], "w": []})
    for edges, weight in ((empty, "w"), ([], []), (np.empty((0, 2)), None)):
        A, ids = adjacency_from_edges(edges, weight=weight, nodes=["a", "b"])
        check_csr(A)
        check_ids(ids, ["a", "b"])
        assert A.shape == (2, 2)
        assert A.nnz == 0
        with pytest.raises(
            ValueError, match="edges must have at least one id, got none"
        ):
            adjacency_from_edges(edges, weight=weight)
        with pytest.raises(
            ValueError, match="nodes must have at least one id, got none"
        ):
            adjacency_from_edges(edges, weight=weight, nodes=[])
    X, _, _ = interactions_from_table(
        empty, "source", "target", rows=[1, 2], columns=[1]
    )
    assert X.shape == (2, 1)
    with pytest.raises(
        ValueError, match=r"table must .* got none: pass columns to say"
    ):
        interactions_from_table(empty, "source", "target", rows=[1, 2])


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [
        ([1, 2], np.int64),
        ([-1, 2**63 - 1], np.int64),
        ([2**63, -1], object),
        ([2**70, 1], object),
        ([1, 2.5], object),
        ([0.5, 1.5], np.float64),
        ([False, True], object),
        ([2, True], object),
        (["a", "b\0"], object),
        (["a", 1], object),
        ([(0, 1), (1, 1)], object),
        ([b"a", b"b"], object),
        ([datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)], object),
    ],
)
def test_ids_are_what_was_given(ids, dtype):
    _, found = adjacency_from_edges([tuple(ids)])
    assert found.dtype == dtype
    check_ids(found, ids)
    assert [type(value) for value in found.tolist()] == [type(value) for value in ids]


def test_large_integers_are_not_rounded(table):
    edges = {"source": [2**53, 2**53 + 1], "target": [2**53 + 2, 2**53 + 3]}
    for given_edges in (
        table(edges),
        pd.DataFrame(edges, dtype="Int64"),
        pl.DataFrame(edges, schema_overrides={"source": pl.UInt64}),
        np.array(list(edges.values())).T,
    ):
        _, ids = adjacency_from_edges(given_edges)
        assert ids.dtype == np.int64
        check_ids(ids, [2**53, 2**53 + 2, 2**53 + 1, 2**53 + 3])


def test_ids_that_are_equal_are_one_node():
    A, ids = adjacency_from_edges([(1, "1"), (1.0, "1"), (True, np.int64(1))])
    check_ids(ids, [1, "1"])
    np.testing.assert_array_equal(A.toarray(), [[1, 2], [2, 0]])


def test_dates_are_ids(table):
    days = [datetime.datetime(2020, 1, day, 12) for day in (3, 1, 2)]
    edges = table({"source": days[:2], "target": days[1:]})
    for nodes in (None, days):
        A, ids = adjacency_from_edges(edges, nodes=nodes)
        check_ids(ids, days)
        assert A.sum() == 4
    edges = np.array(days, dtype="datetime64[ns]")
    _, ids = adjacency_from_edges([], nodes=edges)
    check_ids(ids, edges)


@pytest.mark.parametrize("dtype", ["category", "string", "string[pyarrow]", object])
def test_text_of_pandas(dtype):
    edges = pd.DataFrame({"source": ["b", "a"], "target": ["a", "c"]}, dtype=dtype)
    A, ids = adjacency_from_edges(edges)
    check_ids(ids, ["b", "a", "c"])
    assert set(map(type, ids)) == {str}
    assert A.sum() == 4
    edges.loc[1, "target"] = None
    with pytest.raises(
        ValueError, match=r"missing ids, got .* as target at position 1"
    ):
        adjacency_from_edges(edges)


def test_columns_may_be_numbered():
    A, ids = adjacency_from_edges(pd.DataFrame([[1, 2, 5]]), 1, 0, 2, directed=True)
    check_ids(ids, [2, 1])
    np.testing.assert_array_equal(A.toarray(), [[0, 5], [0, 0]])


def test_rows_count_by_position_whatever_the_index():
    edges = pd.DataFrame({"source": [1, 2], "target": [2, None]}, index=[7, 7])
    with pytest.raises(ValueError, match=r"nan of type float as target at position 1"):
        adjacency_from_edges(edges)
    A, _ = adjacency_from_edges(edges.fillna(3))
    assert A.nnz == 4


def test_tables_stay_as_they_are(table):
    def make():
        return table(
            {"source": ["a", "b"], "target": ["b", "c"], "w": [1.0, 0.0], "x": [1, 2]}
        )

    edges = make()
    adjacency_from_edges(edges, weight="w", nodes=["a", "b", "c"])
    interactions_from_table(edges, "source", "target", "w")
    assert edges.equals(make())
    pairs, weights, nodes = np.array([[1, 2], [2, 3]]), np.array([1.0, 0.0]), [3, 1, 2]
    adjacency_from_edges(pairs, weight=weights, nodes=nodes)
    np.testing.assert_array_equal(pairs, [[1, 2], [2, 3]])
    np.testing.assert_array_equal(weights, [1, 0])
    assert nodes == [3, 1, 2]


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
@pytest.mark.parametrize("weight", ["weight", "cost", None])
def test_matrices_of_graphs_are_those_of_networkx(kind, weight):
    graph = kind()
    graph.add_nodes_from(["alone", (1, 2)])
    graph.add_edge("b", "a", weight=2, cost=0.25)
    graph.add_edge("a", "b", weight=4)
    graph.add_edge("a", "b", weight=8, cost=3)
    graph.add_edge((1, 2), (1, 2), weight=5)
    graph.add_edge((1, 2), (1, 2))
    graph.add_edge(7, "a")
    for nodes in (None, [7, "b", "a", (1, 2), "alone"]):
        A, ids = adjacency_from_networkx(graph, weight=weight, nodes=nodes)
        check_csr(A)
        check_ids(ids, graph if nodes is None else nodes)
        expected = nx.to_scipy_sparse_array(graph, nodelist=nodes, weight=weight)
        np.testing.assert_array_equal(A.toarray(), expected.toarray())


@pytest.mark.parametrize("name", GRAPHS)
def test_shipped_graphs_are_those_of_networkx(name):
    graph = GRAPHS[name]()
    A, ids = adjacency_from_networkx(graph)
    check_ids(ids, graph)
    np.testing.assert_array_equal(
        A.toarray(), nx.to_scipy_sparse_array(graph).toarray()
    )


def test_graphs_of_no_weight_and_no_edges():
    A, ids = adjacency_from_networkx(nx.Graph([(1, 2, {"weight": 0})]))
    check_csr(A)
    check_ids(ids, [1, 2])
    A, ids = adjacency_from_networkx(nx.Graph([(1, 2)]), nodes=[2, 1, 9])
    check_ids(ids, [2, 1, 9])
    assert A.nnz == 2
    with pytest.raises(ValueError, match="graph must have at least one id"):
        adjacency_from_networkx(nx.Graph())


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT")])
def test_missing_ids(missing):
    ids = pd.Series(["a", missing, "b"], dtype=object)
    table = pd.DataFrame({"source": ["x", "y", "z"], "target": ids})
    where = r".* as target at position 1: drop such rows"
    with pytest.raises(ValueError, match="edges must have no missing ids, got" + where):
        adjacency_from_edges(table)
    with pytest.raises(ValueError, match="edges must have no missing ids, got" + where):
        adjacency_from_edges(list(table.itertuples(index=False, name=None)))
    where = where.replace("target", "column")
    with pytest.raises(ValueError, match="table must have no missing ids, got" + where):
        interactions_from_table(table, "source", "target")
    with pytest.raises(ValueError, match=r"nodes must have no missing .* as id at pos"):
        adjacency_from_edges([("a", "b")], nodes=ids)


@pytest.mark.parametrize(
    "ids",
    [
        pd.array([1, None, 2**60], dtype="Int64"),
        pd.Categorical(["a", None, "b"]),
        pd.to_datetime(["2020-01-01", None, "2021-01-01"]),
        pl.Series(["a", None, "b"]),
        pl.Series([1, None, 2]),
        pl.Series([1.0, float("nan"), 2.0]),
    ],
)
def test_missing_ids_in_typed_columns(ids):
    library = pl if isinstance(ids, pl.Series) else pd
    table = library.DataFrame({"row": [1, 1, 1], "column": ids})
    with pytest.raises(
        ValueError, match=r"no missing ids, got .* as column at position 1"
    ):
        interactions_from_table(table, "row", "column")
    with pytest.raises(
        ValueError, match=r"no missing ids, got .* as source at position 1"
    ):
        adjacency_from_edges(table, "column", "row")


@pytest.mark.parametrize(
    ("weight", "shown"),
    [
        (None, "None of type NoneType"),
        (np.nan, "nan of type float"),
        (np.inf, "inf of type float"),
        (-np.inf, "-inf of type float"),
        (-1, "-1 of type int"),
        (-1e-300, "-1e-300 of type float"),
        ("2", "'2' of type str"),
        (1j, "1j of type complex"),
        (pd.NA, "<NA> of type NAType"),
        ([1], r"\[1\] of type list"),
        (datetime.date(2020, 1, 1), r"datetime.date\(2020, 1, 1\) of type date"),
    ],
)
def test_bad_weights(weight, shown):
    message = (
        f"^weight must hold finite numbers of at least 0, got {shown} at position 2 of "
    )
    weights = [1, 0.5, weight, weight]
    edges = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]
    with pytest.raises(ValueError, match=message + r"edges \(source 'c', target 'd'\)"):
        adjacency_from_edges(edges, weight=weights)
    table = pd.DataFrame(edges, columns=["source", "target"])
    table["w"] = pd.Series(weights, dtype=object)
    with pytest.raises(ValueError, match=message + r"edges \(source 'c', target 'd'\)"):
        adjacency_from_edges(table, weight="w")
    with pytest.raises(ValueError, match=message + r"table \(row 'c', column 'd'\)"):
        interactions_from_table(table, "source", "target", "w")
    graph = nx.DiGraph()
    for edge, value in zip(edges, weights, strict=True):
        graph.add_edge(*edge, weight=value)
    with pytest.raises(ValueError, match=message + r"graph \(source 'c', target 'd'\)"):
        adjacency_from_networkx(graph)


def test_bad_weights_in_typed_columns(table):
    data = {"source": [1, 2, 3], "target": [2, 3, 1], "w": ["1", "2", "3"]}
    with pytest.raises(ValueError, match="got '1' of type str at position 0"):
        adjacency_from_edges(table(data), weight="w")
    data["w"] = [1.0, 2.0, None]
    with pytest.raises(ValueError, match=r"got (nan|None) of type .* at position 2"):
        adjacency_from_edges(table(data), weight="w")
    data["w"] = [0, 0, -1]
    with pytest.raises(ValueError, match="got -1 of type int at position 2"):
        adjacency_from_edges(table(data), weight="w")


def test_unknown_columns(table):
    edges = table({"source": [1], "target": [2], "w": [3]})
    known = r"a column of edges, one of \['source', 'target', 'w'\], got "
    for options, message in (
        ({"source": "from"}, f"^source must be the name of {known}'from' of type str"),
        ({"target": None}, f"^target must be the name of {known}None of type NoneType"),
        ({"weight": "weight"}, f"^weight must be the name of {known}'weight'"),
        ({"weight": [3]}, rf"^weight must be the name of {known}\[3\] of type list"),
        (
            {"weight": pd.Series([3])},
            f"^weight must be .* {known}0    3 of type Series",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            adjacency_from_edges(edges, **options)
    with pytest.raises(
        ValueError, match=r"^column must be the name of a column of table"
    ):
        interactions_from_table(edges, "source", "item")


def test_columns_of_one_name():
    table = pd.DataFrame([[1, 2]], columns=["source", "source"])
    with pytest.raises(ValueError, match="unique column names"):
        adjacency_from_edges(table, target="source")


def test_ids_that_are_not_listed(table):
    edges = table({"source": ["a", "b", "c"], "target": ["b", "d", "e"]})
    with pytest.raises(
        ValueError,
        match=r"^nodes must hold all ids of edges, got none equal to 'd' of type str "
        "as target at position 1: add it to nodes, or leave it out of edges",
    ):
        adjacency_from_edges(edges, nodes=["c", "b", "a"])
    with pytest.raises(
        ValueError, match=r"rows must .* 'b' of type str as row at pos.* 1"
    ):
        interactions_from_table(edges, "source", "target", rows=["a", "c"])
    with pytest.raises(
        ValueError, match=r"columns must .* 'e' .* as column at pos.* 2"
    ):
        interactions_from_table(edges, "source", "target", columns=["b", "d"])
    with pytest.raises(
        ValueError, match=r"nodes must .* graph, got .* 2 of type int as t"
    ):
        adjacency_from_networkx(nx.path_graph(4), nodes=[0, 1, 3])
    with pytest.raises(ValueError, match="got none equal to 1 of type int"):
        adjacency_from_edges([(1, 2)], nodes=["1", "2"])


def test_ids_listed_twice():
    message = "must have each id once, got 2 of type int as id at position 3 again"
    twice = [1, 2, 3, 2, 1]
    table = pd.DataFrame({"row": [1], "column": [2]})
    with pytest.raises(ValueError, match=r"^nodes " + message):
        adjacency_from_edges([(1, 2)], nodes=twice)
    with pytest.raises(ValueError, match=r"^nodes " + message):
        adjacency_from_networkx(nx.Graph([(1, 2)]), nodes=twice)
    with pytest.raises(ValueError, match=r"^rows " + message):
        interactions_from_table(table, "row", "column", rows=twice)
    with pytest.raises(ValueError, match=r"^columns " + message):
        interactions_from_table(table, "row", "column", columns=twice)


def test_ids_that_cannot_be_hashed():
    message = r"must have ids that can be hashed, such .* got \[2\] of type list as "
    with pytest.raises(TypeError, match=f"^edges {message}target at position 1"):
        adjacency_from_edges([(1, 2), (2, [2])])
    with pytest.raises(TypeError, match=f"^nodes {message}id at position 1"):
        adjacency_from_edges([(1, 2)], nodes=[1, [2]])
    with pytest.raises(TypeError, match=f"^table {message}row at position 0"):
        interactions_from_table(pl.DataFrame({"a": [[2]], "b": [1]}), "a", "b")


@pytest.mark.parametrize(
    "nodes", [{1, 2}, frozenset([1, 2]), "12", b"12", 2, pd.DataFrame({1: [2]})]
)
def test_ids_listed_in_no_order(nodes):
    with pytest.raises(
        TypeError, match=r"^nodes must be ids in an order, as in a list"
    ):
        adjacency_from_edges([(1, 2)], nodes=nodes)


@pytest.mark.parametrize(
    ("edges", "shown"),
    [
        (np.ones((2, 3)), r"\[1.0, 1.0, 1.0\] of type list at position 0"),
        (np.ones(2), "1.0 of type float at position 0"),
        ([("a", "b"), ("a", "b", 1)], r"\('a', 'b', 1\) of type tuple at position 1"),
        ([("a", "b"), "ab"], "'ab' of type str at position 1"),
        ([("a", "b"), {"a", "b"}], "of type set at position 1"),
        (
            nx.path_graph(2).edges(data=True),
            r"\(0, 1, {}\) of type tuple at position 0",
        ),
        (sp.csr_array(np.eye(2)), "of type csr_array at position 0"),
    ],
)
def test_what_is_not_pairs(edges, shown):
    with pytest.raises(ValueError, match=f"^edges must be a table or pairs .*{shown}"):
        adjacency_from_edges(edges)


@pytest.mark.parametrize(
    "edges", ["ab", 5, None, {("a", "b"): 1}, nx.grid_2d_graph(2, 2)]
)
def test_what_is_neither_table_nor_pairs(edges):
    message = f"pairs of ids, got {type(edges).__name__}: graphs of networkx go to"
    with pytest.raises(TypeError, match=message):
        adjacency_from_edges(edges)


def test_arguments_that_tables_alone_have():
    for name in ("source", "target"):
        for value in ("from", 0, np.ones(2)):
            with pytest.raises(TypeError, match=f"^{name} must be left out where"):
                adjacency_from_edges([(1, 2)], **{name: value})
    for weight in ("w", 1):
        with pytest.raises(
            TypeError, match=r"^weight must be an array of numbers where"
        ):
            adjacency_from_edges([(1, 2)], weight=weight)


def test_weights_of_another_number():
    with pytest.raises(
        ValueError, match=r"^weight must have shape \(2,\), .* got 3 of"
    ):
        adjacency_from_edges([(1, 2), (2, 3)], weight=[1, 2, 3])


def test_containers_of_another_kind():
    with pytest.raises(TypeError, match=r"^table must be a DataFrame .*, got list"):
        interactions_from_table([(1, 2)], "row", "column")
    for graph in (pd.DataFrame({"source": [1]}), [(1, 2)], np.eye(2)):
        with pytest.raises(TypeError, match=r"^graph must be a graph of networkx, got"):
            adjacency_from_networkx(graph)


def test_matrices_go_into_embedders():
    A, ids = adjacency_from_networkx(nx.les_miserables_graph())
    vectors = GraphEmbedder(4, max_iter=2).fit_transform(A)
    assert vectors.shape == (len(ids), 4)
    table = pd.DataFrame(nx.davis_southern_women_graph().edges, columns=["a", "b"])
    X, women, events = interactions_from_table(table, "a", "b")
    embedder = BipartiteEmbedder(4, max_iter=2).fit(X)
    assert embedder.transform(X).shape == (len(women), 4)
    assert embedder.column_embedding_.shape == (len(events), 4)
