"""Fixtures: small graphs and interactions, made afresh for each test that asks."""

import numpy as np
import pytest
import scipy.sparse as sp


def random_graph(n_nodes, density, seed, *, directed=False, dtype=np.float64):
    """Return a weighted graph as CSR; undirected unless asked otherwise."""
    rng = np.random.default_rng(seed)
    links = rng.integers(0, n_nodes, (2, int(density * n_nodes**2)))
    weights = rng.random(links.shape[1])
    A = sp.csr_array((weights, tuple(links)), shape=(n_nodes, n_nodes), dtype=dtype)
    return A if directed else (A + A.T).tocsr()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Cut even small graphs into several blocks: one block hides what blocks break."""
    monkeypatch.setattr("skemb._parallel._BLOCK_SIZE", 1)


@pytest.fixture
def graph():
    """An undirected weighted graph of 60 nodes without isolated ones."""
    ring = sp.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(60, 60))
    return (random_graph(60, 0.05, seed=0) + ring).tocsr()


@pytest.fixture
def directed_graph():
    """A directed graph of 50 nodes with dangling, unreachable and isolated ones."""
    A = random_graph(50, 0.06, seed=1, directed=True).toarray()
    A[[3, 4]] = 0
    A[:, [5, 6]] = 0
    A[7] = A[:, 7] = 0
    A[8, 3] = A[5, 8] = 1
    return sp.csr_array(A)


@pytest.fixture
def interactions():
    """Counts of 50 rows and 35 columns, some of both empty."""
    rng = np.random.default_rng(2)
    X = rng.poisson(0.2, (50, 35)) * rng.integers(1, 4, (50, 35))
    X[:, 0] = 1
    X[[3, 4]] = 0
    X[:, [5, 6]] = 0
    return sp.csr_array(X.astype(np.float64))


@pytest.fixture
def rng():
    return np.random.default_rng(0)
