"""Ids of any kind, in tables and sequences, and the rows that they number."""

from collections import defaultdict
from collections.abc import Iterable

import narwhals.stable.v2 as nw
import numpy as np


def frame_of(table):
    """Return a table as narwhals reads it, or None if it does not."""
    frame = nw.from_native(table, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    return frame if isinstance(frame, nw.DataFrame) else None


def column_of(frame, name, role, argument):
    """Return a column of a table as a list; None if it is a weight that is None."""
    if name is None and role == "weight":
        return None
    try:
        known = name in set(frame.columns)
    except TypeError:
        known = False
    if not known:
        raise ValueError(
            f"{role} must be the name of a column of {argument}, one of "
            f"{frame.columns}, got {shown(name)}."
        )
    return frame.get_column(name).to_list()


def is_iterable(value):
    """Tell what holds values, also once only, from all else and from text."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def to_list(values):
    """Return one-dimensional data as a list, of plain Python objects where it can."""
    values = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(values, nw.Series):
        return values.to_list()
    # Of dates, numpy would make numbers.
    if isinstance(values, np.ndarray) and values.dtype.kind not in "mM":
        return values.tolist()
    return list(values)


def encode(ends, listed, argument, listing):
    """Return the rows of ids, an array (n,) for each end, and the ids in order."""
    index = _empty_index() if listed is None else index_of(listed, listing)
    n_listed = len(index)
    codes = _numbered(index, ends, argument)
    if not index:
        raise ValueError(
            f"{argument if listed is None else listing} must have at least one id, got "
            f"none: pass {listing} to say which ids there are."
        )
    if listed is not None and len(index) > n_listed:
        raise ValueError(
            f"{listing} must hold all ids of {argument}, got none equal to "
            f"{_at(ends, (codes >= n_listed).argmax())}: add it to {listing}, or leave "
            f"it out of {argument}."
        )
    return codes.reshape(-1, len(ends)).T, as_array(index)


def _empty_index():
    """Return a dict that gives each new id the next number."""
    index = defaultdict()
    index.default_factory = index.__len__
    return index


def index_of(listed, listing):
    """Return the numbers of ids that a user lists, each given once."""
    unordered = isinstance(listed, set | frozenset) or hasattr(listed, "columns")
    if unordered or not is_iterable(listed):
        raise TypeError(
            f"{listing} must be ids in an order, as in a list, got {shown(listed)}."
        )
    index, ends = _empty_index(), {"id": to_list(listed)}
    codes = _numbered(index, ends, listing)
    again = codes != np.arange(len(codes))
    if again.any():
        raise ValueError(
            f"{listing} must have each id once, got {_at(ends, again.argmax())} again: "
            "drop duplicates."
        )
    return index


def _numbered(index, ends, argument):
    """Return the numbers of ids, row by row; new ones are added to the index."""
    n_ends, n_rows = len(ends), len(next(iter(ends.values())))
    values = [None] * (n_ends * n_rows)
    for place, ids in enumerate(ends.values()):
        values[place::n_ends] = ids
    try:
        codes = np.fromiter(map(index.__getitem__, values), np.intp, len(values))
    except TypeError:
        position = list(map(_is_unhashable, values)).index(True)
        raise TypeError(
            f"{argument} must have ids that can be hashed, such as strings, integers "
            f"or tuples, got {_at(ends, position)}."
        ) from None
    missing = [code for value, code in index.items() if _is_missing(value)]
    if missing:
        raise ValueError(
            f"{argument} must have no missing ids, got "
            f"{_at(ends, np.isin(codes, missing).argmax())}: drop such rows, or fill "
            "them."
        )
    return codes


def _at(ends, position):
    """Return words for the id at a position among those of all rows."""
    row, place = divmod(position, len(ends))
    end = list(ends)[place]
    return f"{shown(ends[end][row])} as {end} at position {row}"


def _is_unhashable(value):
    try:
        hash(value)
    except TypeError:
        return True
    return False


def _is_missing(value):
    """Tell None and what does not equal itself, such as NaN, from ids."""
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA equals nothing and differs from nothing.
        return True


def as_array(ids):
    """Return ids (n,) as numbers of 64 bits if that changes none, else as objects."""
    kinds = set(map(type, ids))
    if bool in kinds or np.timedelta64 in kinds:  # integers to Python and to numpy
        return np.fromiter(ids, dtype=object, count=len(ids))
    for kind, dtype in ((int | np.integer, np.int64), (float, np.float64)):
        if all(issubclass(given, kind) for given in kinds):
            try:
                return np.fromiter(ids, dtype=dtype, count=len(ids))
            except OverflowError:
                break
    return np.fromiter(ids, dtype=object, count=len(ids))


def shown(value):
    """Return words for a value, on one line."""
    line = repr(value).partition("\n")[0]
    return f"{line:.60} of type {type(value).__name__}"
