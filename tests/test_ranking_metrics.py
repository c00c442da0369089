"""Ranking metrics against their definitions, written out row by row."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.feature_selection import VarianceThreshold
from sklearn.metrics import ndcg_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from skemb import BipartiteEmbedder
from skemb.metrics import (
    average_precision_at_k,
    make_ranking_scorer,
    ndcg_at_k,
    recall_at_k,
)
from skemb.model_selection import split_entries

METRICS = [recall_at_k, ndcg_at_k, average_precision_at_k]


def recall_of(true, ranked):
    return len(true & set(ranked)) / len(true)


def ndcg_of(true, ranked):
    gain = sum(1 / np.log2(rank + 2) for rank, j in enumerate(ranked) if j in true)
    best = sum(1 / np.log2(rank + 2) for rank in range(min(len(true), len(ranked))))
    return gain / best


def average_precision_of(true, ranked):
    total = 0
    for rank, j in enumerate(ranked, start=1):
        if j in true:
            total += len(true & set(ranked[:rank])) / rank
    return total / min(len(true), len(ranked))


NAIVE = dict(zip(METRICS, [recall_of, ndcg_of, average_precision_of], strict=True))


@pytest.fixture
def truth(rng):
    truth = rng.poisson(0.3, (40, 15)).astype(float)
    truth[7] = 0
    return truth


@pytest.fixture
def ranked(rng):
    return np.argsort(rng.random((40, 15)), axis=1)[:, :6]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 3, 6, None])
def test_metric_is_its_definition(metric, k, truth, ranked):
    expected = [
        NAIVE[metric](set(np.flatnonzero(row)), list(order[:k]))
        for row, order in zip(truth, ranked, strict=True)
        if row.any()
    ]
    for container in (np.asarray, sp.csr_array, sp.coo_matrix, pd.DataFrame):
        got = metric(container(truth), ranked, k)
        assert isinstance(got, float)
        assert got == pytest.approx(np.mean(expected), rel=1e-12)


def test_ndcg_agrees_with_scikit_learn(truth, ranked):
    scores = np.zeros(truth.shape)
    np.put_along_axis(scores, ranked, np.arange(6, 0, -1), axis=1)
    kept = truth.any(axis=1)
    expected = ndcg_score(truth[kept] > 0, scores[kept], k=6)
    assert ndcg_at_k(truth, ranked) == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_perfect_and_hopeless_rankings(metric):
    truth = [[1, 1, 0, 0], [0, 0, 5, 0]]
    assert metric(truth, [[1, 0], [2, 3]]) == 1
    assert metric(truth, [[2, 3], [0, 1]]) == 0


@pytest.mark.parametrize("metric", METRICS)
def test_entries_at_zero_or_below_are_not_true(metric):
    # An explicit zero, and two entries of one place.
    truth = sp.coo_array(([0.0, 1.0, 1.0], ([0, 0, 0], [0, 1, 1])), shape=(1, 3))
    assert metric(truth, [[1, 0]]) == metric([[0, 2, -1]], [[1, 0]]) == 1


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("dtype", "count"), [(np.int8, 100), (np.uint8, 128)])
def test_true_entries_in_parts_are_summed(metric, dtype, count):
    parts = np.array([count, count, 1], dtype=dtype)
    truth = sp.coo_array((parts, ([0, 0, 1], [3, 3, 2])), shape=(2, 5))
    assert metric(truth, [[3, 0], [2, 4]]) == 1


@pytest.mark.parametrize("metric", METRICS)
def test_truth_is_not_changed(metric):
    arrays = np.array([1.0, 2.0, 3.0]), np.array([2, 0, 0]), np.array([0, 3, 3])
    for array in arrays:
        array.flags.writeable = False
    truth = sp.csr_array(arrays, shape=(2, 3))
    assert metric(truth, [[0, 2], [0, 1]]) == 1
    for array, kept in zip(
        arrays, (truth.data, truth.indices, truth.indptr), strict=True
    ):
        np.testing.assert_array_equal(array, kept)
    assert metric(truth, np.array([[0, 2], [0, 1]], dtype=np.uint64)) == 1


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("ranked", "k", "message"),
    [
        ([[0, 1]], None, r"ranked must have shape \(2, n_ranked\).* got \(1, 2\)"),
        ([0, 1], None, r"ranked must have shape .* got \(2,\)"),
        (np.zeros((2, 0), int), None, r"ranked must have shape .* got \(2, 0\)"),
        ([[0.1, 0.2], [0.3, 0.4]], None, "got dtype float64: pass the columns"),
        ([["a", "b"], ["a", "b"]], None, "not their scores or names"),
        ([[0, 3], [1, 2]], None, "indices from 0 to 2, got 0 to 3"),
        ([[0, -1], [1, 2]], None, "indices from 0 to 2, got -1 to 2"),
        ([[0, 1], [2, 2]], None, "name a column once in a row, .* twice in row 1"),
        ([[0, 1], [1, 2]], 0, "k must be an integer from 1 to 2, .* got 0"),
        ([[0, 1], [1, 2]], 3, "k must be an integer from 1 to 2, .* got 3"),
        ([[0, 1], [1, 2]], True, "k must be an integer from 1 to 2, .* got True"),
        ([[0, 1], [1, 2]], 1.5, "k must be an integer from 1 to 2, .* got 1.5"),
    ],
)
def test_bad_rankings(metric, ranked, k, message):
    with pytest.raises(ValueError, match=message):
        metric([[1, 0, 0], [0, 1, 0]], ranked, k)


@pytest.mark.parametrize("metric", METRICS)
def test_bad_truth(metric):
    with pytest.raises(ValueError, match="truth must have an entry above zero"):
        metric(np.zeros((2, 3)), [[0, 1], [1, 2]])
    with pytest.raises(ValueError, match="truth contains NaN"):
        metric([[np.nan, 1]], [[0, 1]])


class Oracle(BaseEstimator):
    """Recommends the columns that follow each row's first visible one."""

    def fit(self, X, y=None):
        self.n_columns_ = X.shape[1]
        return self

    def recommend(self, X, n_items):
        dense = X.toarray() if sp.issparse(X) else np.asarray(X)
        first = (dense != 0).argmax(axis=1)
        columns = (first[:, None] + 1 + np.arange(n_items)) % self.n_columns_
        return columns, None


def test_scorer_asks_for_the_hidden_entries(rng):
    X = sp.csr_array(rng.poisson(0.5, (30, 12)).astype(float))
    visible, hidden = split_entries(X, 0.3, random_state=4)
    oracle = Oracle().fit(X)
    scorer = make_ranking_scorer(recall_at_k, k=3, test_size=0.3, random_state=4)
    expected = recall_at_k(hidden, oracle.recommend(visible, 3)[0])
    assert 0 < expected < 1
    assert scorer(oracle, X) == scorer(oracle, X.toarray()) == expected
    assert pickle.loads(pickle.dumps(scorer))(oracle, X) == expected
    # Scaling leaves a row's first entry where it is.
    scaled = make_pipeline(Normalizer(), Oracle()).fit(X)
    assert scorer(scaled, X) == scorer(make_pipeline(Oracle()).fit(X), X) == expected


def test_scorer_asks_only_for_rows_that_can_be_asked_for(rng):
    X = rng.poisson(0.5, (20, 12)).astype(float)
    X[3] = 1
    X[4] = 0
    X[5] = np.eye(12)[2]
    scorer = make_ranking_scorer(recall_at_k, k=4, test_size=2, random_state=4)
    oracle = Oracle().fit(X)
    visible, hidden = split_entries(X, 2, random_state=4)
    rows = (np.count_nonzero(hidden, axis=1) > 0) & (np.arange(20) != 3)
    assert not rows[3:6].any()
    expected = recall_at_k(hidden[rows], oracle.recommend(visible[rows], 4)[0])
    for container in (np.asarray, sp.csr_matrix, pd.DataFrame):
        assert scorer(oracle, container(X)) == expected
    with pytest.raises(ValueError, match=r"12 columns left .* none among 20: lower k"):
        make_ranking_scorer(k=12)(oracle, X)
    with pytest.raises(ValueError, match="rows with two or more entries"):
        make_ranking_scorer(k=2)(oracle, np.eye(12))


def test_scorer_refuses_estimators_it_would_misread(rng):
    X = rng.poisson(0.5, (30, 12)).astype(float)
    X[:, 4] = 0
    fewer = make_pipeline(VarianceThreshold(), Oracle()).fit(X)
    with pytest.raises(ValueError, match="keep the 12 columns of X, got 11"):
        make_ranking_scorer(k=2)(fewer, X)
    with pytest.raises(TypeError, match=r"method recommend, .* got Normalizer"):
        make_ranking_scorer(k=2)(Normalizer().fit(X), X)
    nested = make_pipeline(make_pipeline(Normalizer(), Oracle())).fit(X)
    plain = make_ranking_scorer(k=2)(Oracle().fit(X), X)
    assert make_ranking_scorer(k=2)(nested, X) == plain


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metric": "ndcg"}, TypeError, "metric must be a function .* got 'ndcg'"),
        ({"k": 0}, ValueError, "k must be a positive integer, got 0"),
        ({"k": 2.0}, ValueError, "k must be a positive integer, got 2.0"),
        ({"k": True}, ValueError, "k must be a positive integer, got True"),
        ({"test_size": 1.0}, ValueError, "test_size must be a float between 0 and 1"),
        ({"random_state": "x"}, ValueError, "'x' cannot be used to seed"),
    ],
)
def test_bad_scorers_are_refused_at_once(options, error, message):
    with pytest.raises(error, match=message):
        make_ranking_scorer(**options)


def test_search_by_ranking():
    blocks = np.kron(np.eye(4), np.ones((10, 8)))
    X = np.where(np.random.default_rng(0).random(blocks.shape) < 0.7, blocks, 0)
    search = GridSearchCV(
        BipartiteEmbedder(4, random_state=0),
        {"temperature": [0.2, 1000.0]},
        scoring={
            "ndcg": make_ranking_scorer(k=2),
            "recall": make_ranking_scorer(recall_at_k, k=2, test_size=1),
        },
        refit="ndcg",
        cv=[(np.arange(0, 40, 2), np.arange(1, 40, 2))],
        n_jobs=2,
    )
    search.fit(sp.csr_array(X))
    assert search.best_params_ == {"temperature": 0.2}
    assert search.cv_results_["mean_test_recall"][0] > 0.4


def test_scorer_keeps_the_names_of_a_table():
    blocks = np.kron(np.eye(2), np.ones((10, 6)))
    table = pd.DataFrame(blocks, columns=[f"item {j}" for j in range(12)])
    model = make_pipeline(Normalizer().set_output(transform="pandas"), Oracle())
    for estimator in (BipartiteEmbedder(4, random_state=0), model):
        scores = cross_validate(
            estimator, table, scoring=make_ranking_scorer(k=2), cv=2
        )
        assert np.isfinite(scores["test_score"]).all()
