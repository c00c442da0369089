"""Checks of what users pass, beyond scikit-learn's own, each with one clear message."""

import warnings
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array, validate_data


def check_affinity(estimator, X, *, reset):
    """Return X as a CSR matrix of non-negative floats whose rows can be normalised.

    The caller's arrays are shared where they can be, never changed.
    """
    if hasattr(X, "adj") and hasattr(X, "nodes"):
        raise TypeError(
            f"X must be a matrix, got a graph of type {type(X).__name__}: pass "
            "networkx.to_scipy_sparse_array(X), or of a bipartite graph "
            "networkx.bipartite.biadjacency_matrix(X, row_order)."
        )
    try:
        X = validate_data(
            estimator,
            _widened(X),
            reset=reset,
            accept_sparse="csr",
            order="C",
            dtype=(np.float64, np.float32) if reset else estimator.embedding_.dtype,
            ensure_non_negative=True,
        )
    except ValueError as error:
        if "could not convert string to float" not in str(error):
            raise
        raise ValueError(
            f"X must hold the numbers of an affinity matrix, got text: {error}. "
            "Names belong outside it, in the order of its rows and columns."
        ) from error
    if not sp.issparse(X):
        X = sp.csr_array(X)
    elif X.nnz and not 0 <= X.indices.min() <= X.indices.max() < X.shape[1]:
        raise ValueError(
            f"X must have column indices from 0 to {X.shape[1] - 1}, got "
            f"{X.indices.min()} to {X.indices.max()}: build it with its true shape."
        )
    _check_sums(X, reset=reset)
    return X


def _check_sums(X, *, reset):
    """Refuse weights that lose their meaning when rows are divided by their sums."""
    least, most = np.finfo(X.dtype).tiny, np.finfo(X.dtype).max / 1e6
    sums = row_sums(X)
    positive = sums[sums > 0]
    # In fit columns are summed as well; new rows must not depend on one another.
    with np.errstate(over="ignore"):
        largest = positive.sum() if reset else positive.max(initial=0)
    if largest > most or (positive < least).any():
        raise ValueError(
            f"X must have sums of rows from {least:.1e} that add up to {most:.1e} at "
            f"most in {X.dtype}, got {positive.min():.1e} to {positive.max():.1e}: "
            "rescale its weights."
        )


def check_entries(X, name="X"):
    """Return the entries of X in new CSR: those given twice summed, none of them zero.

    Integers keep their dtype unless a sum needs a wider one.
    """
    entries = sp.csr_array(
        check_array(
            _widened(X),
            accept_sparse="csr",
            dtype="numeric",
            copy=True,
            input_name=name,
        )
    )
    entries.sum_duplicates()
    if sp.issparse(X) and (entries.data.astype(X.dtype) == entries.data).all():
        entries.data = entries.data.astype(X.dtype, copy=False)
    entries.eliminate_zeros()
    return entries


def _widened(X):
    """Return sparse integers in 64 bits: on the way to CSR, sums of int8 overflow."""
    if not sp.issparse(X) or X.dtype.kind not in "biu":
        return X
    return X.astype(np.uint64 if X.dtype.kind == "u" else np.int64)


def row_sums(X):
    """Return the sums of the rows of CSR, in float64."""
    ones = np.ones(X.shape[1])
    with np.errstate(over="ignore"):
        return np.concatenate([block @ ones for block in row_blocks_of(X)])


def column_sums(X):
    """Return the sums of the columns of CSR, in float64."""
    return sum(block.T @ np.ones(block.shape[0]) for block in row_blocks_of(X))


def row_blocks_of(X):
    """Yield CSR in blocks of rows, copied."""
    # Blocks, since products copy to float64, and products, since X.sum sorts the
    # entries of the caller's matrix under some versions of scipy.
    return (X[start : start + 2**16] for start in range(0, X.shape[0], 2**16))


def check_square(X):
    """Refuse an affinity matrix that is not square."""
    if X.shape[0] != X.shape[1]:
        raise ValueError(
            "X must be a square affinity matrix of shape (n_nodes, n_nodes), got shape "
            f"{X.shape}: row i and column i are the same node. A list of edges becomes "
            "one with scipy.sparse.coo_array((weights, (sources, targets)), "
            "shape=(n_nodes, n_nodes))."
        )


def check_node_order(X):
    """Refuse a DataFrame whose rows and columns name the same nodes in two orders."""
    index, columns = getattr(X, "index", None), getattr(X, "columns", None)
    if columns is None or not hasattr(index, "equals"):
        return
    if not index.equals(columns) and set(index) == set(columns):
        raise ValueError(
            "X must list its nodes in one order, got a DataFrame whose index is a "
            "permutation of its columns: pass X.loc[X.columns]."
        )


def check_start(vectors, shape, dtype, name):
    """Return the directions of the vectors that training starts from, checked."""
    vectors = check_array(vectors, dtype=np.float64, copy=True, input_name=name)
    if vectors.shape != shape:
        raise ValueError(
            f"{name} must have shape {shape}, one row for each vector to train and "
            f"n_components columns, got {vectors.shape}."
        )
    # Only directions count; squares of what is large or small would not be finite.
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    np.divide(vectors, largest, out=vectors, where=largest > 0)
    return vectors.astype(dtype, copy=False)


def is_integer(value):
    """Tell integers, numpy's too, from all else and from booleans."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_n_items(n_items, n_columns):
    """Refuse a number of items that no row can get."""
    if not is_integer(n_items) or not 1 <= n_items <= n_columns:
        raise ValueError(
            f"n_items must be an integer from 1 to {n_columns}, the number of columns, "
            f"got {n_items!r}."
        )


def check_items_left(columns, n_items):
    """Refuse rows that know too many columns to get as many again; -1 stands for none.

    An index of -1 in what is returned would stand for the last column.
    """
    short = np.flatnonzero(columns[:, -1] < 0)
    if len(short):
        n_left = np.count_nonzero(columns[short[0]] >= 0)
        raise ValueError(
            f"n_items must be at most {n_left}, the number of columns that row "
            f"{short[0]} of X has no interaction with, got {n_items}: lower it, leave "
            "such rows out, or set exclude_known=False."
        )


def check_test_size(test_size):
    """Refuse what is neither a share nor a number of entries."""
    is_share = isinstance(test_size, Real) and not isinstance(test_size, Integral)
    if not (
        (is_integer(test_size) and test_size >= 1) or (is_share and 0 < test_size < 1)
    ):
        raise ValueError(
            "test_size must be a float between 0 and 1, a share of each row's entries, "
            f"or a positive integer, how many of them, got {test_size!r}."
        )


def warn_empty_rows(pulled):
    """Warn, once for all of them, of rows that have no affinity and no direction."""
    n_empty = np.count_nonzero(~pulled)
    if n_empty:
        warnings.warn(
            f"{n_empty} of the {len(pulled)} rows of X have no affinity to any "
            "context known from fit: their embedding is the zero vector.",
            UserWarning,
            stacklevel=4,  # the caller of fit or transform, beyond their decorators
        )


def warn_dead_ends(n_dead_ends):
    """Warn, once for all of them, of nodes that a one-sided graph cannot embed."""
    if n_dead_ends:
        warnings.warn(
            f"{n_dead_ends} nodes of X have incoming edges alone: with "
            "symmetric=True they are zero vectors, to the nodes that point to them "
            "as well. Set symmetric=False, or fit X + X.T.",
            UserWarning,
            stacklevel=5,  # the caller of fit, beyond its decorator
        )
