"""Fixed blocks of rows, run by Python threads, with BLAS held to one thread."""

import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import itemgetter

import numpy as np
from joblib import effective_n_jobs
from threadpoolctl import ThreadpoolController

# A block's widest array holds about this many numbers, so that it stays in cache.
_BLOCK_SIZE = 2**18
# Rows of a span. Sums are taken within spans first and then over these, so that rows
# that begin and end with a span can be summed elsewhere to the same bytes.
SPAN = 2**16


def row_blocks(n_rows, width):
    """Cut ``n_rows`` rows of ``width`` numbers into (start, stop) pairs.

    The cuts depend on nothing but the two arguments: sums over blocks, added in
    order, are then the same for every number of threads. None crosses a span.
    """
    block_rows = min(max(_BLOCK_SIZE // max(width, 1), 32), 4096)
    for span in range(0, n_rows, SPAN):
        end = min(span + SPAN, n_rows)
        for start in range(span, end, block_rows):
            yield start, min(start + block_rows, end)


def added(terms):
    """Return the sums of tuples of numbers and arrays, place by place, in float64."""
    terms = iter(terms)
    sums = [np.array(term, dtype=np.float64) for term in next(terms)]
    for others in terms:
        for total, other in zip(sums, others, strict=True):
            np.add(total, other, out=total)
    return sums


class _SingleThreadedBlas:
    """Holds BLAS to one thread while anyone is inside; entered from several threads.

    The limit belongs to the process. Fits that overlap in several threads must neither
    lift it under one another nor leave it behind, so entries are counted: the first
    sets the limit and the last restores what the first found.
    """

    def __init__(self):
        self._start_afresh()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_afresh)

    def _start_afresh(self):
        self._lock = threading.Lock()
        self._n_inside = 0
        self._limiter = None

    def enter(self):
        """Set the limit, unless someone has; return the libraries' controller."""
        with self._lock:
            if self._n_inside == 0:
                self._controller = ThreadpoolController()
                self._limiter = self._controller.limit(limits=1, user_api="blas")
            self._n_inside += 1
            return self._controller

    def leave(self):
        """Restore what was, unless others are still inside."""
        with self._lock:
            self._n_inside -= 1
            if self._n_inside == 0:
                self._limiter.restore_original_limits()
            # threadpoolctl >= 3.7 listens to the first thread alone until it resigns.
            for library in self._controller.lib_controllers:
                getattr(library, "clear_controlling_thread", lambda: None)()


_single_threaded_blas = _SingleThreadedBlas()


class Workers:
    """Threads that run a function over blocks of rows, as a context manager.

    ``sum`` and ``fill`` take arrays of equally many rows, or whatever else can be
    sliced by rows, and functions that know nothing but the blocks they are given.
    """

    def __init__(self, n_jobs=None):
        self.n_jobs = effective_n_jobs(n_jobs)
        self._executor = None

    def __enter__(self):
        controller = _single_threaded_blas.enter()
        if self.n_jobs > 1:
            # Where BLAS is built on OpenMP the limit is each thread's own.
            self._executor = ThreadPoolExecutor(
                self.n_jobs,
                initializer=lambda: controller.limit(limits=1, user_api="blas"),
            )
        return self

    def __exit__(self, *exception):
        try:
            if self._executor is not None:
                self._executor.shutdown(cancel_futures=True)
                self._executor = None
        finally:
            _single_threaded_blas.leave()

    def map(self, function, n_rows, width):
        """Yield ``function(start, stop)`` of every block, in the order of the rows.

        Only a few blocks are ahead of the one handed out, so that results which are
        summed never pile up.
        """
        blocks = row_blocks(n_rows, width)
        if self._executor is None:
            yield from (function(start, stop) for start, stop in blocks)
            return
        waiting = deque()
        for start, stop in blocks:
            waiting.append(self._executor.submit(function, start, stop))
            if len(waiting) > 2 * self.n_jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def run(self, function, n_rows, width):
        """Call ``function(start, stop)`` on every block for its effect alone."""
        for _ in self.map(function, n_rows, width):
            pass

    def span_sums(self, function, arrays, width):
        """Yield for each span the sums of the tuples ``function(*blocks)``."""

        def of_block(start, stop):
            return start // SPAN, function(*(array[start:stop] for array in arrays))

        results = self.map(of_block, len(arrays[0]), width)
        for _, group in groupby(results, key=itemgetter(0)):
            yield added(terms for _, terms in group)

    def sum(self, function, arrays, width):
        """Return the sums over all rows of the tuples ``function(*blocks)``."""
        return added(self.span_sums(function, arrays, width))

    def fill(self, out, function, arrays, width):
        """Let ``function(*blocks, block of out)`` fill ``out``, of as many rows.

        Return what is filled, and the sums of the tuples that it returns.
        """
        return out, self.sum(function, (*arrays, out), width)

    def empty(self, shape, dtype, reused=None):
        """Return an array to fill: ``reused`` if it is of that shape and dtype."""
        # Fresh pages for every epoch would cost as much as what is written to them.
        if reused is None or (reused.shape, reused.dtype) != (shape, dtype):
            return np.empty(shape, dtype=dtype)
        return reused

    def built(self, function, shape, dtype):
        """Return the array whose rows are ``function(start, stop)``, from a span on."""
        return function(0, shape[0])

    def readable(self, array):
        """Return an array as functions over rows can read it."""
        return np.asarray(array)

    def fetched(self, array):
        """Return an array of numpy."""
        return np.asarray(array)

    def offered(self, array):
        """Return an array as users get it."""
        return array
