"""What all embedders promise; the blind spots of scikit-learn's checks first."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from conftest import KINDS, ZEROS, answers, learned, random_graph
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skemb import BipartiteEmbedder, CooccurrenceEmbedder, GraphEmbedder

pytestmark = pytest.mark.filterwarnings(ZEROS)

NUMERIC = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "text"])
FORMS = [(kind, form) for kind in KINDS for form in KINDS[kind].forms]


@pytest.mark.parametrize(
    ("kind", "parameters", "dtype"),
    [
        pytest.param(kind, form, dtype, id=f"{kind}-{form}-{dtype.__name__}")
        for kind, form in FORMS
        for dtype in (np.float32, np.float64)
        if kind != "text" or dtype == np.float32
    ],
)
class TestEveryForm:
    def test_vectors_in_the_dtype_of_the_input(self, embedder, kind, X, rows, dtype):
        embedder.fit(X)
        for name, zeros in KINDS[kind].zeros.items():
            vectors = getattr(embedder, name)
            assert vectors.dtype == dtype
            expected = np.ones(len(vectors))
            expected[zeros] = 0
            length = np.linalg.norm(vectors, axis=1)
            np.testing.assert_allclose(length, expected, rtol=10 * np.finfo(dtype).eps)
        assert embedder.transform(rows).dtype == dtype
        assert np.isfinite(embedder.loss_curve_).all()

    def test_fit_transform_is_fit_then_transform(self, embedder, X):
        Z = embedder.fit_transform(X)
        again = clone(embedder).fit(X)
        assert Z.tobytes() == again.transform(X).tobytes()
        assert Z.tobytes() == getattr(again, "embedding_", Z).tobytes()

    def test_rows_alone_in_a_batch_and_reordered(self, embedder, X, rows, dtype):
        batch = embedder.fit(X).transform(rows)
        assert np.abs(batch).max() > 0.1
        tolerance = {"rtol": 0, "atol": 1e-5 if dtype == np.float32 else 1e-9}
        alone = np.vstack([embedder.transform(rows[[i]]) for i in range(40)])
        np.testing.assert_allclose(alone, batch, **tolerance)
        order = np.random.default_rng(0).permutation(40)
        reordered = embedder.transform(rows[order])
        np.testing.assert_allclose(reordered, batch[order], **tolerance)

    def test_same_bytes_for_any_number_of_threads(self, embedder, X, rows):
        expected = learned(embedder.set_params(n_jobs=1).fit(X), rows)
        for n_jobs in (2, 4, -1):
            other = clone(embedder).set_params(n_jobs=n_jobs).fit(X)
            assert learned(other, rows) == expected


@pytest.mark.parametrize(
    "embedder",
    [
        GraphEmbedder(walk_length=1),
        GraphEmbedder(walk_length=2, n_gaussians=300),
        BipartiteEmbedder(),
        CooccurrenceEmbedder(),
    ],
    ids=str,
)
def test_same_bytes_over_blocks_of_full_size(embedder, monkeypatch):
    monkeypatch.setattr("skemb._parallel._BLOCK_SIZE", 2**18)
    X = random_graph(5000, 0.002, seed=0)
    X += sp.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(5000, 5000))
    X = X.astype(np.float32).tocsr()
    embedder.set_params(n_components=64, max_iter=4, random_state=0)
    first, *others = (
        learned(embedder.set_params(n_jobs=n_jobs).fit(X), X[:100])
        for n_jobs in (1, 2, 4)
    )
    assert others == [first, first]


@NUMERIC
def test_same_bytes_wherever_arrays_lie_in_memory(embedder, X, rng):
    embedder.set_params(n_components=4, max_iter=3)
    X, results = X[:10, :10], set()
    for _ in range(100):
        fragments = [np.empty(size, np.uint8) for size in rng.integers(1, 400, 20)]
        del fragments[::2]
        results.add(embedder.fit_transform(X).tobytes())
    assert len(results) == 1


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_gaussians": 1},
        {"n_gaussians": 6},
        {"normalizer": "exact"},
        {"normalizer": "sampled", "sampler": "uniform"},
        {"normalizer": "sampled", "sampler": "adaptive"},
    ],
)
def test_principal_axes_turn_all_vectors_alike(embedder, kind, X, rows):
    embedder.fit(X)
    turned = clone(embedder).set_params(principal_axes=True).fit(X)
    names = list(KINDS[kind].zeros)
    before, after = (np.vstack([vars(e)[n] for n in names]) for e in (embedder, turned))
    np.testing.assert_allclose(after @ after.T, before @ before.T, atol=1e-6)
    offered = getattr(turned, names[0]).astype(np.float64)
    moment = offered.T @ offered
    np.testing.assert_allclose(moment, np.diag(moment.diagonal()), atol=1e-4)
    assert (np.diff(moment.diagonal()) < 1e-4).all()
    embedding, expected = turned.transform(rows), embedder.transform(rows)
    np.testing.assert_allclose(
        embedding @ embedding.T, expected @ expected.T, atol=1e-5
    )
    assert turned.score(X) == pytest.approx(embedder.score(X), abs=1e-6)
    np.testing.assert_array_equal(turned.loss_curve_, embedder.loss_curve_)


@NUMERIC
def test_precisions_agree(embedder, kind, X):
    embedder.set_params(max_iter=5)
    single = clone(embedder).fit(X.astype(np.float32))
    embedder.fit(X)
    for name in KINDS[kind].zeros:
        np.testing.assert_allclose(
            getattr(single, name), getattr(embedder, name), atol=1e-3
        )


def assert_same_answers(embedder, X, other, Y, atol=1e-11):
    got = answers(other, Y)
    for name, expected in answers(embedder, X).items():
        np.testing.assert_allclose(got[name], expected, atol=atol, err_msg=name)


INDICES = {"coo": ("row", "col")} | dict.fromkeys(("csr", "csc"), ("indices", "indptr"))


def containers(A):
    """Yield every form of the same matrix."""
    for name in ("csr", "csc", "coo", "lil", "dok", "dia", "bsr"):
        yield getattr(sp, f"{name}_array")(A)
        yield getattr(sp, f"{name}_matrix")(A)
    for name in INDICES:
        X = getattr(sp, f"{name}_array")(A)
        for index in INDICES[name]:
            setattr(X, index, getattr(X, index).astype(np.int64))
        yield X
    yield from (A, A.tolist(), A.astype(object), np.asfortranarray(A), pd.DataFrame(A))


@NUMERIC
def test_every_container_says_the_same(embedder, X):
    embedder.fit(X)
    for Y in containers(X.toarray()):
        assert_same_answers(embedder, X, embedder, Y)
        assert_same_answers(embedder, X, clone(embedder).fit(Y), Y)


def given_twice(A):
    """Return 2 A as COO in which each entry of A stands twice."""
    rows, columns = np.tile(A.nonzero(), 2)
    return sp.coo_array((A[rows, columns], (rows, columns)), shape=A.shape)


@NUMERIC
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, given_twice])
def test_integer_and_boolean_weights(embedder, X, container):
    for kind, weight in [(bool, 1), (np.int8, 100), (np.uint8, 200), (np.int64, 300)]:
        A = weight * (X.toarray() > 0.3)
        expected = embedder.fit_transform(A.astype(float))
        got = clone(embedder).fit_transform(container(A.astype(kind)))
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, expected, atol=1e-12)


def scattered(X, rng):
    """Return X as COO and CSR out of order: each entry in two halves, zeros too."""
    A = X.toarray()
    order = rng.permutation(2 * A.size)
    rows, columns = (np.tile(axis.ravel(), 2)[order] for axis in np.indices(A.shape))
    by_row = np.argsort(rows, kind="stable")
    halves = A[rows, columns] / 2
    indptr = 2 * A.shape[1] * np.arange(A.shape[0] + 1)
    return (
        sp.coo_array((halves, (rows, columns)), shape=A.shape),
        sp.csr_array((halves[by_row], columns[by_row], indptr), shape=A.shape),
    )


@NUMERIC
def test_unsorted_and_duplicate_entries(embedder, X, rng):
    embedder.fit(X)
    for Y in scattered(X, rng):
        assert_same_answers(embedder, X, embedder, Y)
        assert_same_answers(embedder, X, clone(embedder).fit(Y), Y, atol=1e-10)


def parts_of(X):
    names = ("data", *INDICES[X.format]) if sp.issparse(X) else ("T",)
    return [getattr(X, name) for name in names]


@NUMERIC
def test_input_is_not_changed(embedder, X, rng):
    for Y in (X.toarray(), X, *scattered(X, rng)):
        before = [part.copy() for part in parts_of(Y)]
        embedder.fit_transform(Y)
        answers(embedder.fit(Y), Y)
        np.testing.assert_equal(parts_of(Y), before)


@NUMERIC
def test_read_only_memory_map(embedder, X, tmp_path):
    expected = learned(embedder.fit(X), X)
    parts = {}
    for name in ("data", "indices", "indptr"):
        np.save(tmp_path / name, getattr(X, name))
        parts[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    mapped = sp.csr_array(tuple(parts.values()), shape=X.shape)
    assert learned(clone(embedder).fit(mapped), mapped) == expected


@pytest.mark.parametrize("parameters", [{"n_gaussians": 3}, {"normalizer": "sampled"}])
def test_pickle_joblib_clone_and_html(embedder, parameters, X, rows, tmp_path):
    assert not [name for name in vars(clone(embedder.fit(X))) if name.endswith("_")]
    assert clone(embedder).get_params() == embedder.get_params()
    joblib.dump(embedder, tmp_path / "embedder")
    for copy in (
        pickle.loads(pickle.dumps(embedder)),
        joblib.load(tmp_path / "embedder"),
        joblib.load(tmp_path / "embedder", mmap_mode="r"),
    ):
        assert learned(copy, rows) == learned(embedder, rows)
    assert type(embedder).__name__ in embedder._repr_html_()
    for name, value in parameters.items():
        assert f"{name}={value!r}" in repr(embedder)


def test_parameters_survive_fit(embedder, X):
    embedder.set_params(n_components=200, n_gaussians=500, max_iter=3)
    before = embedder.get_params()
    assert embedder.fit(X).get_params() == before


# Attributes beside affinities are cut by EmbeddingLookup, not by scikit-learn.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "attributed"])
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_joblib_backends(backend, embedder, X, monkeypatch):
    # Other processes cut into blocks of full size.
    monkeypatch.setattr("skemb._parallel._BLOCK_SIZE", 2**18)
    embedder.set_params(n_jobs=2)
    search = GridSearchCV(embedder, {"temperature": [0.3, 1.0]}, cv=3)
    expected = search.fit(X).cv_results_["mean_test_score"]
    with joblib.parallel_config(backend, n_jobs=2):
        got = search.fit(X).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(got, expected)


def test_random_state(embedder, kind, X):
    def fitted(seed):
        return clone(embedder).set_params(random_state=seed, max_iter=1).fit(X)

    before = np.random.get_state()[1].copy()  # noqa: NPY002 - must not be touched
    one, two = fitted(1), fitted(2)
    for same in (fitted(1), fitted(np.random.RandomState(1))):
        assert learned(same, X) == learned(one, X)
    for name in KINDS[kind].zeros:
        # Either side starts at random: one that does not makes both alike.
        likeness = (getattr(one, name) * getattr(two, name)).sum(axis=1)
        assert abs(likeness.mean()) < 0.2
    after = np.random.get_state()[1]  # noqa: NPY002
    np.testing.assert_array_equal(after, before)


def test_fit_transform_returns_a_copy(embedder, X):
    Z = embedder.fit_transform(X)
    expected = learned(embedder, X)
    Z[:] = 0
    assert learned(embedder, X) == expected


def test_names_and_pandas_output(embedder, X):
    index = [f"row {i}" for i in range(X.shape[0])]
    if X.ndim == 1:
        table = pd.Series(X, index=index)
    else:
        table = pd.DataFrame(X.toarray(), index=index).add_prefix("column ")
    Z = embedder.set_output(transform="pandas").fit_transform(table)
    names = [f"{type(embedder).__name__.lower()}{k}" for k in range(12)]
    assert list(Z.columns) == list(embedder.get_feature_names_out()) == names
    pd.testing.assert_frame_equal(embedder.transform(table), Z)
    if X.ndim == 2:  # that of a Series is lost by scikit-learn 1.6
        assert list(Z.index) == index
        assert list(embedder.feature_names_in_) == list(table.columns)


def test_no_method_answers_before_fit(embedder, X):
    ours = [cls for cls in type(embedder).__mro__ if cls.__module__.startswith("skemb")]
    methods = {name for cls in ours for name in vars(cls)} - {"fit", "fit_transform"}
    methods = {name for name in methods if not name.startswith(("_", "set_"))}
    assert methods >= {"transform", "score"}
    arguments = {
        "get_feature_names_out": (),
        "most_similar": ("word1",),
        "analogy": (["word1"], ["word2"]),
        "to_keyed_vectors": ("no file is written",),
    }
    for name in (*methods, "get_feature_names_out"):
        with pytest.raises(NotFittedError):
            getattr(embedder, name)(*arguments.get(name, (X,)))


def part_of(X):
    """Return data of another size, square if X is."""
    return X[(slice(30),) * X.ndim]


@pytest.mark.parametrize("fitted_before", [True, False])
def test_a_failed_fit_leaves_the_embedder_as_it_was(embedder, X, fitted_before):
    if fitted_before:
        embedder.fit(X)
    before = dict(vars(embedder))
    embedder.set_params(init=np.ones((1, 1)))
    message = r"^init must have shape \(\d+, 12\), .* got \(1, 1\)"
    with pytest.raises(ValueError, match=message):
        embedder.fit(part_of(X))
    after = vars(embedder.set_params(init=before["init"]))
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_init_of_any_length(embedder, kind, X, rng, scale):
    name = next(iter(KINDS[kind].zeros))
    shape = getattr(embedder.set_params(max_iter=3).fit(X), name).shape
    start = rng.standard_normal(shape)
    expected = embedder.set_params(init=start).fit_transform(X)
    got = embedder.set_params(init=scale * start).fit_transform(X)
    np.testing.assert_allclose(got, expected, atol=1e-3)


def test_init_by_an_array(embedder, kind, X):
    name = next(iter(KINDS[kind].zeros))
    embedder.set_params(init="random", max_iter=40)
    trained = getattr(embedder.fit(X), name)
    start = 3 * trained
    start[8] = 0  # zero rows start at random
    before = start.copy()
    again = clone(embedder).set_params(init=start, max_iter=5, random_state=1).fit(X)
    np.testing.assert_array_equal(start, before)
    assert again.loss_curve_[0] < embedder.loss_curve_[0] - 0.4
    assert np.median((getattr(again, name) * trained).sum(axis=1)) > 0.7


def test_warm_start_goes_on_from_the_last_fit(embedder, kind, X):
    embedder.set_params(init="random", warm_start=True, max_iter=40)
    cold = embedder.fit(X).loss_curve_
    before = {name: getattr(embedder, name).copy() for name in KINDS[kind].zeros}
    warm = embedder.set_params(max_iter=5).fit(X).loss_curve_
    assert len(warm) == embedder.n_iter_ == 5
    assert warm[0] < cold[0] - 0.5
    assert warm[-1] < cold[-1] + 0.05
    for name, vectors in before.items():
        assert (getattr(embedder, name) * vectors).sum(axis=1).mean() > 0.7
    if kind != "graph":  # The other side goes on too: from init it starts at means.
        embedder.set_params(warm_start=False, init=next(iter(before.values())))
        from_init = embedder.fit(X).loss_curve_[0]
        assert warm[0] != pytest.approx(from_init, rel=1e-4)
        if kind != "bipartite":  # Its columns are drawn together, and so are means.
            assert warm[0] < from_init


@NUMERIC
def test_warm_start_on_another_shape(embedder, X):
    embedder.set_params(warm_start=True).fit(X)
    message = (
        r"last fit \(warm_start=True\) must have shape \(30, 12\).* got \(\d\d, 12"
    )
    with pytest.raises(ValueError, match=message):
        embedder.fit(part_of(X))


WAYS = {
    "alone": lambda embedder: embedder,
    "in a pipeline": make_pipeline,
    "to pandas": lambda embedder: embedder.set_output(transform="pandas"),
}


@pytest.mark.parametrize("way", WAYS)
def test_warnings_name_the_line_of_the_caller(embedder, X, rows, way):
    if X.ndim == 2:
        X.resize(np.add(X.shape, 1))
        rows.resize(np.add(rows.shape, 1))
    model = WAYS[way](embedder)
    for method, data in [("fit", X), ("fit_transform", X), ("transform", rows)]:
        with pytest.warns(UserWarning, match=r"^\d+ of the \d+ ") as caught:
            getattr(model, method)(data)
        assert {warning.filename for warning in caught} == {__file__}
        assert len(caught) == len({str(warning.message) for warning in caught})
