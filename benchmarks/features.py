"""Measure what ``docs/features.rst`` says: command line, columns, links, normaliser.

All embed in float32, on all threads. Five tables are printed:

1. Command line: seconds of ``python -m skemb graph edges.csv --out nodes.csv``, a whole
   process with its defaults, first with an empty cache of numba's, then with the cache
   that this left; beside it those of ``fit_transform`` alone, compiled, of the same
   graph, BlogCatalog. The table has a line for each edge, with ids such as "node 17".
   Each is the median of three runs.
2. Columns in order: accuracy of k columns, from a fit of k dimensions, and the first k
   of 128, with ``principal_axes=True`` and as they are. Accuracy is that of logistic
   regression on standardised columns and half of the labels, the mean of five splits.
3. Links: area under the ROC curve, with a fifth of the edges held out, beside uniform
   non-edges and hard ones. Each is the mean of three seeds, of split and embedder.

   - ``inner product``: ``link_prediction_score`` of ``GraphEmbedder`` by its defaults,
     with 64 Gaussians, and two-sided: ``symmetric=False``, ``walk_length=1``;
   - ``classifier``: logistic regression on the standardised products of
     ``PairFeatures``, which learns from a second split of the training graph, with
     non-edges of the same kind;
   - the index of Adamic and Adar; and preferential attachment, the product of degrees.

4. Normaliser, graphs: ``normalizer_error``, seconds of the fit and accuracy (of the
   second table) by temperature and number of Gaussians; and recall among the first 20
   of a fifth of the edges, held out of another fit with the same parameters.
5. Normaliser, Gowalla: the same error and seconds of ``BipartiteEmbedder``, and recall
   of the first 20 items on the test part. Both tables are of one seed.

Run it where skemb can be imported::

    python benchmarks/features.py --data DIR [--output FILE.json] [--quick]

DIR holds ``blogcatalog.npz``, ``com_amazon_edrep.npz``, ``cora.npz`` and
``lastfm_asia.npz``: graphs in CSR (``indptr``, ``indices``, ``data``, ``shape``), the
last two with ``labels``; and ``gowalla.npz``, interactions in CSR with ``is_test``
along the indices. Graphs are made undirected and unweighted. The JSON file holds the
five tables and versions. ``--quick`` is a smoke test of about a minute: Cora alone and
every tenth user of Gowalla, fewer values, one run of each.
"""

import sys
import warnings
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from _data import load_gowalla, load_graph, load_labels
from _processes import run_python
from _report import argument_parser, environment, means, publish
from bipartite import N_COMPONENTS as N_COMPONENTS_OF_GOWALLA
from bipartite import N_ITEMS, first_items
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skemb import BipartiteEmbedder, EmbeddingLookup, GraphEmbedder, PairFeatures
from skemb.metrics import link_prediction_score, normalizer_error, recall_at_k
from skemb.model_selection import split_edges

N_COMPONENTS = 128
TEST_SIZE = 0.2

FILES = {
    "Cora": "cora.npz",
    "LastFM Asia": "lastfm_asia.npz",
    "BlogCatalog": "blogcatalog.npz",
    "com-Amazon": "com_amazon_edrep.npz",
}
TITLES = {
    "command_line": "1. Command line: seconds of a process, and of the fit alone",
    "columns": "2. Columns in order: accuracy",
    "links": "3. Links: area under the ROC curve",
    "normalizer_of_graphs": "4. Normaliser, graphs",
    "normalizer_of_gowalla": "5. Normaliser, Gowalla",
}


class Scope(NamedTuple):
    """How much is measured."""

    table: str
    labelled: tuple
    linked: tuple
    n_columns: tuple
    temperatures: tuple
    n_gaussians: tuple
    n_gaussians_of_gowalla: tuple
    user_step: int
    n_runs: int


WHOLE = Scope(
    table="BlogCatalog",
    labelled=("Cora", "LastFM Asia"),
    linked=tuple(FILES),
    n_columns=(8, 16, 32, 64, 128),
    temperatures=(1 / 4, 1 / 8, 1 / 16),
    n_gaussians=(1, 64, 256),
    n_gaussians_of_gowalla=(1, 64, 256, 1024),
    user_step=1,
    n_runs=3,
)
QUICK = Scope(
    table="Cora",
    labelled=("Cora",),
    linked=("Cora",),
    n_columns=(8, 128),
    temperatures=(1 / 4,),
    n_gaussians=(1, 64),
    n_gaussians_of_gowalla=(1, 64),
    user_step=10,
    n_runs=1,
)


def main():
    arguments = argument_parser(__doc__).parse_args()
    report = measure(arguments.data, QUICK if arguments.quick else WHOLE)
    publish(report, TITLES, arguments.output)


def measure(folder, scope):
    graphs = {
        name: load_graph(folder / FILES[name])
        for name in dict.fromkeys([scope.table, *scope.labelled, *scope.linked])
    }
    labels = {name: load_labels(folder / FILES[name]) for name in scope.labelled}
    return {
        "settings": scope._asdict(),
        "environment": environment(),
        "command_line": [measure_command_line(graphs, scope)],
        "columns": measure_columns(graphs, labels, scope),
        "links": measure_links(graphs, scope),
        "normalizer_of_graphs": measure_graphs(graphs, labels, scope),
        "normalizer_of_gowalla": measure_gowalla(folder / "gowalla.npz", scope),
    }


def new_embedder(n_components=N_COMPONENTS, seed=0, **parameters):
    return GraphEmbedder(n_components, n_jobs=-1, random_state=seed, **parameters)


def timed_fit(embedder, X):
    """Fit the embedder and return the seconds of that, once all is compiled."""
    clone(embedder).set_params(max_iter=1).fit_transform(X)
    start = perf_counter()
    embedder.fit_transform(X)
    return perf_counter() - start


# --- Command line


def measure_command_line(graphs, scope):
    graph = graphs[scope.table]
    runs = []
    with TemporaryDirectory() as folder:
        edges, nodes = Path(folder) / "edges.csv", Path(folder) / "nodes.csv"
        write_edges(graph, edges)
        for run in range(scope.n_runs):
            print(f"command line, run {run}", file=sys.stderr)
            seconds = time_command(edges, nodes)
            seconds["fit_transform_seconds"] = timed_fit(new_embedder(), graph)
            runs.append(seconds)
        check_rows(nodes, graph.shape[0])
        sizes = [file.stat().st_size / 1e6 for file in (edges, nodes)]
    return {
        "data_set": scope.table,
        "edges": graph.nnz // 2,
        **dict(zip(("edges_MB", "nodes_MB"), sizes, strict=True)),
        **{key: median(run[key] for run in runs) for key in runs[0]},
    }


def write_edges(graph, file):
    """Write each edge once, as ids of its ends, below a header."""
    ends = zip(*sp.triu(graph, k=1).nonzero(), strict=True)
    lines = [f"node {source},node {target}" for source, target in ends]
    file.write_text("\n".join(["source,target", *lines, ""]), encoding="utf-8")


def time_command(edges, nodes):
    """Return the seconds of the command without compiled kernels, and with them."""
    command = ("-m", "skemb", "graph", edges, "--out", nodes)
    seconds = {}
    with TemporaryDirectory() as cache:
        for state in ("cold", "warm"):
            start = perf_counter()
            run_python(*command, NUMBA_CACHE_DIR=cache)
            seconds[f"{state}_seconds"] = perf_counter() - start
    return seconds


def check_rows(file, n_nodes):
    n_rows = len(file.read_text(encoding="utf-8").splitlines()) - 1
    if n_rows != n_nodes:
        raise RuntimeError(f"The command wrote {n_rows} rows for {n_nodes} nodes.")


# --- Columns in order


def measure_columns(graphs, labels, scope):
    records = []
    for name in scope.labelled:
        print(f"columns, {name}", file=sys.stderr)
        graph, score = graphs[name], partial(accuracy, labels=labels[name])
        ordered = new_embedder(principal_axes=True).fit_transform(graph)
        plain = new_embedder().fit_transform(graph)
        for k in scope.n_columns:
            scores = {
                "fit_of_k": score(new_embedder(k).fit_transform(graph)),
                "first_k_in_order": score(ordered[:, :k]),
                "first_k_as_they_are": score(plain[:, :k]),
            }
            records.append({"data_set": name, "k": k, **scores})
    return records


def accuracy(vectors, labels):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    splits = StratifiedShuffleSplit(5, train_size=0.5, random_state=0)
    with threadpool_limits(1):  # two threads would wait
        return float(cross_val_score(model, vectors, labels, cv=splits).mean())


# --- Links


def measure_links(graphs, scope):
    records = []
    for name, kind in product(scope.linked, ("uniform", "hard")):
        print(f"links, {name}, {kind}", file=sys.stderr)
        score = partial(score_links, graphs[name], kind == "hard")
        scores = means([score(seed) for seed in range(scope.n_runs)])
        records.append({"data_set": name, "non_edges": kind, **scores})
    return records


def score_links(graph, is_hard, seed):
    split = partial(split_edges, test_size=TEST_SIZE, hard_negatives=is_hard)
    train, pairs, is_edge = split(graph, random_state=seed)

    def inner_product(**parameters):
        embedder = new_embedder(seed=seed, **parameters).fit(train)
        return link_prediction_score(embedder, pairs, is_edge)

    classifier = fit_classifier(*split(train, random_state=seed), seed)
    scores = {
        "classifier": classifier.decision_function(pairs),
        "Adamic-Adar": adamic_adar(train, pairs),
        "degrees": train.sum(axis=1)[pairs].prod(axis=1),
    }
    return {
        "inner_product": inner_product(),
        "64_Gaussians": inner_product(n_gaussians=64),
        "two-sided": inner_product(symmetric=False, walk_length=1),
        **{key: float(roc_auc_score(is_edge, scores[key])) for key in scores},
    }


def fit_classifier(graph, pairs, is_edge, seed):
    """Return a classifier of pairs; the graph is without the edges among them."""
    return make_pipeline(
        EmbeddingLookup(new_embedder(seed=seed), graph, inductive=False),
        PairFeatures("hadamard"),
        StandardScaler(),
        LogisticRegression(max_iter=300),
    ).fit(pairs, is_edge)


def adamic_adar(graph, pairs):
    """Return the sum over common neighbours of pairs of one over log degree."""
    degrees = graph.sum(axis=1)
    # A common neighbour has two neighbours at least.
    weights = 1 / np.log(np.maximum(degrees, 2))
    source, target = pairs.T
    return graph[source].multiply(graph[target]) @ weights


# --- Normaliser


def measure_graphs(graphs, labels, scope):
    records = []
    for setup in product(scope.labelled, scope.temperatures, scope.n_gaussians):
        print("normaliser,", *setup, file=sys.stderr)
        name, temperature, n_gaussians = setup
        embedder = new_embedder(temperature=temperature, n_gaussians=n_gaussians)
        records.append(
            {
                "data_set": name,
                "temperature": f"1/{1 / temperature:g}",
                "n_gaussians": n_gaussians,
                "fit_seconds": timed_fit(embedder, graphs[name]),
                "error": error_of(embedder),
                "accuracy": accuracy(embedder.embedding_, labels[name]),
                "recall@20": link_recall(embedder, graphs[name]),
            }
        )
    return records


def error_of(embedder):
    """Return the error in nats; the table says itself where it is large."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The estimate of log Z", UserWarning)
        return normalizer_error(embedder, random_state=0)


def link_recall(embedder, graph):
    """Return recall of held-out edges among the first 20 that are not in training."""
    train, _, _ = split_edges(graph, TEST_SIZE, random_state=0)
    fitted = clone(embedder).fit(train)
    hidden = graph - train
    hidden.eliminate_zeros()
    known = (train + sp.eye_array(train.shape[0])).tocsr()
    first = first_items(fitted.embedding_, fitted.context_embedding_, known)
    return float(recall_at_k(hidden, first))


def measure_gowalla(file, scope):
    train, test = (part[:: scope.user_step] for part in load_gowalla(file))
    records = []
    for n_gaussians in scope.n_gaussians_of_gowalla:
        print(f"normaliser, Gowalla, {n_gaussians}", file=sys.stderr)
        embedder = BipartiteEmbedder(
            N_COMPONENTS_OF_GOWALLA, n_gaussians=n_gaussians, n_jobs=-1, random_state=0
        )
        seconds = timed_fit(embedder, train)
        first = embedder.recommend(train, N_ITEMS).columns
        records.append(
            {
                "n_gaussians": n_gaussians,
                "fit_seconds": seconds,
                "error": error_of(embedder),
                "recall@20": recall_at_k(test, first),
            }
        )
    return records


if __name__ == "__main__":
    main()
