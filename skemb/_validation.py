"""Checks of what users pass, beyond scikit-learn's own, each with one clear message."""

import sys
import warnings
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from functools import singledispatch
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array, validate_data

from skemb._parallel import row_blocks

# Options of text analyzers that only those of words have.
_OF_WORDS = ("token_pattern", "stop_words")
_BLOCK_OF_ENTRIES = 2**18
# Multiplications an epoch from which exact sums are warned of.
_MANY_PRODUCTS = 1e11


def check_affinity(estimator, X, *, reset):
    """Return X as a CSR matrix of non-negative floats whose rows can be normalised.

    The caller's arrays are shared where they can be, never changed.
    """
    check_not_graph(X)
    try:
        X = validate_data(
            estimator,
            _widened(in_memory(X)),
            reset=reset,
            accept_sparse="csr",
            order="C",
            dtype=(np.float64, np.float32) if reset else estimator._dtype,
            ensure_non_negative=True,
        )
    except ValueError as error:
        if "could not convert string to float" not in str(error):
            raise
        raise ValueError(
            f"X must hold the numbers of an affinity matrix, got text: {error}. "
            "Names belong outside it, in the order of its rows and columns; "
            "TextEmbedder takes documents."
        ) from error
    X = _in_range(X)
    check_sums(X, reset=reset)
    return X


def check_block(X, shape, dtype):
    """Return a block of a Dask array as CSR of non-negative floats, of such a shape."""
    X = check_array(
        _widened(X),
        accept_sparse="csr",
        order="C",
        dtype=dtype,
        ensure_non_negative=True,
        ensure_min_samples=0,
        input_name="X",
    )
    if X.shape != shape:
        raise ValueError(
            f"X must have blocks as its chunks say, of shape {shape}, got {X.shape}: "
            "pass true shapes to dask.array.from_delayed."
        )
    return _in_range(X)


def _in_range(X):
    """Return X as CSR whose entries stand in its columns."""
    if not sp.issparse(X):
        return sp.csr_array(X)
    if X.nnz and not 0 <= X.indices.min() <= X.indices.max() < X.shape[1]:
        raise ValueError(
            f"X must have column indices from 0 to {X.shape[1] - 1}, got "
            f"{X.indices.min()} to {X.indices.max()}: build it with its true shape."
        )
    return X


def is_dask_array(X):
    """Tell arrays of Dask, which is not imported for it."""
    dask_array = sys.modules.get("dask.array")
    return dask_array is not None and isinstance(X, dask_array.Array)


def in_memory(X):
    """Return X, computed if it is a Dask array."""
    return X.compute() if is_dask_array(X) else X


def check_chunks(X):
    """Refuse Dask arrays that are no matrices, or whose chunks have unknown sizes."""
    if X.ndim != 2:
        raise ValueError(
            f"X must have two dimensions, got a Dask array of shape {X.shape}."
        )
    if np.isnan(X.shape).any():
        raise ValueError(
            f"X must be a Dask array of known shape, got {X.shape}: call "
            "X.compute_chunk_sizes() first."
        )
    if 0 in X.shape:
        raise ValueError(f"X must have rows and columns, got shape {X.shape}.")


def check_output(output):
    """Refuse a kind of output that does not exist."""
    if output not in ("numpy", "dask"):
        raise ValueError(
            f'skemb.output must be "numpy" or "dask", got {output!r}: it is set by '
            "dask.config.set."
        )


def check_width(estimator, X, *, reset):
    """Remember the width of X in fit, and refuse another one later."""
    validate_data(estimator, X, reset=reset, skip_check_array=True)


def check_normalizer_of_parts(estimator):
    """Refuse normalisers that need more of a row than a part of X has."""
    if estimator.normalizer not in ("gaussian", "exact"):
        raise ValueError(
            'normalizer must be "gaussian" or "exact" where X is a Dask array, got '
            f"{estimator.normalizer!r}: set one of these, or pass X.compute()."
        )


def check_not_graph(X, name="X"):
    """Refuse a graph of networkx where a matrix is asked for."""
    if hasattr(X, "adj") and hasattr(X, "nodes"):
        raise TypeError(
            f"{name} must be a matrix, got a graph of type {type(X).__name__}: pass "
            f"that of skemb.datasets.adjacency_from_networkx, or of a bipartite graph "
            "networkx.bipartite.biadjacency_matrix."
        )


def check_sums(X, *, reset):
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


def given_once(X):
    """Return CSR in which each entry is given once, and none is zero: X if it is so."""
    if X.has_canonical_format and X.data.all():
        return X
    X = X.copy()
    X.sum_duplicates()
    X.eliminate_zeros()
    return X


@singledispatch
def row_sums(X):
    """Return the sums of the rows of CSR (n, m), in float64, (n,)."""
    ones = np.ones(X.shape[1])
    with np.errstate(over="ignore"):
        return np.concatenate([block @ ones for block in row_blocks_of(X)])


@singledispatch
def column_sums(X):
    """Return the sums of the columns of CSR (n, m), in float64, (m,)."""
    sums = np.zeros(X.shape[1])
    add_column_sums(X, sums)
    return sums


def add_column_sums(X, sums):
    """Add the sums of the columns of CSR (n, m) to ``sums`` (m,), in float64."""
    # Blocks, since entries become float64; in place, since sums may outnumber these.
    with np.errstate(over="ignore"):
        for start in range(0, X.nnz, _BLOCK_OF_ENTRIES):
            block = slice(start, min(start + _BLOCK_OF_ENTRIES, X.nnz))
            np.add.at(sums, X.indices[block], X.data[block].astype(np.float64))


def in_float32(values):
    """Return an array in float32, and which of its numbers that cannot hold."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    return single, ~np.isfinite(single) | ((single == 0) & (values != 0))


def row_blocks_of(X):
    """Yield CSR in blocks of rows, copied."""
    # Blocks, since products copy to float64, and products, since X.sum sorts the
    # entries of the caller's matrix under some versions of scipy.
    n_rows = X.shape[0]
    return (X[start:stop] for start, stop in row_blocks(n_rows, X.nnz // n_rows))


def check_square(X, name="X"):
    """Refuse an affinity matrix that is not square."""
    if X.shape[0] != X.shape[1]:
        raise ValueError(
            f"{name} must be a square affinity matrix of shape (n_nodes, n_nodes), got "
            f"shape {X.shape}: row i and column i are the same node. A table of edges "
            "becomes one by skemb.datasets.adjacency_from_edges."
        )


def check_node_columns(X, name="X"):
    """Refuse a matrix with fewer columns than nodes; more may hold attributes."""
    if X.shape[1] < X.shape[0]:
        raise ValueError(
            f"{name} must have a column for each of its rows, the same nodes, and may "
            f"have more for attributes, got shape {X.shape}: pass the square affinity "
            "matrix, or scipy.sparse.hstack([affinity, attributes])."
        )


@contextmanager
def advice_on_attributes():
    """Add what to do about negative attributes to the error that refuses them."""
    try:
        yield
    except ValueError as error:
        if "Negative values" not in str(error):
            raise
        raise ValueError(
            f"{str(error).rstrip('.')}: affinities and attributes must be at least 0, "
            "so turn attributes that are numbers into columns of zeros and ones by "
            "sklearn.preprocessing.KBinsDiscretizer, and categories by OneHotEncoder."
        ) from error


def check_cooccurrences(X):
    """Refuse a matrix of co-occurrences that is not square."""
    if X.shape[0] != X.shape[1]:
        raise ValueError(
            "X must be a square co-occurrence matrix of shape (n_features, n_features) "
            f'with affinity="precomputed", got shape {X.shape}: row i and column i are '
            'the same feature. Counts of features in contexts take affinity="rows".'
        )


def check_node_order(X, name="X"):
    """Refuse a DataFrame whose rows and columns name the same nodes in two orders."""
    index, columns = getattr(X, "index", None), getattr(X, "columns", None)
    if columns is None or not hasattr(index, "equals"):
        return
    columns = columns[: len(index)]  # attributes may follow the nodes
    if not index.equals(columns) and set(index) == set(columns):
        raise ValueError(
            f"{name} must list rows and columns in one order, got a DataFrame whose "
            f"index is a permutation of its columns: pass {name}.loc[{name}.columns], "
            f"or {name}.loc[{name}.columns[:len({name})]] if attributes follow."
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


def check_positive(value, name):
    """Refuse what is not an integer of at least one."""
    if not is_integer(value) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")


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
            "test_size must be a float between 0 and 1, the share to hold out, or a "
            f"positive integer, how many to hold out, got {test_size!r}."
        )


def check_documents(raw_documents, *, as_tokens):
    """Refuse what is no sequence of documents, or whose items are something else."""
    kind = type(raw_documents).__name__
    if isinstance(raw_documents, str | bytes):
        raise ValueError(
            "Iterable over raw text documents expected, string object received: "
            f"raw_documents was {raw_documents!r:.40}, pass [document] for a single "
            "one."
        )
    is_matrix = getattr(raw_documents, "ndim", 1) != 1 and not as_tokens
    if hasattr(raw_documents, "columns") or sp.issparse(raw_documents) or is_matrix:
        raise ValueError(
            f"raw_documents must be one column of documents, got a {kind} of several: "
            'select the column itself, as by table["text"] or array.ravel(), or by '
            '"text" and not ["text"] in a ColumnTransformer.'
        )
    unordered = isinstance(raw_documents, Mapping | Set)
    if unordered or not hasattr(raw_documents, "__iter__"):
        raise ValueError(
            "raw_documents must be an iterable of documents in order, got "
            f"{raw_documents!r:.40} of type {kind}: pass a list."
        )


def check_document(document, index, *, as_tokens):
    """Refuse a document that is text where tokens are expected, or the reverse."""
    is_text = isinstance(document, str | bytes)
    shown = f"{document!r:.40} of type {type(document).__name__} at position {index}"
    if as_tokens and is_text:
        raise ValueError(
            'raw_documents must be lists of tokens with analyzer="tokens", got '
            f'{shown}: split it, or set analyzer="word".'
        )
    ordered = hasattr(document, "__iter__") and not isinstance(document, Mapping | Set)
    if as_tokens and not ordered:
        raise ValueError(
            'raw_documents must be lists of tokens with analyzer="tokens", got '
            f"{shown}: pass tokens in order, and [] where there are none."
        )
    if not as_tokens and not is_text:
        raise ValueError(
            f'raw_documents must be strings, got {shown}: set analyzer="tokens" for '
            'lists of tokens, and fill what is missing with "".'
        )


def check_tokens(document, by="raw_documents"):
    """Return a document's tokens as a list, refusing those that are not strings."""
    if isinstance(document, str | bytes) or not hasattr(document, "__iter__"):
        raise ValueError(
            f"{by} must make a list of words of a document, got {document!r:.40} of "
            f"type {type(document).__name__}: return [] where there are none."
        )
    tokens = list(document)
    for kind in set(map(type, tokens)):
        if not issubclass(kind, str):
            wrong = next(token for token in tokens if type(token) is kind)
            raise ValueError(
                f"{by} must have tokens that are strings, got {wrong!r:.40} of type "
                f"{kind.__name__}: convert tokens by str."
            )
    return tokens


def check_vocabulary(vocabulary):
    """Return the words that are to count, in one order for all runs, or a mapping."""
    if vocabulary is None:
        return None
    listed = vocabulary
    if not isinstance(vocabulary, Mapping | Iterator):
        listed = getattr(vocabulary, "tolist", lambda: list(vocabulary))()
    once = isinstance(vocabulary, str | Iterator)
    if once or not all(isinstance(word, str) for word in listed):
        raise ValueError(
            "vocabulary must be a list or set of strings or a mapping from them to "
            f"indices, got {vocabulary!r:.60} of type {type(vocabulary).__name__}."
        )
    return sorted(listed) if isinstance(vocabulary, set | frozenset) else listed


def check_some_words(words):
    """Refuse documents without any word that counts."""
    if not (words >= 0).any():
        raise ValueError(
            "raw_documents must have words of the vocabulary, got none: see whether "
            "vocabulary and analyzer go together, and whether case does."
        )


def check_ngram_range(ngram_range):
    """Refuse what is not a shortest and a longest length."""
    if not (
        len(ngram_range) == 2
        and all(map(is_integer, ngram_range))
        and 1 <= ngram_range[0] <= ngram_range[1]
    ):
        raise ValueError(
            "ngram_range must be two integers (min_n, max_n) with "
            f"1 <= min_n <= max_n, got {ngram_range!r}."
        )


def check_words(words, name, vocabulary):
    """Return the indices of words in a vocabulary, refusing those it does not have."""
    if not hasattr(words, "__iter__"):
        raise ValueError(f"{name} must be a word or a list of words, got {words!r}.")
    words = [words] if isinstance(words, str) else list(words)
    for word in words:
        if not isinstance(word, str) or word not in vocabulary:
            raise ValueError(
                f"{name} must be in the vocabulary, got {word!r}, which was not in the "
                "documents of fit, or in another case, or is left out by min_df, "
                "max_df, max_features, stop_words or vocabulary."
            )
    return [int(vocabulary[word]) for word in words]


def check_writable_words(words):
    """Refuse words that a format which separates by spaces would tear apart."""
    for word in words:
        letters = [c for c in word if not (c.isspace() or "\ud800" <= c <= "\udfff")]
        if not word or len(letters) < len(word):
            raise ValueError(
                "The vocabulary must have words without white space (and surrogates) "
                f"to be written in word2vec's text format, got {word!r}: pickle the "
                "embedder instead."
            )


def warn_empty_rows(known):
    """Warn, once for all of them, of rows that have no affinity and no direction."""
    n_empty = np.count_nonzero(~known)
    if n_empty:
        _warn(
            f"{n_empty} of the {len(known)} rows of X have no affinity to any "
            "context known from fit: their embedding is the zero vector."
        )


def warn_unknown_ids(n_unknown, n_ids):
    """Warn, once for all of them, of ids that a lookup has nothing about."""
    if n_unknown:
        hint = "; see whether ids are of one type" if n_unknown == n_ids else ""
        _warn(
            f"{n_unknown} of the {n_ids} ids of X are unknown: their vectors are "
            f"zero{hint}."
        )


def warn_few_edges(n_held_out, n_asked):
    """Warn that fewer edges are held out than were asked for."""
    if n_held_out < n_asked:
        _warn(
            f"{n_held_out} edges are held out of the {n_asked} that test_size asks "
            "for: any other is the last of one of its nodes."
        )


def warn_zero_means(known, rows, kind):
    """Warn, once for all of them, of rows or documents that are means of nothing."""
    n_zero = np.count_nonzero(~known)
    if n_zero:
        _warn(
            f"{n_zero} of the {len(known)} {rows} have no {kind} with vectors from "
            "fit: their embedding is the zero vector."
        )


def warn_dead_ends(n_dead_ends):
    """Warn, once for all of them, of nodes that a one-sided graph cannot embed."""
    if n_dead_ends:
        _warn(
            f"{n_dead_ends} nodes of X have incoming edges alone: with "
            "symmetric=True they are zero vectors, to the nodes that point to them "
            "as well. Set symmetric=False, or fit X + X.T."
        )


def warn_alone(known, kind, argument):
    """Warn, once for all of them, of features or words that co-occur with nothing."""
    n_alone = np.count_nonzero(~known)
    if n_alone:
        _warn(
            f"{n_alone} of the {len(known)} {kind} of {argument} co-occur with "
            "nothing: their vectors are zero, and they have no part in means."
        )


def warn_unused(analyzer, options, defaults):
    """Warn of options that another analyzer would use, and this one does not."""
    unused = {"word": (), "char": _OF_WORDS, "char_wb": _OF_WORDS}
    for name in unused.get(analyzer, options):
        if options[name] not in (defaults[name], None, False):
            _warn(f"{name}={options[name]!r} is not used with analyzer={analyzer!r}.")


def warn_normalizer(error, conditional):
    """Warn that the normaliser of a fitted conditional is estimated badly."""
    normalizer, n_contexts = conditional.normalizer, len(conditional.contexts)
    if hasattr(normalizer, "n_gaussians"):
        used = f"n_gaussians={normalizer.n_gaussians}"
        more = min(4 * normalizer.n_gaussians, n_contexts)
        advice = f"raise n_gaussians, as to {more} ({n_contexts} is exact)"
    elif hasattr(normalizer, "n_negatives"):
        used = f"n_negatives={normalizer.n_negatives}"
        advice = "raise n_negatives, set normalizer='gaussian'"
    else:
        used = f"a {type(normalizer.own).__name__}"
        advice = "set normalizer='gaussian'"
    _warn(
        f"The estimate of log Z is off by {error:.2g} nats in the mean with {used}: "
        f"{advice}, or raise temperature, now {normalizer.temperature:.3g}."
    )


def warn_exact(shapes, n_components):
    """Warn of what exact sums cost, from some seconds an epoch up."""
    n_products = 2 * n_components * sum(rows * contexts for rows, contexts in shapes)
    if n_products > _MANY_PRODUCTS:
        _warn(
            f"normalizer='exact' takes {n_products:.1g} multiplications an epoch, of "
            "which a processor does 1e10 to 1e11 in a second; normalizer='gaussian' "
            "takes time in proportion to rows and columns, not to their product."
        )


def _warn(message):
    """Warn at the line of the caller that is neither ours nor scikit-learn's."""
    level, frame = 1, sys._getframe()
    while frame is not None and _top_package(frame) in ("skemb", "sklearn"):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


def _top_package(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]
