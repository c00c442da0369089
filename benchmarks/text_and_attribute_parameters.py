"""Show what parameters do: embedders of text, of co-occurrence, of nodes' attributes.

One parameter varies at a time, the others keep their defaults, in float32; the seed is
0, but where it varies itself, which tells what is chance. Each table has a row for each
value and a column for each score:

1. ``TextEmbedder``, for which ``min_df`` is 5 wherever it does not vary:

   - Wikipedia, a million words in documents of 10,000: ``likeness``, Spearman's
     correlation of cosines with people's scores of pairs (MEN), and ``analogies``, the
     share of Google's questions answered right among all words of the vocabulary. Both
     are of words in 20 documents or more, so that they are the same for all ``min_df``;
   - 20 newsgroups, a third and a tenth of the documents that the split by date trains
     on: accuracy of logistic regression on their standardised vectors, on a third of
     those to test on.

2. ``CooccurrenceEmbedder``: accuracy of logistic regression on standardised means of
   features. Of newsgroups (words in at least 5 documents, without English stop words)
   it is that on the same test part. Of the others it is the mean of five splits, half
   of the rows labelled, as in ``features.py``: digits (64 pixels), words of Cora's
   papers, friends of LastFM's users, and generated baskets, 12 items of 600 in each, a
   quarter of them of the group that is to be told.
3. ``AttributedGraphEmbedder``: accuracy with 5 % and with 50 % of the labels, as in
   ``attributed.py`` and on its data sets.

After each there is a table of the processor seconds of ``fit_transform``, the sum of
all threads, to which other work on the machine adds less than to seconds of a clock.

Run it where skemb and its extra ``plot`` can be imported::

    python benchmarks/text_and_attribute_parameters.py --data DIR
        [--output FILE.json] [--figures FOLDER] [--quick]

DIR holds ``wiki_en_100mb.txt.gz``, ``wordsim_men_tr_3k.tsv``, ``questions-words.txt``
and ``20newsgroups_bydate.txt.gz``, as ``text.py`` wants them, and ``cora.npz`` and
``lastfm_asia.npz``, as ``features.py`` and ``attributed.py`` do. The figures are those
of the user guide: ``text_parameters.png``, ``cooccurrence_parameters.png`` and
``attributed_parameters.png``; scores and seconds as a share of what the defaults reach.
It takes half an hour at most on two cores; ``--quick`` is a smoke test of two minutes:
one small data set for each embedder, and fewer values of each parameter.
"""

import gzip
import sys
import warnings
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import numpy as np
from _data import load_graph, load_labels, read_newsgroups
from _report import argument_parser, environment, publish
from attributed import block_model, load_cora, load_others, score_vectors
from features import accuracy
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from text import (
    CORPUS_FILE,
    MIN_DOCUMENTS,
    NEWS_FILE,
    PAIR_FILES,
    QUESTION_FILE,
    correlation,
    documents_of,
    load_pairs,
    load_questions,
    numbered,
    share_answered,
)
from threadpoolctl import threadpool_limits

from skemb import AttributedGraphEmbedder, CooccurrenceEmbedder, TextEmbedder

N_WIKIPEDIA_DOCUMENTS = 100
NAMES = ("auto", "random", "propagated")  # values without a place among the others
N_PANELS = 3  # beside one another
COVERED_IN = 20  # documents, at least, for a word to be asked about
NEWS_STEPS = {"newsgroups, third": 3, "newsgroups, tenth": 10}

# Okabe and Ito's colours, which the colour-blind tell apart, and a marker for print.
BLUE, GREEN, RED, PINK, SKY, ORANGE = (
    "#0072B2",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
)
MARKERS = {"linestyle": "", "markersize": 4.5, "markerfacecolor": "white"}


class DataSet(NamedTuple):
    """What is embedded, and how: ``rate`` takes the fitted embedder and its vectors."""

    name: str
    X: Any
    rate: Callable


class Panel(NamedTuple):
    parameter: str
    table: str
    title: str


class Study(NamedTuple):
    """What is measured of an embedder, and shown; ``styles`` are those of columns."""

    embedder: BaseEstimator
    values: dict
    load: Callable
    tables: tuple
    styles: dict
    panels: tuple
    limits: dict
    file: str

    @property
    def defaults(self):
        return {name: self.embedder.get_params()[name] for name in self.values}

    @property
    def name(self):
        return type(self.embedder).__name__

    def title(self, table):
        return f"{self.name}: {table}"


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--figures", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    with warnings.catch_warnings():
        # Some nodes have no links, some pixels are never inked.
        warnings.filterwarnings("ignore", "[0-9]+ of the [0-9]+ ", UserWarning)
        report = measure(arguments.data, arguments.quick)
    titles = [study.title(table) for study in STUDIES for table in study.tables]
    publish(report, {title: title for title in titles}, arguments.output)
    if arguments.figures:
        for study in STUDIES:
            draw(study, report, arguments.figures / study.file)


def measure(folder, quick):
    report = {
        "settings": {
            "quick": quick,
            "defaults": {study.name: study.defaults for study in STUDIES},
        },
        "environment": environment(),
    }
    for study in STUDIES:
        tables = {table: {} for table in study.tables}
        for data in study.load(folder, quick):
            for key, figures in measure_data_set(study, data, quick):
                for table, columns in figures.items():
                    tables[table].setdefault(key, {}).update(columns)
        for table, rows in tables.items():
            report[study.title(table)] = [
                {"parameter": parameter, "value": value, **columns}
                for (parameter, value), columns in rows.items()
            ]
    return report


def measure_data_set(study, data, quick):
    """Yield parameters with their values, and figures by table and column."""
    compiled = clone(study.embedder).set_params(n_gaussians=2, max_iter=2)
    compiled.fit_transform(data.X)
    known = {}
    for parameter, values in study.values.items():
        default = study.defaults[parameter]
        for value in values:
            if quick and value != default and values.index(value) % 3:
                continue
            changed = {parameter: value} if value != default else {}
            key = tuple(changed.items())
            if key not in known:
                print(data.name, changed or "defaults", file=sys.stderr)
                known[key] = fit_and_rate(study, data, changed)
            yield (parameter, shown(value)), known[key]


def fit_and_rate(study, data, changed):
    embedder = clone(study.embedder).set_params(**changed)
    start = process_time()
    vectors = embedder.fit_transform(data.X)
    seconds = process_time() - start
    return {**data.rate(embedder, vectors), "seconds": {data.name: seconds}}


def shown(value):
    if value is None or isinstance(value, str):
        return str(value)
    if 0 < value < 1 and Fraction(value).denominator <= 16:
        return str(Fraction(value))
    return f"{value:.0e}".replace("e-0", "e-") if 0 < value < 0.01 else f"{value:g}"


# --- Text


def load_texts(folder, quick):
    for name, step in NEWS_STEPS.items():
        if not quick or name == "newsgroups, tenth":
            texts = load_news(folder / NEWS_FILE, {"train": step, "test": 3})
            yield news_data_set(name, *texts)
    if not quick:
        yield load_wikipedia(folder)


def load_news(file, steps):
    """Return texts and labels of every so many documents of each part."""
    parts = []
    for part, step in steps.items():
        own = (entry for entry in read_newsgroups(file) if entry[1] == part)
        labels, _, texts = zip(*islice(own, 0, None, step), strict=True)
        parts.append((texts, labels))
    return parts


def news_data_set(name, train, test):
    def rate(embedder, vectors):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        with threadpool_limits(1):  # two threads would wait
            model.fit(vectors, train[1])
            return {"scores": {name: model.score(embedder.transform(test[0]), test[1])}}

    return DataSet(name, train[0], rate)


def load_wikipedia(folder):
    with gzip.open(folder / CORPUS_FILE, "rt", encoding="utf-8") as stream:
        documents = list(islice(documents_of(stream), N_WIKIPEDIA_DOCUMENTS))
    covered = CountVectorizer(min_df=COVERED_IN).fit(documents).vocabulary_
    pairs, people = load_pairs(folder / PAIR_FILES["MEN"])
    questions = load_questions(folder / QUESTION_FILE)

    def rate(embedder, _):
        vectors = embedder.word_embedding_
        number = {
            word: index
            for word, index in embedder.vocabulary_.items()
            if word in covered
        }
        known, is_known = numbered(pairs, number)
        asked, _ = numbered(questions, number)
        return {
            "scores": {
                "Wikipedia, likeness": correlation(vectors, known, people[is_known]),
                "Wikipedia, analogies": share_answered(vectors, asked),
            }
        }

    return DataSet("Wikipedia", documents, rate)


# --- What occurs together


def load_counts(folder, quick):
    pixels, digits = load_digits(return_X_y=True)
    yield counts_data_set("digits", pixels.astype(np.float32), digits)
    if quick:
        return
    cora = load_cora(folder / "cora.npz")
    yield counts_data_set("Cora's words", cora.attributes, cora.labels)
    file = folder / "lastfm_asia.npz"
    yield counts_data_set("LastFM's friends", load_graph(file), load_labels(file))
    groups = block_model(within=0.01, between=0.01, on_topic=0.25)
    yield counts_data_set("baskets (generated)", groups.attributes, groups.labels)
    train, test = load_news(folder / NEWS_FILE, {"train": 3, "test": 3})
    vectorizer = CountVectorizer(
        min_df=MIN_DOCUMENTS, stop_words="english", dtype=np.float32
    )
    bags = vectorizer.fit_transform(train[0]), vectorizer.transform(test[0])
    yield news_data_set("newsgroups, third", (bags[0], train[1]), (bags[1], test[1]))


def counts_data_set(name, X, labels):
    def rate(_, vectors):
        return {"scores": {name: accuracy(vectors, labels)}}

    return DataSet(name, X, rate)


# --- Nodes with attributes


def load_attributed(folder, quick):
    yield attributed_data_set("Cora", load_cora(folder / "cora.npz"))
    if not quick:
        for name, data in load_others().items():
            yield attributed_data_set(name, data)


def attributed_data_set(name, data):
    def rate(_, vectors):
        scores = score_vectors(vectors, data.labels)
        return {f"{share} % labelled": {name: score} for share, score in scores.items()}

    return DataSet(name, data.both, rate)


# --- Figures


def draw(study, report, file):
    n_rows = -(-len(study.panels) // N_PANELS)
    figure = Figure(figsize=(9, 2.3 * n_rows + 0.6), layout="constrained")
    panels = figure.subplots(n_rows, N_PANELS, squeeze=False).ravel()
    for axes, panel in zip(panels, study.panels, strict=False):
        draw_panel(axes, panel, study, report[study.title(panel.table)])
    for axes in panels[len(study.panels) :]:
        axes.set_axis_off()
    figure.supylabel("as a share of what the defaults reach (dashed)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(file, dpi=100, pil_kwargs={"optimize": True})


def draw_panel(axes, panel, study, records):
    records = [row for row in records if row["parameter"] == panel.parameter]
    values = [row["value"] for row in records]
    default = values.index(shown(study.defaults[panel.parameter]))
    # What has no order is not joined.
    is_joined = [panel.parameter != "random_state" and v not in NAMES for v in values]
    x = np.arange(len(values))
    for name, (color, marker) in study.styles.items():
        if name not in records[0]:
            continue
        y = np.array([row[name] for row in records]) / records[default][name]
        axes.plot(x, np.where(is_joined, y, np.nan), color=color)
        axes.plot(x, y, color=color, marker=marker, **MARKERS, label=name)
    axes.axvline(default, color="0.4", linestyle="--", linewidth=1)
    axes.set_title(panel.title, fontsize=10)
    axes.set_xticks(x, values, fontsize=8)
    axes.set_xlabel(panel.parameter)
    lowest, highest = study.limits[panel.table]
    axes.set_ylim(lowest, highest)
    if lowest:
        note = f"axis starts at {lowest:g}"
        axes.text(0.98, 0.03, note, transform=axes.transAxes, ha="right", fontsize=7)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


# --- What is measured of each embedder

VALUES_FOR_ALL = {
    "context_power": [0.0, 0.25, 0.5, 0.75, 1.0],
    "mean_penalty": [0.0, 0.1, 1.0, 10.0, 100.0],
    "n_components": [8, 32, 64, 128, 256],
    "n_gaussians": [1, 16, 64, 256, 1024],
    "max_iter": [5, 10, 20, 40],
    "init": ["random", "propagated"],
    "random_state": [0, 1, 2],
}
STUDIES = (
    Study(
        embedder=TextEmbedder(min_df=MIN_DOCUMENTS, n_jobs=-1, random_state=0),
        values={
            "temperature": [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0],
            "window": [1, 2, 5, 10, 20],
            "subsample": [1e-5, 5e-5, 2e-4, 1e-3, 1e-2, 0],
            "min_df": [1, 2, 5, 10, 20],
            "smoothing": ["auto", 1e-5, 1e-4, 1e-3, 1e-2, None],
            **VALUES_FOR_ALL,
        },
        load=load_texts,
        tables=("scores", "seconds"),
        styles={
            "Wikipedia, likeness": (BLUE, "o"),
            "Wikipedia, analogies": (SKY, "s"),
            "newsgroups, third": (RED, "^"),
            "newsgroups, tenth": (PINK, "D"),
            "Wikipedia": (BLUE, "o"),
        },
        panels=(
            Panel(
                "temperature", "scores", "0.1 to 0.2 for likeness,\n0.3 for analogies"
            ),
            Panel("window", "scores", "10 to 20 for documents,\nno loss for words"),
            Panel(
                "subsample", "scores", "documents: the lower,\nanalogies: the higher"
            ),
            Panel(
                "min_df", "scores", "default 1, elsewhere 5:\ndocuments need rare words"
            ),
            Panel("smoothing", "scores", "for documents alone:\n1e-3 is best"),
            Panel("context_power", "scores", "3/4 for likeness,\n0 for analogies"),
            Panel("mean_penalty", "scores", "none is needed,\n10 does harm"),
            Panel(
                "n_components", "scores", "documents gain by 256,\nwords need 64 to 128"
            ),
            Panel("n_gaussians", "scores", "one Gaussian is\nnearly enough"),
            Panel("max_iter", "scores", "5 epochs are\nwithin 3 %"),
            Panel("init", "scores", "either start\nwill do"),
            Panel(
                "random_state", "scores", "what is chance: 4 %\nof analogies, else less"
            ),
            Panel("n_components", "seconds", "seconds: more\nfor each dimension"),
            Panel("n_gaussians", "seconds", "seconds: few more\nup to 256 Gaussians"),
            Panel("max_iter", "seconds", "seconds: more\nfor each epoch"),
        ),
        limits={"scores": (0, 1.45), "seconds": (0, 2.4)},
        file="text_parameters.png",
    ),
    Study(
        embedder=CooccurrenceEmbedder(n_jobs=-1, random_state=0),
        values={
            "temperature": [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0],
            "smoothing": ["auto", 1e-4, 1e-3, 1e-2, 1e-1, None],
            **VALUES_FOR_ALL,
        },
        load=load_counts,
        tables=("scores", "seconds"),
        styles={
            "newsgroups, third": (RED, "^"),
            "Cora's words": (GREEN, "v"),
            "LastFM's friends": (BLUE, "s"),
            "digits": (PINK, "D"),
            "baskets (generated)": (ORANGE, "o"),
        },
        panels=(
            Panel("temperature", "scores", "1/4 to 1/2 is good,\n1 and more for noise"),
            Panel(
                "smoothing", "scores", "what is automatic is good,\n1e-4 is too small"
            ),
            Panel("context_power", "scores", "digits dislike 0,\ntwo sets like it"),
            Panel("mean_penalty", "scores", "none is needed,\n100 does harm"),
            Panel(
                "n_components",
                "scores",
                "32 to 64 are enough,\n128 too many for two sets",
            ),
            Panel("n_gaussians", "scores", "one Gaussian\nis enough"),
            Panel("max_iter", "scores", "5 epochs\nare enough"),
            Panel("init", "scores", "either start\nwill do"),
            Panel("random_state", "scores", "what is chance:\nless than 1 %"),
            Panel("n_components", "seconds", "seconds: more\nfor each dimension"),
            Panel("n_gaussians", "seconds", "seconds: hundreds of\nGaussians cost"),
            Panel("max_iter", "seconds", "seconds: nearly in\nproportion to epochs"),
        ),
        limits={"scores": (0.4, 1.2), "seconds": (0, 4)},
        file="cooccurrence_parameters.png",
    ),
    Study(
        embedder=AttributedGraphEmbedder(n_jobs=-1, random_state=0),
        values={
            "attribute_weight": [0.0, 0.25, 0.5, 0.75, 0.9, 1.0],
            "walk_length": [1, 2, 3, 4, 6, 10],
            "temperature": [1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 1.0, 2.0],
            **VALUES_FOR_ALL,
        },
        load=load_attributed,
        tables=("5 % labelled", "50 % labelled", "seconds"),
        styles={
            "Cora": (GREEN, "^"),
            "docstrings": (RED, "v"),
            "digits": (PINK, "D"),
            "strong graph": (BLUE, "s"),
            "strong words": (SKY, "o"),
            "middling": (ORANGE, "P"),
        },
        panels=(
            Panel(
                "attribute_weight",
                "5 % labelled",
                "5 % labelled: 3/4 to 0.9\nsuit all of them",
            ),
            Panel(
                "walk_length", "5 % labelled", "5 % labelled: 1 for words,\n2 for links"
            ),
            Panel("temperature", "5 % labelled", "5 % labelled:\nbelow 1/4 is too low"),
            Panel(
                "attribute_weight", "50 % labelled", "50 % labelled:\nthe same, milder"
            ),
            Panel("walk_length", "50 % labelled", "50 % labelled:\nthe same, milder"),
            Panel(
                "temperature",
                "50 % labelled",
                "50 % labelled: 1/8 to 1/2\nare within 2 %",
            ),
            Panel(
                "n_components", "5 % labelled", "5 % labelled:\n64 dimensions nearly do"
            ),
            Panel(
                "n_gaussians", "5 % labelled", "5 % labelled:\none Gaussian is enough"
            ),
            Panel("max_iter", "5 % labelled", "5 % labelled:\n5 epochs are enough"),
            Panel(
                "context_power", "5 % labelled", "5 % labelled:\n0 to 1 are within 4 %"
            ),
            Panel(
                "mean_penalty", "5 % labelled", "5 % labelled: 10 helps some,\n100 none"
            ),
            Panel(
                "walk_length",
                "seconds",
                "seconds: walks of 10 cost\nup to twice as much",
            ),
            Panel("n_components", "seconds", "seconds: more\nfor each dimension"),
            Panel("n_gaussians", "seconds", "seconds: hundreds of\nGaussians cost"),
            Panel("max_iter", "seconds", "seconds: nearly in\nproportion to epochs"),
        ),
        limits={
            "5 % labelled": (0, 1.2),
            "50 % labelled": (0, 1.2),
            "seconds": (0, 5.2),
        },
        file="attributed_parameters.png",
    ),
)


if __name__ == "__main__":
    main()
