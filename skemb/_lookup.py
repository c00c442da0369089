"""Columns of ids as columns of vectors."""

from typing import ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skemb._base import all_or_nothing
from skemb._compat import HasMethods, StrOptions, fit_context
from skemb._ids import as_array, frame_of, index_of, shown, to_list
from skemb._validation import (
    check_node_columns,
    check_node_order,
    check_not_graph,
    warn_unknown_ids,
)


class EmbeddingLookup(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Replace ids by their vectors in an embedding of what is known about them.

    X holds ids, as a column of a table does, and ``affinity`` says in a row for each id
    what it has to do with the others, or with other things. So an embedding goes
    wherever rows of a table go: beside other columns in a ColumnTransformer or a
    FeatureUnion, under bagging, stacking and calibration, none of which cut the rows
    *and* columns of a matrix as cross-validation does for ``GraphEmbedder``.

    What a score under cross-validation then means is said by ``inductive``. If True,
    the embedder is fitted to the ids that ``fit`` is given, with a graph to the edges
    between them, and other ids are embedded by its ``transform``, as nodes that join
    later: the same scores, bit for bit, as those of a Pipeline on the matrix itself.
    If False, it is fitted to all of ``affinity``, where test ids have their places
    though not their labels: right if all ids are there when the model is fitted.

    Parameters
    ----------
    embedder : estimator
        What embeds rows of ``affinity``, such as ``GraphEmbedder`` for a graph or
        ``BipartiteEmbedder`` for interactions, or a Pipeline that begins with it. It is
        cloned; one that was fitted to all of ``affinity`` is used as it is in a
        ``sklearn.frozen.FrozenEstimator``, with ``inductive=False``.
    affinity : {array-like, sparse matrix} of shape (n_ids, n_contexts)
        Non-negative affinities of each id. If the embedder is pairwise, as
        ``GraphEmbedder`` is, rows and columns are the same ids.
    ids : array-like of shape (n_ids,) or None, default=None
        The id of each row of ``affinity``, anything that can be hashed. None takes the
        index of a DataFrame, else the numbers of the rows.
    inductive : bool, default=True
        Whether to fit the embedder to the ids of the X of ``fit`` alone, rather than to
        all of ``affinity``.
    handle_unknown : {"zero", "error"}, default="zero"
        What becomes of ids that are missing or not in ``ids``: the zero vector, with
        one warning, or an error. ``extend`` makes them known.

    Attributes
    ----------
    embedder_ : estimator
        The fitted embedder.
    embedding_ : ndarray of shape (n_fitted, n_components)
        The vectors of the ids that it was fitted to.
    ids_ : ndarray of shape (n_fitted,)
        These ids, in the order of the rows of ``embedding_``.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X was a table whose columns are named by strings.

    See Also
    --------
    skemb.datasets.adjacency_from_edges : ``affinity`` and ``ids`` of a table of edges.
    skemb.datasets.interactions_from_table : Those of a table of interactions.
    PairFeatures : Features of pairs from the vectors of two columns.

    Notes
    -----
    ``fit`` costs what the embedder's does, and a copy of the part of ``affinity`` it is
    fitted to. ``transform`` takes the vectors of ids seen in ``fit`` from
    ``embedding_``, at O(n_samples n_components), and embeds the others, each once.
    Affinities are read, not copied: do not change them between ``fit`` and
    ``transform``.

    ``clone`` copies ``affinity``, as it does all parameters that are not estimators; so
    does a search for each candidate and fold.

    Examples
    --------
    A table of a hundred people, what they pay and to which of four clubs they go, and
    a graph of who meets whom:

    >>> import networkx as nx
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> from skemb import EmbeddingLookup, GraphEmbedder
    >>> from skemb.datasets import adjacency_from_networkx
    >>> meetings = nx.planted_partition_graph(4, 25, 0.4, 0.02, seed=0)
    >>> A, ids = adjacency_from_networkx(meetings)
    >>> table = pd.DataFrame({"person": ids, "fee": ids % 3, "club": ids // 25})
    >>> lookup = EmbeddingLookup(GraphEmbedder(16, random_state=0), A, ids)
    >>> features = make_column_transformer(
    ...     (lookup, ["person"]), ("passthrough", ["fee"])
    ... )
    >>> model = make_pipeline(features, LogisticRegression())
    >>> cross_val_score(model, table, table["club"]).round(1)
    array([1., 1., 1., 1., 1.])

    Someone who joins, and meets whom the first person meets:

    >>> lookup = lookup.fit(ids.reshape(-1, 1))
    >>> lookup = lookup.extend(A[:1], ids=["Ann"])
    >>> lookup.transform([["Ann"], [0]]).shape
    (2, 16)
    """

    _parameter_constraints: ClassVar[dict] = {
        "embedder": [HasMethods(["fit", "transform"])],
        "affinity": ["array-like", "sparse matrix"],
        "ids": ["array-like", None],
        "inductive": ["boolean"],
        "handle_unknown": [StrOptions({"zero", "error"})],
    }

    def __init__(
        self, embedder, affinity, ids=None, *, inductive=True, handle_unknown="zero"
    ):
        self.embedder = embedder
        self.affinity = affinity
        self.ids = ids
        self.inductive = inductive
        self.handle_unknown = handle_unknown

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Fit the embedder, to the ids in X or to all.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_columns)
            Ids in one column or several. Each counts once, however often it is there.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted lookup.

        Raises
        ------
        ValueError
            If a parameter is out of range, ``ids`` and ``affinity`` do not go together,
            no id in X is among ``ids`` (if ``inductive``), an id is not
            (if ``handle_unknown="error"``), or the embedder refuses ``affinity``.
        TypeError
            If ``ids`` are not in an order or cannot be hashed.
        """
        with all_or_nothing(self):
            self._fit(X)
        return self

    def _fit(self, X):
        names = self._id_matrix(X, reset=True)
        if self.inductive and isinstance(self.embedder, FrozenEstimator):
            raise ValueError(
                "inductive must be False with a frozen embedder, got True: it is "
                "fitted already, and not to the ids of X."
            )
        affinity, index = self._checked_affinity()
        numbers = self._numbers(names, index)
        rows = _distinct(numbers) if self.inductive else np.arange(len(index))
        if not len(rows):
            raise ValueError(
                "X must hold some of the ids that affinity has, got none of them but "
                f"{shown(names[0, 0])}: see whether both are of one type, or set "
                "inductive=False."
            )
        columns = np.arange(affinity.shape[1])
        if get_tags(self.embedder).input_tags.pairwise:
            # Columns that are no ids are contexts of all, as attributes are.
            columns = np.concatenate([rows, columns[len(index) :]])
        known = affinity[np.ix_(rows, columns)]
        embedder = clone(self.embedder)
        if hasattr(embedder, "fit_transform"):
            embedding = embedder.fit_transform(known)
        else:
            embedding = embedder.fit(known, None).transform(known)
        self.embedder_ = embedder
        self.embedding_ = self._vectors = check_array(embedding, copy=True)
        self.ids_ = as_array(list(index))[rows]
        self._n_contexts, self._columns = affinity.shape[1], columns
        # For ids that join; none can if all are there.
        self._affinity = affinity if self.inductive else None
        self._index, self._places = index, np.full(len(index), -1)
        self._places[rows] = np.arange(len(rows))

    def transform(self, X):
        """Return the vectors of ids; of several columns, side by side.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_columns)
            Ids, in as many columns as in fit.

        Returns
        -------
        vectors : ndarray of shape (n_samples, n_columns * n_components)
            Those of ``embedding_`` for ids that the embedder was fitted to; those of
            its ``transform`` for others that have a row of affinities; and zeros, with
            one warning, for ids without one.

        Raises
        ------
        ValueError
            If X has another number of columns than in fit, or unknown ids and
            ``handle_unknown="error"``.
        """
        check_is_fitted(self)
        names = self._id_matrix(X, reset=False)
        numbers = self._numbers(names, self._index)
        places = np.where(numbers < 0, -1, self._places[numbers])
        vectors = self._vectors[places]
        joining = (numbers >= 0) & (places < 0)
        if joining.any():
            rows = _distinct(numbers[joining])
            affinity = self._affinity[np.ix_(rows, self._columns)]
            places = np.empty(len(self._places), dtype=np.intp)
            places[rows] = np.arange(len(rows))
            joined = np.asarray(self.embedder_.transform(affinity))
            vectors[joining] = joined[places[numbers[joining]]]
        vectors[numbers < 0] = 0
        warn_unknown_ids(np.count_nonzero(numbers < 0), len(numbers))
        return vectors.reshape(len(names), -1)

    def extend(self, affinity, ids):
        """Make further ids known by their affinities, without fitting again.

        Parameters
        ----------
        affinity : {array-like, sparse matrix} of shape (n_new, n_contexts)
            What the new ids have to do with the columns of the parameter ``affinity``:
            all of them, in their order.
        ids : array-like of shape (n_new,)
            The new ids.

        Returns
        -------
        self : object
            The lookup, whose ``transform`` now gives these ids their vectors, until it
            is fitted again.

        Raises
        ------
        ValueError
            If an id is known already, the number of rows or columns is another, or the
            embedder refuses ``affinity``.
        TypeError
            If ``ids`` are not in an order or cannot be hashed.
        """
        check_is_fitted(self)
        self._check_column_names(affinity)
        added, index = _checked_rows(affinity, ids)
        if added.shape[1] != self._n_contexts:
            raise ValueError(
                f"affinity must have {self._n_contexts} columns, as that of fit has, "
                f"got {added.shape[1]}."
            )
        again = [name for name in index if name in self._index]
        if again:
            raise ValueError(
                f"ids must be new, got {shown(again[0])}, which is known: fit again to "
                "change its affinities."
            )
        vectors = np.asarray(self.embedder_.transform(added[:, self._columns]))
        places = len(self._vectors) + np.arange(len(vectors))
        names = [*self._index, *index]
        # New objects, and the index last: copies and other threads keep their own.
        self._vectors = np.concatenate([self._vectors, vectors])
        self._places = np.append(self._places, places)
        self._index = dict(zip(names, range(len(names)), strict=True))
        return self

    def _check_column_names(self, affinity):
        """Refuse tables whose columns are in another order than those of fit."""
        fitted, given = (getattr(X, "columns", None) for X in (self.affinity, affinity))
        if fitted is not None and given is not None and list(fitted) != list(given):
            raise ValueError(
                "affinity must have the columns of the affinity that was fitted, in "
                "their order, got other names: pass affinity[fitted.columns]."
            )

    def _checked_affinity(self):
        """Return ``affinity`` as an array or CSR, and the number of each id."""
        ids, affinity = self.ids, self.affinity
        if ids is None and hasattr(affinity, "iloc"):
            ids = affinity.index
        affinity, index = _checked_rows(affinity, ids)
        if get_tags(self.embedder).input_tags.pairwise:
            check_node_order(self.affinity, "affinity")
            check_node_columns(affinity, "affinity")
        return affinity, index

    def _id_matrix(self, X, *, reset):
        """Return the ids in X as an array (n_samples, n_columns), mostly of objects."""
        frame = frame_of(X)
        if frame is not None:
            names = np.empty(frame.shape, dtype=object)
            for place, column in enumerate(frame.iter_columns()):
                names[:, place] = to_list(column)
        elif hasattr(X, "dtype"):
            names = X
        else:
            # numpy would make one type of a list's items: of 1 beside "a" a "1".
            names = np.array(X, dtype=object)
        names = check_array(names, dtype=None, ensure_all_finite=False, input_name="X")
        validate_data(self, X, reset=reset, skip_check_array=True)
        return names

    def _numbers(self, names, index):
        """Return the number of each id (n_samples * n_columns,), -1 if unknown."""
        flat = to_list(names.ravel())
        try:
            numbers = np.array([index.get(name, -1) for name in flat], dtype=np.intp)
        except TypeError as error:
            raise TypeError(
                "X must hold ids that can be hashed, such as strings or integers, got "
                f"an {error}."
            ) from error
        unknown = np.flatnonzero(numbers < 0)
        if len(unknown) and self.handle_unknown == "error":
            row, column = divmod(int(unknown[0]), names.shape[1])
            raise ValueError(
                f"X must hold ids of the lookup, got {shown(flat[unknown[0]])} in row "
                f"{row}, column {column}: make it known by extend, or set "
                'handle_unknown="zero".'
            )
        return numbers

    @property
    def _n_features_out(self):
        return self.n_features_in_ * self.embedding_.shape[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        return tags


def _checked_rows(affinity, ids):
    """Return affinities as an array or CSR, and the number of the id of each row."""
    check_not_graph(affinity, "affinity")
    affinity = check_array(
        affinity,
        accept_sparse="csr",
        dtype="numeric",
        ensure_all_finite=False,
        input_name="affinity",
    )
    index = dict(index_of(range(affinity.shape[0]) if ids is None else ids, "ids"))
    if len(index) != affinity.shape[0]:
        raise ValueError(
            f"ids must have one id for each row of affinity, {affinity.shape[0]}, got "
            f"{len(index)}."
        )
    return affinity, index


def _distinct(numbers):
    """Return the numbers of known ids, each once, in the order they first appear."""
    return np.array(list(dict.fromkeys(numbers[numbers >= 0].tolist())), dtype=np.intp)
