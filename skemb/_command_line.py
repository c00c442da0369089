"""The command line: vectors of what stands in files, written to files."""

import inspect
import re
import sys
import warnings
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from skemb._bipartite import BipartiteEmbedder
from skemb._graph import GraphEmbedder
from skemb._ids import encode
from skemb._table_files import (
    SUFFIXES,
    read_lines,
    read_matrix,
    read_table,
    replaced,
    write_arrays,
)
from skemb._text import TextEmbedder
from skemb._validation import in_float32
from skemb.datasets import adjacency_from_edges

_PROGRAM = "python -m skemb"
_DESCRIPTION = f"""\
Turn a graph, interactions or text in a file into vectors, one for each node,
row or word, which say by their cosines what is like what.

  {_PROGRAM} graph edges.csv --out nodes.csv
  {_PROGRAM} bipartite ratings.csv --out users.csv --out-columns items.csv
  {_PROGRAM} text documents.txt --out words.csv

See {_PROGRAM} graph --help, and likewise for the others."""
_GRAPH = f"""\
Turn the nodes of a graph into vectors: nodes joined by short walks lie close.

In goes a table, each row an edge: the ids of two nodes, as the first two columns
or as --source and --target say, and perhaps a weight. Edges between the same two
nodes add up, in both directions unless --directed. Or a square sparse matrix,
.npz of scipy.sparse.save_npz, whose nodes are then numbered from 0.
Out comes a table, a row for each node: its id and its vector; or, as .npz of
numpy, the arrays ids and embedding.

  {_PROGRAM} graph edges.csv --out nodes.csv
  {_PROGRAM} graph flights.tsv --source from --target to --weight seats \\
      --directed --symmetric false --out airports.parquet
  {_PROGRAM} graph soc.txt --delimiter whitespace --no-header --out nodes.npz"""
_BIPARTITE = f"""\
Turn the rows and columns of interactions into vectors: users and items, say.

In goes a table, each row an interaction: the ids of a row and a column, as the
first two columns or as --row and --column say, and perhaps a weight. Interactions
between the same two add up. Or a sparse matrix, .npz of scipy.sparse.save_npz,
whose rows and columns are then numbered from 0.
Out comes a table, a line for each row: its id and its vector, and the same of
columns by --out-columns; or, as .npz of numpy, both in one file: the arrays
row_ids, embedding, column_ids and column_embedding.

  {_PROGRAM} bipartite ratings.csv --out users.csv --out-columns items.csv
  {_PROGRAM} bipartite log.parquet --row user --column song --weight plays \\
      --n-components 32 --out vectors.npz"""
_TEXT = f"""\
Turn the words of documents into vectors by the company they keep.

In goes text, .txt, each line a document, or a table with documents in a column.
Out comes a table, a row for each word and its vector; by --out-documents also
one for each document in order, numbered from 0: the mean of its words. Or, as
.npz of numpy, the arrays words (or documents) and embedding.

  {_PROGRAM} text documents.txt --out words.csv
  {_PROGRAM} text reviews.csv --column comment --min-df 5 \\
      --out words.csv --out-documents reviews_vectors.parquet"""
_EPILOG = """\
Tables are .csv, .tsv or .parquet (which needs pyarrow). In .csv and .tsv the
first line names the columns; lines above it that start with "# " are skipped, and
so are blanks after a delimiter. All text is UTF-8. Vectors are trained and written
in float32; the same input and options give the same file. Files are replaced once
all is written, or not at all.
Exit status: 0, done; 1, bad input or another failure; 2, a wrong command line;
130, interrupted."""
# Parameters that mean nothing here, or take what no option can say.
_LEFT_OUT = {"vocabulary", "verbose", "warm_start"}
_DEFAULTS = {"n_jobs": -1, "random_state": 0}
# What input and parameters can raise; anything else is an error of ours.
_FAILURES = (ValueError, OSError, OverflowError, MemoryError, re.error)


def main(arguments=None):
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            _run(options)
    except KeyboardInterrupt:
        return _say("interrupted.", 130)
    except _FAILURES as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, OSError) and error.filename:
            reason = f"{error.filename}: {error.strerror}."
        return _say(reason, 1)
    return 0


def _say(message, status=None):
    """Write one line to stderr; return the status."""
    sys.stderr.write(f"{_PROGRAM}: {' '.join(message.split())}\n")
    return status


def _show_warning(message, *where):
    _say(f"warning: {message}")


def _run(options):
    """Read, train and write what the options say."""
    paths = [path for path in (options.out, options.second_out) if path]
    if len({path.resolve() for path in (options.input, *paths)}) <= len(paths):
        raise ValueError("Files to read and to write must be different ones.")
    names = _defaults(options.embedder)
    embedder = options.embedder(**{name: vars(options)[name] for name in names})
    with replaced(paths) as files:
        written = options.embed(options, embedder)
        features = embedder.get_feature_names_out()
        for path, file, (kind, arrays) in zip(paths, files, written, strict=False):
            write_arrays(file, path.suffix, [kind, *features], arrays)


def _embed_graph(options, embedder):
    """Return what each output holds: the name of its ids, and its arrays by name."""
    if options.input.suffix == ".npz":
        X = _read_matrix(options, "source", "target", "weight", "directed")
        ids, what = np.arange(X.shape[0]), f"a matrix of {X.shape[0]:,} rows"
    else:
        sources, targets, weights, what = _read_pairs(options, "source", "target")
        if type(sources[0]) is not type(targets[0]):
            raise ValueError(
                "--source and --target must hold ids of one kind, got "
                f"{sources[0]!r:.60} and {targets[0]!r:.60}: convert one column."
            )
        edges = list(zip(sources, targets, strict=True))
        X, ids = adjacency_from_edges(edges, weight=weights, directed=options.directed)
        what = f"{len(ids):,} nodes, {len(edges):,} edges {what}"
    with _reported(options, embedder, what):
        embedding = embedder.fit_transform(_in_float32(X))
    return [("id", {"ids": ids, "embedding": embedding})]


def _embed_bipartite(options, embedder):
    """Return what each output holds: the name of its ids, and its arrays by name."""
    if options.input.suffix == ".npz":
        X = _read_matrix(options, "row", "column", "weight")
        row_ids, column_ids = map(np.arange, X.shape)
        what = "a matrix of"
    else:
        rows, columns, weights, what = _read_pairs(options, "row", "column")
        (i,), row_ids = encode({"row": rows}, None, "table", "rows")
        (j,), column_ids = encode({"column": columns}, None, "table", "columns")
        shape = len(row_ids), len(column_ids)
        X = sp.csr_array(sp.coo_array((weights, (i, j)), shape=shape))
        X.eliminate_zeros()
        what = f"{len(weights):,} interactions {what},"
    what = f"{what} {X.shape[0]:,} rows and {X.shape[1]:,} columns"
    with _reported(options, embedder, what):
        embedding = embedder.fit_transform(_in_float32(X))
    of_rows = {"row_ids": row_ids, "embedding": embedding}
    of_columns = {
        "column_ids": column_ids,
        "column_embedding": embedder.column_embedding_,
    }
    return [("id", of_rows | of_columns), ("id", of_columns)]


def _embed_text(options, embedder):
    """Return what each output holds: the name of its ids, and its arrays by name."""
    documents, what = _read_documents(options)
    means = None
    with _reported(options, embedder, f"{len(documents):,} documents {what}"):
        if options.second_out:
            means = embedder.fit_transform(documents)
        else:
            embedder.fit(documents)
    words = embedder.vectorizer_.get_feature_names_out()
    return [
        ("word", {"words": words, "embedding": embedder.word_embedding_}),
        ("document", {"documents": np.arange(len(documents)), "embedding": means}),
    ]


def _read_matrix(options, *of_tables):
    """Return the matrix of the input; options of tables say nothing about it."""
    _refuse(options, "is a matrix", *of_tables, "delimiter", "no_header")
    return read_matrix(options.input)


def _refuse(options, reason, *names):
    """Refuse options that are given and would not be used."""
    for name in names:
        if vars(options)[name]:
            raise ValueError(
                f"{_option(name)} cannot be used, since {options.input} {reason}: "
                "leave it out."
            )


def _read_table(options):
    if options.input.suffix == ".parquet":
        _refuse(options, "is a file of Parquet", "delimiter", "no_header")
    return read_table(options.input, options.delimiter, not options.no_header)


def _read_pairs(options, first, second):
    """Return two columns of ids, the weights, and words for where they come from."""
    table = _read_table(options)
    i = table.number(vars(options)[first], _option(first), 0)
    j = table.number(vars(options)[second], _option(second), 1)
    used, names = [i, j], table.names
    if i == j:
        raise ValueError(
            f"{_option(first)} and {_option(second)} must be two columns of "
            f"{table.path}, got {names[i]!r} twice."
        )
    first_ids, second_ids = table.ids(i), table.ids(j)
    weights = np.ones(len(first_ids))
    what = f"from columns {names[i]!r} and {names[j]!r}"
    if options.weight is not None:
        used.append(table.number(options.weight, "--weight"))
        weights = table.weights(used[-1])
        what += f", weights from {options.weight!r}"
    others = [repr(name) for k, name in enumerate(names) if k not in used]
    what += f" ({', '.join(others)} not used)" if others else ""
    return first_ids, second_ids, weights, what


def _read_documents(options):
    """Return documents, and words for where they come from."""
    if options.input.suffix == ".txt" and options.delimiter is None:
        _refuse(options, "is text, each line a document", "column", "no_header")
        return read_lines(options.input), "one a line"
    table = _read_table(options)
    if options.column is None and len(table.names) > 1:
        raise ValueError(
            f"--column must say which column of {table.path} holds the documents, one "
            f"of {table.names!r:.200}."
        )
    column = table.number(options.column, "--column", 0)
    documents = ["" if value is None else value for value in table.values(column)]
    return documents, f"from column {table.names[column]!r}"


def _in_float32(X):
    """Return a matrix in half the memory, refusing what would not be the same."""
    data, lost = in_float32(X.data)
    if lost.any():
        raise ValueError(
            "Weights must be numbers that float32 can hold, from 1e-38 to 3e38 where "
            f"those of the same two are added, got {X.data[lost][0]}: rescale them."
        )
    return sp.csr_array((data, X.indices, X.indptr), shape=X.shape)


@contextmanager
def _reported(options, embedder, what):
    """Say what was read, and show how training goes, unless to be quiet."""
    if options.quiet:
        yield
        return
    _say(f"{what}.")
    if sys.stderr.isatty():
        _show_progress(embedder)
    with redirect_stdout(sys.stderr):
        yield


def _show_progress(embedder):
    try:
        from sklearn.callback import ProgressBar  # scikit-learn >= 1.9

        embedder.set_callbacks(ProgressBar())  # needs rich
    except ImportError:
        embedder.set_params(verbose=1)


def _defaults(embedder):
    """Return the parameters of an embedder that an option can give, by name."""
    return {
        name: _DEFAULTS.get(name, parameter.default)
        for name, parameter in inspect.signature(embedder).parameters.items()
        if name not in _LEFT_OUT
        and isinstance(parameter.default, int | float | str | None)
    }


def _summaries(embedder):
    """Return each parameter's choices and first sentence, by a class's docstring."""
    document = inspect.getdoc(embedder)
    if not document:  # python -OO
        return {}
    section = re.search(r"Parameters\n-+\n(.*?)\n\n", document, re.DOTALL)[1]
    summaries = {}
    entry = r"^(\w+) : (?:\{(.*?)\})?.*\n((?:    .*\n?)+)"
    for name, choices, text in re.findall(entry, section, re.M):
        sentence = re.match(r".*?\.(?=\s|$)", " ".join(text.split()))[0]
        sentence = re.sub(r":[\w:]+:`~?|[`\\]| \[\d\]_", "", sentence)
        words = ", ".join(re.findall(r'"(\w+)"', choices))
        summaries[name] = f"{words}: {sentence}" if words else sentence
    return summaries


def _value(text):
    """Return the value of a parameter: true, false, none, a number or else text."""
    constants = {"true": True, "false": False, "none": None}
    if text.lower() in constants:
        return constants[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _option(name):
    return f"--{name.replace('_', '-')}"


def _output(text):
    path = Path(text)
    if path.suffix not in SUFFIXES:
        raise ArgumentTypeError(f"must end in {', '.join(SUFFIXES)}, got {text!r}")
    return path


def _delimiter(text):
    if text == "tab":
        return "\t"
    if text != "whitespace" and (len(text) != 1 or text in '"\r\n'):
        raise ArgumentTypeError(
            f'must be one character, "tab" or "whitespace", got {text!r}'
        )
    return text


class _Command(NamedTuple):
    input: str
    embedder: type
    embed: Callable  # from options and embedder to what the outputs hold
    description: str
    options: dict  # beside those that all commands have


def _column(summary):
    return {"metavar": "COLUMN", "help": summary}


def _file(summary, **options):
    return {"metavar": "FILE", "type": _output, "help": summary, **options}


_COMMANDS = {
    "graph": _Command(
        "EDGES",
        GraphEmbedder,
        _embed_graph,
        _GRAPH,
        {
            "--out": _file("vectors of the nodes", required=True),
            "--source": _column("ids that edges start from [the first column]"),
            "--target": _column("ids that edges lead to [the second column]"),
            "--weight": _column("weights of at least 0 [each edge counts 1]"),
            "--directed": {
                "action": "store_true",
                "help": "edges lead from source to target alone",
            },
        },
    ),
    "bipartite": _Command(
        "INTERACTIONS",
        BipartiteEmbedder,
        _embed_bipartite,
        _BIPARTITE,
        {
            "--out": _file(
                "vectors of the rows; of the columns too in .npz", required=True
            ),
            "--out-columns": _file("vectors of the columns", dest="second_out"),
            "--row": _column("ids of rows [the first column]"),
            "--column": _column("ids of columns [the second column]"),
            "--weight": _column("weights of at least 0 [each interaction counts 1]"),
        },
    ),
    "text": _Command(
        "DOCUMENTS",
        TextEmbedder,
        _embed_text,
        _TEXT,
        {
            "--out": _file("vectors of the words", required=True),
            "--out-documents": _file("vectors of the documents", dest="second_out"),
            "--column": _column("documents [the only column]"),
        },
    ),
}


def _parser():
    looks = {"formatter_class": RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = ArgumentParser(prog=_PROGRAM, description=_DESCRIPTION, **looks)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in _COMMANDS.items():
        subparser = commands.add_parser(
            name,
            usage=f"{_PROGRAM} {name} {command.input} --out FILE [options]",
            help=command.description.splitlines()[0],
            description=command.description,
            epilog=_EPILOG,
            **looks,
        )
        _add_options(subparser, command)
    return parser


def _add_options(parser, command):
    """Add what a command takes, the parameters of its embedder last."""
    parser.set_defaults(embedder=command.embedder, embed=command.embed, second_out=None)
    parser.add_argument("input", metavar=command.input, type=Path, help="file to read")
    for option, arguments in command.options.items():
        parser.add_argument(option, **arguments)
    parser.add_argument(
        "--delimiter",
        type=_delimiter,
        help='what separates fields of the input: a character, "tab" or "whitespace" '
        "[by the name of the file]",
    )
    parser.add_argument(
        "--no-header",
        action="store_true",
        help="the first line of the input is data; columns are called 1, 2, ...",
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="say nothing but warnings and errors",
    )
    group = parser.add_argument_group(
        f"parameters of {command.embedder.__name__}",
        "VALUE is a number, text, true, false or none.",
    )
    summaries = _summaries(command.embedder)
    for name, default in _defaults(command.embedder).items():
        is_word = default is None or isinstance(default, bool)
        shown = str(default).lower() if is_word else default
        group.add_argument(
            _option(name),
            type=_value,
            default=default,
            metavar="VALUE",
            help=f"{summaries.get(name, name)} [{shown}]".replace("%", "%%"),
        )
