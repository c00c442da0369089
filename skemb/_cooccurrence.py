"""Features that occur together as unit vectors, and rows as means of them."""

from typing import ClassVar

import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from skemb._base import two_sided_pulls
from skemb._compat import StrOptions, fit_context
from skemb._feature_embedder import FeatureEmbedder
from skemb._operators import CooccurrenceOperator, SparseOperator
from skemb._parallel import Workers
from skemb._trainer import embed
from skemb._validation import (
    check_affinity,
    check_cooccurrences,
    check_node_order,
    column_sums,
    given_once,
    row_sums,
)

_N_STEPS = 10


class CooccurrenceEmbedder(FeatureEmbedder):
    r"""Embed features that occur together; a row becomes the mean of its features.

    Two features co-occur when a row of X holds both: words in documents, items in
    baskets, tags of pictures. Row r adds :math:`X_{ri} X_{rj} / \sum_k X_{rk}` to the
    co-occurrences of i and j, and none to those of a feature with itself. With P these
    co-occurrences, row-normalised, and Q column-normalised, the unit vectors
    :math:`x_i` of the features and :math:`y_j` of their contexts, the same features
    once more, minimise in turn

    .. math::

        -\frac{1}{m} \sum_{ij} P_{ij} \log p(j \mid i)
        \quad\text{and}\quad
        -\frac{1}{m} \sum_{ij} Q_{ij} \log q(i \mid j),
        \qquad
        p(j \mid i) = \frac{p_j \, e^{x_i \cdot y_j / t}}{Z(x_i)},

    and q alike with the sides exchanged. The normaliser
    :math:`Z(x) = \sum_j p_j e^{x \cdot y_j / t}` is estimated in linear time by a
    mixture of Gaussians [1]_: no negatives are sampled. The matrix of co-occurrences is
    never formed.

    ``transform`` takes a row to the weighted mean of the vectors of its features, which
    weigh their counts times the smooth inverse of their frequency [2]_. It goes for
    rows never seen, each on its own.

    Parameters
    ----------
    n_components : int, default=128
        Dimension d of the vectors, at least 1. It may exceed the number of features.
    affinity : {"rows", "precomputed"}, default="rows"
        How X tells what co-occurs in ``fit``. "rows": entries are counts or weights of
        features, which co-occur with those of their row. "precomputed": X is a square
        matrix of co-occurrences itself, taken as it is with its diagonal. ``transform``
        takes rows of counts either way.
    smoothing : float, "auto" or None, default="auto"
        The a of the weights a / (a + f) that features of frequency f have in a mean,
        positive; None weighs all alike. "auto" is 25 over the number of features: near
        0.001 for the vocabulary of a large corpus. It can be set after ``fit``.
    temperature : float, default=0.25
        Temperature t of the SoftMax, in [0.001, 1000], the parameter to search over
        first: lower values fit finer differences, and more of the noise.
    n_gaussians : int, default=256
        Gaussians K of the normaliser, at least 1; at the number of features and above
        it is exact. Time grows with K m d.
    normalizer : {"gaussian", "exact", "sampled"} or callable, default="gaussian"
        How the normaliser is computed. "exact" sums over all contexts, in time that
        grows with rows times contexts; "sampled" estimates it from ``n_negatives``
        contexts drawn for each row by ``sampler``. Both are there to compare with.
        ``docs/normalizers.rst`` says when they pay and how to write another one.
    n_negatives : int, default=64
        Contexts that a row draws in an epoch with ``normalizer="sampled"``, from 1 to
        65,536.
    sampler : {"uniform", "popularity", "adaptive"}, default="adaptive"
        How ``normalizer="sampled"`` draws contexts: all with the same chance, with one
        in proportion to their total affinity, or by how the row points [3]_.
    context_power : float, default=0.75
        Prior :math:`p_j \propto s_j^{power}`, with :math:`s_j` the sum of a feature's
        co-occurrences, in [0, 1]. At 0 popularity has to be learned by the vectors, at
        1 they hold what goes beyond it.
    mean_penalty : float, default=0.0
        Weight of the squared mean of the features and of the contexts, in [0, 1000].
    max_iter : int, default=20
        Number of epochs, at least 1. Steps shrink linearly to zero over them.
    tol : float, default=0.0
        Training stops early once the loss changes by less than ``tol`` times itself
        from one epoch to the next; 0 never does. As the steps shrink on a schedule, an
        early stop trades quality for time.
    init : {"random", "propagated"} or array-like, default="random"
        Where the features start: at random vectors, or at what becomes of them when
        they spread over two hops of co-occurrence. Rows of an array of shape
        (n_features, n_components) are scaled to length one; zero rows start at random,
        and contexts at the means of their features.
    warm_start : bool, default=False
        Whether ``fit`` starts from the embedding of the last fit, if there was one, in
        place of ``init``. X must keep its features.
    principal_axes : bool, default=False
        Whether to turn all vectors, once trained, to the principal axes of
        ``feature_embedding_``: cosines stay, to rounding, and the first k columns keep
        as much of them as any k can, so that one fit serves a search over dimensions.
    n_jobs : int or None, default=None
        Number of threads; None is 1 unless in a ``joblib.parallel_config``, -1 all
        processors. The result is the same, byte for byte, whatever it is.
    random_state : int, RandomState instance or None, default=None
        Seed of the random start, of the first centres of the Gaussians, and of draws.
    verbose : int, default=0
        If positive, print loss and seconds of every epoch.

    Attributes
    ----------
    feature_embedding_ : ndarray of shape (n_features, n_components)
        Trained vectors of the features: unit rows, or zero for features that co-occur
        with nothing. float32 for float32 input, else float64.
    context_embedding_ : ndarray of shape (n_features, n_components)
        Trained vectors of the features as contexts of others.
    log_prior_ : ndarray of shape (n_features,)
        Log of the contexts' prior; minus infinity for features that co-occur with
        nothing.
    feature_frequency_ : ndarray of shape (n_features,)
        Share of each feature in the sum of X; by row, if that is precomputed.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        The objective, in nats, before the step of each epoch, under the normaliser of
        that epoch; the mean of both losses.
    n_iter_ : int
        Number of epochs run.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X was a DataFrame with names of strings.

    See Also
    --------
    TextEmbedder : Words that stand near one another in documents.
    BipartiteEmbedder : Rows get vectors of their own, and recommendations.
    sklearn.decomposition.TruncatedSVD : Linear features of rows.

    Notes
    -----
    An epoch costs O(nnz d + m K d + m d²) for m features, nnz being the entries of X,
    and not the pairs that co-occur. Fitting holds X in CSR twice (by row and by column;
    once more where an entry is over 99 % of its row)
    and about three arrays of shape (n_features, n_components) and one of
    (n_rows + n_features, n_components). float32 input takes half the time and memory
    of float64.

    Every count meets the mean of its row, so that a row weighs as much as its sum, and
    not as its square, by which a few long rows would outweigh the others. That was the
    better choice on all of the real data tried. Plain counts of pairs, :math:`X^T X`
    with a diagonal of zeros, can be passed with ``affinity="precomputed"``.

    The vectors offered are those of the features as rows; adding those of the contexts
    did not help in analogies of words, and hardly elsewhere. Means of unit vectors are
    shorter than one, the shorter the less their features have in common.

    References
    ----------
    .. [1] L. Dall'Amico and E. M. Belliardo, "Learning distributed representations with
       efficient SoftMax normalization", Transactions on Machine Learning Research,
       2025. arXiv:2303.17475. The temperature, the many components with one covariance
       and the two-sided loss are this library's; ``docs/model.rst`` derives them.
    .. [2] S. Arora, Y. Liang and T. Ma, "A simple but tough-to-beat baseline for
       sentence embeddings", International Conference on Learning Representations, 2017.
    .. [3] L. Chen, F. Yuan, J. M. Jose and W. Zhang, "Improving negative sampling for
       word representation using self-embedded features", WSDM 2018. arXiv:1710.09805.

    Examples
    --------
    Sixty baskets of two kinds of customers, with twelve items each to choose from:

    >>> import numpy as np
    >>> from skemb import CooccurrenceEmbedder
    >>> rng = np.random.default_rng(0)
    >>> kind = np.repeat([0, 1], 30)
    >>> of_kind = kind[:, None] == np.repeat([0, 1], 12)
    >>> X = rng.random((60, 24)) < np.where(of_kind, 0.4, 0.02)
    >>> embedder = CooccurrenceEmbedder(8, random_state=0).fit(X)
    >>> cosines = embedder.feature_embedding_ @ embedder.feature_embedding_[0]
    >>> bool(cosines[1:12].mean() > cosines[12:].mean() + 0.5)
    True

    Baskets never seen are means of their items, so that cross-validation holds them
    out:

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> model = make_pipeline(embedder, LogisticRegression())
    >>> round(float(cross_val_score(model, X, kind, cv=5).mean()), 1)
    1.0
    """

    _parameter_constraints: ClassVar[dict] = {
        **FeatureEmbedder._parameter_constraints,
        "affinity": [StrOptions({"rows", "precomputed"})],
    }

    def __init__(
        self,
        n_components=128,
        *,
        affinity="rows",
        smoothing="auto",
        temperature=0.25,
        n_gaussians=256,
        normalizer="gaussian",
        n_negatives=64,
        sampler="adaptive",
        context_power=0.75,
        mean_penalty=0.0,
        max_iter=20,
        tol=0.0,
        init="random",
        warm_start=False,
        principal_axes=False,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.affinity = affinity
        self.smoothing = smoothing
        self.temperature = temperature
        self.n_gaussians = n_gaussians
        self.normalizer = normalizer
        self.n_negatives = n_negatives
        self.sampler = sampler
        self.context_power = context_power
        self.mean_penalty = mean_penalty
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.warm_start = warm_start
        self.principal_axes = principal_axes
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the vectors of features and of their contexts.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Non-negative counts or weights of features; with ``affinity="precomputed"``
            co-occurrences of shape (n_features, n_features). CSR of float32 or float64
            is used as it is; everything else is converted to it.
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
            multiplied and summed.
        TypeError
            If X is a graph object rather than a matrix.
        """
        self._fit(X, y)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Fit to X and return its means, the same as ``fit(X).transform(X)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Non-negative counts or weights of features.
        y : None
            Ignored.

        Returns
        -------
        means : ndarray of shape (n_rows, n_components)
            As by ``transform``.
        """
        return self._means(self._fit(X, y))

    def transform(self, X):
        """Return the weighted mean of the features of each row, seen in fit or not.

        A feature j weighs :math:`X_{ij} a / (a + f_j)`, with a the ``smoothing`` and
        f its frequency in fit; features without a vector have no part in it. Costs
        O(nnz n_components).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Non-negative counts or weights of the features seen in fit.

        Returns
        -------
        means : ndarray of shape (n_rows, n_components)
            In the dtype of fit; zero, with one warning, for rows without any feature
            that has a vector.

        Raises
        ------
        ValueError
            If X has another width than in fit, or negative or non-finite entries.
        """
        check_is_fitted(self, "n_iter_")
        self._validate_params()
        return self._means(check_affinity(self, X, reset=False))

    def score(self, X, y=None):
        """Return the mean log likelihood of what co-occurs.

        It is the mean of log p(j | i) over all pairs of features that co-occur in X,
        each weighted by how often, in nats, with the normaliser exact, so that scores
        can be compared between temperatures and numbers of Gaussians. With
        ``affinity="rows"`` the vectors are those of fit. If "precomputed", a row of X
        is embedded from its own co-occurrences first: it may be another feature than
        those of fit. Costs O(n_features² n_components). Parameters other than
        ``affinity`` and ``n_jobs`` count as of fit.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Rows of the kind that ``fit`` takes, of the features seen there.
        y : None
            Ignored.

        Returns
        -------
        score : float
            In nats; higher is better.

        Raises
        ------
        ValueError
            If X is not what ``transform`` takes, or nothing in it co-occurs.
        """
        check_is_fitted(self, "n_iter_")
        self._validate_params()
        X = check_affinity(self, X, reset=False)
        with Workers(self.n_jobs) as workers:
            if self.affinity == "precomputed":
                operator = SparseOperator(X, self._conditional.mass)
                vectors = embed(operator, self._conditional, _N_STEPS, workers)
            else:
                # What is not known from fit has no vector and no part in a score.
                X, known = given_once(X), self.feature_embedding_.any(axis=1)
                counts = (X.data * known[X.indices], X.indices, X.indptr)
                X = given_once(sp.csr_array(counts, shape=X.shape))
                operator = CooccurrenceOperator(X)
                vectors = self.feature_embedding_
            return self._mean_log_likelihood(vectors, operator, workers)

    def _training_data(self, X, progress, workers):
        if self.affinity == "precomputed":
            check_node_order(X)
        counts = check_affinity(self, X, reset=True)
        if self.affinity == "precomputed":
            check_cooccurrences(counts)
        return counts

    def _pulls(self, data, workers):
        if self.affinity == "precomputed":
            return two_sided_pulls(data)
        operator = CooccurrenceOperator(given_once(data))
        return 2 * [(operator, operator.strength)]

    def _attributes(self, sides, data, losses, workers):
        precomputed = self.affinity == "precomputed"
        counts = row_sums(data) if precomputed else column_sums(data)
        return {
            "feature_embedding_": sides[0].vectors,
            "feature_frequency_": counts / (counts.sum() or 1),
            **self._trained(sides, losses, workers),
        }

    def _fitted_vectors(self, data):
        return [self.feature_embedding_, self.context_embedding_]

    @property
    def _vectors(self):
        return self.feature_embedding_

    @property
    def _frequency(self):
        return self.feature_frequency_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.affinity == "precomputed"
        return tags
