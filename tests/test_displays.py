"""Displays: what they compute, what is drawn, and bad input by its message."""

import sys

import matplotlib
import numpy as np
import pytest
import scipy.sparse as sp
from conftest import random_graph
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline

from skemb import GraphEmbedder, TextEmbedder
from skemb.displays import EmbeddingDisplay, LossCurveDisplay, NormalizerErrorDisplay

matplotlib.use("Agg")
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


@pytest.fixture
def embedder(graph):
    return GraphEmbedder(8, max_iter=10, random_state=0).fit(graph)


@pytest.fixture
def vectors(rng):
    return rng.standard_normal((30, 5))


class FirstTwo(BaseEstimator):
    """A reducer that keeps two columns, or whatever it is told."""

    def __init__(self, columns=(0, 1)):
        self.columns = columns

    def fit_transform(self, vectors):
        return vectors[:, list(self.columns)]


def drawn(display):
    """Return the points drawn, (n, 2)."""
    return np.ma.getdata(display.scatter_.get_offsets())


def legend(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def test_embedding_of_an_estimator_is_projected(embedder, graph):
    display = EmbeddingDisplay.from_estimator(embedder, graph)
    expected = PCA(2, random_state=0).fit_transform(embedder.embedding_)
    np.testing.assert_array_equal(display.coordinates, expected)
    np.testing.assert_array_equal(drawn(display), expected)
    assert display.figure_ is display.ax_.figure
    assert display.legend_ is display.colorbar_ is None
    assert display.ax_.get_xlabel() == "first coordinate"
    assert display.ax_.get_aspect() == 1


def test_embedding_of_a_pipeline(documents):
    model = make_pipeline(
        TextEmbedder(8, max_iter=5, random_state=0), PCA(2, random_state=0)
    )
    model.fit(documents[:-1])
    display = EmbeddingDisplay.from_estimator(model, documents[:-1])
    np.testing.assert_array_equal(drawn(display), model.transform(documents[:-1]))


def test_two_columns_are_drawn_as_they_are(vectors):
    display = EmbeddingDisplay.from_vectors(vectors[:, :2])
    np.testing.assert_array_equal(drawn(display), vectors[:, :2])


def test_any_reducer_with_two_columns(vectors):
    display = EmbeddingDisplay.from_vectors(vectors, reducer=FirstTwo((3, 1)))
    np.testing.assert_array_equal(drawn(display), vectors[:, [3, 1]])
    # A reducer that is given is used, even on two columns.
    display = EmbeddingDisplay.from_vectors(vectors[:, :2], reducer=FirstTwo((1, 0)))
    np.testing.assert_array_equal(drawn(display), vectors[:, [1, 0]])


@pytest.mark.parametrize("n_columns", [2, 5])
def test_zero_vectors_are_not_drawn(vectors, n_columns):
    vectors = vectors[:, :n_columns]
    vectors[[4, 9]] = 0
    labels = np.repeat(["a", "b", "c"], 10)
    labels[4] = "of zeros alone"
    display = EmbeddingDisplay.from_vectors(vectors, labels)
    others = np.delete(vectors, [4, 9], axis=0)
    expected = EmbeddingDisplay.from_vectors(others)
    assert len(display.coordinates) == len(vectors)
    assert np.isnan(display.coordinates[[4, 9]]).all()
    np.testing.assert_array_equal(drawn(display), drawn(expected))
    assert legend(display) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["x", "y", "x", "x"], ["x", "y"]),
        (np.array([3, 1, 1, 2]), ["1", "2", "3"]),
        ([True, False, True, True], ["False", "True"]),
        (np.array([None, "y", 2, "y"], dtype=object), ["2", "None", "y"]),
        (["x"] * 4, ["x"]),
    ],
)
def test_classes_have_a_colour_and_a_name_each(vectors, labels, names):
    display = EmbeddingDisplay.from_vectors(vectors[:4], labels)
    assert legend(display) == names
    assert display.colorbar_ is None
    display.figure_.canvas.draw()
    colours = {}
    for label, colour in zip(
        labels, display.scatter_.get_facecolors().tolist(), strict=True
    ):
        assert colours.setdefault(str(label), colour) == colour
    assert len({tuple(colour) for colour in colours.values()}) == len(names)
    shown = [handle.get_color() for handle in display.legend_.legend_handles]
    for name, colour in zip(names, shown, strict=True):
        np.testing.assert_allclose(colours[name][:3], colour[:3])


@pytest.mark.parametrize("n_classes", [10, 11, 20, 21, 40])
def test_many_classes_have_no_legend(rng, n_classes):
    vectors = rng.standard_normal((n_classes, 2))
    display = EmbeddingDisplay.from_vectors(vectors, np.arange(n_classes))
    assert (display.legend_ is None) == (n_classes > 20)
    display.figure_.canvas.draw()
    colours = display.scatter_.get_facecolors()
    assert len(np.unique(colours, axis=0)) == n_classes


def test_floats_have_a_colour_bar(vectors):
    numbers = np.linspace(-2, 3, len(vectors))
    display = EmbeddingDisplay.from_vectors(vectors, numbers)
    assert display.legend_ is None
    assert (display.colorbar_.vmin, display.colorbar_.vmax) == (-2, 3)
    np.testing.assert_array_equal(display.scatter_.get_array(), numbers)


def test_rows_that_are_not_finite_are_not_drawn(vectors):
    coordinates = vectors[:, :2].tolist()
    coordinates[3][0] = np.nan
    display = EmbeddingDisplay(coordinates).plot()
    assert len(display.scatter_.get_offsets()) == len(vectors) - 1


def test_loss_curves_on_a_scale_of_logarithms(embedder, graph):
    axes = plt.figure().add_subplot(xscale="log")
    display = LossCurveDisplay.from_estimator(embedder.fit(graph), ax=axes)
    assert display.ax_.get_xscale() == "log"


def test_keywords_go_to_matplotlib(embedder, graph):
    _, (left, right) = plt.subplots(1, 2)
    labels = np.arange(60) % 3
    display = EmbeddingDisplay.from_estimator(
        embedder, graph, labels, ax=left, s=7, cmap="viridis"
    )
    assert display.ax_ is left
    assert display.scatter_.get_sizes() == [7]
    assert display.scatter_.get_cmap().name == "viridis"
    display = LossCurveDisplay.from_estimator(embedder, ax=right, color="red")
    assert display.line_.get_color() == "red"
    display = NormalizerErrorDisplay.from_estimator(embedder, ax=right, alpha=0.25)
    assert display.scatter_.get_alpha() == 0.25


def test_displays_can_be_drawn_again(vectors):
    for display in (
        EmbeddingDisplay(vectors[:, :2], ["a", "b"] * 15),
        LossCurveDisplay(vectors[0], "a"),
        NormalizerErrorDisplay(vectors[0], vectors[1]),
    ):
        first = display.plot().ax_
        assert display.plot() is display
        assert display.ax_ is not first


def test_loss_curves_share_axes(embedder, graph):
    longer = clone(embedder).set_params(max_iter=15).fit(graph)
    first = LossCurveDisplay.from_estimator(embedder)
    assert first.ax_.get_legend() is None
    display = LossCurveDisplay.from_estimator(longer, name="longer", ax=first.ax_)
    epochs, losses = display.line_.get_data()
    np.testing.assert_array_equal(epochs, np.arange(1, 16))
    np.testing.assert_array_equal(losses, longer.loss_curve_)
    assert display.ax_.lines[:] == [first.line_, display.line_]
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert names == ["longer"]


def test_normalizer_error_of_new_rows(embedder, graph):
    display = NormalizerErrorDisplay.from_estimator(
        embedder, graph[:20], sample_size=12, random_state=0
    )
    np.testing.assert_array_equal(
        drawn(display), np.transpose([display.exact, display.estimated])
    )
    assert len(display.exact) == 12
    error = np.abs(display.estimated - display.exact).mean()
    assert display.ax_.get_title() == f"mean error {error:.3f} nats"
    # Both axes show the same range, with the diagonal from corner to corner.
    x, y = display.line_.get_data()
    np.testing.assert_array_equal(x, y)
    assert display.ax_.get_xlim() == display.ax_.get_ylim()


def test_exact_normalizer_lies_on_the_diagonal(graph):
    embedder = GraphEmbedder(8, n_gaussians=60, max_iter=5, random_state=0).fit(graph)
    display = NormalizerErrorDisplay.from_estimator(embedder, sample_size=None)
    np.testing.assert_allclose(display.estimated, display.exact, atol=1e-12)
    assert display.ax_.get_title() == "mean error 0.000 nats"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"y": [0, 1]}, ValueError, r"y must have a label for each of the 30 rows, "),
        ({"reducer": PCA(3)}, ValueError, r"reducer must make two columns .*\(30, 3\)"),
        (
            {"reducer": "tsne"},
            TypeError,
            "reducer must be an object with fit_transform.*'tsne'",
        ),
        ({"vectors": np.ones((5, 1))}, ValueError, "minimum of 2 is required"),
        ({"vectors": np.eye(5)[:1]}, ValueError, "must have two rows or more .* got 1"),
        ({"vectors": np.zeros((5, 3))}, ValueError, "two rows or more .* got 0"),
        ({"vectors": np.eye(2)[:1]}, ValueError, "two rows or more .* got 1"),
        ({"vectors": [[1, np.nan]]}, ValueError, "Input vectors contains NaN"),
        ({"vectors": sp.csr_array(np.eye(5))}, TypeError, "[Ss]parse data was passed"),
    ],
)
def test_what_cannot_be_drawn(vectors, arguments, error, message):
    with pytest.raises(error, match=message):
        EmbeddingDisplay.from_vectors(**{"vectors": vectors, **arguments})
    assert not plt.get_fignums()


@pytest.mark.parametrize("estimator", [LogisticRegression(), TSNE()])
def test_embeddings_are_made_by_transform(estimator, graph):
    with pytest.raises(TypeError, match="estimator must have the method transform"):
        EmbeddingDisplay.from_estimator(estimator, graph)


@pytest.mark.parametrize("display", [LossCurveDisplay, NormalizerErrorDisplay])
def test_embedders_alone_have_a_fit_to_show(display, graph):
    model = make_pipeline(GraphEmbedder(4, max_iter=2), PCA(2)).fit(graph)
    with pytest.raises(TypeError, match=r"got Pipeline: .* as pipeline\[-1\]"):
        display.from_estimator(model)
    with pytest.raises(TypeError, match="must be a fitted embedder of skemb, got PCA"):
        display.from_estimator(model[-1])
    with pytest.raises(NotFittedError):
        display.from_estimator(GraphEmbedder())
    assert display.from_estimator(model[0]).ax_ is plt.gca()


def test_matplotlib_is_asked_for_before_anything_is_computed(monkeypatch, graph):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = r'needs matplotlib, .*: pip install "skemb\[plot\]"'
    embedder = GraphEmbedder(4, max_iter=2)
    for draw in (
        lambda: EmbeddingDisplay.from_estimator(embedder, graph),
        lambda: EmbeddingDisplay.from_vectors(np.eye(3)),
        lambda: NormalizerErrorDisplay.from_estimator(embedder),
        lambda: LossCurveDisplay([1.0]).plot(),
    ):
        with pytest.raises(ImportError, match=message):
            draw()


def test_large_data_are_projected_alike_each_time():
    vectors = random_graph(600, 0.1, seed=0).toarray()
    first, second = (EmbeddingDisplay.from_vectors(vectors) for _ in range(2))
    np.testing.assert_array_equal(first.coordinates, second.coordinates)
