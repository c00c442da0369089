"""Training and embedding against the naive twin, step by step."""

import numpy as np
import pytest
import reference

from skemb import BipartiteEmbedder, GraphEmbedder
from skemb._normalizer import GaussianNormalizer
from skemb._parallel import Workers
from skemb._trainer import random_vectors, unit

TEMPERATURE = 0.5


def start_of(graph, seed, n_components):
    """Return the random start that fit draws, zero where a row has no affinity."""
    shape = (graph.shape[0], n_components)
    X = random_vectors(shape, np.float64, np.random.RandomState(seed), Workers())
    return X * (graph.sum(axis=1) > 0)[:, None]


def prior_of(strength, power):
    prior = np.where(strength > 0, strength**power, 0)
    return prior / prior.sum()


def gaussian_log_z(Y, prior):
    mixture = reference.single_gaussian(Y, prior)
    return lambda X: reference.mixture_log_partition(X, *mixture, TEMPERATURE)


@pytest.mark.parametrize("walk_length", [1, 3])
@pytest.mark.parametrize("power", [0.0, 0.75])
def test_one_sided_training_is_the_reference(graph, walk_length, power):
    A, max_iter = graph.toarray(), 4
    P = reference.walk_matrix(A, walk_length, np.ones(60, dtype=bool))
    prior = prior_of(A.sum(axis=0), power)
    X = start_of(graph, 3, 8)
    losses = []
    for epoch in range(max_iter):
        log_z = gaussian_log_z(X, prior)
        losses.append(reference.objective(X, X, P, prior, TEMPERATURE, 0.7, log_z))
        X = reference.advance(X, X, P, prior, TEMPERATURE, 0.7, 1 - epoch / max_iter)
    embedder = GraphEmbedder(
        8,
        walk_length=walk_length,
        temperature=TEMPERATURE,
        context_power=power,
        mean_penalty=0.7,
        max_iter=max_iter,
        random_state=3,
    ).fit(graph)
    np.testing.assert_allclose(embedder.context_embedding_, X, atol=1e-11)
    np.testing.assert_allclose(embedder.loss_curve_, losses, rtol=1e-11)
    np.testing.assert_allclose(embedder.log_prior_, np.log(prior))
    expected = reference.embed(P, X, prior, X.mean(axis=0), TEMPERATURE, 0.7, 10)
    np.testing.assert_allclose(embedder.embedding_, expected, atol=1e-11)


def train_two_sides(
    A, P, Q, power, n_components, max_iter, init="random", cohesion=0.0
):
    """Return both sides, their priors and the losses of the naive twin, seeded by 5.

    The columns alone have cohesion.
    """
    rows, columns = A.sum(axis=1), A.sum(axis=0)
    row_prior, column_prior = prior_of(rows, power), prior_of(columns, power)
    random_state = np.random.RandomState(5)
    X, Y = (
        random_vectors((n, n_components), np.float64, random_state, Workers())
        for n in A.shape
    )
    X, Y = X * (rows > 0)[:, None], Y * (columns > 0)[:, None]
    if init == "propagated":
        X, Y = reference.propagated(X, Y, P, Q)
    first_step = {"random": 1, "propagated": 0.5}[init]
    losses = []
    for epoch in range(max_iter):
        step = first_step * (1 - epoch / max_iter)
        log_z = gaussian_log_z(Y, column_prior)
        of_rows = reference.objective(X, Y, P, column_prior, TEMPERATURE, 0.4, log_z)
        X = reference.advance(X, Y, P, column_prior, TEMPERATURE, 0.4, step)
        log_z = gaussian_log_z(X, row_prior)
        of_columns = reference.objective(
            Y, X, Q, row_prior, TEMPERATURE, 0.4, log_z, cohesion
        )
        Y = reference.advance(Y, X, Q, row_prior, TEMPERATURE, 0.4, step, cohesion)
        losses.append((of_rows + of_columns) / 2)
    return X, Y, row_prior, column_prior, losses


@pytest.mark.parametrize("walk_length", [1, 2])
def test_two_sided_training_is_the_reference(directed_graph, walk_length):
    A, max_iter, power = directed_graph.toarray(), 4, 0.5
    rows, columns = A.sum(axis=1), A.sum(axis=0)
    P = reference.walk_matrix(A, walk_length, columns > 0)
    Q = reference.walk_matrix(A.T, walk_length, rows > 0)
    X, Y, _, column_prior, losses = train_two_sides(A, P, Q, power, 6, max_iter)
    with pytest.warns(UserWarning, match="rows of X have no affinity"):
        embedder = GraphEmbedder(
            6,
            walk_length=walk_length,
            symmetric=False,
            temperature=TEMPERATURE,
            context_power=power,
            mean_penalty=0.4,
            max_iter=max_iter,
            random_state=5,
        ).fit(directed_graph)
    np.testing.assert_allclose(embedder.context_embedding_, Y, atol=1e-11)
    np.testing.assert_allclose(embedder.loss_curve_, losses, rtol=1e-11)
    mean = X[rows > 0].mean(axis=0)
    expected = reference.embed(P, Y, column_prior, mean, TEMPERATURE, 0.4, 10)
    np.testing.assert_allclose(embedder.embedding_, expected, atol=1e-11)


@pytest.mark.parametrize("init", ["random", "propagated"])
@pytest.mark.parametrize("power", [0.0, 0.6, 1.0])
def test_bipartite_training_is_the_reference(interactions, power, init):
    A, max_iter = interactions.toarray(), 4
    rows = A.sum(axis=1)
    P, Q = reference.row_normalized(A), reference.row_normalized(A.T)
    X, Y, row_prior, column_prior, losses = train_two_sides(
        A, P, Q, power, 6, max_iter, init, cohesion=0.15
    )
    with pytest.warns(UserWarning, match="2 of the 50 rows of X have no affinity"):
        embedder = BipartiteEmbedder(
            6,
            temperature=TEMPERATURE,
            n_gaussians=1,
            context_power=power,
            mean_penalty=0.4,
            max_iter=max_iter,
            init=init,
            random_state=5,
        ).fit(interactions)
    np.testing.assert_allclose(embedder.column_embedding_, Y, atol=1e-11)
    np.testing.assert_allclose(embedder.loss_curve_, losses, rtol=1e-11)
    prior = reference.inverted_prior(X, Y, row_prior, A.sum(axis=0), TEMPERATURE)
    assert np.abs(prior - A.sum(axis=0) / A.sum()).max() > 1e-3
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(embedder.column_log_prior_, np.log(prior))
    mean = X[rows > 0].mean(axis=0)
    expected = reference.embed(P, Y, column_prior, mean, TEMPERATURE, 0.4, 5)
    np.testing.assert_allclose(embedder.embedding_, expected, atol=1e-11)


@pytest.mark.parametrize("options", [{"n_gaussians": 60}, {"normalizer": "exact"}])
def test_exact_normalizer_trains_the_true_objective(graph, options):
    A = graph.toarray()
    P = reference.walk_matrix(A, 2, np.ones(60, dtype=bool))
    prior = np.full(60, 1 / 60)
    X = start_of(graph, 0, 5)
    embedder = GraphEmbedder(
        5,
        walk_length=2,
        temperature=TEMPERATURE,
        max_iter=1,
        random_state=0,
        **options,
    ).fit(graph)

    def log_z(rows):
        return reference.log_partition(rows, X, prior, TEMPERATURE)

    expected = reference.objective(X, X, P, prior, TEMPERATURE, 1.0, log_z)
    np.testing.assert_allclose(embedder.loss_curve_, [expected], rtol=1e-12)
    shares = np.exp(X @ X.T / TEMPERATURE) * prior / np.exp(log_z(X))[:, None]
    gradient = shares @ X - P @ X + X.mean(axis=0)
    expected = reference.sphere_step(X, gradient, 1.0)
    np.testing.assert_allclose(embedder.context_embedding_, expected, atol=1e-11)


def test_reference_gradient_is_the_derivative_of_the_objective(graph, rng):
    # Finite differences of the objective, contexts and normaliser held fixed.
    P = reference.walk_matrix(graph.toarray(), 3, np.ones(60, dtype=bool))
    prior = np.full(60, 1 / 60)
    Y = reference.unit(rng.standard_normal((60, 4)))
    X = reference.unit(rng.standard_normal((60, 4)))
    log_z = gaussian_log_z(Y, prior)
    repulsion = reference.gaussian_gradient(
        X, *reference.single_gaussian(Y, prior), TEMPERATURE
    )
    mean = X.mean(axis=0)
    gradient = repulsion - P @ Y + 1.5 * mean - 0.8 * mean / np.linalg.norm(mean)
    for i, f in [(0, 0), (7, 3), (59, 1)]:
        shift = np.zeros_like(X)
        shift[i, f] = 1e-6
        above, below = (
            reference.objective(
                X + sign * shift, Y, P, prior, TEMPERATURE, 1.5, log_z, cohesion=0.8
            )
            for sign in (1, -1)
        )
        slope = (above - below) / 2e-6 * 60 * TEMPERATURE
        np.testing.assert_allclose(gradient[i, f], slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("init", "power"), [("random", 0.5), ("propagated", 1), (np.eye(60, 4), 0)]
)
def test_the_mixture_is_whole_by_the_last_epoch(graph, monkeypatch, init, power):
    widths = []
    update = GaussianNormalizer.update

    def recorded(self, *arguments):
        update(self, *arguments)
        widths.append(self.width)

    monkeypatch.setattr(GaussianNormalizer, "update", recorded)
    GraphEmbedder(4, n_gaussians=20, init=init, max_iter=9, tol=0, random_state=0).fit(
        graph
    )
    grown = np.ceil(20 * (np.arange(1, 10) / 9) ** power)
    np.testing.assert_array_equal(widths[:9], grown)


def test_training_lowers_the_loss(graph):
    for symmetric in (True, False):
        for n_gaussians in (1, 5, 60):
            losses = (
                GraphEmbedder(
                    16, symmetric=symmetric, n_gaussians=n_gaussians, random_state=0
                )
                .fit(graph)
                .loss_curve_
            )
            assert losses[-1] < losses[0] - 0.3


def test_transform_minimizes_each_row_loss(graph, rng):
    # No unit vector nearby, nor at random, does better than the one transform finds.
    embedder = GraphEmbedder(6, temperature=TEMPERATURE, random_state=0).fit(graph)
    Y, prior = embedder.context_embedding_, np.full(60, 1 / 60)
    P = reference.walk_matrix(graph.toarray(), 3, np.ones(60, dtype=bool))
    mean = Y.mean(axis=0)

    def losses(X):
        log_z = gaussian_log_z(Y, prior)
        rows = reference.row_losses(X, Y, P, prior, TEMPERATURE, log_z)
        return rows + X @ mean / TEMPERATURE

    best = losses(embedder.embedding_)
    for spread in (0.05, 0.3, 10):
        other = embedder.embedding_ + spread * rng.standard_normal((60, 6))
        assert (losses(reference.unit(other)) > best - 1e-4).all()


def test_score_is_the_exact_log_likelihood(directed_graph):
    A = directed_graph.toarray()
    known = A.any(axis=0)
    prior = prior_of(A.sum(axis=0), 0.5)
    for n_gaussians in (1, 4):
        with pytest.warns(UserWarning, match="no affinity"):
            embedder = GraphEmbedder(
                7,
                symmetric=False,
                temperature=TEMPERATURE,
                n_gaussians=n_gaussians,
                context_power=0.5,
                random_state=0,
            ).fit(directed_graph)
        P = reference.walk_matrix(A, 3, known)
        X, Y = embedder.embedding_, embedder.context_embedding_

        def log_z(rows, Y=Y):
            return reference.log_partition(rows, Y, prior, TEMPERATURE)

        expected = -reference.row_losses(X, Y, P, prior, TEMPERATURE, log_z)
        log_likelihoods = embedder.score_samples(directed_graph)
        np.testing.assert_allclose(log_likelihoods, expected, atol=1e-11)
        pulled = A.any(axis=1)
        np.testing.assert_allclose(
            embedder.score(directed_graph), expected[pulled].mean()
        )


def test_random_start_is_the_same_in_both_precisions():
    for shape in [(500, 7), (40, 1)]:
        single, double = (
            random_vectors(shape, dtype, np.random.RandomState(0), Workers())
            for dtype in (np.float32, np.float64)
        )
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, double, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(double, axis=1), 1)


def test_unit_leaves_zero_rows():
    vectors = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_array_equal(unit(vectors), [[0.6, 0.8], [0, 0]])


def test_tol_stops_once_the_loss_settles(graph):
    full = GraphEmbedder(8, random_state=0).fit(graph)
    changes = np.abs(np.diff(full.loss_curve_)) / np.abs(full.loss_curve_[:-1])
    for tol in (1e-2, 1e-3):
        stopped = GraphEmbedder(8, random_state=0, tol=tol).fit(graph)
        expected = np.flatnonzero(changes < tol)[0] + 2
        assert stopped.n_iter_ == len(stopped.loss_curve_) == expected
    assert full.n_iter_ == 50


@pytest.mark.parametrize("shape", [(40, 40), (12, 30)])
def test_a_propagated_start_parts_what_is_alike(shape):
    X = np.ones(shape)
    losses = []
    for init in ("random", "propagated"):
        embedder = BipartiteEmbedder(4, init=init, random_state=0).fit(X)
        losses.append(embedder.loss_curve_[-1])
        together = embedder.transform(X)
        np.testing.assert_allclose(embedder.transform(X[:1]), together[:1], atol=1e-9)
    assert losses[1] == pytest.approx(losses[0], abs=0.05)
