"""Show where an epoch's time goes, and how near each part is to the machine's limit.

One thread fits, in float32 and with all parameters at their defaults: GraphEmbedder
BlogCatalog and cnr-2000 (128 dimensions, walks of 3), BipartiteEmbedder Gowalla (64
dimensions, 512 Gaussians). Three tables are printed:

1. The machine, on one thread: ``read``, GB/s of a float32 array much larger than any
   cache (BLAS's product of it with itself); ``copy``, read and written bytes of copying
   it; ``gather``, bytes of rows of 128 numbers read in random order; ``multiply-add``,
   GFLOP/s of products of 512 x 512 matrices. The best of several.
2. Parts of the fits: seconds of an epoch, as the mean over epochs, and their share of
   it; the bytes a part asks for and the operations it does in a second; and the share
   of its limit, which is the longer of its bytes at the rate of ``read`` and its
   operations at the rate of ``multiply-add``, over its seconds. What is asked for may
   come from a cache, so that shares above one are possible.

   - ``sparse product``: P Y. Each entry asks for an index, a weight and a row of Y,
     each row of the result for itself twice.
   - ``normaliser``: log Z and its gradient at all rows: products with means (twice) and
     with the covariance. ``exponentials`` are its terms exp(.), apart, in exponentials
     a second (a limit of none is given).
   - ``moments``: weights, means and covariance of the contexts, and their labels.
   - ``step``: projection, step and normalisation of rows.
   - ``other``: all else in the epoch.

3. Order of the nodes: seconds of a sparse product of the two graphs, and of one whose
   edges are drawn at random (200 thousand nodes of degree 20), with nodes as they are
   given, in random order, and in that of reverse Cuthill-McKee; and the seconds that
   finding that order, and sorting the matrix by it, take.

Run it where skemb can be imported::

    python benchmarks/roofline.py --data DIR [--output FILE.json] [--quick]

DIR holds ``blogcatalog.npz``, ``cnr_2000_directed.npz`` and ``gowalla.npz``, as
``graph.py`` and ``bipartite.py`` want them. It takes about three minutes. ``--quick``
leaves cnr-2000 out, and fits for three epochs.
"""

import sys
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from time import perf_counter
from unittest.mock import patch

import numpy as np
import scipy.sparse as sp
from _data import load_gowalla, load_graph
from _report import argument_parser, environment, publish
from scipy.sparse.csgraph import reverse_cuthill_mckee
from threadpoolctl import threadpool_limits

from skemb import BipartiteEmbedder, GraphEmbedder, _normalizer, _operators, _trainer
from skemb._normalizer import GaussianNormalizer
from skemb._operators import SparseOperator
from skemb._parallel import Workers
from skemb._trainer import pull_of

TITLES = {
    "machine": "1. Machine, one thread",
    "parts": "2. Parts of an epoch",
    "orders": "3. Order of the nodes",
}
N_EPOCHS = 20


def main():
    arguments = argument_parser(__doc__).parse_args()
    publish(measure(arguments.data, arguments.quick), TITLES, arguments.output)


def measure(folder, quick):
    with threadpool_limits(1, user_api="blas"):
        machine = {name: rate() for name, rate in MACHINE.items()}
    parts, orders = [], []
    for name, embedder, X in load(folder, quick):
        print(name, file=sys.stderr)
        if X.shape[0] == X.shape[1]:
            orders.append({"data_set": name, **measure_orders(X)})
        embedder.set_params(max_iter=3 if quick else N_EPOCHS, random_state=0)
        parts += [
            {"data_set": name, **row} for row in measure_parts(embedder, X, machine)
        ]
    orders.append({"data_set": "at random", **measure_orders(random_graph())})
    return {
        "settings": {"quick": quick, "n_epochs": N_EPOCHS},
        "environment": environment(),
        "machine": [machine],
        "parts": parts,
        "orders": orders,
    }


def load(folder, quick):
    yield "BlogCatalog", GraphEmbedder(), load_graph(folder / "blogcatalog.npz")
    train, _ = load_gowalla(folder / "gowalla.npz")
    yield "Gowalla", BipartiteEmbedder(), sp.csr_array(train)
    if not quick:
        graph = load_graph(folder / "cnr_2000_directed.npz")
        yield "cnr-2000", GraphEmbedder(), graph


# --- Machine


def best(function, n_runs=7):
    times = []
    for _ in range(n_runs):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return min(times)


def read_rate():
    numbers = np.ones(2**26, dtype=np.float32)
    return numbers.nbytes / best(lambda: np.dot(numbers, numbers)) / 1e9


def copy_rate():
    numbers = np.ones(2**26, dtype=np.float32)
    target = np.empty_like(numbers)
    return 2 * numbers.nbytes / best(lambda: np.copyto(target, numbers)) / 1e9


def gather_rate():
    rows = np.ones((2**19, 128), dtype=np.float32)
    order = np.random.default_rng(0).permutation(len(rows))[: 2**17]
    target = np.empty((len(order), 128), dtype=np.float32)
    seconds = best(lambda: np.take(rows, order, axis=0, out=target, mode="clip"))
    return target.nbytes / seconds / 1e9


def multiply_add_rate():
    left, right, out = np.ones((3, 512, 512), dtype=np.float32)
    seconds = best(lambda: [np.matmul(left, right, out=out) for _ in range(20)])
    return 20 * 2 * 512**3 / seconds / 1e9


MACHINE = {
    "read_GB/s": read_rate,
    "copy_GB/s": copy_rate,
    "gather_GB/s": gather_rate,
    "multiply-add_GFLOP/s": multiply_add_rate,
}


# --- Parts: bytes asked for and operations done, by what each function is given


def product_work(indptr, indices, data, scale, source, start, out):
    n_entries = int(indptr[start + len(out)] - indptr[start])
    of_entry = indices.itemsize + data.itemsize + source[:1].nbytes
    return n_entries * of_entry + 2 * out.nbytes, 2 * n_entries * source.shape[1]


def evaluation_work(normalizer, rows, known=None, keys=None):
    n_columns = rows.shape[1] + (2 * normalizer.width if normalizer.width > 1 else 0)
    return 2 * rows.nbytes, 2 * rows.size * n_columns


def moments_work(centers, contexts, prior):
    n_columns = contexts.shape[1] + (0 if centers is None else len(centers))
    return contexts.nbytes, 2 * contexts.size * n_columns


def step_work(rows, *others):
    return 4 * rows.nbytes, 12 * rows.size


def exponentials_work(terms):
    return 0, terms.size


PARTS = {
    "sparse product": (_operators, "add_neighbors", product_work),
    "normaliser": (GaussianNormalizer, "evaluate", evaluation_work),
    "exponentials": (_normalizer, "exponentials", exponentials_work),
    "moments": (_normalizer, "_moments", moments_work),
    "step": (_trainer, "sphere_step", step_work),
}


class Account:
    """Seconds, bytes and operations of each part; what is nested counts once."""

    def __init__(self):
        self.totals = defaultdict(lambda: np.zeros(3))
        self._inner = [0.0]

    def timed(self, function, name, work):
        """Return the function as one whose calls count for the part."""

        def call(*arguments):
            self._inner.append(0.0)
            start = perf_counter()
            result = function(*arguments)
            seconds = perf_counter() - start
            self.totals[name] += seconds - self._inner.pop(), *work(*arguments)
            self._inner[-1] += seconds
            return result

        return call


@contextmanager
def accounted():
    """Take account of every call of a part inside."""
    account = Account()
    with ExitStack() as patches:
        for name, (place, attribute, work) in PARTS.items():
            function = account.timed(getattr(place, attribute), name, work)
            patches.enter_context(patch.object(place, attribute, function))
        yield account


def measure_parts(embedder, X, machine):
    """Yield the seconds of each part in an epoch, and its share of the limit."""
    embedder.fit(X)  # compiles

    def account_of(n_epochs):
        embedder.set_params(max_iter=n_epochs)
        with accounted() as account:
            start = perf_counter()
            embedder.fit(X)
            account.totals["fit"] += perf_counter() - start, 0, 0
        return account.totals

    n_epochs = embedder.max_iter
    # What comes before and after the epochs is the same in a fit of one.
    all_of, one_of = account_of(n_epochs), account_of(1)
    epoch = {
        name: (all_of[name] - one_of[name]) / (n_epochs - 1) for name in (*PARTS, "fit")
    }
    epoch["other"] = epoch["fit"] - sum(epoch[name] for name in PARTS)
    for name in (*PARTS, "other"):
        seconds, n_bytes, operations = epoch[name]
        limit = max(
            n_bytes / machine["read_GB/s"],
            operations / machine["multiply-add_GFLOP/s"],
        )
        is_limited = name not in ("exponentials", "other")
        yield {
            "part": name,
            "seconds": seconds,
            "share_of_epoch": seconds / epoch["fit"][0],
            "GB/s": n_bytes / seconds / 1e9 if is_limited else None,
            "G/s": operations / seconds / 1e9 if name != "other" else None,
            "share_of_limit": limit / 1e9 / seconds if is_limited else None,
        }


# --- Order of the nodes


def random_graph(n_nodes=200_000, degree=20):
    rng = np.random.default_rng(0)
    edges = rng.integers(0, n_nodes, (2, n_nodes * degree // 2))
    weights = np.ones(edges.shape[1], dtype=np.float32)
    A = sp.coo_array((weights, tuple(edges)), shape=(n_nodes, n_nodes)).tocsr()
    return (A + A.T).tocsr()


def measure_orders(A):
    """Return seconds of products with the nodes of CSR in several orders."""
    start = perf_counter()
    order = reverse_cuthill_mckee(sp.csr_matrix(A), symmetric_mode=True)
    near = A[order][:, order]
    seconds_to_sort = perf_counter() - start
    shuffled = np.random.default_rng(0).permutation(A.shape[0])
    orders = {
        "given": A,
        "shuffled": A[shuffled][:, shuffled],
        "reverse_Cuthill-McKee": near,
    }
    Y = np.random.default_rng(0).standard_normal((A.shape[0], 128), dtype=np.float32)
    seconds = {}
    with Workers() as workers:
        for name, matrix in orders.items():
            operator = SparseOperator(matrix, np.ones(A.shape[0]))
            seconds[name] = best(lambda P=operator: pull_of(P, Y, workers))
    return {**seconds, "to_find_and_sort": seconds_to_sort}


if __name__ == "__main__":
    main()
