"""Compare skemb's graph embedding with EDRep's: quality, time and memory.

Both embed the same graphs at equal dimension (128), walk length (3) and number of
epochs (50; 20 of cnr-2000), in one run; skemb in float32, EDRep in float64, the only
one it has. Both keep their other defaults. Five tables are printed:

1. Labels of BlogCatalog: F1 of one-vs-rest logistic regression on 10 % and on 50 % of
   the nodes, as the mean of two random splits. As is usual with this graph, the true
   number of labels of each test node is given.
2. New nodes of BlogCatalog: the same F1, with standardised features, on 20 % of the
   nodes: once embedded by ``transform`` from their edges to the 80 % that skemb was
   fitted on, once as part of the whole graph. EDRep cannot embed new nodes.
3. Communities of com-Amazon: normalised mutual information (NMI) of k-means with them.
4. Time and memory: seconds from the adjacency matrix to the embedding, and the peak
   resident memory, in MB of 10^6 bytes, of a process that does nothing else; beside
   it that peak before the fit, after imports, loading and a warm-up on a tiny graph.
   Each is the median of three processes, but of one for cnr-2000. The ratios are
   EDRep's figure over skemb's.
5. Cold and warm start: seconds that ``import skemb`` takes after
   ``sklearn.linear_model`` and ``numba``, the median of five processes; and seconds
   of a whole process that imports skemb, fits and transforms a graph of 1,000 nodes,
   first with an empty cache of numba's, then with the cache that this left.

Run it where skemb, and EDRep from the extra ``bench``, can be imported::

    python benchmarks/graph.py --data DIR [--output FILE.json] [--quick | --speed]

DIR holds ``blogcatalog.npz``, ``com_amazon_edrep.npz`` and ``cnr_2000_directed.npz``:
graphs in CSR (``indptr``, ``indices``, ``data``, ``shape``), the first with sets of
labels in CSR (``label_indptr``, ``label_indices``, ``label_shape``), the second with
``labels``, -1 for none. Graphs are made undirected and unweighted. The JSON file holds
the five tables, every single run, and versions. ``--quick`` is a smoke test of about
a minute: 5 epochs, one run and one split of each, no cnr-2000. ``--speed`` is the
fourth table of cnr-2000 alone, in some five minutes.
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
from _data import load_graph, load_labels
from _processes import in_new_process, peak_memory, run_python
from _report import (
    argument_parser,
    environment,
    grouped,
    is_installed,
    means,
    publish,
)
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, normalized_mutual_info_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

N_COMPONENTS = 128
WALK_LENGTH = 3
RANDOM_STATE = 0

TITLES = {
    "labels": "1. Labels of BlogCatalog",
    "new_nodes": "2. New nodes of BlogCatalog, and the same in the whole graph",
    "communities": "3. Communities of com-Amazon",
    "time_and_memory": "4. Time and memory (ratios: EDRep / skemb)",
    "start": "5. Cold and warm start of skemb",
}

IMPORT = """
import sklearn.linear_model, numba
from time import perf_counter
start = perf_counter()
import skemb
print(perf_counter() - start)
"""

FIRST_USE = """
import numpy as np
import scipy.sparse as sp
from skemb import GraphEmbedder
edges = tuple(np.random.default_rng(0).integers(1000, size=(2, 10_000)))
graph = sp.coo_array((np.ones(10_000), edges), shape=(1000, 1000)).tocsr()
graph = graph + graph.T
GraphEmbedder(random_state=0).fit(graph).transform(graph)
"""


class DataSet(NamedTuple):
    file_name: str
    epochs: int
    n_runs: int
    is_scored: bool


DATA_SETS = {
    "BlogCatalog": DataSet("blogcatalog.npz", epochs=50, n_runs=3, is_scored=True),
    "com-Amazon": DataSet("com_amazon_edrep.npz", epochs=50, n_runs=3, is_scored=True),
    "cnr-2000": DataSet("cnr_2000_directed.npz", epochs=20, n_runs=1, is_scored=False),
}


class Fit(NamedTuple):
    """One fit, as it is described to the child process that does it."""

    graph_file: Path
    library: str
    n_jobs: int | None
    epochs: int
    output_file: Path | None


def main():
    arguments = argument_parser(__doc__, modes=("--quick", "--speed")).parse_args()
    libraries = ["skemb", "EDRep"]
    if not is_installed("EDRep"):
        libraries.remove("EDRep")
        print("EDRep is not installed (extra `bench`): skemb runs alone.")
    measure_all = measure_speed if arguments.speed else measure
    report = measure_all(arguments.data, libraries, arguments.quick)
    titles = {key: title for key, title in TITLES.items() if key in report}
    publish(report, titles, arguments.output)


def measure(folder, libraries, quick):
    data_sets = quick_data_sets() if quick else DATA_SETS
    with TemporaryDirectory() as scratch:
        # The fits come first: on Linux a process inherits the peak memory of the one
        # that starts it, which must not yet exceed what every fit takes anyway.
        runs = measure_fits(folder, data_sets, libraries, Path(scratch))
        embeddings = load_embeddings(data_sets, libraries, Path(scratch))
    blog, amazon = (embeddings[name] for name in ("BlogCatalog", "com-Amazon"))
    blog_file = folder / data_sets["BlogCatalog"].file_name
    blog_epochs = data_sets["BlogCatalog"].epochs
    amazon_file = folder / data_sets["com-Amazon"].file_name
    seeds = (0,) if quick else (0, 1)
    return {
        **settings(quick),
        "labels": score_labels(blog_file, blog, seeds),
        "new_nodes": score_new_nodes(blog_file, blog, seeds, blog_epochs),
        "communities": score_communities(amazon_file, amazon),
        "time_and_memory": summarize(runs),
        "start": [measure_start(n_imports=1 if quick else 5)],
        "runs": runs,
    }


def measure_speed(folder, libraries, quick):
    data_sets = {"cnr-2000": DATA_SETS["cnr-2000"]}
    with TemporaryDirectory() as scratch:
        runs = measure_fits(folder, data_sets, libraries, Path(scratch))
    return {**settings(quick), "time_and_memory": summarize(runs), "runs": runs}


def settings(quick):
    setup = {"n_components": N_COMPONENTS, "walk_length": WALK_LENGTH, "quick": quick}
    return {"settings": setup, "environment": environment("EDRep")}


def quick_data_sets():
    return {
        name: DATA_SETS[name]._replace(epochs=5, n_runs=1)
        for name in ("BlogCatalog", "com-Amazon")
    }


# --- Data


def load_label_sets(file):
    """Return a 0/1 array of shape (n_nodes, n_labels)."""
    with np.load(file) as arrays:
        indices, indptr = arrays["label_indices"], arrays["label_indptr"]
        return sp.csr_array(
            (np.ones(len(indices), dtype=int), indices, indptr),
            shape=tuple(arrays["label_shape"]),
        ).toarray()


def load_embeddings(data_sets, libraries, scratch):
    return {
        name: {
            library: np.load(embedding_file(scratch, name, library))
            for library in libraries
        }
        for name, data_set in data_sets.items()
        if data_set.is_scored
    }


def embedding_file(scratch, name, library):
    return scratch / f"{name}-{library}.npy"


# --- Fits, each in a process of its own


def measure_fits(folder, data_sets, libraries, scratch):
    setups = [(library, n_jobs) for library in libraries for n_jobs in jobs_of(library)]
    runs = []
    for name, data_set in data_sets.items():
        for run, (library, n_jobs) in product(range(data_set.n_runs), setups):
            print(f"{name}, {library}, n_jobs={n_jobs}, run {run}", file=sys.stderr)
            output = embedding_file(scratch, name, library)
            fit = Fit(
                graph_file=folder / data_set.file_name,
                library=library,
                n_jobs=n_jobs,
                epochs=data_set.epochs,
                output_file=output if data_set.is_scored else None,
            )
            setup = {"data_set": name, "library": library, "n_jobs": n_jobs}
            figures = in_new_process(fit_and_measure, fit)
            runs.append({**setup, "epochs": fit.epochs, **figures})
    return runs


def jobs_of(library):
    return (1, -1) if library == "skemb" else (None,)


def fit_and_measure(fit):
    if fit.library == "skemb":
        embed, dtype = partial(embed_with_skemb, n_jobs=fit.n_jobs), np.float32
    else:
        embed, dtype = embed_with_edrep, np.float64
    graph = load_graph(fit.graph_file, dtype)
    embed(ring(dtype), epochs=2)
    before = peak_memory()
    start = perf_counter()
    embedding = embed(graph, fit.epochs)
    seconds = perf_counter() - start
    peak = peak_memory()
    if fit.output_file:
        np.save(fit.output_file, embedding)
    return {"seconds": seconds, "before_fit_MB": before, "peak_MB": peak}


def ring(dtype, n_nodes=100):
    """Return a tiny graph, for imports and compilation to be over before timing."""
    nodes = np.arange(n_nodes, dtype=np.int32)
    edges = (nodes, np.roll(nodes, 1))
    half = sp.coo_array((np.ones(n_nodes, dtype), edges), shape=(n_nodes, n_nodes))
    return (half + half.T).tocsr()


# The libraries are imported where they are used, so that no process holds both.


def embed_with_skemb(graph, epochs, n_jobs):
    return skemb_embedder(epochs, n_jobs).fit_transform(graph)


def skemb_embedder(epochs, n_jobs=-1):
    from skemb import GraphEmbedder

    return GraphEmbedder(
        N_COMPONENTS,
        walk_length=WALK_LENGTH,
        max_iter=epochs,
        tol=0,  # EDRep does not stop early either
        n_jobs=n_jobs,
        random_state=RANDOM_STATE,
    )


def embed_with_edrep(graph, epochs):
    import EDRep

    np.random.seed(RANDOM_STATE)  # noqa: NPY002 - what EDRep draws from
    transition = (sp.diags_array(1 / graph.sum(axis=1)) @ graph).tocsr()
    return EDRep.CreateEmbedding(
        [transition] * WALK_LENGTH,
        dim=N_COMPONENTS,
        n_epochs=epochs,
        sum_partials=True,
        verbose=False,
    ).X


def summarize(runs):
    """Return the medians over equal runs, with EDRep's ratios to skemb's."""
    figures = ("seconds", "before_fit_MB", "peak_MB")
    setup = [key for key in runs[0] if key not in figures]
    records = [
        {
            **dict(zip(setup, values, strict=True)),
            **{key: median(run[key] for run in group) for key in figures},
        }
        for values, group in grouped(runs, *setup).items()
    ]
    rivals = {row["data_set"]: row for row in records if row["library"] == "EDRep"}
    for row in records:
        rival = rivals.get(row["data_set"])
        for key in ("seconds", "peak_MB"):
            is_compared = rival is not None and rival is not row
            row[f"{key}_ratio"] = rival[key] / row[key] if is_compared else None
    return records


# --- Quality


def score_labels(file, embeddings, seeds):
    labels = load_label_sets(file)
    classifier = LogisticRegression(solver="liblinear", C=1)

    def score(embedding, percent, seed):
        train, test = split(len(labels), percent, seed)
        return label_f1(
            classifier, embedding[train], labels[train], embedding[test], labels[test]
        )

    return [
        {
            "library": library,
            "labelled_percent": percent,
            **means([score(embedding, percent, seed) for seed in seeds]),
        }
        for library, embedding in embeddings.items()
        for percent in (10, 50)
    ]


def score_new_nodes(file, embeddings, seeds, epochs):
    graph, labels = load_graph(file, np.float32), load_label_sets(file)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(solver="liblinear"))
    scores = {library: [] for library in [*embeddings, "new"]}
    for seed in seeds:
        train, test = split(len(labels), 80, seed)
        vectors = {
            library: (embedding[train], embedding[test])
            for library, embedding in embeddings.items()
        }
        vectors["new"] = embed_new_nodes(graph, train, test, epochs)
        for name, (of_train, of_test) in vectors.items():
            scores[name].append(
                label_f1(classifier, of_train, labels[train], of_test, labels[test])
            )
    new = means(scores.pop("new"))
    return [
        {
            "library": library,
            **{f"new_{key}": new[key] if library == "skemb" else None for key in new},
            **{f"whole_{key}": value for key, value in means(whole).items()},
        }
        for library, whole in scores.items()
    ]


def embed_new_nodes(graph, train, test, epochs):
    """Return the vectors of the training nodes and those of the nodes new to them."""
    embedder = skemb_embedder(epochs)
    with warnings.catch_warnings():
        # A few nodes have all their neighbours on the other side of the split.
        warnings.filterwarnings("ignore", "[0-9]+ of the [0-9]+ rows", UserWarning)
        return (
            embedder.fit_transform(graph[train][:, train]),
            embedder.transform(graph[test][:, train]),
        )


def split(n_nodes, training_percent, seed):
    order = np.random.default_rng(seed).permutation(n_nodes)
    n_training = n_nodes * training_percent // 100
    return order[:n_training], order[n_training:]


def label_f1(classifier, train_vectors, train_labels, test_vectors, test_labels):
    """Return F1 of the k likeliest labels of each test node, k its number of labels."""
    model = OneVsRestClassifier(classifier)
    with warnings.catch_warnings():
        # Rare labels can be absent from a small training set.
        warnings.filterwarnings("ignore", "Label .* is present in all", UserWarning)
        model.fit(train_vectors, train_labels)
    likeliest_first = np.argsort(-model.predict_proba(test_vectors), axis=1)
    ranks = np.argsort(likeliest_first, axis=1)
    guess = (ranks < test_labels.sum(axis=1, keepdims=True)).astype(int)
    return {
        f"{average}_F1": f1_score(test_labels, guess, average=average, zero_division=0)
        for average in ("micro", "macro")
    }


def score_communities(file, embeddings):
    labels = load_labels(file)
    known = labels >= 0
    k_means = KMeans(len(np.unique(labels[known])), n_init=3, random_state=0)
    return [
        {
            "library": library,
            "NMI": normalized_mutual_info_score(
                labels[known], k_means.fit_predict(embedding)[known]
            ),
        }
        for library, embedding in embeddings.items()
    ]


# --- Cold and warm start


def measure_start(n_imports):
    imports = [float(run_python("-c", IMPORT)) for _ in range(n_imports)]
    with TemporaryDirectory() as cache:
        first_uses = []
        for _ in ("cold", "warm"):
            start = perf_counter()
            run_python("-c", FIRST_USE, NUMBA_CACHE_DIR=cache)
            first_uses.append(perf_counter() - start)
    return {
        "import_seconds": median(imports),
        "cold_process_seconds": first_uses[0],
        "warm_process_seconds": first_uses[1],
    }


if __name__ == "__main__":
    main()
