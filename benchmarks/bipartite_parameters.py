"""Show what the parameters of BipartiteEmbedder do to quality and time.

Of every row of four data sets, ``split_entries`` hides 20 % of the entries. The
embedder is fitted on the others, in float32, and recommends 20 columns to the same
rows, of which at most 5,000, evenly spaced, are scored: by ``ndcg_at_k`` and
``recall_at_k`` at 20, against the hidden entries. One parameter varies at a time, the
others keep their defaults:

1. ``temperature``, from 1/16 to 1, and what the default chooses; one random start.
2. ``n_gaussians``, from 1 to 1,024, against the seconds that ``fit`` takes with
   ``n_jobs=-1``; of three random starts the mean scores and the least seconds, as other
   work on the machine can only add to them.
3. ``context_power``, from 0 to 1; one random start.

The data sets:

- Gowalla: users x places, only the training part of the usual split, so that nothing
  is chosen on its test part.
- 20 newsgroups: documents x the 20,000 most frequent of the words that are in 10
  documents or more, and in a fifth of them or less, without English stop words.
- Cora: papers x words.
- topics: generated, 6,000 rows x 4,000 columns. A row mixes few of 40 topics, and
  topics differ little beyond popularity: data with much noise.

For comparison, the table of the data sets holds the NDCG of the same most popular
columns for all rows, but those that a row is known to have.

Run it where skemb and its extra ``plot`` can be imported::

    python benchmarks/bipartite_parameters.py --data DIR [--output FILE.json]
        [--figure FILE.png] [--quick]

DIR holds ``gowalla.npz``, a CSR matrix (``indptr``, ``indices``, ``data``, ``shape``)
with ``is_test`` along ``data``; ``cora.npz``, with the same keys after ``attr_``; and
``20newsgroups_bydate.txt.gz``, a document a line: label, split, id and text, separated
by tabs. The figure is the one of the user guide, ``docs/bipartite_parameters.png``.
The JSON file holds the tables printed, every single run, and versions. ``--quick`` is
a smoke test of less than a minute: the two small data sets and fewer values.
"""

import sys
from fractions import Fraction
from itertools import product
from operator import itemgetter
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from _data import load_csr, load_gowalla, read_newsgroups
from _report import argument_parser, environment, grouped, publish
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullFormatter
from sklearn.feature_extraction.text import CountVectorizer

from skemb import BipartiteEmbedder
from skemb.metrics import ndcg_at_k, recall_at_k
from skemb.model_selection import split_entries

N_ITEMS = 20
MAX_SCORED_ROWS = 5000

TITLES = {
    "data_sets": "Data sets",
    "temperature": "1. temperature",
    "n_gaussians": "2. n_gaussians",
    "context_power": "3. context_power",
}

DEFAULTS = BipartiteEmbedder().get_params()
VALUES = {
    "temperature": [1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6, 1 / 8, 1 / 12, 1 / 16],
    "n_gaussians": [1, 16, 64, 256, 1024],
    "context_power": [0.0, 0.25, 0.5, 0.75, 1.0],
}
QUICK_VALUES = {
    "temperature": [1 / 2, 1 / 4, 1 / 16],
    "n_gaussians": [1, 64],
    "context_power": [0.0, 0.5, 1.0],
}
SEEDS = {"temperature": [0], "n_gaussians": [0, 1, 2], "context_power": [0]}


class Style(NamedTuple):
    """How the figure shows a data set."""

    color: str
    marker: str
    label_offset: tuple[float, float]  # of n_gaussians from its point


# Okabe and Ito's colours, which the colour-blind tell apart, and a marker for print.
STYLES = {
    "Gowalla": Style("#0072B2", "o", label_offset=(11, -8)),
    "20 newsgroups": Style("#D55E00", "s", label_offset=(5, -11)),
    "Cora": Style("#009E73", "^", label_offset=(2, -11)),
    "topics (generated)": Style("#CC79A7", "D", label_offset=(-6, 10)),
}


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--figure", type=Path, metavar="FILE.png")
    arguments = parser.parse_args()
    report = measure(arguments.data, arguments.quick)
    publish(report, TITLES, arguments.output, digits=4)
    if arguments.figure:
        draw(report, arguments.figure)


def measure(folder, quick):
    values = {
        parameter: sorted(
            {*some, DEFAULTS[parameter]}, key=lambda v: (isinstance(v, str), v)
        )
        for parameter, some in (QUICK_VALUES if quick else VALUES).items()
    }
    compile_kernels()
    shapes, runs = [], []
    for name, X in load_data_sets(folder, quick):
        train, test = split_entries(X, test_size=0.2, random_state=0)
        shapes.append(
            {"data_set": name, **size(X), "popular_ndcg": score_popular(train, test)}
        )
        runs += measure_data_set(name, train, test, values)
    return {
        "settings": {"quick": quick, "defaults": DEFAULTS, "seeds": SEEDS},
        "environment": environment(),
        "data_sets": shapes,
        **{
            parameter: summarize(runs, parameter, values[parameter])
            for parameter in values
        },
        "runs": runs,
    }


# --- Data


def load_data_sets(folder, quick):
    """Yield names and 0/1 matrices in CSR, one after the other to save memory."""
    if not quick:
        yield "Gowalla", sp.csr_array(load_gowalla(folder / "gowalla.npz")[0])
        yield "20 newsgroups", load_newsgroups(folder / "20newsgroups_bydate.txt.gz")
    yield "Cora", load_csr(folder / "cora.npz", prefix="attr_")
    yield "topics (generated)", generate_topics()


def load_newsgroups(file):
    texts = [text for _, _, text in read_newsgroups(file)]
    vectorizer = CountVectorizer(
        min_df=10,
        max_df=0.2,
        stop_words="english",
        max_features=20_000,
        binary=True,
        dtype=np.float32,
    )
    X = sp.csr_array(vectorizer.fit_transform(texts))
    return X[np.diff(X.indptr) > 0]


def generate_topics(n_rows=6000, n_columns=4000, n_topics=40, mean_length=25):
    rng = np.random.default_rng(0)
    popularity = np.arange(1, n_columns + 1) ** -0.8
    popularity /= popularity.sum()
    topics = rng.dirichlet(popularity * n_columns * 0.05, size=n_topics)
    shares = rng.dirichlet(np.full(n_topics, 0.08), size=n_rows) @ topics
    lengths = rng.geometric(1 / mean_length, size=n_rows) + 2
    rows = [
        np.unique(rng.choice(n_columns, size=length, p=share / share.sum()))
        for length, share in zip(lengths, shares, strict=True)
    ]
    columns = np.concatenate(rows)
    starts = np.cumsum([0, *map(len, rows)])
    ones = np.ones(len(columns), dtype=np.float32)
    return sp.csr_array((ones, columns, starts), shape=(n_rows, n_columns))


def size(X):
    return {"rows": X.shape[0], "columns": X.shape[1], "entries": int(X.nnz)}


# --- Runs


def compile_kernels():
    """Fit a tiny matrix, for imports and compilation to be over before timing."""
    X = sp.csr_array(np.kron(np.eye(2), np.ones((30, 30))).astype(np.float32))
    fit_and_score(X, X[:, ::-1], {"n_gaussians": 2}, seed=0)


def score_popular(train, test):
    """Return the NDCG of the most popular columns that each row does not have."""
    scored = scored_rows(train.shape[0])
    popular_first = np.argsort(-train.sum(axis=0), kind="stable")
    ranked = []
    for row in scored:
        known = train.indices[train.indptr[row] : train.indptr[row + 1]]
        first = popular_first[: N_ITEMS + len(known)]
        ranked.append(first[~np.isin(first, known)][:N_ITEMS])
    return ndcg_at_k(test[scored], np.array(ranked))


def measure_data_set(name, train, test, values):
    known = {}  # the defaults are part of all three series, and run once
    runs = []
    for parameter, some in values.items():
        # Seeds come first, for repeats to be apart in time, as other work may disturb.
        for seed, value in product(SEEDS[parameter], some):
            changed = {parameter: value} if value != DEFAULTS[parameter] else {}
            key = (*changed.items(), seed)
            if key not in known:
                print(name, changed or "defaults", f"seed {seed}", file=sys.stderr)
                known[key] = fit_and_score(train, test, changed, seed)
            setup = {"data_set": name, "parameter": parameter, "value": value}
            runs.append({**setup, "seed": seed, **known[key]})
    return runs


def fit_and_score(train, test, changed, seed):
    embedder = BipartiteEmbedder(random_state=seed, n_jobs=-1, **changed)
    start = perf_counter()
    embedder.fit(train)
    seconds = perf_counter() - start
    scored = scored_rows(train.shape[0])
    columns, _ = embedder.recommend(train[scored], n_items=N_ITEMS)
    return {
        "ndcg": ndcg_at_k(test[scored], columns),
        "recall": recall_at_k(test[scored], columns),
        "seconds": seconds,
        "fitted_temperature": embedder.temperature_,
    }


def scored_rows(n_rows):
    return np.linspace(0, n_rows - 1, min(n_rows, MAX_SCORED_ROWS)).astype(int)


def summarize(runs, parameter, values):
    """Return a record for each data set and value: mean scores, least seconds."""
    runs = [run for run in runs if run["parameter"] == parameter]
    records = [
        {
            "data_set": data_set,
            parameter: value,
            "ndcg": mean(run["ndcg"] for run in group),
            "recall": mean(run["recall"] for run in group),
            "seconds": min(run["seconds"] for run in group),
            "fitted_temperature": group[0]["fitted_temperature"],
        }
        for (data_set, value), group in grouped(runs, "data_set", "value").items()
    ]
    best = {}
    for record in records:
        best[record["data_set"]] = max(record["ndcg"], best.get(record["data_set"], 0))
    for record in records:
        record["ndcg_of_best"] = record["ndcg"] / best[record["data_set"]]
    return records


# --- Figure


def draw(report, file):
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    panels = figure.subplots(1, 3, width_ratios=[1.1, 1.3, 1])
    draw_temperature(panels[0], report["temperature"], report["data_sets"])
    draw_n_gaussians(panels[1], report["n_gaussians"])
    draw_context_power(panels[2], report["context_power"])
    for panel in panels:
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel(
        "NDCG@20, as a share of the best\nof that data set in the panel"
    )
    draw_legend(figure, report["data_sets"])
    figure.savefig(file, dpi=100, pil_kwargs={"optimize": True})


def draw_temperature(panel, records, data_sets):
    panel.set_title(
        "temperature: the best depends on\nthe data; the default can miss it"
    )
    panel.set_xlabel("temperature (log scale)")
    panel.set_xscale("log")
    values = {record["temperature"] for record in records} - {"auto"}
    panel.set_xticks(
        list(values), [str(Fraction(v).limit_denominator(100)) for v in values]
    )
    panel.set_xticks([], minor=True)
    panel.tick_params(axis="x", labelsize=8)
    panel.set_ylim(0, 1.05)
    draw_lines(panel, records, "temperature", x_key="fitted_temperature")
    for data_set in data_sets:
        name = data_set["data_set"]
        best = max(r["ndcg"] for r in records if r["data_set"] == name)
        share = data_set["popular_ndcg"] / best
        panel.axhline(share, color=STYLES[name].color, linestyle=":", zorder=0)


def draw_n_gaussians(panel, records):
    panel.set_title("n_gaussians (the numbers):\nhundreds pay off on the largest data")
    panel.set_xlabel("seconds of fit (log scale)")
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_ylim(0.65, 1.03)
    panel.text(0.02, 0.02, "axis starts at 0.65", transform=panel.transAxes, fontsize=8)
    draw_lines(panel, records, "n_gaussians", x_key="seconds")
    default = DEFAULTS["n_gaussians"]
    for record in records:
        if default / 2 <= record["n_gaussians"] < default:
            continue  # too near for two labels
        style = STYLES[record["data_set"]]
        panel.annotate(
            record["n_gaussians"],
            (record["seconds"], record["ndcg_of_best"]),
            xytext=style.label_offset,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            color=style.color,
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )


def draw_context_power(panel, records):
    panel.set_title("context_power hardly matters:\nranking has a prior of its own")
    panel.set_xlabel("context_power")
    panel.set_xticks(sorted({record["context_power"] for record in records}))
    panel.set_ylim(0, 1.05)
    draw_default(panel, DEFAULTS["context_power"])
    draw_lines(panel, records, "context_power")


def draw_default(panel, value):
    panel.axvline(value, color="0.4", linestyle="--", linewidth=1, zorder=0)


def draw_lines(panel, records, parameter, x_key=None):
    """Draw a line for each data set, with a filled marker at the default."""
    line_key = x_key if parameter == "temperature" else parameter
    for name, style in STYLES.items():
        own = [record for record in records if record["data_set"] == name]
        own.sort(key=itemgetter(line_key))
        x = [record[x_key or parameter] for record in own]
        y = [record["ndcg_of_best"] for record in own]
        is_default = [record[parameter] == DEFAULTS[parameter] for record in own]
        look = {"color": style.color, "marker": style.marker}
        panel.plot(x, y, **look, markersize=5.5, markerfacecolor="white")
        panel.plot(x, y, **look, markersize=7, linestyle="", markevery=is_default)


def draw_legend(figure, data_sets):
    lines = []
    for data_set in data_sets:
        style = STYLES[data_set["data_set"]]
        label = "{data_set}\n{rows:,} × {columns:,}".format(**data_set)
        look = {"color": style.color, "marker": style.marker, "label": label}
        lines.append(Line2D([], [], markerfacecolor="white", **look))
    gray = {"xdata": [], "ydata": [], "color": "0.4"}
    lines += [
        Line2D(**gray, linestyle="", marker="o", markersize=7, label="default"),
        Line2D(**gray, linestyle=":", label="most popular columns,\nthe same for all"),
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=6, frameon=False)


if __name__ == "__main__":
    main()
