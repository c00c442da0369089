"""Words that stand near one another in documents, counted without a copy of a pair."""

import numpy as np
import scipy.sparse as sp

from skemb._kernels import count_met, place_words

# Distances are counted in at most so many parts of a word.
_FINEST = 2**24
# Words are counted in pieces of so many, since that takes 64 bits for each.
_PIECE = 2**20
# Where most words would be left out a window takes in at most so many times its size.
_WIDEST = 4


def kept_shares(frequency, subsample):
    """Return the share of its occurrences that each word keeps, (n_words,).

    It is that of word2vec, √(s/f) + s/f for a word of frequency f, relative to the
    largest of a word that occurs: where all are frequent none is more so than others.
    """
    occurs = frequency > 0
    kept = np.ones(len(frequency))
    if subsample and occurs.any():
        ratio = subsample / frequency[occurs]
        shares = np.minimum(np.sqrt(ratio) + ratio, 1)
        kept[occurs] = shares / shares.max()
    return kept


def window_cooccurrences(words, kept, window, workers):
    """Return how often words co-occur in the mean, as symmetric CSR in float32.

    A share kept_i of the occurrences of word i counts, as if the others had been left
    out of the text at random. Distances shrink by what is left out, here by its mean:
    two words with a mean of b others between them add kept_i kept_j (1 - b / window)
    to their entry, or nothing from b = window on. (The mean over distances would be a
    little larger.)

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
    n_words, window = len(kept), int(window)
    occurrences = _occurrences(words, n_words)
    # As integers, weights add up to the same sum in any order.
    unit = _unit(words, occurrences, window)
    strides = np.maximum(np.rint(kept * unit), unit // _WIDEST).astype(np.int64)
    ends = occurrences.cumsum()
    places = np.empty(ends[-1], dtype=np.int32 if len(words) < 2**31 else np.int64)
    place_words(words, ends - occurrences, places)
    text = (words, ends, places, strides, window * unit, kept)
    # Enough blocks for all threads, and large enough to pay for their arrays.
    width = 2**18 // min(max(n_words // 64, 32), 1024)

    def count(n_met, begins, out):
        def block_count(start, stop):
            count_met(*text, start, n_met[start:stop], begins, out)

        workers.run(block_count, n_words, width)

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
    for start in range(0, len(words), _PIECE):
        piece = words[start : start + _PIECE]
        occurrences += np.bincount(piece + 1, minlength=n_words + 1)
    return occurrences[1:]


def _unit(words, occurrences, window):
    """Return in how many parts to count a word, so that no sum of weights overflows."""
    longest = np.diff(np.flatnonzero(words < 0), prepend=-1).max(initial=1)
    n_near = min(2 * _WIDEST * window, int(longest))
    largest_sum = max(int(occurrences.max()), 1) * n_near * window
    return max(min(_FINEST, 2**62 // largest_sum), _WIDEST)
