"""Words that stand near one another in documents, counted without a copy of a pair."""

import numpy as np
import scipy.sparse as sp

from skemb._kernels import count_met, place_words

# Distances are counted in these parts of a word.
_WORD = 2**24
# Where most words would be left out a window takes in at most so many times its size.
_WIDEST = 4
# A thread takes a thousand words at once: enough to pay for its arrays.
_BLOCK_WIDTH = 2**8


def kept_shares(frequency, subsample):
    """Return the share of its occurrences that each word keeps, (n_words,).

    It is that of word2vec, √(s/f) + s/f for a word of frequency f, relative to the
    largest: where all words are frequent none is more so than others.
    """
    if not subsample:
        return np.ones(len(frequency))
    ratio = subsample / np.maximum(frequency, np.finfo(float).tiny)
    kept = np.minimum(np.sqrt(ratio) + ratio, 1)
    return kept / kept.max()


def window_cooccurrences(words, kept, window, workers):
    """Return how often words are expected to co-occur, as symmetric CSR in float32.

    A share kept_i of the occurrences of word i counts, as if the others had been left
    out of the text at random. Distances shrink by what is left out, here by its mean:
    two words with a mean of b others between them add kept_i kept_j (1 - b / window)
    to their entry, or nothing from b = window on.

    Memory is that of the result, of one index for each word of the text, and of a few
    arrays of shape (n_words,) for each thread.

    Parameters
    ----------
    words : ndarray of shape (n_tokens,)
        Indices of words, -1 at the end of each document.
    kept : ndarray of shape (n_words,)
        Shares in (0, 1].
    window : int
        How many words away co-occurrence ends.
    workers : Workers
        Threads.
    """
    n_words = len(kept)
    # As integers, weights add up to the same sum in any order.
    strides = np.maximum(np.rint(kept * _WORD), _WORD // _WIDEST).astype(np.int64)
    ends = _occurrences(words, n_words).cumsum()
    places = np.empty(ends[-1], dtype=np.int32 if len(words) < 2**31 else np.int64)
    place_words(words, np.concatenate([[0], ends[:-1]]), places)
    text = (words, ends, places, strides, window * _WORD, kept)

    def count(n_met, begins, out):
        def block_count(start, stop):
            count_met(*text, start, n_met[start:stop], begins, out)

        workers.run(block_count, n_words, _BLOCK_WIDTH)

    # Counted twice, so that no pair is ever held more than once.
    n_met = np.zeros(n_words, dtype=np.int64)
    count(n_met, n_met, ())
    indptr = np.concatenate([[0], n_met.cumsum()])
    index_dtype = np.int32 if indptr[-1] < 2**31 else np.int64
    indices = np.empty(indptr[-1], dtype=index_dtype)
    data = np.empty(indptr[-1], dtype=np.float32)
    count(n_met, indptr, (indices, data))
    shape = (n_words, n_words)
    return sp.csr_array((data, indices, indptr.astype(index_dtype)), shape=shape)


def _occurrences(words, n_words):
    """Return how often each word occurs; ends of documents are none."""
    occurrences = np.zeros(n_words + 1, dtype=np.int64)
    # In pieces, since counting takes 64 bits.
    for start in range(0, len(words), 2**20):
        piece = words[start : start + 2**20]
        occurrences += np.bincount(piece + 1, minlength=n_words + 1)
    return occurrences[1:]
