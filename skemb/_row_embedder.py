"""What embedders of rows share: a vector for each row of X, seen in fit or not."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skemb._base import BaseEmbedder
from skemb._compat import fit_context
from skemb._normalizer import log_of
from skemb._operators import SparseOperator
from skemb._parallel import Workers
from skemb._trainer import conditional_of, embed, log_likelihood
from skemb._validation import check_affinity, warn_empty_rows


class RowEmbedder(BaseEmbedder):
    """Template of the embedders of rows; a subclass says what X pulls on what."""

    # Steps that embed a row: they leave it, in the mean, nearer to the optimum of its
    # loss than training does.
    _n_steps = 10

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
        self._fit(X, y)
        return self

    def _training_data(self, X, progress, workers):
        return self._check_rows(X, reset=True)

    def _check_rows(self, X, *, reset):
        """Return rows of X as CSR that operators take, of fit or of another batch."""
        return check_affinity(self, X, reset=reset)

    def _attributes(self, sides, data, losses, workers):
        conditional = conditional_of(sides, self.mean_penalty, workers)
        return {
            "embedding_": self._embed(data, conditional, workers)[0],
            "context_embedding_": conditional.contexts,
            "log_prior_": log_of(conditional.normalizer.prior),
            "loss_curve_": np.array(losses),
            "n_iter_": len(losses),
            "_conditional": conditional,
        }

    def _fitted_vectors(self, data):
        return [self.embedding_, self._conditional.contexts]

    def _warn(self, sides):
        warn_empty_rows(sides[0].operator.pulled)

    def _embed(self, affinity, conditional, workers):
        """Return the embedding of rows of affinities, and their operator."""
        operator = SparseOperator(affinity, conditional.mass)
        return embed(operator, conditional, self._n_steps, workers), operator

    @fit_context(prefer_skip_nested_validation=True)
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
        self._fit(X, y)
        # What follows in a Pipeline may work in place.
        return self.embedding_.copy()

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
        check_is_fitted(self, "n_iter_")
        affinity = self._check_rows(X, reset=False)
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
        check_is_fitted(self, "n_iter_")
        affinity = self._check_rows(X, reset=False)
        with Workers(self.n_jobs) as workers:
            embedding, operator = self._embed(affinity, self._conditional, workers)
            out = log_likelihood(embedding, operator, self._conditional, workers)
        return out, operator.pulled
