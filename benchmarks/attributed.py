"""Compare embeddings of graphs with attributes: accuracy, new nodes, time and memory.

All have 128 dimensions, and those of skemb are float32. Accuracy is that of
``LogisticRegression(C=10, max_iter=500)``, the same for all. Four tables are printed:

1. The data:

   - Cora: citations, and words of papers;
   - docstrings: functions and classes of those of numpy, scipy, scikit-learn, networkx,
     pandas and matplotlib that are installed, with the references under "See Also" as
     links; words, without that section and without code, as attributes; and modules of
     the second level, ``sklearn.cluster``, that have 30 of them, as labels;
   - digits: images joined to the five nearest by their left halves, with the pixels of
     their right halves as attributes;
   - stochastic block models of ten groups, where each node has twelve words, some of
     them of its group: a strong graph, strong words, and both middling.

2. Accuracy with 5 % and with 50 % of the labels: means of three seeds and, for each, of
   five stratified splits. The methods:

   - ``AttributedGraph``: ``AttributedGraphEmbedder`` by its defaults, and, as MUSAE
     keeps scales apart, half of the dimensions for each of two walk lengths;
   - ``Graph``: ``GraphEmbedder`` of the graph;
   - ``Bipartite``: ``BipartiteEmbedder(temperature=0.25, n_gaussians=64)`` of the
     attributes;
   - ``SVD``: ``TruncatedSVD`` of TF-IDF of the attributes, with rows scaled to length
     one, which is better than as they are; of digits, 32 dimensions at most;
   - two with a plus: side by side, with half of the dimensions each;
   - AE and MUSAE by karateclub's defaults, scaled likewise for the same reason. They
     take minutes, and are measured on Cora alone, with one seed.

3. New nodes of Cora: accuracy on a fifth of the nodes, with the labels of all others,
   where the embedder is fitted to the whole graph, or without these nodes, which are
   then embedded by ``transform``: from links and attributes, or from either alone.
   Means of three seeds and five folds.
4. Time and memory of the fit to Cora by the defaults: seconds, and the peak resident
   memory, in MB of 10^6 bytes, of a process that does nothing else; beside it that peak
   before the fit, after imports, loading and a warm-up on a tiny graph. Each is the
   median of three processes.

Run it where skemb can be imported, and karateclub if it is to be measured. Release
1.3.3 asks for versions of numpy and pandas too old for skemb, but runs with newer ones:
``pip install --no-deps karateclub`` beside gensim, networkx, pygsp, python-louvain,
python-Levenshtein and tqdm::

    python benchmarks/attributed.py --data DIR [--output FILE.json] [--quick]

DIR holds ``cora.npz``: a graph in CSR (``indptr``, ``indices``, ``data``, ``shape``),
attributes in CSR (``attr_indptr`` and so on) and ``labels``. The graph is made
undirected and unweighted. The JSON file holds the four tables, every fit of the last,
and versions. ``--quick`` is a smoke test of about a minute: Cora alone, one seed, one
fold, one process, and no karateclub.
"""

import ast
import re
import sys
import warnings
from collections import Counter
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from _data import load_csr, load_graph, load_labels
from _processes import in_new_process, peak_memory
from _report import (
    argument_parser,
    environment,
    grouped,
    is_installed,
    means,
    publish,
)
from sklearn.datasets import load_digits
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_val_score,
)
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import Normalizer, normalize
from threadpoolctl import threadpool_limits

from skemb import (
    AttributedGraphEmbedder,
    BipartiteEmbedder,
    EmbeddingLookup,
    GraphEmbedder,
)

N_COMPONENTS = 128
N_JOBS = 2
SEEDS = (0, 1, 2)
PERCENTS = (5, 50)
RIVALS = ("AE", "MUSAE")

PACKAGES = ("numpy", "scipy", "sklearn", "networkx", "pandas", "matplotlib")
SKIPPED = {"tests", "testing", "externals", "distutils"}
LEAST_MEMBERS = 30
SEE_ALSO = re.compile(r"^See Also\n-+\n(.*?)(?=^[^\n]+\n---|\Z)", re.DOTALL | re.M)
CODE = re.compile(r"^ *(>>>|\.\.\.).*$", re.M)

TITLES = {
    "data": "1. Data",
    "accuracy": "2. Accuracy",
    "new_nodes": "3. New nodes of Cora: accuracy",
    "time_and_memory": "4. Time and memory of the fit to Cora",
}


class DataSet(NamedTuple):
    graph: sp.csr_array
    attributes: sp.csr_array
    labels: np.ndarray

    @property
    def both(self):
        return sp.hstack([self.graph, self.attributes], format="csr")


class Docstring(NamedTuple):
    package: str
    module: str
    name: str
    text: str


def main():
    arguments = argument_parser(__doc__).parse_args()
    quick = arguments.quick
    if not (quick or is_installed("karateclub")):
        print("karateclub is not installed: the others run without AE and MUSAE.")
    report = measure(arguments.data / "cora.npz", quick)
    publish(report, TITLES, arguments.output)


def measure(file, quick):
    # The timed fits come first: on Linux a process inherits the peak memory of the one
    # that starts it.
    runs = measure_fits(file, n_processes=1 if quick else 3)
    cora = load_cora(file)
    data_sets = {"Cora": cora} if quick else {"Cora": cora, **load_others()}
    seeds = SEEDS[:1] if quick else SEEDS
    with warnings.catch_warnings():
        # Some nodes have no links, and new ones none to those of fit.
        warnings.filterwarnings("ignore", "[0-9]+ of the [0-9]+ rows", UserWarning)
        accuracies = score_methods(data_sets, seeds)
        if is_installed("karateclub") and not quick:
            accuracies |= score_rivals(cora)
        new_nodes = score_new_nodes(cora, seeds, n_folds=1 if quick else 5)
    return {
        "settings": {"n_components": N_COMPONENTS, "seeds": seeds, "quick": quick},
        "environment": environment("networkx", "pandas", "matplotlib", "karateclub"),
        "data": [described(name, data) for name, data in data_sets.items()],
        "accuracy": by_data_set(accuracies, data_sets),
        "new_nodes": new_nodes,
        "time_and_memory": summarize(runs),
        "runs": runs,
    }


# --- Data


def load_cora(file):
    return DataSet(load_graph(file), load_csr(file, "attr_"), load_labels(file))


def load_others():
    return {
        "docstrings": load_docstrings(),
        "digits": load_digit_halves(),
        "strong graph": block_model(within=0.02, between=0.002, on_topic=0.25),
        "strong words": block_model(within=0.01, between=0.004, on_topic=0.5),
        "middling": block_model(within=0.012, between=0.004, on_topic=0.3),
    }


def load_digit_halves():
    pixels, digits = load_digits(return_X_y=True)
    halves = np.split(pixels.reshape(-1, 8, 8), 2, axis=2)
    left, right = (half.reshape(len(digits), -1) for half in halves)
    # A tree breaks ties between distances alike on every machine.
    nearest = NearestNeighbors(n_neighbors=5, algorithm="kd_tree").fit(left)
    return DataSet(undirected(nearest.kneighbors_graph()), csr(right), digits)


def block_model(within, between, on_topic):
    """Return groups of nodes with words, of which a share is of the group's own.

    Two nodes are joined with one probability within a group, with another between two.
    """
    n_nodes, n_groups, n_own, length = 2000, 10, 60, 12
    rng = np.random.default_rng(0)
    groups = rng.integers(n_groups, size=n_nodes)
    chances = np.where(groups[:, None] == groups, within, between)
    edges = np.triu(rng.random(chances.shape) < chances, k=1)
    own = groups[:, None] * n_own + rng.integers(n_own, size=(n_nodes, length))
    any_ones = rng.integers(n_groups * n_own, size=own.shape)
    words = np.where(rng.random(own.shape) < on_topic, own, any_ones)
    counts = np.zeros((n_nodes, n_groups * n_own))
    np.add.at(counts, (np.arange(n_nodes)[:, None], words), 1)
    return DataSet(undirected(sp.csr_array(edges)), csr(counts), groups)


def load_docstrings():
    found = [entry for name in filter(is_installed, PACKAGES) for entry in public(name)]
    found = list({entry.text: entry for entry in found}.values())
    sizes = Counter(entry.module for entry in found)
    found = [entry for entry in found if sizes[entry.module] >= LEAST_MEMBERS]
    counter = CountVectorizer(
        token_pattern=r"[^\W\d_]{3,}", stop_words="english", min_df=3, max_df=0.3
    )
    words = counter.fit_transform(
        CODE.sub("", SEE_ALSO.sub("", entry.text)) for entry in found
    )
    modules = np.array([entry.module for entry in found])
    return DataSet(reference_graph(found), csr(words), modules)


def public(package):
    """Yield the docstrings of public functions and classes in a package's files."""
    folder = Path(find_spec(package).origin).parent
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[0].startswith("_") or not SKIPPED.isdisjoint(parts):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if len(text) >= 200 and not node.name.startswith("_"):
                    yield Docstring(package, f"{package}.{parts[0]}", node.name, text)


def reference_graph(found):
    """Join docstrings to those they name under "See Also", the nearest of a name."""
    number = {}
    for row, entry in enumerate(found):
        number.setdefault((entry.module, entry.name), row)
        number.setdefault((entry.package, entry.name), row)
    pairs = []
    for row, entry in enumerate(found):
        for name in references(entry.text):
            column = number.get((entry.module, name), number.get((entry.package, name)))
            if column not in (None, row):
                pairs.append((row, column))
    shape = (len(found), len(found))
    return undirected(sp.coo_array((np.ones(len(pairs)), np.transpose(pairs)), shape))


def references(text):
    """Yield the last part of each name in front of a colon under "See Also"."""
    section = SEE_ALSO.search(text)
    for line in section[1].splitlines() if section else ():
        if line and not line[0].isspace():
            names = re.split(r"\s:(?:\s|$)", re.sub(r":\w+:", "", line))[0]
            yield from (name.split(".")[-1] for name in re.findall(r"[\w.]+", names))


def csr(matrix):
    return sp.csr_array(matrix, dtype=np.float32)


def undirected(edges):
    return csr((edges + edges.T) > 0)


def described(name, data):
    return {
        "data_set": name,
        "nodes": data.graph.shape[0],
        "links": data.graph.nnz // 2,
        "nodes_without_links": int((data.graph.sum(axis=1) == 0).sum()),
        "attributes": data.attributes.shape[1],
        "attributes_per_node": data.attributes.nnz / data.attributes.shape[0],
        "classes": len(np.unique(data.labels)),
        "largest_class": np.unique(data.labels, return_counts=True)[1].max()
        / len(data.labels),
    }


# --- Methods: from a data set, a seed and a number of columns to vectors


def both(data, seed, n_components=N_COMPONENTS):
    return new_embedder(seed, n_components).fit_transform(data.both)


def two_scales(data, seed):
    scales = [
        new_embedder(seed, N_COMPONENTS // 2, walk_length=walk_length)
        for walk_length in (1, 3)
    ]
    lookups = [EmbeddingLookup(scale, data.both, inductive=False) for scale in scales]
    return make_union(*lookups).fit_transform(ids_of(data))


def graph_alone(data, seed, n_components=N_COMPONENTS):
    embedder = GraphEmbedder(n_components, n_jobs=N_JOBS, random_state=seed)
    return embedder.fit_transform(data.graph)


def attributes_alone(data, seed, n_components=N_COMPONENTS):
    embedder = BipartiteEmbedder(
        n_components, temperature=0.25, n_gaussians=64, n_jobs=N_JOBS, random_state=seed
    )
    return embedder.fit_transform(data.attributes)


def svd_of_attributes(data, seed, n_components=N_COMPONENTS):
    n_components = min(n_components, data.attributes.shape[1])
    svd = TruncatedSVD(n_components, random_state=seed)
    model = make_pipeline(TfidfTransformer(), svd, Normalizer())
    return model.fit_transform(data.attributes)


def beside(*methods):
    """Return the method that shares the columns out among methods."""
    n_components = N_COMPONENTS // len(methods)
    return lambda data, seed: np.hstack(
        [method(data, seed, n_components) for method in methods]
    )


METHODS = {
    "AttributedGraph": both,
    "AttributedGraph, walk_length 1 + 3": two_scales,
    "Graph": graph_alone,
    "Bipartite": attributes_alone,
    "Graph + Bipartite": beside(graph_alone, attributes_alone),
    "SVD": svd_of_attributes,
    "Graph + SVD": beside(graph_alone, svd_of_attributes),
}


def new_embedder(seed=0, n_components=N_COMPONENTS, n_jobs=N_JOBS, **parameters):
    return AttributedGraphEmbedder(
        n_components, n_jobs=n_jobs, random_state=seed, **parameters
    )


def embed_with_karateclub(name, data):
    import karateclub
    import networkx as nx

    # Both put a part for the attributes alone beside one for each scale, or for all.
    n_parts = {"AE": 2, "MUSAE": 4}[name]
    model = getattr(karateclub, name)(
        dimensions=N_COMPONENTS // n_parts, workers=N_JOBS, seed=SEEDS[0]
    )
    model.fit(nx.from_scipy_sparse_array(data.graph), data.attributes.tocoo())
    return normalize(model.get_embedding())


# --- Accuracy


def score_methods(data_sets, seeds):
    """Return the means over seeds, by method and data set."""
    scores = {}
    for (name, data), (method, embed) in product(data_sets.items(), METHODS.items()):
        print(f"{name}, {method}", file=sys.stderr)
        scores[method, name] = means(
            [score_vectors(embed(data, seed), data.labels) for seed in seeds]
        )
    return scores


def score_rivals(cora):
    scores = {}
    for name in RIVALS:
        print(f"Cora, {name}", file=sys.stderr)
        vectors = embed_with_karateclub(name, cora)
        scores[f"{name} (karateclub)", "Cora"] = score_vectors(vectors, cora.labels)
    return scores


def score_vectors(vectors, labels):
    return {
        percent: accuracy(
            new_classifier(),
            vectors,
            labels,
            StratifiedShuffleSplit(5, train_size=percent / 100, random_state=0),
        )
        for percent in PERCENTS
    }


def new_classifier():
    return LogisticRegression(C=10, max_iter=500)


def accuracy(model, X, labels, splits):
    with threadpool_limits(1):  # two would wait for one another
        return float(cross_val_score(model, X, labels, cv=splits).mean())


def by_data_set(scores, data_sets):
    """Return a row for each method and share of labels, a column for each data set."""
    methods = dict.fromkeys(method for method, _ in scores)
    return [
        {
            "labelled_percent": percent,
            "method": method,
            **{
                name: scores[method, name][percent]
                if (method, name) in scores
                else None
                for name in data_sets
            },
        }
        for percent, method in product(PERCENTS, methods)
    ]


# --- New nodes


def score_new_nodes(data, seeds, n_folds):
    splitter = StratifiedKFold(5, shuffle=True, random_state=0)
    folds = list(splitter.split(data.labels, data.labels))[:n_folds]
    scores = []
    for seed in seeds:
        print(f"new nodes, seed {seed}", file=sys.stderr)
        scores.append(
            {
                "whole graph": score_lookup(data, seed, folds, inductive=False),
                "new, links and attributes": score_lookup(
                    data, seed, folds, inductive=True
                ),
                **means([score_parts(data, seed, *fold) for fold in folds]),
            }
        )
    return [
        {"test_nodes": key, "accuracy": value} for key, value in means(scores).items()
    ]


def score_lookup(data, seed, folds, inductive):
    lookup = EmbeddingLookup(new_embedder(seed), data.both, inductive=inductive)
    model = make_pipeline(lookup, new_classifier())
    return accuracy(model, ids_of(data), data.labels, folds)


def score_parts(data, seed, train, test):
    """Return the accuracies from the links alone, and from the attributes alone."""
    embedder, classifier = new_embedder(seed), new_classifier()
    graph, attributes = data.graph[:, train], data.attributes
    known = sp.hstack([graph[train], attributes[train]], format="csr")
    classifier.fit(embedder.fit_transform(known), data.labels[train])
    links, words = graph[test], attributes[test]
    parts = {
        "new, links alone": [links, sp.csr_array(words.shape)],
        "new, attributes alone": [sp.csr_array(links.shape), words],
    }
    return {
        key: classifier.score(
            embedder.transform(sp.hstack(part, format="csr")), data.labels[test]
        )
        for key, part in parts.items()
    }


def ids_of(data):
    return np.arange(len(data.labels)).reshape(-1, 1)


# --- Time and memory, each fit in a process of its own


def measure_fits(file, n_processes):
    runs = []
    for run, n_jobs in product(range(n_processes), (1, 2)):
        print(f"time and memory, {n_jobs} threads, run {run}", file=sys.stderr)
        figures = in_new_process(fit_and_measure, file, n_jobs)
        runs.append({"threads": n_jobs, **figures})
    return runs


def fit_and_measure(file, n_jobs):
    data = load_cora(file).both
    embedder = new_embedder(n_jobs=n_jobs)
    # Imports and compilation are over once it has been fitted to a tiny graph.
    embedder.fit(sp.hstack([sp.eye_array(100, dtype=np.float32)] * 2, format="csr"))
    before = peak_memory()
    start = perf_counter()
    embedder.fit(data)
    seconds = perf_counter() - start
    return {"seconds": seconds, "before_fit_MB": before, "peak_MB": peak_memory()}


def summarize(runs):
    figures = ("seconds", "before_fit_MB", "peak_MB")
    return [
        {
            "threads": n_jobs,
            **{key: median(run[key] for run in group) for key in figures},
        }
        for (n_jobs,), group in grouped(runs, "threads").items()
    ]


if __name__ == "__main__":
    main()
