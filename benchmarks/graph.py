"""Compare skemb's graph embedding with EDRep's: quality, time and memory.

Both embed the same graphs at equal dimension (128), walk length (3) and number of
epochs, in one run; skemb in float32, EDRep in float64, the only one it has. Otherwise
both keep their defaults, of which BLAS's number of threads is one for EDRep.

Five tables are printed, in this order:

1. Time and memory: seconds from the adjacency matrix to the embedding, and the peak
   resident memory in MB (10^6 bytes) of the process that did nothing else, beside
   the peak before the fit (interpreter, imports, graph, a warm-up on a tiny graph).
   The median of three processes for each figure, one for cnr-2000. Ratios above one
   say that EDRep takes more.
2. Cold and warm start: seconds that ``import skemb`` adds to ``import sklearn, numba``,
   and seconds of a whole process that imports skemb, fits and transforms a graph of
   1,000 nodes, first with an empty cache of numba's, then with the cache it left.
3. Labels of BlogCatalog: F1 of one-vs-rest logistic regression on 10 % and on 50 % of
   the nodes. As is usual with this graph, the true number of labels of each test node
   is given. The mean of two random splits.
4. New nodes of BlogCatalog: the same F1 on 20 % of the nodes, once embedded by
   ``transform`` from their edges to the 80 % that skemb was fitted on, and once as
   part of the whole graph. EDRep cannot embed new nodes.
5. Communities of com-Amazon: normalised mutual information (NMI) with k-means.

Run it where skemb, and EDRep from the extra ``bench``, can be imported::

    python benchmarks/graph.py --data DIR [--output FILE.json] [--quick]

DIR holds ``blogcatalog.npz``, ``com_amazon_edrep.npz`` and ``cnr_2000_directed.npz``.
Each is a graph in CSR (``indptr``, ``indices``, ``data``, ``shape``), the first with
labels in CSR (``label_indptr``, ...), the second with ``labels``, -1 for none. All are
made undirected and unweighted. The JSON file receives every figure. ``--quick`` is a
smoke test: five epochs, one repeat, no cnr-2000.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, normalized_mutual_info_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

try:
    import resource
except ImportError:
    sys.exit("This benchmark measures memory with the module resource of Unix.")

N_COMPONENTS = 128
WALK_LENGTH = 3
RANDOM_STATE = 0
SPLIT_SEEDS = (0, 1)
LABEL_SHARES = (0.1, 0.5)
TRAINING_SHARE = 0.8
QUICK_EPOCHS = 5


class DataSet(NamedTuple):
    file_name: str
    epochs: int
    repeats: int
    is_scored: bool


DATA_SETS = {
    "BlogCatalog": DataSet("blogcatalog.npz", 50, 3, True),
    "com-Amazon": DataSet("com_amazon_edrep.npz", 50, 3, True),
    "cnr-2000": DataSet("cnr_2000_directed.npz", 20, 1, False),
}

SKEMB_JOBS = (1, -1)

IMPORT_SCRIPT = """
import sklearn, numba
from time import perf_counter
start = perf_counter()
import skemb
print(perf_counter() - start)
"""

FIRST_USE_SCRIPT = """
import numpy as np
import scipy.sparse as sp
from skemb import GraphEmbedder
edges = tuple(np.random.default_rng(0).integers(1000, size=(2, 10_000)))
graph = sp.coo_array((np.ones(10_000), edges), shape=(1000, 1000)).tocsr()
graph = graph + graph.T
GraphEmbedder(random_state=0).fit(graph).transform(graph)
"""


def main():
    arguments = parse_arguments()
    libraries = ["skemb"]
    if find_spec("EDRep"):
        libraries.append("EDRep")
    else:
        print("EDRep is not installed (extra `bench`): skemb runs alone.\n")
    with tempfile.TemporaryDirectory() as folder:
        # Before anything that needs memory here: on Linux, a child process starts
        # with its parent's peak as its own.
        fits = measure_fits(arguments, libraries, Path(folder))
        print_fits(fits)
        start = measure_start(n_imports=1 if arguments.quick else 5)
        print_start(start)
        embeddings = {
            name: {
                library: np.load(embedding_file(folder, name, library))
                for library in libraries
            }
            for name in ("BlogCatalog", "com-Amazon")
        }
    epochs = epochs_of(DATA_SETS["BlogCatalog"], arguments.quick)
    file = arguments.data / DATA_SETS["BlogCatalog"].file_name
    labels = load_label_sets(file)
    labelled = score_labels(embeddings["BlogCatalog"], labels)
    print_labelled(labelled)
    new_nodes = score_new_nodes(
        embeddings["BlogCatalog"], load_graph(file, np.float32), labels, epochs
    )
    print_new_nodes(new_nodes)
    file = arguments.data / DATA_SETS["com-Amazon"].file_name
    communities = score_communities(embeddings["com-Amazon"], file)
    print_communities(communities)
