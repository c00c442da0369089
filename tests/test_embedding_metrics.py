"""Measures of embeddings against their definitions written out."""

import warnings

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from conftest import ZEROS, random_graph
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skemb import BipartiteEmbedder, CooccurrenceEmbedder, GraphEmbedder, TextEmbedder
from skemb._normalizer import ExactNormalizer
from skemb.metrics import neighborhood_preservation, normalizer_error

LARGE = "ignore:The estimate of log Z:UserWarning"
FORMATS = ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"]


def log_sum(vectors, contexts, prior, temperature):
    """Log Z of each vector, summed over the contexts."""
    return np.log(np.exp(vectors @ contexts.T / temperature) @ prior)


def one_gaussian(vectors, contexts, prior, temperature):
    """Log Z of each vector as one Gaussian gives it."""
    mean = prior @ contexts
    covariance = (contexts - mean).T @ np.diag(prior) @ (contexts - mean)
    quadratic = [x @ covariance @ x for x in vectors / temperature]
    return vectors @ mean / temperature + np.divide(quadratic, 2)


def naive_error(vectors, contexts, prior, temperature):
    vectors = vectors[vectors.any(axis=1)]
    arguments = (vectors, contexts, prior, temperature)
    return np.mean(np.abs(one_gaussian(*arguments) - log_sum(*arguments)))


@pytest.mark.filterwarnings(ZEROS)
@pytest.mark.filterwarnings(LARGE)
@pytest.mark.parametrize("temperature", [0.2, 1.0])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_error_of_one_gaussian(kind, embedder, X, temperature, n_jobs):
    embedder.set_params(n_gaussians=1, temperature=temperature, n_jobs=n_jobs).fit(X)
    names = ["embedding_", "feature_embedding_", "word_embedding_"]
    vectors = next(getattr(embedder, name) for name in names if hasattr(embedder, name))
    # It is that of the training, not of the ranking, whose normaliser is judged.
    if kind == "bipartite":
        contexts, prior = embedder.column_embedding_, embedder.column_popularity_
    else:
        contexts, prior = embedder.context_embedding_, np.exp(embedder.log_prior_)
    error = normalizer_error(embedder, sample_size=None)
    assert isinstance(error, float)
    expected = naive_error(vectors, contexts, prior, temperature)
    assert error == pytest.approx(expected, abs=1e-6)  # in float32, for text


@pytest.mark.filterwarnings(ZEROS)
@pytest.mark.filterwarnings(LARGE)
def test_error_of_new_rows(interactions):
    embedder = BipartiteEmbedder(12, n_gaussians=1, temperature=0.3, random_state=0)
    embedder.fit(interactions[:30])
    new = interactions[30:]
    expected = naive_error(
        embedder.transform(new),
        embedder.column_embedding_,
        embedder.column_popularity_,
        0.3,
    )
    assert normalizer_error(embedder, new) == pytest.approx(expected, rel=1e-9)
    # The rows of fit have the vectors of fit.
    assert normalizer_error(embedder, interactions[:30]) == normalizer_error(embedder)


@pytest.mark.parametrize("options", [{"n_gaussians": 60}, {"normalizer": "exact"}])
def test_exact_normalizer_has_no_error(graph, options):
    embedder = GraphEmbedder(12, temperature=0.01, max_iter=5, **options)
    assert normalizer_error(embedder.fit(graph)) < 1e-10
    # What counts is how it was fitted.
    embedder.set_params(n_gaussians=1, normalizer="gaussian")
    assert normalizer_error(embedder) < 1e-10


class NoNormalizer(ExactNormalizer):
    """Log Z is thirteen, wherever a row points."""

    def evaluate(self, rows, known, keys):
        return np.full(len(rows), 13.0), np.zeros_like(rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"normalizer": "sampled", "n_negatives": 2},
            r"with n_negatives=2: raise n_negatives, set normalizer='gaussian', or "
            r"raise temperature, now 0\.05\.$",
        ),
        (
            {"normalizer": NoNormalizer},
            r"with a NoNormalizer: set normalizer='gaussian', or raise temperature, "
            r"now 0\.05\.$",
        ),
    ],
)
def test_advice_on_other_normalizers(graph, options, message):
    embedder = GraphEmbedder(12, temperature=0.05, random_state=0, **options)
    # What counts is how it was fitted.
    embedder.fit(graph).set_params(normalizer="gaussian", n_negatives=7)
    with pytest.warns(UserWarning, match=message) as caught:
        error = normalizer_error(embedder)
    assert len(caught) == 1
    assert f"off by {error:.2g} nats" in str(caught[0].message)


@pytest.mark.filterwarnings(LARGE)
def test_error_of_draws_falls_as_there_are_more(graph):
    errors = [
        normalizer_error(
            GraphEmbedder(
                12, normalizer="sampled", n_negatives=n_negatives, random_state=0
            ).fit(graph)
        )
        for n_negatives in (1, 16, 256, 4096)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02


@pytest.mark.filterwarnings(LARGE)
def test_samples_of_rows(graph):
    embedder = GraphEmbedder(12, temperature=0.125, random_state=0).fit(graph)
    whole = normalizer_error(embedder, sample_size=None)
    assert normalizer_error(embedder, sample_size=60, random_state=3) == whole
    errors = {
        seed: normalizer_error(embedder, sample_size=10, random_state=seed)
        for seed in range(3)
    }
    assert len({whole, *errors.values()}) == 4
    for container in (graph.toarray(), graph.tocoo(), pd.DataFrame(graph.toarray())):
        for seed, error in errors.items():
            again = normalizer_error(
                embedder, container, sample_size=10, random_state=seed
            )
            assert again == error


def test_only_the_sample_is_embedded(graph, monkeypatch):
    embedder = GraphEmbedder(12, temperature=1, random_state=0).fit(graph)
    embed, asked = GraphEmbedder._embed, []

    def counting(self, affinity, *arguments):
        asked.append(affinity.shape[0])
        return embed(self, affinity, *arguments)

    monkeypatch.setattr(GraphEmbedder, "_embed", counting)
    normalizer_error(embedder, graph, sample_size=7, random_state=0)
    assert asked == [7]


def test_large_errors_are_told_of(graph):
    embedder = GraphEmbedder(12, temperature=0.125, n_gaussians=20, random_state=0)
    message = (
        r"log Z is off by \d\.\d+ nats in the mean with n_gaussians=20: raise "
        r"n_gaussians, as to 60 \(60 is exact\), or raise temperature, now 0\.125\."
    )
    with pytest.warns(UserWarning, match=message) as caught:
        error = normalizer_error(embedder.fit(graph))
    assert error > 0.15
    assert caught[0].filename == __file__
    embedder.set_params(temperature=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert normalizer_error(embedder.fit(graph)) < 0.15


@pytest.mark.parametrize(("error", "is_large"), [(0.14, False), (0.16, True)])
def test_errors_are_large_from_some_value_on(graph, monkeypatch, error, is_large):
    monkeypatch.setattr(
        "skemb._embedding_metrics.sample_log_partitions",
        lambda *arguments: (np.zeros(3), np.full(3, error)),
    )
    embedder = GraphEmbedder(4, max_iter=2).fit(graph)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert normalizer_error(embedder) == pytest.approx(error)
    assert len(caught) == is_large


def test_error_of_what_has_no_normalizer(graph, documents, interactions):
    embedder = GraphEmbedder(4, max_iter=2).fit(graph)
    with pytest.raises(TypeError, match=r"got Pipeline: .* as pipeline\[-1\]"):
        normalizer_error(make_pipeline(embedder))
    with pytest.raises(TypeError, match="must be a fitted embedder of skemb, got PCA"):
        normalizer_error(PCA())
    with pytest.raises(NotFittedError):
        normalizer_error(clone(embedder))
    with pytest.raises(ValueError, match="X has 35 features, but GraphEmbedder"):
        normalizer_error(embedder, interactions)
    for size in (0, -1, 0.5, True, "all"):
        with pytest.raises(ValueError, match="sample_size must be an integer of at le"):
            normalizer_error(embedder, sample_size=size)
    with pytest.raises(ValueError, match="X must have rows with affinities to contex"):
        normalizer_error(embedder, np.zeros((3, 60)))


@pytest.mark.filterwarnings(ZEROS)
@pytest.mark.parametrize(
    ("embedder", "data"),
    [(TextEmbedder(4), "documents"), (CooccurrenceEmbedder(4), "interactions")],
)
def test_means_have_no_normalizer(request, embedder, data):
    X = request.getfixturevalue(data)
    embedder.set_params(max_iter=2).fit(X)
    message = rf"X must be None with {type(embedder).__name__}, .*: the error is that"
    with pytest.raises(ValueError, match=message):
        normalizer_error(embedder, X)


def naive_preservation(A, embedding, k, nodes=None):
    shares = []
    for i in range(len(A)) if nodes is None else nodes:
        neighbours = {j for j in range(len(A)) if A[i, j] > 0 and j != i}
        if not neighbours:
            continue
        others = [j for j in range(len(A)) if j != i]
        nearest = sorted(others, key=lambda j: (-(embedding[i] @ embedding[j]), j))
        n_nearest = min(k, len(neighbours))
        shares.append(len(neighbours & set(nearest[:n_nearest])) / n_nearest)
    return np.mean(shares) if shares else np.nan


@pytest.fixture
def weighted(rng):
    """Directed, with loops, an entry below zero and nodes without neighbours."""
    A = random_graph(50, 0.06, seed=1, directed=True).toarray()
    A[[0, 7]] = 0
    A[7, 7] = A[8, 8] = 1
    A[9, 10] = -1
    return A


@pytest.mark.parametrize("k", [1, 2, 10, 1000])
@pytest.mark.parametrize("tied", [False, True])
def test_neighborhoods_as_defined(weighted, rng, k, tied):
    embedding = rng.standard_normal((50, 6))
    if tied:
        # Small integers: products are exact, and many are equal.
        embedding = rng.integers(0, 2, (50, 3)).astype(np.float64)
    expected = naive_preservation(weighted, embedding, k)
    assert 0 < expected < 1
    containers = [getattr(sp, f"{name}_array") for name in FORMATS]
    for container in (np.asarray, pd.DataFrame, sp.csr_matrix, *containers):
        got = neighborhood_preservation(container(weighted), embedding, k=k)
        assert isinstance(got, float)
        assert got == pytest.approx(expected, rel=1e-12)


def test_neighborhoods_kept_and_lost():
    A = np.kron(np.eye(3), np.ones((4, 4)))
    corners = np.repeat(np.eye(3), 4, axis=0)
    assert neighborhood_preservation(A, corners) == 1.0
    assert neighborhood_preservation(1 - A, corners, k=3) == 0.0
    assert neighborhood_preservation(A != 0, corners.tolist()) == 1.0


def test_zero_vectors_lie_anywhere(weighted):
    embedding = np.zeros((50, 3))
    expected = naive_preservation(weighted, embedding, 10)
    got = neighborhood_preservation(weighted, embedding)
    assert got == pytest.approx(expected, rel=1e-12)


def test_samples_of_nodes(weighted, rng):
    embedding = rng.standard_normal((50, 6))
    whole = neighborhood_preservation(weighted, embedding)
    assert neighborhood_preservation(weighted, embedding, sample_size=50) == whole
    shares = [naive_preservation(weighted, embedding, 10, [i]) for i in range(50)]
    one_each = {
        neighborhood_preservation(weighted, embedding, sample_size=1, random_state=seed)
        for seed in range(20)
    }
    assert len(one_each) > 1
    for share in one_each:
        assert np.isclose(share, shares, rtol=1e-12).any()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"A": np.eye(5)[:3]}, ValueError, r"A must be a square .* shape \(3, 5\)"),
        ({"A": np.eye(5)}, ValueError, "A must have an entry above zero off its diag"),
        ({"A": np.full((5, 5), np.nan)}, ValueError, "Input A contains NaN"),
        (
            {"embedding": np.eye(4)},
            ValueError,
            "a row for each of the 5 .* got 4",
        ),
        ({"embedding": np.full((5, 2), np.inf)}, ValueError, "embedding contains inf"),
        ({"embedding": np.ones(5)}, ValueError, "Expected 2D array"),
        ({"k": 0}, ValueError, "k must be an integer of at least 1, got 0"),
        ({"k": 2.5}, ValueError, r"k must be an integer of at least 1, got 2\.5"),
        ({"sample_size": 0}, ValueError, "sample_size must be an integer of at least"),
        ({"sample_size": 0.1}, ValueError, "sample_size must be an integer of at lea"),
        ({"random_state": "x"}, ValueError, "'x' cannot be used to seed"),
    ],
)
def test_what_has_no_neighborhoods(arguments, error, message):
    good = {"A": np.ones((5, 5)), "embedding": np.ones((5, 2))}
    with pytest.raises(error, match=message):
        neighborhood_preservation(**{**good, **arguments})


def test_graphs_are_no_matrices():
    with pytest.raises(TypeError, match="A must be a matrix, got a graph of type Gra"):
        neighborhood_preservation(nx.karate_club_graph(), np.ones((34, 2)))
