"""Splits of data that relate rows to columns."""

from numbers import Integral

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_random_state

from skemb._validation import check_entries, check_test_size


def split_entries(X, test_size=0.2, random_state=None):
    """Hide a share of the entries of each row: fit on some, test on the others.

    Of the entries above or below zero of a row, so many as ``test_size`` says go to
    ``test``, rounded up, drawn without replacement; one at least stays in ``train``, so
    that rows with a single entry have none in ``test``. Costs O(nnz log nnz).

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_rows, n_columns)
        Interactions. The entries that sparse formats hold twice are summed.
    test_size : float or int, default=0.2
        If a float, the share of each row's entries to hide, in (0, 1); if an int, how
        many of them, at least 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. The same entries are drawn whatever the container of X.

    Returns
    -------
    train : {ndarray, DataFrame, sparse matrix} of shape (n_rows, n_columns)
        X without the hidden entries: CSR for sparse X, a dense DataFrame for one of
        pandas, else an array.
    test : {ndarray, DataFrame, sparse matrix} of shape (n_rows, n_columns)
        The hidden entries; ``train + test`` is X.

    Raises
    ------
    ValueError
        If ``test_size`` is out of range, or X is not a matrix of finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from skemb.model_selection import split_entries
    >>> X = np.array([[5, 3, 0, 1], [0, 2, 0, 0]])
    >>> train, test = split_entries(X, test_size=1, random_state=0)
    >>> train
    array([[0, 3, 0, 1],
           [0, 2, 0, 0]])
    >>> test
    array([[5, 0, 0, 0],
           [0, 0, 0, 0]])
    """
    check_test_size(test_size)
    entries = check_entries(X)
    counts = np.diff(entries.indptr)
    if isinstance(test_size, Integral):
        n_hidden = np.full(len(counts), test_size)
    else:
        n_hidden = np.ceil(np.round(test_size * counts, 9)).astype(int)
    n_hidden = np.minimum(n_hidden, np.maximum(counts - 1, 0))
    keys = check_random_state(random_state).uniform(size=entries.nnz)
    rows = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((keys, rows))
    place = np.arange(entries.nnz) - np.repeat(entries.indptr[:-1], counts)
    hidden = np.empty(entries.nnz, dtype=bool)
    hidden[order] = place < np.repeat(n_hidden, counts)
    return _part(X, entries, ~hidden), _part(X, entries, hidden)


def _part(X, entries, chosen):
    """Return the chosen entries in the container of X."""
    part = entries.copy()
    part.data[~chosen] = 0
    part.eliminate_zeros()
    if sp.issparse(X):
        return part if isinstance(X, sp.sparray) else sp.csr_matrix(part)
    part = part.toarray()
    if hasattr(X, "iloc"):
        return type(X)(part, index=X.index, columns=X.columns)
    return part
