"""Blocks, threads and the limit on BLAS."""

import os
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from skemb import _parallel
from skemb._parallel import SPAN, Workers, added, row_blocks


def blas_threads():
    return [
        pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
    ]


@pytest.mark.parametrize(
    ("n_rows", "width"), [(1, 1), (5000, 1), (5000, 128), (77, 10**7)]
)
def test_blocks_cover_all_rows_once(n_rows, width):
    blocks = list(row_blocks(n_rows, width))
    covered = np.concatenate([np.arange(start, stop) for start, stop in blocks])
    np.testing.assert_array_equal(covered, np.arange(n_rows))


@pytest.mark.parametrize("n_jobs", [1, 2, 4])
def test_results_come_in_the_order_of_the_rows(n_jobs):
    with Workers(n_jobs) as workers:
        starts = [start for start, _ in workers.map(lambda *block: block, 10**5, 10**4)]
    assert starts == sorted(starts)
    assert len(starts) > 8


def test_errors_in_a_block_reach_the_caller():
    def fail(start, stop):
        raise ValueError(f"block {start}")

    with pytest.raises(ValueError, match="block 0"), Workers(2) as workers:
        workers.run(fail, 10**5, 10**4)


def test_blas_is_held_to_one_thread_and_given_back():
    before = blas_threads()
    with Workers(2):
        assert set(blas_threads()) == {1}
        with Workers(1):
            pass
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


@pytest.mark.parametrize("first_in_main", [True, False])
def test_overlapping_threads_leave_blas_as_it_was(first_in_main):
    before = blas_threads()
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
    seen = []

    def first():
        with Workers(1):
            first_is_in.set()
            second_is_in.wait(10)
        first_is_out.set()

    def second():
        first_is_in.wait(10)
        with Workers(1):
            second_is_in.set()
            first_is_out.wait(10)
            seen.extend(blas_threads())

    here, there = (first, second) if first_in_main else (second, first)
    thread = threading.Thread(target=there)
    thread.start()
    here()
    thread.join()
    assert set(seen) == {1}
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_starts_with_no_one_inside():
    with Workers(1):
        child = os.fork()
        if child == 0:
            with Workers(2) as workers:
                starts = [start for start, _ in workers.map(lambda *b: b, 99, 1)]
            os._exit(len(starts) - 4 + _parallel._single_threaded_blas._n_inside)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_sums_are_in_float64_and_change_nothing():
    terms = [(np.ones(2, np.float32), np.float32(1))]
    terms += 100 * [(np.full(2, 1e-8, np.float32), np.float32(1e-8))]
    of_arrays, of_numbers = added(terms)
    np.testing.assert_allclose(of_arrays, 1 + 1e-6, rtol=1e-9)
    np.testing.assert_allclose(of_numbers, 1 + 1e-6, rtol=1e-9)
    array = np.ones(2)
    added([(array,), (array,)])
    np.testing.assert_array_equal(array, 1)


def test_sums_are_those_of_spans():
    values = np.random.default_rng(0).standard_normal(2 * SPAN + 100)
    with Workers(2) as workers:
        spans = [s for (s,) in workers.span_sums(_sum, (values,), 1)]
        (total,) = workers.sum(_sum, (values,), 1)
    assert len(spans) == 3
    assert total == (spans[0] + spans[1]) + spans[2]
    np.testing.assert_allclose(spans[2], values[2 * SPAN :].sum())


def _sum(values):
    return (values.sum(),)


def test_no_block_crosses_a_span():
    for width in (1, 100, 1000):
        blocks = list(row_blocks(3 * SPAN + 5, width))
        assert {SPAN, 2 * SPAN, 3 * SPAN} <= {start for start, _ in blocks}
        assert all(start // SPAN == (stop - 1) // SPAN for start, stop in blocks)
