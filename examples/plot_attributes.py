"""
Docstrings with words and references
====================================

Nodes of a graph often have attributes: papers have words beside citations, people have
tastes beside friends. :class:`~skemb.AttributedGraphEmbedder` makes one vector of both.
Here the nodes are the docstrings of scipy and scikit-learn, which are installed
wherever ``skemb`` is. We ask what either source adds, how much weight attributes
should have, and what can be said of a node that has no links yet.
"""

# %%
# The nodes
# ---------
#
# The docstrings are read from the source files, as those of public functions and
# classes, from 200 characters up. Modules of the second level, such as
# ``scipy.linalg``, are the classes to predict, if they have thirty docstrings.

import ast
import re
import warnings
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import scipy
import scipy.sparse as sp
import sklearn
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from skemb import (
    AttributedGraphEmbedder,
    BipartiteEmbedder,
    EmbeddingLookup,
    GraphEmbedder,
)


def docstrings(package):
    """Yield module, name and text of what is public, in the order of files."""
    folder = Path(package.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[0].startswith("_") or not {"tests", "externals"}.isdisjoint(parts):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if len(text) >= 200 and not node.name.startswith("_"):
                    yield (f"{package.__name__}.{parts[0]}", node.name), text


found = {}
for package in (scipy, sklearn):
    for node, text in docstrings(package):
        found.setdefault(node, text)  # the first of a name
sizes = Counter(module for module, _ in found)
nodes = [node for node in found if sizes[node[0]] >= 30]
modules = np.array([module for module, _ in nodes])
print(f"{len(nodes)} docstrings of {len(np.unique(modules))} modules")

# %%
# Links and attributes
# --------------------
#
# Under "See Also" a docstring names others, in front of a colon: these are the links.
# Counts of words are the attributes, without that section, and without code, which
# would often name the module. The embedder takes both as one matrix, links first.

section = re.compile(r"^See Also\n-+\n(.*?)(?=^[^\n]+\n---|\Z)", re.DOTALL | re.M)
code = re.compile(r"^ *(>>>|\.\.\.).*$", re.M)


def references(text):
    """Return the last part of each name under "See Also"."""
    lines = "".join(section.findall(text)).splitlines()
    heads = [re.split(r"\s:(?:\s|$)", line)[0] for line in lines if line[:1].strip()]
    return [name.split(".")[-1] for name in re.findall(r"[\w.]+", " ".join(heads))]


number = {node: row for row, node in enumerate(nodes)}
for row, (module, name) in enumerate(nodes):
    number.setdefault((module.split(".")[0], name), row)

pairs = []
for row, (module, name) in enumerate(nodes):
    for other in references(found[module, name]):
        column = number.get((module, other), number.get((module.split(".")[0], other)))
        if column is not None and column != row:
            pairs.append((row, column))
links = sp.coo_array((np.ones(len(pairs)), np.transpose(pairs)), (len(nodes),) * 2)
links = ((links + links.T) > 0).astype(np.float32)

counter = CountVectorizer(
    token_pattern=r"[^\W\d_]{3,}",
    stop_words="english",
    min_df=3,
    max_df=0.3,
    dtype=np.float32,
)
words = counter.fit_transform(code.sub("", section.sub("", found[n])) for n in nodes)
X = sp.hstack([links, words], format="csr")

linked = links.sum(axis=1) > 0
print(f"{links.nnz // 2} links, {len(nodes) - linked.sum()} docstrings without any")
print(f"{words.shape[1]} words, {words.nnz / len(nodes):.0f} in a docstring")

# %%
# What each source adds
# ---------------------
#
# Three embeddings of 64 dimensions, and the same classifier on each: of the links
# alone, of the words alone as a bipartite graph, and of both.

embedder = AttributedGraphEmbedder(64, n_jobs=2, random_state=0)
of_words = BipartiteEmbedder(
    64, temperature=0.25, n_gaussians=64, n_jobs=2, random_state=0
)
of_links = GraphEmbedder(64, n_jobs=2, random_state=0)
with warnings.catch_warnings():
    # Docstrings without links have zero vectors.
    warnings.filterwarnings("ignore", "[0-9]+ of the [0-9]+ rows", UserWarning)
    vectors = {
        "both": embedder.fit_transform(X),
        "words": of_words.fit_transform(words),
        "links": of_links.fit_transform(links),
    }

threadpool_limits(1, "blas")  # more threads would wait for one another
classifier = LogisticRegression(C=10, max_iter=500)
shares = [0.05, 0.1, 0.2, 0.4]
accuracies = {
    name: [
        cross_val_score(
            classifier,
            vectors[name],
            modules,
            cv=StratifiedShuffleSplit(5, train_size=share, random_state=0),
        ).mean()
        for share in shares
    ]
    for name in vectors
}

print("\nAccuracy by share of labels, mean of five splits")
print("       " + "".join(f"{share:>8.0%}" for share in shares))
for name, values in accuracies.items():
    print(f"{name:>7}" + "".join(f"{value:>8.1%}" for value in values))

# %%
# The words say most, as more than half of the docstrings have no links. Links add two
# points where labels are few, as one docstring then speaks for those it is joined to,
# and next to nothing where labels are many.

# %%
# How much weight?
# ----------------
#
# ``attribute_weight`` is the parameter to search first. Cross-validation must cut the
# rows and the columns of the links alike, but only the rows of the words.
# ``EmbeddingLookup`` does so: it holds the matrix, and the samples are ids. Test nodes
# are embedded by ``transform``, as if they joined later.

ids = np.array([".".join(node) for node in nodes])
model = make_pipeline(EmbeddingLookup(embedder, X, ids), classifier)
parameter = "embeddinglookup__embedder__attribute_weight"
weights = [0.1, 0.25, 0.5, 0.75, 0.9, 1]
search = GridSearchCV(
    model, {parameter: weights}, cv=StratifiedKFold(3, shuffle=True, random_state=0)
)
search.fit(ids.reshape(-1, 1), modules)
searched = search.cv_results_["mean_test_score"]

print("\nAccuracy by attribute_weight, mean of three folds")
for weight, value in zip(weights, searched, strict=True):
    print(f"{weight:>6}  {value:.1%}")
print(f"Best: {search.best_params_[parameter]}")

# %%
# Words say more than links here, and a low weight loses a little. Above the default of
# 0.75 nothing changes: at 1 links are no contexts any more, but walks still follow them
# to others' words.

# %%
# New nodes without links
# -----------------------
#
# Somebody writes a docstring: what should it refer to? We hold out 200 docstrings that
# have links, embed them from their words alone, and look for their references among the
# docstrings that are nearest. Cosines of TF-IDF, which embed nothing, do the same.

order = np.random.default_rng(0).permutation(np.flatnonzero(linked))
new, known = np.sort(order[:200]), np.setdiff1d(np.arange(len(nodes)), order[:200])
fitted = embedder.fit_transform(sp.hstack([links[known][:, known], words[known]]))
no_links = sp.csr_array((len(new), len(known)), dtype=np.float32)
joined = embedder.transform(sp.hstack([no_links, words[new]]))
tf_idf = TfidfTransformer().fit(words[known]).transform(words)

is_reference = links[new][:, known].toarray() > 0
has_reference = is_reference.any(axis=1)  # to a docstring that was not held out
lengths = np.arange(1, 21)


def found_among_first(cosines):
    """Return the share of new docstrings with a reference in lists of each length."""
    first = np.argsort(-cosines, axis=1)[:, : lengths[-1]]
    is_hit = np.take_along_axis(is_reference, first, axis=1)[has_reference]
    return np.logical_or.accumulate(is_hit, axis=1).mean(axis=0)


shares_found = {
    "embedding": found_among_first(joined @ fitted.T),
    "TF-IDF": found_among_first((tf_idf[new] @ tf_idf[known].T).toarray()),
}

print(f"\nA reference of {has_reference.sum()} new docstrings is among the first")
print("           " + "".join(f"{length:>8}" for length in (1, 5, 10, 20)))
for name, values in shares_found.items():
    print(f"{name:>11}" + "".join(f"{values[k - 1]:>8.1%}" for k in (1, 5, 10, 20)))

text = "Solve a sparse linear system by an iterative method with a preconditioner."
row = sp.hstack([no_links[:1], counter.transform([text])])
cosines = (embedder.transform(row) @ fitted.T).ravel()
print(f"\nNearest to {text!r}")
for place in cosines.argsort()[::-1][:5]:
    print(f"    {ids[known[place]]} {cosines[place]:.2f}")

# %%
# TF-IDF is ahead for the first place, the embedding for the first twenty, neither by
# much more than the standard error of four points: 64 numbers a node keep what
# thousands of words say about references.

# %%
# The figure
# ----------

figure, (share_axes, weight_axes, new_axes) = plt.subplots(
    1, 3, figsize=(12, 4), layout="constrained"
)
colours = {"both": "tab:blue", "words": "tab:orange", "links": "tab:green"}
for name, values in accuracies.items():
    percents = 100 * np.array(values)
    share_axes.plot(shares, percents, "o-", color=colours[name], label=name)
share_axes.set(
    xscale="log",
    xticks=shares,
    xticklabels=[f"{share:.0%}" for share in shares],
    ylim=(0, 100),
    xlabel="labels known",
    ylabel="accuracy (%)",
    title="Words say most, links add a little",
)
share_axes.minorticks_off()
share_axes.legend(frameon=False)

weight_axes.errorbar(
    weights,
    100 * searched,
    yerr=100 * search.cv_results_["std_test_score"],
    fmt="o-",
    capsize=4,
)
weight_axes.set(
    xlabel="attribute_weight\n(mean ± standard deviation of three folds)",
    ylabel="accuracy on new nodes (%)",
    title="Weights from 0.5 up do alike",
)

for name, values in shares_found.items():
    new_axes.plot(lengths, 100 * values, label=name)
new_axes.set(
    xticks=[1, 5, 10, 15, 20],
    ylim=(0, 100),
    xlabel="among so many nearest",
    ylabel="new docstrings with a reference (%)",
    title="References found by words alone",
)
new_axes.legend(loc="lower right", frameon=False)

for axes in (share_axes, weight_axes, new_axes):
    axes.spines[["top", "right"]].set_visible(False)

folder = Path(__file__).parent if "__file__" in globals() else Path()
path = folder / "plot_attributes.png"
figure.savefig(path, dpi=150)
print(f"\nFigure written to {path}")
