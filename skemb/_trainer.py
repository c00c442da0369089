"""Full-batch training of unit vectors, and the embedding of rows by fixed contexts.

The objective of a side (rows given contexts; one side alone is its own contexts) is

    -mean_i Σ_j P_ij log p(j | i) + (mean_penalty / 2t) ‖mean_i x_i‖²
                                  - (cohesion / t) ‖mean_i x_i‖,
    p(j | i) = p_j exp(x_i·y_j / t) / Z(x_i).

Its gradient in x_i, times t, is repulsion + penalty - pull: the gradient of t log Z,
that of both terms of the mean, and (P Y)_i. Rows without affinity are zero vectors and
count in no mean.
"""

import copy
from functools import partial
from typing import NamedTuple

import numpy as np

from skemb._kernels import best_columns, fixed_point_step, nothing_known, sphere_step
from skemb._normalizer import (
    ExactNormalizer,
    GaussianNormalizer,
    log_of,
    log_sum_exp,
    log_terms,
    prior_of,
)
from skemb._operators import write_pulls
from skemb._parallel import SPAN

# The first step from a given start mends a rough one and keeps a good one; from a
# random start it forgets where it stood.
_FIRST_STEP = {"given": 0.3, "propagated": 0.5, "random": 1.0}
# The power of the share of epochs done with which normalisers become finer; at zero
# they are whole from the first.
_REFINEMENT = {"given": 0.0, "propagated": 1.0, "random": 0.5}
# How far random vectors spread before training starts at them.
_N_HOPS, _RANDOM_SHARE = 2, 0.3


class Side:
    """One set of vectors in training: rows, columns, or both at once.

    Parameters
    ----------
    operator : operator of shape (n_vectors, n_contexts)
        What pulls the vectors towards their contexts.
    normalizer : normaliser
        Normaliser of these vectors where they are the contexts.
    vectors : ndarray of shape (n_vectors, n_components)
        Where they start; unit vectors, taken over and changed.
    workers : Workers
        Threads.
    cohesion : float, default=0.0
        How strongly the vectors are drawn to the direction of their mean.
    """

    def __init__(self, operator, normalizer, vectors, workers, cohesion=0.0):
        self.operator = operator
        self.normalizer = normalizer
        self.cohesion = cohesion
        self._spare = None
        # Weights of a mean over the rows that have affinities.
        n_pulled = max(np.count_nonzero(operator.pulled), 1)
        self.shares = operator.pulled.astype(vectors.dtype) / n_pulled
        self.vectors, (self.mean,) = workers.fill(
            vectors, _pulled_alone, (self.shares, vectors), vectors.shape[1]
        )

    def restart(self, vectors, workers, center=0):
        """Start from the directions of ``vectors`` (n, d) less the ``center`` (d,).

        Where that is zero, vectors stay.
        """
        self.vectors, (self.mean,) = workers.fill(
            self.vectors,
            partial(_directions, center),
            (self.shares, vectors, self.vectors),
            vectors.shape[1],
        )

    def step(self, contexts, length, mean_penalty, workers):
        """Move along the gradient by ``length``; return the loss before the step."""
        temperature = contexts.normalizer.temperature
        dtype = self.vectors.dtype
        source = self.operator.propagate(contexts.vectors, workers)
        loss, penalty = self.penalty(mean_penalty)
        before, target = self.vectors, self.vectors
        # In place, unless rows are still read by others.
        if source is before:
            target = workers.empty(before.shape, dtype, self._spare)
            self._spare = before
        self.vectors, (entropy, self.mean) = workers.fill(
            target,
            partial(_move, contexts.normalizer, penalty, dtype.type(length)),
            (self.operator.pulls(source), before, self.shares),
            max(contexts.normalizer.width, before.shape[1]),
        )
        return loss / temperature + float(entropy)

    def penalty(self, mean_penalty):
        """Return the loss of the mean and its gradient (d,), both times t."""
        squared = float(self.mean @ self.mean)
        length = squared**0.5
        factor = mean_penalty - (self.cohesion / length if length else 0)
        gradient = (factor * self.mean).astype(self.vectors.dtype)
        return mean_penalty / 2 * squared - self.cohesion * length, gradient

    def rotate(self, axes, workers):
        """Take the axes, columns of an orthogonal (d, d), as new coordinates."""
        axes = axes.astype(self.vectors.dtype)
        self.vectors, (self.mean,) = workers.fill(
            self.vectors,
            partial(_turned, axes),
            (self.shares, self.vectors),
            len(axes),
        )
        self.normalizer.rotate(axes)

    def mean_log_prior(self, contexts, workers):
        """Return mean_i Σ_j P_ij log p_j, the constant part of the objective."""
        log_prior = known_log_prior(contexts.normalizer.prior)
        source = self.operator.propagate(log_prior, workers)
        pulls = self.operator.pulls(source)
        return float(workers.sum(_mean_of_pulls, (self.shares, pulls), 1)[0][0])


def _pulled_alone(shares, vectors, out):
    """Write vectors, zero where nothing pulls, to ``out``; return their mean."""
    out[:] = vectors
    out[shares == 0] = 0
    return (shares @ out,)


def _directions(center, shares, vectors, before, out):
    """Write the directions of vectors less the center to ``out``; return their mean.

    Where there is none it is what was before.
    """
    vectors = vectors - np.asarray(center, dtype=vectors.dtype)
    out[:] = before
    length = lengths(vectors)
    given = (length > 0) & (shares > 0)[:, None]
    np.divide(vectors, length, out=out, where=given)
    return (shares @ out,)


def _move(normalizer, penalty, step, pulls, rows, shares, out):
    """Write rows, moved by a step, to ``out``; return their part of loss and mean."""
    keys = np.arange(pulls.start, pulls.stop, dtype=np.uint64)
    log_partition, repulsion = normalizer.evaluate(rows, pulls.known(), keys)
    attraction = np.empty(len(rows), dtype=rows.dtype)
    sphere_step(rows, pulls.rows(), repulsion, penalty, step, out, attraction)
    loss = log_partition - attraction / normalizer.temperature
    return shares @ loss, shares @ out


def _turned(axes, shares, vectors, out):
    """Write vectors in other coordinates to ``out``; return their mean."""
    out[:] = unit(vectors @ axes)
    return (shares @ out,)


def _mean_of_pulls(shares, pulls):
    return (shares @ pulls.rows(),)


class Conditional(NamedTuple):
    """p(context | row): all it takes to embed and to score a row on its own."""

    contexts: np.ndarray  # (n_contexts, n_components)
    source: np.ndarray  # the contexts as rows read them
    prior: np.ndarray  # (n_contexts,), zero where a context does not count
    log_prior: np.ndarray  # its log, (n_contexts, 1), as rows read it
    mass: np.ndarray  # (n_contexts,), zero where a context does not count
    normalizer: object
    penalty: np.ndarray  # (n_components,), gradient of the terms of the mean
    center: np.ndarray  # (n_components,), the mean context
    curvature: float  # of t log Z, by the covariance of the contexts


def known_log_prior(prior):
    """Return log p_j as a column (m, 1), zero where a context does not count."""
    return np.log(np.where(prior > 0, prior, 1))[:, None]


def pull_of(operator, contexts, workers):
    """Return P @ contexts for all rows."""
    source = operator.propagate(contexts, workers)
    shape = (operator.shape[0], contexts.shape[1])
    out = workers.empty(shape, contexts.dtype)
    return workers.fill(out, write_pulls, (operator.pulls(source),), shape[1])[0]


def random_vectors(shape, dtype, random_state, workers):
    """Draw unit vectors, the same up to rounding for every floating dtype."""
    seed = random_state.randint(np.iinfo(np.int32).max)
    return workers.built(partial(_random_rows, seed, shape[1], dtype), shape, dtype)


def _random_rows(seed, n_components, dtype, start, stop):
    """Return rows ``start`` to ``stop`` of random vectors, from the start of a span."""
    vectors = np.empty((stop - start, n_components), dtype=dtype)
    for first in range(0, len(vectors), SPAN):
        rows = vectors[first : first + SPAN]
        generator = np.random.default_rng([seed, (start + first) // SPAN])
        rows[:] = generator.standard_normal(rows.shape, dtype=np.float32)
    return unit(vectors)


def unit(vectors):
    """Scale the rows of ``vectors`` to length one, in place; zero rows stay zero."""
    length = lengths(vectors)
    return np.divide(vectors, length, out=vectors, where=length > 0)


def lengths(vectors):
    """Return the lengths of the rows of ``vectors`` (n, d), as (n, 1)."""
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]


def principal_axes(vectors, workers):
    """Return the axes of vectors (n, d) as columns (d, d), the longest first.

    They are the eigenvectors of the second moment, not centred: the first k coordinates
    keep as much of the squares, and of all dot products, as any k can.
    """
    (second,) = workers.sum(_second_moment, (vectors,), vectors.shape[1])
    axes = np.linalg.eigh(second)[1][:, ::-1]
    largest = np.abs(axes).argmax(axis=0)
    return axes * np.sign(axes[largest, np.arange(len(axes))])


def _second_moment(vectors):
    return (vectors.T @ vectors,)


def propagate(sides, workers):
    """Let the random vectors of the sides spread over their pulls, before training.

    In each hop a side takes the pulls of the other's vectors, less their mean and
    scaled to length one; it starts at the directions of the sums over the hops. It is
    the sparse random projection of FastRP (Chen et al., 2019) with dense vectors.
    """
    pairs = list(zip(sides, reversed(sides), strict=True))
    # With the random vectors among the sums, what is alike does not start as one.
    sums = [_sum_of(side.vectors, workers, factor=_RANDOM_SHARE) for side in sides]
    for _ in range(_N_HOPS):
        for place, (rows, contexts) in enumerate(pairs):
            spread = pull_of(rows.operator, contexts.vectors, workers)
            width = spread.shape[1]
            (center,) = workers.sum(_weighted_sum, (rows.shares, spread), width)
            rows.restart(spread, workers, center)
            sums[place] = _sum_of(rows.vectors, workers, total=sums[place])
    for side, vectors in zip(sides, sums, strict=True):
        side.restart(vectors, workers)


def _weighted_sum(shares, vectors):
    return (shares @ vectors,)


def _sum_of(vectors, workers, *, factor=1, total=None):
    """Return a factor times the vectors, and ``total`` added, which is written over."""
    out = workers.empty(vectors.shape, vectors.dtype, total)
    if total is None:
        write, arrays = partial(_write_multiple, factor), (vectors,)
    else:
        write, arrays = _write_sum, (vectors, total)
    return workers.fill(out, write, arrays, vectors.shape[1])[0]


def _write_multiple(factor, vectors, out):
    np.multiply(vectors, factor, out=out)
    return ()


def _write_sum(vectors, total, out):
    np.add(vectors, total, out=out)
    return ()


def train(sides, *, mean_penalty, max_iter, tol, start, workers, monitor):
    """Minimise the objective by steps on the sphere that shrink linearly to zero.

    Parameters
    ----------
    sides : list of one or two Side
        One is its own contexts; two are each other's and are updated in turn.
    mean_penalty : float
        Weight of each side's squared mean.
    max_iter, tol : int, float
        Epochs at most; relative change of the loss under which training stops.
    start : {"given", "propagated", "random"}
        What the sides start at.
    workers : Workers
        Threads.
    monitor : object
        ``begin()`` is called before an epoch, ``end(losses)`` after it; True ends
        the training.

    Returns
    -------
    list of float
        The objective before each epoch's step, averaged over the sides, under the
        normaliser of that epoch.
    """
    pairs = list(zip(sides, reversed(sides), strict=True))
    offset = sum(rows.mean_log_prior(contexts, workers) for rows, contexts in pairs)
    losses = []
    for epoch in range(max_iter):
        monitor.begin()
        length = _FIRST_STEP[start] * (1 - epoch / max_iter)
        share = ((epoch + 1) / max_iter) ** _REFINEMENT[start]
        loss = -offset
        for rows, contexts in pairs:
            contexts.normalizer.update(contexts.vectors, workers, share)
            loss += rows.step(contexts, length, mean_penalty, workers)
        losses.append(float(loss) / len(pairs))
        settled = epoch > 0 and abs(losses[-1] - losses[-2]) < tol * abs(losses[-2])
        if monitor.end(losses) or settled:
            break
    return losses


def conditional_of(sides, prior, mean_penalty, workers):
    """Return what the first side's rows need to be embedded by the trained contexts.

    Contexts are ranked and scored by the ``prior``, rows embedded by the training's.
    Training can go on afterwards, but then writes over the contexts and the source.
    """
    rows, contexts = sides[0], sides[-1]
    normalizer = copy.copy(contexts.normalizer)
    normalizer.update(contexts.vectors, workers)
    single = GaussianNormalizer(normalizer.prior, normalizer.temperature, 1)
    single.update(contexts.vectors, workers)
    # One Gaussian bounds the curvature. Of several, rows see some more than others.
    one_gaussian = isinstance(normalizer, GaussianNormalizer) and normalizer.width == 1
    margin = 1 if one_gaussian else 2
    source, log_prior = read_through(rows.operator, contexts.vectors, prior, workers)
    return Conditional(
        contexts=contexts.vectors,
        source=source,
        prior=prior,
        log_prior=log_prior,
        mass=rows.operator.mass,
        normalizer=normalizer,
        penalty=rows.penalty(mean_penalty)[1],
        center=single.means[0],
        curvature=margin * max(np.linalg.eigvalsh(single.stretch)[-1], 0),
    )


def inverted_prior(sides, workers):
    """Return the prior of the contexts, as the second side's own conditional has it.

    That is q(i | j) = q_i exp(x_i·y_j / t) / Z(y_j), the rows as trained. By Bayes'
    theorem p(j | i) is in proportion to s_j q(i | j), with s_j what j is met in all:
    p_j ∝ s_j / Z(y_j). Z is that of Gaussians if rows have some, and else summed, for
    the noise of draws would become that of rankings.
    """
    rows, contexts = sides
    normalizer = copy.copy(rows.normalizer)
    if not isinstance(normalizer, GaussianNormalizer):
        normalizer = ExactNormalizer(normalizer.prior, normalizer.temperature)
    normalizer.update(rows.vectors, workers)
    vectors = contexts.vectors
    logs, _ = workers.fill(
        workers.empty((len(vectors),), np.dtype(np.float64)),
        partial(_log_partitions, normalizer),
        (vectors,),
        max(normalizer.width, vectors.shape[1]),
    )
    prior = prior_of(log_of(contexts.operator.strength) - workers.fetched(logs))
    return prior.astype(vectors.dtype)


def _log_partitions(normalizer, rows, out):
    """Write log Z at rows (b, d) to ``out`` (b,)."""
    out[:], _ = normalizer.evaluate(rows)
    return ()


def read_through(operator, contexts, prior, workers):
    """Return the contexts and their log prior as the rows of an operator read them.

    The contexts last until it propagates again.
    """
    log_prior = operator.propagate(known_log_prior(prior), workers)
    # A copy, for the contexts are propagated next.
    log_prior = workers.fetched(log_prior).copy()
    return operator.propagate(contexts, workers), log_prior


def embed(operator, conditional, n_steps, workers):
    """Minimise each row's own loss with the contexts held fixed.

    With one Gaussian the loss -x·u + t log Z(x) + penalty·x, u the row's pull, is
    convex and c bounds its curvature, so that x ← unit(c x - gradient) descends without
    a step length to choose; with several it does for most rows unless t is well below
    1/8. Costs ``n_steps`` evaluations of the normaliser for each row.
    """
    normalizer, source = conditional.normalizer, conditional.source
    dtype, n_components = source.dtype, source.shape[1]
    descend = partial(
        _descend,
        normalizer,
        conditional.center,
        conditional.penalty,
        dtype.type(conditional.curvature),
        n_steps,
    )
    return workers.fill(
        workers.empty((operator.shape[0], n_components), dtype),
        descend,
        (operator.pulls(source), operator.pulled),
        max(normalizer.width, n_components),
    )[0]


def _descend(normalizer, center, penalty, curvature, n_steps, pulls, pulled, rows):
    """Write to ``rows`` (b, d) where they end after so many steps."""
    pull, known = pulls.rows(), pulls.known()
    np.subtract(pull, center, out=rows)
    unit(rows)
    rows[~rows.any(axis=1)] = 1 / np.sqrt(rows.shape[1])
    for step in range(n_steps):
        # Draws that all rows share, for a row is the same in any batch.
        keys = np.full(len(rows), step, dtype=np.uint64)
        _, repulsion = normalizer.evaluate(rows, known, keys)
        fixed_point_step(rows, pull, repulsion, penalty, curvature)
    rows[~pulled] = 0
    return ()


def exact_normalizer_of(conditional, prior, workers):
    """Return the exact normaliser of the contexts, whatever they were trained with."""
    exact = ExactNormalizer(prior, conditional.normalizer.temperature)
    exact.update(conditional.contexts, workers)
    return exact


def log_likelihood(rows, operator, conditional, workers):
    """Return Σ_j P_ij log p(j | i) of each row, with the normaliser exact, (n,)."""
    exact = exact_normalizer_of(conditional, conditional.prior, workers)
    pulls = operator.pulls(conditional.source), operator.pulls(conditional.log_prior)
    out, _ = workers.fill(
        workers.empty((len(rows),), np.dtype(np.float64)),
        partial(_likelihood, exact),
        (rows, operator.pulled, *pulls),
        max(exact.width, rows.shape[1]),
    )
    return workers.fetched(out)


def _likelihood(exact, rows, pulled, pulls, expected_log_priors, out):
    """Write the log likelihoods of rows (b, d) to ``out`` (b,)."""
    attraction = np.einsum("ij,ij->i", rows, pulls.rows()) / exact.temperature
    out[:] = attraction + expected_log_priors.rows().ravel()
    out -= exact.log_partition(rows)
    out[~pulled] = 0
    return ()


def log_partitions(rows, conditional, workers):
    """Return log Z at unit rows as training estimates it and exactly, (n,) each."""
    exact = exact_normalizer_of(conditional, conditional.normalizer.prior, workers)
    estimated_logs, exact_logs = np.empty((2, len(rows)))

    def block_logs(start, stop):
        x = rows[start:stop]
        known = nothing_known(len(x), x.dtype)
        keys = np.arange(start, stop, dtype=np.uint64)
        logs, _ = conditional.normalizer.evaluate(x, known, keys)
        estimated_logs[start:stop] = logs
        exact_logs[start:stop] = exact.log_partition(x)

    width = max(exact.width, conditional.normalizer.width, rows.shape[1])
    workers.run(block_logs, len(rows), width)
    return estimated_logs, exact_logs


def best_contexts(rows, excluded, fallback, conditional, n_best, workers):
    """Rank the contexts of each row by log p(context | row), never (n, m) at once.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_components)
        Embedded rows.
    excluded : sparse matrix of shape (n_rows, n_contexts) in CSR
        Its entries above zero are left out.
    fallback : ndarray of shape (n_contexts,)
        Logs that rank the contexts of zero rows.
    conditional : Conditional
        Contexts, prior and temperature.
    n_best : int
        How many to return of each row.
    workers : Workers
        Threads.

    Returns
    -------
    columns : ndarray of shape (n_rows, n_best)
        Indices of the contexts, best first, ties by index; -1 where none is left.
    logs : ndarray of shape (n_rows, n_best)
        Their log p(context | row), with the normaliser exact.
    """
    temperature = conditional.normalizer.temperature
    log_prior = log_of(conditional.prior)
    scaled = conditional.contexts / rows.dtype.type(temperature)
    columns = np.full((len(rows), n_best), -1, dtype=np.intp)
    logs = np.empty(columns.shape, dtype=rows.dtype)

    def block_best(start, stop):
        x = rows[start:stop]
        scores = log_terms(x, scaled, log_prior)
        log_partition, _ = log_sum_exp(scores.copy(), temperature)
        scores[~x.any(axis=1)] = fallback
        known = excluded[start:stop].tocoo()
        counts = known.data > 0
        scores[known.row[counts], known.col[counts]] = np.nan
        best_columns(scores, columns[start:stop], logs[start:stop])
        logs[start:stop] -= log_partition.astype(logs.dtype)[:, None]

    workers.run(block_best, len(rows), len(log_prior))
    return columns, logs
