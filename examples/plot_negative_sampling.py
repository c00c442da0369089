"""
Negative sampling, and doing without
====================================

The SoftMax over thousands of contexts divides by a sum over all of them, its
normaliser. Many libraries draw a few contexts instead, the negatives. ``skemb``
estimates the sum by a mixture of Gaussians and draws nothing; ``normalizer="exact"``
and ``"sampled"`` are there to compare with. We look at what drawn negatives teach while
an embedding learns, and then at how good the embedding is, and after how many seconds.
"""

# %%
# Generated tastes
# ----------------
#
# Users and items are points on a sphere in 16 dimensions, the tastes. A user picks
# twenty different items with chances that grow with the cosine and with the item's
# popularity, which has a long tail. One in five of the picks is hidden.

from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import scipy.sparse as sp
from matplotlib.ticker import LogLocator
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from skemb import BipartiteEmbedder, GraphEmbedder
from skemb.metrics import recall_at_k
from skemb.model_selection import split_entries

rng = np.random.default_rng(0)
n_users, n_items, n_picks = 2000, 2000, 20


def points_on_sphere(n_points, n_dimensions):
    """Draw directions uniformly."""
    points = rng.standard_normal((n_points, n_dimensions)).astype(np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


cosines = points_on_sphere(n_users, 16) @ points_on_sphere(n_items, 16).T
log_popularity = -0.8 * np.log(1 + rng.permutation(n_items))
# The largest of logs with Gumbel noise are draws without replacement.
noisy = 30 * cosines + log_popularity + rng.gumbel(size=cosines.shape)
picks = np.argsort(-noisy, axis=1)[:, :n_picks]
ones = np.ones(picks.size, dtype=np.float32)
starts = np.arange(n_users + 1) * n_picks
interactions = sp.csr_array((ones, picks.ravel(), starts), shape=cosines.shape)
known, hidden = split_entries(interactions, test_size=0.2, random_state=0)
popularity = known.sum(axis=0) / np.float64(known.nnz)
print(
    f"{n_users} users x {n_items} items, {known.nnz} picks known, {hidden.nnz} hidden"
)

# %%
# Three ways to draw negatives
# ----------------------------
#
# These are the samplers of ``normalizer="sampled"``. Uniform draws and draws by
# popularity do not look at the user. Adaptive ones do, after Rendle & Freudenthaler
# (2014, doi:10.1145/2556195.2556248) and Chen et al. (2018, arXiv:1710.09805): the
# user's vector says along which axis to look and from which end, and items far out
# there are likely. One draw in four is by popularity still, so that every item can be
# drawn.

n_drawn = n_users, 64


def draw_uniform(users, items):
    """Draw among the items that anyone has picked."""
    return rng.choice(np.flatnonzero(popularity), size=n_drawn)


def draw_popular(users, items):
    """Draw items in proportion to how often they were picked."""
    return rng.choice(n_items, p=popularity, size=n_drawn)


def draw_adaptive(users, items):
    """Draw an axis for each, and on it a rank, counted from where the user points."""
    axes = np.linalg.eigh(np.cov(items.T))[1]
    users, items = users @ axes, items @ axes
    order = np.argsort(items, axis=0)
    leaning = np.abs(users) * items.std(axis=0)
    leaning /= leaning.sum(axis=1, keepdims=True)
    limits = leaning.cumsum(axis=1)[:, None, :-1]
    axis = (rng.random(n_drawn)[:, :, None] > limits).sum(axis=2)
    ranks = np.exp(-np.arange(n_items) / (0.03 * n_items))
    rank = rng.choice(n_items, p=ranks / ranks.sum(), size=n_drawn)
    from_top = np.take_along_axis(users, axis, axis=1) > 0
    drawn = order[np.where(from_top, n_items - 1 - rank, rank), axis]
    return np.where(rng.random(n_drawn) < 0.75, drawn, draw_popular(users, items))


samplers = {
    "uniform": draw_uniform,
    "popularity": draw_popular,
    "adaptive": draw_adaptive,
}

# %%
# What they teach
# ---------------
#
# Let x be a user, y a pick of theirs and z a drawn negative. To rank y before z, x
# moves by a gradient whose size is the logistic function of (x·z - x·y) / t: near one
# while the negative is much closer than the pick, one half where both are as close, and
# near zero once the negative is far away. Below 0.01 we say that the draw teaches
# nothing. The embeddings are those of fits of one epoch, two, three and so on, from
# random vectors; the default start is ahead of that by some epochs already.

is_known = known.toarray() > 0


def share_without_gradient(users, items, temperature, draw):
    """Return the share of drawn negatives whose gradient is below 0.01."""
    own = known.indptr[:-1] + rng.integers(np.diff(known.indptr))
    of_picks = np.sum(users * items[known.indices[own]], axis=1, keepdims=True)
    drawn = draw(users, items)
    of_drawn = np.take_along_axis(users @ items.T, drawn, axis=1)
    gradients = expit((of_drawn - of_picks) / temperature)
    is_negative = ~np.take_along_axis(is_known, drawn, axis=1)
    return np.mean(gradients[is_negative] < 0.01)


embedder = BipartiteEmbedder(
    n_components=32, init="random", max_iter=20, n_jobs=2, random_state=0
)
temperature = embedder.fit(known).temperature_  # by the data, whatever the epochs
epochs = [0, 1, 2, 3, 4, 6, 8, 12, 16, 20]
shares = {name: [] for name in samplers}
for n_epochs in epochs:
    if n_epochs == 0:
        users, items = points_on_sphere(n_users, 32), points_on_sphere(n_items, 32)
    else:
        fitted = clone(embedder).set_params(max_iter=n_epochs).fit(known)
        users, items = fitted.embedding_, fitted.column_embedding_
    for name, draw in samplers.items():
        shares[name].append(share_without_gradient(users, items, temperature, draw))

print(f"\nNegatives that teach nothing, at t={temperature:.2f}, by epochs of the fit")
print(" " * 10 + "".join(f"{n_epochs:>6}" for n_epochs in epochs))
for name, values in shares.items():
    print(f"{name:>10}" + "".join(f"{share:>6.0%}" for share in values))

# %%
# At the start every draw teaches something, whatever the sampler. After four epochs
# nearly one uniform draw in five is wasted, and fewer adaptive ones: one in nine. That
# is the argument for them. Draws by popularity are no better than uniform ones here:
# the prior of the SoftMax holds how popular an item is, and the vectors what goes
# beyond. The shares stop growing because vectors of length one and a fixed temperature
# keep the gradient from vanishing further; in the two papers vectors may grow.

# %%
# Recall and seconds
# ------------------
#
# Does it matter for the embedding? Each normaliser is fitted with several numbers: of
# Gaussians, or of negatives that a row draws in an epoch. (The contexts it is known to
# go with are summed in any case, and draws weighted by the inverse of their chance, so
# that the sum is right in the mean.) Quality is the mean of two seeds, and seconds are
# those of the faster fit.

normalizers = {
    "exact": {"all": {"normalizer": "exact"}},
    "Gaussians": {k: {"n_gaussians": k} for k in (1, 16, 64, 512)},
}
for name in samplers:
    sampled = {"normalizer": "sampled", "sampler": name}
    normalizers[name] = {n: {**sampled, "n_negatives": n} for n in (4, 16, 64)}


def compare(embedder, X, quality):
    """Print and return seconds and quality by normaliser and number."""
    results = {}
    print(f"{'':>10}{'number':>8}{'seconds':>9}{'quality':>9}")
    for name, settings in normalizers.items():
        first = next(iter(settings.values()))
        clone(embedder).set_params(max_iter=1, **first).fit(X)  # compiles
        results[name] = {}
        for number, setting in settings.items():
            seconds, qualities = [], []
            for seed in (0, 1):
                model = clone(embedder).set_params(random_state=seed, **setting)
                start = perf_counter()
                model.fit(X)
                seconds.append(perf_counter() - start)
                qualities.append(quality(model))
            results[name][number] = best, mean = min(seconds), np.mean(qualities)
            print(f"{name:>10}{number:>8}{best:>9.2f}{mean:>9.3f}")
    return results


def recall(model):
    """Return the recall of hidden picks among twenty recommended items."""
    return recall_at_k(hidden, model.recommend(known, n_items=20).columns)


print("\nRecall at 20 of hidden picks")
by_recall = compare(embedder, known, recall)

# %%
# The exact sum ranks best, and 512 Gaussians (the default) come close in a fraction of
# its time. For equally many draws the adaptive ones are ahead, as the gradients
# promised, though not by much. But a draw that looks at the row costs more, and for
# equal seconds they are behind the others. The best of the draws, 64 adaptive ones,
# come near 64 Gaussians, and take more than ten times as long.

# %%
# Labels of a graph
# -----------------
#
# Now the task is another one. The nodes are 1,797 images of handwritten digits, each
# joined to its ten nearest neighbours, and a logistic regression on the vectors learns
# the digits from 50 labels; accuracies are means of ten splits.

pixels, digits = load_digits(return_X_y=True)
nearest = NearestNeighbors(n_neighbors=10, algorithm="kd_tree").fit(pixels)
neighbours = nearest.kneighbors_graph()
affinity = neighbours.maximum(neighbours.T).astype(np.float32)
splits = StratifiedShuffleSplit(10, train_size=50, random_state=0)


def accuracy(model):
    """Return the mean accuracy of a classifier of the vectors, from few labels."""
    classifier = LogisticRegression(C=10)
    with threadpool_limits(1, "blas"):  # more threads would wait for one another
        return cross_val_score(classifier, model.embedding_, digits, cv=splits).mean()


print("\nAccuracy on digits")
of_nodes = GraphEmbedder(n_components=16, max_iter=20, n_jobs=2)
by_accuracy = compare(of_nodes, affinity, accuracy)

# %%
# Here less is more. A single Gaussian (the default for graphs) is best, four uniform
# negatives come next, and the exact sum, which they all estimate, is two points behind.
# Sixteen Gaussians do worst. Ranking single neighbours is one task, and keeping groups
# together is another: a normaliser is best chosen by the score that matters, like any
# other parameter.

# %%
# Which one to choose
# -------------------
#
# - Gaussians first, with their number searched: seconds grow with rows and contexts.
# - The exact sum up to a few thousand contexts, if the last points of a ranking matter,
#   or to see what the others lose: seconds grow with rows times contexts.
# - Draws to compare with what others do, and where contexts are too many for the exact
#   sum and :func:`~skemb.metrics.normalizer_error` says that Gaussians fail. Uniform
#   ones are the first to try, as they are cheap; adaptive ones make more of few.

# %%
# The figure
# ----------

figure, (gradient_axes, recall_axes, accuracy_axes) = plt.subplots(
    1, 3, figsize=(13, 4.6), layout="constrained"
)
styles = {
    "exact": {"color": "black", "marker": "*", "markersize": 13, "linestyle": ""},
    "Gaussians": {"color": "tab:blue", "marker": "o"},
    "uniform": {"color": "tab:orange", "marker": "s"},
    "popularity": {"color": "tab:green", "marker": "^", "linestyle": "--"},
    "adaptive": {"color": "tab:red", "marker": "D"},
}
labels = {name: f"{name} draws (4, 16, 64)" for name in samplers}
labels |= {"exact": "exact sum", "Gaussians": "Gaussians (1, 16, 64, 512)"}
for name, values in shares.items():
    gradient_axes.plot(epochs, 100 * np.array(values), **styles[name])
gradient_axes.set(
    xticks=[0, 4, 8, 12, 16, 20],
    ylim=(0, None),
    xlabel="epochs of the fit",
    ylabel="negatives with a gradient below 0.01 (%)",
    title="More and more draws teach nothing,\nbut fewer of the adaptive ones",
)

# Other draws have the numbers of adaptive ones.
offsets = {"Gaussians": (6, -10), "adaptive": (-17, 4)}
for axes, results in ((recall_axes, by_recall), (accuracy_axes, by_accuracy)):
    for name, result in results.items():
        seconds, qualities = np.transpose(list(result.values()))
        axes.plot(seconds, 100 * qualities, label=labels[name], **styles[name])
        if name in offsets:
            for number, x, y in zip(result, seconds, 100 * qualities, strict=True):
                axes.annotate(
                    number,
                    (x, y),
                    xytext=offsets[name],
                    textcoords="offset points",
                    color=styles[name]["color"],
                )
    axes.set(xscale="log", xlabel="seconds of the fit")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
recall_axes.set(
    ylabel="hidden picks among twenty (%)",
    title="Tastes: Gaussians rank better\nthan draws, and in less time",
)
accuracy_axes.set(
    ylabel="accuracy from 50 labels (%)",
    title="Labels of a graph: one Gaussian\nis best, and more is not better",
)
handles = recall_axes.get_legend_handles_labels()[0]
figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
for axes in figure.axes:
    axes.spines[["top", "right"]].set_visible(False)

folder = Path(__file__).parent if "__file__" in globals() else Path()
path = folder / "plot_negative_sampling.png"
figure.savefig(path, dpi=150)
print(f"\nFigure written to {path}")
