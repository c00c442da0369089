"""Words as unit vectors by the company they keep, and documents as means of them."""

from numbers import Integral, Real
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils import metadata_routing
from sklearn.utils.validation import check_is_fitted

from skemb._compat import (
    VECTORIZER_CONSTRAINTS,
    Interval,
    StrOptions,
    fit_context,
)
from skemb._corpus import analyzer_of, count_words, read_corpus, read_words
from skemb._feature_embedder import FeatureEmbedder
from skemb._operators import SparseOperator
from skemb._parallel import Workers
from skemb._validation import (
    check_positive,
    check_vocabulary,
    check_words,
    check_writable_words,
    column_sums,
)
from skemb._windows import kept_shares, window_cooccurrences

_BUILT_IN = ("word", "char", "char_wb")


class _Training(NamedTuple):
    vectorizer: CountVectorizer  # fitted
    counts: sp.csr_array  # (n_documents, n_words)
    frequency: np.ndarray  # (n_words,) share of each word in the text
    cooccurrences: sp.csr_array  # (n_words, n_words), symmetric


class TextEmbedder(FeatureEmbedder):
    r"""Embed words by the company they keep; a document becomes the mean of its words.

    Words co-occur when they stand within a window in a document, with themselves where
    they are repeated. With P the row-normalised co-occurrences, the unit vectors
    :math:`x_i` of the words and :math:`y_j` of their contexts, the same words once
    more, minimise in turn

    .. math::

        -\frac{1}{m} \sum_{ij} P_{ij} \log p(j \mid i)
        \quad\text{and}\quad
        -\frac{1}{m} \sum_{ij} P_{ji} \log q(i \mid j),
        \qquad
        p(j \mid i) = \frac{p_j \, e^{x_i \cdot y_j / t}}{Z(x_i)},

    and q alike with the sides exchanged. The normaliser
    :math:`Z(x) = \sum_j p_j e^{x \cdot y_j / t}` is estimated in linear time by a
    mixture of Gaussians [1]_: no negatives are sampled, and nothing else is drawn but
    the start.

    ``transform`` takes a document to the weighted mean of the vectors of its words,
    which weigh their counts times the smooth inverse of their frequency [2]_.

    Parameters
    ----------
    n_components : int, default=128
        Dimension d of the vectors, at least 1.
    analyzer : {"word", "char", "char_wb", "tokens"} or callable, default="word"
        What makes words of a document. "word", "char" and "char_wb" are those of
        :class:`~sklearn.feature_extraction.text.CountVectorizer`; "tokens" takes
        documents that are lists of words already; a callable gets a document and
        returns its list of words.
    lowercase : bool, default=True
        Whether text becomes lower case first; not for "tokens" and callables.
    token_pattern : str or None, default=r"(?u)\\b\\w\\w+\\b"
        What a word looks like, if ``analyzer="word"``.
    ngram_range : tuple (min_n, max_n), default=(1, 1)
        Lengths of the n-grams that count as words; not for "tokens" and callables.
        Windows run along the list that the analyzer makes, in which those of one length
        come before those of the next (with "char_wb", within each word).
    stop_words : {"english"}, list or None, default=None
        Words left out before windows are formed, if ``analyzer="word"``.
    min_df : float or int, default=1
        Words in fewer documents than that are left out before windows are formed: a
        share of them in [0, 1] or a number of at least 1.
    max_df : float or int, default=1.0
        The same for words in more documents than that, a share in [0, 1] or a number of
        at least 1.
    max_features : int or None, default=None
        How many of the most frequent words are kept, at least 1; None keeps all.
    vocabulary : mapping, list or set of str, default=None
        The words that count, in place of those found, whatever ``min_df``, ``max_df``
        and ``max_features`` say; a mapping gives their indices.
    window : int, default=5
        How many words away co-occurrence ends, from 1 to a million. A word at distance
        :math:`\delta` counts :math:`1 - (\delta - 1) / window`.
    subsample : float, default=5e-05
        Threshold s above which frequent words are thinned out, in [0, 1]; 0 never. Of a
        word of frequency f a share of :math:`\min(\sqrt{s / f} + s / f, 1)` is kept,
        as in word2vec, relative to the largest of these shares. Nothing is dropped at
        random: pairs count as often as both words would be kept, at the distance that
        is left in the mean, down to a quarter of what it was.
    smoothing : float, "auto" or None, default="auto"
        The a of the weights a / (a + f) that words of frequency f have in a mean,
        positive; None weighs all alike. "auto" is 25 over the number of words: near
        0.001 for the vocabulary of a large corpus. It can be set after ``fit``.
    temperature : float, default=0.15
        Temperature t of the SoftMax, in [0.001, 1000]: lower values fit finer
        differences, and more of the noise. The smaller the corpus, the higher: 0.3 to
        0.5 may be best for some thousand documents.
    n_gaussians : int, default=256
        Gaussians K of the normaliser, at least 1; at the number of words and above it
        is exact. Time grows with K m d.
    normalizer : {"gaussian", "exact", "sampled"} or callable, default="gaussian"
        How the normaliser is computed. "exact" sums over all contexts, in time that
        grows with rows times contexts; "sampled" estimates it from ``n_negatives``
        contexts drawn for each row by ``sampler``. Both are there to compare with.
        ``docs/normalizers.rst`` says when they pay and how to write another one.
    n_negatives : int, default=64
        Contexts that a row draws in an epoch with ``normalizer="sampled"``, from 1 to
        65,536.
    sampler : {"uniform", "popularity", "adaptive"}, default="adaptive"
        How ``normalizer="sampled"`` draws contexts: all with the same chance, with one
        in proportion to their total affinity, or by how the row points [3]_.
    context_power : float, default=0.75
        Prior :math:`p_j \propto s_j^{power}`, with :math:`s_j` the sum of a word's
        co-occurrences, in [0, 1]. At 0 popularity has to be learned by the vectors, at
        1 they hold what goes beyond it.
    mean_penalty : float, default=0.0
        Weight of the squared mean of the words and of the contexts, in [0, 1000].
    max_iter : int, default=20
        Number of epochs, at least 1. Steps shrink linearly to zero over them.
    tol : float, default=0.0
        Training stops early once the loss changes by less than ``tol`` times itself
        from one epoch to the next; 0 never does. As the steps shrink on a schedule, an
        early stop trades quality for time.
    init : {"random", "propagated"} or array-like, default="random"
        Where the words start: at random vectors, or at what becomes of them when they
        spread over two hops of co-occurrence. Rows of an array of shape (n_words,
        n_components), in the order of ``vocabulary_``, are scaled to length one; zero
        rows start at random, and contexts at the means of their words.
    warm_start : bool, default=False
        Whether ``fit`` starts from the vectors of the last fit, if there was one, in
        place of ``init``; words that it did not have start at random.
    principal_axes : bool, default=False
        Whether to turn all vectors, once trained, to the principal axes of
        ``word_embedding_``: cosines stay, to rounding, and the first k columns keep
        as much of them as any k can, so that one fit serves a search over dimensions.
    n_jobs : int or None, default=None
        Number of threads that count and train; None is 1 unless in a
        ``joblib.parallel_config``, -1 all processors. Documents are read in one. The
        result is the same, byte for byte, whatever it is.
    random_state : int, RandomState instance or None, default=None
        Seed of the random start, of the first centres of the Gaussians, and of draws.
    verbose : int, default=0
        If positive, print what was read and counted, and loss and seconds of every
        epoch.

    Attributes
    ----------
    vocabulary_ : dict
        Index of each word.
    word_embedding_ : ndarray of shape (n_words, n_components)
        Trained vectors of the words, in float32: unit rows, or zero for words that
        co-occur with nothing.
    context_embedding_ : ndarray of shape (n_words, n_components)
        Trained vectors of the words as contexts of others.
    log_prior_ : ndarray of shape (n_words,)
        Log of the contexts' prior; minus infinity for words that co-occur with nothing.
    word_frequency_ : ndarray of shape (n_words,)
        Share of each word in the documents of fit.
    vectorizer_ : CountVectorizer
        Counts the words of documents, fitted.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        The objective, in nats, before the step of each epoch, under the normaliser of
        that epoch; the mean of both losses.
    n_iter_ : int
        Number of epochs run.

    See Also
    --------
    CooccurrenceEmbedder : Features that co-occur in the rows of a matrix.
    sklearn.feature_extraction.text.TfidfVectorizer : One dimension for each word.

    Notes
    -----
    Reading takes about half a microsecond a word, in one thread and mostly by
    scikit-learn. Counting costs O(n_tokens window), and an epoch costs
    O(nnz d + m K d + m d²) for m words with nnz pairs that co-occur. Memory is that of
    these pairs (eight bytes for each, in each order), of the counts of words in
    documents (eight bytes for each that is not zero), of some thirty bytes for each
    word of the text until pairs are counted, and of four arrays of shape
    (n_words, n_components).

    Where words are left out (by ``min_df``, ``stop_words`` or a ``vocabulary``), those
    around them become neighbours. Documents are boundaries. One long text needs no
    cutting, but then every word is in just one document: bound the vocabulary by
    ``max_features`` or ``vocabulary``.

    The vectors offered are those of the words as rows. Their sums with those of the
    contexts were no better for similarity and worse for analogies, on 17 million words
    and three seeds.

    References
    ----------
    .. [1] L. Dall'Amico and E. M. Belliardo, "Learning distributed representations with
       efficient SoftMax normalization", Transactions on Machine Learning Research,
       2025. arXiv:2303.17475. The temperature, the many components with one covariance
       and the two-sided loss are this library's; ``docs/model.rst`` derives them.
    .. [2] S. Arora, Y. Liang and T. Ma, "A simple but tough-to-beat baseline for
       sentence embeddings", International Conference on Learning Representations, 2017.
    .. [3] L. Chen, F. Yuan, J. M. Jose and W. Zhang, "Improving negative sampling for
       word representation using self-embedded features", WSDM 2018. arXiv:1710.09805.

    Examples
    --------
    Sentences about two worlds that share hardly a word:

    >>> import numpy as np
    >>> from skemb import TextEmbedder
    >>> rng = np.random.default_rng(0)
    >>> worlds = ["cat dog purr bark tail paw", "bond stock price yield share fund"]
    >>> about = np.repeat([0, 1], 50)
    >>> documents = [" ".join(rng.choice(worlds[k].split(), 6)) for k in about]
    >>> embedder = TextEmbedder(8, random_state=0).fit(documents)
    >>> {word for word, cosine in embedder.most_similar("cat", 5)} == set(
    ...     "dog purr bark tail paw".split()
    ... )
    True

    A Pipeline holds out documents, which become the means of their words:

    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from sklearn.pipeline import make_pipeline
    >>> model = make_pipeline(embedder, LogisticRegression())
    >>> round(float(cross_val_score(model, documents, about, cv=5).mean()), 1)
    1.0
    """

    _parameter_constraints: ClassVar[dict] = {
        **FeatureEmbedder._parameter_constraints,
        **VECTORIZER_CONSTRAINTS,
        "analyzer": [StrOptions({*_BUILT_IN, "tokens"}), callable],
        "window": [Interval(Integral, 1, 10**6, closed="both")],
        "subsample": [Interval(Real, 0, 1, closed="both")],
    }
    _argument, _rows, _kind = "raw_documents", "documents", "words"
    _n_preparations = 2
    # Documents are data, and not something to be routed.
    __metadata_request__fit: ClassVar[dict] = {"raw_documents": metadata_routing.UNUSED}
    __metadata_request__transform = __metadata_request__fit
    __metadata_request__score = __metadata_request__fit

    def __init__(
        self,
        n_components=128,
        *,
        analyzer="word",
        lowercase=True,
        token_pattern=r"(?u)\b\w\w+\b",
        ngram_range=(1, 1),
        stop_words=None,
        min_df=1,
        max_df=1.0,
        max_features=None,
        vocabulary=None,
        window=5,
        subsample=5e-5,
        smoothing="auto",
        temperature=0.15,
        n_gaussians=256,
        normalizer="gaussian",
        n_negatives=64,
        sampler="adaptive",
        context_power=0.75,
        mean_penalty=0.0,
        max_iter=20,
        tol=0.0,
        init="random",
        warm_start=False,
        principal_axes=False,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.analyzer = analyzer
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.ngram_range = ngram_range
        self.stop_words = stop_words
        self.min_df = min_df
        self.max_df = max_df
        self.max_features = max_features
        self.vocabulary = vocabulary
        self.window = window
        self.subsample = subsample
        self.smoothing = smoothing
        self.temperature = temperature
        self.n_gaussians = n_gaussians
        self.normalizer = normalizer
        self.n_negatives = n_negatives
        self.sampler = sampler
        self.context_power = context_power
        self.mean_penalty = mean_penalty
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.warm_start = warm_start
        self.principal_axes = principal_axes
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, raw_documents, y=None):
        """Learn the vocabulary, and the vectors of its words.

        Parameters
        ----------
        raw_documents : iterable of str, or of lists of str
            Documents, as the ``analyzer`` takes them; they are read once.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted embedder.

        Raises
        ------
        ValueError
            If a parameter is out of range, there is no document or none with a word
            that counts, or documents are not what the ``analyzer`` takes.
        """
        self._fit(raw_documents, y)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, raw_documents, y=None):
        """Fit and return the means of the documents, as ``fit(...).transform(...)``.

        Parameters
        ----------
        raw_documents : iterable of str, or of lists of str
            Documents, as the ``analyzer`` takes them; they are read once.
        y : None
            Ignored.

        Returns
        -------
        means : ndarray of shape (n_documents, n_components)
            As by ``transform``.
        """
        data = self._fit(raw_documents, y)
        return self._means(data.counts)

    def transform(self, raw_documents):
        """Return the weighted mean of the words of each document, seen in fit or not.

        A word of frequency f weighs its count times a / (a + f), with a the
        ``smoothing``; unknown words and those without a vector have no part in it.
        Costs O(n_components) for each word of a document, beside reading it.

        Parameters
        ----------
        raw_documents : iterable of str, or of lists of str
            Documents, as the ``analyzer`` takes them.

        Returns
        -------
        means : ndarray of shape (n_documents, n_components)
            In float32; zero, with one warning, for documents without known words.

        Raises
        ------
        ValueError
            If there is no document, or documents are not what the ``analyzer`` takes.
        """
        check_is_fitted(self, "n_iter_")
        self._validate_params()
        return self._means(count_words(raw_documents, self.vectorizer_))

    def score(self, raw_documents, y=None):
        """Return the mean log likelihood of the words around each word.

        It is the mean of log p(j | i) over the pairs of words that co-occur in the
        documents, weighted by how often they are expected to, in nats, with the
        normaliser exact, so that scores can be compared between temperatures and
        numbers of Gaussians; but not between vocabularies, windows and thresholds of
        subsampling, which change what is scored. Costs O(n_words² n_components).
        ``window`` and ``subsample`` count as they are now, the rest as of fit.

        Parameters
        ----------
        raw_documents : iterable of str, or of lists of str
            Documents, as the ``analyzer`` takes them.
        y : None
            Ignored.

        Returns
        -------
        score : float
            In nats; higher is better.

        Raises
        ------
        ValueError
            If documents are not what ``transform`` takes, or no known words co-occur.
        """
        check_is_fitted(self, "n_iter_")
        self._validate_params()
        words = read_words(raw_documents, self.vectorizer_)
        with Workers(self.n_jobs) as workers:
            cooccurrences = self._cooccurrences(words, self.word_frequency_, workers)
            operator = SparseOperator(cooccurrences, self._conditional.mass)
            return self._mean_log_likelihood(self.word_embedding_, operator, workers)

    def most_similar(self, word, n=10):
        """Return the words whose vectors are nearest to that of a word.

        Costs O(n_words n_components).

        Parameters
        ----------
        word : str
            A word of the vocabulary.
        n : int, default=10
            How many, at least 1; fewer are returned where there are no more words.

        Returns
        -------
        similar : list of (str, float)
            Words and their cosines, best first, ties by index.

        Raises
        ------
        ValueError
            If the word is not in the vocabulary or has no vector, or n is below 1.
        """
        check_is_fitted(self, "n_iter_")
        (index,) = check_words([word], "word", self.vocabulary_)
        return self._nearest(self.word_embedding_[index], [index], n)

    def analogy(self, positive, negative=(), n=10):
        """Return the words nearest to a sum of words less others.

        "man is to king as woman is to ..." asks for
        ``analogy(["king", "woman"], ["man"])``. Costs O(n_words n_components).

        Parameters
        ----------
        positive : str or list of str
            Words whose vectors are added.
        negative : str or list of str, default=()
            Words whose vectors are taken away.
        n : int, default=10
            How many, at least 1; fewer are returned where there are no more words.

        Returns
        -------
        similar : list of (str, float)
            Words other than those asked about, and their cosines with the sum, best
            first, ties by index.

        Raises
        ------
        ValueError
            If a word is not in the vocabulary, or n is below 1.
        """
        check_is_fitted(self, "n_iter_")
        added = check_words(positive, "positive", self.vocabulary_)
        taken = check_words(negative, "negative", self.vocabulary_)
        if not added and not taken:
            raise ValueError("positive or negative must hold at least one word.")
        vectors = self.word_embedding_
        query = vectors[added].sum(axis=0) - vectors[taken].sum(axis=0)
        return self._nearest(query, added + taken, n)

    def _nearest(self, query, asked, n):
        """Return the n words nearest to a vector, and their cosines with it."""
        check_positive(n, "n")
        length = np.linalg.norm(query)
        if length < 1e-6 * len(asked):  # what rounding leaves of nothing
            raise ValueError(
                "The words asked about must have vectors that do not cancel out, got a "
                "sum of zero: a word that co-occurs with nothing has no vector."
            )
        cosines = self.word_embedding_ @ (query / length)
        answers = self.word_embedding_.any(axis=1)
        answers[asked] = False
        cosines[~answers] = -np.inf
        best = np.argsort(-cosines, kind="stable")[: min(n, answers.sum())]
        words = self.vectorizer_.get_feature_names_out()[best]
        return list(zip(words.tolist(), cosines[best].tolist(), strict=True))

    def to_keyed_vectors(self, path):
        """Write the vectors of the words in word2vec's text format.

        ``gensim.models.KeyedVectors.load_word2vec_format(path)`` reads it, and so do
        most tools of the field. The most frequent words come first; numbers are read
        back exact.

        Parameters
        ----------
        path : str or path-like
            The file; it is replaced if there is one.

        Raises
        ------
        ValueError
            If a word contains white space, which separates words from numbers there, as
            n-grams of words do, and many of letters.
        """
        check_is_fitted(self, "n_iter_")
        words = self.vectorizer_.get_feature_names_out()
        check_writable_words(words)
        n_words, n_components = self.word_embedding_.shape
        # Nine digits tell all numbers of float32 apart.
        numbers = n_components * " %.9g"
        with Path(path).open("w", encoding="utf-8", newline="\n") as file:
            file.write(f"{n_words} {n_components}\n")
            for index in np.argsort(-self.word_frequency_, kind="stable"):
                vector = tuple(self.word_embedding_[index].tolist())
                file.write(f"{words[index]}{numbers % vector}\n")

    def _training_data(self, raw_documents, progress, workers):
        analyze = analyzer_of(
            self.analyzer,
            lowercase=self.lowercase,
            token_pattern=self.token_pattern,
            ngram_range=self.ngram_range,
            stop_words=self.stop_words,
        )
        vectorizer, counts, words = read_corpus(
            raw_documents,
            analyze,
            progress,
            min_df=self.min_df,
            max_df=self.max_df,
            max_features=self.max_features,
            vocabulary=check_vocabulary(self.vocabulary),
            lowercase=self.lowercase and self.analyzer in _BUILT_IN,
        )
        occurrences = column_sums(counts)
        frequency = occurrences / (occurrences.sum() or 1)
        with progress.task("counting"):
            cooccurrences = self._cooccurrences(words, frequency, workers)
            progress.say(f"{cooccurrences.nnz} pairs of words that co-occur")
        return _Training(vectorizer, counts, frequency, cooccurrences)

    def _cooccurrences(self, words, frequency, workers):
        kept = kept_shares(frequency, self.subsample)
        return window_cooccurrences(words, kept, self.window, workers)

    def _pulls(self, data, workers):
        met = (np.diff(data.cooccurrences.indptr) > 0).astype(np.float64)
        operator = SparseOperator(data.cooccurrences, met)
        # Symmetric, so that words as contexts are pulled by the same.
        return 2 * [(operator, operator.strength)]

    def _attributes(self, sides, data, losses, workers):
        return {
            "vectorizer_": data.vectorizer,
            "vocabulary_": data.vectorizer.vocabulary_,
            "word_embedding_": sides[0].vectors,
            "word_frequency_": data.frequency,
            **self._trained(sides, losses, workers),
        }

    def _fitted_vectors(self, data):
        # The vocabulary may be another: words keep their vectors, new ones have none.
        vocabulary = data.vectorizer.vocabulary_
        kept = [word for word in vocabulary if word in self.vocabulary_]
        now = [vocabulary[word] for word in kept]
        before = [self.vocabulary_[word] for word in kept]
        fitted = []
        for vectors in (self.word_embedding_, self.context_embedding_):
            start = np.zeros((len(vocabulary), vectors.shape[1]), vectors.dtype)
            start[now] = vectors[before]
            fitted.append(start)
        return fitted

    @property
    def _vectors(self):
        return self.word_embedding_

    @property
    def _frequency(self):
        return self.word_frequency_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.sparse = False
        tags.input_tags.positive_only = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
