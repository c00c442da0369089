"""split_entries: what it hides, what it keeps, and that it is a split."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skemb.model_selection import split_entries

FORMATS = ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"]


def dense(X):
    return X.toarray() if sp.issparse(X) else np.asarray(X)


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    X=hnp.arrays(np.int64, (6, 9), elements=st.sampled_from([0, 0, 1, 3])),
    test_size=st.one_of(st.floats(0.01, 0.99), st.integers(1, 12)),
)
def test_every_row_is_split(X, test_size):
    train, test = split_entries(X, test_size, random_state=0)
    np.testing.assert_array_equal(train + test, X)
    assert not (train * test).any()
    for row, hidden in zip(X, test, strict=True):
        n = np.count_nonzero(row)
        asked = test_size if test_size >= 1 else int(np.ceil(test_size * n))
        assert np.count_nonzero(hidden) == max(min(asked, n - 1), 0)


@pytest.mark.parametrize(
    ("n_entries", "test_size", "n_hidden"),
    [
        (10, 0.2, 2),
        (11, 0.2, 3),
        (5, 0.2, 1),
        (2, 0.9, 1),
        (1, 0.9, 0),
        (50, 0.14, 7),
    ],
)
def test_shares_are_rounded_up(n_entries, test_size, n_hidden):
    _, test = split_entries(np.ones((3, n_entries)), test_size, random_state=1)
    np.testing.assert_array_equal(np.count_nonzero(test, axis=1), n_hidden)


def test_every_container_hides_the_same_entries(interactions):
    X = interactions.toarray()
    expected = split_entries(X, 0.3, random_state=7)
    for name in FORMATS:
        for kind in ("array", "matrix"):
            given = getattr(sp, f"{name}_{kind}")(X)
            for part, wanted in zip(
                split_entries(given, 0.3, 7), expected, strict=True
            ):
                assert type(part) is getattr(sp, f"csr_{kind}")
                assert part.dtype == X.dtype
                assert (part.data != 0).all()
                np.testing.assert_array_equal(part.toarray(), wanted)
    table = pd.DataFrame(X, index=np.arange(50) + 7).add_prefix("item ")
    for part, wanted in zip(split_entries(table, 0.3, 7), expected, strict=True):
        pd.testing.assert_index_equal(part.index, table.index)
        pd.testing.assert_index_equal(part.columns, table.columns)
        np.testing.assert_array_equal(part, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_dtype_stays(interactions, dtype):
    for container in (sp.csr_array, lambda X: X.toarray()):
        for part in split_entries(container(interactions.astype(dtype)), 0.5):
            assert part.dtype == dtype


def test_duplicates_and_explicit_zeros_are_one_entry_and_none():
    X = sp.coo_array(([1.0, 2.0, 0.0, 4.0], ([0, 0, 0, 0], [1, 1, 2, 3])), shape=(1, 5))
    for matrix in (X, sp.csr_array((X.data, X.col, [0, 4]), shape=(1, 5))):
        before = matrix.copy()
        train, test = split_entries(matrix, 1, random_state=0)
        assert train.nnz == test.nnz == 1
        np.testing.assert_array_equal((train + test).toarray(), [[0, 3, 0, 4, 0]])
        assert (matrix != before).nnz == 0
        assert matrix.nnz == before.nnz


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, bool])
def test_small_integers_are_widened_where_their_sum_needs_it(dtype):
    events = np.zeros(300, dtype=int), np.zeros(300, dtype=int)
    X = sp.coo_array((np.ones(300, dtype=dtype), events), shape=(1, 2))
    train, test = split_entries(X)
    assert (train.toarray() == [[300, 0]]).all()
    assert test.nnz == 0


def test_the_largest_integers_stay():
    X = np.array([[2**63, 2**63 + 5]], dtype=np.uint64)
    train, test = split_entries(sp.csr_array(X), 1, random_state=0)
    assert train.dtype == test.dtype == np.uint64
    np.testing.assert_array_equal((train + test).toarray(), X)


def test_random_state(interactions):
    def hidden(seed):
        return dense(split_entries(interactions, 0.3, seed)[1])

    np.testing.assert_array_equal(hidden(0), hidden(0))
    np.testing.assert_array_equal(hidden(np.random.RandomState(0)), hidden(0))
    assert (hidden(0) != hidden(1)).any()


def test_entries_are_drawn_alike():
    hidden = sum(
        split_entries(np.ones((200, 10)), 0.3, seed)[1].sum(axis=0)
        for seed in range(10)
    )
    np.testing.assert_allclose(hidden, 600, atol=100)


@pytest.mark.parametrize("test_size", [0, -1, 0.0, 1.0, 1.5, np.nan, "all", None, True])
def test_bad_test_size(test_size):
    with pytest.raises(ValueError, match=r"test_size must be a float between 0 and 1"):
        split_entries(np.ones((3, 3)), test_size)


def test_bad_entries():
    with pytest.raises(ValueError, match="X contains NaN"):
        split_entries([[np.nan, 1.0]])
    with pytest.raises(ValueError, match="Expected 2D array"):
        split_entries([1.0, 2.0])
