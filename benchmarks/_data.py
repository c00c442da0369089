"""Data that several benchmarks read."""

import gzip

import numpy as np
import scipy.sparse as sp


def load_csr(file, prefix="", dtype=np.float32):
    with np.load(file) as arrays:
        return sp.csr_array(
            tuple(arrays[prefix + key] for key in ("data", "indices", "indptr")),
            shape=tuple(arrays[f"{prefix}shape"]),
            dtype=dtype,
        )


def load_graph(file, dtype=np.float32):
    """Return the adjacency matrix, made undirected and unweighted."""
    graph = load_csr(file, dtype=dtype)
    return ((graph + graph.T) > 0).astype(dtype)


def load_labels(file):
    with np.load(file) as arrays:
        return arrays["labels"]


def load_gowalla(file):
    """Return the training and the test part, 0/1 CSR matrices of users and items."""
    with np.load(file) as arrays:
        indptr, indices, shape = (arrays[key] for key in ("indptr", "indices", "shape"))
        is_test = arrays["is_test"].astype(bool)
    users = np.repeat(np.arange(shape[0], dtype=np.int32), np.diff(indptr))
    parts = []
    for chosen in (~is_test, is_test):
        pairs = (users[chosen], indices[chosen])
        ones = np.ones(len(pairs[0]), dtype=np.float32)
        # implicit refuses csr_array.
        parts.append(sp.csr_matrix((ones, pairs), shape=tuple(shape)))
    return parts


def read_newsgroups(file):
    """Yield the label, the part (train or test) and the text of each document."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            label, part, _, text = line.rstrip("\n").split("\t")
            yield label, part, text
