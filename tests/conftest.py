"""Fixtures: small data made afresh for each test that asks, and every embedder."""

from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone

from skemb import (
    AttributedGraphEmbedder,
    BipartiteEmbedder,
    CooccurrenceEmbedder,
    GraphEmbedder,
    TextEmbedder,
)


class Kind(NamedTuple):
    """A way of training: with which data, and what the tests have to know of it."""

    embedder: BaseEstimator
    data: str  # the fixture that it is fitted to
    zeros: dict  # names of its vectors, the ones offered first; which of them are zero
    forms: list  # parameters under which it takes other ways through the package


# Nodes of the directed graph.
_DANGLING, _UNREACHABLE = [3, 4, 7, 11], [5, 6, 7, 16, 30, 42]

KINDS = {
    "graph": Kind(
        GraphEmbedder(),
        "graph",
        {"embedding_": [], "context_embedding_": []},
        [
            {},
            {"walk_length": 1},
            {"n_gaussians": 4, "context_power": 0.75, "init": "propagated"},
            {"normalizer": "exact"},
            {"normalizer": "sampled", "n_negatives": 8},
            {"n_gaussians": 4, "principal_axes": True},
            {"n_components": 1},
            {"n_components": 100},
        ],
    ),
    "two-sided graph": Kind(
        GraphEmbedder(symmetric=False),
        "directed_graph",
        {"embedding_": _DANGLING, "context_embedding_": _UNREACHABLE},
        [
            {},
            {"walk_length": 2},
            {"principal_axes": True},
            {"normalizer": "sampled", "sampler": "popularity"},
        ],
    ),
    "attributed": Kind(
        AttributedGraphEmbedder(),
        "attributed_graph",
        {"embedding_": [7], "context_embedding_": [*_UNREACHABLE, 53]},
        [
            {},
            {"walk_length": 1, "n_gaussians": 1, "context_power": 0.0},
            {"walk_length": 4, "attribute_weight": 0.2, "n_gaussians": 6},
            {"n_components": 100, "principal_axes": True},
            {"normalizer": "sampled", "n_negatives": 8, "principal_axes": True},
        ],
    ),
    "bipartite": Kind(
        BipartiteEmbedder(),
        "interactions",
        {"embedding_": [3, 4], "column_embedding_": [5, 6]},
        [
            {},
            {"n_gaussians": 1, "context_power": 0.0, "mean_penalty": 1.0},
            {"n_gaussians": 6, "temperature": 0.3, "init": "random"},
            {"n_gaussians": 40},
            {"normalizer": "sampled", "sampler": "uniform", "n_negatives": 1},
            {"n_components": 1},
            {"n_components": 100},
        ],
    ),
    "cooccurrence": Kind(
        CooccurrenceEmbedder(),
        "interactions",
        {"feature_embedding_": [5, 6], "context_embedding_": [5, 6]},
        [
            {},
            {"n_gaussians": 1, "context_power": 0.0, "mean_penalty": 1.0},
            {"n_gaussians": 6, "smoothing": None, "init": "propagated"},
            {"normalizer": "sampled", "n_negatives": 8},
            {"n_components": 1},
            {"n_components": 100},
        ],
    ),
    "precomputed": Kind(
        CooccurrenceEmbedder(affinity="precomputed"),
        "directed_graph",
        {"feature_embedding_": _DANGLING, "context_embedding_": _UNREACHABLE},
        [{}, {"n_gaussians": 6}, {"normalizer": "sampled", "sampler": "popularity"}],
    ),
    "text": Kind(
        TextEmbedder(),
        "documents",
        {"word_embedding_": [0], "context_embedding_": [0]},
        [
            {},
            {"n_gaussians": 6, "mean_penalty": 1.0, "smoothing": None},
            {"window": 2, "subsample": 0},
            {"normalizer": "sampled", "sampler": "uniform"},
            {"n_components": 1},
            {"n_components": 100},
        ],
    ),
}
# A filter for tests that are not about the warnings of vectors that are zero.
ZEROS = r"ignore:\d+ of the \d+ :UserWarning"


def learned(embedder, X):
    """Return all that a fit learned, and what it says about X, as hashes by name."""
    fitted = {
        name: value
        for name, value in vars(embedder).items()
        if name.endswith("_") and isinstance(value, np.ndarray)
    }
    learned = fitted | answers(embedder, X)
    return {name: hash(value.tobytes()) for name, value in learned.items()}


def answers(embedder, X):
    """Return what the methods of a fitted embedder say about X, by name."""
    names = ("transform", "score", "score_samples", "recommend")
    return {
        name: np.asarray(getattr(embedder, name)(X))
        for name in names
        if hasattr(embedder, name)
    }


def random_graph(n_nodes, density, seed, *, directed=False, dtype=np.float64):
    """Return a weighted graph as CSR; undirected unless asked otherwise."""
    rng = np.random.default_rng(seed)
    links = rng.integers(0, n_nodes, (2, int(density * n_nodes**2)))
    weights = rng.random(links.shape[1])
    A = sp.csr_array((weights, tuple(links)), shape=(n_nodes, n_nodes), dtype=dtype)
    return A if directed else (A + A.T).tocsr()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Cut even small graphs into several blocks: one block hides what blocks break."""
    monkeypatch.setattr("skemb._parallel._BLOCK_SIZE", 1)


@pytest.fixture
def graph():
    """An undirected weighted graph of 60 nodes without isolated ones."""
    ring = sp.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(60, 60))
    return (random_graph(60, 0.05, seed=0) + ring).tocsr()


@pytest.fixture
def directed_graph():
    """A directed graph of 50 nodes with dangling, unreachable and isolated ones."""
    A = random_graph(50, 0.06, seed=1, directed=True).toarray()
    A[[3, 4]] = 0
    A[:, [5, 6]] = 0
    A[7] = A[:, 7] = 0
    A[8, 3] = A[5, 8] = 1
    return sp.csr_array(A)


@pytest.fixture
def attributed_graph(directed_graph):
    """The directed graph beside 9 attributes: some nodes have none, nobody has one."""
    F = np.random.default_rng(4).poisson(0.5, (50, 9)).astype(np.float64)
    F[[7, 8, 9]] = 0
    F[:, 3] = 0
    return sp.csr_array(sp.hstack([directed_graph, F]))


@pytest.fixture
def interactions():
    """Counts of 50 rows and 35 columns, some of both empty."""
    rng = np.random.default_rng(2)
    X = rng.poisson(0.2, (50, 35)) * rng.integers(1, 4, (50, 35))
    X[:, 0] = 1
    X[[3, 4]] = 0
    X[:, [5, 6]] = 0
    return sp.csr_array(X.astype(np.float64))


@pytest.fixture
def documents():
    """Texts of 12 words each, out of 45 in a ring, and last one of a word alone."""
    rng = np.random.default_rng(3)
    words = np.array([f"word{k}" for k in range(45)])
    places = rng.integers(0, 45, (49, 1)) + rng.poisson(4, (49, 12))
    return np.array([*map(" ".join, words[places % 45]), "alone"], dtype=object)


@pytest.fixture(params=KINDS)
def kind(request):
    """The name of an embedder: each in turn, unless the test is parametrised by it."""
    return request.param


@pytest.fixture
def parameters():
    return {}


@pytest.fixture
def dtype():
    return np.float64


@pytest.fixture
def embedder(kind, parameters):
    options = {"n_components": 12, "max_iter": 15, "random_state": 0, **parameters}
    return clone(KINDS[kind].embedder).set_params(**options)


@pytest.fixture
def X(request, kind, dtype):
    """What the embedder is fitted to: sparse in ``dtype``, or documents."""
    X = request.getfixturevalue(KINDS[kind].data)
    return X.astype(dtype) if sp.issparse(X) else X


@pytest.fixture
def rows(X, rng):
    """Forty rows that the embedder has not seen, the last without any affinity."""
    if not sp.issparse(X):
        return np.array([*X[39:0:-1] + " unseen", "unseen"], dtype=object)
    shape = (40, X.shape[1])
    A = np.where(rng.random(shape) < 0.2, rng.random(shape), 0)
    A[-1] = 0
    return sp.csr_array(A.astype(X.dtype))


@pytest.fixture
def rng():
    return np.random.default_rng(0)
