"""Nodes of a graph as unit vectors."""

from numbers import Integral
from typing import ClassVar

import numpy as np

from skemb._compat import Interval
from skemb._operators import WalkOperator, transposed
from skemb._row_embedder import RowEmbedder
from skemb._validation import (
    check_node_order,
    check_square,
    column_sums,
    row_sums,
    warn_dead_ends,
)


class GraphEmbedder(RowEmbedder):
    r"""Embed the nodes of a graph so that those joined by short walks lie close.

    With P the mean of the first ``walk_length`` powers of the row-normalised affinity
    matrix, the unit vectors :math:`x_i` of the nodes and :math:`y_j` of their contexts
    minimise

    .. math::

        -\frac{1}{n} \sum_{ij} P_{ij} \log p(j \mid i)
        + \frac{\lambda}{2t} \Big\| \frac{1}{n} \sum_i x_i \Big\|^2,
        \qquad
        p(j \mid i) = \frac{p_j \, e^{x_i \cdot y_j / t}}{Z(x_i)},

    where the normaliser :math:`Z(x) = \sum_j p_j e^{x \cdot y_j / t}` is estimated in
    linear time by a mixture of Gaussians [1]_. With ``symmetric=True`` contexts and
    nodes share their vectors, :math:`y = x`.

    The estimator is pairwise: in a Pipeline under cross-validation scikit-learn cuts
    rows and columns of X alike, and test nodes are embedded by ``transform`` from their
    affinities to training nodes alone.

    Parameters
    ----------
    n_components : int, default=128
        Dimension d of the vectors, at least 1. It may exceed the number of nodes. Below
        8 or so raise ``n_gaussians`` too; in one dimension vectors are 1 or -1, and
        there is nothing to train.
    walk_length : int, default=3
        Longest walk L, at least 1, whose end counts as a context. Two-sided embeddings
        of graphs whose neighbours differ are best at 1.
    symmetric : bool, default=True
        Whether nodes and contexts share their vectors. If False, each node has two:
        how it points (``embedding_``) and how it is pointed to
        (``context_embedding_``). That takes twice the time, and is better where
        neighbours differ rather than resemble, and for many directed graphs.
    temperature : float, default=0.25
        Temperature t of the SoftMax, in [0.001, 1000]. Lower values tell close contexts
        apart; below 1/8 the normaliser is no longer estimated well, unless exactly.
    n_gaussians : int, default=1
        Gaussians K of the normaliser, at least 1; at the number of nodes and above it
        is exact. Time grows with K n d. More rank hidden links better (choose with
        :func:`~skemb.metrics.normalizer_error`). On nearest-neighbour graphs at low
        temperatures, 16 to 64 predict labels worse than one and than the exact sum.
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
    context_power : float, default=0.0
        Prior of a context, :math:`p_j \propto s_j^{power}` with :math:`s_j` the sum of
        its column, in [0, 1]: 0 is uniform, 1 follows the weights. With
        ``symmetric=True`` a node that nobody points to counts as the one with the
        least sum.
    mean_penalty : float, default=1.0
        Weight :math:`\lambda` of the squared mean vector, in [0, 1000]. It keeps the
        vectors from sharing one direction.
    max_iter : int, default=50
        Number of epochs, at least 1. Steps shrink linearly to zero over them.
    tol : float, default=0.0
        Training stops early once the loss changes by less than ``tol`` times itself
        from one epoch to the next; 0 never does. As the steps shrink on a schedule, an
        early stop trades quality for time.
    init : {"random", "propagated"} or array-like, default="random"
        Where training starts: at random vectors, or at what becomes of them when they
        spread over two hops of walks, which makes little difference to the end. Rows of
        an array of shape (n_nodes, n_components) are scaled to length one; zero rows
        start at random.
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
    embedding_ : ndarray of shape (n_nodes, n_components)
        Vectors of the nodes of fit, as ``transform`` gives them: unit rows, or zero for
        nodes without affinities. float32 for float32 input, else float64.
    context_embedding_ : ndarray of shape (n_nodes, n_components)
        Trained vectors of the nodes as contexts; zero for nodes without outgoing edges
        (without incoming ones if ``symmetric=False``).
    log_prior_ : ndarray of shape (n_nodes,)
        Log of the contexts' prior; minus infinity for isolated nodes (for nodes without
        incoming edges if ``symmetric=False``).
    loss_curve_ : ndarray of shape (`n_iter_`,)
        The objective, in nats, before the step of each epoch, under the normaliser of
        that epoch; the mean of both sides' if ``symmetric=False``.
    n_iter_ : int
        Number of epochs run.
    n_features_in_ : int
        Number of nodes seen in fit.
    feature_names_in_ : ndarray of shape (n_nodes,)
        Names of the nodes, if X was a DataFrame with names of strings.

    See Also
    --------
    sklearn.manifold.SpectralEmbedding : Eigenvectors of the Laplacian; no transform.

    Notes
    -----
    An epoch costs O(L nnz d + n d² + n K d), twice that if not symmetric. Fitting holds
    X in CSR and about four arrays of shape (n_nodes, n_components), twice both if not
    symmetric; three of them stay. Powers of the affinity matrix are never formed.
    float32 input takes less than half the time of float64, and half the memory.

    Isolated nodes map to the zero vector, with a warning. In a directed graph that
    goes for nodes without outgoing edges, which then tell the nodes that point to them
    nothing either: set ``symmetric=False``, or fit ``A + A.T``.

    Cross-validation cuts rows and columns of arrays and sparse matrices; DataFrames
    and lists go into ``fit`` and ``transform``, not into ``cross_val_score``.

    References
    ----------
    .. [1] L. Dall'Amico and E. M. Belliardo, "Learning distributed representations with
       efficient SoftMax normalization", Transactions on Machine Learning Research,
       2025. arXiv:2303.17475. The temperature, the pooled covariance, the two-sided
       loss and ``transform`` are this library's; ``docs/model.rst`` derives them.
    .. [2] L. Chen, F. Yuan, J. M. Jose and W. Zhang, "Improving negative sampling for
       word representation using self-embedded features", WSDM 2018. arXiv:1710.09805.

    Examples
    --------
    >>> import networkx as nx
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from skemb import GraphEmbedder
    >>> graph = nx.planted_partition_graph(4, 25, 0.4, 0.02, seed=0)
    >>> A = nx.to_scipy_sparse_array(graph, dtype="float32", format="csr")
    >>> block = [graph.nodes[node]["block"] for node in graph]
    >>> embedder = GraphEmbedder(n_components=16, random_state=0)
    >>> embedder.fit_transform(A).shape
    (100, 16)

    A node never seen, which is joined to the first three:

    >>> embedder.transform([[1, 1, 1] + 97 * [0]]).shape
    (1, 16)

    >>> model = make_pipeline(embedder, LogisticRegression())
    >>> cross_val_score(model, A, block).round(1)
    array([1., 1., 1., 1., 1.])
    """

    _parameter_constraints: ClassVar[dict] = {
        **RowEmbedder._parameter_constraints,
        "walk_length": [Interval(Integral, 1, None, closed="left")],
        "symmetric": ["boolean"],
    }
    _goes_over_dask = True

    def __init__(
        self,
        n_components=128,
        *,
        walk_length=3,
        symmetric=True,
        temperature=0.25,
        n_gaussians=1,
        normalizer="gaussian",
        n_negatives=64,
        sampler="adaptive",
        context_power=0.0,
        mean_penalty=1.0,
        max_iter=50,
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
        self.symmetric = symmetric
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
        affinity = super()._training_data(X, progress, workers)
        check_square(affinity)
        return affinity

    def _pulls(self, data, workers):
        X, rows, columns = data, row_sums(data), column_sums(data)
        if self.symmetric:
            known = (rows > 0) | (columns > 0)
            warn_dead_ends(np.count_nonzero((rows == 0) & known))
            # Nodes that nobody points to are contexts of new nodes all the same.
            least = columns.min(where=columns > 0, initial=columns.max())
            strength = np.where(known, np.maximum(columns, least), 0)
            return [(WalkOperator(X, known, self.walk_length, workers), strength)]
        forward = WalkOperator(X, columns > 0, self.walk_length, workers)
        backward = WalkOperator(transposed(X), rows > 0, self.walk_length, workers)
        return [(forward, rows), (backward, columns)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = True
        return tags
