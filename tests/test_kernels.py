"""Kernels: compiled and not, against the naive twin, for every width of number."""

import ast
import inspect

import numpy as np
import pytest
import reference
from conftest import random_graph

from skemb import _kernels

DTYPES = [np.float32, np.float64]


def both_forms(name):
    """Return the kernel as it runs and as plain Python."""
    kernel = getattr(_kernels, name)
    return [
        pytest.param(kernel, id=f"{name}-compiled"),
        pytest.param(getattr(kernel, "py_func", kernel), id=f"{name}-python"),
    ]


def tolerance(dtype):
    return {"rtol": 50 * np.finfo(dtype).eps, "atol": 50 * np.finfo(dtype).eps}


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", both_forms("add_neighbors"))
def test_add_neighbors(kernel, dtype, index_dtype, rng):
    # Degrees from 0 to beyond 4: the kernel takes neighbours four at a time.
    A = random_graph(30, 0.15, seed=2, directed=True, dtype=dtype)
    scale = rng.random(30).astype(dtype)
    source = rng.standard_normal((30, 7)).astype(dtype)
    before = rng.standard_normal((12, 7)).astype(dtype)
    out = before.copy()
    kernel(
        A.indptr.astype(index_dtype),
        A.indices.astype(index_dtype),
        A.data,
        scale,
        source,
        10,
        out,
    )
    expected = before + (scale[:, None] * A.toarray() @ source)[10:22]
    np.testing.assert_allclose(out, expected, **tolerance(dtype))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", both_forms("sphere_step"))
def test_sphere_step(kernel, dtype, in_place, rng):
    rows = reference.unit(rng.standard_normal((9, 5))).astype(dtype)
    rows[4] = 0
    pull, repulsion = rng.standard_normal((2, 9, 5)).astype(dtype)
    penalty = rng.standard_normal(5).astype(dtype)
    start = rows.copy()
    out = rows if in_place else np.empty_like(rows)
    attraction = np.empty(9, dtype=dtype)
    kernel(rows, pull, repulsion, penalty, dtype(0.6), out, attraction)
    expected = reference.sphere_step(start, repulsion + penalty - pull, 0.6)
    expected[4] = 0
    np.testing.assert_allclose(out, expected, **tolerance(dtype))
    np.testing.assert_allclose(
        attraction, (start * pull).sum(axis=1), **tolerance(dtype)
    )


@pytest.mark.parametrize("kernel", both_forms("sphere_step"))
def test_sphere_step_without_gradient_stays(kernel):
    rows = np.eye(3)
    out = np.empty_like(rows)
    # Along the row itself there is nowhere to go on the sphere.
    kernel(rows, rows, np.zeros((3, 3)), np.zeros(3), 1.0, out, np.empty(3))
    np.testing.assert_array_equal(out, rows)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", both_forms("fixed_point_step"))
def test_fixed_point_step(kernel, dtype, rng):
    rows = reference.unit(rng.standard_normal((8, 6))).astype(dtype)
    pull, repulsion = rng.standard_normal((2, 8, 6)).astype(dtype)
    penalty = rng.standard_normal(6).astype(dtype)
    expected = reference.unit(0.5 * rows + pull - repulsion - penalty)
    kernel(rows, pull, repulsion, penalty, dtype(0.5))
    np.testing.assert_allclose(rows, expected, **tolerance(dtype))


@pytest.mark.parametrize("kernel", both_forms("fixed_point_step"))
def test_fixed_point_step_to_nowhere_stays(kernel):
    rows = np.eye(3)
    kernel(rows, np.ones((3, 3)), np.zeros((3, 3)), np.ones(3), 0.0)
    np.testing.assert_array_equal(rows, np.eye(3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", both_forms("add_by_label"))
def test_add_by_label(kernel, dtype, rng):
    rows = rng.standard_normal((20, 4)).astype(dtype)
    weights = rng.random(20).astype(dtype)
    labels = rng.integers(0, 3, 20)
    totals, sums = np.ones(3, dtype=dtype), np.ones((3, 4), dtype=dtype)
    kernel(rows, weights, labels, totals, sums)
    member = np.eye(3)[labels].T * weights
    np.testing.assert_allclose(totals, 1 + member.sum(axis=1), **tolerance(dtype))
    np.testing.assert_allclose(sums, 1 + member @ rows, **tolerance(dtype))


def test_long_sums_of_float32_keep_their_small_terms():
    n_neighbors = 10**6
    indptr = np.array([0, n_neighbors])
    indices = np.zeros(n_neighbors, dtype=np.int32)
    data = np.full(n_neighbors, 0.1, dtype=np.float32)
    out = np.zeros((1, 1), dtype=np.float32)
    one = np.ones(1, dtype=np.float32)
    _kernels.add_neighbors(indptr, indices, data, one, one[:, None], 0, out)
    np.testing.assert_allclose(out, 1e5, rtol=1e-5)


def test_loops_that_may_sum_in_another_order_store_nothing():
    # Compiled loops that store look whether their arrays are close in memory, and take
    # another path if so: with sums reordered the bytes would come to depend on it.
    tree = ast.parse(inspect.getsource(_kernels))
    loose = [
        function
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and any("fastmath" in ast.unparse(mark) for mark in function.decorator_list)
    ]
    assert loose
    for function in loose:
        for node in ast.walk(function):
            stores = isinstance(getattr(node, "ctx", None), ast.Store)
            assert not (stores and isinstance(node, ast.Subscript)), function.name


def test_kernels_take_read_only_arrays(rng):
    A = random_graph(10, 0.3, seed=3)
    source = rng.standard_normal((10, 3))
    for array in (A.indptr, A.indices, A.data, source):
        array.flags.writeable = False
    out = np.zeros((10, 3))
    _kernels.add_neighbors(A.indptr, A.indices, A.data, np.ones(10), source, 0, out)
    np.testing.assert_allclose(out, A @ source)


def test_without_a_cache_functions_are_compiled_all_the_same(monkeypatch):
    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(_kernels, "njit", njit)
    assert _kernels._jit()(len)("ab") == 2


@pytest.mark.parametrize("n_best", [1, 2, 5, 8, 40])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kernel", both_forms("best_columns"))
def test_best_columns(kernel, dtype, n_best, rng):
    # Few different values: ties everywhere, infinite ones among them.
    scores = rng.integers(0, 6, (30, 40)).astype(dtype)
    scores[scores == 5] = -np.inf
    scores[0] = -np.inf
    scores[1] = np.arange(40)
    scores[2] = -np.arange(40)
    left_out = rng.random((30, 40)) < 0.2
    left_out[1:3] = False
    left_out[3] = True
    left_out[4, 1:] = True
    scores[left_out] = np.nan
    columns = np.full((30, n_best), -1)
    best = np.zeros((30, n_best), dtype=dtype)
    kernel(scores, columns, best)
    for i in range(30):
        # numpy sorts stably, and NaN last.
        order = np.argsort(-scores[i], kind="stable")[: (~left_out[i]).sum()][:n_best]
        np.testing.assert_array_equal(columns[i, : len(order)], order)
        np.testing.assert_array_equal(best[i, : len(order)], scores[i, order])
        assert (columns[i, len(order) :] == -1).all()


@pytest.mark.parametrize("kernel", both_forms("place_words"))
def test_place_words(kernel):
    words = np.array([2, 0, -1, 2, 1, 2, -1], dtype=np.int32)
    places, ends = np.empty(5, dtype=np.int32), np.array([0, 1, 2, 5])
    kernel(words, ends, places)
    np.testing.assert_array_equal(places, [1, 4, 0, 3, 5])
    np.testing.assert_array_equal(ends, [1, 2, 5, 5])


@pytest.mark.parametrize("kernel", both_forms("count_met"))
def test_count_met(kernel):
    # "0 1 0" and "2 0", with a reach of 4.
    words = np.array([0, 1, 0, -1, 2, 0, -1], dtype=np.int32)
    ends, places = np.array([3, 4, 5]), np.array([0, 2, 5, 1, 4], dtype=np.int32)
    text = (words, ends, places, np.array([1, 3, 1]), 4, np.array([1, 0.5, 1]))
    n_met = np.zeros(3, dtype=np.int64)
    kernel(*text, 0, n_met, n_met, ())
    np.testing.assert_array_equal(n_met, [3, 1, 1])
    out = np.empty(5, dtype=np.int32), np.empty(5, dtype=np.float32)
    # Of the first block words 0 and 1, of the second word 2.
    for start, stop in ((0, 2), (2, 3)):
        kernel(*text, start, n_met[start:stop], np.array([0, 3, 4]), out)
    np.testing.assert_array_equal(out[0], [1, 0, 2, 0, 0])
    np.testing.assert_array_equal(out[1], [2 * 0.5, 2 / 4, 1, 2 * 0.5, 1])


@pytest.mark.parametrize("n_asked", [1, 7, 100])
@pytest.mark.parametrize("kernel", both_forms("hold_out_edges"))
def test_hold_out_edges(kernel, n_asked, rng):
    ends = rng.integers(0, 12, (30, 2))
    ends = ends[ends[:, 0] != ends[:, 1]]
    held_out = np.zeros(len(ends), dtype=bool)
    kernel(ends, n_asked, np.bincount(ends.ravel()), held_out)
    kept, expected = ends.tolist(), []
    for edge in ends.tolist():
        others = kept.copy()
        others.remove(edge)
        spared = set(edge) <= set(np.ravel(others))
        if spared and sum(expected) < n_asked:
            kept = others
            expected.append(True)
        else:
            expected.append(False)
    np.testing.assert_array_equal(held_out, expected)
    assert not held_out.all()
