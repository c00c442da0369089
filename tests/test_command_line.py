"""The command line gives what the embedders give in Python, or one sentence."""

import csv
import inspect
import re
import subprocess
import sys

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from skemb import BipartiteEmbedder, GraphEmbedder, TextEmbedder
from skemb._command_line import main
from skemb.datasets import (
    adjacency_from_edges,
    adjacency_from_networkx,
    interactions_from_table,
)

# Warnings become lines on stderr.
pytestmark = pytest.mark.filterwarnings("always::UserWarning")

EMBEDDERS = {"graph": GraphEmbedder, "bipartite": BipartiteEmbedder}
COMMANDS = {**EMBEDDERS, "text": TextEmbedder}
FAST = ["--n-components", 4, "--max-iter", 2]
KEPT = "what was there"

# Names that quoting, delimiters and numbers could spoil: a ring, and an edge again.
NAMES = ["Ann", 'B "b"', "007", "línea\nnueva", "#c", "a\rb", "7, 8", "x;y", "tab\tc"]
EDGES = pd.DataFrame(
    {
        "from": [*NAMES, "Ann"],
        "to": [*NAMES[1:], *NAMES[:2]],
        "weight": [1.5, 1e-3, 2, 1 / 3, 4, 1, 1, 1, 1, 0.1],
        "note": list("abcdefghij"),
    }
)
DOCUMENTS = ["cat dog, purr", "", "dog bark cat", "bond stock", "stock bond bark"]


def run(*arguments):
    return main([str(argument) for argument in arguments])


def write_table(table, path):
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        delimiter = "\t" if path.suffix == ".tsv" else ","
        table.to_csv(path, sep=delimiter, index=False, quoting=csv.QUOTE_NONNUMERIC)
    return path


def read_vectors(path, names=("ids", "embedding")):
    """Return the name of the ids, the ids and the vectors of an output."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return None, *(arrays[name] for name in names)
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        assert (table.dtypes.iloc[1:] == np.float32).all()
        kind, ids = table.columns[0], table.iloc[:, 0].to_numpy()
        return kind, ids, table.iloc[:, 1:].to_numpy()
    delimiter = "\t" if path.suffix == ".tsv" else ","
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter=delimiter, strict=True)
    assert all(re.fullmatch(r"[a-z]+embedder\d+", name) for name in header[1:])
    vectors = np.array([row[1:] for row in rows], dtype=np.float32)
    return header[0], np.array([row[0] for row in rows]), vectors


def check_vectors(path, ids, vectors, names=("ids", "embedding"), kind="id"):
    found_kind, found_ids, found = read_vectors(path, names)
    assert found_kind in (kind, None)
    assert list(found_ids) == list(ids)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, vectors)


def embedder_of(command, **parameters):
    return COMMANDS[command](4, max_iter=2, random_state=0).set_params(**parameters)


@pytest.fixture
def edges(tmp_path):
    return write_table(EDGES, tmp_path / "edges.csv")


@pytest.fixture
def documents_file(tmp_path):
    path = tmp_path / "documents.txt"
    path.write_text("\n".join(DOCUMENTS) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("out", ["csv", "tsv", "npz", "parquet"])
@pytest.mark.parametrize("given", ["csv", "tsv", "parquet"])
def test_graphs_of_all_formats(tmp_path, given, out):
    edges = write_table(EDGES, tmp_path / f"edges.{given}")
    columns = "--source", "to", "--target", "from", "--weight", "weight"
    path = tmp_path / f"nodes.{out}"
    assert run("graph", edges, "--out", path, *columns, "--directed", *FAST) == 0
    A, ids = adjacency_from_edges(EDGES, "to", "from", "weight", directed=True)
    expected = embedder_of("graph").fit_transform(A.astype(np.float32))
    check_vectors(path, ids, expected)


@pytest.mark.parametrize("out", ["csv", "npz"])
@pytest.mark.parametrize("given", ["csv", "parquet"])
def test_interactions_of_all_formats(tmp_path, given, out):
    table = write_table(EDGES, tmp_path / f"table.{given}")
    rows, columns = tmp_path / f"rows.{out}", tmp_path / "columns.tsv"
    options = "--weight", "weight", "--out", rows, "--out-columns", columns, *FAST
    assert run("bipartite", table, *options) == 0
    X, row_ids, column_ids = interactions_from_table(EDGES, "from", "to", "weight")
    embedder = embedder_of("bipartite").fit(X.astype(np.float32))
    check_vectors(rows, row_ids, embedder.embedding_, ("row_ids", "embedding"))
    check_vectors(columns, column_ids, embedder.column_embedding_)
    if out == "npz":
        names = "column_ids", "column_embedding"
        check_vectors(rows, column_ids, embedder.column_embedding_, names)


@pytest.mark.parametrize("given", ["txt", "csv", "tsv", "parquet"])
def test_texts_of_all_formats(tmp_path, documents_file, given):
    path, options = documents_file, []
    if given == "csv":
        path = write_table(pd.DataFrame({"text": DOCUMENTS}), tmp_path / "one.csv")
    elif given != "txt":
        documents = [document or None for document in DOCUMENTS]
        table = pd.DataFrame({"date": 7, "text": documents})
        path, options = write_table(table, tmp_path / f"two.{given}"), ["--column"]
        options.append("text")
    words, means = tmp_path / "words.csv", tmp_path / "means.npz"
    options += ["--out", words, "--out-documents", means, "--min-df", 2, *FAST]
    assert run("text", path, *options) == 0
    embedder = embedder_of("text", min_df=2)
    with pytest.warns(match="1 of the 5 documents have no words"):
        expected = embedder.fit_transform(DOCUMENTS)
    ids = embedder.vectorizer_.get_feature_names_out()
    check_vectors(words, ids, embedder.word_embedding_, kind="word")
    check_vectors(means, range(5), expected, ("documents", "embedding"))


def test_words_without_documents(tmp_path, documents_file):
    out = tmp_path / "words.npz"
    assert run("text", documents_file, "--out", out, "--max-iter", 2) == 0
    _, words, vectors = read_vectors(out, ("words", "embedding"))
    assert words.tolist() == ["bark", "bond", "cat", "dog", "purr", "stock"]
    assert vectors.shape == (6, 128)


@pytest.mark.parametrize("command", EMBEDDERS)
def test_matrices_number_their_rows(tmp_path, command, graph):
    path, out = tmp_path / "matrix.npz", tmp_path / "vectors.csv"
    for X in (graph, sp.csc_matrix(graph), sp.coo_array(graph)):
        sp.save_npz(path, X)
        assert run(command, path, "--out", out, *FAST) == 0
        expected = embedder_of(command).fit_transform(graph.astype(np.float32))
        check_vectors(out, map(str, range(60)), expected)


GRAPHS = {
    "karate": nx.karate_club_graph,
    "miserables": nx.les_miserables_graph,
    "families": nx.florentine_families_graph,
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_of_networkx(tmp_path, name):
    graph = nx.relabel_nodes(GRAPHS[name](), str)
    A, ids = adjacency_from_networkx(graph)
    table = nx.to_pandas_edgelist(graph)
    table["weight"] = table.get("weight", 1)
    path, out = write_table(table, tmp_path / "edges.csv"), tmp_path / "nodes.csv"
    assert run("graph", path, "--weight", "weight", "--out", out, *FAST) == 0
    _, found, vectors = read_vectors(out)
    assert set(found) == set(graph)
    # The same graph, its nodes in the order in which the edges name them.
    order = [list(ids).index(node) for node in found]
    A = A[order][:, order].astype(np.float32)
    np.testing.assert_array_equal(vectors, embedder_of("graph").fit_transform(A))


def test_interactions_of_networkx(tmp_path):
    graph = nx.davis_southern_women_graph()
    women, events = graph.graph["top"], graph.graph["bottom"]
    table = pd.DataFrame(graph.edges(women), columns=["woman", "event"])
    path, out = write_table(table, tmp_path / "table.csv"), tmp_path / "both.npz"
    assert run("bipartite", path, "--out", out, *FAST) == 0
    X = nx.bipartite.biadjacency_matrix(graph, women, events, dtype=np.float32)
    for names, expected in (
        (("row_ids", "embedding"), women),
        (("column_ids", "column_embedding"), events),
    ):
        _, ids, vectors = read_vectors(out, names)
        assert set(ids) == set(expected)
        assert vectors.shape == (len(expected), 4)
    rows = [women.index(woman) for woman in read_vectors(out, ("row_ids",))[1]]
    X = X.tocsr()[rows][:, [events.index(event) for event in ids]].sorted_indices()
    embedder = embedder_of("bipartite").fit(X)
    np.testing.assert_array_equal(vectors, embedder.column_embedding_)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("a,b\nAnn,Bob\nBob,Cid\n", []),
        ("\ufeffa,b\r\nAnn,Bob\r\n\r\nBob,Cid", []),
        ("# of 2020,\n\n#\n# it's\na,b\nAnn,Bob\nBob,Cid\n", []),
        ("#a, b\nAnn, Bob\nBob,  Cid\n", []),
        ("#a,b\nAnn,Bob\nBob,Cid\n", ["--source", "#a"]),
        ('a;b\n"Ann";Bob\nBob;Cid\n', ["--delimiter", ";"]),
        ("a\tb\nAnn\tBob\nBob\tCid\n", ["--delimiter", "tab"]),
        (" a   b\nAnn\tBob \n\nBob Cid\n", ["--delimiter", "whitespace"]),
        ("Ann,Bob\nBob,Cid\n", ["--no-header"]),
        ("x,Bob,Ann\nx,Cid,Bob\n", ["--no-header", "--source", 3, "--target", 2]),
    ],
)
def test_dialects(tmp_path, content, options):
    path, out = tmp_path / "edges.csv", tmp_path / "nodes.csv"
    path.write_bytes(content.encode())
    assert run("graph", path, "--out", out, *options, *FAST) == 0
    A, ids = adjacency_from_edges([("Ann", "Bob"), ("Bob", "Cid")])
    check_vectors(out, ids, embedder_of("graph").fit_transform(A.astype(np.float32)))


@pytest.mark.parametrize("command", ["graph", "bipartite"])
def test_weights_of_zero_count_for_nothing(tmp_path, command):
    path, written = tmp_path / "edges.csv", []
    for last in ("", "Bob,Cid,0\n"):
        path.write_text(f"a,b,w\nAnn,Bob,1\nBob,Ann,2\nAnn,Cid,3\n{last}")
        out = tmp_path / "out.csv"
        assert run(command, path, "--out", out, "--weight", "w", *FAST) == 0
        written.append(out.read_bytes())
    assert written[0] == written[1]


def test_tables_of_documents_in_files_of_text(tmp_path):
    path, out = tmp_path / "table.txt", tmp_path / "words.csv"
    path.write_text("n;text\n1;dog cat\n2;cat dog\n")
    options = "--delimiter", ";", "--column", "text"
    assert run("text", path, "--out", out, *options, *FAST) == 0
    words = [line.split(",")[0] for line in out.read_text().splitlines()]
    assert sorted(words) == ["cat", "dog", "word"]


def test_long_fields_and_integer_ids(tmp_path):
    table = pd.DataFrame({"text": ["cat dog " * 200_000, "dog cat"]})
    path = write_table(table, tmp_path / "long.csv")
    assert run("text", path, "--out", tmp_path / "words.csv", *FAST) == 0
    table = pd.DataFrame({"source": [10**12, 7], "target": [7, 8]})
    path, out = write_table(table, tmp_path / "edges.parquet"), tmp_path / "n.parquet"
    assert run("graph", path, "--out", out, *FAST) == 0
    assert read_vectors(out)[1].tolist() == [10**12, 7, 8]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_every_parameter(command, capsys):
    with pytest.raises(SystemExit) as stop:
        run(command, "--help")
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    others = {"vocabulary", "ngram_range", "verbose", "warm_start"}
    defaults = {"n_jobs": -1, "random_state": 0}
    for name, parameter in inspect.signature(COMMANDS[command]).parameters.items():
        option = f"--{name.replace('_', '-')} VALUE"
        default = str(defaults.get(name, parameter.default))
        if default in ("True", "False", "None"):
            default = default.lower()
        # An option, its choices, a sentence and the default, before the next one.
        line = (
            rf"{option} (?:[a-z_, ]+: )?[A-Z](?:(?!VALUE).)*\. \[{re.escape(default)}\]"
        )
        assert bool(re.search(line, text)) == (name not in others), name
    assert "`" not in text
    assert "--sampler VALUE uniform, popularity, adaptive: How" in text
    assert f"python -m skemb {command}" in text


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit):
        run("--help")
    text = capsys.readouterr().out
    assert all(re.search(rf"^    {name} *", text, re.M) for name in COMMANDS)


def test_new_parameters_become_options(tmp_path, edges, monkeypatch):
    class Embedder(GraphEmbedder):
        """Embed.

        Parameters
        ----------
        n_components : int, default=4
            Dimension.
        mood : str, default="calm"
            How it feels, 100 % of
            the time. Not more.

        Attributes
        ----------
        n : int
            Number.
        """

        def __init__(self, n_components=4, *, mood="calm", others=()):
            super().__init__(n_components, max_iter=2)
            self.mood, self.others = mood, others

        def fit_transform(self, X):
            assert self.mood is moods.pop()
            return np.zeros((X.shape[0], 4), np.float32)

        def get_feature_names_out(self):
            return list("abcd")

    commands = sys.modules["skemb._command_line"]._COMMANDS
    monkeypatch.setitem(
        commands, "graph", commands["graph"]._replace(embedder=Embedder)
    )
    moods = [None, False]
    assert run("graph", edges, "--out", tmp_path / "a.csv", "--mood", "False") == 0
    assert run("graph", edges, "--out", tmp_path / "a.csv", "--mood", "none") == 0
    assert moods == []


def test_values_of_parameters(tmp_path, edges):
    out = tmp_path / "nodes.npz"
    options = "--symmetric", "False", "--temperature", 1, "--context-power", "7.5e-1"
    assert run("graph", edges, "--out", out, *options, *FAST) == 0
    A, _ = adjacency_from_edges(EDGES, "from", "to")
    given = {"symmetric": False, "temperature": 1, "context_power": 0.75}
    embedder = embedder_of("graph", **given)
    expected = embedder.fit_transform(A.astype(np.float32))
    np.testing.assert_array_equal(read_vectors(out)[2], expected)


@pytest.mark.parametrize("suffix", ["csv", "npz", "parquet"])
def test_same_bytes_whatever_the_threads(tmp_path, edges, suffix):
    outputs = [tmp_path / f"{k}.{suffix}" for k in range(3)]
    for out, options in zip(
        outputs, ([], ["--n-jobs", 1], ["--random-state", 1]), strict=True
    ):
        assert run("graph", edges, "--out", out, *options, *FAST) == 0
    first, second, other = (out.read_bytes() for out in outputs)
    assert first == second != other


def test_what_was_read_is_said(tmp_path, edges, documents_file, capsys):
    out = tmp_path / "vectors.npz"
    sp.save_npz(tmp_path / "m.npz", sp.eye_array(6))
    both = ["--source", "to", "--target", "note", "--weight", "weight"]
    for arguments, expected in (
        (
            ["graph", edges],
            "9 nodes, 10 edges from columns 'from' and 'to' "
            "('weight', 'note' not used).",
        ),
        (
            ["graph", edges, *both],
            "19 nodes, 10 edges from columns 'to' and 'note', "
            "weights from 'weight' ('from' not used).",
        ),
        (["graph", tmp_path / "m.npz"], "a matrix of 6 rows."),
        (
            ["bipartite", edges],
            "10 interactions from columns 'from' and 'to' "
            "('weight', 'note' not used), 9 rows and 9 columns.",
        ),
        (["bipartite", tmp_path / "m.npz"], "a matrix of 6 rows and 6 columns."),
        (["text", documents_file], "5 documents one a line."),
        (
            ["text", edges, "--column", "note", "--token-pattern", "."],
            "10 documents from column 'note'.",
        ),
    ):
        assert run(*arguments, "--out", out, *FAST) == 0
        captured = capsys.readouterr()
        said, *warned = captured.err.splitlines()
        assert said == f"python -m skemb: {expected}"
        assert all(line.startswith("python -m skemb: warning:") for line in warned)
        assert captured.out == ""
        assert run(*arguments, "--out", out, "--quiet", *FAST) == 0
        assert capsys.readouterr() == ("", "".join(f"{line}\n" for line in warned))


def test_progress_on_a_terminal(tmp_path, edges, capsys, monkeypatch):
    arguments = ["graph", edges, "--out", tmp_path / "nodes.csv", *FAST]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run(*arguments) == 0
    shown = capsys.readouterr()
    assert "GraphEmbedder" in shown.err
    assert shown.out == ""
    assert run(*arguments, "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    assert run(*arguments) == 0
    shown = capsys.readouterr()
    assert "[GraphEmbedder] epoch 2/2  loss" in shown.err
    assert shown.out == ""


GOOD = "a,b,w,a\nAnn,Bob,1,x\nBob,Cid,2,y\n"
BAD = {
    "missing id": (GOOD + "Cid,,1,z\n", [], "Column 'b' must hold ids, strings or "
                   "integers, got '' in line 4 of edges.csv: fill or drop it."),
    "no number": (GOOD + "Cid,Ann,x,z\n", ["--weight", "w"], "Column 'w' must hold "
                  "finite numbers of at least 0, got 'x' in line 4 of edges.csv: "
                  "correct or drop it."),
    "negative": (GOOD + "\n\nCid,Ann,-1,z\n", ["--weight", "w"], "got '-1' in line 6"),
    "infinite": (GOOD + "Cid,Ann,inf,z\n", ["--weight", "w"], "got 'inf' in line 4"),
    "nan": (GOOD + "Cid,Ann,nan,z\n", ["--weight", "w"], "got 'nan' in line 4"),
    "too large": (GOOD + "Cid,Ann,1e39,z\n", ["--weight", "w"], "Weights must be "
                  "numbers that float32 can hold, from 1e-38 to 3e38 where those of "
                  "the same two are added, got 1e+39: rescale them."),
    "too small": (GOOD + "Cid,Ann,1e-50,z\n", ["--weight", "w"], "got 1e-50: rescale"),
    "no weights": ("a,b,w\nAnn,Ann,0\n", ["--weight", "a"], "got 'Ann' in line 2"),
    "ragged": (GOOD + "Cid,Ann\n", [], "edges.csv must have as many fields in each "
               "line, got 2 in line 4 and 4 in line 1."),
    "ragged, spaces": ("a b\n1 2 3\n", ["--delimiter", "whitespace"], "in line 2 and"),
    "open quote": (GOOD + '"Cid,Ann,1,z\n', [], "edges.csv must quote fields as CSV "
                   "does, got from line 4 on: unexpected end of data."),
    "open quote below lines": (GOOD + '"Cid\nCid",Ann,1,z\n"Dan,Ann,1,z\n', [],
                               "got from line 6 on: unexpected end of data."),
    "empty": ("", [], "edges.csv must hold a table, got an empty file."),
    "comments alone": ("# a\n# b\n", [], "must hold a table, got an empty file."),
    "header alone": ("a,b\n", [], "edges.csv must have rows below its header, got "
                     "none."),
    "no header": ("1,2.5\n2,3\n", [], "edges.csv must name its columns in its first "
                  "line, got the numbers ['1', '2.5']: pass --no-header if that is "
                  "data."),
    "one column": ("a\nAnn\n", [], "edges.csv must have a column for --target, got "
                   "the one column 'a': see whether --delimiter is right."),
    "index": (",a,b\n0,Ann,Bob\n", [], "--source must name a column of edges.csv, "
              "since column 1 has no name, as an index that was written along."),
    "unknown column": (GOOD, ["--target", "c"], "--target must name one column of "
                       "edges.csv, which has ['a', 'b', 'w', 'a'], got 'c'."),
    "two such columns": (GOOD, ["--source", "a"], "--source must name one column of"),
    "unknown weight": (GOOD, ["--weight", "c"], "--weight must name one column of"),
    "twice": (GOOD, ["--source", "b"], "--source and --target must be two columns of "
              "edges.csv, got 'b' twice."),
    "not UTF-8": (GOOD.encode() + "Cid,Áron,1,z\n".encode("latin-1"), [], "edges.csv "
                  "must be text in UTF-8, got other bytes in line 4: convert it."),
    "UTF-16": (GOOD.encode("utf-16"), [], "got other bytes in line 1"),
    "parameter": (GOOD, ["--n-components", "0"], "The 'n_components' parameter of "
                  "GraphEmbedder must be an int in the range [1, inf). Got 0 instead."),
    "kind": (GOOD, ["--max-iter", "many"], "Got 'many' instead."),
    "too much": (GOOD, ["--n-components", 10**16], ""),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to be in, with an output that is not to change unless replaced."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nodes.csv").write_text(KEPT)
    return tmp_path


def check_failure(folder, capsys, message):
    """Check that there is one sentence, nothing new, and the old output."""
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("python -m skemb: ")
    assert message in sentence
    assert (folder / "nodes.csv").read_text() == KEPT
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(folder, capsys, case):
    content, options, message = BAD[case]
    content = content if isinstance(content, bytes) else content.encode()
    (folder / "edges.csv").write_bytes(content)
    options = "--quiet", *FAST, *options
    assert run("graph", "edges.csv", "--out", "nodes.csv", *options) == 1
    check_failure(folder, capsys, message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["graph", "none.csv"], "none.csv: No such file or directory."),
        (["graph", "none.npz"], "none.npz: No such file"),
        (["text", "none.txt"], "none.txt: No such file"),
        (["graph", "."], ". must end in .csv, .tsv or .parquet to say what it is"),
        (["graph", "edges.dat"], "edges.dat must end in .csv, .tsv or .parquet to say"),
        (["graph", "edges.dat", "--delimiter", ","], "edges.dat must hold a table"),
        (["graph", "wide.npz"], "X must be a square affinity matrix"),
        (["graph", "wide.npz", "--directed"], "--directed cannot be used, since "
         "wide.npz is a matrix: leave it out."),
        (["bipartite", "wide.npz", "--no-header"], "--no-header cannot be used"),
        (["bipartite", "wide.npz", "--weight", "w"], "--weight cannot be used"),
        (["bipartite", "bad.npz"], "bad.npz must hold a matrix of numbers as "
         "scipy.sparse.save_npz writes it, got something else or a damaged file."),
        (["bipartite", "arrays.npz"], "arrays.npz must hold a matrix of numbers"),
        (["bipartite", "complex.npz"], "complex.npz must hold a matrix of numbers"),
        (["bipartite", "indices.npz"], "indices.npz must hold a matrix of numbers"),
        (["bipartite", "negative.npz"], "Negative values in data"),
        (["bipartite", "nan.npz"], "got nan: rescale them."),
        (["text", "edges.csv"], "--column must say which column of edges.csv holds the "
         "documents, one of ['from', 'to', 'weight', 'note']."),
        (["text", "lines.txt", "--column", "a"], "--column cannot be used, since "
         "lines.txt is text, each line a document: leave it out."),
        (["text", "lines.txt", "--min-df", 3], "raw_documents must have words that"),
        (["text", "lines.txt", "--token-pattern", "("], "missing )"),
        (["text", "bytes.txt"], "bytes.txt must be text in UTF-8, got other bytes in "
         "line 2: convert it."),
        (["text", "empty.txt"], "raw_documents must hold at least one document"),
        (["graph", "edges.csv", "--n-jobs", 0], "n_jobs"),
        (["graph", "nodes.csv"], "Files to read and to write must be different ones."),
    ],
)  # fmt: skip
def test_bad_input(folder, capsys, arguments, message):
    write_table(EDGES, folder / "edges.csv")
    wide = sp.csr_array(np.arange(15.0).reshape(3, 5))
    sp.save_npz(folder / "wide.npz", wide)
    sp.save_npz(folder / "complex.npz", wide * 1j)
    sp.save_npz(folder / "negative.npz", -wide)
    sp.save_npz(folder / "nan.npz", wide * np.nan)
    wide.indices[-1] = 9
    sp.save_npz(folder / "indices.npz", wide)
    np.savez(folder / "arrays.npz", a=[1])
    (folder / "bad.npz").write_bytes(b"PK of no use")
    (folder / "edges.dat").write_text("\n")
    (folder / "lines.txt").write_text("cat dog\ndog\n")
    (folder / "bytes.txt").write_bytes(b"cat\n\xff\n")
    (folder / "empty.txt").write_text("")
    assert run(*arguments, "--out", "nodes.csv", "--quiet", *FAST[2:]) == 1
    check_failure(folder, capsys, message)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({"a": [1, None], "b": [1, 2]}, [], "Column 'a' must hold ids, strings or "
         "integers, got 1.0 in row 1 of edges.parquet"),
        ({"a": ["x", None], "b": [1, 2]}, [], "got None in row 2 of edges.parquet"),
        ({"a": ["x", "y"], "b": [[1], [2]]}, [], "got [1] in row 1"),
        ({"a": ["1", "2"], "b": [1, 2]}, [], "--source and --target must hold ids of "
         "one kind, got '1' and 1: convert one column."),
        ({"a": [1, 2], "b": [1, 2], "w": [1, None]}, ["--weight", "w"], "in row 2"),
        ({"a": [], "b": []}, [], "edges.parquet must have rows, got none."),
        ({"a": [1], "b": [1]}, ["--delimiter", ","], "--delimiter cannot be used, "
         "since edges.parquet is a file of Parquet: leave it out."),
    ],
)  # fmt: skip
def test_bad_parquet(folder, capsys, table, options, message):
    write_table(pd.DataFrame(table), folder / "edges.parquet")
    assert run("graph", "edges.parquet", "--out", "nodes.csv", *options) == 1
    check_failure(folder, capsys, message)


def test_parquet_that_is_none_or_that_nobody_reads(folder, capsys, monkeypatch):
    write_table(EDGES, folder / "edges.csv")
    (folder / "edges.parquet").write_text("a,b")
    assert run("graph", "edges.parquet", "--out", "nodes.csv") == 1
    check_failure(folder, capsys, "edges.parquet must be a file of Parquet: ")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run("graph", "edges.parquet", "--out", "nodes.csv") == 1
    message = "needs pyarrow to be read or written: install skemb[parquet], or use .csv"
    check_failure(folder, capsys, message)
    monkeypatch.setattr(GraphEmbedder, "fit_transform", never)
    assert run("graph", "edges.csv", "--out", "nodes.parquet") == 1
    check_failure(folder, capsys, message)


def never(*arguments):
    raise AssertionError("too late")


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("missing/nodes.csv", "missing/nodes.csv cannot be written: No such file or"),
        ("edges.csv/nodes.csv", "nodes.csv cannot be written: Not a directory."),
        ("folder.csv", "folder.csv must be a file to write, got a folder."),
    ],
)
def test_outputs_are_tried_before_training(folder, capsys, monkeypatch, out, message):
    write_table(EDGES, folder / "edges.csv")
    (folder / "folder.csv").mkdir()
    monkeypatch.setattr(BipartiteEmbedder, "fit_transform", never)
    for outputs in ([out, "nodes.csv"], ["nodes.csv", out]):
        options = "--out", outputs[0], "--out-columns", outputs[1]
        assert run("bipartite", "edges.csv", *options) == 1
        check_failure(folder, capsys, message)


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_what_fails_in_the_middle_leaves_nothing(folder, capsys, monkeypatch, error):
    command_line = sys.modules["skemb._command_line"]
    whole = command_line.write_arrays

    def half(file, suffix, names, arrays):
        whole(file, suffix, names, arrays)
        if "column_ids" in arrays and "row_ids" not in arrays:
            raise error

    write_table(EDGES, folder / "edges.csv")
    monkeypatch.setattr(command_line, "write_arrays", half)
    options = "--out", "nodes.csv", "--out-columns", "columns.csv", "--quiet", *FAST
    interrupted = isinstance(error, KeyboardInterrupt)
    assert run("bipartite", "edges.csv", *options) == (130 if interrupted else 1)
    check_failure(folder, capsys, "interrupted." if interrupted else "No space left")
    assert not (folder / "columns.csv").exists()
    monkeypatch.setattr(command_line, "write_arrays", whole)
    assert run("bipartite", "edges.csv", *options) == 0
    assert (folder / "columns.csv").exists()
    assert (folder / "nodes.csv").read_text() != KEPT


class FullDisk:
    """A file that takes what it is given, and cannot keep it."""

    def __init__(self, file):
        self.name, self._file = file.name, file

    def write(self, data):
        return self._file.write(data)

    def flush(self):
        raise OSError(28, "No space left")

    def close(self):
        self._file.close()
        raise OSError(28, "No space left")


def test_a_full_disk_is_left_as_it_was(folder, capsys, monkeypatch):
    table_files = sys.modules["skemb._table_files"]
    new_file = table_files._new_file_beside
    monkeypatch.setattr(
        table_files, "_new_file_beside", lambda path: FullDisk(new_file(path))
    )
    write_table(EDGES, folder / "edges.csv")
    assert run("graph", "edges.csv", "--out", "nodes.csv", "--quiet", *FAST) == 1
    check_failure(folder, capsys, "Output cannot be written: No space left.")


def test_private_files_stay_private(folder):
    write_table(EDGES, folder / "edges.csv")
    (folder / "nodes.csv").chmod(0o600)
    assert run("graph", "edges.csv", "--out", "nodes.csv", *FAST) == 0
    assert (folder / "nodes.csv").stat().st_mode & 0o777 == 0o600


def test_links_stay_links(folder):
    write_table(EDGES, folder / "edges.csv")
    (folder / "link.csv").symlink_to("nodes.csv")
    assert run("graph", "edges.csv", "--out", "link.csv", *FAST) == 0
    assert (folder / "link.csv").is_symlink()
    assert (folder / "nodes.csv").read_text().startswith("id,graphembedder0,")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["graph", "edges.csv"], "--out"),
        (["graph", "edges.csv", "--out", "nodes.txt"], "must end in .csv, .tsv, "
         ".parquet, .npz, got 'nodes.txt'"),
        (["graph", "edges.csv", "--out", "a.csv", "--delimiter", ",,"], "must be one "
         "character, \"tab\" or \"whitespace\", got ',,'"),
        (["graph", "edges.csv", "--out", "a.csv", "--walk", "3"], "--walk"),
        (["graph", "edges.csv", "--out", "a.csv", "--warm-start", "true"],
         "--warm-start"),
    ],
)  # fmt: skip
def test_wrong_command_lines(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_warnings_are_sentences(folder, capsys):
    (folder / "edges.csv").write_text("a,b\nAnn,Bob\nCid,Ann\n")
    options = "--out", "out.csv", "--directed", "--quiet", *FAST
    assert run("graph", "edges.csv", *options) == 0
    expected = "python -m skemb: warning: 1 nodes of X have incoming edges alone"
    assert capsys.readouterr().err.startswith(expected)


def test_python_runs_the_package(folder):
    write_table(EDGES, folder / "edges.csv")
    command = [sys.executable, "-m", "skemb", "graph", "edges.csv", "--out"]
    options = list(map(str, FAST))
    done = subprocess.run([*command, "out.csv", *options], capture_output=True)
    assert done.returncode == 0
    assert done.stdout == b""
    assert done.stderr.startswith(b"python -m skemb: 9 nodes, 10 edges")
    assert run("graph", "edges.csv", "--out", "here.csv", *FAST) == 0
    assert (folder / "out.csv").read_bytes() == (folder / "here.csv").read_bytes()
    failed = subprocess.run([*command, "no/out.csv"], capture_output=True, text=True)
    assert failed.returncode == 1
    assert re.fullmatch(r"python -m skemb: .*no.out.csv cannot .*\n", failed.stderr)
