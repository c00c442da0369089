"""Pairs of nodes: features for a classifier, and how well vectors alone rank them."""

from typing import ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.metrics import roc_auc_score
from sklearn.utils.validation import check_is_fitted, validate_data

from skemb._compat import StrOptions
from skemb._parallel import row_blocks

_OPERATIONS = {
    "hadamard": lambda source, target: source * target,
    "average": lambda source, target: (source + target) / 2,
    "l1": lambda source, target: np.abs(source - target),
    "l2": lambda source, target: (source - target) ** 2,
}


class PairFeatures(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""Combine two vectors side by side into one of features of the pair.

    Of a row :math:`(u, v)` it makes, component by component, one of

    .. math::

        u_k v_k, \qquad (u_k + v_k) / 2, \qquad |u_k - v_k|, \qquad (u_k - v_k)^2,

    which do not depend on the order of the two, as features of an undirected edge
    should not [1]_. ``EmbeddingLookup`` makes such rows from two columns of ids.
    Nothing is learned: the transformer is stateless.

    Parameters
    ----------
    operation : {"hadamard", "average", "l1", "l2"}, default="hadamard"
        The product, the mean, the distance or the squared distance of each component,
        in the order above.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X was a table whose columns are named by strings.

    See Also
    --------
    EmbeddingLookup : Vectors of ids, those of two columns side by side.
    skemb.model_selection.split_edges : Pairs to learn from and to test on.

    References
    ----------
    .. [1] A. Grover and J. Leskovec, "node2vec: Scalable feature learning for
       networks", KDD 2016, table 1.

    Examples
    --------
    >>> from skemb import PairFeatures
    >>> PairFeatures().fit_transform([[1.0, 2.0, 3.0, 4.0]])
    array([[3., 8.]])
    >>> PairFeatures("l1").fit_transform([[1.0, 2.0, 3.0, 4.0]])
    array([[2., 2.]])
    """

    _parameter_constraints: ClassVar[dict] = {
        "operation": [StrOptions(set(_OPERATIONS))],
    }

    def __init__(self, operation="hadamard"):
        self.operation = operation

    def fit(self, X, y=None):
        """Check the parameter and X; nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n_pairs, 2 * n_components)
            Two vectors in each row.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The transformer.

        Raises
        ------
        ValueError
            If ``operation`` is unknown, or X is not of finite numbers in an even number
            of columns.
        """
        self._vectors(X, reset=True)
        return self

    def transform(self, X):
        """Return the features of pairs, in O(n_pairs n_components).

        Parameters
        ----------
        X : array-like of shape (n_pairs, 2 * n_components)
            Two vectors in each row.

        Returns
        -------
        features : ndarray of shape (n_pairs, n_components)
            In float32 for float32 input, else in float64.

        Raises
        ------
        ValueError
            If X is not what ``fit`` takes, or has another width than there.
        """
        return _OPERATIONS[self.operation](*self._vectors(X, reset=False))

    def _vectors(self, X, *, reset):
        """Return the two vectors of each row, refusing unknown operations as well."""
        self._validate_params()
        X = validate_data(self, X, reset=reset, dtype=(np.float64, np.float32))
        if X.shape[1] % 2:
            raise ValueError(
                "X must have an even number of columns, those of two vectors side by "
                f"side, got n_features = {X.shape[1]}: EmbeddingLookup makes such rows "
                "from two columns of ids."
            )
        return np.split(X, 2, axis=1)

    @property
    def _n_features_out(self):
        return self.n_features_in_ // 2

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def link_prediction_score(embedder, pairs, is_edge, *, metric=roc_auc_score):
    r"""Return how well a graph's embedding alone ranks edges above non-edges.

    A pair (i, j) scores :math:`x_i \cdot y_j`, the cosine of the vectors of node i and
    of context j: ``embedding_[i] @ context_embedding_[j]``. No classifier is trained,
    so the result is about the embedding itself; features of pairs and a classifier may
    do better. Costs O(n_pairs n_components).

    Parameters
    ----------
    embedder : GraphEmbedder or AttributedGraphEmbedder
        Fitted to the graph without the edges among ``pairs``.
    pairs : array-like of shape (n_pairs, 2)
        Numbers of the nodes (i, j), as ``split_edges`` returns them.
    is_edge : array-like of shape (n_pairs,)
        1 or True for edges, 0 or False for non-edges; both must be there.
    metric : callable, default=roc_auc_score
        ``metric(is_edge, scores)``, such as scikit-learn's ``roc_auc_score`` or
        ``average_precision_score``.

    Returns
    -------
    score : float
        What ``metric`` returns: by default the probability that an edge scores higher
        than a non-edge.

    Raises
    ------
    ValueError
        If ``embedder`` has no vectors of contexts, ``pairs`` are not numbers of nodes,
        or ``is_edge`` does not fit them or is
        not both 0 and 1.
    TypeError
        If ``embedder`` embeds something else than a graph, or ``metric`` cannot be
        called.
    sklearn.exceptions.NotFittedError
        If it is not fitted.

    See Also
    --------
    skemb.model_selection.split_edges : A graph with edges held out, and pairs.
    skemb.PairFeatures : Features of pairs, for a classifier.

    Examples
    --------
    >>> import networkx as nx
    >>> from skemb import GraphEmbedder
    >>> from skemb.metrics import link_prediction_score
    >>> from skemb.model_selection import split_edges
    >>> A = nx.to_scipy_sparse_array(nx.les_miserables_graph(), dtype=float)
    >>> train, pairs, is_edge = split_edges(A, test_size=0.2, random_state=0)
    >>> embedder = GraphEmbedder(32, random_state=0).fit(train)
    >>> round(link_prediction_score(embedder, pairs, is_edge), 1)
    0.9
    """
    if not callable(metric):
        raise TypeError(
            "metric must be a function metric(is_edge, scores), such as roc_auc_score, "
            f"got {metric!r}."
        )
    check_is_fitted(embedder)
    vectors = ("embedding_", "context_embedding_")
    if not all(hasattr(embedder, name) for name in vectors):
        raise TypeError(
            "embedder must be of graphs, with embedding_ and context_embedding_, got "
            f"{type(embedder).__name__}."
        )
    nodes, contexts = embedder.embedding_, embedder.context_embedding_
    if not contexts[: len(nodes)].any():
        raise ValueError(
            "embedder must have vectors of nodes as contexts, got zero vectors alone: "
            "lower its attribute_weight, or fit it to a graph with edges."
        )
    pairs = _check_pairs(pairs, len(nodes))
    is_edge = _check_is_edge(is_edge, len(pairs))
    scores = np.empty(len(pairs))
    for start, stop in row_blocks(len(pairs), nodes.shape[1]):
        source, target = pairs[start:stop].T
        scores[start:stop] = np.einsum("ij,ij->i", nodes[source], contexts[target])
    return float(metric(is_edge, scores))


def _check_pairs(pairs, n_nodes):
    """Return pairs as an array, refusing what are not numbers of nodes."""
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise ValueError(
            f"pairs must have shape (n_pairs, 2), two nodes a row, got {pairs.shape}: "
            "pass the pairs that split_edges returns."
        )
    if pairs.dtype.kind not in "iu":
        raise ValueError(
            f"pairs must hold numbers of nodes, got dtype {pairs.dtype}: pass the rows "
            "of the affinity matrix that the nodes have."
        )
    if pairs.min() < 0 or pairs.max() >= n_nodes:
        raise ValueError(
            f"pairs must hold numbers of nodes from 0 to {n_nodes - 1}, got "
            f"{pairs.min()} to {pairs.max()}."
        )
    return pairs


def _check_is_edge(is_edge, n_pairs):
    """Return which pairs are edges as 1 and 0, refusing all else and one alone."""
    is_edge = np.asarray(is_edge)
    if is_edge.shape != (n_pairs,):
        raise ValueError(
            f"is_edge must have shape ({n_pairs},), a value for each pair, got "
            f"{is_edge.shape}."
        )
    edges, non_edges = is_edge == 1, is_edge == 0
    if not ((edges | non_edges).all() and edges.any() and non_edges.any()):
        values = list(dict.fromkeys(is_edge.tolist()))
        raise ValueError(
            "is_edge must be 1 for edges and 0 for non-edges, both of them, got "
            f"{values[:5]}."
        )
    return edges.astype(int)
