"""The SoftMax's normalisation Z(x) = Σ_j p_j exp(x·y_j / t), exact and in linear time.

The trainer asks of a normaliser

- ``prior`` (n_contexts,), p_j summing to one, zero where a context does not count, and
  ``temperature``, t;
- ``width``: how many numbers a row takes in ``evaluate``, beside its components;
- ``start(contexts, random_state)``: once, before training;
- ``update(contexts, workers, share=1.0)``: once an epoch. Until the last epoch, at a
  ``share`` of one, it may be coarser. It draws nothing and binds new arrays rather than
  changing old ones, so that a shallow copy can be updated on its own;
- ``rotate(axes)``: take the columns of an orthogonal (d, d) as new coordinates, in what
  ``update`` goes on from;
- ``evaluate(rows, known, keys)``: log Z (b,) and its gradient times t (b, d) at unit
  rows (b, d). For those who sample, ``known`` are the contexts that the rows go with,
  and ``keys`` (b,) are numbers that name their draws: in training the rows themselves.

The classes are made of a prior and a temperature, and of what they take beyond them.
"""

import copy
from functools import partial

import numpy as np

from skemb._kernels import add_by_label, exponentials

_INTERFACE = (
    "prior",
    "temperature",
    "width",
    "start",
    "update",
    "rotate",
    "evaluate",
)
# Exponents of unit vectors lie within ±1/t: from here up none leaves float32.
_SAFE_TEMPERATURE = 1 / 32
# Contexts that a block of rows meets at a time in exact sums, to stay in cache.
_TILE = 1024


def gaussian_or_exact(prior, temperature, n_gaussians):
    """Return the normaliser for so many Gaussians: exact from one a context."""
    if n_gaussians >= len(prior):
        return ExactNormalizer(prior, temperature)
    return GaussianNormalizer(prior, temperature, n_gaussians)


class ExactNormalizer:
    """Sums over all contexts that count, in O(n m d) for n rows and m contexts."""

    def __init__(self, prior, temperature):
        self.prior = prior
        self.temperature = temperature
        self._counting = np.flatnonzero(prior)
        self._log_prior = np.log(prior[self._counting])
        self.width = min(len(self._counting), _TILE)

    def start(self, contexts, random_state):
        """Nothing is drawn."""

    def update(self, contexts, workers, share=1.0):
        """Keep a copy of the contexts: those of a graph are its rows, which move."""
        self.contexts = np.asarray(contexts[self._counting])
        self._scaled_contexts = self.contexts / contexts.dtype.type(self.temperature)

    def rotate(self, axes):
        """Nothing is kept but contexts, which are given again."""

    def _tiles(self, rows):
        """Yield a tile's terms (b, k), sums (b, 1), log sums (b,), and its slice."""
        for start in range(0, len(self.contexts), _TILE):
            tile = slice(start, start + _TILE)
            terms = log_terms(rows, self._scaled_contexts[tile], self._log_prior[tile])
            log_partition, total = log_sum_exp(terms, self.temperature)
            yield terms, total, log_partition, tile

    def log_partition(self, rows):
        """Return log Z (b,) alone, at unit ``rows`` (b, d)."""
        return np.logaddexp.reduce([logs for _, _, logs, _ in self._tiles(rows)])

    def evaluate(self, rows, known=None, keys=None):
        """Return log Z (b,) and its gradient times t (b, d) at unit ``rows`` (b, d)."""
        log_partition, gradient = np.full(len(rows), -np.inf), np.zeros_like(rows)
        for terms, total, logs, tile in self._tiles(rows):
            before, log_partition = log_partition, np.logaddexp(log_partition, logs)
            gradient *= np.exp(before - log_partition).astype(rows.dtype)[:, None]
            share = np.exp(logs - log_partition).astype(rows.dtype)[:, None] / total
            gradient += share * (terms @ self.contexts[tile])
        return log_partition, gradient


class GaussianNormalizer:
    """The moment generating function of a Gaussian mixture, in O(n (K d + d²)).

    The contexts are summarised by K Gaussians of weights w_a, means μ_a and one pooled
    covariance Σ, found by spherical k-means (after Dall'Amico & Belliardo, TMLR 2025):

        log Z(x) ≈ log Σ_a w_a exp(x·μ_a / t) + x·Σx / 2t².

    ``update`` leaves ``log_weights`` (K,), ``means`` (K, d) and ``stretch`` = Σ / t. In
    training K grows with the epochs up to ``n_gaussians``: while steps are long the
    contexts form no groups yet, and a third to half of the time is saved at equal
    quality.
    """

    def __init__(self, prior, temperature, n_gaussians):
        self.prior = prior
        self.temperature = temperature
        self.n_gaussians = n_gaussians
        self.width = 1
        self.centers = None

    def start(self, contexts, random_state):
        """Draw the contexts that become centres, among those that count."""
        if self.n_gaussians == 1:
            return
        counting = np.flatnonzero(self.prior)
        self._seeds = random_state.choice(
            counting, self.n_gaussians, replace=self.n_gaussians > len(counting)
        )
        self.centers = np.empty((0, contexts.shape[1]), dtype=contexts.dtype)

    def update(self, contexts, workers, share=1.0):
        """Take one k-means step from the last centres, then the moments, in O(n d²)."""
        if self.centers is not None:
            n_centers = int(np.ceil(share * self.n_gaussians))
            joining = contexts[self._seeds[len(self.centers) : n_centers]]
            self.centers = np.concatenate([self.centers, joining])
            self.width = len(self.centers)
        weights, sums, second = workers.sum(
            partial(_moments, self.centers),
            (contexts, self.prior),
            max(contexts.shape[1], self.width),
        )
        means = sums / np.where(weights > 0, weights, 1)[:, None]
        covariance = second - (means * weights[:, None]).T @ means
        self.log_weights = log_of(weights.astype(contexts.dtype))
        self.means = means.astype(contexts.dtype)
        self._scaled_means = self.means / contexts.dtype.type(self.temperature)
        self.stretch = (covariance / self.temperature).astype(contexts.dtype)
        if self.centers is not None:
            self.centers = self._moved_centers(sums)

    def rotate(self, axes):
        """Turn the centres."""
        if self.centers is not None:
            self.centers = self.centers @ axes

    def _moved_centers(self, sums):
        """Return the directions of the sums; centres nobody chose stay."""
        length = np.linalg.norm(sums, axis=1)
        moved = length > 0
        centers = self.centers.copy()
        centers[moved] = sums[moved] / length[moved, None]
        return centers

    def evaluate(self, rows, known=None, keys=None):
        """Return log Z (b,) and its gradient times t (b, d) at unit ``rows`` (b, d)."""
        terms = log_terms(rows, self._scaled_means, self.log_weights)
        log_partition, total = log_sum_exp(terms, self.temperature)
        gradient = rows @ self.stretch
        quadratic = np.einsum("ij,ij->i", rows, gradient)
        log_partition += quadratic / (2 * self.temperature)
        # The product with a single mean would take as long as that with the stretch.
        gradient += self.means if self.width == 1 else terms @ self.means / total
        return log_partition, gradient


def _moments(centers, contexts, prior):
    """Return the weights (K,), sums (K, d) and second moment (d, d) of contexts.

    Each goes to the nearest of the ``centers`` (K, d); all to one if these are None.
    """
    scaled = contexts * np.sqrt(prior)[:, None]
    second = scaled.T @ scaled
    if centers is None:
        return prior.sum(keepdims=True), (prior @ contexts)[None], second
    weights = np.zeros(len(centers), dtype=contexts.dtype)
    sums = np.zeros(centers.shape, dtype=contexts.dtype)
    labels = (contexts @ centers.T).argmax(axis=1)
    add_by_label(contexts, prior, labels, weights, sums)
    return weights, sums, second


class CheckedNormalizer:
    """A normaliser of a user's own, ``own``: it and its answers are checked."""

    def __init__(self, own):
        missing = [name for name in _INTERFACE if not hasattr(own, name)]
        if missing:
            raise TypeError(
                f"normalizer must return an object with {', '.join(_INTERFACE)} when "
                f"called, got {type(own).__name__} without {', '.join(missing)}."
            )
        self.own = own
        self.prior = own.prior
        self.temperature = own.temperature

    def __copy__(self):
        return CheckedNormalizer(copy.copy(self.own))

    @property
    def width(self):
        """As the other says."""
        return self.own.width

    def start(self, contexts, random_state):
        """Pass on."""
        self.own.start(contexts, random_state)

    def update(self, contexts, workers, share=1.0):
        """Pass on."""
        self.own.update(contexts, workers, share)

    def rotate(self, axes):
        """Pass on."""
        self.own.rotate(axes)

    def evaluate(self, rows, known, keys):
        """Return what the other does, as arrays; what has no such shape is refused."""
        kept = rows.view()
        kept.flags.writeable = False
        answer = self.own.evaluate(kept, known, keys)
        shapes = rows.shape[:1], rows.shape
        if (
            isinstance(answer, tuple)
            and tuple(map(_shape_of, answer)) == shapes
            and all(np.isfinite(part).all() for part in answer)
        ):
            log_partition, gradient = map(np.asarray, answer)
            return log_partition, gradient.astype(rows.dtype, copy=False)
        raise ValueError(
            f"evaluate of normalizer {type(self.own).__name__} must return a tuple of "
            f"log Z {rows.shape[:1]} and its gradient {rows.shape}, both finite, got "
            f"{_shown(answer)}."
        )


def _shown(answer):
    """Return what an answer is, in a few words."""
    if not isinstance(answer, tuple):
        return type(answer).__name__
    shapes = [_shape_of(part) for part in answer]
    if None in shapes:
        return f"a tuple of {' and '.join(type(part).__name__ for part in answer)}"
    finite = all(np.isfinite(part).all() for part in answer)
    return f"{' and '.join(map(str, shapes))}{'' if finite else ', not all finite'}"


def _shape_of(part):
    """Return the shape of an array of numbers; None of all else."""
    try:
        array = np.asarray(part)
    except ValueError:  # lists of several lengths
        return None
    return array.shape if array.dtype.kind in "fiu" else None


def prior_of(log_weights):
    """Return weights summing to one of their logs; minus infinity alone becomes zero.

    Where all are, all become the same.
    """
    largest = log_weights.max()
    if largest == -np.inf:
        return np.full(len(log_weights), 1 / len(log_weights))
    # No prior may round to zero, which stands for contexts that do not count.
    weights = np.exp(np.maximum(log_weights - largest, -60))
    weights[log_weights == -np.inf] = 0
    return weights / weights.sum()


def log_of(weights):
    """Return the logs of weights; minus infinity, without a warning, for zero."""
    with np.errstate(divide="ignore"):
        return np.log(weights)


def log_terms(rows, scaled_means, log_weights):
    """Return log w_a + x·μ_a / t (b, K) for unit rows x (b, d) and μ / t (K, d)."""
    terms = rows @ scaled_means.T
    terms += log_weights
    return terms


def log_sum_exp(terms, temperature):
    """Return the log of the sum of each row's terms (b,); ``terms`` (b, K) are logs.

    They turn into the terms themselves, in place, up to the same factor in each row as
    their sums (b, 1), which come second.
    """
    largest = 0
    if temperature < _SAFE_TEMPERATURE:
        # The largest exponent goes first: the others can then only underflow.
        largest = terms.max(axis=1, keepdims=True)
        terms -= largest
    if terms.dtype == np.float32:
        exponentials(terms)
    else:
        np.exp(terms, out=terms)
    total = terms @ np.ones((terms.shape[1], 1), dtype=terms.dtype)
    return (largest + np.log(total)).ravel().astype(np.float64), total
