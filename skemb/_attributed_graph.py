"""Nodes of a graph with attributes as unit vectors."""

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from skemb._compat import Interval
from skemb._operators import (
    AttributedWalkOperator,
    ReversedWalkOperator,
    normalized_blocks,
)
from skemb._row_embedder import RowEmbedder
from skemb._validation import (
    advice_on_attributes,
    check_node_columns,
    check_node_order,
    column_sums,
)


class AttributedGraphEmbedder(RowEmbedder):
    r"""Embed the nodes of a graph by their neighbours and their attributes.

    X is the affinity matrix A of the nodes with a matrix F of their attributes to its
    right: words, categories, counts. With T and N the row-normalised A and F, w the
    ``attribute_weight`` and L the ``walk_length``,

    .. math::

        P \propto \big(I + T + \dots + T^{L-1}\big) \, \big[(1 - w) T \mid w N\big]

    says, by rows that sum to one, whom and what each node meets on walks that look at
    neighbours and attributes at every step. The unit vectors :math:`x_i` of the nodes
    and :math:`y_j` of their contexts, nodes and attributes alike, minimise

    .. math::

        -\frac{1}{n} \sum_{ij} P_{ij} \log p(j \mid i), \qquad
        p(j \mid i) = \frac{p_j \, e^{x_i \cdot y_j / t}}{Z(x_i)},

    and the same loss of nodes given contexts, in turn; each has a mean penalty as
    ``GraphEmbedder`` has. :math:`Z(x) = \sum_j p_j e^{x \cdot y_j / t}` is estimated by
    a mixture of Gaussians [1]_. That neighbours' attributes are contexts at several
    distances is the idea of AE and MUSAE [2]_; here the distances are pooled, as in AE,
    and the graph itself is a context too.

    A new node is embedded from its links to the nodes of fit, its attributes, or
    whichever of the two it has.

    Parameters
    ----------
    n_components : int, default=128
        Dimension d of the vectors, at least 1.
    walk_length : int, default=2
        How many nodes of a walk, that of the row included, have their neighbours and
        attributes looked at; at least 1. At 1 a node meets its own alone, which is
        best where links say little of attributes. Search 3 where attributes are few:
        the nodes of fit gain by it, new ones do not.
    attribute_weight : float, default=0.75
        Weight w of attributes beside neighbours, in [0, 1]. 0 leaves out attributes, 1
        all contexts but attributes; those of neighbours are met still, on walks longer
        than 1. Search it first: lower where attributes are few or say little, up to 0.9
        where they say more than the graph.
    temperature : float, default=0.375
        Temperature t of the SoftMax, in [0.001, 1000]. Where labels are plenty 0.25 may
        be better, where they are few 0.5.
    n_gaussians : int, default=64
        Gaussians K of the normaliser, at least 1; at the number of contexts and above
        it is exact. Time grows with K n d.
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
    context_power : float, default=1.0
        Prior of a context, :math:`p_j \propto s_j^{power}` with :math:`s_j` the sum of
        its column of P, in [0, 1]: 0 is uniform, 1 follows the sums.
    mean_penalty : float, default=1.0
        Weight of the squared mean vector of each side, in [0, 1000].
    max_iter : int, default=20
        Number of epochs, at least 1. Steps shrink linearly to zero over them.
    tol : float, default=0.0
        Training stops early once the loss changes by less than ``tol`` times itself
        from one epoch to the next; 0 never does.
    init : {"random", "propagated"} or array-like, default="random"
        Where the nodes start: at random vectors, or at what becomes of them when they
        spread over two hops of their contexts, which makes little difference to the
        end. Rows of an array of shape (n_nodes, n_components) are scaled to length one;
        zero rows start at random.
    warm_start : bool, default=False
        Whether ``fit`` starts from the embedding of the last fit, if there was one, in
        place of ``init``. X must keep its shape.
    principal_axes : bool, default=False
        Whether to turn all vectors, once trained, to the principal axes of
        ``embedding_``: cosines stay, to rounding, and the first k columns keep
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
    embedding_ : ndarray of shape (n_nodes, n_components)
        Vectors of the nodes of fit, as ``transform`` gives them: unit rows, or zero for
        nodes that meet no context, as without links and attributes. float32 for float32
        input, else float64.
    context_embedding_ : ndarray of shape (n_nodes + n_attributes, n_components)
        Trained vectors of the contexts, the nodes first; zero for nodes that nobody
        links to and attributes that nobody has.
    log_prior_ : ndarray of shape (n_nodes + n_attributes,)
        Log of the contexts' prior; minus infinity for those without a vector.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        The objective, in nats, before the step of each epoch, under the normaliser of
        that epoch; the mean of both losses.
    n_iter_ : int
        Number of epochs run.
    n_features_in_ : int
        Number of columns seen in fit: of nodes and of attributes.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X was a DataFrame with names of strings.

    See Also
    --------
    EmbeddingLookup : Carries A and F through cross-validation.
    GraphEmbedder : The graph alone.
    BipartiteEmbedder : The attributes alone.

    Notes
    -----
    An epoch costs O((L nnz(A) + nnz(F) + (n + m) K) d + (n + m) d²) for m attributes.
    Fitting holds X in CSR twice, A alone twice more, and four to nine arrays of shape
    (n_nodes + n_attributes, n_components), more of them for longer walks. P is never
    formed. float32 input takes half the time of float64, and half the memory but for X.

    Attributes that nobody had in fit, and links to nodes that had neither links nor
    attributes, count for nothing in new rows.

    Rows of A and of F are divided by their sums, so that neither scale matters. Within
    F the scales do: an attribute with large values is most of a row. Weights by
    ``TfidfTransformer`` or logarithms help as they do elsewhere. Numeric attributes,
    signed ones above all, become columns of zeros and ones by ``KBinsDiscretizer``, and
    categories by ``OneHotEncoder``.

    **Rows of X cannot be left out without their columns.** Where scikit-learn knows
    that X has a column for each row, as in cross-validation and searches, it ends in an
    error, since X is not square. Elsewhere (``train_test_split``, bagging, calibration)
    the columns left over are taken for attributes, without a word. In
    ``EmbeddingLookup(AttributedGraphEmbedder(), scipy.sparse.hstack([A, F]), ids)``
    rows and columns are cut together, and attributes kept.

    References
    ----------
    .. [1] L. Dall'Amico and E. M. Belliardo, "Learning distributed representations with
       efficient SoftMax normalization", Transactions on Machine Learning Research,
       2025. arXiv:2303.17475.
    .. [2] B. Rozemberczki, C. Allen and R. Sarkar, "Multi-scale attributed node
       embedding", Journal of Complex Networks, 2021. arXiv:1909.13021.
    .. [3] L. Chen, F. Yuan, J. M. Jose and W. Zhang, "Improving negative sampling for
       word representation using self-embedded features", WSDM 2018. arXiv:1710.09805.

    Examples
    --------
    Four groups of people who seldom meet outside them, and wear their colour half of
    the time:

    >>> import networkx as nx
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> from skemb import AttributedGraphEmbedder, EmbeddingLookup
    >>> from skemb.datasets import adjacency_from_networkx
    >>> A, ids = adjacency_from_networkx(
    ...     nx.planted_partition_graph(4, 25, 0.3, 0.02, seed=0)
    ... )
    >>> rng = np.random.default_rng(0)
    >>> group = np.repeat(np.arange(4), 25)
    >>> colour = np.where(rng.random(100) < 0.5, group, rng.integers(4, size=100))
    >>> X = sp.hstack([A, OneHotEncoder().fit_transform(colour[:, None])])
    >>> embedder = AttributedGraphEmbedder(16, random_state=0)
    >>> embedder.fit_transform(X).shape
    (100, 16)

    Someone new, who has met nobody yet and wears colour 2:

    >>> embedder.transform([[0] * 100 + [0, 0, 1, 0]]).shape
    (1, 16)

    >>> model = make_pipeline(EmbeddingLookup(embedder, X, ids), LogisticRegression())
    >>> scores = cross_val_score(model, ids.reshape(-1, 1), group)
    >>> bool(scores.mean() > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **RowEmbedder._parameter_constraints,
        "walk_length": [Interval(Integral, 1, None, closed="left")],
        "attribute_weight": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        n_components=128,
        *,
        walk_length=2,
        attribute_weight=0.75,
        temperature=0.375,
        n_gaussians=64,
        normalizer="gaussian",
        n_negatives=64,
        sampler="adaptive",
        context_power=1.0,
        mean_penalty=1.0,
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
        self.walk_length = walk_length
        self.attribute_weight = attribute_weight
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

    def _training_data(self, X, progress, workers):
        check_node_order(X)
        return super()._training_data(X, progress, workers)

    def _check_rows(self, X, *, reset):
        with advice_on_attributes():
            affinity = super()._check_rows(X, reset=reset)
        if reset:
            check_node_columns(affinity)
            return normalized_blocks(affinity, affinity.shape[0])
        # What nobody had in fit must not dilute what is known of a new row.
        known = affinity.data * self._known[affinity.indices]
        affinity = sp.csr_array(
            (known, affinity.indices, affinity.indptr), shape=affinity.shape
        )
        return normalized_blocks(affinity, len(self.embedding_))

    def _attributes(self, sides, data, losses, workers):
        attributes = super()._attributes(sides, data, losses, workers)
        met = sides[0].operator.mass > 0
        return {**attributes, "_known": (column_sums(data) > 0) | met}

    def _pulls(self, data, workers):
        walks = AttributedWalkOperator(
            data,
            column_sums(data) > 0,
            self.attribute_weight,
            self.walk_length,
            workers,
        )
        contexts = ReversedWalkOperator(walks, workers)
        return [(walks, walks.pulled.astype(np.float64)), (contexts, contexts.strength)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = True
        return tags
