"""Checks of what users pass, beyond scikit-learn's own, each with one clear message."""

import warnings

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array, validate_data


def check_affinity(estimator, X, *, reset):
    """Return X as a CSR matrix of non-negative floats whose rows can be normalised.

    The caller's arrays are shared where they can be, never changed.
    """
    if hasattr(X, "adj") and hasattr(X, "nodes"):
        raise TypeError(
            f"X must be an affinity matrix, got a graph of type {type(X).__name__}: "
            "pass networkx.to_scipy_sparse_array(X)."
        )
    try:
        X = validate_data(
            estimator,
            X,
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
            "Names of nodes belong outside it, in the order of its rows."
        ) from error
    if not sp.issparse(X):
        return _check_sums(sp.csr_array(X))
    if X.nnz and not 0 <= X.indices.min() <= X.indices.max() < X.shape[1]:
        raise ValueError(
            f"X must have column indices from 0 to {X.shape[1] - 1}, got "
            f"{X.indices.min()} to {X.indices.max()}: build it with its true shape."
        )
    return _check_sums(X)


def _check_sums(X):
    """Refuse weights that lose their meaning when rows are divided by their sums."""
    strength = row_sums(X)
    least, most = np.finfo(X.dtype).tiny, np.finfo(X.dtype).max / 1e6
    positive = strength[strength > 0]
    with np.errstate(over="ignore"):
        total = positive.sum()
    if total > most or (positive < least).any():
        raise ValueError(
            f"X must have sums of rows from {least:.1e} that add up to {most:.1e} at "
            f"most in {X.dtype}, got {positive.min():.1e} to {positive.max():.1e}: "
            "rescale its weights."
        )
    return X


def row_sums(X):
    """Return the sums of the rows of a sparse matrix, in float64."""
    # Products, since X.sum puts the entries of some callers' matrices in order.
    with np.errstate(over="ignore"):
        return X @ np.ones(X.shape[1])


def column_sums(X):
    """Return the sums of the columns of a sparse matrix, in float64."""
    return X.T @ np.ones(X.shape[0])


def check_square(X):
    """Refuse an affinity matrix that is not square."""
    if X.shape[0] != X.shape[1]:
        raise ValueError(
            "X must be a square affinity matrix of shape (n_nodes, n_nodes), got shape "
            f"{X.shape}: row i and column i are the same node. A list of edges becomes "
            "one with scipy.sparse.coo_array((weights, (sources, targets)))."
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
    """Return a copy of the vectors that training starts from, checked."""
    vectors = check_array(vectors, dtype=dtype, copy=True, input_name=name)
    if vectors.shape != shape:
        raise ValueError(
            f"{name} must have shape {shape}, one row for each vector to train and "
            f"n_components columns, got {vectors.shape}."
        )
    return vectors


def warn_empty_rows(operator):
    """Warn, once for all of them, of rows that have no affinity and no direction."""
    n_empty = np.count_nonzero(operator.scale == 0)
    if n_empty:
        warnings.warn(
            f"{n_empty} of the {operator.shape[0]} rows of X have no affinity to any "
            "context known from fit: their embedding is the zero vector.",
            UserWarning,
            stacklevel=3,
        )
