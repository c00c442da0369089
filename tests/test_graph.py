"""What GraphEmbedder promises beyond scikit-learn's checks, blind spots first."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from conftest import random_graph
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

FORMATS = ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"]
ISOLATED = "ignore:.*rows of X have no affinity:UserWarning"
DEAD_ENDS = "ignore:.*nodes of X have incoming edges alone:UserWarning"


def block_graph(n_blocks=3, size=30, seed=0):
    """Return a graph of dense blocks with sparse links between, and its labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(n_blocks), size)
    density = np.where(labels[:, None] == labels, 0.45, 0.04)
    upper = np.triu(rng.random(density.shape) < density, 1)
    return sp.csr_array((upper | upper.T).astype(np.float64)), labels


def new_rows(graph, n_rows, seed=9):
    """Return affinities of nodes never seen to those of the graph."""
    rng = np.random.default_rng(seed)
    A = np.where(rng.random((n_rows, graph.shape[0])) < 0.1, rng.random(), 0)
    A[:, 0] = 0.5
    return sp.csr_array(A)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"walk_length": 1},
        {"symmetric": False, "walk_length": 2},
        {"n_gaussians": 4, "context_power": 0.75},
        {"n_gaussians": 60},
        {"n_components": 1},
        {"n_components": 100},
    ],
    ids=str,
)
class TestEveryForm:
    def fitted(self, graph, dtype, parameters, **more):
        options = {"n_components": 12, "max_iter": 15, "random_state": 0}
        graph = graph.astype(dtype)
        return GraphEmbedder(**{**options, **parameters, **more}).fit(graph), graph

    def test_unit_rows_in_the_dtype_of_the_input(self, graph, dtype, parameters):
        embedder, _ = self.fitted(graph, dtype, parameters)
        for vectors in (embedder.embedding_, embedder.context_embedding_):
            assert vectors.dtype == dtype
            length = np.linalg.norm(vectors, axis=1)
            np.testing.assert_allclose(length, 1, rtol=10 * np.finfo(dtype).eps)
        assert np.isfinite(embedder.loss_curve_).all()

    def test_fit_transform_is_fit_then_transform(self, graph, dtype, parameters):
        embedder, graph = self.fitted(graph, dtype, parameters)
        again = clone(embedder).fit_transform(graph)
        np.testing.assert_array_equal(again, embedder.embedding_)
        np.testing.assert_array_equal(embedder.transform(graph), embedder.embedding_)

    def test_rows_alone_in_a_batch_and_reordered(self, graph, dtype, parameters):
        embedder, graph = self.fitted(graph, dtype, parameters)
        X = new_rows(graph, 40).astype(dtype)
        batch = embedder.transform(X)
        tolerance = 1e-5 if dtype == np.float32 else 1e-9
        alone = np.vstack([embedder.transform(X[[i]]) for i in range(40)])
        np.testing.assert_allclose(alone, batch, rtol=0, atol=tolerance)
        order = np.random.default_rng(0).permutation(40)
        np.testing.assert_allclose(
            embedder.transform(X[order]), batch[order], rtol=0, atol=tolerance
        )

    def test_same_bytes_for_any_number_of_threads(self, graph, dtype, parameters):
        first, graph = self.fitted(graph, dtype, parameters, n_jobs=1)
        for n_jobs in (2, 4, -1):
            other, _ = self.fitted(graph, dtype, parameters, n_jobs=n_jobs)
            assert other.embedding_.tobytes() == first.embedding_.tobytes()
            assert other.loss_curve_.tobytes() == first.loss_curve_.tobytes()


def test_same_bytes_over_blocks_of_full_size(monkeypatch):
    monkeypatch.setattr("skemb._parallel._BLOCK_SIZE", 2**18)
    graph = random_graph(5000, 0.002, seed=0, dtype=np.float32)
    graph += sp.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(5000, 5000))
    graph = graph.astype(np.float32).tocsr()
    fits = [
        GraphEmbedder(
            64,
            walk_length=walk_length,
            n_gaussians=n_gaussians,
            max_iter=4,
            random_state=0,
            n_jobs=n_jobs,
        ).fit(graph)
        for walk_length, n_gaussians in [(1, 1), (2, 300)]
        for n_jobs in (1, 2, 4)
    ]
    for first, *others in (fits[:3], fits[3:]):
        for other in others:
            assert other.embedding_.tobytes() == first.embedding_.tobytes()
            assert other.loss_curve_.tobytes() == first.loss_curve_.tobytes()


def test_same_bytes_wherever_arrays_lie_in_memory():
    graph = block_graph(2, 5)[0] + sp.eye_array(10)
    rng = np.random.default_rng(0)
    results = set()
    for _ in range(200):
        fragments = [np.empty(size, np.uint8) for size in rng.integers(1, 400, 20)]
        del fragments[::2]
        embedder = GraphEmbedder(4, symmetric=False, max_iter=5, random_state=0)
        results.add(embedder.fit_transform(graph).tobytes())
    assert len(results) == 1


@pytest.mark.parametrize("symmetric", [True, False])
def test_precisions_agree(graph, symmetric):
    double = GraphEmbedder(8, symmetric=symmetric, max_iter=5, random_state=0)
    single = clone(double).fit_transform(graph.astype(np.float32))
    np.testing.assert_allclose(single, double.fit_transform(graph), atol=1e-3)


def containers(A):
    """Yield every form of the same matrix, by name."""
    for name in FORMATS:
        yield f"{name}_array", getattr(sp, f"{name}_array")(A)
        yield f"{name}_matrix", getattr(sp, f"{name}_matrix")(A)
    for name in ("csr", "csc", "coo"):
        yield f"{name} of int64", with_int64_indices(getattr(sp, f"{name}_array")(A))
    yield "list", A.tolist()
    yield "fortran", np.asfortranarray(A)
    yield "DataFrame", pd.DataFrame(A)


def with_int64_indices(A):
    for name in ("row", "col") if A.format == "coo" else ("indices", "indptr"):
        setattr(A, name, getattr(A, name).astype(np.int64))
    return A


@pytest.mark.filterwarnings(
    ISOLATED, DEAD_ENDS, "ignore:X does not have valid feature names"
)
@pytest.mark.parametrize("symmetric", [True, False])
def test_every_container_gives_the_same_embedding(symmetric):
    A = (random_graph(20, 0.1, seed=5).toarray() + np.eye(20, k=1)).round(1)
    embedder = GraphEmbedder(9, symmetric=symmetric, max_iter=6, random_state=0)
    expected = embedder.fit_transform(A)
    for name, X in containers(A):
        got = clone(embedder).fit_transform(X)
        np.testing.assert_allclose(got, expected, atol=1e-12, err_msg=name)
        got = clone(embedder).fit(A).transform(X)
        np.testing.assert_allclose(got, expected, atol=1e-12, err_msg=name)


def test_unsorted_and_duplicate_entries(graph):
    embedder = GraphEmbedder(9, max_iter=6, random_state=0)
    expected = embedder.fit_transform(graph)
    rng = np.random.default_rng(0)
    rows, columns = graph.nonzero()
    order = rng.permutation(2 * len(rows))
    entries = sp.coo_array(
        (
            np.tile(graph.data / 2, 2)[order],
            (np.tile(rows, 2)[order], np.tile(columns, 2)[order]),
        ),
        shape=graph.shape,
    )
    np.testing.assert_allclose(embedder.fit_transform(entries), expected, atol=1e-10)
    # CSR that scipy has not put in order, each entry twice.
    order = np.argsort(np.tile(rows, 2)[::-1], kind="stable")
    messy = sp.csr_array(
        (
            np.tile(graph.data / 2, 2)[::-1][order],
            np.tile(columns, 2)[::-1][order],
            2 * graph.indptr,
        ),
        shape=graph.shape,
    )
    assert not messy.has_canonical_format
    kept = messy.indices.copy()
    np.testing.assert_allclose(embedder.fit_transform(messy), expected, atol=1e-10)
    np.testing.assert_array_equal(messy.indices, kept)


def test_integer_and_boolean_weights(graph):
    links = (graph.toarray() > 0.5) | np.eye(60, dtype=bool)
    embedder = GraphEmbedder(5, max_iter=4, random_state=0)
    expected = embedder.fit_transform(links.astype(float))
    for dtype in (bool, np.int8, np.int64, object):
        X = links.astype(dtype)
        got = GraphEmbedder(5, max_iter=4, random_state=0).fit_transform(X)
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_read_only_memory_map(graph, tmp_path):
    embedder = GraphEmbedder(8, max_iter=5, random_state=0)
    expected = embedder.fit_transform(graph)
    parts = {}
    for name in ("data", "indices", "indptr"):
        np.save(tmp_path / name, getattr(graph, name))
        parts[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    mapped = sp.csr_array(tuple(parts.values()), shape=graph.shape)
    np.testing.assert_array_equal(embedder.fit_transform(mapped), expected)
    np.testing.assert_array_equal(embedder.transform(mapped), expected)
    joblib.dump(embedder, tmp_path / "embedder")
    loaded = joblib.load(tmp_path / "embedder", mmap_mode="r")
    np.testing.assert_array_equal(loaded.transform(graph), expected)


@pytest.mark.filterwarnings(ISOLATED, DEAD_ENDS)
def test_input_is_not_changed(directed_graph):
    before = directed_graph.copy()
    for symmetric in (True, False):
        GraphEmbedder(4, symmetric=symmetric, max_iter=3).fit(directed_graph)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(
            getattr(directed_graph, name), getattr(before, name)
        )


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


def test_fit_transform_returns_a_copy(graph):
    embedder = GraphEmbedder(4, max_iter=3, random_state=0)
    Z = embedder.fit_transform(graph)
    expected = Z.copy()
    Z[:] = 0
    np.testing.assert_array_equal(embedder.embedding_, expected)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e300])
def test_init_of_any_length(graph, scale):
    start = np.random.default_rng(0).standard_normal((60, 4))
    for dtype in (np.float32, np.float64):
        fits = [
            GraphEmbedder(4, init=init, max_iter=3, random_state=0)
            .fit_transform(graph.astype(dtype))
            .astype(float)
            for init in (start, scale * start)
        ]
        np.testing.assert_allclose(fits[0], fits[1], atol=1e-3)


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


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_joblib_backends(backend):
    A, labels = block_graph()
    model = clone(PIPELINE).set_params(graphembedder__n_jobs=2)
    expected = cross_val_score(model, A, labels, cv=3)
    with joblib.parallel_config(backend, n_jobs=2):
        search = GridSearchCV(model, {"graphembedder__walk_length": [3]}, cv=3)
        search.fit(A, labels)
    assert search.best_score_ == expected.mean()


def test_pickle_joblib_clone_and_html(graph, tmp_path):
    embedder = GraphEmbedder(8, n_gaussians=3, max_iter=5, random_state=0).fit(graph)
    X = new_rows(graph, 5)
    expected = embedder.transform(X), embedder.score_samples(X)
    joblib.dump(embedder, tmp_path / "embedder")
    for copy in (
        pickle.loads(pickle.dumps(embedder)),
        joblib.load(tmp_path / "embedder"),
    ):
        np.testing.assert_array_equal(copy.transform(X), expected[0])
        np.testing.assert_array_equal(copy.score_samples(X), expected[1])
    assert clone(embedder).get_params() == embedder.get_params()
    assert not hasattr(clone(embedder), "embedding_")
    assert "GraphEmbedder" in embedder._repr_html_()
    assert "n_gaussians=3" in repr(embedder)


def test_parameters_survive_fit(graph):
    embedder = GraphEmbedder(200, n_gaussians=500, max_iter=3, random_state=0)
    before = embedder.get_params()
    embedder.fit(graph)
    assert embedder.get_params() == before


def test_names_and_pandas_output(graph):
    nodes = [f"node {i}" for i in range(60)]
    X = pd.DataFrame(graph.toarray(), index=nodes, columns=nodes)
    embedder = GraphEmbedder(4, max_iter=3, random_state=0).set_output(
        transform="pandas"
    )
    table = embedder.fit_transform(X)
    assert list(table.index) == nodes
    names = [f"graphembedder{k}" for k in range(4)]
    assert list(table.columns) == list(embedder.get_feature_names_out()) == names
    pd.testing.assert_frame_equal(embedder.transform(X), table)
    assert list(embedder.feature_names_in_) == nodes


def test_random_state(graph):
    def embedding(seed):
        return GraphEmbedder(6, max_iter=3, random_state=seed).fit_transform(graph)

    np.testing.assert_array_equal(embedding(1), embedding(1))
    np.testing.assert_array_equal(embedding(np.random.RandomState(1)), embedding(1))
    assert np.abs(embedding(1) - embedding(2)).max() > 0.1
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - must not be touched
    embedding(1)
    after = np.random.get_state()[1]  # noqa: NPY002
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("symmetric", [True, False])
def test_warm_start_goes_on_from_the_last_fit(graph, symmetric):
    embedder = GraphEmbedder(
        8, symmetric=symmetric, warm_start=True, max_iter=40, random_state=0
    ).fit(graph)
    first = embedder.loss_curve_
    start = embedder.context_embedding_.copy()
    embedder.set_params(max_iter=5).fit(graph)
    assert embedder.n_iter_ == 5
    assert embedder.loss_curve_[0] < first[0] - 0.5
    assert embedder.loss_curve_[-1] < first[-1] + 0.02
    assert (embedder.context_embedding_ * start).sum(axis=1).mean() > 0.9


@pytest.mark.parametrize("symmetric", [True, False])
def test_init_by_an_array(graph, symmetric):
    trained = GraphEmbedder(8, symmetric=symmetric, random_state=0).fit(graph)
    start = 3 * trained.embedding_
    start[7] = 0  # zero rows start at random
    embedder = GraphEmbedder(
        8, symmetric=symmetric, init=start, max_iter=5, random_state=1
    ).fit(graph)
    assert embedder.loss_curve_[0] < trained.loss_curve_[0] - 0.5
    likeness = (embedder.embedding_ * trained.embedding_).sum(axis=1)
    assert np.median(likeness) > 0.8
    np.testing.assert_array_equal(start[:7], 3 * trained.embedding_[:7])


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
