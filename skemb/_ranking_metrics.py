"""How well ranked columns find the entries that a row hides."""

from functools import partial

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from skemb._validation import check_entries, check_test_size, is_integer
from skemb.model_selection import split_entries


def recall_at_k(truth, ranked, k=None):
    r"""Return the mean share of a row's true columns among its first k ranked ones.

    It is :math:`|T_i \cap R_i^k| / |T_i|`, with :math:`T_i` the true columns of row i
    and :math:`R_i^k` its first k ranked ones, averaged over the rows that have true
    columns. A row with more than k of them cannot reach one.

    Parameters
    ----------
    truth : {array-like, sparse matrix} of shape (n_rows, n_columns)
        True columns of each row are those above zero; they all count alike.
    ranked : array-like of shape (n_rows, n_ranked)
        Indices of different columns, best first, as ``recommend`` returns them.
    k : int or None, default=None
        How many of the ranked columns count, from 1 to n_ranked; None is all.

    Returns
    -------
    recall : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If no row has a true column, shapes do not fit, k is out of range, or ``ranked``
        is not of different column indices.

    Examples
    --------
    >>> from skemb.metrics import recall_at_k
    >>> recall_at_k([[1, 0, 1, 0], [0, 1, 0, 0]], [[0, 3], [2, 1]])
    0.75
    """
    hits, n_true = _hits(truth, ranked, k)
    return float(np.mean(hits.sum(axis=1) / n_true))


def ndcg_at_k(truth, ranked, k=None):
    r"""Return the mean normalised discounted cumulative gain of the first k columns.

    A true column at rank r gains :math:`1 / \log_2(r + 1)`; the sum is divided by that
    of the best ranking, which has :math:`\min(k, |T_i|)` true columns first. Averaged
    over the rows that have true columns.

    Parameters
    ----------
    truth : {array-like, sparse matrix} of shape (n_rows, n_columns)
        True columns of each row are those above zero; they all count alike.
    ranked : array-like of shape (n_rows, n_ranked)
        Indices of different columns, best first, as ``recommend`` returns them.
    k : int or None, default=None
        How many of the ranked columns count, from 1 to n_ranked; None is all.

    Returns
    -------
    ndcg : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If no row has a true column, shapes do not fit, k is out of range, or ``ranked``
        is not of different column indices.

    References
    ----------
    .. [1] K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR
       techniques", ACM Transactions on Information Systems, 2002.

    Examples
    --------
    >>> from skemb.metrics import ndcg_at_k
    >>> ndcg_at_k([[1, 0, 1, 0], [0, 1, 0, 0]], [[0, 2], [1, 3]])
    1.0
    """
    hits, n_true = _hits(truth, ranked, k)
    discounts = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    best = np.cumsum(discounts)[np.minimum(n_true, hits.shape[1]) - 1]
    return float(np.mean(hits @ discounts / best))


def average_precision_at_k(truth, ranked, k=None):
    r"""Return the mean average precision of the first k ranked columns.

    The precision at the rank of each true column is summed and divided by
    :math:`\min(k, |T_i|)`, the most there could be. Averaged over the rows that have
    true columns.

    Parameters
    ----------
    truth : {array-like, sparse matrix} of shape (n_rows, n_columns)
        True columns of each row are those above zero; they all count alike.
    ranked : array-like of shape (n_rows, n_ranked)
        Indices of different columns, best first, as ``recommend`` returns them.
    k : int or None, default=None
        How many of the ranked columns count, from 1 to n_ranked; None is all.

    Returns
    -------
    average_precision : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If no row has a true column, shapes do not fit, k is out of range, or ``ranked``
        is not of different column indices.

    Examples
    --------
    >>> from skemb.metrics import average_precision_at_k
    >>> average_precision_at_k([[1, 0, 1, 0]], [[3, 0]])
    0.25
    """
    hits, n_true = _hits(truth, ranked, k)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    most = np.minimum(n_true, hits.shape[1])
    return float(np.mean((precision * hits).sum(axis=1) / most))


def make_ranking_scorer(metric=ndcg_at_k, *, k=10, test_size=0.2, random_state=0):
    """Return a scorer that hides entries of rows and asks the estimator for them.

    Of each row in X, ``split_entries`` hides some entries; the estimator recommends k
    columns from the others, and the metric compares the two. In a search with ``cv``
    the rows are new to the estimator, which shows how well it serves new users. Rows
    with a single entry, and those with fewer than k columns left, are not asked for:
    scores at different k are of different rows where columns are few.

    Parameters
    ----------
    metric : callable, default=ndcg_at_k
        A metric of this module, or any ``metric(truth, ranked)``, higher is better.
    k : int, default=10
        How many columns are ranked, at least 1.
    test_size : float or int, default=0.2
        Share or number of the entries of each row to hide.
    random_state : int, RandomState instance or None, default=0
        Seed of the hidden entries: the same in every call if an int, so that all
        candidates of a search are asked for the same.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y=None)``, to be passed as ``scoring``, alone or as one
        of a dict. The estimator has ``recommend(X, n_items)``, which returns a pair of
        columns and scores, or is a Pipeline that ends in one; steps before it must keep
        the columns and their order. Tables other than those of pandas become arrays.

    Raises
    ------
    ValueError
        If a parameter is out of range; by the scorer, if no row can be asked for.
    TypeError
        If ``metric`` cannot be called; by the scorer, if the estimator does not
        recommend.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import KFold, cross_val_score
    >>> from skemb import BipartiteEmbedder
    >>> from skemb.metrics import make_ranking_scorer, recall_at_k
    >>> X = np.kron(np.eye(2), np.ones((10, 5)))
    >>> scorer = make_ranking_scorer(recall_at_k, k=1, test_size=1)
    >>> folds = KFold(2, shuffle=True, random_state=0)
    >>> cross_val_score(BipartiteEmbedder(4), X, scoring=scorer, cv=folds)
    array([1., 1.])
    """
    if not callable(metric):
        raise TypeError(
            "metric must be a function metric(truth, ranked), such as ndcg_at_k, got "
            f"{metric!r}."
        )
    if not is_integer(k) or k < 1:
        raise ValueError(f"k must be a positive integer, got {k!r}.")
    check_test_size(test_size)
    check_random_state(random_state)
    return partial(
        _score_entries,
        metric=metric,
        k=k,
        test_size=test_size,
        random_state=random_state,
    )


def _score_entries(estimator, X, y=None, *, metric, k, test_size, random_state):
    """Score what an estimator recommends by the entries of X hidden from it."""
    visible, hidden = split_entries(X, test_size, random_state)
    n_columns = hidden.shape[1]
    asked = (_n_entries(hidden) > 0) & (n_columns - _n_entries(visible) >= k)
    if not asked.any():
        raise ValueError(
            f"X must have rows with two or more entries and {k} columns left without "
            f"one (k={k}) to be scored, got none among {len(asked)}: lower k."
        )
    visible, hidden = visible[asked], hidden[asked]
    while isinstance(estimator, Pipeline):
        if len(estimator) > 1:
            visible = estimator[:-1].transform(visible)
        estimator = estimator[-1]
    if not hasattr(estimator, "recommend"):
        raise TypeError(
            "The estimator to be scored must have the method recommend, or be a "
            f"Pipeline that ends in one that has, got {type(estimator).__name__}."
        )
    if visible.shape[1] != n_columns:
        raise ValueError(
            f"The steps before recommend must keep the {n_columns} columns of X, got "
            f"{visible.shape[1]}: recommended columns would stand for others."
        )
    columns, _ = estimator.recommend(visible, n_items=k)
    return metric(hidden, columns)


def _n_entries(X):
    """Return how many entries each row has that are not zero."""
    return np.asarray((X != 0).sum(axis=1)).ravel()


def _hits(truth, ranked, k):
    """Return which ranked columns are true (b, k) and the numbers of true ones (b,).

    Both are of the rows that have any.
    """
    truth = check_entries(truth, "truth")
    ranked = _check_ranked(ranked, truth.shape)
    if k is None:
        k = ranked.shape[1]
    elif not is_integer(k) or not 1 <= k <= ranked.shape[1]:
        raise ValueError(
            f"k must be an integer from 1 to {ranked.shape[1]}, the number of ranked "
            f"columns, got {k!r}."
        )
    rows, columns = (truth > 0).nonzero()
    n_true = np.bincount(rows, minlength=truth.shape[0])
    if not len(rows):
        raise ValueError("truth must have an entry above zero, got none.")
    width = truth.shape[1]
    names = np.arange(truth.shape[0], dtype=np.int64)[:, None] * width + ranked[:, :k]
    hits = np.isin(names, rows.astype(np.int64) * width + columns)
    return hits[n_true > 0], n_true[n_true > 0]


def _check_ranked(ranked, shape):
    """Return the ranked columns as integers, different within each row."""
    ranked = np.asarray(ranked)
    if ranked.ndim != 2 or len(ranked) != shape[0] or not ranked.size:
        raise ValueError(
            f"ranked must have shape ({shape[0]}, n_ranked), a row for each of truth, "
            f"got {ranked.shape}: pass the columns that recommend returns."
        )
    if ranked.dtype.kind not in "iu":
        raise ValueError(
            f"ranked must hold column indices, got dtype {ranked.dtype}: pass the "
            "columns that recommend returns, not their scores or names."
        )
    if ranked.min() < 0 or ranked.max() >= shape[1]:
        raise ValueError(
            f"ranked must hold column indices from 0 to {shape[1] - 1}, got "
            f"{ranked.min()} to {ranked.max()}."
        )
    ordered = np.sort(ranked, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if twice.any():
        raise ValueError(
            "ranked must name a column once in a row, got one twice in row "
            f"{np.flatnonzero(twice)[0]}."
        )
    return ranked.astype(np.int64, copy=False)
