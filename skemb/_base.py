"""What all embedders share: parameters and the template of fit."""

from abc import ABC, abstractmethod
from contextlib import contextmanager
from copy import deepcopy
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state

from skemb._compat import CallbackSupportMixin, Interval, StrOptions
from skemb._normalizer import (
    CheckedNormalizer,
    ExactNormalizer,
    gaussian_or_exact,
    prior_of,
)
from skemb._operators import operator_of, transposed
from skemb._parallel import Workers
from skemb._progress import Progress
from skemb._sampled_normalizer import sampled_normalizer_of
from skemb._trainer import (
    Side,
    principal_axes,
    propagate,
    pull_of,
    random_vectors,
    train,
)
from skemb._validation import (
    check_start,
    column_sums,
    is_dask_array,
    row_sums,
    warn_exact,
)


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
        "normalizer": [StrOptions({"gaussian", "exact", "sampled"}), callable],
        "n_negatives": [Interval(Integral, 1, 65536, closed="both")],
        "sampler": [StrOptions({"uniform", "popularity", "adaptive"})],
        "context_power": [Interval(Real, 0, 1, closed="both")],
        "mean_penalty": [Interval(Real, 0, 1e3, closed="both")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "init": [StrOptions({"random", "propagated"}), "array-like"],
        "warm_start": ["boolean"],
        "principal_axes": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }
    # Whether fits go over the rows of Dask arrays where these are; others compute them.
    _goes_over_dask = False
    # How strongly the vectors of each side are drawn to the direction of their mean.
    _cohesion = (0.0, 0.0)
    # Tasks of ``_training_data`` that may take as long as epochs do.
    _n_preparations = 0

    @abstractmethod
    def _training_data(self, X, progress, workers):
        """Return what X says, checked: all that the other hooks ask for."""

    @abstractmethod
    def _pulls(self, data, workers):
        """Return, for each side in training, its operator and its strength (n,).

        One side is its own contexts; of two, the first holds the vectors offered. The
        strength is a vector's total affinity as a context, zero if it does not count.
        """

    @abstractmethod
    def _attributes(self, sides, data, losses, workers):
        """Return the fitted attributes as of the sides' vectors."""

    @abstractmethod
    def _fitted_vectors(self, data):
        """Return the vectors of the last fit, of each of two sides."""

    @abstractmethod
    def _warn(self, sides):
        """Warn of vectors that could not be trained."""

    def _fit_temperature(self, data, pulls, workers):
        return self.temperature

    def _fit(self, X, y):
        """Learn the vectors of rows and contexts; return the training data."""
        with all_or_nothing(self), self._workers(X, reset=True) as workers:
            progress = Progress(self, X, y, self._n_preparations)
            data = self._training_data(X, progress, workers)
            random_state = check_random_state(self.random_state)
            pulls = self._pulls(data, workers)
            temperature = self._fit_temperature(data, pulls, workers)
            sides, start = self._start(data, pulls, temperature, random_state, workers)

            def attributes(losses):
                return self._attributes(sides, data, losses, workers)

            progress.snapshot = lambda losses: deepcopy(attributes(losses))
            losses = train(
                sides,
                mean_penalty=self.mean_penalty,
                max_iter=self.max_iter,
                tol=self.tol,
                start=start,
                workers=workers,
                monitor=progress,
            )
            fitted = attributes(losses)
            vars(self).update(fitted)
            if self.principal_axes:
                axes = principal_axes(self._fitted_vectors(data)[0], workers)
                for side in sides:
                    side.rotate(axes, workers)
                fitted = attributes(losses)
                vars(self).update(fitted)
            progress.close(fitted)
            self._warn(sides)
        return data

    def _over_dask(self, X):
        """Tell whether to go over the rows of X where Dask has them."""
        return self._goes_over_dask and is_dask_array(X)

    def _workers(self, X, *, reset):
        """Return what goes over the rows of X: threads, or workers of Dask."""
        if not self._over_dask(X):
            return Workers(self.n_jobs)
        from skemb._dask import DaskWorkers

        return DaskWorkers(self._part_rows(X, reset=reset), self.n_jobs)

    def _part_rows(self, X, *, reset):
        """Return how many rows a part of a Dask array takes."""
        from skemb._dask import part_rows_of

        source = None if reset else self._conditional.source
        return part_rows_of(X, source if is_dask_array(source) else None)

    def _start(self, data, pulls, temperature, random_state, workers):
        """Return the sides at their first vectors, and what kind of start that is."""
        dtype = pulls[0][0].dtype
        n_vectors = [operator.shape[0] for operator, _ in pulls]
        given = self._given_vectors(data, n_vectors, dtype)
        sides = []
        for (operator, strength), cohesion in zip(pulls, self._cohesion, strict=False):
            shape = (operator.shape[0], self.n_components)
            vectors = random_vectors(shape, dtype, random_state, workers)
            normalizer = self._make_normalizer(strength, temperature, dtype)
            sides.append(Side(operator, normalizer, vectors, workers, cohesion))
        if self.normalizer == "exact":
            warn_exact([side.operator.shape for side in sides], self.n_components)
        for side, vectors in zip(sides, given, strict=False):
            side.restart(vectors, workers)
        if len(given) == 1 and len(sides) == 2:
            spread = pull_of(sides[1].operator, sides[0].vectors, workers)
            sides[1].restart(spread, workers)
        start = "given" if given else self.init
        if start == "propagated":
            propagate(sides, workers)
        for side in sides:
            side.normalizer.start(side.vectors, random_state)
        return sides, start

    def _make_normalizer(self, strength, temperature, dtype):
        """Return the normaliser of contexts of such strengths (n,)."""
        prior = context_prior(strength, self.context_power).astype(dtype)
        if self.normalizer == "gaussian":
            return gaussian_or_exact(prior, temperature, self.n_gaussians)
        if self.normalizer == "exact":
            return ExactNormalizer(prior, temperature)
        if self.normalizer == "sampled":
            return sampled_normalizer_of(
                self.sampler, prior, strength, temperature, self.n_negatives
            )
        return CheckedNormalizer(self.normalizer(prior, temperature))

    def _given_vectors(self, data, n_vectors, dtype):
        """Return the vectors to start from, for as many sides as there are some."""
        if self.warm_start and hasattr(self, "n_iter_"):
            fitted = self._fitted_vectors(data)[-len(n_vectors) :]
            name = "the embedding of the last fit (warm_start=True)"
        elif isinstance(self.init, str):
            return []
        else:
            fitted, name = [self.init], "init"
        return [
            check_start(vectors, (n, self.n_components), dtype, name)
            for vectors, n in zip(fitted, n_vectors, strict=False)
        ]

    @property
    def _dtype(self):
        return self._conditional.contexts.dtype

    @property
    def _n_features_out(self):
        return self._conditional.contexts.shape[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def two_sided_pulls(X):
    """Return the pulls of rows on columns and of columns on rows, both in one step."""
    rows, columns = row_sums(X), column_sums(X)
    of_rows = operator_of(X, (columns > 0).astype(np.float64))
    of_columns = operator_of(transposed(X), (rows > 0).astype(np.float64))
    return [(of_rows, rows), (of_columns, columns)]


def context_prior(strength, power):
    """Return p_j ∝ strength_j ** power, summing to one; zero where strength is."""
    log_prior = np.full(len(strength), -np.inf)
    counts = strength > 0
    if counts.any():
        logs = np.log(strength[counts])
        log_prior[counts] = power * (logs - logs.max())
    return prior_of(log_prior)


@contextmanager
def all_or_nothing(estimator):
    """Leave the fitted attributes as they were if what is done within fails."""

    def fitted():
        attributes = vars(estimator).items()
        private = ("_conditional", "_known")
        return {k: v for k, v in attributes if k.endswith("_") or k in private}

    before = fitted()
    try:
        yield
    except BaseException:
        for name in fitted():
            delattr(estimator, name)
        vars(estimator).update(before)
        raise
