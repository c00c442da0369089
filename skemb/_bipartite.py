"""Rows and columns of an interaction matrix as unit vectors."""

from collections import namedtuple
from functools import partial
from typing import ClassVar

import numpy as np
from scipy.special import entr
from sklearn.utils.validation import check_is_fitted

from skemb._base import two_sided_pulls
from skemb._compat import StrOptions
from skemb._normalizer import log_of
from skemb._parallel import Workers
from skemb._row_embedder import RowEmbedder
from skemb._trainer import best_contexts, inverted_prior
from skemb._validation import (
    check_items_left,
    check_n_items,
    column_sums,
    in_memory,
)


class Recommendations(namedtuple("Recommendations", ["columns", "scores"])):
    """Columns for each row, best first; ``columns, scores = ...`` unpacks them.

    Attributes
    ----------
    columns : ndarray of shape (n_rows, n_items)
        Indices of the columns.
    scores : ndarray of shape (n_rows, n_items)
        Log p(column | row), in nats.
    column_names : ndarray of shape (n_rows, n_items) or None
        Names of these columns, if the embedder was fitted with names.
    """

    column_names = None


def mutual_information(X, rows, columns, workers):
    """Return Σ_ij p_ij log(p_ij / (p_i p_j)) in nats; p is the CSR matrix X / sum.

    ``rows`` and ``columns`` are the sums of those of X.
    """
    total = rows.sum() or 1.0
    of_block = partial(_entropies, total)
    of_rows, joint = workers.sum(of_block, (rows, X), X.nnz // X.shape[0])
    return float(of_rows + entr(columns / total).sum() - joint)


def _entropies(total, rows, X):
    """Return Σ -p log p over rows by their sums, and over places of CSR, a copy."""
    X.sum_duplicates()
    joint = entr(X.data.astype(np.float64) / total)
    return entr(rows / total).sum(), joint.sum()


class BipartiteEmbedder(RowEmbedder):
    r"""Embed rows and columns of an interaction matrix: users and items, baskets, tags.

    With P the row-normalised and Q the column-normalised interactions, the unit vectors
    :math:`x_i` of the rows and :math:`y_j` of the columns minimise in turn

    .. math::

        -\frac{1}{n} \sum_{ij} P_{ij} \log p(j \mid i)
        \quad\text{and}\quad
        -\frac{1}{m} \sum_{ij} Q_{ij} \log q(i \mid j)
        - \frac{0.15}{t} \Big\| \frac{1}{m} \sum_j y_j \Big\|,
        \qquad
        p(j \mid i) = \frac{p_j \, e^{x_i \cdot y_j / t}}{Z(x_i)},

    and q alike with the prior of the rows. The normaliser
    :math:`Z(x) = \sum_j p_j e^{x \cdot y_j / t}` is estimated in linear time by a
    mixture of Gaussians [1]_: every zero of the matrix counts, and none is drawn. The
    last term draws the columns together, so that those whose rows share little lie near
    the mean of all columns rather than anywhere.

    Once trained, ``recommend``, ``score`` and ``score_samples`` take for :math:`p_j`
    the share of column j in X over its normaliser in q, which is what Bayes' theorem
    makes of q: columns near which many rows lie would else come too often.

    Rows are samples, as everywhere in scikit-learn: cross-validation holds out rows,
    and ``transform`` embeds them from their interactions alone.

    Parameters
    ----------
    n_components : int, default=64
        Dimension d of the vectors, at least 1. It may exceed both sides of X.
    temperature : float or "auto", default="auto"
        Temperature t of the SoftMax, in [0.001, 1000], the parameter to search over
        first: lower values fit finer differences, and more of the noise. "auto" is 0.8
        over the mutual information of rows and columns in nats, clipped to [0.1, 1]:
        near 1/8 for thousands of columns of which rows have a few dozen, 1/3 to 1 for
        small or dense data.
    n_gaussians : int, default=512
        Gaussians K of the normaliser, at least 1; at the number of columns (of rows,
        for the other loss) and above it is exact. More are better on large data at low
        temperatures. Time grows with K d (n + m).
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
        in proportion to their total affinity, or by how the row points [2]_.
    context_power : float, default=1.0
        Prior of the training, :math:`p_j \propto s_j^{power}`, with :math:`s_j` the sum
        of a column (of a row, for the other loss), in [0, 1]. At 0 popularity has to be
        learned by the vectors, at 1 they hold what goes beyond it.
    mean_penalty : float, default=0.0
        Weight of the squared mean vector of each side, in [0, 1000].
    max_iter : int, default=12
        Number of epochs, at least 1. Steps shrink linearly to zero over them.
    tol : float, default=0.0
        Training stops early once the loss changes by less than ``tol`` times itself
        from one epoch to the next; 0 never does. As the steps shrink on a schedule, an
        early stop trades quality for time.
    init : {"random", "propagated"} or array-like, default="propagated"
        Where the rows start: at random vectors, or at what becomes of them when they
        spread over two hops between rows and columns, after FastRP [3]_, from where 12
        epochs do as well as 20 do from random vectors. Rows of an array of shape
        (n_rows, n_components) are scaled to length one; zero rows start at random, and
        columns at the means of their rows.
    warm_start : bool, default=False
        Whether ``fit`` starts from the embedding of the last fit, if there was one, in
        place of ``init``. X must keep its shape.
    principal_axes : bool, default=False
        Whether to turn all vectors, once trained, to the principal axes of
        ``embedding_``: cosines stay, to rounding, and the first k columns keep
        as much of them as any k can, so that one fit serves a search over dimensions.
    n_jobs : int or None, default=None
        Number of threads (of each task, if X is a Dask array); None is 1 unless in a
        ``joblib.parallel_config``, -1 all processors. The result is the same, byte for
        byte, whatever it is.
    random_state : int, RandomState instance or None, default=None
        Seed of the random start, of the first centres of the Gaussians, and of draws.
    verbose : int, default=0
        If positive, print loss and seconds of every epoch.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_rows, n_components)
        Vectors of the rows of fit, as ``transform`` gives them: unit rows, or zero for
        rows without interactions. float32 for float32 input, else float64.
    column_embedding_ : ndarray of shape (n_columns, n_components)
        Trained vectors of the columns; zero for columns without interactions.
    column_log_prior_ : ndarray of shape (n_columns,)
        Log of the prior by which columns are ranked and rows scored: of their share in
        X over the normaliser of q; minus infinity for columns without interactions.
    temperature_ : float
        The temperature of the fit.
    column_popularity_ : ndarray of shape (n_columns,)
        Share of each column in the sum of X.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        The objective, in nats, before the step of each epoch, under the normaliser of
        that epoch; the mean of both losses.
    n_iter_ : int
        Number of epochs run.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (n_columns,)
        Names of the columns, if X was a DataFrame with names of strings.

    See Also
    --------
    GraphEmbedder : Rows and columns are the same nodes.
    skemb.metrics.make_ranking_scorer : Search parameters by how hidden entries rank.
    skemb.model_selection.split_entries : Hide a share of each row's entries.
    sklearn.decomposition.TruncatedSVD : Linear, and blind to what is not there.

    Notes
    -----
    An epoch costs O((nnz + n K + m K) d + (n + m) d²). Fitting holds X in CSR twice (by
    row and by column) and one array of shape (n + m, n_components). Propagating the
    start takes another of that shape and one of a side; the end, another of
    (n, n_components). float32 input takes half the time and memory of float64.

    ``score`` is how well a row's interactions are told from themselves. Lower
    temperatures raise it long after hidden entries have begun to rank worse: choose by
    :func:`skemb.metrics.make_ranking_scorer`.

    Entries weigh in proportion within their row and their column: doubling a row leaves
    what ``transform`` gives for it, and in ``fit`` counts twice in its columns. Counts
    with a long tail may be better passed as logarithms or as ones; search the
    temperature again then.

    The dot product of two vectors is their cosine: ``column_embedding_ @
    column_embedding_[j]`` tells which columns are most like column j.

    References
    ----------
    .. [1] L. Dall'Amico and E. M. Belliardo, "Learning distributed representations with
       efficient SoftMax normalization", Transactions on Machine Learning Research,
       2025. arXiv:2303.17475. The temperature, the many components with one covariance,
       the two-sided loss and ``transform`` are this library's; ``docs/model.rst``
       derives them.
    .. [2] L. Chen, F. Yuan, J. M. Jose and W. Zhang, "Improving negative sampling for
       word representation using self-embedded features", WSDM 2018. arXiv:1710.09805.
    .. [3] H. Chen, S. F. Sultan, Y. Tian, M. Chen and S. Skiena, "Fast and accurate
       network embeddings via very sparse random projection", CIKM 2019.
       arXiv:1908.11512.

    Examples
    --------
    Thirty readers of two genres, ten books each:

    >>> import numpy as np
    >>> from skemb import BipartiteEmbedder
    >>> rng = np.random.default_rng(0)
    >>> genre = np.repeat([0, 1], 15)
    >>> of_genre = genre[:, None] == np.repeat([0, 1], 10)
    >>> X = rng.random((30, 20)) < np.where(of_genre, 0.5, 0.02)
    >>> embedder = BipartiteEmbedder(8, random_state=0).fit(X)
    >>> columns, scores = embedder.recommend(X[:3], n_items=2)
    >>> bool((columns < 10).all())
    True

    Readers never seen are embedded from what they read, so that ``cross_val_score``
    and ``GridSearchCV`` hold out readers. Here they are classified:

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> model = make_pipeline(embedder, LogisticRegression())
    >>> round(float(cross_val_score(model, X, genre, cv=5).mean()), 1)
    1.0

    And here a third of the books of each is hidden as well, and the temperature chosen
    by how they rank among all that a reader is not known to have read:

    >>> from skemb.metrics import make_ranking_scorer, ndcg_at_k
    >>> search = GridSearchCV(
    ...     embedder,
    ...     {"temperature": ["auto", 0.25, 0.5]},
    ...     scoring=make_ranking_scorer(ndcg_at_k, k=5, test_size=1 / 3),
    ...     cv=KFold(3, shuffle=True, random_state=0),
    ... )
    >>> search.fit(X).best_params_
    {'temperature': ...}
    """

    _parameter_constraints: ClassVar[dict] = {
        **RowEmbedder._parameter_constraints,
        "temperature": [
            StrOptions({"auto"}),
            *RowEmbedder._parameter_constraints["temperature"],
        ],
    }
    _goes_over_dask = True
    # Of the columns alone, as chosen by benchmarks/bipartite_model.py.
    _cohesion = (0.0, 0.15)
    _n_steps = 5

    def __init__(
        self,
        n_components=64,
        *,
        temperature="auto",
        n_gaussians=512,
        normalizer="gaussian",
        n_negatives=64,
        sampler="adaptive",
        context_power=1.0,
        mean_penalty=0.0,
        max_iter=12,
        tol=0.0,
        init="propagated",
        warm_start=False,
        principal_axes=False,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
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

    def _fit_temperature(self, data, pulls, workers):
        if self.temperature != "auto":
            return self.temperature
        (_, rows), (_, columns) = pulls
        # The lower t, the further unit vectors can tell p(j | i) from p_j; what they
        # have to tell is, in the mean, the mutual information. The factor is one for
        # many data sets (benchmarks/bipartite_parameters.py), and best on few.
        information = max(mutual_information(data, rows, columns, workers), 0.1)
        return float(np.clip(0.8 / information, 0.1, 1))

    def _pulls(self, data, workers):
        return two_sided_pulls(data)

    def _scoring_prior(self, sides, workers):
        return inverted_prior(sides, workers)

    def _attributes(self, sides, data, losses, workers):
        attributes = super()._attributes(sides, data, losses, workers)
        attributes["column_embedding_"] = attributes.pop("context_embedding_")
        attributes["column_log_prior_"] = attributes.pop("log_prior_")
        popularity = column_sums(data)
        attributes["column_popularity_"] = popularity / (popularity.sum() or 1)
        attributes["temperature_"] = float(sides[0].normalizer.temperature)
        return attributes

    def recommend(self, X, n_items=10, *, exclude_known=True):
        """Return the columns of highest p(column | row) for each row, best first.

        Rows are embedded as by ``transform``, seen in fit or not. Of columns that score
        alike the first comes first. A row without interactions gets the most popular
        columns, scored by the log of their share in the sum of X in fit. Columns
        without interactions in fit come last, with a score of minus infinity.

        Costs O(n_rows n_columns n_components) beside ``transform``, in blocks of rows:
        memory is that of the result and a few blocks.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_columns)
            Non-negative interactions of the rows with the columns seen in fit.
        n_items : int, default=10
            How many columns each row gets, from 1 to the number of columns.
        exclude_known : bool, default=True
            Whether to leave out the columns that a row interacts with in X.

        Returns
        -------
        recommendations : Recommendations
            A pair of arrays of shape (n_rows, n_items), ``columns`` (indices) and
            ``scores`` (log p(column | row) in nats, over all columns, the normaliser
            exact). Its attribute ``column_names``, of the same shape, holds the names
            of these columns if the embedder was fitted with a DataFrame whose columns
            are named by strings; else it is None, and indices are positions.

        Raises
        ------
        ValueError
            If X is not what ``transform`` takes, or a row has fewer than ``n_items``
            columns left.
        """
        check_is_fitted(self, "n_iter_")
        affinity = self._check_rows(in_memory(X), reset=False)
        check_n_items(n_items, affinity.shape[1])
        excluded = affinity if exclude_known else affinity[:, :0]
        popularity = log_of(self.column_popularity_).astype(affinity.dtype)
        with Workers(self.n_jobs) as workers:
            rows, _, conditional = self._embed(affinity, workers)
            columns, scores = best_contexts(
                rows, excluded, popularity, conditional, n_items, workers
            )
        check_items_left(columns, n_items)
        recommendations = Recommendations(columns, scores)
        if hasattr(self, "feature_names_in_"):
            recommendations.column_names = self.feature_names_in_[columns]
        return recommendations
