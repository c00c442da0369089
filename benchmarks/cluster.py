"""Fit a graph whose rows stay on the workers of a Dask cluster, beside one machine.

A graph of 400 thousand nodes and 4 million edges drawn at random, the worst case for a
network as for caches, is written to a temporary folder, from which each worker maps its
rows. ``GraphEmbedder`` is fitted to it with 64 dimensions and walks of one step: once
as it is, on one thread, and then as a Dask array on clusters of 1, 2 and 4 processes of
one thread each. On a machine of two cores, that shows the overhead and not the gain.

- ``seconds``: of 20 epochs and all around them, everything compiled before.
- ``same_bytes``: whether ``embedding_`` is that of one machine.
- ``sent_MB_an_epoch``: what all workers together send to others, for each epoch, and
  ``rows_MB_an_epoch``: what the vectors that a worker does not have make for all of
  them. MB are 10^6 bytes.
- ``peak_MB``: the largest peak resident memory of a worker.
- ``killed_seconds``, ``killed_same_bytes``: of another fit, of which one worker is
  killed after a third of the time; the cluster starts a new one.

Run it where skemb and its extra ``dask`` can be imported::

    python benchmarks/cluster.py [--output FILE.json] [--quick]

It takes about five minutes on two cores. ``--quick`` is a smoke test: 140 thousand
nodes, 8 dimensions.
"""

import os
import signal
import sys
import warnings
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from time import perf_counter

import numpy as np
from _processes import in_new_process, peak_memory
from _report import argument_parser, environment, publish
from scaling import write_graph

N_WORKERS = [1, 2, 4]
N_EPOCHS, FEW_EPOCHS = 20, 2
CHUNK = 2**16

TITLES = {"one_machine": "1. One machine", "clusters": "2. Clusters"}


def main():
    arguments = argument_parser(__doc__, reads_data=False).parse_args()
    publish(measure(arguments.quick), TITLES, arguments.output)


def measure(quick):
    warnings.filterwarnings("ignore", ".* have no affinity", UserWarning)  # at random
    setup = {"n_nodes": 140_000, "n_components": 8, "degree": 20}
    if not quick:
        setup.update(n_nodes=400_000, n_components=64)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "graph"
        write_graph(folder, setup["n_nodes"], setup["degree"])
        fit = partial(fitted, setup["n_components"])
        print("one machine", file=sys.stderr)
        # Processes inherit the peak memory of the one that starts them.
        seconds, expected, peak = in_new_process(measure_one_machine, folder, fit)
        clusters = []
        for n_workers in N_WORKERS:
            print(f"{n_workers} workers", file=sys.stderr)
            clusters.append(measure_cluster(n_workers, folder, fit))
    vectors = setup["n_nodes"] * setup["n_components"] * 4 / 1e6
    for row in clusters:
        row["rows_MB_an_epoch"] = vectors * (row["workers"] - 1)
        for key in ("bytes", "killed_bytes"):
            row[f"{key.removesuffix('bytes')}same_bytes"] = row.pop(key) == expected
    return {
        "settings": {"quick": quick, "n_epochs": N_EPOCHS, **setup},
        "environment": environment("dask", "distributed"),
        "one_machine": [{"seconds": seconds, "peak_MB": peak}],
        "clusters": clusters,
    }


def fitted(n_components, X, n_epochs):
    """Return the seconds of a fit, and the digest of its vectors."""
    from skemb import GraphEmbedder

    embedder = GraphEmbedder(
        n_components, walk_length=1, max_iter=n_epochs, random_state=0
    )
    start = perf_counter()
    embedder.fit(X)
    seconds = perf_counter() - start
    return seconds, sha256(embedder.embedding_.tobytes()).hexdigest()


def measure_one_machine(folder, fit):
    from skemb.datasets import open_matrix

    warnings.filterwarnings("ignore", ".* have no affinity", UserWarning)
    graph = open_matrix(folder)
    fit(graph, FEW_EPOCHS)
    return *fit(graph, N_EPOCHS), peak_memory()


def measure_cluster(n_workers, folder, fit):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            dashboard_address=":0",
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        X = dask_array_of(folder)
        fit(X, FEW_EPOCHS)
        sent = [sent_bytes(client)]
        for n_epochs in (FEW_EPOCHS, N_EPOCHS):
            seconds, digest = fit(X, n_epochs)
            sent.append(sent_bytes(client))
        few, many = np.diff(sent)
        peak = max(client.run(peak_memory).values())
        victim = next(iter(client.run(os.getpid).values()))
        timer = Timer(seconds / 3, os.kill, (victim, signal.SIGKILL))
        timer.start()
        killed_seconds, killed_digest = fit(X, N_EPOCHS)
        timer.join()
    return {
        "workers": n_workers,
        "seconds": seconds,
        "bytes": digest,
        "sent_MB_an_epoch": float(many - few) / (N_EPOCHS - FEW_EPOCHS) / 1e6,
        "peak_MB": peak,
        "killed_seconds": killed_seconds,
        "killed_bytes": killed_digest,
    }


def dask_array_of(folder):
    """Return the matrix of a folder as a Dask array, of which workers read the rows."""
    import dask.array as da
    from dask import delayed

    from skemb.datasets import open_matrix

    n_rows, n_columns = open_matrix(folder).shape
    blocks = []
    for start in range(0, n_rows, CHUNK):
        stop = min(start + CHUNK, n_rows)
        block = delayed(rows_of)(folder, start, stop)
        blocks.append(da.from_delayed(block, (stop - start, n_columns), np.float32))
    return da.concatenate(blocks)


def rows_of(folder, start, stop):
    from skemb.datasets import open_matrix

    return open_matrix(folder)[start:stop]


def sent_bytes(client):
    """Return how much the workers have sent so far."""
    sent = client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total)
    return sum(sent.values())


if __name__ == "__main__":
    main()
