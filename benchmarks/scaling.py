"""Show how seconds and memory of GraphEmbedder grow, up to 2 million nodes.

Graphs are generated: edges between nodes drawn at random, so that no two nodes that are
near in memory have much in common, which is the worst case for caches. They are written
to a temporary folder by ``skemb.datasets.write_matrix`` (330 MB for the largest) and
mapped into memory, in float32. Each fit has a process of its own, 20 epochs, walks of
one step, all threads, and else the defaults but for what varies:

1. ``n_nodes``, from 20 thousand to 2 million, of degree 20 in the mean, 64 dimensions.
2. ``degree`` of 200 thousand nodes, from 10 to 80.
3. ``n_components`` of 200 thousand nodes of degree 20, from 16 to 256.
4. ``n_gaussians`` of the same, from 1 to 256.
5. ``n_jobs`` of the same, from 1 to the number of processors.

``seconds`` are those of ``fit``, all compiled before: the least of three fits, as other
work on the machine can only add to them, but of one for 2 million nodes.
``fit_adds_MB`` is by how much the peak resident memory of the process grows from before
the first fit, when it has imported all and read the graph once, to after; ``peak_MB``
is that peak, which counts the pages of the mapped graph that are in memory. MB are 10^6
bytes. The last table holds the exponents b of seconds (and of what the fit adds) ∝ x^b,
by least squares over the curve, and of the step from 200 thousand to 2 million nodes
alone.

Run it where skemb and its extra ``plot`` can be imported::

    python benchmarks/scaling.py [--output FILE.json] [--figure FILE.png] [--quick]

It takes about ten minutes on two cores. The figure is the one of the user guide,
``docs/scaling.png``. ``--quick`` is a smoke test: graphs of a hundredth of the size.
"""

import os
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from _processes import in_new_process, peak_memory
from _report import argument_parser, environment, publish

N_NODES = [20_000, 63_000, 200_000, 630_000, 2_000_000]
DEFAULTS = {
    "n_nodes": 200_000,
    "degree": 20,
    "n_components": 64,
    "n_gaussians": 1,
    "n_jobs": -1,
}
CURVES = {
    "n_nodes": N_NODES,
    "degree": [10, 20, 40, 80],
    "n_components": [16, 32, 64, 128, 256],
    "n_gaussians": [1, 4, 16, 64, 256],
    "n_jobs": sorted({1, 2, os.cpu_count()} & set(range(1, os.cpu_count() + 1))),
}
N_EPOCHS = 20
EDGES_A_CHUNK = 2**21

TITLES = {
    **{name: f"{k}. {name}" for k, name in enumerate(CURVES, 1)},
    "exponents": "6. Exponents",
}


def main():
    parser = argument_parser(__doc__, reads_data=False)
    parser.add_argument("--figure", type=Path, metavar="FILE.png")
    arguments = parser.parse_args()
    report = measure(arguments.quick)
    publish(report, TITLES, arguments.output)
    if arguments.figure:
        draw(report, arguments.figure)


def measure(quick):
    known, curves = {}, {}
    with TemporaryDirectory() as scratch:
        for name, values in CURVES.items():
            curves[name] = []
            for value in values:
                setup = {**DEFAULTS, name: value}
                if quick:
                    setup["n_nodes"] //= 100
                key = tuple(setup.values())
                if key not in known:
                    print(setup, file=sys.stderr)
                    known[key] = in_new_process(measure_fit, Path(scratch), setup)
                curves[name].append({name: setup[name], **known[key]})
    return {
        "settings": {"quick": quick, "defaults": DEFAULTS, "n_epochs": N_EPOCHS},
        "environment": environment(),
        **curves,
        "exponents": [*exponents(curves)],
    }


def exponents(curves):
    """Yield the exponents of each curve, and of the last step of the first one."""
    large = [row for row in curves["n_nodes"] if row["n_nodes"] >= N_NODES[-1] / 10]
    for name, rows in (*curves.items(), ("n_nodes", large)):
        if len(rows) < 2:
            continue
        x = np.log([row[name] for row in rows])
        slopes = {
            f"exponent_of_{key}": float(
                np.polyfit(x, np.log([row[key] for row in rows]), 1)[0]
            )
            for key in ("seconds", "fit_adds_MB")
        }
        yield {"curve": name, "from": rows[0][name], "to": rows[-1][name], **slopes}


# --- In processes of their own


def measure_fit(scratch, setup):
    """Return seconds and memory of one fit."""
    from skemb import GraphEmbedder
    from skemb.datasets import open_matrix

    warnings.filterwarnings("ignore", ".* have no affinity", UserWarning)  # at random
    folder = scratch / f"{setup['n_nodes']}_{setup['degree']}"
    if not folder.exists():
        in_new_process(write_graph, folder, setup["n_nodes"], setup["degree"])
    graph = open_matrix(folder)
    parameters = {
        name: setup[name] for name in ("n_components", "n_gaussians", "n_jobs")
    }
    embedder = GraphEmbedder(walk_length=1, random_state=0, **parameters)
    embedder.set_params(max_iter=2).fit(graph[:500, :500] + graph[:500, :500].T)
    for part in (graph.data, graph.indices):
        part.max()
    before = peak_memory()
    embedder.set_params(max_iter=N_EPOCHS)
    seconds, peaks = [], []
    for _ in range(1 if setup["n_nodes"] > 1e6 else 3):
        start = perf_counter()
        embedder.fit(graph)
        seconds.append(perf_counter() - start)
        peaks.append(peak_memory())  # the first: others hold what was fitted before
    return {
        "entries": int(graph.nnz),
        "seconds": min(seconds),
        "fit_adds_MB": peaks[0] - before,
        "peak_MB": peaks[0],
    }


def write_graph(folder, n_nodes, degree):
    from skemb.datasets import write_matrix

    n_edges = n_nodes * degree // 2

    def edges():
        rng = np.random.default_rng(0)
        for start in range(0, n_edges, EDGES_A_CHUNK):
            size = min(EDGES_A_CHUNK, n_edges - start)
            yield rng.integers(0, n_nodes, (2, size), dtype=np.int32)

    write_matrix(edges, folder, (n_nodes, n_nodes), symmetric=True)


# --- Figure


def draw(report, file):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    slopes = {row["curve"]: row for row in reversed(report["exponents"])}
    nodes = report["n_nodes"]
    draw_curve(panels[0], nodes, "n_nodes", "seconds", slopes, "nodes, of degree 20")
    panels[0].set_title("Seconds grow little faster than nodes")
    draw_curve(
        panels[1], nodes, "n_nodes", "fit_adds_MB", slopes, "nodes, of degree 20"
    )
    panels[1].set_title("... and memory no faster")
    panels[1].set_ylabel("MB that the fit adds")
    for name, marker in (("degree", "s"), ("n_components", "^"), ("n_gaussians", "D")):
        rows = report[name]
        x = [row[name] / rows[0][name] for row in rows]
        label = (
            f"{name}, from {rows[0][name]}: x^{slopes[name]['exponent_of_seconds']:.2f}"
        )
        seconds = [row["seconds"] for row in rows]
        panels[2].plot(x, seconds, marker=marker, label=label)
    panels[2].set(xscale="log", yscale="log", ylabel="seconds")
    panels[2].set_xlabel("times the least value")
    panels[2].set_title("200 thousand nodes: linear at most")
    panels[2].yaxis.set_major_formatter("{x:g}")
    panels[2].yaxis.set_minor_formatter("{x:g}")
    panels[2].legend(frameon=False)
    figure.savefig(file, dpi=150)


def draw_curve(panel, rows, x_key, y_key, slopes, label):
    x, y = ([row[key] for row in rows] for key in (x_key, y_key))
    panel.plot(x, y, marker="o", label=f"x^{slopes[x_key][f'exponent_of_{y_key}']:.2f}")
    panel.plot(x, y[0] * np.array(x) / x[0], ":", color="0.5", label="linear")
    panel.set(xscale="log", yscale="log", xlabel=label, ylabel=y_key)
    panel.legend(frameon=False)


if __name__ == "__main__":
    main()
