"""Pictures of embeddings and of how they were trained; they need matplotlib."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.utils import check_array, column_or_1d

from skemb._embedding_metrics import check_embedder, sample_log_partitions

__all__ = ["EmbeddingDisplay", "LossCurveDisplay", "NormalizerErrorDisplay"]

# Colours that can be told apart; from more classes on there is no legend.
_N_COLORS = 20


class EmbeddingDisplay:
    """Map of vectors in two dimensions, coloured by labels.

    Strings, integers and booleans are classes: up to twenty of them have a colour and
    an entry in a legend each, more share a range of colours without a legend. Floats
    are shown by a colour bar. Zero vectors, as of nodes without links, are nowhere:
    they have no part in the reduction and are not drawn.

    Parameters
    ----------
    coordinates : ndarray of shape (n_rows, 2)
        Where to draw each row; rows that are not finite are not drawn.
    labels : array-like of shape (n_rows,) or None, default=None
        Classes or numbers that colour the rows.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of these axes.
    scatter_ : matplotlib PathCollection
        The points.
    legend_ : matplotlib Legend or None
        The names of the classes, if there is a legend.
    colorbar_ : matplotlib Colorbar or None
        The bar of colours, if labels are floats.

    See Also
    --------
    sklearn.manifold.TSNE : A ``reducer`` that keeps groups apart.

    Examples
    --------
    >>> import numpy as np
    >>> from skemb import GraphEmbedder
    >>> from skemb.displays import EmbeddingDisplay
    >>> A = np.kron(np.eye(3), np.ones((10, 10)))
    >>> embedder = GraphEmbedder(8, random_state=0).fit(A)
    >>> display = EmbeddingDisplay.from_estimator(embedder, A, np.repeat([0, 1, 2], 10))
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['0', '1', '2']
    """

    def __init__(self, coordinates, labels=None):
        self.coordinates = coordinates
        self.labels = labels

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, reducer=None, ax=None, **scatter_kwargs
    ):
        """Draw what an estimator makes of X by ``transform``.

        Parameters
        ----------
        estimator : estimator
            A fitted transformer, or a Pipeline of transformers.
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            What ``estimator.transform`` takes; documents, if it takes those.
        y : array-like of shape (n_rows,) or None, default=None
            Labels.
        reducer : transformer or None, default=None
            As in ``from_vectors``.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        display : EmbeddingDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator has no ``transform``.
        """
        _pyplot()
        if not hasattr(estimator, "transform"):
            raise TypeError(
                f"estimator must have the method transform, got {estimator!r}: of a "
                "Pipeline that ends in a classifier pass pipeline[:-1], and what has "
                "fit_transform alone as the reducer."
            )
        vectors = estimator.transform(X)
        return cls.from_vectors(vectors, y, reducer=reducer, ax=ax, **scatter_kwargs)

    @classmethod
    def from_vectors(cls, vectors, y=None, *, reducer=None, ax=None, **scatter_kwargs):
        """Draw vectors, reduced to two dimensions unless they have two.

        Parameters
        ----------
        vectors : array-like of shape (n_rows, n_components)
            Vectors of at least two components.
        y : array-like of shape (n_rows,) or None, default=None
            Labels.
        reducer : transformer or None, default=None
            Anything with a ``fit_transform`` that makes two columns of vectors, such as
            ``sklearn.manifold.TSNE()``. None draws two columns as they are and projects
            more on their first two principal components.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        display : EmbeddingDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If ``y`` has another length than ``vectors``, fewer than two of these are
            not zero, or the reducer makes anything but two columns.
        TypeError
            If the reducer has no ``fit_transform``.
        """
        _pyplot()
        vectors = check_array(vectors, ensure_min_features=2, input_name="vectors")
        if y is not None:
            y = column_or_1d(y)
            if len(y) != len(vectors):
                raise ValueError(
                    f"y must have a label for each of the {len(vectors)} rows, got "
                    f"{len(y)}."
                )
        return cls(_reduced(vectors, reducer), y).plot(ax, **scatter_kwargs)

    def plot(self, ax=None, **scatter_kwargs):
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        display : EmbeddingDisplay
            The display itself.
        """
        self.ax_ = ax = _axes(ax)
        self.figure_ = ax.figure
        self.legend_ = self.colorbar_ = None
        coordinates = np.asarray(self.coordinates)
        drawn = np.isfinite(coordinates).all(axis=1)
        x, y = coordinates[drawn].T
        options = {"s": _point_size(len(x)), "linewidth": 0, **scatter_kwargs}
        if self.labels is None:
            self.scatter_ = ax.scatter(x, y, **options)
        else:
            labels = np.asarray(self.labels)[drawn]
            if labels.dtype.kind == "f":
                self.scatter_ = ax.scatter(x, y, c=labels, **options)
                self.colorbar_ = self.figure_.colorbar(self.scatter_, ax=ax)
            else:
                self._plot_classes(x, y, labels, options)
        ax.set(xlabel="first coordinate", ylabel="second coordinate")
        ax.set_aspect("equal", adjustable="datalim")
        return self

    def _plot_classes(self, x, y, labels, options):
        """Draw each class in its colour."""
        if labels.dtype.kind not in "biuU":
            # Objects need have no order of their own.
            labels = labels.astype(str)
        classes, codes = np.unique(labels, return_inverse=True)
        n_classes = len(classes)
        if n_classes > _N_COLORS:
            options = {"cmap": "turbo", **options}
            self.scatter_ = self.ax_.scatter(x, y, c=codes, **options)
            return
        from matplotlib.colors import ListedColormap

        palette = _pyplot().get_cmap("tab10" if n_classes <= 10 else "tab20")
        # A list: matplotlib would take a tuple of two for a colour and its opacity.
        options = {"cmap": ListedColormap(list(palette.colors[:n_classes])), **options}
        self.scatter_ = self.ax_.scatter(
            x, y, c=codes, vmin=-0.5, vmax=n_classes - 0.5, **options
        )
        handles, _ = self.scatter_.legend_elements(num=None)
        self.legend_ = self.ax_.legend(
            handles,
            classes,
            loc="center left",
            bbox_to_anchor=(1, 0.5),
            handletextpad=0.1,
            frameon=False,
        )


class LossCurveDisplay:
    """The loss of a fit, epoch by epoch.

    Parameters
    ----------
    loss_curve : ndarray of shape (n_epochs,)
        The loss before the step of each epoch, in nats.
    name : str or None, default=None
        The name of the curve in the legend; without one there is none.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of these axes.
    line_ : matplotlib Line2D
        The curve.

    Examples
    --------
    Two fits on the same axes:

    >>> import numpy as np
    >>> from skemb import GraphEmbedder
    >>> from skemb.displays import LossCurveDisplay
    >>> A = np.kron(np.eye(3), np.ones((10, 10)))
    >>> embedder = GraphEmbedder(8, max_iter=20, random_state=0).fit(A)
    >>> longer = GraphEmbedder(8, max_iter=40, random_state=0).fit(A)
    >>> display = LossCurveDisplay.from_estimator(embedder, name="20 epochs")
    >>> display = LossCurveDisplay.from_estimator(
    ...     longer, name="40 epochs", ax=display.ax_
    ... )
    >>> len(display.ax_.lines)
    2
    """

    def __init__(self, loss_curve, name=None):
        self.loss_curve = loss_curve
        self.name = name

    @classmethod
    def from_estimator(cls, embedder, *, name=None, ax=None, **line_kwargs):
        """Draw the loss of an embedder's fit.

        Parameters
        ----------
        embedder : estimator
            A fitted embedder of this package; of a Pipeline, the step itself.
        name : str or None, default=None
            The name of the curve in the legend; without one there is none.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        **line_kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        display : LossCurveDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If ``embedder`` is not an embedder of this package.
        """
        check_embedder(embedder)
        return cls(embedder.loss_curve_, name).plot(ax, **line_kwargs)

    def plot(self, ax=None, **line_kwargs):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        **line_kwargs : dict
            Passed to matplotlib's ``plot``.

        Returns
        -------
        display : LossCurveDisplay
            The display itself.
        """
        if ax is None:
            ax = _axes(ax)
            ax.xaxis.get_major_locator().set_params(integer=True)
        self.ax_, self.figure_ = ax, ax.figure
        epochs = np.arange(1, len(self.loss_curve) + 1)
        options = {"label": self.name, **line_kwargs}
        (self.line_,) = ax.plot(epochs, self.loss_curve, **options)
        ax.set(xlabel="epoch", ylabel="loss (nats)")
        if self.name is not None:
            ax.legend(frameon=False)
        return self


class NormalizerErrorDisplay:
    """Estimated against exact log Z of rows: the closer to the diagonal, the better.

    Parameters
    ----------
    estimated : ndarray of shape (n_rows,)
        Log Z(x) as the mixture of Gaussians gives it, in nats.
    exact : ndarray of shape (n_rows,)
        Log Z(x) as summed over all contexts, in nats.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The figure of these axes.
    scatter_ : matplotlib PathCollection
        The rows.
    line_ : matplotlib Line2D
        The diagonal, where estimates are exact.

    See Also
    --------
    skemb.metrics.normalizer_error : The error that the title gives, and what it means.

    Examples
    --------
    >>> import numpy as np
    >>> from skemb import GraphEmbedder
    >>> from skemb.displays import NormalizerErrorDisplay
    >>> A = np.kron(np.eye(3), np.ones((10, 10)))
    >>> embedder = GraphEmbedder(8, n_gaussians=30, random_state=0).fit(A)
    >>> display = NormalizerErrorDisplay.from_estimator(embedder)
    >>> display.ax_.get_title()
    'mean error 0.000 nats'
    """

    def __init__(self, estimated, exact):
        self.estimated = estimated
        self.exact = exact

    @classmethod
    def from_estimator(
        cls,
        embedder,
        X=None,
        *,
        sample_size=1000,
        random_state=None,
        ax=None,
        **scatter_kwargs,
    ):
        """Draw how well a fitted embedder estimates its normaliser.

        Parameters
        ----------
        embedder : estimator
            A fitted embedder of this package; of a Pipeline, the step itself.
        X : {array-like, sparse matrix} of shape (n_rows, n_contexts) or None, \
                default=None
            Rows to embed by ``transform`` and to take; None takes the vectors of fit,
            and must be None where those are of features or words.
        sample_size : int or None, default=1000
            How many of the rows to draw, at least 1; None is all.
        random_state : int, RandomState instance or None, default=None
            Seed of the sample.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        display : NormalizerErrorDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If ``X`` or ``sample_size`` is not what ``normalizer_error`` takes.
        TypeError
            If ``embedder`` is not an embedder of this package.
        """
        _pyplot()
        logs = sample_log_partitions(embedder, X, sample_size, random_state)
        return cls(*logs).plot(ax, **scatter_kwargs)

    def plot(self, ax=None, **scatter_kwargs):
        """Draw the estimates and the diagonal.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.
        **scatter_kwargs : dict
            Passed to matplotlib's ``scatter``.

        Returns
        -------
        display : NormalizerErrorDisplay
            The display itself.
        """
        self.ax_ = ax = _axes(ax)
        self.figure_ = ax.figure
        size = _point_size(len(self.exact))
        options = {"s": size, "linewidth": 0, "alpha": 0.5, **scatter_kwargs}
        self.scatter_ = ax.scatter(self.exact, self.estimated, **options)
        logs = np.concatenate([self.estimated, self.exact])
        ends = [logs.min(), logs.max()]
        (self.line_,) = ax.plot(ends, ends, color="black", linewidth=0.8, zorder=0)
        error = np.abs(self.estimated - self.exact).mean()
        ax.set(
            xlabel="exact log Z (nats)",
            ylabel="estimated log Z (nats)",
            title=f"mean error {error:.3f} nats",
        )
        ax.set_aspect("equal")
        return self


def _reduced(vectors, reducer):
    """Return two coordinates for each vector, nan for zero vectors."""
    kept = vectors.any(axis=1)
    n_kept = np.count_nonzero(kept)
    if n_kept < 2:
        raise ValueError(
            f"vectors must have two rows or more that are not zero, got {n_kept}."
        )
    as_they_are = reducer is None and vectors.shape[1] == 2
    reduced = vectors[kept] if as_they_are else _two_columns(vectors[kept], reducer)
    coordinates = np.full((len(vectors), 2), np.nan)
    coordinates[kept] = reduced
    return coordinates


def _two_columns(vectors, reducer):
    """Return what a reducer makes of vectors, checked; None is a PCA."""
    if reducer is None:
        # A seed, for large data it projects at random.
        reducer = PCA(2, random_state=0)
    if isinstance(reducer, type) or not hasattr(reducer, "fit_transform"):
        raise TypeError(
            "reducer must be an object with fit_transform, as sklearn.manifold.TSNE() "
            f"is, got {reducer!r}."
        )
    reduced = np.asarray(reducer.fit_transform(vectors))
    if reduced.shape != (len(vectors), 2):
        raise ValueError(
            f"reducer must make two columns of the {len(vectors)} vectors, got shape "
            f"{reduced.shape}: set its n_components=2."
        )
    return reduced


def _point_size(n_points):
    """Return an area at which few points are seen well and many do not merge."""
    return np.clip(20_000 / max(n_points, 1), 4, 40)


def _axes(ax):
    """Return the axes to draw on: those given, or those of a new figure."""
    if ax is not None:
        return ax
    return _pyplot().subplots(layout="constrained")[1]


def _pyplot():
    """Return matplotlib's pyplot, or say how to install it."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "skemb.displays needs matplotlib, which cannot be imported: "
            'pip install "skemb[plot]".'
        ) from error
    return pyplot
