"""What TextEmbedder promises, which scikit-learn's checks cannot see."""

import pickle
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
import reference
from conftest import ZEROS
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks

from skemb import CooccurrenceEmbedder, TextEmbedder

WORLDS = [
    "cat dog purr bark tail paw whisker".split(),
    "bond stock price yield share fund market".split(),
    "oven flour butter sugar bake dough cake".split(),
]


def stories(n_documents=60, length=14, seed=0):
    """Return documents that keep to one world each, and the worlds."""
    rng = np.random.default_rng(seed)
    about = np.arange(n_documents) % len(WORLDS)
    common = ["the", "of", "and"]
    documents = []
    for world in about:
        words = rng.choice(WORLDS[world], length)
        words[rng.random(length) < 0.3] = rng.choice(common)
        documents.append(" ".join(words))
    return documents, about


def fitted(documents=None, **parameters):
    options = {"n_components": 8, "max_iter": 8, "random_state": 0, **parameters}
    return TextEmbedder(**options).fit(stories()[0] if documents is None else documents)


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_mixin_order",
        "check_estimators_unfitted",
    ],
)
def test_checks_that_need_no_data(check):
    getattr(estimator_checks, check)("TextEmbedder", TextEmbedder())


def test_words_of_one_world_are_alike():
    embedder = TextEmbedder(8, temperature=0.3, random_state=0).fit(stories()[0])
    assert embedder.word_embedding_.dtype == np.float32
    np.testing.assert_allclose(
        np.linalg.norm(embedder.word_embedding_, axis=1), 1, rtol=1e-6
    )
    for world in WORLDS:
        found = [word for word, _ in embedder.most_similar(world[0], 6)]
        assert sorted(found) == sorted(world[1:])


@pytest.mark.filterwarnings("ignore:1 of the 3 words of raw_documents co-occur")
def test_vocabulary_and_frequency_are_those_of_count_vectorizer():
    documents = ["The cat, the dog.", "A cat, a cat and THE mat", "dog dog cat dog"]
    for options in (
        {},
        {"stop_words": "english"},
        {"min_df": 2},
        {"max_df": 0.5},
        {"max_features": 2},
        {"vocabulary": ["dog", "cat", "unseen"]},
        {"lowercase": False},
        {"token_pattern": r"\b\w+\b"},
        {"ngram_range": (2, 2)},
        {"analyzer": "char", "ngram_range": (2, 3)},
        {"analyzer": "char_wb", "ngram_range": (3, 3)},
        {"analyzer": str.split},
    ):
        vectorizer = CountVectorizer(**options).fit(documents)
        embedder = fitted(documents, **options)
        assert embedder.vocabulary_ == vectorizer.vocabulary_, options
        counts = vectorizer.transform(documents).toarray().sum(axis=0)
        np.testing.assert_allclose(embedder.word_frequency_, counts / counts.sum())


def test_training_is_that_of_windowed_cooccurrences():
    documents, _ = stories()
    embedder = fitted(documents, window=3, subsample=0.01)
    frequency = embedder.word_frequency_
    kept = np.minimum(np.sqrt(0.01 / frequency) + 0.01 / frequency, 1)
    index = embedder.vocabulary_
    met = reference.window_cooccurrences(
        [[index[word] for word in document.split()] for document in documents],
        kept / kept.max(),
        3,
    )
    expected = CooccurrenceEmbedder(
        8, affinity="precomputed", temperature=0.15, max_iter=8, random_state=0
    ).fit(met.astype(np.float32))
    np.testing.assert_allclose(
        embedder.word_embedding_, expected.feature_embedding_, atol=1e-3
    )


def test_words_left_out_close_the_ranks():
    with_rare = ["cat xx dog yy purr", "dog zz cat", "purr cat"]
    without = [" ".join(w for w in d.split() if len(w) > 2) for d in with_rare]
    rare = ["xx", "yy", "zz"]
    expected = fitted(without).word_embedding_
    for options in (
        {"stop_words": rare},
        {"min_df": 2},
        {"vocabulary": ["cat", "dog", "purr"]},
    ):
        np.testing.assert_array_equal(
            fitted(with_rare, **options).word_embedding_, expected
        )


def test_documents_are_weighted_means_of_their_words():
    documents, _ = stories()
    embedder = fitted(documents)
    counts = CountVectorizer(vocabulary=embedder.vocabulary_).transform(documents)
    for smoothing in (1e-3, 25 / len(embedder.vocabulary_), None):
        is_default = smoothing is not None and smoothing > 1e-3
        embedder.set_params(smoothing="auto" if is_default else smoothing)
        expected = reference.weighted_means(
            counts.toarray().astype(float),
            embedder.word_embedding_,
            embedder.word_frequency_,
            smoothing,
        )
        np.testing.assert_allclose(embedder.transform(documents), expected, atol=1e-6)


def test_unknown_words_have_no_part_and_one_warning():
    embedder = fitted()
    expected = embedder.transform(["cat dog"])
    np.testing.assert_array_equal(embedder.transform(["cat xyzzy dog"]), expected)
    with pytest.warns(UserWarning, match="2 of the 3 documents have no word") as warned:
        means = embedder.transform(["xyzzy", "cat", ""])
    assert len(warned) == 1
    np.testing.assert_array_equal(means.any(axis=1), [False, True, False])


def test_tokens_are_words_as_they_are():
    documents, _ = stories()
    tokens = [document.split() for document in documents]
    expected = fitted(documents).word_embedding_
    for form in (tokens, [np.array(t) for t in tokens], map(tuple, tokens)):
        embedder = fitted(form, analyzer="tokens")
        np.testing.assert_array_equal(embedder.word_embedding_, expected)
    odd = [["New York", "CAT"], ["CAT", "New York", ""]]
    assert set(fitted(odd, analyzer="tokens").vocabulary_) == {"New York", "CAT", ""}


@pytest.mark.parametrize(
    "container",
    [list, tuple, np.array, pd.Series, pl.Series, iter, lambda d: (x for x in d)],
)
def test_every_container_of_documents(container):
    documents, _ = stories()
    expected = fitted(documents)
    embedder = TextEmbedder(8, max_iter=8, random_state=0)
    means = embedder.fit_transform(container(documents))
    np.testing.assert_array_equal(embedder.word_embedding_, expected.word_embedding_)
    np.testing.assert_array_equal(means, expected.transform(documents))
    np.testing.assert_array_equal(embedder.transform(container(documents)), means)


def test_bytes_are_decoded():
    documents, _ = stories()
    encoded = [document.encode() for document in documents]
    np.testing.assert_array_equal(
        fitted(encoded).word_embedding_, fitted(documents).word_embedding_
    )


@pytest.mark.parametrize("subsample", [0.0, 1e-3])
def test_score_is_the_mean_log_likelihood_of_words_around(subsample):
    embedder = fitted(subsample=subsample, window=2)
    documents, _ = stories(9, seed=7)
    index = embedder.vocabulary_
    words = [[index[word] for word in document.split()] for document in documents]
    frequency = embedder.word_frequency_
    kept = np.ones(len(frequency))
    if subsample:
        kept = np.minimum(np.sqrt(subsample / frequency) + subsample / frequency, 1)
        kept /= kept.max()
    met = reference.window_cooccurrences(words, kept, 2)
    X, Y = embedder.word_embedding_, embedder.context_embedding_
    log_p = X @ Y.T / embedder.temperature + embedder.log_prior_
    log_p -= reference.log_sum_exp(log_p)[:, None]
    expected = (met * log_p).sum() / met.sum()
    documents[0] += " xyzzy"
    assert embedder.score(documents) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(
        ValueError, match="raw_documents must have words known from fit that co-occur"
    ):
        embedder.score(["cat", "xyzzy"])


def test_most_similar_and_analogy():
    embedder = fitted()
    words = sorted(embedder.vocabulary_)
    vectors = embedder.word_embedding_
    for positive, negative in ((["cat"], []), (["cat", "fund"], ["bark"])):
        query = sum(vectors[words.index(w)] for w in positive)
        query = query - sum(vectors[words.index(w)] for w in negative)
        cosines = vectors @ query / np.linalg.norm(query)
        asked = {*positive, *negative}
        order = [words[i] for i in np.argsort(-cosines) if words[i] not in asked]
        got = embedder.analogy(positive, negative, n=len(order))
        assert [word for word, _ in got] == order
        assert all(type(word) is str and type(x) is float for word, x in got)
        np.testing.assert_allclose(
            [x for _, x in got], [cosines[words.index(w)] for w in order], atol=1e-6
        )
    assert embedder.most_similar("cat", 3) == embedder.analogy("cat", [], 3)
    assert len(embedder.most_similar("cat")) == 10


def test_ties_are_broken_by_index(tmp_path):
    embedder = fitted(4 * ["a b c d e", "e d c b a"], token_pattern=r"\w")
    embedder.word_embedding_[:] = embedder.word_embedding_[0]
    assert [word for word, _ in embedder.most_similar("c")] == ["a", "b", "d", "e"]
    embedder.to_keyed_vectors(tmp_path / "words.txt")
    lines = (tmp_path / "words.txt").read_text().splitlines()[1:]
    assert [line[0] for line in lines] == ["a", "b", "c", "d", "e"]


def test_what_cannot_be_looked_up():
    embedder = fitted()
    with pytest.raises(ValueError, match=r"word must be in the vocab.* got 'xyzzy'"):
        embedder.most_similar("xyzzy")
    with pytest.raises(ValueError, match=r"negative must be in the vocab.* got 3"):
        embedder.analogy("cat", [3])
    with pytest.raises(ValueError, match=r"positive must be a word or a list .* got 3"):
        embedder.analogy(3)
    generated = embedder.analogy((word for word in ["cat", "fund"]), iter(["bark"]))
    assert generated == embedder.analogy(["cat", "fund"], ["bark"])
    with pytest.raises(ValueError, match="do not cancel out"):
        embedder.analogy(["cat", "dog", "fund"], ["fund", "cat", "dog"])
    with pytest.raises(ValueError, match="at least one word"):
        embedder.analogy([], [])
    for n in (0, -1, 2.5, "ten", True):
        with pytest.raises(ValueError, match="n must be an integer of at least 1, got"):
            embedder.analogy(["cat"], ["dog"], n)
    assert len(embedder.analogy(["cat", "cat"], ["dog"], 1000)) == 22


def test_keyed_vectors_are_read_back_exact(tmp_path):
    embedder = fitted(["café naïve 東京 cat", "cat café 東京 naïve 東京"])
    embedder.to_keyed_vectors(tmp_path / "words.txt")
    lines = (tmp_path / "words.txt").read_text("utf-8").split("\n")
    assert lines[0] == "4 8"
    assert lines[1].startswith("東京 ")  # the most frequent first
    assert lines[-1] == ""
    for line in lines[1:-1]:
        word, *numbers = line.split(" ")
        vector = embedder.word_embedding_[embedder.vocabulary_[word]]
        np.testing.assert_array_equal(np.array(numbers, dtype=np.float32), vector)
    gensim = pytest.importorskip("gensim.models")
    read = gensim.KeyedVectors.load_word2vec_format(tmp_path / "words.txt")
    np.testing.assert_array_equal(read["東京"], vector_of(embedder, "東京"))


def vector_of(embedder, word):
    return embedder.word_embedding_[embedder.vocabulary_[word]]


@pytest.mark.parametrize("word", ["New York", "", "a\tb", "a\u00a0b", "\ud800"])
def test_words_that_a_text_file_would_tear_apart(word, tmp_path):
    embedder = fitted([["cat", word], [word, "cat"]], analyzer="tokens")
    path = tmp_path / "words.txt"
    path.write_text("what was there")
    with pytest.raises(ValueError, match=r"without white space .* got"):
        embedder.to_keyed_vectors(path)
    assert path.read_text() == "what was there"


@pytest.mark.parametrize(
    ("documents", "parameters", "message"),
    [
        ("a bare string", {}, "Iterable over raw text documents expected, string"),
        (b"bytes", {}, "Iterable over raw text documents expected, string"),
        (7, {}, "must be an iterable of documents in order, got 7 of type int"),
        (None, {}, "must be an iterable of documents in order, got None"),
        ({"text": ["one"]}, {}, "in order, got .* of type dict"),
        ({"one", "two"}, {}, "in order, got .* of type set"),
        ([], {}, "at least one document, got none"),
        (iter([]), {}, "at least one document, got none"),
        ([""], {}, "empty vocabulary"),
        (["the of and"], {"stop_words": "english"}, "empty vocabulary"),
        (["one two", "three"], {"min_df": 2}, "no terms remain"),
        (["one two"], {"vocabulary": []}, "got an empty vocabulary: look at"),
        (["one two"], {"vocabulary": ["three"]}, "words of the vocabulary, got none"),
        (["one two"], {"vocabulary": [1, 2]}, r"set of strings .* got \[1, 2\]"),
        (["one two"], {"vocabulary": iter(["one"])}, "set of strings .* got <list_it"),
        (["one two"], {"vocabulary": "one"}, "set of strings .* got 'one'"),
        (["one", None], {}, "strings, got None of type NoneType at position 1"),
        (["one", np.nan], {}, "strings, got nan of type float at position 1"),
        ([["one", "two"]], {}, 'strings, got .*one.* set analyzer="tokens"'),
        (["one two"], {"analyzer": "tokens"}, "lists of tokens .* got 'one two'"),
        ([3.0], {"analyzer": "tokens"}, "lists of tokens .* got 3.0"),
        ([["one"], None], {"analyzer": "tokens"}, r"None .* position 1: .* and \[\]"),
        ([{"one", "two"}], {"analyzer": "tokens"}, "of type set .* tokens in order"),
        ([["one", 2]], {"analyzer": "tokens"}, "tokens that are strings, got 2"),
        ([["one", None]], {"analyzer": "tokens"}, "strings, got None of type"),
        ([["one", ["two"]]], {"analyzer": "tokens"}, r"strings, got \['two'\]"),
        (
            ["one two"],
            {"analyzer": len},
            "make a list of words of a document, got 7 of",
        ),
        (["one two"], {"analyzer": str.upper}, "list of words .* got 'ONE TWO' of"),
        (["one two"], {"analyzer": lambda d: [1]}, "analyzer must .* got 1 of type"),
        (pd.DataFrame({"t": ["one"]}), {}, "one column of documents, got a DataFrame"),
        (pl.DataFrame({"t": ["one"]}), {}, "one column of documents, got a DataFrame"),
        (np.array([["one"], ["two"]]), {}, r"one column .* ndarray .* array\.ravel"),
        (csr_array([[1.0]]), {}, "one column of documents, got a csr_array"),
        (["one two"], {"ngram_range": (2, 1)}, r"min_n <= max_n, got \(2, 1\)"),
        (["one two"], {"ngram_range": (1, 2, 3)}, r"got \(1, 2, 3\)"),
        (["one two"], {"window": 0}, "'window' parameter"),
        (["one two"], {"window": 2.5}, "'window' parameter"),
        (["one two"], {"subsample": -1e-3}, "'subsample' parameter"),
        (["one two"], {"analyzer": "words"}, "'analyzer' parameter"),
        (["one two"], {"min_df": -1}, "'min_df' parameter"),
    ],
)
def test_bad_input(documents, parameters, message):
    with pytest.raises(ValueError, match=message):
        TextEmbedder(4, **parameters).fit(documents)


@pytest.mark.parametrize("smoothing", [-1.0, 0, np.inf, "none"])
def test_smoothing_set_after_fit_is_checked(smoothing):
    embedder = fitted().set_params(smoothing=smoothing)
    with pytest.raises(ValueError, match="'smoothing' parameter"):
        embedder.transform(["cat"])


def test_capitals_of_a_vocabulary_count():
    for options in ({"lowercase": False}, {"analyzer": str.split}):
        embedder = fitted(["Cat Dog", "Dog"], vocabulary=["Cat", "Dog"], **options)
        assert embedder.word_embedding_.any()


def test_the_order_of_a_vocabulary():
    documents, _ = stories()
    expected = fitted(documents, vocabulary=sorted(WORLDS[0]))
    for form in (set, frozenset, lambda words: np.array(sorted(words))):
        embedder = fitted(documents, vocabulary=form(WORLDS[0]))
        assert embedder.vocabulary_ == expected.vocabulary_
        assert {type(word) for word in embedder.vocabulary_} == {str}


def test_bytes_are_scored_as_they_are_read():
    documents, _ = stories()
    encoded = [document.encode() for document in documents]
    embedder = fitted(encoded, analyzer=str.split)
    assert embedder.score(encoded) == embedder.score(documents)


def test_documents_are_not_kept():
    alive, most = 0, 0

    class Document(str):
        def __init__(self, _):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    fitted(Document(document) for document in stories(50)[0])
    assert most < 5


@pytest.mark.parametrize("bad", ["cat dog", [None], [], [["cat"]]])
def test_bad_documents_after_fit(bad):
    embedder = fitted()
    for method in (embedder.transform, embedder.score):
        with pytest.raises(ValueError, match="raw"):
            method(bad)


@pytest.mark.parametrize(
    "parameters",
    [
        {"analyzer": "char", "stop_words": "english"},
        {"analyzer": "tokens", "token_pattern": r"\w+"},
        {"analyzer": str.split, "ngram_range": (1, 2)},
    ],
)
def test_options_that_an_analyzer_does_not_use(parameters):
    documents = [["cat", "dog"]] if parameters["analyzer"] == "tokens" else ["cat dog"]
    (unused,) = parameters.keys() - {"analyzer"}
    with pytest.warns(UserWarning, match=rf"{unused}=.* is not used with analyzer="):
        fitted(documents, **parameters)


def test_words_without_neighbours():
    with pytest.warns(UserWarning, match="1 of the 3 words of raw_documents co-occur"):
        embedder = fitted(["cat dog", "lonely"])
    assert not vector_of(embedder, "lonely").any()
    assert [word for word, _ in embedder.most_similar("cat")] == ["dog"]
    with pytest.raises(ValueError, match="co-occurs with nothing has no vector"):
        embedder.most_similar("lonely")
    with pytest.warns(UserWarning, match="1 of the 2 documents"):
        means = embedder.transform(["lonely", "lonely cat"])
    np.testing.assert_allclose(means[1], vector_of(embedder, "cat"), rtol=1e-6)


def test_warm_start_keeps_the_words_it_knows():
    documents, _ = stories()
    embedder = fitted(documents, warm_start=True, subsample=0, max_iter=30)
    before = {word: vector_of(embedder, word) for word in embedder.vocabulary_}
    loss = embedder.loss_curve_[-1]
    more = [*documents, "aardvark cat dog", "zebra bond stock"]
    embedder.set_params(max_iter=3).fit(more)
    assert embedder.loss_curve_[0] < loss + 0.5
    cosines = [before[word] @ vector_of(embedder, word) for word in before]
    assert np.median(cosines) > 0.9
    assert np.linalg.norm(vector_of(embedder, "aardvark")) == pytest.approx(1)


def test_model_selection():
    documents, about = stories()
    model = make_pipeline(TextEmbedder(8, random_state=0), LogisticRegression())
    assert cross_val_score(model, documents, about, cv=3).min() > 0.9
    search = GridSearchCV(
        TextEmbedder(4, max_iter=4, random_state=0), {"temperature": [0.2, 1.0]}, cv=2
    ).fit(documents)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_column_of_a_table():
    documents, _ = stories()
    table = pd.DataFrame({"text": documents, "length": [len(d) for d in documents]})
    columns = ColumnTransformer(
        [("text", TextEmbedder(4, max_iter=4), "text")], remainder="passthrough"
    ).set_output(transform="pandas")
    features = columns.fit_transform(table)
    assert list(features) == [
        *(f"text__textembedder{k}" for k in range(4)),
        "remainder__length",
    ]
    wrong = ColumnTransformer([("text", TextEmbedder(4), ["text"])])
    with pytest.raises(ValueError, match=re.escape('"text" and not ["text"]')):
        wrong.fit(table)


@pytest.mark.parametrize("analyzer", ["word", "char_wb", "tokens", str.split])
def test_pickle_and_clone(analyzer):
    documents, _ = stories()
    if analyzer == "tokens":
        documents = [document.split() for document in documents]
    embedder = fitted(documents, analyzer=analyzer)
    loaded = pickle.loads(pickle.dumps(embedder))
    means = embedder.transform(documents)
    np.testing.assert_array_equal(loaded.transform(documents), means)
    assert loaded.score(documents) == embedder.score(documents)
    np.testing.assert_array_equal(clone(embedder).fit_transform(documents), means)


@pytest.mark.filterwarnings(ZEROS)
def test_what_is_told_of_a_long_text(capsys, monkeypatch):
    monkeypatch.setattr("skemb._progress._LONGEST_SILENCE", 0.0)
    documents = 700 * [*stories(4)[0], ""]
    fitted(documents, verbose=1, max_iter=2)
    lines = [line.rpartition("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [f"[TextEmbedder] reading, {k}000 documents" for k in (1, 2, 3)]
    assert lines[3].startswith("[TextEmbedder] 3500 documents of 39200 words, ")
    assert re.fullmatch(r"\[TextEmbedder\] \d+ pairs of words that co-occur", lines[4])
    assert all(a < b for a, b in pairwise(lines[5:]))
    assert len(lines) == 7


def test_documents_are_not_routed():
    assert not vars(TextEmbedder().get_metadata_routing().fit)["_requests"]
    assert not hasattr(TextEmbedder(), "set_score_request")
