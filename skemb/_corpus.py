"""Documents read into sequences of words, by scikit-learn's analyzers."""

from array import array

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from skemb._validation import (
    check_document,
    check_documents,
    check_ngram_range,
    check_some_words,
    check_tokens,
    warn_unused,
)

# So many documents are a task of their own for those who look on.
_PART = 1000


def analyzer_of(analyzer, **options):
    """Return a function from a document to its list of words; it can be pickled."""
    warn_unused(analyzer, options, CountVectorizer().get_params())
    if analyzer == "tokens":
        return check_tokens
    if callable(analyzer):
        return _CustomAnalyzer(analyzer)
    check_ngram_range(options["ngram_range"])
    return CountVectorizer(analyzer=analyzer, **options).build_analyzer()


def read_corpus(raw_documents, analyze, progress, **options):
    """Learn the vocabulary of documents and read them by it.

    ``options`` are those of CountVectorizer that say which words count. Returned are
    the fitted CountVectorizer, what it counts, CSR (n_documents, n_words), and the
    documents in order, as the indices of their words (n_tokens,), each ended by -1.
    """
    recorder = _Recorder(analyze)
    vectorizer = CountVectorizer(analyzer=recorder, dtype=np.float32, **options)
    documents = _checked(raw_documents, analyze)
    known_length = hasattr(raw_documents, "__len__")
    n_parts = -(-len(raw_documents) // _PART) if known_length else None
    with progress.task("reading", n_parts):
        try:
            parts = progress.parts(documents, _PART, "documents")
            counts = vectorizer.fit_transform(parts)
        except ValueError as error:
            raise _explained(error) from error
        vectorizer.set_params(analyzer=analyze)
        # As they come from ``count_words``, so that sums are the same bytes.
        counts.sort_indices()
        words = recorder.words(vectorizer.vocabulary_)
        n_documents, n_words = counts.shape
        progress.say(
            f"{n_documents} documents of {len(words) - n_documents} words, {n_words} "
            "of them distinct"
        )
    check_some_words(words)
    return vectorizer, counts, words


def _explained(error):
    """Return scikit-learn's error on words that all fall out with what may be done."""
    causes = ("empty vocabulary", "no terms remain", "max_df corresponds to")
    if not any(cause in str(error) for cause in causes):
        return error
    return ValueError(
        "raw_documents must have words that count, got an empty vocabulary: look at "
        f"min_df, max_df, stop_words, token_pattern and vocabulary ({error})."
    )


def count_words(raw_documents, vectorizer):
    """Return how often each known word occurs in documents, CSR (n_documents, V)."""
    return vectorizer.transform(_checked(raw_documents, vectorizer.analyzer))


def read_words(raw_documents, vectorizer):
    """Return documents as the indices of known words, -1 at the end of each."""
    recorder = _Recorder(vectorizer.analyzer)
    for document in _checked(raw_documents, vectorizer.analyzer):
        recorder(vectorizer.decode(document))
    return recorder.words(vectorizer.vocabulary_)


def _checked(raw_documents, analyze):
    """Return an iterator over documents, refusing what the analyzer would misread."""
    as_tokens = analyze is check_tokens
    check_documents(raw_documents, as_tokens=as_tokens)
    is_custom = isinstance(analyze, _CustomAnalyzer)

    def checked():
        index = -1
        for index, document in enumerate(raw_documents):
            if not is_custom:
                check_document(document, index, as_tokens=as_tokens)
            yield document
        if index < 0:
            raise ValueError(
                "raw_documents must hold at least one document, got none: pass some."
            )

    return checked()


class _CustomAnalyzer:
    """A caller's own function from a document to words, whose words are checked."""

    def __init__(self, function):
        self._function = function

    def __call__(self, document):
        return check_tokens(self._function(document), by="analyzer")


class _Recorder:
    """An analyzer that keeps the order of words, which counts lose."""

    def __init__(self, analyze):
        self._analyze = analyze
        self._numbers = _Numbers()
        self._sequence = array("i")

    def __call__(self, document):
        words = self._analyze(document)
        self._sequence.extend(map(self._numbers.__getitem__, words))
        self._sequence.append(-1)
        return words

    def words(self, vocabulary):
        """Return what was read by its index in a vocabulary, which leaves out others.

        The end of a document is -1.
        """
        # At -1, last, stands what ends a document.
        index_of = np.full(len(self._numbers) + 1, -1, dtype=np.int32)
        for word, number in self._numbers.items():
            index_of[number] = vocabulary.get(word, -2)
        words = index_of[np.frombuffer(self._sequence, dtype=np.intc)]
        return words[words > -2]


class _Numbers(dict):
    """Words numbered as they come."""

    def __missing__(self, word):
        number = self[word] = len(self)
        return number
