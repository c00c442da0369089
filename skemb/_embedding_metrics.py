"""How well an embedding was estimated, and how well it keeps the graph it is of."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from skemb._parallel import Workers
from skemb._trainer import log_partitions
from skemb._validation import (
    check_entries,
    check_not_graph,
    check_positive,
    check_square,
    in_memory,
    warn_normalizer,
)

# Nats. From here on ranking was measurably worse: see the notes of normalizer_error.
_LARGE_ERROR = 0.15


def normalizer_error(embedder, X=None, *, sample_size=1000, random_state=None):
    r"""Return how far off a fitted embedder's estimate of its normaliser is.

    The mixture of Gaussians gives :math:`\log \hat Z(x)` for the log of the sum
    :math:`Z(x) = \sum_j p_j e^{x \cdot y_j / t}`. The error is

    .. math::

        \operatorname{mean}_x \big| \log \hat Z(x) - \log Z(x) \big|

    over a sample of rows x, in nats.

    Parameters
    ----------
    embedder : estimator
        A fitted embedder of this package; of a Pipeline, the step itself.
    X : {array-like, sparse matrix} of shape (n_rows, n_contexts) or None, default=None
        Rows to embed by ``transform`` and to take; None takes the vectors of fit, and
        must be None where those are of features or words.
    sample_size : int or None, default=1000
        How many of the rows to draw, at least 1; None is all. Zero vectors among them
        do not count.
    random_state : int, RandomState instance or None, default=None
        Seed of the sample.

    Returns
    -------
    error : float
        In nats; zero, to rounding, where the normaliser is exact. Above 0.15 a
        UserWarning says what to raise.

    Raises
    ------
    ValueError
        If X is not what ``transform`` takes, or given to an embedder of features, or
        no row in the sample has a vector.
    TypeError
        If ``embedder`` is not an embedder of this package.

    Notes
    -----
    Costs O(sample_size n_contexts n_components), in blocks of rows, and the sample's
    ``transform`` if X is given.

    Of ``normalizer="sampled"`` it is the error of one draw, with nothing known of the
    rows: noise that training averages over its epochs, and more than it sees.

    Training follows the slope of log Z, which an offset that is the same everywhere
    leaves as it is. Where the offset is large, though, the slope is off as well: the
    mean told as much of quality as the standard deviation did. On four data sets, at
    temperatures from 1/16 to 1 and with 1 to 1024 Gaussians, hidden entries and links
    ranked within about 5 % of what 1024 Gaussians reach, mostly within 1 %, where the
    error was below 0.15, and up to 28 % below that where it was above. Labels were
    predicted as well by one Gaussian at errors of up to 0.6, but worse by several, on
    nearest-neighbour graphs at temperatures around 1/8. ``score`` fell steadily with
    the error.

    More Gaussians reduce the error at temperatures down to about 1/8; well below, only
    as many as there are contexts do.

    Examples
    --------
    >>> import numpy as np
    >>> from skemb import GraphEmbedder
    >>> from skemb.metrics import normalizer_error
    >>> A = np.kron(np.eye(4), np.ones((10, 10)))
    >>> embedder = GraphEmbedder(8, n_gaussians=4, random_state=0).fit(A)
    >>> normalizer_error(embedder) < 0.15
    True
    """
    estimated, exact = sample_log_partitions(embedder, X, sample_size, random_state)
    error = float(np.abs(estimated - exact).mean())
    if error > _LARGE_ERROR:
        warn_normalizer(error, embedder._conditional)
    return error


def sample_log_partitions(embedder, X, sample_size, random_state):
    """Return log Z of a sample of rows, as estimated and exactly, (n_sampled,) each."""
    check_embedder(embedder)
    with Workers(embedder.n_jobs) as workers:
        rows = _sample_vectors(embedder, X, sample_size, random_state, workers)
        return log_partitions(rows, embedder._conditional, workers)


def check_embedder(embedder):
    """Refuse what is no fitted embedder of this package."""
    if not hasattr(embedder, "n_gaussians"):
        raise TypeError(
            "embedder must be a fitted embedder of skemb, got "
            f"{type(embedder).__name__}: of a Pipeline pass the step, as pipeline[-1]."
        )
    check_is_fitted(embedder, "n_iter_")


def _sample_vectors(embedder, X, sample_size, random_state, workers):
    """Return the vectors of a sample of rows of X, or of those of fit, but zeros."""
    if X is None:
        of_rows = hasattr(embedder, "embedding_")
        vectors = embedder.embedding_ if of_rows else embedder._vectors
        sample = _sample(vectors.shape[0], sample_size, random_state)
        rows = in_memory(vectors[sample])
    elif hasattr(embedder, "embedding_"):
        X = embedder._check_rows(in_memory(X), reset=False)
        X = X[_sample(X.shape[0], sample_size, random_state)]
        rows, _, _ = embedder._embed(X, workers)
    else:
        raise ValueError(
            f"X must be None with {type(embedder).__name__}, whose rows are means and "
            f"have no normaliser, got {type(X).__name__}: the error is that of the "
            "vectors of fit."
        )
    rows = rows[rows.any(axis=1)]
    if not len(rows):
        raise ValueError(
            "X must have rows with affinities to contexts known from fit, got none "
            "in the sample."
        )
    return rows


def _sample(n_rows, sample_size, random_state):
    """Return the indices of some of the rows in order, all if that is None."""
    random_state = check_random_state(random_state)
    if sample_size is None:
        return np.arange(n_rows)
    check_positive(sample_size, "sample_size")
    sample_size = min(sample_size, n_rows)
    return np.sort(random_state.choice(n_rows, sample_size, replace=False))


def neighborhood_preservation(
    A, embedding, *, k=10, sample_size=None, random_state=None
):
    r"""Return the share of nodes nearest to a node that are its neighbours.

    The neighbours :math:`N_i` of a node are the others with :math:`A_{ij} > 0`, and
    :math:`R_i` are the :math:`k_i = \min(k, |N_i|)` others nearest to it by the dot
    product of their vectors, the first of those that are equally near (to rounding).
    The measure is

    .. math::

        \operatorname{mean}_i \frac{|R_i \cap N_i|}{k_i}

    over the nodes that have neighbours: one if all of them come before all others.

    Parameters
    ----------
    A : {array-like, sparse matrix} of shape (n_nodes, n_nodes)
        Affinities, as given to ``fit``; those above zero all count alike.
    embedding : array-like of shape (n_nodes, n_components)
        Vectors of the nodes.
    k : int, default=10
        How many neighbours of a node count at most, at least 1.
    sample_size : int or None, default=None
        How many of the nodes with neighbours to draw, at least 1; None is all. They
        are still compared with all nodes.
    random_state : int, RandomState instance or None, default=None
        Seed of the sample.

    Returns
    -------
    preservation : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If no node has a neighbour, shapes do not fit, entries are not finite, or k or
        ``sample_size`` is out of range.
    TypeError
        If A is a graph object rather than a matrix.

    Notes
    -----
    Costs O(sample_size n_nodes n_components), in blocks of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skemb.metrics import neighborhood_preservation
    >>> A = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> neighborhood_preservation(A, [[1, 0], [0.8, 0.6], [0, 1]])
    1.0
    """
    linked = _links(A)
    embedding = check_array(
        embedding, dtype=(np.float64, np.float32), input_name="embedding"
    )
    if len(embedding) != linked.shape[0]:
        raise ValueError(
            f"embedding must have a row for each of the {linked.shape[0]} nodes of A, "
            f"got {len(embedding)}."
        )
    check_positive(k, "k")
    nodes = np.flatnonzero(np.diff(linked.indptr))
    if not len(nodes):
        raise ValueError("A must have an entry above zero off its diagonal, got none.")
    nodes = nodes[_sample(len(nodes), sample_size, random_state)]

    def shares(start, stop):
        block = nodes[start:stop]
        return _neighbor_shares(linked[block].toarray(), block, embedding, k)

    with Workers() as workers:
        blocks = workers.map(shares, len(nodes), linked.shape[0])
        return float(np.concatenate(list(blocks)).mean())


def _links(A):
    """Return which nodes are neighbours, in CSR without a diagonal."""
    check_not_graph(A, "A")
    A = check_entries(A, "A")
    check_square(A, "A")
    row, column = (A > 0).nonzero()
    others = row != column
    ones = np.ones(np.count_nonzero(others), dtype=bool)
    return sp.csr_array((ones, (row[others], column[others])), shape=A.shape)


def _neighbor_shares(linked, nodes, embedding, k):
    """Return the share of neighbours among the nearest, for a block of nodes (b,).

    ``linked`` (b, n) tells the neighbours of each, of which there are some.
    """
    n_nearest = np.minimum(linked.sum(axis=1), k)
    farness = -(embedding[nodes] @ embedding.T)
    farness[np.arange(len(nodes)), nodes] = np.inf
    most = n_nearest.max() - 1
    limit = np.partition(farness, most, axis=1)[:, most]
    # In order of the columns, which a stable sort keeps between equals.
    row, column = np.nonzero(farness <= limit[:, None])
    order = np.lexsort((farness[row, column], row))
    row, column = row[order], column[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    hits = linked[row, column] & (rank < n_nearest[row])
    return np.bincount(row, hits, len(nodes)) / n_nearest
