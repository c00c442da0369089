"""Normalisers that draw: chances, means over many draws, and what names the draws."""

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from conftest import ZEROS, learned
from scipy.stats import chisquare
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skemb import BipartiteEmbedder, CooccurrenceEmbedder, GraphEmbedder
from skemb._kernels import Known, nothing_known
from skemb._parallel import Workers
from skemb._sampled_normalizer import sampled_normalizer_of

SAMPLERS = ["uniform", "popularity", "adaptive"]
N_CONTEXTS, N_COMPONENTS, TEMPERATURE = 30, 4, 0.5


@pytest.fixture
def contexts(rng):
    stretched = rng.standard_normal((N_CONTEXTS, N_COMPONENTS)) * [2, 1.4, 1, 0.7]
    return reference.unit(stretched + 0.3)


@pytest.fixture
def strength(rng):
    strength = 0.1 + rng.pareto(2.0, N_CONTEXTS)
    strength[[4, 9, 23]] = 0
    return strength


@pytest.fixture
def prior(strength):
    return np.sqrt(strength) / np.sqrt(strength).sum()


@pytest.fixture
def normalizer(sampler, prior, strength, contexts):
    """Draws eight contexts, in the first epoch."""
    return started(sampler, prior, strength, contexts)


def started(sampler, prior, strength, contexts, *, n_negatives=8, seed=0, n_jobs=1):
    normalizer = sampled_normalizer_of(
        sampler, prior, strength, TEMPERATURE, n_negatives
    )
    normalizer.start(contexts, np.random.RandomState(seed))
    return updated(normalizer, contexts, n_jobs)


def updated(normalizer, contexts, n_jobs=1):
    with Workers(n_jobs) as workers:
        normalizer.update(contexts, workers)
    return normalizer


def chances_of(sampler, x, contexts, prior, strength):
    """Return q(j) of each context for a row, as the sampler is defined."""
    if sampler == "adaptive":
        return reference.adaptive_chances(x, contexts, prior)
    chances = strength if sampler == "popularity" else prior > 0
    return chances / chances.sum()


def all_know(contexts, n_rows, dtype=np.float64):
    """Return ``Known`` of rows that all know these contexts."""
    return Known(
        len(contexts) * np.arange(n_rows + 1, dtype=np.int32),
        np.tile(np.array(contexts, dtype=np.int32), n_rows),
        np.ones(n_rows * len(contexts), dtype=dtype),
    )


def numbered(n_rows):
    return np.arange(n_rows, dtype=np.uint64)


@pytest.mark.parametrize("known", [[], [1, 4, 6, 17], [*range(0, 30, 3)]])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_chances_and_frequencies(sampler, contexts, prior, strength, known, rng):
    # With a single draw each answer is one of thirty that can be written down.
    x = reference.unit(rng.standard_normal((1, N_COMPONENTS)))
    normalizer = started(sampler, prior, strength, contexts, n_negatives=1)
    n_draws = 20_000
    _, gradients = normalizer.evaluate(
        np.repeat(x, n_draws, axis=0), all_know(known, n_draws), numbered(n_draws)
    )
    chances = chances_of(sampler, x[0], contexts, prior, strength)
    # Else all that is drawn until a row gives up would be known, now and then.
    assert chances[known].sum() < 0.6
    free = np.setdiff1d(np.flatnonzero(prior), known)
    possible = np.array(
        [
            reference.sampled_partition(
                x[0], contexts, prior, TEMPERATURE, chances, known, [j]
            )[1]
            for j in free
        ]
    )
    distance = np.abs(gradients[:, None] - possible).max(axis=2)
    np.testing.assert_allclose(distance.min(axis=1), 0, atol=1e-12)
    counts = np.bincount(distance.argmin(axis=1), minlength=len(free))
    expected = n_draws * chances[free] / chances[free].sum()
    rare = expected < 10
    pooled = [
        np.append(numbers[~rare], [numbers[rare].sum()] if rare.any() else [])
        for numbers in (counts, expected)
    ]
    assert chisquare(*pooled).pvalue > 1e-3


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_log_partition_is_weighed_by_chances(sampler, contexts, prior, strength, rng):
    # A single draw of j without anything known: Z is p_j / q(j) exp(x·y_j / t).
    rows = reference.unit(rng.standard_normal((500, N_COMPONENTS)))
    normalizer = started(sampler, prior, strength, contexts, n_negatives=1)
    known = nothing_known(len(rows), rows.dtype)
    log_z, drawn = normalizer.evaluate(rows, known, numbered(500))
    for x, log, context in zip(rows, log_z, drawn, strict=True):
        (j,) = np.flatnonzero((np.abs(contexts - context) < 1e-12).all(axis=1))
        chance = chances_of(sampler, x, contexts, prior, strength)[j]
        assert prior[j] > 0
        expected = np.log(prior[j] / chance) + x @ contexts[j] / TEMPERATURE
        assert log == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("known", [[], [1, 4, 6, 17], [*range(0, 30, 3)]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_mean_over_epochs_is_exact(
    sampler, contexts, prior, strength, known, dtype, rng
):
    rows = reference.unit(rng.standard_normal((3, N_COMPONENTS))).astype(dtype)
    contexts, prior = contexts.astype(dtype), prior.astype(dtype)
    normalizer = started(sampler, prior, strength, contexts)
    n_keys, estimates = 500, []
    keys = np.repeat(numbered(n_keys), 3)
    for _ in range(20):
        updated(normalizer, contexts)
        log_z, gradient = normalizer.evaluate(
            np.tile(rows, (n_keys, 1)), all_know(known, 3 * n_keys, dtype), keys
        )
        z = np.exp(log_z)[:, None]
        estimates.append(np.hstack([z, z * gradient]).reshape(n_keys, 3, -1))
    estimates = np.concatenate(estimates)
    terms = prior * np.exp(rows @ contexts.T.astype(np.float64) / TEMPERATURE)
    expected = np.hstack([terms.sum(axis=1)[:, None], terms @ contexts])
    errors = estimates.std(axis=0) / np.sqrt(len(estimates))
    assert (errors[:, 0] < 0.02 * expected[:, 0]).all()
    np.testing.assert_array_less(np.abs(estimates.mean(axis=0) - expected), 4 * errors)


@pytest.mark.parametrize("n_negatives", [1, 8])
def test_the_mean_is_exact_where_nearly_all_draws_are_known(n_negatives, rng):
    contexts = reference.unit(rng.standard_normal((50, N_COMPONENTS)))
    strength = np.array([1e4] + 49 * [1.0])
    prior = strength / strength.sum()
    rows = np.tile(-contexts[:1], (20_000, 1))
    normalizer = started(
        "popularity", prior, strength, contexts, n_negatives=n_negatives
    )
    log_z, _ = normalizer.evaluate(rows, all_know([0], 20_000), numbered(20_000))
    z, expected = np.exp(log_z), prior @ np.exp(rows[0] @ contexts.T / TEMPERATURE)
    error = z.std() / np.sqrt(len(z))
    assert prior[1:] @ np.exp(rows[0] @ contexts[1:].T / TEMPERATURE) > 20 * error
    assert abs(z.mean() - expected) < 4 * error


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_all_known_is_exact(normalizer, contexts, prior, rng):
    rows = reference.unit(rng.standard_normal((20, N_COMPONENTS)))
    known = all_know(range(N_CONTEXTS), 20)
    log_z, gradient = normalizer.evaluate(rows, known, numbered(20))
    expected = reference.log_partition(rows, contexts, prior, TEMPERATURE)
    np.testing.assert_allclose(log_z, expected, rtol=1e-12)
    shares = prior * np.exp(rows @ contexts.T / TEMPERATURE - expected[:, None])
    np.testing.assert_allclose(gradient, shares @ contexts, atol=1e-12)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_entries_given_twice_and_zeros(normalizer, rng):
    rows = reference.unit(rng.standard_normal((2, N_COMPONENTS)))
    once = Known(np.array([0, 2, 4]), np.array([1, 7, 7, 8]), np.ones(4))
    twice = Known(
        np.array([0, 6, 9]),
        np.array([1, 7, 1, 12, 7, 1, 8, 13, 7]),
        np.array([1, 2, 1, 0, 1, 3, 1, 0, 1.0]),
    )
    expected, got = (
        normalizer.evaluate(rows, known, numbered(2)) for known in (once, twice)
    )
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-13)
    np.testing.assert_allclose(got[1], expected[1], atol=1e-13)
    nothing, _ = normalizer.evaluate(rows, nothing_known(2, float), numbered(2))
    assert (np.abs(nothing - expected[0]) > 1e-6).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_does_not_count_as_known(normalizer, rng):
    # Contexts without prior are as good as not named at all.
    rows = reference.unit(rng.standard_normal((5, N_COMPONENTS)))
    expected = normalizer.evaluate(rows, nothing_known(5, float), numbered(5))
    got = normalizer.evaluate(rows, all_know([4, 9, 23], 5), numbered(5))
    np.testing.assert_array_equal(np.column_stack(got), np.column_stack(expected))


def test_a_zero_row_draws_by_the_prior(contexts, prior, strength):
    normalizer = started("adaptive", prior, strength, contexts)
    zero = np.zeros((3, N_COMPONENTS))
    for known in (nothing_known(3, float), all_know([1, 4, 6], 3)):
        log_z, gradient = normalizer.evaluate(zero, known, numbered(3))
        np.testing.assert_allclose(log_z, 0, atol=1e-14)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_contexts_that_are_all_alike(sampler, prior, strength, rng):
    # They have no axes to lean along; and what is drawn makes no difference.
    contexts = np.repeat(reference.unit(rng.standard_normal((1, 4))), 30, axis=0)
    rows = np.vstack([contexts[:1], -contexts[:1], np.eye(4)])
    normalizer = started(sampler, prior, strength, contexts)
    _, gradient = normalizer.evaluate(rows, nothing_known(6, float), numbered(6))
    np.testing.assert_allclose(gradient, contexts[:6], rtol=1e-12)


@pytest.mark.parametrize("n_known", [0, 1])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_single_context_that_counts(sampler, contexts, n_known, rng):
    prior = np.zeros(N_CONTEXTS)
    prior[5] = 1
    rows = reference.unit(rng.standard_normal((3, N_COMPONENTS)))
    normalizer = started(sampler, prior, prior, contexts)
    known = all_know(n_known * [5], 3)
    log_z, gradient = normalizer.evaluate(rows, known, numbered(3))
    np.testing.assert_allclose(log_z, rows @ contexts[5] / TEMPERATURE, rtol=1e-12)
    np.testing.assert_allclose(gradient, contexts[[5, 5, 5]], rtol=1e-12)


@pytest.mark.parametrize("temperature", [1e-3, 1e-2, 1e3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_any_temperature_is_finite(
    sampler, contexts, prior, strength, dtype, temperature
):
    contexts, prior = contexts.astype(dtype), prior.astype(dtype)
    normalizer = sampled_normalizer_of(sampler, prior, strength, temperature, 8)
    normalizer.start(contexts, np.random.RandomState(0))
    updated(normalizer, contexts)
    rows = np.vstack([contexts, -contexts])
    known = all_know([2, 3], len(rows), dtype)
    log_z, gradient = normalizer.evaluate(rows, known, numbered(len(rows)))
    assert gradient.dtype == dtype
    exact = reference.log_partition(rows, contexts, prior, temperature)
    # A draw weighs p / q times what it would in the exact sum.
    assert (log_z < exact + np.log(1e6)).all()
    assert np.isfinite(log_z).all()
    assert (np.linalg.norm(gradient, axis=1) < 1 + 1e-6).all()


@pytest.mark.parametrize("sampler", ["uniform", "popularity"])
def test_precisions_draw_alike(sampler, contexts, prior, strength):
    known = all_know([2, 3], N_CONTEXTS)
    double, single = (
        started(sampler, prior.astype(dtype), strength, contexts.astype(dtype))
        for dtype in (np.float64, np.float32)
    )
    expected, _ = double.evaluate(contexts, known, numbered(N_CONTEXTS))
    got, _ = single.evaluate(contexts.astype("f4"), known, numbered(N_CONTEXTS))
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("mirrored", [False, True])
def test_adaptive_draws_do_not_depend_on_the_basis(
    mirrored, contexts, prior, strength, rng
):
    if mirrored:
        # As much lies on one end of each axis as on the other.
        contexts = np.vstack([contexts[:15], -contexts[:15]])
        prior = np.full(N_CONTEXTS, 1 / N_CONTEXTS)
    rows = reference.unit(rng.standard_normal((300, N_COMPONENTS)))
    known = nothing_known(300, float)
    normalizer = started("adaptive", prior, strength, contexts)
    expected, slopes = normalizer.evaluate(rows, known, numbered(300))
    turns = [np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(5)]
    for axes in (*turns, -np.eye(4), np.eye(4)[::-1], np.diag([1, -1, 1, -1])):
        normalizer = started("adaptive", prior, strength, contexts @ axes)
        got, turned = normalizer.evaluate(rows @ axes, known, numbered(300))
        np.testing.assert_allclose(got, expected, atol=1e-11)
        np.testing.assert_allclose(turned @ axes.T, slopes, atol=1e-11)


@pytest.mark.filterwarnings(ZEROS)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("n_components", [1, 4, 12, 100])
@pytest.mark.parametrize(
    ("embedder", "data"),
    [(GraphEmbedder(), "graph"), (BipartiteEmbedder(), "interactions")],
)
def test_principal_axes_keep_cosines(embedder, data, n_components, sampler, request):
    # In float32 other contexts may be drawn: those that lie alike change their ranks.
    X = request.getfixturevalue(data)
    embedder = clone(embedder).set_params(
        n_components=n_components, max_iter=10, normalizer="sampled", sampler=sampler
    )
    for seed in range(3):
        Z, turned = (
            embedder.set_params(random_state=seed, principal_axes=axes).fit_transform(X)
            for axes in (False, True)
        )
        np.testing.assert_allclose(turned @ turned.T, Z @ Z.T, atol=1e-11)


@pytest.mark.parametrize("sampler", SAMPLERS)
class TestDraws:
    @pytest.fixture
    def rows(self, rng):
        return reference.unit(rng.standard_normal((64, N_COMPONENTS)))

    @pytest.fixture
    def known(self, rng):
        A = sp.csr_array((rng.random((64, N_CONTEXTS)) < 0.1).astype(float))
        return Known(A.indptr, A.indices, A.data)

    def test_are_named_by_seed_epoch_and_key(
        self, sampler, prior, strength, contexts, rows, known
    ):
        def logs(seed=0, n_updates=1, add=0):
            normalizer = started(sampler, prior, strength, contexts, seed=seed)
            for _ in range(1, n_updates):
                updated(normalizer, contexts)
            keys = numbered(64) + np.uint64(add)
            return normalizer.evaluate(rows, known, keys)[0]

        np.testing.assert_array_equal(logs(), logs())
        for other in (
            logs(seed=1),
            logs(n_updates=2),
            logs(add=100),
            logs(add=2**32),
            logs(add=2**63),
        ):
            assert (other != logs()).mean() > 0.9

    def test_differ_between_the_rows(self, normalizer, rows):
        same = np.repeat(rows[:1], 64, axis=0)
        known = nothing_known(64, float)
        log_z, _ = normalizer.evaluate(same, known, numbered(64))
        assert len(set(log_z)) > 60
        shared, _ = normalizer.evaluate(same, known, np.full(64, 3, dtype=np.uint64))
        assert set(shared) == {log_z[3]}

    def test_do_not_depend_on_the_other_rows(self, normalizer, rows, known):
        log_z, gradient = normalizer.evaluate(rows, known, numbered(64))
        for size in (1, 7, 32):
            for start in range(0, 64, size):
                stop = min(start + size, 64)
                indptr, indices, data = known
                part = Known(indptr[start : stop + 1], indices, data)
                logs, slopes = normalizer.evaluate(
                    rows[start:stop], part, numbered(64)[start:stop]
                )
                np.testing.assert_allclose(logs, log_z[start:stop], rtol=1e-12)
                np.testing.assert_allclose(slopes, gradient[start:stop], atol=1e-12)

    def test_are_fresh_in_each_update_and_keep_the_contexts(
        self, normalizer, contexts, rows, known
    ):
        moving = contexts.copy()
        updated(normalizer, moving, n_jobs=2)
        before = normalizer.evaluate(rows, known, numbered(64))[0]
        moving[:] = 0
        again = normalizer.evaluate(rows, known, numbered(64))[0]
        np.testing.assert_array_equal(again, before)
        after = updated(normalizer, contexts).evaluate(rows, known, numbered(64))[0]
        assert (after != before).mean() > 0.9


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_embeddings_do_not_depend_on_blocks(graph, monkeypatch, sampler, n_jobs):
    embedder = GraphEmbedder(
        4, normalizer="sampled", sampler=sampler, max_iter=5, random_state=0
    )
    expected = embedder.fit_transform(graph)
    monkeypatch.setattr("skemb._parallel._BLOCK_SIZE", 2**18)
    got = clone(embedder).set_params(n_jobs=n_jobs).fit_transform(graph)
    # Sums over blocks are rounded in another order; the draws are the same.
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_samplers_and_numbers_of_draws_have_their_effect(graph):
    embedder = GraphEmbedder(4, normalizer="sampled", max_iter=3, random_state=0)
    forms = [{"sampler": sampler} for sampler in SAMPLERS]
    forms += [{"n_negatives": 1}, {"random_state": 1}, {"normalizer": "exact"}]
    fitted = [clone(embedder).set_params(**form).fit(graph) for form in forms]
    assert len({learned(one, graph)["embedding_"] for one in fitted}) == len(forms)


@pytest.mark.filterwarnings(ZEROS)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("walk_length", [1, 2])
def test_rows_that_know_all_are_embedded_as_if_exact(sampler, walk_length):
    # In a complete graph with loops nothing is left to draw.
    A = 1 + np.kron(np.eye(3), np.ones((5, 5)))
    embedder = GraphEmbedder(4, walk_length=walk_length, max_iter=6, random_state=0)
    expected = clone(embedder).set_params(normalizer="exact").fit(A)
    got = embedder.set_params(normalizer="sampled", sampler=sampler).fit(A)
    np.testing.assert_allclose(got.loss_curve_, expected.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(
        got.context_embedding_, expected.context_embedding_, atol=1e-8
    )
    np.testing.assert_allclose(got.embedding_, expected.embedding_, atol=1e-8)


@pytest.mark.filterwarnings(ZEROS)
@pytest.mark.parametrize("normalizer", ["gaussian", "exact", "sampled"])
def test_scores_are_exact_at_the_transformed_rows(interactions, normalizer):
    A = interactions.toarray()
    embedder = BipartiteEmbedder(
        6, normalizer=normalizer, n_gaussians=3, n_negatives=4, random_state=0
    ).fit(interactions)
    P = reference.row_normalized(A)
    Y, prior = embedder.column_embedding_, np.exp(embedder.column_log_prior_)
    X = embedder.transform(interactions)

    def log_z(rows):
        return reference.log_partition(rows, Y, prior, embedder.temperature_)

    losses = reference.row_losses(X, Y, P, prior, embedder.temperature_, log_z)
    np.testing.assert_allclose(
        embedder.score_samples(interactions), -losses, atol=1e-11
    )
    expected = -losses[A.any(axis=1)].mean()
    assert embedder.score(interactions) == pytest.approx(expected)


def test_warm_start_goes_on(graph):
    embedder = GraphEmbedder(8, normalizer="sampled", warm_start=True, random_state=0)
    cold = embedder.fit(graph).loss_curve_
    warm = embedder.set_params(max_iter=5).fit(graph).loss_curve_
    assert warm[0] < cold[0] - 0.5
    assert np.isfinite(warm).all()


@pytest.mark.filterwarnings(ZEROS)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    "embedder", [GraphEmbedder(4), BipartiteEmbedder(4), CooccurrenceEmbedder(4)]
)
def test_affinities_that_are_all_zero(embedder, sampler):
    options = {"normalizer": "sampled", "sampler": sampler, "max_iter": 2}
    embedder = clone(embedder).set_params(**options)
    Z = embedder.fit_transform(np.zeros((5, 5)))
    np.testing.assert_array_equal(Z, np.zeros((5, 4)))


def planted(rng):
    """Return interactions of 200 rows with 300 columns, and the columns' groups."""
    rows, columns = np.repeat(np.arange(5), 40), np.repeat(np.arange(5), 60)
    likes = np.where(rows[:, None] == columns, 0.2, 0.02)
    return sp.csr_array((rng.random(likes.shape) < likes).astype(float)), columns


@pytest.mark.filterwarnings(ZEROS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_planted_groups_are_found_as_by_exact_sums(sampler, rng):
    X, groups = planted(rng)

    def share_of_neighbors(**options):
        """Share of the columns whose nearest column is of their group."""
        embedder = BipartiteEmbedder(16, random_state=0, **options).fit(X)
        likeness = embedder.column_embedding_ @ embedder.column_embedding_.T
        np.fill_diagonal(likeness, -np.inf)
        return (groups[likeness.argmax(axis=1)] == groups).mean()

    exact = share_of_neighbors(normalizer="exact")
    sampled = share_of_neighbors(normalizer="sampled", sampler=sampler)
    assert exact > 0.9
    assert sampled > max(0.9, exact - 0.05)


@pytest.mark.filterwarnings(ZEROS)
def test_search_over_normalizers_and_samplers(interactions):
    embedder = BipartiteEmbedder(4, max_iter=3, random_state=0)
    grid = [
        {"normalizer": ["gaussian", "exact"], "n_gaussians": [2]},
        {"normalizer": ["sampled"], "sampler": SAMPLERS, "n_negatives": [2, 20]},
    ]
    search = GridSearchCV(embedder, grid, cv=3).fit(interactions)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == len(scores) == 8
    best = clone(embedder).set_params(**search.best_params_).fit(interactions)
    expected = best.transform(interactions)
    np.testing.assert_array_equal(search.transform(interactions), expected)


def test_adaptive_draws_of_a_row_are_those_in_any_batch(rng):
    X = (rng.random((600, 120)) < 0.1).astype(np.float32)
    embedder = BipartiteEmbedder(32, normalizer="sampled", max_iter=3, random_state=0)
    together = embedder.fit(X).transform(X)
    np.testing.assert_array_equal(embedder.transform(X[::-1])[::-1], together)
    alone = [embedder.transform(X[[i]])[0] for i in range(0, 600, 15)]
    np.testing.assert_array_equal(alone, together[::15])
