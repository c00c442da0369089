"""Sparse matrices in files that are mapped into memory, not read."""

import shutil
from numbers import Integral
from os import PathLike
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from skemb._validation import in_float32

_PARTS = ("data", "indices", "indptr")
# Rows, and entries unless a row has more, that are sorted at a time.
_SORTED_AT_ONCE = 2**18


def write_matrix(chunks, folder, shape, *, symmetric=False):
    """Write a sparse matrix that may be larger than memory, and open it.

    The entries come in chunks and are read twice: once to count those of each row, once
    to put them in place; then each row is sorted by column. Memory is three integers a
    row, and about the largest of ten times a chunk (twenty if ``symmetric``), three
    times the longest row, and 8 MB; files take 8 bytes an entry (12 from 2^31 entries
    or columns on). Writing is fast as long as the system can keep the files in its
    cache. An error leaves nothing of them.

    Parameters
    ----------
    chunks : callable
        Returns an iterable over the chunks, the same each time it is called. A chunk
        is (rows, columns) or (rows, columns, weights), arrays of one length or one
        array of so many rows, and not pairs: indices from 0 to the number of rows or
        columns less one, and finite weights of at least 0, of which a zero is no entry.
        Entries without weights count as 1. Those in the same place stay apart, in the
        order in which they came, and count together in the embedders.
    folder : str or path
        Where the files go; it is made, and must not exist yet.
    shape : tuple (n_rows, n_columns)
        Shape of the matrix.
    symmetric : bool, default=False
        Whether an entry stands in both places, (i, j) and (j, i), as the edges of an
        undirected graph do; those on the diagonal stand there once.

    Returns
    -------
    X : csr_array of shape (n_rows, n_columns)
        As :func:`open_matrix` gives it.

    Raises
    ------
    ValueError
        If ``folder`` exists, a chunk or the shape is not as above, a row has another
        number of entries the second time, or ``symmetric`` is set and the shape is not
        square.
    TypeError
        If ``chunks`` is not callable or returns no iterable, or ``folder`` is no path.
    OSError
        If the disk has no room for the files.

    See Also
    --------
    adjacency_from_edges : Edges that fit in memory, with any ids.

    Examples
    --------
    Edges in files, of which one at a time is read:

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skemb import GraphEmbedder
    >>> from skemb.datasets import open_matrix, write_matrix
    >>> folder = Path(tempfile.mkdtemp())
    >>> rng = np.random.default_rng(0)
    >>> for k in range(3):
    ...     np.savetxt(folder / f"edges{k}.txt", rng.integers(0, 100, (500, 2)), "%d")
    >>> def edges():
    ...     for path in sorted(folder.glob("*.txt")):
    ...         yield np.loadtxt(path, dtype=int, ndmin=2).T
    >>> A = write_matrix(edges, folder / "graph", (100, 100), symmetric=True)
    >>> GraphEmbedder(8).fit_transform(open_matrix(folder / "graph")).shape
    (100, 8)
    """
    if not callable(chunks):
        raise TypeError(
            "chunks must be callable and return an iterable, since it is read twice, "
            f"got {type(chunks).__name__}."
        )
    shape = _checked_shape(shape, symmetric)
    folder = _path_of(folder)
    if folder.exists():
        raise ValueError(f"folder must not exist yet, got {str(folder)!r}.")
    folder.mkdir(parents=True)
    try:
        _write(lambda: _checked(chunks(), shape, symmetric), folder, shape)
    except BaseException:
        shutil.rmtree(folder)
        raise
    return open_matrix(folder)


def open_matrix(folder):
    """Open a matrix that :func:`write_matrix` wrote.

    Nothing is read but what is used (from 2^31 entries on, opening reads the indices
    once), and the system keeps of it what memory allows.
    ``GraphEmbedder`` with ``symmetric=True`` never copies it. Two-sided embedders keep
    a transposed copy in memory; the others copy it. Where entries were given twice,
    methods of scipy that add them up in place, such as ``sum`` and ``max``, take
    ``X.copy()``, in memory, and not X.

    Parameters
    ----------
    folder : str or path
        Where the files are: ``data.npy``, ``indices.npy``, ``indptr.npy`` and
        ``shape.npy``.

    Returns
    -------
    X : csr_array of shape (n_rows, n_columns)
        Weights in float32, read-only, each row sorted by column.

    Raises
    ------
    ValueError
        If the folder holds no such files.
    TypeError
        If ``folder`` is no path.

    Examples
    --------
    See :func:`write_matrix`.

    >>> from skemb.datasets import open_matrix
    >>> open_matrix("nowhere")
    Traceback (most recent call last):
    ValueError: folder must hold a matrix that write_matrix wrote, got 'nowhere'.
    """
    folder = _path_of(folder)
    files = {part: folder / f"{part}.npy" for part in (*_PARTS, "shape")}
    if not all(file.is_file() for file in files.values()):
        raise ValueError(
            f"folder must hold a matrix that write_matrix wrote, got {str(folder)!r}."
        )
    parts = tuple(np.load(files[part], mmap_mode="r") for part in _PARTS)
    X = sp.csr_array(parts, shape=tuple(np.load(files["shape"])))
    X.has_sorted_indices = True  # or scipy would read all to see, and sort in place
    return X


def _checked_shape(shape, symmetric):
    """Return a shape as two integers; refuse what is none."""
    if (
        not isinstance(shape, tuple | list | np.ndarray)
        or not np.iterable(shape)
        or len(shape) != 2
        or not all(
            isinstance(n, Integral) and not isinstance(n, bool) and 0 < n < 2**63
            for n in shape
        )
    ):
        raise ValueError(
            "shape must be two integers of at least 1 and less than 2**63, got "
            f"{shape!r}."
        )
    shape = int(shape[0]), int(shape[1])
    if symmetric and shape[0] != shape[1]:
        raise ValueError(f"shape must be square if symmetric=True, got {shape}.")
    return shape


def _path_of(folder):
    """Return a folder as a path; refuse what names none."""
    if not isinstance(folder, str | PathLike):
        raise TypeError(
            "folder must be a str or path that says where the files are, got "
            f"{type(folder).__name__}."
        )
    return Path(folder)


def _write(chunks, folder, shape):
    """Write the files of the matrix of checked chunks."""
    # Before memory is asked for: so many rows may be a slip.
    _check_room(folder, 0, shape)
    counts = np.zeros(shape[0], dtype=np.int64)
    for rows, _, _ in chunks():
        np.add.at(counts, rows, 1)
    ends = np.cumsum(counts)
    n_entries = int(ends[-1])
    # A full disk would end the process while it writes to a file that is mapped.
    _check_room(folder, n_entries, shape)

    def file_of(part, dtype, n_numbers):
        path = folder / f"{part}.npy"
        return np.lib.format.open_memmap(path, "w+", dtype, (n_numbers,))

    index_dtype = _index_dtype(n_entries, shape)
    indptr = file_of("indptr", index_dtype, shape[0] + 1)
    indptr[0], indptr[1:] = 0, ends
    indices = file_of("indices", index_dtype, n_entries)
    data = file_of("data", np.float32, n_entries)
    _place(chunks(), ends - counts, ends, indices, data)
    _sort_rows(ends, indices, data, shape[1])
    np.save(folder / "shape.npy", np.array(shape, dtype=np.int64))


def _index_dtype(n_entries, shape):
    """Return the dtype of indices that so many entries in such a shape take."""
    wide = max(n_entries, *shape) > np.iinfo(np.int32).max
    return np.dtype(np.int64 if wide else np.int32)


def _check_room(folder, n_entries, shape):
    """Refuse a matrix of which the disk cannot hold the files."""
    n_bytes = n_entries * (4 + _index_dtype(n_entries, shape).itemsize) + 8 * shape[0]
    room = shutil.disk_usage(folder).free
    if n_bytes > room:
        raise OSError(f"folder needs {n_bytes:,} bytes on its disk, got {room:,} free.")


def _place(chunks, free, ends, indices, data):
    """Write the entries of chunks to their rows, from ``free`` (n,) to ``ends`` (n,).

    ``free`` moves with them.
    """
    for rows, columns, weights in chunks:
        order = np.argsort(rows, kind="stable")
        rows = rows[order]
        place = free[rows] + np.arange(len(rows)) - np.searchsorted(rows, rows)
        if (place >= ends[rows]).any():
            free[rows] = -1
            break
        indices[place], data[place] = columns[order], weights[order]
        np.add.at(free, rows, 1)
    if (free != ends).any():
        raise ValueError(
            "chunks must give the same entries each time it is called, got others the "
            "second time: return a new iterator from each call."
        )


def _sort_rows(ends, indices, data, n_columns):
    """Sort the entries of each row, which end at ``ends`` (n,), by column, in place."""
    # A key may not leave int64.
    most_rows = min(_SORTED_AT_ONCE, max(2**62 // n_columns, 1))
    start = begin = 0
    while start < len(ends):
        stop = int(np.searchsorted(ends, begin + _SORTED_AT_ONCE, side="right"))
        stop = min(max(stop, start + 1), start + most_rows)
        counts = np.diff(ends[start:stop], prepend=begin)
        block = slice(begin, int(ends[stop - 1]))
        keys = np.repeat(np.arange(len(counts), dtype=np.int64) * n_columns, counts)
        keys += indices[block]
        if (keys[1:] < keys[:-1]).any():
            order = np.argsort(keys, kind="stable")
            indices[block], data[block] = indices[block][order], data[block][order]
        start, begin = stop, block.stop


def _checked(chunks, shape, symmetric):
    """Yield rows, columns and weights (k,) of each chunk, in both places if asked."""
    if not hasattr(chunks, "__iter__") or sp.issparse(chunks):
        raise TypeError(
            "chunks must return an iterable over chunks, got "
            f"{type(chunks).__name__}: yield chunks."
        )
    for number, chunk in enumerate(chunks):
        rows, columns, *weights = _parts_of(chunk, number)
        if rows.size == columns.size == 0:
            continue
        for name, indices, axis in (("rows", rows, 0), ("columns", columns, 1)):
            _check_indices(name, indices, (rows.size,), shape, axis, number)
        weights = weights[0] if weights else np.ones(len(rows))
        if weights.dtype.kind not in "buif" or weights.shape != rows.shape:
            raise ValueError(
                f"chunks must give numbers as weights, of shape {rows.shape}, got "
                f"{weights.dtype} of shape {weights.shape} in chunk {number}."
            )
        single, lost = in_float32(weights)
        if lost.any() or (single < 0).any():
            raise ValueError(
                "chunks must give finite weights of at least 0 that float32 can hold, "
                f"got {weights.min()} to {weights.max()} in chunk {number}."
            )
        kept = single > 0
        rows, columns = (part[kept].astype(np.int64) for part in (rows, columns))
        weights = single[kept]
        if symmetric:
            off = rows != columns
            rows, columns, weights = (
                np.concatenate([rows, columns[off]]),
                np.concatenate([columns, rows[off]]),
                np.concatenate([weights, weights[off]]),
            )
        yield rows, columns, weights


def _parts_of(chunk, number):
    """Return the two or three parts of a chunk as arrays; refuse what has none."""
    is_row = isinstance(chunk, tuple | list | np.ndarray) and np.iterable(chunk)
    if not is_row or len(chunk) not in (2, 3):
        way = ": give row, col and data of its tocoo()" if sp.issparse(chunk) else ""
        raise ValueError(
            "chunks must give rows, columns and weights, or the first two, got "
            f"{_shown(chunk)} in chunk {number}{way}."
        )
    names = ("rows", "columns", "weights")
    return [
        _array_of(name, part, number) for name, part in zip(names, chunk, strict=False)
    ]


def _shown(chunk):
    """Return what a chunk is, in a few words."""
    kind = type(chunk).__name__
    if hasattr(chunk, "shape"):
        return f"a {kind} of shape {chunk.shape}"
    return f"a {kind} of {len(chunk)}" if hasattr(chunk, "__len__") else f"a {kind}"


def _array_of(name, part, number):
    """Return a part of a chunk as an array; refuse masked numbers and ragged lists."""
    if np.ma.is_masked(part):
        raise ValueError(
            f"chunks must give {name} without a mask, got {np.ma.count_masked(part)} "
            f"masked of {np.size(part)} in chunk {number}: leave such entries out of "
            "rows, columns and weights."
        )
    try:
        return np.asarray(part)
    except ValueError as error:
        raise ValueError(
            f"chunks must give {name} as an array of one dimension, got a "
            f"{type(part).__name__} of others of several lengths in chunk {number}."
        ) from error


def _check_indices(name, indices, size, shape, axis, number):
    """Refuse indices of another kind, number, or range than those of the axis."""
    if indices.dtype.kind not in "iu" or indices.shape != size:
        raise ValueError(
            f"chunks must give integers as {name}, of shape {size}, got "
            f"{indices.dtype} of shape {indices.shape} in chunk {number}."
        )
    if len(indices) and not 0 <= indices.min() <= indices.max() < shape[axis]:
        raise ValueError(
            f"chunks must give {name} from 0 to {shape[axis] - 1}, as shape={shape} "
            f"says, got {indices.min()} to {indices.max()} in chunk {number}."
        )
