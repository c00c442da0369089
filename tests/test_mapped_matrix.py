"""Matrices in files: written in chunks, mapped and not copied."""

import re
import shutil
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from skemb import GraphEmbedder
from skemb.datasets import open_matrix, write_matrix


def chunks_of(*chunks):
    """Return a callable that gives the chunks, anew each time."""
    return lambda: iter(chunks)


def dense(shape, chunks, symmetric):
    expected = np.zeros(shape)
    for rows, columns, *weights in chunks:
        weights = weights[0] if weights else np.ones(len(rows))
        np.add.at(expected, (rows, columns), weights)
        if symmetric:
            off = np.not_equal(rows, columns)
            np.add.at(
                expected, (np.array(columns)[off], np.array(rows)[off]), weights[off]
            )
    return expected


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans(), st.booleans())
def test_chunks_become_their_matrix(tmp_path_factory, data, symmetric, weighted):
    n_rows = data.draw(st.integers(1, 6))
    shape = (n_rows, n_rows if symmetric else data.draw(st.integers(1, 6)))
    chunks = []
    for size in data.draw(st.lists(st.integers(0, 8), max_size=4)):
        chunk = [
            np.array(
                data.draw(
                    st.lists(st.integers(0, n - 1), min_size=size, max_size=size)
                ),
                dtype=data.draw(st.sampled_from([np.int8, np.uint32, np.int64])),
            )
            for n in shape
        ]
        if weighted:
            weights = st.lists(st.integers(0, 4), min_size=size, max_size=size)
            chunk.append(np.array(data.draw(weights), dtype=np.float64) / 2)
        chunks.append(tuple(chunk))
    folder = tmp_path_factory.mktemp("chunks") / "matrix"
    X = write_matrix(chunks_of(*chunks), folder, shape, symmetric=symmetric)
    assert (X.dtype, X.shape) == (np.float32, shape)
    np.testing.assert_array_equal(X.toarray(), dense(shape, chunks, symmetric))
    assert (X.data > 0).all()
    again = open_matrix(folder)
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(again, part), getattr(X, part))


def test_files_are_mapped_and_read_only(tmp_path):
    X = write_matrix(chunks_of(([0, 1], [1, 1])), tmp_path / "new" / "X", (2, 2))
    for part in (X.data, X.indices):
        base = part
        while base is not None and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)
        assert not part.flags.writeable
    assert X.indices.dtype == np.int32


def test_embedding_is_that_of_the_matrix_in_memory(tmp_path, rng):
    edges = rng.integers(0, 50, (2, 300))
    halves = [tuple(edges[:, :100]), ([], []), tuple(edges[:, 100:])]
    X = write_matrix(chunks_of(*halves), tmp_path / "X", (50, 50), symmetric=True)
    embedder = GraphEmbedder(8, max_iter=3, random_state=0)
    in_memory = sp.csr_array(X.toarray())
    got, expected = embedder.fit_transform(X), embedder.fit_transform(in_memory)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def peak_of(function):
    """Return the most bytes that the function allocates at a time."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def large(tmp_path, rng):
    """Six million entries (48 MB) of few rows, and what is learned of them: 64 kB."""
    n_rows = 2000

    def chunks():
        for seed in range(24):
            of_chunk = np.random.default_rng(seed)
            yield of_chunk.integers(0, n_rows, (2, 125_000), dtype=np.int32)

    def write():
        write_matrix(chunks, tmp_path / "X", (n_rows, n_rows), symmetric=True)

    # A chunk in both directions, its order and places.
    assert peak_of(write) < 30 * 2**20
    return open_matrix(tmp_path / "X")


def test_a_mapped_graph_is_not_copied(large):
    embedder = GraphEmbedder(8, max_iter=2)
    assert large.nnz > 5_900_000
    embedder.fit(large)  # loads and compiles all
    n_bytes = large.data.nbytes + large.indices.nbytes
    for walk_length in (1, 3):
        embedder.set_params(walk_length=walk_length)
        assert peak_of(lambda: embedder.fit(large)) < n_bytes / 6
        assert peak_of(lambda: embedder.transform(large)) < n_bytes / 6


def test_entries_are_sorted_and_those_of_one_place_stay_in_order(
    tmp_path, rng, monkeypatch
):
    shape = (12, 9)
    rows = np.concatenate([rng.integers(0, 12, 60), np.full(40, 7)])
    entries = np.stack([rows, rng.integers(0, 9, 100)])
    weights = rng.random(100).astype(np.float32)
    chunks = [(*entries[:, k : k + 25], weights[k : k + 25]) for k in range(0, 100, 25)]
    order = np.lexsort((entries[1], entries[0]))
    assert len(np.unique(entries, axis=1).T) < 90
    for n_entries in (1, 5, 30, 2**18):
        monkeypatch.setattr("skemb._mapped_matrix._SORTED_AT_ONCE", n_entries)
        X = write_matrix(chunks_of(*chunks), tmp_path / str(n_entries), shape)
        np.testing.assert_array_equal(X.indices, entries[1, order])
        np.testing.assert_array_equal(X.data, weights[order])
        np.testing.assert_array_equal(np.diff(X.indptr), np.bincount(rows, None, 12))


IN_PLACE = ["sum", "max", "min", "count_nonzero", "sort_indices", "sum_duplicates"]


@pytest.mark.parametrize("method", [*IN_PLACE, "tocsc", "sorted_indices"])
def test_methods_of_scipy(method, tmp_path):
    chunks = [([1, 0, 1], [2, 1, 0], [3, 1, 2]), ([0], [0], [5])]
    X = write_matrix(chunks_of(*chunks), tmp_path / "once", (2, 3))
    in_memory = sp.csr_array(X.toarray())
    got, expected = (getattr(Y, method)() for Y in (X, in_memory))
    if sp.issparse(got):
        got, expected = got.toarray(), expected.toarray()
    np.testing.assert_array_equal(got, expected)
    twice = write_matrix(chunks_of(*chunks, *chunks), tmp_path / "twice", (2, 3)).copy()
    getattr(twice, method)()
    assert (twice.sum(), twice.max(), twice.nnz) == (22, 10, 4)


def test_opening_does_not_read_whether_rows_are_sorted(tmp_path):
    write_matrix(chunks_of(([0, 0], [2, 1])), tmp_path / "X", (1, 3))
    np.save(tmp_path / "X" / "indices.npy", np.array([2, 1], dtype=np.int32))
    assert open_matrix(tmp_path / "X").has_sorted_indices


def test_memory_of_rows_that_are_long_or_many(tmp_path):
    def write(name, shape, n_chunks):
        def chunks():
            for k in range(n_chunks):
                of_chunk = np.random.default_rng(k)
                yield tuple(of_chunk.integers(0, n, 10_000) for n in shape)

        return peak_of(lambda: write_matrix(chunks, tmp_path / name, shape))

    assert write("many", (1000, 10**9), 100) < 8 * 10**6
    assert write("long", (1, 10**9), 100) < 3.2 * 8 * 10**6


def test_columns_without_end(tmp_path):
    X = write_matrix(
        chunks_of(([1, 0, 1], [2**62, 3, 7])), tmp_path / "X", (2, 2**63 - 1)
    )
    assert (X.shape, X.indices.tolist()) == ((2, 2**63 - 1), [3, 7, 2**62])


def masked(numbers):
    """Return an array of which the last number is masked."""
    return np.ma.masked_array(numbers, [*[False] * (len(numbers) - 1), True])


def test_masks_without_effect(tmp_path):
    rows = np.ma.masked_array([0, 1], [False, False])
    X = write_matrix(chunks_of((rows, [1, 0])), tmp_path / "X", (2, 2))
    np.testing.assert_array_equal(X.toarray(), [[0, 1], [1, 0]])


PAIR = ([0, 1], [1, 0])


@pytest.mark.parametrize(
    ("chunks", "options", "error", "message"),
    [
        ([PAIR], {}, TypeError, "chunks must be callable and return an iterable, since"
         " it is read twice, got list."),
        (chunks_of(PAIR), {"shape": (2, 3), "symmetric": True}, ValueError,
         "shape must be square if symmetric=True, got (2, 3)."),
        (chunks_of(PAIR), {"shape": (2,)}, ValueError,
         "shape must be two integers of at least 1 and less than 2**63, got (2,)."),
        (chunks_of(PAIR), {"shape": (2, 0)}, ValueError,
         "shape must be two integers of at least 1 and less than 2**63, got (2, 0)."),
        (chunks_of(PAIR), {"shape": 2}, ValueError,
         "shape must be two integers of at least 1 and less than 2**63, got 2."),
        (chunks_of(PAIR), {"shape": (True, 5)}, ValueError, "got (True, 5)."),
        (chunks_of(PAIR), {"shape": (2, 5.0)}, ValueError, "got (2, 5.0)."),
        (chunks_of(PAIR), {"shape": {2, 5}}, ValueError, "2**63, got {2, 5}."),
        (chunks_of(PAIR), {"shape": np.array(2)}, ValueError, "got array(2)."),
        (chunks_of(PAIR), {"shape": [[1], [2, 3]]}, ValueError, "got [[1], [2, 3]]."),
        (chunks_of(PAIR), {"shape": (2, 2**63)}, ValueError, "shape must be two "
         "integers of at least 1 and less than 2**63, got (2, 9223372036854775808)."),
        (chunks_of(PAIR, ([0],)), {}, ValueError, "chunks must give rows, columns "
         "and weights, or the first two, got a tuple of 1 in chunk 1."),
        (chunks_of(None), {}, ValueError, "the first two, got a NoneType in chunk 0."),
        (chunks_of(zip("ab", "cd", strict=True)), {}, ValueError, "got a zip in chunk "
         "0."),
        (chunks_of(np.array(5)), {}, ValueError, "got a ndarray of shape () in chunk "
         "0."),
        (chunks_of(PAIR, sp.eye_array(2, format="csr")), {}, ValueError, "chunks must "
         "give rows, columns and weights, or the first two, got a csr_array of shape "
         "(2, 2) in chunk 1: give row, col and data of its tocoo()."),
        (lambda: None, {}, TypeError, "chunks must return an iterable over chunks, got "
         "NoneType: yield chunks."),
        (lambda: sp.eye_array(2, format="csr"), {}, TypeError, "chunks must return an "
         "iterable over chunks, got csr_array: yield chunks."),
        (chunks_of(PAIR, ([[0], [0, 1]], [0, 1])), {}, ValueError, "chunks must give "
         "rows as an array of one dimension, got a list of others of several lengths "
         "in chunk 1."),
        (chunks_of((masked([0, 1]), [1, 0])), {}, ValueError, "chunks must give rows "
         "without a mask, got 1 masked of 2 in chunk 0: leave such entries out of "
         "rows, columns and weights."),
        (chunks_of(([1, 0], masked([0, 1]), [1, 1])), {}, ValueError, "chunks must "
         "give columns without a mask, got 1 masked of 2 in chunk 0: leave such "
         "entries out of rows, columns and weights."),
        (chunks_of(PAIR, (*PAIR, masked([1.0, 2.0]))), {}, ValueError, "chunks must "
         "give weights without a mask, got 1 masked of 2 in chunk 1: leave such "
         "entries out of rows, columns and weights."),
        (chunks_of((np.int64(0), np.int64(1))), {}, ValueError, "chunks must give "
         "integers as rows, of shape (1,), got int64 of shape () in chunk 0."),
        (chunks_of(([0.0], [1])), {}, ValueError, "chunks must give integers as rows, "
         "of shape (1,), got float64 of shape (1,) in chunk 0."),
        (chunks_of(([0, 1], [1])), {}, ValueError, "chunks must give integers as "
         "columns, of shape (2,), got int64 of shape (1,) in chunk 0."),
        (chunks_of(PAIR, ([0], [2])), {}, ValueError, "chunks must give columns from "
         "0 to 1, as shape=(2, 2) says, got 2 to 2 in chunk 1."),
        (chunks_of(([-1], [0])), {}, ValueError, "chunks must give rows from 0 to 1, "
         "as shape=(2, 2) says, got -1 to -1 in chunk 0."),
        (chunks_of((*PAIR, [1, -1])), {}, ValueError, "chunks must give finite weights "
         "of at least 0 that float32 can hold, got -1 to 1 in chunk 0."),
        (chunks_of((*PAIR, [1, np.nan])), {}, ValueError, "got nan to nan in chunk 0."),
        (chunks_of((*PAIR, [1, 1e39])), {}, ValueError, "got 1.0 to 1e+39 in chunk 0."),
        (chunks_of((*PAIR, [1, 1e-50])), {}, ValueError, "got 1e-50 to 1.0 in chunk "
         "0."),
        (chunks_of((*PAIR, [1])), {}, ValueError, "chunks must give numbers as weights,"
         " of shape (2,), got int64 of shape (1,) in chunk 0."),
        (chunks_of((*PAIR, ["a", "b"])), {}, ValueError, "got <U1 of shape (2,) in "
         "chunk 0."),
    ],
)  # fmt: skip
def test_bad_chunks(chunks, options, error, message, tmp_path):
    folder = tmp_path / "X"
    with pytest.raises(error, match=re.escape(message) + "$"):
        write_matrix(chunks, folder, **{"shape": (2, 2), **options})
    assert not folder.exists()


@pytest.mark.parametrize("second", [[], [PAIR, PAIR], [([0, 0], [0, 1])]])
def test_chunks_that_change(second, tmp_path):
    calls = iter([[PAIR], second])
    message = (
        "chunks must give the same entries each time it is called, got others the "
        "second time: return a new iterator from each call."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        write_matrix(lambda: next(calls), tmp_path / "X", (2, 2))
    assert not (tmp_path / "X").exists()


def test_folders(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "kept").write_text("precious")
    with pytest.raises(ValueError, match=r"^folder must not exist yet, got '.*there'"):
        write_matrix(chunks_of(PAIR), tmp_path / "there", (2, 2))
    assert (tmp_path / "there" / "kept").read_text() == "precious"
    with pytest.raises(ValueError, match=r"^folder must hold a matrix that .*there'"):
        open_matrix(tmp_path / "there")


@pytest.mark.parametrize("folder", [None, 3, b"X"])
def test_folders_that_are_no_paths(folder):
    message = (
        "folder must be a str or path that says where the files are, got "
        f"{type(folder).__name__}."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        write_matrix(chunks_of(PAIR), folder, (2, 2))
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        open_matrix(folder)


def test_rows_that_no_disk_can_hold(tmp_path):
    with pytest.raises(OSError, match=r"^folder needs 36,\S+ bytes on its disk, got "):
        write_matrix(chunks_of(PAIR), tmp_path / "X", (2**62, 2))
    assert not (tmp_path / "X").exists()


def test_a_full_disk_is_seen_before_writing(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=31)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    message = "folder needs 32 bytes on its disk, got 31 free."
    with pytest.raises(OSError, match=re.escape(message)):
        write_matrix(chunks_of(PAIR), tmp_path / "X", (2, 2))
    assert not (tmp_path / "X").exists()
