"""Co-occurrence within windows against the naive twin, and as exact as integers are."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from skemb._parallel import Workers
from skemb._windows import kept_shares, window_cooccurrences


def counted(documents, kept, window, n_jobs=1):
    words = [word for document in documents for word in (*document, -1)]
    with Workers(n_jobs) as workers:
        return window_cooccurrences(
            np.array(words, dtype=np.int32), np.asarray(kept), window, workers
        )


def random_documents(n_words, n_documents=12, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 40, n_documents)
    return [rng.integers(0, n_words, length) for length in lengths]


def test_weights_fall_linearly_with_distance():
    expected = np.zeros((6, 6))
    for i in range(6):
        for j in range(6):
            expected[i, j] = {1: 1, 2: 2 / 3, 3: 1 / 3}.get(abs(i - j), 0)
    got = counted([range(6)], np.ones(6), 3)
    np.testing.assert_allclose(got.toarray(), expected, rtol=1e-6)
    assert got.dtype == np.float32
    assert got.nnz == 24


def test_documents_are_boundaries():
    got = counted([[0, 1], [2], [], [3, 0]], np.ones(4), 5).toarray()
    expected = np.zeros((4, 4))
    expected[[0, 1, 3, 0], [1, 0, 0, 3]] = 1
    np.testing.assert_array_equal(got, expected)


def test_a_word_meets_itself():
    # From both places of a pair, as an entry of a symmetric matrix counts them.
    got = counted([[0, 0, 0]], np.ones(1), 2)
    np.testing.assert_allclose(got.toarray(), [[2 * (1 + 1 + 0.5)]])


@pytest.mark.parametrize("window", [1, 2, 5, 50])
@pytest.mark.parametrize("n_words", [1, 7, 90])
def test_counts_are_those_of_the_naive_twin(n_words, window):
    documents = random_documents(n_words)
    kept = np.random.default_rng(1).uniform(0.02, 1, n_words)
    got = counted(documents, kept, window)
    expected = reference.window_cooccurrences(documents, kept, window)
    np.testing.assert_allclose(got.toarray(), expected, rtol=1e-4, atol=1e-6)


def test_texts_are_counted_in_pieces(monkeypatch):
    expected = counted(random_documents(7), np.ones(7), 3)
    monkeypatch.setattr("skemb._windows._PIECE", 5)
    assert (counted(random_documents(7), np.ones(7), 3) != expected).nnz == 0


def test_counts_are_exactly_symmetric_and_the_same_for_any_number_of_threads():
    kept = np.random.default_rng(1).uniform(0.02, 1, 90)
    first = counted(random_documents(90), kept, 4)
    assert (first != first.T).nnz == 0
    for n_jobs in (2, 4):
        other = counted(random_documents(90), kept, 4, n_jobs)
        for name in ("data", "indices", "indptr"):
            assert getattr(other, name).tobytes() == getattr(first, name).tobytes()


def test_no_words():
    got = counted([[], []], np.ones(3), 5)
    assert got.shape == (3, 3)
    assert got.nnz == 0


def test_expected_counts_are_the_mean_of_random_ones():
    # All words are left out alike, so that the mean distance is all there is to it.
    rng = np.random.default_rng(0)
    text = rng.integers(0, 3, 60)
    total = np.zeros((3, 3))
    for _ in range(4000):
        left = text[rng.random(60) < 0.5]
        total += counted([left], np.ones(3), 20).toarray()
    expected = counted([text], np.full(3, 0.5), 20).toarray()
    np.testing.assert_allclose(expected, total / 4000, rtol=0.04)


def test_kept_shares_are_those_of_word2vec():
    frequency = np.array([0.9, 0.09, 0.009, 1e-5, 0])
    kept = kept_shares(frequency, 1e-3)
    ratio = 1e-3 / frequency[:3]
    np.testing.assert_allclose(kept[:3], np.sqrt(ratio) + ratio)
    np.testing.assert_array_equal(kept[3:], 1)
    np.testing.assert_array_equal(kept_shares(frequency, 0), 1)


def test_no_word_is_thinned_out_where_all_are_as_frequent():
    np.testing.assert_array_equal(kept_shares(np.full(4, 0.25), 1e-6), 1)


def test_words_that_do_not_occur_thin_out_no_other():
    frequency = np.array([0.25, 0.25, 0.5])
    with_absent = np.array([0.25, 0.25, 0.5, 0])
    kept = kept_shares(with_absent, 1e-4)
    np.testing.assert_array_equal(kept[:3], kept_shares(frequency, 1e-4))


@pytest.mark.parametrize("window", [10**4, 10**6, np.int8(100)])
def test_windows_far_beyond_the_documents(window):
    # One word in a long text: sums in parts of a word must not overflow.
    words = np.zeros(3000, dtype=int)
    got = counted([words], np.ones(1), window).toarray()[0, 0]
    distances = np.arange(3000)[:, None] - np.arange(3000)
    weights = np.maximum(1 - (np.abs(distances) - 1) / int(window), 0)
    assert got == pytest.approx(weights.sum() - np.trace(weights), rel=1e-5)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    documents=st.lists(st.lists(st.integers(0, 5), max_size=12), max_size=5),
    window=st.integers(1, 6),
    subsample=st.sampled_from([0.0, 1e-9, 1e-3, 0.1, 1.0]),
)
def test_any_documents(documents, window, subsample):
    occurrences = np.bincount(
        np.array([w for d in documents for w in d], dtype=int), minlength=6
    )
    kept = kept_shares(occurrences / max(occurrences.sum(), 1), subsample)
    got = counted(documents, kept, window).toarray()
    expected = reference.window_cooccurrences(documents, kept, window)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
