"""What embedders of rows share: a vector for each row of X, seen in fit or not."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skemb._base import BaseEmbedder
from skemb._compat import fit_context
from skemb._normalizer import log_of
from skemb._operators import operator_of
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
            everything else is converted to it. ``GraphEmbedder`` and
            ``BipartiteEmbedder`` go over Dask arrays of sparse or dense blocks where
            these are (``docs/scaling.rst``).
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
        """Return rows of X as operators take them, of fit or of another batch."""
        if not self._over_dask(X):
            return check_affinity(self, X, reset=reset)
        from skemb._dask import check_parts

        return check_parts(self, X, self._part_rows(X, reset=reset), reset=reset)

    def _attributes(self, sides, data, losses, workers):
        prior = self._scoring_prior(sides, workers)
        conditional = conditional_of(sides, prior, self.mean_penalty, workers)
        embedding = embed(sides[0].operator, conditional, self._n_steps, workers)
        contexts = source = workers.offered(conditional.contexts)
        if conditional.source is not conditional.contexts:
            source = workers.offered(conditional.source)
        conditional = conditional._replace(contexts=contexts, source=source)
        return {
            "embedding_": workers.offered(embedding),
            "context_embedding_": conditional.contexts,
            "log_prior_": log_of(conditional.prior),
            "loss_curve_": np.array(losses),
            "n_iter_": len(losses),
            "_conditional": conditional,
        }

    def _scoring_prior(self, sides, workers):
        """Return the prior by which contexts are ranked and rows scored."""
        return sides[-1].normalizer.prior

    def _fitted_vectors(self, data):
        return [self.embedding_, self._conditional.contexts]

    def _warn(self, sides):
        warn_empty_rows(sides[0].operator.pulled)

    def _embed(self, affinity, workers):
        """Return the embedding of rows, their operator, and what it was read from."""
        fitted = self._conditional
        conditional = fitted._replace(
            contexts=workers.readable(fitted.contexts),
            source=workers.readable(fitted.source),
        )
        operator = operator_of(affinity, conditional.mass)
        embedding = embed(operator, conditional, self._n_steps, workers)
        return embedding, operator, conditional

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
        with self._workers(X, reset=False) as workers:
            affinity = self._check_rows(X, reset=False)
            embedding, operator, _ = self._embed(affinity, workers)
            embedding = workers.offered(embedding)
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
        with self._workers(X, reset=False) as workers:
            affinity = self._check_rows(X, reset=False)
            embedding, operator, conditional = self._embed(affinity, workers)
            out = log_likelihood(embedding, operator, conditional, workers)
        return out, operator.pulled
