"""Compare skemb's embedding of users and items with its rivals: quality, time, memory.

All learn from the same check-ins (Gowalla, in LightGCN's split), in one run, 64 numbers
for each user and item, and rank for each user all items but those of its training part:

- the most popular items, the same for everyone;
- scikit-learn's ``TruncatedSVD`` of the matrix of zeros and ones;
- implicit's ``AlternatingLeastSquares`` (ALS) with 20 iterations, once with implicit's
  defaults for all else and once tuned: with the ``alpha`` and ``regularization`` that
  ``--tune`` found best on a fifth of the training part, which it hides by
  ``skemb.model_selection.split_entries``;
- implicit's ``BayesianPersonalizedRanking`` (BPR) with its defaults, 100 iterations;
- skemb's ``BipartiteEmbedder`` with its defaults, and with 1024 Gaussians.

All compute in float32. Three tables are printed:

1. Quality: recall and NDCG of the first 20 items, by ``skemb.metrics``, on the test
   part; users without test items are left out. Each is the mean of three seeds. Items
   are ranked by the same code for all but skemb, which ranks by ``recommend``.
2. New users: the same figures for users whom no model was fitted on, the mean over five
   folds of the users, which have each of them once, as the first table has. The items
   of their training part are all that is known of them: skemb's ``recommend``, ALS's
   ``recalculate_user`` and ``TruncatedSVD.transform`` make their vectors of these. BPR
   has nothing of the kind.
3. Time and memory: seconds of the fit, and of the first 20 items of all users as the
   library itself gives them (``recommend`` of skemb and implicit; the code of the first
   table for SVD). Peak resident memory, in MB of 10^6 bytes, of a process that does
   nothing else: before the fit, after imports, loading and a warm-up on a small matrix;
   by the end of the fit; and by the end of all. Each is the median of three processes,
   of seeds 0 to 2. The libraries take turns, so that a busy machine is one for all. The
   ratios are the figure over that of skemb's defaults on all threads. BLAS has one
   thread in implicit's processes, as implicit asks for.

Run it where skemb, and implicit from the extra ``bench``, can be imported::

    python benchmarks/bipartite.py --data DIR [--output FILE.json] [--quick | --tune]

DIR holds ``gowalla.npz``: interactions in CSR (``indptr``, ``indices``, ``shape``),
with ``is_test`` along the indices. The JSON file holds the three tables, every single
run, and versions. ``--quick`` is a smoke test of about a minute: three epochs or
iterations, every tenth user, one run and one fold. ``--tune`` prints how ALS does with
the values of a grid, on the hidden fifth, and nothing else: about ten minutes.
"""

import os
import sys
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import mean, median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from _data import load_gowalla
from _processes import in_new_process, peak_memory
from _report import (
    argument_parser,
    environment,
    grouped,
    is_installed,
    print_table,
    publish,
)

N_COMPONENTS = 64
N_ITEMS = 20
N_RUNS = 3
N_FOLDS = 5

ALS_ITERATIONS = 20
ALS_GRID = {
    "alpha": (1.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0),
    "regularization": (0.01, 1.0, 10.0, 100.0),
}
# First of the grid by NDCG (.1086) with --tune, implicit 0.7.3. With alpha from 40 to
# 160 it is above .103 at all regularizations, with the default of 1 at most .075.
ALS_TUNED = {"alpha": 40.0, "regularization": 1.0}

FIGURES = ("fit_seconds", "top_20_seconds", "before_fit_MB", "fit_peak_MB", "peak_MB")
RATIOS = {
    "fit_ratio": "fit_seconds",
    "top_20_ratio": "top_20_seconds",
    "fit_peak_ratio": "fit_peak_MB",
}
TITLES = {
    "quality": "1. Quality: test items of users known in fit",
    "new_users": "2. New users: test items of users unknown in fit",
    "time_and_memory": "3. Time and memory (ratios: to skemb on all threads)",
}
QUALITIES = ("recall@20", "ndcg@20")


class Method(NamedTuple):
    """What makes a row of the tables."""

    name: str
    model: str
    parameters: dict
    threads: str = "all"
    is_rated_on_new_users: bool = True


METHODS = (
    Method("most popular", "Popular", {}),
    Method("truncated SVD", "Svd", {}),
    Method("ALS", "Als", {}),
    Method("ALS, tuned", "Als", ALS_TUNED),
    Method("BPR", "Bpr", {}, is_rated_on_new_users=False),
    Method("skemb", "Skemb", {"n_jobs": 1}, "1", is_rated_on_new_users=False),
    Method("skemb", "Skemb", {"n_jobs": -1}),
    Method(
        "skemb, 1024 Gaussians",
        "Skemb",
        {"n_jobs": -1, "n_gaussians": 1024},
        is_rated_on_new_users=False,
    ),
)


class Task(NamedTuple):
    """One fit, as it is described to the child process that does it."""

    file: Path
    method: Method
    seed: int
    is_quick: bool


def main():
    arguments = argument_parser(__doc__, modes=("--quick", "--tune")).parse_args()
    methods = METHODS
    if not is_installed("implicit"):
        methods = [method for method in METHODS if method.model not in ("Als", "Bpr")]
        print("implicit is not installed (extra `bench`): the others run alone.")
    file = arguments.data / "gowalla.npz"
    if arguments.tune:
        print_table(tune_als(file))
        return
    report = measure(file, methods, arguments.quick)
    publish(report, TITLES, arguments.output)


def measure(file, methods, quick):
    # This process loads no data: on Linux a process inherits the peak memory of the one
    # that starts it, which must not exceed what every fit takes anyway.
    runs = measure_fits(file, methods, quick)
    new_user_runs = measure_new_users(file, methods, quick)
    return {
        "settings": {
            "n_components": N_COMPONENTS,
            "ALS_iterations": ALS_ITERATIONS,
            "ALS_tuned": ALS_TUNED,
            "quick": quick,
        },
        "environment": environment("implicit"),
        "quality": summarize_quality([run for run in runs if run["threads"] == "all"]),
        "new_users": summarize_quality(new_user_runs),
        "time_and_memory": summarize_time(runs),
        "runs": runs,
        "new_user_runs": new_user_runs,
    }


# --- Data


def load_interactions(file, is_quick):
    """Return the training and the test part, of every tenth user if quick."""
    return [part[::10] if is_quick else part for part in load_gowalla(file)]


def small_matrix(n_users=2000, n_items=1500, n_each=10):
    """Return a small matrix for imports and compilation to be over before timing.

    There are more users and items than Gaussians: fewer would be the exact case.
    """
    users = np.repeat(np.arange(n_users), n_each)
    items = (users * 7 + np.tile(np.arange(n_each) ** 2, n_users)) % n_items
    ones = np.ones(len(users), dtype=np.float32)
    return sp.csr_matrix((ones, (users, items)), shape=(n_users, n_items))


# --- Models, which import their library themselves: no process that is timed holds two


class Factors:
    """A model that scores items by products of ``user_factors`` and ``item_factors``.

    Subclasses set both in ``fit`` and have ``embed``, which returns factors of users
    from their interactions. ``top`` is the library's own way to rank.
    """

    def top(self, train):
        return self.ranked(train)

    def ranked(self, train):
        return first_items(self.user_factors, self.item_factors, train)

    def ranked_new(self, known):
        return first_items(self.embed(known), self.item_factors, known)


class Popular(Factors):
    def __init__(self, seed, is_quick):
        pass

    def fit(self, train):
        self.item_factors = np.bincount(train.indices, minlength=train.shape[1])[
            :, None
        ]
        self.item_factors = self.item_factors.astype(np.float32)
        self.user_factors = self.embed(train)

    def embed(self, known):
        return np.ones((known.shape[0], 1), dtype=np.float32)


class Svd(Factors):
    def __init__(self, seed, is_quick):
        from sklearn.decomposition import TruncatedSVD

        self.svd = TruncatedSVD(N_COMPONENTS, random_state=seed)

    def fit(self, train):
        self.user_factors = self.svd.fit_transform(train)
        self.item_factors = self.svd.components_.T

    def embed(self, known):
        return self.svd.transform(known)


class Implicit(Factors):
    def fit(self, train):
        self.model.fit(train, show_progress=False)
        self.user_factors = self.model.user_factors
        self.item_factors = self.model.item_factors

    def top(self, train):
        return self.model.recommend(np.arange(train.shape[0]), train, N=N_ITEMS)[0]

    def embed(self, known):
        return self.model.recalculate_user(np.arange(known.shape[0]), known)


class Als(Implicit):
    def __init__(self, seed, is_quick, **parameters):
        from implicit.cpu.als import AlternatingLeastSquares

        iterations = 3 if is_quick else ALS_ITERATIONS
        self.model = AlternatingLeastSquares(
            N_COMPONENTS, iterations=iterations, random_state=seed, **parameters
        )


class Bpr(Implicit):
    """BPR; biases of items are among its factors."""

    def __init__(self, seed, is_quick):
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        iterations = {"iterations": 3} if is_quick else {}
        self.model = BayesianPersonalizedRanking(
            N_COMPONENTS, random_state=seed, **iterations
        )


class Skemb:
    def __init__(self, seed, is_quick, **parameters):
        from skemb import BipartiteEmbedder

        epochs = {"max_iter": 3} if is_quick else {}
        self.embedder = BipartiteEmbedder(
            N_COMPONENTS, random_state=seed, **epochs, **parameters
        )

    def fit(self, train):
        self.embedder.fit(train)

    def top(self, known):
        return self.embedder.recommend(known, N_ITEMS).columns

    ranked = ranked_new = top


MODELS = {model.__name__: model for model in (Popular, Svd, Als, Bpr, Skemb)}


def first_items(user_factors, item_factors, known, block_size=500):
    """Return the items of highest score for each user, best first, but known ones."""
    blocks = []
    for start in range(0, len(user_factors), block_size):
        block = slice(start, start + block_size)
        scores = user_factors[block] @ item_factors.T
        scores[known[block].nonzero()] = -np.inf
        best = np.argpartition(scores, -N_ITEMS, axis=1)[:, -N_ITEMS:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        blocks.append(np.take_along_axis(best, order, axis=1))
    return np.concatenate(blocks)


# --- Fits, each in a process of its own


def measure_fits(file, methods, quick):
    runs = []
    for seed, method in product(range(1 if quick else N_RUNS), methods):
        print(f"{method.name}, threads {method.threads}, run {seed}", file=sys.stderr)
        figures = run_task(fit_and_measure, Task(file, method, seed, quick))
        setup = {"method": method.name, "threads": method.threads}
        runs.append({**setup, "seed": seed, **figures})
    return runs


def measure_new_users(file, methods, quick):
    methods = [method for method in methods if method.is_rated_on_new_users]
    runs = []
    for fold, method in product(range(1 if quick else N_FOLDS), methods):
        print(f"{method.name}, new users, fold {fold}", file=sys.stderr)
        task = Task(file, method, 0, quick)
        scores = run_task(fit_and_score_new_users, task, fold)
        runs.append({"method": method.name, "fold": fold, **scores})
    return runs


def run_task(function, task, *arguments):
    """Return what the function returns of a task, in a process of its own."""
    n_threads = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    is_of_implicit = task.method.model in ("Als", "Bpr")
    with environment_variables(n_threads if is_of_implicit else {}):
        return in_new_process(function, task, *arguments)


@contextmanager
def environment_variables(variables):
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def new_model(task):
    method = task.method
    return MODELS[method.model](task.seed, task.is_quick, **method.parameters)


def fit_and_measure(task):
    train, test = load_interactions(task.file, task.is_quick)
    warm_up(task)
    before = peak_memory()
    start = perf_counter()
    model = new_model(task)
    model.fit(train)
    fitted, fit_peak = perf_counter(), peak_memory()
    model.top(train)
    figures = (fitted - start, perf_counter() - fitted, before, fit_peak, peak_memory())
    return {
        **dict(zip(FIGURES, figures, strict=True)),
        **score(test, model.ranked(train)),
    }


def fit_and_score_new_users(task, fold):
    from sklearn.model_selection import KFold

    train, test = load_interactions(task.file, task.is_quick)
    folds = KFold(N_FOLDS, shuffle=True, random_state=0).split(train)
    known, new = list(folds)[fold]
    model = new_model(task)
    model.fit(train[known])
    return score(test[new], model.ranked_new(train[new]))


def warm_up(task):
    train = small_matrix()
    model = new_model(task)
    model.fit(train)
    model.top(train)


def score(test, ranked):
    from skemb.metrics import ndcg_at_k, recall_at_k

    scores = (recall_at_k(test, ranked), ndcg_at_k(test, ranked))
    return dict(zip(QUALITIES, scores, strict=True))


# --- Choice of ALS's parameters


def tune_als(file):
    """Return ALS's qualities on the hidden part of the training part, best first."""
    records = []
    for values in product(*ALS_GRID.values()):
        parameters = dict(zip(ALS_GRID, values, strict=True))
        print(
            ", ".join(f"{key} {parameters[key]}" for key in ALS_GRID), file=sys.stderr
        )
        task = Task(file, Method("ALS", "Als", parameters), seed=0, is_quick=False)
        scores = run_task(fit_and_score_hidden, task)
        records.append({**parameters, **scores})
    return sorted(records, key=lambda record: record["ndcg@20"], reverse=True)


def fit_and_score_hidden(task):
    from skemb.model_selection import split_entries

    train, _ = load_interactions(task.file, task.is_quick)
    visible, hidden = split_entries(train, test_size=0.2, random_state=0)
    model = new_model(task)
    model.fit(visible)
    return score(hidden, model.top(visible))


# --- Report


def summarize_quality(runs):
    """Return the means over equal runs."""
    return [
        {"method": name, **{key: mean(run[key] for run in group) for key in QUALITIES}}
        for (name,), group in grouped(runs, "method").items()
    ]


def summarize_time(runs):
    """Return the medians over equal runs, with their ratios to skemb's."""
    rows = {
        setup: {key: median(run[key] for run in group) for key in FIGURES}
        for setup, group in grouped(runs, "method", "threads").items()
        if "most popular" not in setup
    }
    skemb = rows["skemb", "all"]
    return [
        {
            "method": name,
            "threads": threads,
            **row,
            **{ratio: row[key] / skemb[key] for ratio, key in RATIOS.items()},
        }
        for (name, threads), row in rows.items()
    ]


if __name__ == "__main__":
    main()
