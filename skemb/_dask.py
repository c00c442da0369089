"""Rows in parts on the workers of Dask, and fits over them.

All that a fit does to rows goes through ``sum``, ``fill`` and ``built`` of ``Workers``.
``DaskWorkers`` does each by one task a part, in which ``Workers`` runs the same
function over the same blocks. Parts begin and end with spans, so that the bytes are
those of one machine, whatever the parts and however many workers there are. Only sums,
and what is the same for all rows, come back to where the fit was called.

No task changes what it is given, and Dask remembers how each part was made: what is
lost with a worker is computed again.
"""

import copy
from functools import cached_property, partial
from itertools import chain
from typing import NamedTuple
from uuid import uuid4

import dask
import dask.array as da
import numpy as np
import scipy.sparse as sp
from dask import delayed
from dask.sizeof import sizeof
from joblib import effective_n_jobs, parallel_config

from skemb._operators import Pulls, SparseOperator, operator_of, transposed
from skemb._parallel import SPAN, Workers, added
from skemb._validation import (
    add_column_sums,
    check_block,
    check_chunks,
    check_normalizer_of_parts,
    check_output,
    check_sums,
    check_width,
    column_sums,
    row_sums,
)


def part_rows_of(X, read=None):
    """Return how many rows a part of a Dask array takes: as chunks do, whole spans.

    If they are to ``read`` a Dask array of vectors, then as many as its parts have.
    """
    check_chunks(X)
    source = X if read is None else read
    return -(-max(source.chunks[0]) // SPAN) * SPAN


def bounds_of(n_rows, part_rows):
    """Return (start, stop) of the parts of so many rows."""
    starts = range(0, n_rows, part_rows)
    return [(start, min(start + part_rows, n_rows)) for start in starts]


def sent(array, part_rows):
    """Return the parts of an array of numpy, on the workers."""
    # One after the other: of many at once Dask warns, as if they were there by mistake.
    return [
        delayed(array[start:stop]).persist()
        for start, stop in bounds_of(len(array), part_rows)
    ]


class DaskRows:
    """An array in parts of rows on the workers.

    It keeps the ``previous`` array that it stands in for, from which what is lost of it
    can be computed again without going back further.
    """

    def __init__(self, parts, shape, dtype, part_rows, previous=None):
        self.parts, self.previous = list(parts), previous
        self.shape, self.dtype, self.part_rows = shape, dtype, part_rows

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, indices):
        """Return the rows of indices (k,), as an array of numpy."""
        part_of = indices // self.part_rows
        named = np.unique(part_of)
        rows = dask.compute(
            *(
                delayed(np.take)(
                    self.parts[p], indices[part_of == p] - p * self.part_rows, axis=0
                )
                for p in named
            )
        )
        out = np.empty((len(indices), *self.shape[1:]), dtype=self.dtype)
        for p, taken in zip(named, rows, strict=True):
            out[part_of == p] = taken
        return out

    def array(self):
        """Return them as a Dask array."""
        shapes = [
            (stop - start, *self.shape[1:])
            for start, stop in bounds_of(len(self), self.part_rows)
        ]
        return da.concatenate(
            [
                da.from_delayed(part, shape, self.dtype)
                for part, shape in zip(self.parts, shapes, strict=True)
            ]
        )


class DaskMatrix:
    """A CSR matrix (n, m) in parts of rows on the workers.

    Parameters
    ----------
    parts : list of Delayed
        Of each, a ``_Part``.
    shape, dtype, part_rows : tuple, dtype, int
        What one machine would hold, and how many rows a part takes.
    """

    def __init__(self, parts, shape, dtype, part_rows):
        self.parts = dask.persist(*parts)
        self.shape, self.dtype, self.part_rows = shape, dtype, part_rows
        facts = dask.compute(*(delayed(_facts)(part) for part in self.parts))
        sums, counts, self.needed = zip(*facts, strict=True)
        self.row_sums = np.concatenate(sums)
        self.nnz = sum(counts)

    @cached_property
    def column_sums(self):
        """The sums of the columns, one part after the other as one machine does."""
        sums = delayed(np.zeros)(self.shape[1])
        for part in self.parts:
            sums = delayed(_plus_columns)(sums, part)
        return sums.compute()

    def reading(self, blocks):
        """Return for each part the blocks of a source that its rows name."""
        return [[blocks[p] for p in needed] for needed in self.needed]


class _Part(NamedTuple):
    """Some rows of a matrix, with no columns but those that they name."""

    affinity: sp.csr_array  # (b, k)
    names: np.ndarray  # (k,), which columns these are, ascending
    needed: list  # which parts of a source hold them
    taken: list  # which rows of each of these parts they are

    def gathered(self, blocks):
        """Return the rows of a source that are named (k, d); blocks are the needed."""
        shape = len(self.names), *blocks[0].shape[1:]
        out, stop = np.empty(shape, dtype=blocks[0].dtype), 0
        for block, rows in zip(blocks, self.taken, strict=True):
            start, stop = stop, stop + len(rows)
            # No index is out of bounds, and none has to be looked at for it.
            np.take(block, rows, axis=0, out=out[start:stop], mode="clip")
        return out

    def wide(self, n_columns):
        """Return the rows in CSR with all columns."""
        A = self.affinity
        parts = A.data, self.names[A.indices], A.indptr
        return sp.csr_array(parts, shape=(A.shape[0], n_columns))


class _OperatorPart(NamedTuple):
    """Some rows of an operator."""

    operator: SparseOperator
    rows: _Part


class DaskOperator:
    """``SparseOperator`` of a ``DaskMatrix``, whose rows stay on the workers."""

    def __init__(self, affinity, mass):
        self.affinity = affinity
        self.shape, self.dtype, self.mass = affinity.shape, affinity.dtype, mass
        masses = sent(mass, affinity.part_rows)
        self.parts = dask.persist(
            *(
                delayed(_operator_part)(part, blocks)
                for part, blocks in zip(
                    affinity.parts, affinity.reading(masses), strict=True
                )
            )
        )
        strengths = dask.compute(*(part.operator.strength for part in self.parts))
        self.strength = np.concatenate(strengths)
        self.pulled = self.strength > 0

    def propagate(self, contexts, workers):
        """Return the contexts as they are: rows read them directly."""
        return contexts

    def pulls(self, source):
        """Return the rows of P @ contexts, read from their source."""
        return Pulls(self, source)


class DaskWorkers:
    """Stands in for ``Workers`` where rows are parts on Dask's workers.

    Parameters
    ----------
    part_rows : int
        How many rows a part takes, a multiple of a span.
    n_jobs : int or None
        Number of threads of each task.
    """

    def __init__(self, part_rows, n_jobs=None):
        self.part_rows = part_rows
        self.n_jobs = effective_n_jobs(None) if n_jobs is None else n_jobs
        self._sent = {}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._sent.clear()

    def sum(self, function, arrays, width):
        """Return the sums over all rows of the tuples ``function(*blocks)``."""
        sums = self._tasks(_sums, function, arrays, width)
        return delayed(_total)(sums).compute()

    def fill(self, out, function, arrays, width):
        """Let ``function(*blocks, block of out)`` fill an array as ``out`` says.

        Return it, and the sums of the tuples that the function returns.
        """
        width_and_kind = width, out.shape[1:], out.dtype
        filled = self._tasks(_filled, function, arrays, *width_and_kind)
        rows, sums = zip(*filled, strict=True)
        *rows, total = dask.persist(*rows, delayed(_total)(list(sums)))
        out.previous = None
        return self._rows(rows, out.shape, out.dtype, out), total.compute()

    def empty(self, shape, dtype, reused=None):
        """Return what says of an array to fill what it is to be."""
        return self._rows([], shape, np.dtype(dtype))

    def built(self, function, shape, dtype):
        """Return the array whose rows are ``function(start, stop)``, from a span on."""
        label = _label(function)
        parts = [_task(label, function)(*rows) for rows in self._bounds(shape[0])]
        return self._rows(dask.persist(*parts), shape, np.dtype(dtype))

    def readable(self, array):
        """Return an array as functions over rows can read it."""
        return array

    def fetched(self, array):
        """Return an array of numpy."""
        if isinstance(array, DaskRows):
            return np.concatenate(dask.compute(*array.parts))
        return np.asarray(array)

    def offered(self, array):
        """Return an array as users get it: of numpy, or of Dask if they ask for it."""
        output = dask.config.get("skemb.output", "numpy")
        check_output(output)
        return array.array() if output == "dask" else self.fetched(array)

    def _rows(self, parts, shape, dtype, previous=None):
        return DaskRows(parts, shape, dtype, self.part_rows, previous)

    def _bounds(self, n_rows):
        return bounds_of(n_rows, self.part_rows)

    def _tasks(self, task, function, arrays, *arguments):
        """Return ``task`` of a function and of what each part has of the arrays."""
        label, function = _label(function), _sendable(function)
        return [
            _task(label, task, nout=2)(function, pieces, self.n_jobs, *arguments)
            for pieces in zip(*map(self._parts_of, arrays), strict=True)
        ]

    def _parts_of(self, array):
        """Return what a task gets of an array, for each part."""
        if isinstance(array, Pulls):
            operator = array.operator
            blocks = operator.affinity.reading(self._parts_of(array.source))
            return list(zip(operator.parts, blocks, strict=True))
        if isinstance(array, DaskRows | DaskMatrix):
            return array.parts
        if isinstance(array, da.Array):
            return array.to_delayed().ravel()
        # What is here goes there once a fit: shares, priors, vectors to start from.
        if id(array) not in self._sent:
            self._sent[id(array)] = array, sent(array, self.part_rows)
        return self._sent[id(array)][1]


def check_parts(estimator, X, part_rows, *, reset):
    """Return a Dask array as a matrix in parts, checked."""
    check_width(estimator, X, reset=reset)
    check_normalizer_of_parts(estimator)
    if reset:
        dtype = np.dtype(np.float32 if X.dtype == np.float32 else np.float64)
    else:
        dtype = estimator._dtype
    heights, widths = X.chunks
    edges = np.cumsum([0, *heights])
    strips_of_X = [
        [(block, (height, width)) for block, width in zip(blocks, widths, strict=True)]
        for blocks, height in zip(X.to_delayed(), heights, strict=True)
    ]
    parts = []
    for start, stop in bounds_of(X.shape[0], part_rows):
        first = np.searchsorted(edges, start, side="right") - 1
        strips = strips_of_X[first : np.searchsorted(edges, stop)]
        rows = slice(int(start - edges[first]), int(stop - edges[first]))
        parts.append(_task("rows", _part)(strips, rows, dtype, part_rows))
    X = DaskMatrix(parts, X.shape, dtype, part_rows)
    check_sums(X, reset=reset)
    return X


@row_sums.register
def _(X: DaskMatrix):
    return X.row_sums


@column_sums.register
def _(X: DaskMatrix):
    return X.column_sums


@transposed.register
def _(affinity: DaskMatrix):
    n_rows, n_columns = affinity.shape
    columns = bounds_of(n_columns, affinity.part_rows)
    pieces = [
        delayed(_cut, nout=len(columns))(part, n_columns, columns)
        for part in affinity.parts
    ]
    parts = [
        delayed(_transposed_part)(list(stack), affinity.part_rows)
        for stack in zip(*pieces, strict=True)
    ]
    return DaskMatrix(parts, (n_columns, n_rows), affinity.dtype, affinity.part_rows)


operator_of.register(DaskMatrix, DaskOperator)


# --- On the workers


@sizeof.register(_Part)
def _(part):
    """Return the bytes of a part, by which Dask decides where tasks run."""
    A = part.affinity
    arrays = A.data, A.indices, A.indptr, part.names, *part.taken
    return sum(array.nbytes for array in arrays)


@sizeof.register(_OperatorPart)
def _(part):
    return sizeof(part.rows) + part.operator.strength.nbytes


def _part(strips, rows, dtype, part_rows):
    """Return some rows of strips of blocks, checked, by the columns that they name.

    With each block comes the shape that it should have.
    """
    checked = [[check_block(*block, dtype) for block in strip] for strip in strips]
    wide = [
        strip[0] if len(strip) == 1 else sp.hstack(strip, format="csr")
        for strip in checked
    ]
    X = (wide[0] if len(wide) == 1 else sp.vstack(wide, format="csr"))[rows]
    return _narrow(sp.csr_array(X), part_rows)


def _narrow(X, part_rows):
    """Return CSR by the columns that it names; by one if it names none."""
    names, places = np.unique(X.indices, return_inverse=True)
    if not len(names):
        names = np.zeros(1, dtype=X.indices.dtype)
    parts = X.data, places.astype(X.indices.dtype), X.indptr
    affinity = sp.csr_array(parts, shape=(X.shape[0], len(names)))
    part_of, rows = np.divmod(names, part_rows)
    needed, first = np.unique(part_of, return_index=True)
    return _Part(affinity, names, needed.tolist(), np.split(rows, first[1:]))


def _facts(part):
    """Return the sums of a part's rows, its number of entries, what its rows read."""
    return row_sums(part.affinity), part.affinity.nnz, part.needed


def _operator_part(part, masses):
    return _OperatorPart(SparseOperator(part.affinity, part.gathered(masses)), part)


def _plus_columns(sums, part):
    """Return sums (m,) and those of a part's columns."""
    sums = sums.copy()
    named = sums[part.names]
    add_column_sums(part.affinity, named)
    sums[part.names] = named
    return sums


def _cut(part, n_columns, bounds):
    """Return the columns of a part, in pieces."""
    wide = part.wide(n_columns)
    return [wide[:, start:stop] for start, stop in bounds]


def _transposed_part(stack, part_rows):
    return _narrow(transposed(sp.vstack(stack, format="csr")), part_rows)


def _local(piece):
    """Return what a task gets of an array as one machine has it."""
    if isinstance(piece, _Part):
        return piece.affinity
    if isinstance(piece, tuple):
        part, blocks = piece
        return part.operator.pulls(part.rows.gathered(blocks))
    return piece


def _threads(n_jobs):
    """Return the threads of a task."""
    # Else joblib allows but one, as processes that Dask starts cannot start others.
    with parallel_config("threading"):
        return Workers(n_jobs)


def _sums(function, pieces, n_jobs, width):
    """Return the sums of ``function`` over each span of a part."""
    with _threads(n_jobs) as workers:
        return list(workers.span_sums(function, [*map(_local, pieces)], width))


def _filled(function, pieces, n_jobs, width, shape, dtype):
    """Return the rows that ``function`` fills, and its sums over each span."""
    arrays = [*map(_local, pieces)]
    out = np.empty((len(arrays[0]), *shape), dtype=dtype)
    with _threads(n_jobs) as workers:
        return out, list(workers.span_sums(function, [*arrays, out], width))


def _total(parts):
    """Return the sums over all spans of all parts, in their order."""
    return added(chain.from_iterable(parts))


def _sendable(function):
    """Return a partial function as one object of Dask, its normaliser without prior.

    Rows do not need that, and it is as long as they are.
    """
    if isinstance(function, partial):
        arguments = map(_without_prior, function.args)
        function = partial(function.func, *arguments, **function.keywords)
    return delayed(function, traverse=False)


def _without_prior(argument):
    if hasattr(argument, "prior"):
        argument = copy.copy(argument)
        argument.prior = None
    return argument


def _label(function):
    """Return what Dask's dashboard is to call the tasks of a function."""
    return getattr(function, "func", function).__name__.strip("_")


def _task(label, function, **options):
    """Return a function whose calls are tasks of that label."""
    key = f"{label}-{uuid4().hex}"
    return partial(delayed(function, **options), dask_key_name=key)
