"""Fits over Dask arrays: the bytes of one machine, whatever the parts and workers."""

import os
import signal
import subprocess
import sys
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skemb import BipartiteEmbedder, CooccurrenceEmbedder, GraphEmbedder
from skemb._normalizer import GaussianNormalizer
from skemb._operators import SparseOperator
from skemb._parallel import SPAN
from skemb._trainer import Side
from skemb.metrics import normalizer_error

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

from dask.sizeof import sizeof  # noqa: E402 - as Dask may be missing

from skemb._dask import (  # noqa: E402 - the same
    DaskWorkers,
    _narrow,
    _OperatorPart,
    _sendable,
    _threads,
)

N_NODES = SPAN + 5000


def ring(n_nodes, dtype=np.float32):
    """Return a graph of neighbours near and far, some of its nodes isolated."""
    rng = np.random.default_rng(0)
    heads = np.arange(0, n_nodes - 50)
    far = rng.integers(0, n_nodes - 50, len(heads))
    tails = np.concatenate([(heads + 1) % len(heads), far])
    edges = np.concatenate([heads, heads]), tails
    weights = rng.random(len(tails)).astype(dtype) + dtype(0.5)
    A = sp.coo_array((weights, edges), shape=(n_nodes, n_nodes)).tocsr()
    return (A + A.T).tocsr()


@pytest.fixture(autouse=True)
def small_blocks():
    """Leave blocks as they are: workers would not know of others."""


@pytest.fixture(scope="module")
def graph():
    return ring(N_NODES)


@pytest.fixture(scope="module")
def interactions():
    """Return rows and columns of two parts each, some with the same entry twice."""
    rng = np.random.default_rng(1)
    shape = SPAN + 3000, SPAN + 1000
    columns = rng.integers(0, shape[1], 3 * shape[0])
    columns[3:6] = columns[3]
    indptr = np.arange(0, len(columns) + 1, 3)
    data = rng.random(len(columns), dtype=np.float32)
    return sp.csr_array((data, columns, indptr), shape=shape)


def in_chunks(X, rows, columns=None, convert=lambda block: block):
    """Return a Dask array of blocks of X."""
    columns = columns or X.shape[1]
    sizes = zip(X.shape, (rows, columns), strict=True)
    pairs = [list(pairwise([*range(0, n, size), n])) for n, size in sizes]
    return da.block(
        [
            [
                da.from_delayed(
                    dask.delayed(convert(X[top:bottom, left:right])),
                    (bottom - top, right - left),
                    X.dtype,
                    meta=sp.csr_array((0, 0), dtype=X.dtype),
                )
                for left, right in pairs[1]
            ]
            for top, bottom in pairs[0]
        ]
    )


def assert_same_fit(got, expected):
    attributes = {name for name in vars(expected) if name.endswith("_")}
    assert {name for name in vars(got) if name.endswith("_")} == attributes
    for name in attributes:
        value = getattr(got, name)
        assert type(value) is type(getattr(expected, name))
        np.testing.assert_array_equal(value, getattr(expected, name), err_msg=name)


quiet = pytest.mark.filterwarnings("ignore:.*have no affinity to any context")


@quiet
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"walk_length": 1, "init": "propagated"},
        {"walk_length": 2, "n_gaussians": 5, "context_power": 0.5, "n_jobs": 2},
        {"walk_length": 1, "symmetric": False, "mean_penalty": 0.3},
        {"walk_length": 2, "symmetric": False, "principal_axes": True},
    ],
)
def test_bytes_of_a_graph(graph, parameters):
    embedder = GraphEmbedder(4, max_iter=2, random_state=0, **parameters)
    local = embedder.fit(graph)
    assert_same_fit(clone(embedder).fit(in_chunks(graph, 50_000)), local)


@pytest.mark.parametrize("n_gaussians", [1, 7])
def test_bytes_of_interactions(interactions, n_gaussians):
    def embedder():
        return BipartiteEmbedder(4, n_gaussians=n_gaussians, max_iter=2, random_state=0)

    local = embedder().fit(interactions)
    assert_same_fit(embedder().fit(in_chunks(interactions, SPAN)), local)
    assert_same_fit(embedder().fit(in_chunks(interactions, 30_000)), local)


@quiet
def test_start_from_vectors_and_from_the_last_fit(graph):
    start = np.random.default_rng(3).standard_normal((N_NODES, 4))
    first, second = (
        GraphEmbedder(4, max_iter=2, init=start, random_state=0, warm_start=True)
        for _ in range(2)
    )
    X = in_chunks(graph, SPAN)
    assert_same_fit(first.fit(X), second.fit(graph))
    assert_same_fit(first.fit(X), second.fit(graph))


@pytest.mark.parametrize(
    "chunks",
    [
        {"rows": 7, "columns": 13},
        {"rows": 40, "convert": lambda block: block.toarray()},
        {"rows": 30, "convert": sp.coo_array},
        {"rows": 30, "convert": sp.csc_matrix},
    ],
)
def test_any_chunks(chunks):
    A = ring(120, np.float64)[:60, :60]
    embedder = GraphEmbedder(4, max_iter=3, random_state=0)
    expected = embedder.fit(A).embedding_
    np.testing.assert_array_equal(
        embedder.fit(in_chunks(A, **chunks)).embedding_, expected
    )


@pytest.fixture
def short_spans(monkeypatch):
    """Let small data have parts of several spans, and sums of many."""
    for module in ("_parallel", "_trainer", "_dask"):
        monkeypatch.setattr(f"skemb.{module}.SPAN", 32)


@quiet
@pytest.mark.filterwarnings("ignore:.*have incoming edges alone")
@pytest.mark.parametrize("chunk", [20, 64, 90])
@pytest.mark.parametrize(
    "embedder",
    [
        GraphEmbedder(4, n_gaussians=3, max_iter=3, random_state=0),
        GraphEmbedder(4, symmetric=False, walk_length=2, max_iter=3, random_state=0),
        BipartiteEmbedder(4, n_gaussians=5, max_iter=3, random_state=0),
        BipartiteEmbedder(4, principal_axes=True, max_iter=3, random_state=0),
    ],
)
def test_parts_of_several_spans(short_spans, embedder, chunk):
    X = ring(250, np.float64)[:200, :200].tolil()
    X[64:128] = 0  # a part that names nothing
    X = X.tocsr()
    if isinstance(embedder, BipartiteEmbedder):
        X = X[:, :96]
    local = clone(embedder).fit(X)
    assert_same_fit(clone(embedder).fit(in_chunks(X, chunk)), local)
    with dask.config.set({"skemb.output": "dask"}):
        kept = clone(embedder).fit(in_chunks(X, chunk))
    np.testing.assert_array_equal(kept.embedding_, local.embedding_)
    np.testing.assert_array_equal(kept.transform(in_chunks(X, 33)), local.transform(X))


def test_new_rows_take_the_dtype_of_fit():
    A = ring(200)[:100, :100]
    embedder = GraphEmbedder(4, max_iter=2, random_state=0).fit(A)
    got = embedder.transform(in_chunks(A.astype(np.float64), 30))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, embedder.transform(A))


def test_chunks_of_no_rows():
    A = ring(120)[:60, :60]
    X = in_chunks(A, 30)
    embedder = GraphEmbedder(4, max_iter=2, random_state=0)
    expected = embedder.fit(A).embedding_
    got = embedder.fit(da.concatenate([X[:0], X, X[:0]])).embedding_
    np.testing.assert_array_equal(got, expected)


def test_one_array_for_contexts_that_are_read_as_they_are(interactions):
    embedder = BipartiteEmbedder(4, n_gaussians=3, max_iter=1, random_state=0)
    conditional = embedder.fit(in_chunks(interactions, SPAN))._conditional
    assert conditional.source is conditional.contexts


def test_rows_keep_what_they_stand_in_for_and_no_more():
    with DaskWorkers(SPAN) as workers:
        first, second, third = (
            workers.built(lambda start, stop: np.ones((stop - start, 2)), (5, 2), float)
            for _ in range(3)
        )
        second, _ = workers.fill(first, _double, (first,), 2)
        third, _ = workers.fill(second, _double, (second,), 2)
    assert third.previous is second
    assert second.previous is None
    np.testing.assert_array_equal(workers.fetched(third), np.full((5, 2), 4.0))


def _double(rows, out):
    out[:] = 2 * rows
    return ()


def test_threads_of_tasks():
    assert DaskWorkers(SPAN).n_jobs == 1
    assert DaskWorkers(SPAN, -1).n_jobs == -1
    with parallel_config("threading", n_jobs=3):
        assert DaskWorkers(SPAN).n_jobs == 3


def test_priors_stay_where_they_are():
    prior = np.full(5, 0.2)
    normalizer = GaussianNormalizer(prior, 0.25, 1)
    sent = _sendable(partial(_double, normalizer)).compute().args[0]
    assert sent.prior is None
    assert normalizer.prior is prior


def test_dask_knows_how_large_parts_are():
    A = ring(2000)
    part = _narrow(A, SPAN)
    n_bytes = A.data.nbytes + A.indices.nbytes + A.indptr.nbytes
    assert sizeof(part) >= n_bytes
    operator = SparseOperator(part.affinity, np.ones(part.affinity.shape[1]))
    assert sizeof(_OperatorPart(operator, part)) >= n_bytes


def test_few_columns_are_summed_exactly():
    rng = np.random.default_rng(0)
    X = sp.csr_array(rng.random((300, 20)) < 0.5).astype(np.float64)
    first, second = (BipartiteEmbedder(4, random_state=0) for _ in range(2))
    assert_same_fit(first.fit(in_chunks(X, 100)), second.fit(X))


def test_new_rows(interactions):
    embedder = BipartiteEmbedder(4, n_gaussians=3, max_iter=1, random_state=0)
    embedder.fit(interactions)
    new = interactions[:500]
    X = in_chunks(new, 200)
    np.testing.assert_array_equal(embedder.transform(X), embedder.transform(new))
    np.testing.assert_array_equal(
        embedder.score_samples(X[:20]), embedder.score_samples(new[:20])
    )
    assert embedder.score(X[:20]) == embedder.score(new[:20])
    for got, expected in zip(
        embedder.recommend(X[:20], 3), embedder.recommend(new[:20], 3), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


def test_dask_arrays_on_request(interactions):
    def embedder():
        return BipartiteEmbedder(
            4, n_gaussians=3, max_iter=1, principal_axes=True, random_state=0
        )

    expected = embedder().fit(interactions)
    new = interactions[:50]
    with dask.config.set({"skemb.output": "dask"}):
        got = embedder().fit(in_chunks(interactions, SPAN))
        for name in ("embedding_", "column_embedding_"):
            assert isinstance(getattr(got, name), da.Array)
            np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))
        vectors = got.transform(in_chunks(new, 20))
        assert isinstance(vectors, da.Array)
    assert vectors.chunks == ((50,), (4,))
    np.testing.assert_array_equal(vectors, expected.transform(new))
    np.testing.assert_array_equal(got.transform(new), expected.transform(new))
    assert got.score(new) == got.score(in_chunks(new, 20)) == expected.score(new)
    np.testing.assert_array_equal(got.recommend(new, 2), expected.recommend(new, 2))


def test_fit_transform_on_request(interactions):
    embedder = BipartiteEmbedder(4, n_gaussians=3, max_iter=1, random_state=0)
    with dask.config.set({"skemb.output": "dask"}):
        Z = embedder.fit_transform(in_chunks(interactions, SPAN))
    assert isinstance(Z, da.Array)
    np.testing.assert_array_equal(Z, embedder.fit_transform(interactions))


def test_other_embedders_compute():
    X = sp.csr_array(np.random.default_rng(0).poisson(0.5, (60, 12)).astype(float))
    embedder = CooccurrenceEmbedder(4, max_iter=2, random_state=0)
    expected = embedder.fit(X).feature_embedding_
    got = embedder.fit(in_chunks(X, 25)).feature_embedding_
    np.testing.assert_array_equal(got, expected)


def test_epochs_are_reported(capsys):
    A = in_chunks(ring(120)[:60, :60], 30)
    GraphEmbedder(4, max_iter=2, verbose=1).fit(A)
    assert capsys.readouterr().out.count("[GraphEmbedder] epoch") == 2


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (da.ones((5, 5, 5)), r"X must have two dimensions, got .* \(5, 5, 5\)"),
        (da.ones((9, 5), chunks=4), r"X must be a square affinity matrix .* \(9, 5\)"),
        (-da.ones((9, 9), chunks=4), "Negative values in data"),
        (da.full((9, 9), np.nan, chunks=4), "Input X contains NaN"),
        (da.full((9, 9), 1e-320, chunks=4), "X must have sums of rows from"),
        (da.ones((9, 9))[da.ones(9) > 0], "X must be a Dask array of known shape"),
        (da.ones((0, 4)), r"X must have rows and columns, got shape \(0, 4\)"),
        (da.from_array(np.full((9, 9), "a")), "could not convert string to float"),
    ],
)
def test_bad_arrays(X, message):
    with pytest.raises(ValueError, match=message):
        GraphEmbedder(4).fit(X)


def test_bad_calls():
    A = ring(120)[:60, :60]
    X = in_chunks(A, 30)
    embedder = GraphEmbedder(4, max_iter=2, random_state=0).fit(A)
    with pytest.raises(ValueError, match="X has 30 features, but GraphEmbedder is"):
        embedder.transform(X[:, :30])
    for normalizer in ("sampled", lambda prior, temperature: None):
        with pytest.raises(ValueError, match=r'normalizer must be "gaussian" or "ex'):
            GraphEmbedder(4, normalizer=normalizer).fit(X)


@pytest.mark.parametrize("shape", [(25, 60), (35, 60), (30, 50), (30, 70)])
def test_blocks_of_another_shape_than_they_say(shape):
    blocks = [
        da.from_delayed(dask.delayed(np.ones)(true), (30, 60), float)
        for true in ((30, 60), shape)
    ]
    with pytest.raises(ValueError, match=r"chunks say, of shape \(30, 60\), got \("):
        BipartiteEmbedder(4).fit(da.concatenate(blocks))


def test_unknown_output():
    X = in_chunks(ring(120)[:60, :60], 30)
    with (
        dask.config.set({"skemb.output": "Dask"}),
        pytest.raises(ValueError, match=r"skemb.output must be .* got 'Dask'"),
    ):
        GraphEmbedder(4, max_iter=1).fit(X)


def test_arrays_are_checked_by_an_embedder_with_dask_arrays():
    X = in_chunks(ring(120)[:60, :60], 30)
    with dask.config.set({"skemb.output": "dask"}):
        embedder = GraphEmbedder(4, max_iter=1, n_gaussians=60).fit(X)
    unknown = X[da.ones(60, chunks=30) > 0]
    for call in (embedder.transform, embedder.fit):
        with pytest.raises(ValueError, match="X must be a Dask array of known shape"):
            call(unknown)
    assert normalizer_error(embedder) < 1e-6


def test_a_failed_fit_changes_nothing():
    A = ring(120)[:60, :60]
    embedder = GraphEmbedder(4, max_iter=2, random_state=0).fit(A)
    before = embedder.embedding_
    with pytest.raises(ValueError, match="Negative values"):
        embedder.fit(in_chunks(-A, 30))
    assert embedder.embedding_ is before


def test_dask_is_imported_for_its_arrays_alone():
    code = """
import sys, numpy as np
from skemb import GraphEmbedder
GraphEmbedder(2, max_iter=1).fit(np.ones((4, 4)))
assert not {"dask", "distributed"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# --- On a cluster of processes


@pytest.fixture
def cluster(request):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=request.param,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def large_graph():
    return ring(4 * SPAN)


@pytest.fixture(scope="module")
def local_fit(large_graph):
    with pytest.warns(UserWarning, match="have no affinity"):
        return GraphEmbedder(4, max_iter=4, random_state=0).fit(large_graph)


# Of the tests' own: the graph goes to the cluster with the tasks.
on_cluster = pytest.mark.filterwarnings("ignore:Sending large graph")


@quiet
@on_cluster
@pytest.mark.parametrize("cluster", [1, 2, 4], indirect=True)
def test_bytes_for_any_number_of_workers(cluster, large_graph, local_fit):
    embedder = GraphEmbedder(4, max_iter=4, random_state=0)
    assert_same_fit(embedder.fit(in_chunks(large_graph, SPAN)), local_fit)


@quiet
@on_cluster
@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_a_killed_worker_costs_time_alone(cluster, large_graph, local_fit, monkeypatch):
    step, epochs = Side.step, []
    victim = next(iter(cluster.run(os.getpid).values()))

    def step_with_a_death(side, *arguments):
        epochs.append(side)
        if len(epochs) == 3:
            os.kill(victim, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        return step(side, *arguments)

    monkeypatch.setattr(Side, "step", step_with_a_death)
    embedder = GraphEmbedder(4, max_iter=4, random_state=0)
    assert_same_fit(embedder.fit(in_chunks(large_graph, SPAN)), local_fit)
    assert len(epochs) == 4
    assert victim not in cluster.run(os.getpid).values()


@pytest.mark.parametrize("cluster", [1], indirect=True)
def test_tasks_may_have_threads(cluster):
    assert cluster.submit(lambda: _threads(3).n_jobs).result() == 3


@on_cluster
@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_grid_search_over_a_cluster(cluster):
    A = ring(200)[:100, :100]
    search = GridSearchCV(
        GraphEmbedder(4, max_iter=3, random_state=0), {"temperature": [0.2, 0.5]}, cv=2
    )
    expected = search.fit(A).cv_results_["mean_test_score"]
    with parallel_config("dask"):
        got = search.fit(A).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(got, expected)
