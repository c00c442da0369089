"""What all embedders share: parameters, the template of fit, transform and score."""

from abc import ABC, abstractmethod
from contextlib import contextmanager
from copy import deepcopy
from numbers import Integral, Real
from time import perf_counter
from typing import ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skemb._compat import CallbackSupportMixin, Interval, StrOptions, fit_context
from skemb._normalizer import log_of, normalizer_of
from skemb._operators import SparseOperator
from skemb._parallel import Workers
from skemb._trainer import (
    Side,
    conditional_of,
    embed,
    log_likelihood,
    pull_of,
    random_vectors,
    train,
)
from skemb._validation import check_affinity, check_start, warn_empty_rows


class BaseEmbedder(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    ABC,
):
    """Template of the embedders; a subclass says what its X pulls on what."""

    _parameter_constraints: ClassVar[dict] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 1e-3, 1e3, closed="both")],
        "n_gaussians": [Interval(Integral, 1, None, closed="left")],
        "context_power": [Interval(Real, 0, 1, closed="both")],
        "mean_penalty": [Interval(Real, 0, 1e3, closed="both")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "init": [StrOptions({"random"}), "array-like"],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    # Steps that embed a row: they leave it, in the mean, nearer to the optimum of its
    # loss than training does.
    _n_steps = 10

    @abstractmethod
    def _pulls(self, X, workers):
        """Return, for each side in training, its operator and its strength (n,).

        One side is its own contexts; of two, the first holds the rows of X. The
        strength is a vector's total affinity as a context, zero if it does not count.
        """

    def _check_training(self, X):
        return check_affinity(self, X, reset=True)

    def _fit_temperature(self, X, pulls):
        return self.temperature

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the vectors of rows and contexts.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_contexts)
            Non-negative affinities. CSR of float32 or float64 is used as it is;
            everything else is converted to it.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted embedder.

        Raises
        ------
        ValueError
            If a parameter is out of range, or X has another shape than the embedder
            takes, negative or non-finite entries, or weights too large or small to be
            summed.
        TypeError
            If X is a graph object rather than a matrix.
        """
        with _all_or_nothing(self), Workers(self.n_jobs) as workers:
            affinity = self._check_training(X)
            random_state = check_random_state(self.random_state)
            pulls = self._pulls(affinity, workers)
            dtype = affinity.dtype
            temperature = self._fit_temperature(affinity, pulls)
            sides, from_random = self._start(
                pulls, temperature, dtype, random_state, workers
            )

            def attributes(losses):
                return self._attributes(sides, affinity, losses, workers)

            progress = _Progress(
                self, X, y, lambda losses: deepcopy(attributes(losses))
            )
            losses = train(
                sides,
                mean_penalty=self.mean_penalty,
                max_iter=self.max_iter,
                tol=self.tol,
                from_random=from_random,
                workers=workers,
                monitor=progress,
            )
            fitted = attributes(losses)
            vars(self).update(fitted)
            progress.close(fitted)
            warn_empty_rows(sides[0].operator.pulled)
        return self

    def _start(self, pulls, temperature, dtype, random_state, workers):
        """Return the sides at their first vectors, and whether those are random."""
        given = self._given_vectors([operator.shape[0] for operator, _ in pulls], dtype)
        sides = []
        for operator, strength in pulls:
            shape = (operator.shape[0], self.n_components)
            vectors = random_vectors(shape, dtype, random_state)
            prior = context_prior(strength, self.context_power).astype(dtype)
            normalizer = normalizer_of(prior, self.n_gaussians, temperature)
            sides.append(Side(operator, normalizer, vectors))
        for side, start in zip(sides, given, strict=False):
            side.restart(start)
        if len(given) == 1 and len(sides) == 2:
            sides[1].restart(pull_of(sides[1].operator, sides[0].vectors, workers))
        for side in sides:
            side.normalizer.start(side.vectors, random_state)
        return sides, not given

    def _given_vectors(self, n_vectors, dtype):
        """Return the vectors to start from, for as many sides as there are some."""
        if self.warm_start and hasattr(self, "embedding_"):
            fitted = [self.embedding_, self._conditional.contexts][-len(n_vectors) :]
            name = "the embedding of the last fit (warm_start=True)"
        elif isinstance(self.init, str):
            return []
        else:
            fitted, name = [self.init], "init"
        return [
            check_start(vectors, (n, self.n_components), dtype, name)
            for vectors, n in zip(fitted, n_vectors, strict=False)
        ]

    def _attributes(self, sides, affinity, losses, workers):
        """Return the fitted attributes as of the sides' vectors."""
        conditional = conditional_of(sides, self.mean_penalty, workers)
        return {
            "embedding_": self._embed(affinity, conditional, workers)[0],
            "context_embedding_": conditional.contexts,
            "log_prior_": log_of(conditional.normalizer.prior),
            "loss_curve_": np.array(losses),
            "n_iter_": len(losses),
            "_conditional": conditional,
        }

    def _embed(self, affinity, conditional, workers):
        """Return the embedding of rows of affinities, and their operator."""
        operator = SparseOperator(affinity, conditional.mass)
        return embed(operator, conditional, self._n_steps, workers), operator

    def fit_transform(self, X, y=None):
        """Fit to X and return its embedding, the same as ``fit(X).transform(X)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_contexts)
            Non-negative affinities.
        y : None
            Ignored.

        Returns
        -------
        embedding : ndarray of shape (n_rows, n_components)
            A copy of ``embedding_``: unit rows, or zero for rows without affinity.
        """
        # What follows in a Pipeline may work in place.
        return self.fit(X, y).embedding_.copy()

    def transform(self, X):
        """Embed rows, seen in fit or not, from their affinities to the contexts of fit.

        Each row goes down its own loss with the contexts fixed: it gets the same vector
        alone, in a batch or in another order, to rounding. Costs ten passes (five in
        BipartiteEmbedder) of O(n_rows (n_gaussians n_components + n_components²)) and
        one of O(nnz n_components).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_contexts)
            Non-negative affinities of the rows to the contexts seen in fit.

        Returns
        -------
        embedding : ndarray of shape (n_rows, n_components)
            Unit rows, in the dtype of fit; zero, with one warning, for rows without
            affinity to any context known from fit.

        Raises
        ------
        ValueError
            If X has another width than in fit, or negative or non-finite entries.
        """
        check_is_fitted(self, "embedding_")
        affinity = check_affinity(self, X, reset=False)
        with Workers(self.n_jobs) as workers:
            embedding, operator = self._embed(affinity, self._conditional, workers)
        warn_empty_rows(operator.pulled)
        return embedding

    def score_samples(self, X):
        """Return the log likelihood of each row's affinities.

        It is Σ_j P_ij log p(j | i) at the row's embedding, in nats, with the
        normaliser exact, so that scores can be compared between temperatures and
        numbers of Gaussians; and so at a cost of O(n_rows n_contexts n_components).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_contexts)
            Non-negative affinities of the rows to the contexts seen in fit.

        Returns
        -------
        log_likelihood : ndarray of shape (n_rows,)
            Zero for rows without affinity.

        Raises
        ------
        ValueError
            If X is not what ``transform`` takes.
        """
        return self._score_rows(X)[0]

    def score(self, X, y=None):
        """Return the mean log likelihood of the rows that have affinities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_contexts)
            Non-negative affinities of the rows to the contexts seen in fit.
        y : None
            Ignored.

        Returns
        -------
        score : float
            Mean of ``score_samples`` over the rows with affinity, in nats; higher is
            better.

        Raises
        ------
        ValueError
            If X is not what ``transform`` takes, or has no row with affinities.
        """
        log_likelihoods, pulled = self._score_rows(X)
        if not pulled.any():
            raise ValueError(
                f"X must have a row with affinities to be scored, got {len(pulled)} "
                "without any to the contexts known from fit."
            )
        return float(log_likelihoods[pulled].mean())

    def _score_rows(self, X):
        """Return the log likelihood of each row and whether it has affinities."""
        check_is_fitted(self, "embedding_")
        affinity = check_affinity(self, X, reset=False)
        with Workers(self.n_jobs) as workers:
            embedding, operator = self._embed(affinity, self._conditional, workers)
            out = log_likelihood(embedding, operator, self._conditional, workers)
        return out, operator.pulled

    @property
    def _n_features_out(self):
        return self.embedding_.shape[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def context_prior(strength, power):
    """Return p_j ∝ strength_j ** power, summing to one; zero where strength is."""
    if not strength.any():
        return np.full(len(strength), 1 / len(strength))
    counts = strength > 0
    log_prior = np.zeros(len(strength))
    np.log(strength, out=log_prior, where=counts)
    log_prior = power * (log_prior - log_prior[counts].max())
    # No prior may round to zero, which stands for contexts that do not count.
    prior = np.where(counts, np.exp(np.maximum(log_prior, -60)), 0)
    return prior / prior.sum()


@contextmanager
def _all_or_nothing(estimator):
    """Leave the fitted attributes as they were if what is done within fails."""

    def fitted():
        attributes = vars(estimator).items()
        return {k: v for k, v in attributes if k.endswith("_") or k == "_conditional"}

    before = fitted()
    try:
        yield
    except BaseException:
        for name in fitted():
            delattr(estimator, name)
        vars(estimator).update(before)
        raise


class _Progress:
    """Tells scikit-learn's callbacks, and the screen if asked, of every epoch."""

    def __init__(self, estimator, X, y, snapshot):
        self._subject = {"estimator": estimator, "X": X, "y": y}
        self._snapshot = snapshot
        self._context = estimator._init_callback_context(
            max_subtasks=estimator.max_iter
        )
        self._context.call_on_fit_task_begin(**self._subject)

    def begin(self):
        """Announce an epoch."""
        self._task = self._context.subcontext(task_name="epoch")
        self._task.call_on_fit_task_begin(**self._subject)
        self._started = perf_counter()

    def end(self, losses):
        """Report an epoch; return whether a callback asks to stop."""
        estimator = self._subject["estimator"]
        if estimator.verbose:
            seconds = perf_counter() - self._started
            print(  # noqa: T201 - what verbose asks for
                f"[{type(estimator).__name__}] epoch {len(losses)}/{estimator.max_iter}"
                f"  loss {losses[-1]:.6f}  {seconds:.2f} s"
            )
        return self._task.call_on_fit_task_end(
            **self._subject, reconstruction_attributes=lambda: self._snapshot(losses)
        )

    def close(self, attributes):
        """Announce the end of the fit."""
        self._context.call_on_fit_task_end(
            **self._subject, reconstruction_attributes=lambda: attributes
        )
