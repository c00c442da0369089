"""Compare skemb's embedding of text with its rivals: quality, time and memory.

All learn vectors of 128 numbers, in one run, on two threads. Four tables are printed.

Three are of words. skemb's ``TextEmbedder`` and gensim's skip-gram (``Word2Vec``,
5 epochs) learn from the same 17 million words of Wikipedia, in documents of 10,000,
with a window of 5 and the same vocabulary, the words that occur 20 times or more; both
keep their other defaults.

1. Quality of words: Spearman's correlation of cosines with the scores that people gave
   pairs of words, in WordSim353 (all of it, and its parts of similar and of related
   words), MEN and SimLex-999; and the share of Google's analogies that 3CosAdd answers
   right among all words of the vocabulary but the three of the question. Each is the
   mean over seeds.
2. Pairs and questions that the vocabulary covers: the first table is of these.
3. Time and memory of words: seconds from documents, strings in memory, to vectors. Of
   these, ``reading`` is all up to the words as numbers: splitting, counting words,
   choosing the vocabulary; ``counting`` is of co-occurrences, which skip-gram does
   without; ``training`` is the rest. (gensim splits anew in each epoch, as it advises:
   as lists of words the text would take a GB more. Its two threads train meanwhile.)
   Peak resident memory, in MB of 10^6 bytes, of a process that does nothing else:
   before the fit, after imports, loading and a warm-up on a small text; and by the end
   of the fit. Each is the median over seeds; the ratios are the figure over skemb's.

The last is of documents, 20 newsgroups in the split by date, of which the words in at
least 5 documents of the training part count:

4. Documents: accuracy on the test part of logistic regression on vectors of documents;
   seconds from the strings of the training part to its vectors; and seconds to
   transform 1,000 documents of the test part. ``TextEmbedder`` has its defaults, or a
   window of 20. Beside it there are TF-IDF with ``TruncatedSVD`` of 7 iterations, with
   and without ``sublinear_tf``, and means of skip-gram's vectors with the same weights
   as skemb's. For each the scaling of features (none, ``Normalizer``,
   ``StandardScaler``) and ``C`` are those of the best accuracy on a fifth of the
   training part, hidden for that. Each is the mean over seeds.

Run it where skemb, and gensim from the extra ``bench``, can be imported, with
scikit-learn 1.9 or later::

    python benchmarks/text.py --data DIR [--output FILE.json] [--quick] [--seeds N]

DIR holds ``wiki_en_100mb.txt.gz``, one stream of words; ``wordsim_*.tsv``, two words
and a score a line; ``questions-words.txt``, four words a line and headings after a
colon; and ``20newsgroups_bydate.txt.gz``, a document a line as label, split (``train``
or ``test``), id and text, with tabs between. gensim, which takes minutes, is run with
one seed, all else with N, 3 by default. The JSON file holds the four tables, the minima
over seeds, every single run, and versions. ``--quick`` is a smoke test of about a
minute: a million words, every tenth document, 3 epochs of skemb and 1 of gensim, one
seed.
"""

import gzip
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import mean, median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from _data import read_newsgroups
from _processes import in_new_process, peak_memory
from _report import argument_parser, environment, is_installed, publish
from scipy.stats import spearmanr
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler, normalize
from threadpoolctl import threadpool_limits

N_COMPONENTS = 128
N_THREADS = 2
WINDOW = 5
SKIP_GRAM_EPOCHS = 5

CORPUS_FILE = "wiki_en_100mb.txt.gz"
DOCUMENT_LENGTH = 10_000
MIN_COUNT = 20
QUICK_N_DOCUMENTS = 100

PAIR_FILES = {
    "WordSim353": "wordsim_ws_353_all.tsv",
    "similarity": "wordsim_ws_353_sim.tsv",
    "relatedness": "wordsim_ws_353_rel.tsv",
    "MEN": "wordsim_men_tr_3k.tsv",
    "SimLex-999": "wordsim_simlex_999.tsv",
}
QUESTION_FILE = "questions-words.txt"
WORD_QUALITIES = (*PAIR_FILES, "analogies")

NEWS_FILE = "20newsgroups_bydate.txt.gz"
MIN_DOCUMENTS = 5
LONG_WINDOW = 20
SVD_ITERATIONS = 7
CLASSIFIERS = {
    "scaling": ["passthrough", Normalizer(), StandardScaler()],
    "regression__C": [0.1, 1, 10, 100],
}

STAGES = ("reading", "counting", "training")
WORD_FIGURES = ("n_words", "seconds", *STAGES, "before_fit_MB", "peak_MB")
RATIOS = {"seconds_ratio": "seconds", "peak_ratio": "peak_MB"}
DOCUMENT_FIGURES = ("accuracy", "fit_seconds", "transform_seconds_per_1000")
TITLES = {
    "word_quality": "1. Quality of words",
    "coverage": "2. Pairs and questions that the vocabulary covers",
    "word_time_and_memory": "3. Time and memory of words (ratios: to skemb)",
    "documents": "4. Documents: 20 newsgroups by date",
}


class Task(NamedTuple):
    """One fit, as it is described to the child process that does it."""

    folder: Path
    method: str
    seed: int
    is_quick: bool


class Method(NamedTuple):
    """What makes a row of the tables: its function, and what that imports."""

    function: Callable
    library: str
    is_slow: bool = False


class WordVectors(NamedTuple):
    words: list
    vectors: np.ndarray
    seconds: list  # of each of STAGES, None for what there is not


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    arguments = parser.parse_args()
    report = measure(arguments.data, arguments.quick, arguments.seeds)
    publish(report, TITLES, arguments.output)


def measure(folder, quick, n_seeds):
    # This process loads no data: on Linux a process inherits the peak memory of the one
    # that starts it, which must not exceed what every fit takes anyway.
    n_seeds = 1 if quick else n_seeds
    word_runs = run_all(learn_and_rate_words, WORD_METHODS, folder, n_seeds, quick)
    runs = run_all(embed_and_classify, DOCUMENT_METHODS, folder, n_seeds, quick)
    return {
        "settings": {
            "n_components": N_COMPONENTS,
            "n_threads": N_THREADS,
            "window": WINDOW,
            "min_count": MIN_COUNT,
            "skip_gram_epochs": SKIP_GRAM_EPOCHS,
            "quick": quick,
        },
        "environment": environment("gensim"),
        "word_quality": summarize(word_runs, WORD_METHODS, WORD_QUALITIES, mean),
        "word_quality_minima": summarize(word_runs, WORD_METHODS, WORD_QUALITIES, min),
        "coverage": word_runs[0]["coverage"],
        "word_time_and_memory": summarize_words(word_runs),
        "documents": summarize(runs, DOCUMENT_METHODS, DOCUMENT_FIGURES, mean),
        "document_minima": summarize(runs, DOCUMENT_METHODS, DOCUMENT_FIGURES, min),
        "word_runs": word_runs,
        "document_runs": runs,
    }


# --- Data


def load_corpus(folder, is_quick):
    """Return the stream of words as documents of equal length."""
    with gzip.open(folder / CORPUS_FILE, "rt", encoding="utf-8") as stream:
        documents = documents_of(stream)
        return list(islice(documents, QUICK_N_DOCUMENTS) if is_quick else documents)


def documents_of(stream):
    # A part of the text at once: all its words would take ten times its memory.
    words = [""]
    while part := stream.read(2**20):
        words[-1:] = (words[-1] + part).split(" ")
        while len(words) > DOCUMENT_LENGTH:
            yield " ".join(words[:DOCUMENT_LENGTH])
            del words[:DOCUMENT_LENGTH]
    yield " ".join(words)


def load_pairs(file):
    """Return pairs of words and their scores."""
    rows = [line.lower().split() for line in file.read_text().splitlines()]
    return [row[:2] for row in rows], np.array([float(row[2]) for row in rows])


def load_questions(file):
    lines = file.read_text().lower().splitlines()
    return [line.split() for line in lines if not line.startswith(":")]


def load_news(folder, is_quick):
    """Return the training and the test part, each texts and labels."""
    parts = {"train": ([], []), "test": ([], [])}
    documents = read_newsgroups(folder / NEWS_FILE)
    for label, part, text in islice(documents, 0, None, 10 if is_quick else 1):
        texts, labels = parts[part]
        texts.append(text)
        labels.append(label)
    return parts["train"], parts["test"]


def small_corpus(n_words=400, n_documents=400, n_each=50):
    """Return a small text, for imports and compilation to be over before timing.

    There are more words than Gaussians: fewer would be the exact case.
    """
    random = np.random.default_rng(0)
    numbers = random.integers(n_words, size=(n_documents, n_each))
    return [" ".join(f"word{number}" for number in row) for row in numbers]


# --- Fits, each in a process of its own


def run_all(function, methods, folder, n_seeds, quick):
    runs = []
    for seed in range(n_seeds):
        for name, method in methods.items():
            if (seed > 0 and method.is_slow) or not is_installed(method.library):
                continue
            print(f"{function.__name__}, {name}, seed {seed}", file=sys.stderr)
            figures = in_new_process(function, Task(folder, name, seed, quick))
            runs.append({"method": name, "seed": seed, **figures})
    return runs


def learn_and_rate_words(task):
    documents = load_corpus(task.folder, task.is_quick)
    learn = WORD_METHODS[task.method].function
    learn(small_corpus(), task)
    before = peak_memory()
    start = perf_counter()
    learned = learn(documents, task)
    seconds, peak = perf_counter() - start, peak_memory()
    return {
        "seconds": seconds,
        **dict(zip(STAGES, learned.seconds, strict=True)),
        "before_fit_MB": before,
        "peak_MB": peak,
        **rate_words(task.folder, learned.words, learned.vectors),
    }


def embed_and_classify(task):
    train, test = load_news(task.folder, task.is_quick)
    model = DOCUMENT_METHODS[task.method].function
    model(task).fit_transform(small_corpus())
    embedder = model(task)
    start = perf_counter()
    train_vectors = embedder.fit_transform(train[0])
    fitted = perf_counter()
    test_vectors = embedder.transform(test[0])
    transformed = perf_counter()
    classifier = chosen_classifier(train_vectors, train[1])
    return {
        "accuracy": classifier.score(test_vectors, test[1]),
        "fit_seconds": fitted - start,
        "transform_seconds_per_1000": (transformed - fitted) / len(test[0]) * 1000,
        "hidden_accuracy": classifier.best_score_,
        **{key: str(value) for key, value in classifier.best_params_.items()},
    }


# --- Vectors of words. The libraries are imported where they are used, so that no
# process holds both.


def words_of_skemb(documents, task):
    from skemb import TextEmbedder

    stopwatch = Stopwatch()
    embedder = TextEmbedder(
        N_COMPONENTS,
        analyzer=str.split,
        vocabulary=frequent_words(documents),
        window=WINDOW,
        n_jobs=N_THREADS,
        random_state=task.seed,
        **skemb_epochs(task),
    )
    embedder.set_callbacks(stopwatch).fit(documents)
    words = embedder.vectorizer_.get_feature_names_out().tolist()
    return WordVectors(words, embedder.word_embedding_, stopwatch.seconds())


def frequent_words(documents):
    counts = Counter()
    for document in documents:
        counts.update(document.split())
    return sorted(word for word, count in counts.items() if count >= MIN_COUNT)


def skemb_epochs(task):
    return {"max_iter": 3} if task.is_quick else {}


class Stopwatch:
    """A callback that tells how long each stage took, from when it was made."""

    def __init__(self):
        self.start = perf_counter()
        self.begins = {}
        self.ends = {}

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.begins.setdefault(context.task_name, perf_counter())

    def on_fit_task_end(self, estimator, context):
        self.ends[context.task_name] = perf_counter()

    def seconds(self):
        times = (
            self.start,
            self.ends["reading"],
            self.begins["epoch"],
            self.ends["fit"],
        )
        return np.diff(times).tolist()


def words_of_gensim(documents, task):
    start = perf_counter()
    model = skip_gram(task, min_count=MIN_COUNT)
    sentences = SplitDocuments(documents)
    model.build_vocab(sentences)
    read = perf_counter()
    train(model, sentences)
    seconds = [read - start, None, perf_counter() - read]
    return WordVectors(model.wv.index_to_key, model.wv.vectors, seconds)


class SplitDocuments:
    def __init__(self, documents):
        self.documents = documents

    def __iter__(self):
        return map(str.split, self.documents)


def skip_gram(task, min_count):
    from gensim.models import Word2Vec

    return Word2Vec(
        sg=1,
        vector_size=N_COMPONENTS,
        window=WINDOW,
        min_count=min_count,
        epochs=1 if task.is_quick else SKIP_GRAM_EPOCHS,
        workers=N_THREADS,
        seed=task.seed,
    )


def train(model, sentences):
    model.train(sentences, total_examples=model.corpus_count, epochs=model.epochs)


WORD_METHODS = {
    "skemb": Method(words_of_skemb, "skemb"),
    "gensim skip-gram": Method(words_of_gensim, "gensim", is_slow=True),
}


# --- Quality of words


def rate_words(folder, words, vectors):
    numbers = {word: number for number, word in enumerate(words)}
    vectors = normalize(vectors)
    qualities, coverage = {}, []
    for name, file in PAIR_FILES.items():
        pairs, scores = load_pairs(folder / file)
        known, is_known = numbered(pairs, numbers)
        qualities[name] = correlation(vectors, known, scores[is_known])
        coverage.append(coverage_of(name, is_known))
    known, is_known = numbered(load_questions(folder / QUESTION_FILE), numbers)
    qualities["analogies"] = share_answered(vectors, known)
    coverage.append(coverage_of("analogies", is_known))
    return {"n_words": len(words), **qualities, "coverage": coverage}


def numbered(rows, numbers):
    """Return the rows of known words alone, as numbers, and which rows they are."""
    found = np.array([[numbers.get(word, -1) for word in row] for row in rows])
    is_known = (found >= 0).all(axis=1)
    return found[is_known], is_known


def coverage_of(name, is_known):
    return {"test": name, "covered": int(is_known.sum()), "of": len(is_known)}


def correlation(vectors, pairs, scores):
    first, second = vectors[pairs[:, 0]], vectors[pairs[:, 1]]
    return float(spearmanr((first * second).sum(axis=1), scores).statistic)


def share_answered(vectors, questions, block_size=500):
    """Return the share of questions a : b = c : d that b - a + c answers with d."""
    n_right = 0
    for start in range(0, len(questions), block_size):
        asked = questions[start : start + block_size, :3]
        answers = questions[start : start + block_size, 3]
        a, b, c = (vectors[column] for column in asked.T)
        cosines = (b - a + c) @ vectors.T
        np.put_along_axis(cosines, asked, -np.inf, axis=1)
        n_right += int((cosines.argmax(axis=1) == answers).sum())
    return n_right / len(questions)


# --- Vectors of documents


def documents_of_skemb(task, window=WINDOW):
    from skemb import TextEmbedder

    return TextEmbedder(
        N_COMPONENTS,
        min_df=MIN_DOCUMENTS,
        window=window,
        n_jobs=N_THREADS,
        random_state=task.seed,
        **skemb_epochs(task),
    )


def documents_of_svd(task, sublinear_tf=False):
    return make_pipeline(
        TfidfVectorizer(min_df=MIN_DOCUMENTS, sublinear_tf=sublinear_tf),
        TruncatedSVD(N_COMPONENTS, n_iter=SVD_ITERATIONS, random_state=task.seed),
    )


class SkipGramMeans:
    """Documents as means of skip-gram's vectors, weighted as skemb does."""

    def __init__(self, task):
        self.task = task
        self.vectorizer = CountVectorizer(analyzer=list, min_df=MIN_DOCUMENTS)
        self.analyze = CountVectorizer().build_analyzer()

    def fit_transform(self, texts):
        documents = [self.analyze(text) for text in texts]
        counts = self.vectorizer.fit_transform(documents)
        vocabulary = self.vectorizer.vocabulary_
        known = [[word for word in words if word in vocabulary] for words in documents]
        model = skip_gram(self.task, min_count=1)
        model.build_vocab(known)
        train(model, known)
        words = self.vectorizer.get_feature_names_out().tolist()
        frequency = counts.sum(axis=0).A1 / counts.sum()
        smoothing = 25 / len(words)  # skemb's default
        self.weights = smoothing / (smoothing + frequency)
        self.vectors = model.wv[words]
        return self.means(counts)

    def transform(self, texts):
        return self.means(self.vectorizer.transform(map(self.analyze, texts)))

    def means(self, counts):
        weighted = normalize(counts @ sp.diags_array(self.weights), norm="l1")
        return weighted @ self.vectors


DOCUMENT_METHODS = {
    "skemb": Method(documents_of_skemb, "skemb"),
    "skemb, window of 20": Method(
        partial(documents_of_skemb, window=LONG_WINDOW), "skemb"
    ),
    "TF-IDF, SVD": Method(documents_of_svd, "sklearn"),
    "sublinear TF-IDF, SVD": Method(
        partial(documents_of_svd, sublinear_tf=True), "sklearn"
    ),
    "gensim skip-gram, means": Method(SkipGramMeans, "gensim", is_slow=True),
}


def chosen_classifier(vectors, labels):
    """Return logistic regression as is best on a fifth that is hidden.

    It has one thread: two would wait for one another, of so little is each step.
    """
    model = Pipeline(
        [("scaling", None), ("regression", LogisticRegression(max_iter=1000))]
    )
    hidden_fifth = StratifiedShuffleSplit(1, test_size=0.2, random_state=0)
    search = GridSearchCV(model, CLASSIFIERS, cv=hidden_fifth)
    with threadpool_limits(1):
        return search.fit(vectors, labels)


# --- Report


def summarize(runs, methods, keys, statistic):
    """Return a row for each method, with a statistic of its runs."""
    rows = []
    for name, method in methods.items():
        group = [run for run in runs if run["method"] == name]
        label = name if group else f"{name}: {method.library} is not installed"
        figures = {
            key: combined(statistic, [run[key] for run in group]) for key in keys
        }
        rows.append({"method": label, **figures})
    return rows


def combined(statistic, values):
    return statistic(values) if values and None not in values else None


def summarize_words(runs):
    """Return the medians over equal runs, with their ratios to skemb's."""
    rows = summarize(runs, WORD_METHODS, WORD_FIGURES, median)
    skemb = rows[0]
    for row in rows:
        for ratio, key in RATIOS.items():
            row[ratio] = row[key] and row[key] / skemb[key]
    return rows


if __name__ == "__main__":
    main()
