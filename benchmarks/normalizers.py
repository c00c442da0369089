"""Compare normalisers: the Gaussians, the exact sum, samples, and random features.

All train the same embedders, in one run, in float32 and on all threads, with all other
parameters at their defaults. Three tables are printed:

1. BlogCatalog, ``GraphEmbedder``: F1 of labels, as in the first table of ``graph.py``,
   with 10 % and 50 % of the nodes labelled.
2. Gowalla, ``BipartiteEmbedder``: recall and NDCG of the first 20 items on the test
   part, as in the first table of ``bipartite.py``.
3. Claims: what the first two tables should show, and whether they do.

The first two have a row for each normaliser and its size: the number of Gaussians, of
contexts drawn for a row in an epoch (by the samplers "uniform", "popularity" and
"adaptive"), or of random features, which are none of skemb's: they are the class
``RandomFeatureNormalizer`` below, and nothing else had to be written for them. Figures
are means of as many seeds as the tables say; the exact one has one seed on Gowalla.

- ``epoch_seconds``: the seconds of a fit less those of a fit of one epoch, over the
  number of the other epochs, so that what a fit does before and after its epochs does
  not count. All is compiled before, and one fit runs at a time.
  ``times_faster_than_exact`` compares it.
- ``error``: ``normalizer_error``, the mean of |log Z estimated - log Z| over 1,000
  rows, at the end of training. That of the samplers is of draws alone. In training,
  where what a row is known to go with is summed exactly, it is less: by a twentieth on
  BlogCatalog, by a quarter on Gowalla. It is noise, too, anew in each epoch, where that
  of Gaussians and of random features stays.

Run it where skemb can be imported::

    python benchmarks/normalizers.py --data DIR [--output FILE.json] [--quick]

DIR holds ``blogcatalog.npz``, with sets of labels, and ``gowalla.npz``, as ``graph.py``
and ``bipartite.py`` want them. The JSON file holds the three tables, every single run,
and versions. All of it takes about 25 minutes on two cores. ``--quick`` is a smoke test
of a minute or two: three epochs, fewer normalisers, one seed, every tenth user.
"""

import sys
import warnings
from functools import partial
from time import perf_counter

import numpy as np
from _data import load_graph
from _report import argument_parser, environment, grouped, means, publish
from bipartite import N_ITEMS, load_interactions, score
from features import error_of, timed_fit
from graph import score_labels
from scipy.stats import ortho_group
from sklearn.base import clone

from skemb import BipartiteEmbedder, GraphEmbedder

N_RUNS = 2
SAMPLERS = ("uniform", "popularity", "adaptive")
SIZES_OF_GRAPH = {
    "gaussian": (1, 64, 256, 1024),
    **dict.fromkeys(SAMPLERS, (64,)),
    "random features": (256, 1024),
}
DEFAULT = BipartiteEmbedder().n_gaussians
SIZES_OF_GOWALLA = {
    **SIZES_OF_GRAPH,
    "gaussian": (1, 64, 256, DEFAULT, 1024),
    **dict.fromkeys(SAMPLERS, (16, 64, 256)),
}
QUICK_SIZES = {
    "gaussian": (DEFAULT,),
    "uniform": (64,),
    "adaptive": (64,),
    "random features": (256,),
}
LARGEST_LOSS, LEAST_SPEED = 0.006, 15

TITLES = {
    "BlogCatalog": "1. BlogCatalog: labels",
    "Gowalla": "2. Gowalla: recommendations",
    "claims": "3. Claims",
}


class RandomFeatureNormalizer:
    """Positive random features of the SoftMax, in O((n + m) D d) for D features.

    With w_f normal vectors, of which d each are orthogonal, and c_f = √t w_f, both
    sides of

        exp(x·y / t) = E exp((x·c_f + y·c_f) / t - (|x|² + |y|²) / 2t)

    come apart (Choromanski et al., "Rethinking attention with Performers", ICLR 2021;
    compare Rawat et al., "Sampled softmax with random Fourier features", NeurIPS 2019):

        Z(x) ≈ exp(-|x|² / 2t) Σ_f a_f exp(x·c_f / t),
        a_f = 1/D Σ_j p_j exp(y_j·c_f / t - |y_j|² / 2t).
    """

    def __init__(self, prior, temperature, n_features):
        self.prior = prior
        self.temperature = temperature
        self.width = n_features

    def start(self, contexts, random_state):
        d = contexts.shape[1]
        n_bases = -(-self.width // d)
        axes = ortho_group.rvs(d, n_bases, random_state).reshape(-1, d)[: self.width]
        lengths = np.sqrt(random_state.chisquare(d, self.width) * self.temperature)
        self.centers = (axes * lengths[:, None]).astype(contexts.dtype)

    def update(self, contexts, workers, share=1.0):
        counts = self.prior > 0
        contexts, weights = contexts[counts], self.prior[counts] / self.width
        offsets = np.log(weights) - (contexts**2).sum(axis=1) / (2 * self.temperature)
        self._scaled = self.centers / contexts.dtype.type(self.temperature)

        def log_sums(start, stop):
            terms = self._scaled @ contexts[start:stop].T + offsets[start:stop]
            return log_sum_exp(terms)[0]

        blocks = workers.map(log_sums, len(contexts), self.width)
        self._log_weights = np.logaddexp.reduce(list(blocks))

    def rotate(self, axes):
        self.centers = self.centers @ axes

    def evaluate(self, rows, known, keys):
        logs, shares = log_sum_exp(rows @ self._scaled.T + self._log_weights)
        logs -= (rows**2).sum(axis=1) / (2 * self.temperature)
        return logs.astype(np.float64), shares @ self.centers - rows


def log_sum_exp(terms):
    """Return the log of the sum of each row's exponentials, and their shares in it.

    The shares take the place of ``terms``.
    """
    largest = terms.max(axis=1, keepdims=True)
    np.exp(np.subtract(terms, largest, out=terms), out=terms)
    total = terms.sum(axis=1, keepdims=True)
    terms /= total
    return (largest + np.log(total)).ravel(), terms


def main():
    arguments = argument_parser(__doc__).parse_args()
    report = measure(arguments.data, arguments.quick)
    publish(report, TITLES, arguments.output, digits=4)


def measure(folder, quick):
    of_graph = list(measure_graph(folder / "blogcatalog.npz", quick))
    of_gowalla = list(measure_gowalla(folder / "gowalla.npz", quick))
    graph, gowalla = summarize(of_graph), summarize(of_gowalla)
    return {
        "settings": {"quick": quick},
        "environment": environment(),
        "BlogCatalog": graph,
        "Gowalla": gowalla,
        "claims": check_claims(graph, gowalla),
        "runs": {"BlogCatalog": of_graph, "Gowalla": of_gowalla},
    }


# --- Fits


def measure_graph(file, quick):
    def rate(embedder):
        splits = (0,) if quick else (0, 1)
        rows = score_labels(file, {"skemb": embedder.embedding_}, splits)
        return {
            f"{key}_{row['labelled_percent']}%": row[key]
            for row in rows
            for key in ("micro_F1", "macro_F1")
        }

    graph = load_graph(file)
    sizes, n_runs = (QUICK_SIZES, 1) if quick else (SIZES_OF_GRAPH, N_RUNS)
    embedder = new_embedder(GraphEmbedder, quick)
    for setup in setups_of(sizes, n_runs, n_exact_runs=n_runs):
        yield measure_run(embedder, graph, rate, *setup)


def measure_gowalla(file, quick):
    train, test = load_interactions(file, quick)

    def rate(embedder):
        return score(test, embedder.recommend(train, N_ITEMS).columns)

    sizes, n_runs = (QUICK_SIZES, 1) if quick else (SIZES_OF_GOWALLA, N_RUNS)
    embedder = new_embedder(BipartiteEmbedder, quick)
    for setup in setups_of(sizes, n_runs, n_exact_runs=1):
        yield measure_run(embedder, train, rate, *setup)


def new_embedder(kind, quick):
    embedder = kind(n_jobs=-1)
    return embedder.set_params(max_iter=3) if quick else embedder


def setups_of(sizes, n_runs, n_exact_runs):
    """Return the name of a normaliser, its size and a seed for each fit."""
    exact = [("exact", None, seed) for seed in range(n_exact_runs)]
    others = [(name, size) for name in sizes for size in sizes[name]]
    return exact + [(*other, seed) for other in others for seed in range(n_runs)]


def measure_run(embedder, X, rate, name, size, seed):
    """Return the figures of one fit; ``rate`` gives those of quality."""
    print(type(embedder).__name__, name, size, f"run {seed}", file=sys.stderr)
    chosen = parameters_of(name, size)
    embedder = clone(embedder).set_params(**chosen, random_state=seed)
    return {
        "normalizer": name,
        "size": size,
        "seed": seed,
        "epoch_seconds": time_epoch(embedder, X),
        "error": error_of(embedder),
        **rate(embedder),
    }


def parameters_of(name, size):
    """Return the parameters of an embedder that choose a normaliser."""
    if name == "exact":
        return {"normalizer": "exact"}
    if name == "gaussian":
        return {"n_gaussians": size}
    if name == "random features":
        return {"normalizer": partial(RandomFeatureNormalizer, n_features=size)}
    return {"normalizer": "sampled", "sampler": name, "n_negatives": size}


def time_epoch(embedder, X):
    """Fit the embedder and return the seconds of an epoch, once all is compiled."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "normalizer='exact' takes", UserWarning)
        of_one = timed_fit(clone(embedder).set_params(max_iter=1), X)
        start = perf_counter()
        embedder.fit_transform(X)
        of_all = perf_counter() - start
    return (of_all - of_one) / (embedder.max_iter - 1)


# --- Report


def summarize(runs):
    """Return the means over seeds, and how many times faster than exact epochs are."""
    figures = [key for key in runs[0] if key not in ("normalizer", "size", "seed")]
    rows = [
        {
            "normalizer": name,
            "size": size,
            "seeds": len(group),
            **means([{key: run[key] for key in figures} for run in group]),
        }
        for (name, size), group in grouped(runs, "normalizer", "size").items()
    ]
    exact = rows[0]["epoch_seconds"]
    return [
        {**row, "times_faster_than_exact": exact / row["epoch_seconds"]} for row in rows
    ]


def check_claims(graph, gowalla):
    """Return what is claimed, what was measured, and whether it is as claimed."""
    graph, gowalla = by_setup(graph), by_setup(gowalla)
    exact, gaussian = gowalla["exact", None], gowalla["gaussian", DEFAULT]
    loss = exact["recall@20"] - gaussian["recall@20"]
    speed = gaussian["times_faster_than_exact"]
    rows = [
        {
            "claim": f"Gowalla: Gaussians lose at most {LARGEST_LOSS} recall@20",
            "measured": loss,
            "holds": loss <= LARGEST_LOSS,
        },
        {
            "claim": f"Gowalla: epochs are {LEAST_SPEED} times faster than exact ones",
            "measured": speed,
            "holds": speed >= LEAST_SPEED,
        },
    ]
    for data_set, table, figure in (
        ("BlogCatalog", graph, "micro_F1_10%"),
        ("Gowalla", gowalla, "recall@20"),
    ):
        for size in (size for name, size in table if name == "adaptive"):
            gain = table["adaptive", size][figure] - table["uniform", size][figure]
            text = f"{data_set}: adaptive beats uniform, {size} negatives, {figure}"
            rows.append({"claim": text, "measured": gain, "holds": gain > 0})
    return rows


def by_setup(rows):
    return {(row["normalizer"], row["size"]): row for row in rows}


if __name__ == "__main__":
    main()
