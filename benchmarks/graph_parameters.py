"""Show what each parameter of GraphEmbedder does to labels, to links and to time.

One parameter varies at a time, the others keep their defaults, in float32; the seed is
0. On each graph two things are measured, as ``features.py`` does:

- ``labels``: accuracy of logistic regression on the standardised vectors, half of the
  nodes labelled, mean of five splits; on BlogCatalog, whose nodes have sets of labels,
  micro F1 with 10 % labelled, as in the first table of ``graph.py``.
- ``links``: recall at 20 of held-out edges (a fifth), ranked by the cosine of node and
  context among all nodes that are not known neighbours; the nodes are fitted anew.

``seconds`` are those of the first fit, on all threads.

The graphs: BlogCatalog (friends), Cora (citations), LastFM (friends), and the nearest
ten neighbours of scikit-learn's images of digits.

Run it where skemb and its extra ``plot`` can be imported::

    python benchmarks/graph_parameters.py --data DIR [--output FILE.json]
        [--figure FILE.png] [--quick]

DIR holds ``blogcatalog.npz``, ``cora.npz`` and ``lastfm_asia.npz``, as ``graph.py`` and
``features.py`` want them. The figure is the one of the user guide,
``docs/graph_parameters.png``: figures as a share of what the defaults reach. It takes
about ten minutes on two cores; ``--quick`` is a smoke test of a minute: the digits
alone, and three values of each parameter.
"""

import sys
from fractions import Fraction
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
from _data import load_graph, load_labels
from _report import argument_parser, environment, publish
from features import accuracy, link_recall
from graph import score_labels
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.neighbors import kneighbors_graph

from skemb import GraphEmbedder

VALUES = {
    "temperature": [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0],
    "walk_length": [1, 2, 3, 4, 6, 10],
    "n_components": [8, 16, 32, 64, 128, 256],
    "n_gaussians": [1, 4, 16, 64, 256, 1024],
    "mean_penalty": [0.0, 0.1, 1.0, 10.0, 100.0],
    "context_power": [0.0, 0.25, 0.5, 0.75, 1.0],
    "max_iter": [5, 10, 20, 50, 100],
}
DEFAULTS = {name: GraphEmbedder().get_params()[name] for name in VALUES}
TITLES = {name: f"{k}. {name}" for k, name in enumerate(VALUES, 1)}
# Okabe and Ito's colours, which the colour-blind tell apart, and a marker for print.
STYLES = {
    "BlogCatalog": ("#0072B2", "o"),
    "Cora": ("#009E73", "^"),
    "LastFM": ("#D55E00", "s"),
    "digits": ("#CC79A7", "D"),
}
FILES = {"Cora": "cora.npz", "LastFM": "lastfm_asia.npz"}


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--figure", type=Path, metavar="FILE.png")
    arguments = parser.parse_args()
    report = measure(arguments.data, arguments.quick)
    publish(report, TITLES, arguments.output)
    if arguments.figure:
        draw(report, arguments.figure)


def measure(folder, quick):
    tables = {name: [] for name in VALUES}
    for name, graph, rate in load(folder, quick):
        embedder = GraphEmbedder(n_gaussians=2, max_iter=2, n_jobs=-1)
        embedder.fit(graph)  # loads and compiles all
        known = {}
        for parameter, values in VALUES.items():
            if quick:
                values = [*values[::3], DEFAULTS[parameter]]
            for value in sorted(set(values)):
                changed = {parameter: value} if value != DEFAULTS[parameter] else {}
                key = tuple(changed.items())
                if key not in known:
                    print(name, changed or "defaults", file=sys.stderr)
                    known[key] = measure_fit(graph, rate, changed)
                tables[parameter].append(
                    {"data_set": name, parameter: value, **known[key]}
                )
    return {
        "settings": {"quick": quick, "defaults": DEFAULTS},
        "environment": environment(),
        **tables,
    }


def load(folder, quick):
    """Yield names, graphs, and what rates vectors by labels."""
    images, digits = load_digits(return_X_y=True)
    near = kneighbors_graph(images, 10)
    graph = near.maximum(near.T).astype(np.float32).tocsr()
    yield "digits", graph, partial(accuracy, labels=digits)
    if quick:
        return
    for name, file in FILES.items():
        labels = load_labels(folder / file)
        yield name, load_graph(folder / file), partial(accuracy, labels=labels)
    file = folder / "blogcatalog.npz"

    def rate(vectors):
        return score_labels(file, {"skemb": vectors}, (0, 1))[0]["micro_F1"]

    yield "BlogCatalog", load_graph(file), rate


def measure_fit(graph, rate, changed):
    embedder = GraphEmbedder(n_jobs=-1, random_state=0).set_params(**changed)
    start = perf_counter()
    embedder.fit(graph)
    seconds = perf_counter() - start
    return {
        "labels": float(rate(embedder.embedding_)),
        "links": link_recall(embedder, graph),
        "seconds": seconds,
    }


# --- Figure


def draw(report, file):
    figure = Figure(figsize=(9, 13), layout="constrained")
    panels = figure.subplots(len(VALUES), 3)
    for row, parameter in zip(panels, VALUES, strict=True):
        for panel, figure_of in zip(row, ("labels", "links", "seconds"), strict=True):
            draw_panel(panel, report[parameter], parameter, figure_of)
    titles = (
        "Labels hardly mind,\nbut few dimensions",
        "Hidden links ask for\nmore Gaussians, lower t",
        "Seconds grow with walks,\ndimensions and epochs",
    )
    for panel, title in zip(panels[0], titles, strict=True):
        panel.set_title(title)
    figure.supylabel("as a share of what the defaults reach (dashed)")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(file, dpi=100, pil_kwargs={"optimize": True})


def draw_panel(panel, records, parameter, figure_of):
    for name, (color, marker) in STYLES.items():
        own = [record for record in records if record["data_set"] == name]
        if not own:
            continue
        x = np.arange(len(own))
        is_default = [record[parameter] == DEFAULTS[parameter] for record in own]
        y = np.array([record[figure_of] for record in own])
        y = y / y[is_default.index(True)]
        look = {"color": color, "marker": marker}
        panel.plot(x, y, **look, markersize=4, markerfacecolor="white", label=name)
    panel.axvline(is_default.index(True), color="0.4", linestyle="--", linewidth=1)
    panel.set_xticks(x, [shown(record[parameter]) for record in own], fontsize=8)
    panel.set_xlabel(parameter)
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_ylim(0, {"labels": 1.19, "links": 1.45, "seconds": 4.2}[figure_of])


def shown(value):
    if value and value < 1 and Fraction(value).denominator <= 16:
        return str(Fraction(value))
    return f"{value:g}"


if __name__ == "__main__":
    main()
