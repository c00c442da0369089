"""Files of tables and matrices, read with the line of what is wrong, written whole."""

import csv
import os
import re
import secrets
import shutil
from array import array
from collections.abc import Callable
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


class Table(NamedTuple):
    """What a file holds: named columns of as many values."""

    path: Path
    names: list  # of the columns
    values: Callable  # from the number of a column to its values, a list
    place: Callable  # from the number of a row to words for where it stands

    def number(self, name, option, default=None):
        """Return the number of the column that an option names, or else the default."""
        if name is not None:
            if self.names.count(name) != 1:
                raise ValueError(
                    f"{option} must name one column of {self.path}, which has "
                    f"{self.names!r:.200}, got {name!r}."
                )
            return self.names.index(name)
        if default >= len(self.names):
            raise ValueError(
                f"{self.path} must have a column for {option}, got the one column "
                f"{self.names[0]!r:.60}: see whether --delimiter is right."
            )
        # What pandas.DataFrame.to_csv writes first unless told otherwise.
        if not self.names[default]:
            raise ValueError(
                f"{option} must name a column of {self.path}, since column "
                f"{default + 1} has no name, as an index that was written along."
            )
        return default

    def ids(self, number):
        """Return a column of ids, all strings or all integers."""
        values = self.values(number)
        others = set(map(type, values)) - {str, int}
        if others or "" in values:
            row = next(
                row
                for row, value in enumerate(values)
                if type(value) in others or value == ""
            )
            raise self._wrong(
                number, "ids, strings or integers", row, "fill or drop it"
            )
        return values

    def weights(self, number):
        """Return a column of weights (n_rows,) in float64."""
        weights = np.array(list(map(number_of, self.values(number))))
        wrong = ~((weights >= 0) & (weights < np.inf))
        if wrong.any():
            kind = "finite numbers of at least 0"
            raise self._wrong(number, kind, int(wrong.argmax()), "correct or drop it")
        return weights

    def _wrong(self, number, kind, row, remedy):
        return ValueError(
            f"Column {self.names[number]!r} must hold {kind}, got "
            f"{self.values(number)[row]!r:.60} in {self.place(row)} of {self.path}: "
            f"{remedy}."
        )


def number_of(value):
    """Return what a value says as a float, NaN if it says no number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def read_table(path, delimiter=None, has_header=True):
    """Return the table in a file; what delimits its fields is by its name or given."""
    if path.suffix == ".parquet":
        return _read_parquet(path)
    delimiter = delimiter or _DELIMITERS.get(path.suffix)
    if delimiter is None:
        raise ValueError(
            f"{path} must end in .csv, .tsv or .parquet to say what it is: rename it, "
            "or pass --delimiter for what separates its fields."
        )
    rows, lines = _read_rows(path, delimiter)
    if not rows:
        raise ValueError(f"{path} must hold a table, got an empty file.")
    if not has_header:
        names = [str(k + 1) for k in range(len(rows[0]))]
    elif all(np.isfinite(number_of(name)) for name in rows[0]):
        raise ValueError(
            f"{path} must name its columns in its first line, got the numbers "
            f"{rows[0]!r:.60}: pass --no-header if that is data."
        )
    else:
        names, rows, lines = rows[0], rows[1:], lines[1:]
    if not rows:
        raise ValueError(f"{path} must have rows below its header, got none.")
    return Table(
        path,
        names,
        lambda number: [row[number] for row in rows],
        lambda row: f"line {lines[row]}",
    )


def _read_rows(path, delimiter):
    """Return the rows of a file, lists of as many strings, and the line of each."""
    rows, lines = [], array("Q")
    for line, row in _records(_without_comments(_lines(path)), delimiter, path):
        if rows and len(row) != len(rows[0]):
            raise ValueError(
                f"{path} must have as many fields in each line, got {len(row)} in line "
                f"{line} and {len(rows[0])} in line {lines[0]}."
            )
        rows.append(row)
        lines.append(line)
    return rows, lines


def _lines(path):
    """Yield the lines of a file of text."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise ValueError(
                    f"{path} must be text in UTF-8, got other bytes in line {number}: "
                    "convert it."
                ) from None


def _without_comments(lines):
    """Yield lines, blank in place of those at the top that start with # and a blank."""
    for line in lines:
        if line.strip() and not line.startswith(("# ", "#\n", "#\r")):
            yield line
            break
        yield "\n"
    yield from lines


def _records(lines, delimiter, path):
    """Yield the fields of what is not blank, and the number of its first line."""
    if delimiter == "whitespace":
        for line, text in enumerate(lines, 1):
            if fields := text.split():
                yield line, fields
        return
    csv.field_size_limit(2**31 - 1)  # documents are longer than the usual limit
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    line = 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        reason = str(error).partition(" - ")[0]
        raise ValueError(
            f"{path} must quote fields as CSV does, got from line {line} on: {reason}."
        ) from None


def read_lines(path):
    """Return the lines of a file of text."""
    return [line.rstrip("\r\n") for line in _lines(path)]


def read_matrix(path):
    """Return the matrix in a file of scipy.sparse.save_npz, as CSR."""
    with path.open("rb") as file:
        # What is no such file, or a damaged one, fails in many ways.
        try:
            matrix = sp.load_npz(file)
            if hasattr(matrix, "check_format"):
                matrix.check_format(full_check=True)
            matrix = sp.csr_array(matrix)
        except Exception:
            matrix = None
    if matrix is None or matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
        raise ValueError(
            f"{path} must hold a matrix of numbers as scipy.sparse.save_npz writes it, "
            "got something else or a damaged file."
        )
    return matrix


def _read_parquet(path):
    """Return the table in a file of Parquet."""
    parquet = _parquet(path)
    with path.open("rb") as file:
        try:
            table = parquet.read_table(file)
        except (ValueError, OSError) as error:
            raise ValueError(f"{path} must be a file of Parquet: {error}") from None
    if not table.num_rows or not table.num_columns:
        raise ValueError(f"{path} must have rows, got none.")
    return Table(
        path,
        table.column_names,
        lambda number: table.column(number).to_pylist(),
        lambda row: f"row {row + 1}",
    )


def _parquet(path):
    """Return pyarrow's module of Parquet, which is optional."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise ValueError(
            f"{path} needs pyarrow to be read or written: install skemb[parquet], or "
            "use .csv."
        ) from None
    return parquet


@contextmanager
def replaced(paths):
    """Yield new files that take the places of ``paths`` once all of them are written.

    If what is done within fails, everything stays as it was.
    """
    paths = [path.resolve() for path in paths]  # links stay links
    files = []
    try:
        for path in paths:
            files.append(_new_file_beside(path))
        yield files
        for file in files:
            file.close()
        for file, path in zip(files, paths, strict=True):
            if path.exists():
                shutil.copymode(path, file.name)
            os.replace(file.name, path)
    finally:
        for file in files:
            Path(file.name).unlink(missing_ok=True)
            with suppress(OSError):  # what a full disk could not take
                file.close()


def _new_file_beside(path):
    """Open a new file in the folder of another that it is to replace."""
    if path.is_dir():
        raise ValueError(f"{path} must be a file to write, got a folder.")
    if path.suffix == ".parquet":
        _parquet(path)
    try:
        return path.with_name(f".{path.name}.{secrets.token_hex(4)}").open("xb")
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}.") from None


def write_arrays(file, suffix, names, arrays):
    """Write ids (n,) and vectors (n, d), and in npz what else there is, by name.

    ``names`` are those of the columns of a table.
    """
    try:
        _WRITERS[suffix](file, names, arrays)
        file.flush()
    except OSError as error:
        raise ValueError(f"Output cannot be written: {error.strerror}.") from error


def _write_delimited(file, names, arrays, delimiter):
    ids, vectors, *_ = arrays.values()
    # Nine digits tell all numbers of float32 apart.
    numbers = vectors.shape[1] * f"{delimiter}%.9g"
    file.write(f"{delimiter.join(names)}\n".encode())
    for value, vector in zip(ids.tolist(), vectors, strict=True):
        line = f"{_quoted(str(value))}{numbers % tuple(vector.tolist())}\n"
        file.write(line.encode())


def _quoted(field):
    """Return a field as CSV has it; the csv module would leave a carriage return."""
    if re.search('[",\t\r\n]', field):
        return '"' + field.replace('"', '""') + '"'
    return field


def _write_parquet(file, names, arrays):
    import pyarrow

    ids, vectors, *_ = arrays.values()
    columns = [pyarrow.array(ids.tolist()), *map(pyarrow.array, vectors.T)]
    _parquet(file.name).write_table(pyarrow.table(columns, names=names), file)


def _write_npz(file, names, arrays):
    # What numpy reads again without pickle.
    plain = {
        name: values.astype(str) if values.dtype.kind == "O" else values
        for name, values in arrays.items()
    }
    np.savez(file, **plain)


_WRITERS = {
    **{
        suffix: partial(_write_delimited, delimiter=delimiter)
        for suffix, delimiter in _DELIMITERS.items()
    },
    ".parquet": _write_parquet,
    ".npz": _write_npz,
}
SUFFIXES = tuple(_WRITERS)
