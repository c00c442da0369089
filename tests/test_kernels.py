"""Kernels: compiled and not, against the naive twin, for every width of number."""

import ast
import inspect

import numpy as np
import pytest
import reference
from conftest import random_graph
from scipy.stats import chisquare

from skemb import _kernels
from skemb._parallel import Workers
from skemb._sampled_normalizer import sampled_normalizer_of

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


@pytest.mark.parametrize("width", [1, 7, 64])
@pytest.mark.parametrize("kernel", both_forms("exponentials"))
def test_exponentials(kernel, width, rng):
    exponents = np.concatenate([np.linspace(-87, 88, 1000), rng.normal(size=920)])
    exponents = exponents[: 1920 - 1920 % width].astype(np.float32).reshape(-1, width)
    terms = exponents.copy()
    kernel(terms)
    expected = np.exp(exponents.astype(np.float64))
    np.testing.assert_allclose(terms, expected, rtol=1.5e-7)
    terms = np.array([[-88, -1e4, -np.inf, 0]], dtype=np.float32)
    kernel(terms)
    np.testing.assert_allclose(terms, [[*3 * [np.exp(-87)], 1]], rtol=1e-6)


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


def words(text):
    """Return hexadecimal words as the kernels take them."""
    return tuple(np.uint64(int(word, 16)) for word in text.split())


# Known answers of Random123, by the authors of Philox.
PHILOX = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), PHILOX)
@pytest.mark.parametrize("kernel", both_forms("philox"))
def test_philox(kernel, counter, key, answer):
    assert kernel(words(counter), words(key)) == words(answer)


@pytest.mark.parametrize(("counter", "key", "answer"), PHILOX)
@pytest.mark.parametrize("kernel", both_forms("random_numbers"))
def test_random_numbers(kernel, counter, key, answer):
    expected = [(int(word) + 0.5) / 2**32 for word in words(answer)]
    assert kernel(words(counter), words(key)) == tuple(expected)


ALIAS_TABLES = {
    "one": [1],
    "all equal": np.ones(7),
    "equal in binary": np.ones(8),
    "zeros": [0, 3, 0, 0, 1, 2, 0],
    "one of many": [0, 0, 0, 1, 0],
    "extreme": [1e-300, 1, 1e-12, 1e12, 1e-12],
    "falling": 0.5 ** np.arange(60),
    "random": np.random.default_rng(0).random(50),
    "heavy tails": np.random.default_rng(1).pareto(0.5, 200),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("table", ALIAS_TABLES)
@pytest.mark.parametrize("kernel", both_forms("fill_alias_table"))
def test_fill_alias_table(kernel, table, dtype):
    chances = np.array(ALIAS_TABLES[table], dtype=np.float64)
    chances = (chances / chances.sum()).astype(dtype)
    n_places = len(chances)
    keep, other = np.full(n_places, np.nan), np.full(n_places, -1)
    kernel(chances, keep, other)
    assert (keep >= 0).all()
    # Each place is drawn with the same chance, and stands for one of two.
    keep = np.minimum(keep, 1)
    implied = (keep + np.bincount(other, 1 - keep, n_places)) / n_places
    np.testing.assert_allclose(implied, chances, atol=n_places * np.finfo(dtype).eps)
    reached = np.append(np.flatnonzero(keep > 0), other[keep < 1])
    assert (chances[reached] > 0).all()


SAMPLERS = ["uniform", "popularity", "adaptive"]


def sampled_problem(sampler, dtype, rng):
    """Return rows, contexts, prior, what is known of rows, and a normaliser of them."""
    vectors = reference.unit(rng.standard_normal((17, 4))).astype(dtype)
    rows, contexts = vectors[:5], vectors[5:]
    rows[4] = 0
    strength = rng.integers(1, 9, 12).astype(np.float64)
    strength[[3, 8]] = 0
    prior = (np.sqrt(strength) / np.sqrt(strength).sum()).astype(dtype)
    normalizer = sampled_normalizer_of(sampler, prior, strength, 0.5, 6)
    with Workers() as workers:
        normalizer.start(contexts, np.random.RandomState(0))
        normalizer.update(contexts, workers)
    # Nothing; some; one of them twice and one of no prior; all; an explicit zero.
    lists = [[], [2, 5], [7, 3, 7], range(12), [1, 6]]
    known = _kernels.Known(
        np.cumsum([0, *map(len, lists)]),
        np.concatenate(lists).astype(np.int32),
        np.ones(sum(map(len, lists)), dtype=dtype),
    )
    known.data[-1] = 0
    return rows, contexts, prior, known, normalizer


def sampled_chances(sampler, row, contexts, prior):
    """Return with which chance a row draws each context, as the sampler is defined."""
    if sampler == "adaptive":
        return reference.adaptive_chances(row, contexts, prior)
    weights = prior**2 if sampler == "popularity" else prior > 0
    return weights / weights.sum()


def leanings_of(normalizer, row):
    """Return where a row leans, and which share of its draws goes by that."""
    leanings = _kernels.Leanings(np.empty(8, row.dtype), np.empty(8), np.empty(8, int))
    share = normalizer.proposal.share
    if share > 0 and not _kernels.lean(
        row @ normalizer.proposal.axes, normalizer.proposal, leanings
    ):
        share = 0.0
    return leanings, share


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kernel", both_forms("set_chances"))
def test_set_chances(kernel, sampler, dtype, rng):
    rows, contexts, prior, _, normalizer = sampled_problem(sampler, dtype, rng)
    for row in rows:
        chances = np.empty(12)
        kernel(
            np.arange(12), *leanings_of(normalizer, row), normalizer.proposal, chances
        )
        expected = sampled_chances(sampler, row, contexts, prior)
        np.testing.assert_allclose(chances, expected, **tolerance(dtype))
        assert chances.sum() == pytest.approx(1)
        assert (chances[prior == 0] == 0).all()


@pytest.mark.parametrize("row", [0, 4])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kernel", both_forms("draw_context"))
def test_draw_context(kernel, sampler, row, rng):
    rows, contexts, prior, _, normalizer = sampled_problem(sampler, np.float64, rng)
    leanings, share = leanings_of(normalizer, rows[row])
    drawn = [
        kernel(tuple(numbers), leanings, share, normalizer.proposal)
        for numbers in rng.random((3000, 4))
    ]
    counts = np.bincount(drawn, minlength=12)
    counting = prior > 0
    assert (counts[~counting] == 0).all()
    chances = sampled_chances(sampler, rows[row], contexts, prior)[counting]
    assert chisquare(counts[counting], 3000 * chances).pvalue > 1e-3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kernel", both_forms("sampled_partition"))
def test_sampled_partition(kernel, sampler, dtype, rng, monkeypatch):
    rows, contexts, prior, known, normalizer = sampled_problem(sampler, dtype, rng)
    monkeypatch.setattr("skemb._sampled_normalizer.sampled_partition", kernel)
    keys = np.array([5, 2**32 + 5, 7, 8, 9], dtype=np.uint64)
    log_z, gradient = normalizer.evaluate(rows, known, keys)
    for i, named in enumerate([[], [2, 5], [7], np.flatnonzero(prior), [1]]):
        expected = reference.sampled_partition(
            rows[i].astype(np.float64),
            contexts,
            prior,
            0.5,
            sampled_chances(sampler, rows[i], contexts, prior),
            named,
            draws_of(normalizer, rows[i], keys[i], named),
        )
        np.testing.assert_allclose(log_z[i], expected[0], **tolerance(dtype))
        np.testing.assert_allclose(gradient[i], expected[1], **tolerance(dtype))


def draws_of(normalizer, row, key, known):
    """Return the six contexts that a row draws, if it does not know all ten."""
    leanings, share = leanings_of(normalizer, row)
    high, low = divmod(int(key), 2**32)
    drawn = []
    for draw in range(100 if len(known) < 10 else 0):
        counter = tuple(map(np.uint64, (draw, low, high, 1)))
        numbers = _kernels.random_numbers(counter, normalizer._seed)
        drawn.append(
            _kernels.draw_context(numbers, leanings, share, normalizer.proposal)
        )
    return [context for context in drawn if context not in known][:6]
