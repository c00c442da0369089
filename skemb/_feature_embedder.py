"""What embedders of features share: rows become weighted means of their features."""

from abc import abstractmethod
from numbers import Real
from typing import ClassVar

import numpy as np

from skemb._base import BaseEmbedder
from skemb._compat import Interval, StrOptions
from skemb._normalizer import log_of
from skemb._operators import SparseOperator
from skemb._parallel import Workers
from skemb._trainer import (
    conditional_of,
    known_log_prior,
    log_likelihood,
    pull_of,
    read_through,
)
from skemb._validation import warn_alone, warn_zero_means


class FeatureEmbedder(BaseEmbedder):
    """Template of the embedders of features; a subclass says which of them meet."""

    _parameter_constraints: ClassVar[dict] = {
        **BaseEmbedder._parameter_constraints,
        "smoothing": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
            None,
        ],
    }

    # What messages call X, its rows and its features.
    _argument, _rows, _kind = "X", "rows of X", "features"

    @property
    @abstractmethod
    def _vectors(self):
        """The fitted vectors, (n_features, n_components)."""

    @property
    @abstractmethod
    def _frequency(self):
        """The share of each feature in all that was counted, (n_features,)."""

    def _trained(self, sides, losses, workers):
        """Return the fitted attributes that all embedders of features have."""
        prior = sides[-1].normalizer.prior
        conditional = conditional_of(sides, prior, self.mean_penalty, workers)
        # Not as read through the rows of X, which are no part of what is learned.
        conditional = conditional._replace(
            source=conditional.contexts, log_prior=known_log_prior(prior)
        )
        return {
            "context_embedding_": conditional.contexts,
            "log_prior_": log_of(prior),
            "loss_curve_": np.array(losses),
            "n_iter_": len(losses),
            "_conditional": conditional,
        }

    def _warn(self, sides):
        warn_alone(sides[0].operator.pulled, self._kind, self._argument)

    def _means(self, counts):
        """Return the mean vector of the features of each row of CSR."""
        vectors = self._vectors
        weights = vectors.any(axis=1).astype(np.float64)
        if self.smoothing is not None:
            # What is a small frequency depends on how many share in it.
            automatic = self.smoothing == "auto"
            smoothing = 25 / len(weights) if automatic else self.smoothing
            weights *= smoothing / (smoothing + self._frequency)
        weights /= weights.max() or 1
        operator = SparseOperator(counts, weights)
        source = vectors * weights.astype(vectors.dtype)[:, None]
        with Workers(self.n_jobs) as workers:
            means = pull_of(operator, source, workers)
        warn_zero_means(operator.pulled, self._rows, self._kind)
        return means

    def _mean_log_likelihood(self, vectors, operator, workers):
        """Return the mean of log p(j | i) over what the operator says meets."""
        conditional = self._conditional
        source, log_prior = read_through(
            operator, conditional.contexts, conditional.prior, workers
        )
        conditional = conditional._replace(source=source, log_prior=log_prior)
        log_likelihoods = log_likelihood(vectors, operator, conditional, workers)
        weights = operator.strength * vectors.any(axis=1)
        if not weights.any():
            raise ValueError(
                f"{self._argument} must have {self._kind} known from fit that co-occur "
                "to be scored, got none."
            )
        return float(weights @ log_likelihoods / weights.sum())
