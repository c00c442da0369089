"""
Words of docstrings
===================

Words that stand near the same words mean similar things. From a few thousand texts
:class:`~skemb.TextEmbedder` gives every word a vector by that, and vectors of similar
words lie close. The texts here are the docstrings of numpy, scipy and scikit-learn,
which are installed wherever ``skemb`` is, so nothing is downloaded. We look up the
nearest words of a few, try analogies, save the vectors, and draw a map.
"""

# %%
# The texts
# ---------
#
# The docstrings are read from the source files, not from imported modules: that is
# quick, needs no optional dependency, and finds each one once. We take those of public
# classes, functions and methods from 200 characters up, without tests and without what
# is copied from other projects.

import ast
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import scipy
import sklearn
from sklearn.manifold import TSNE

from skemb import TextEmbedder


def docstrings(package):
    """Yield the docstrings of what is public in a package, in the order of files."""
    folder = Path(package.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if not {"tests", "externals", "distutils"}.isdisjoint(parts):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                if len(text) >= 200 and not node.name.startswith("_"):
                    yield text


texts = [text for package in (np, scipy, sklearn) for text in docstrings(package)]
texts = list(dict.fromkeys(texts))  # each text once
print(f"{len(texts)} docstrings, {sum(len(t.split()) for t in texts):,} words")

# %%
# Fit
# ---
#
# Words are runs of at least three letters, and count if ten docstrings have them.

embedder = TextEmbedder(
    token_pattern=r"(?u)\b[^\W\d_]{3,}\b", min_df=10, n_jobs=2, random_state=0
)
embedder.fit(texts)
vectors = embedder.word_embedding_
print(f"{vectors.shape[0]} words, vectors of {vectors.shape[1]} numbers")

# %%
# Nearest words
# -------------
#
# ``most_similar`` returns words and their cosines, nearest first.

queries = ["variance", "eigenvalues", "filter", "cluster", "integer", "fourier"]
nearest = {query: embedder.most_similar(query, 5) for query in queries}

print("\nNearest words")
for query, found in nearest.items():
    print(f"{query:>12}  " + ", ".join(f"{word} {c:.2f}" for word, c in found))

# %%
# Most are what one would look up next. Some are just neighbours in a phrase, as
# "unsigned" is of "integer": a text of this kind repeats its phrases.

# %%
# Analogies
# ---------
#
# Which word is to "row" as "columns" is to "column"? ``analogy`` adds vectors and
# subtracts others. It is known for a few famous examples from billions of words. These
# texts have about one million, and here it mostly fails; what it finds is often near
# one of the words alone.

print("\nAnalogies")
for before, after, word, expected in [
    ("column", "columns", "row", "rows"),
    ("eigenvalue", "eigenvalues", "vector", "vectors"),
    ("argmax", "maximum", "argmin", "minimum"),
    ("classifier", "classification", "regressor", "regression"),
]:
    (found, cosine), *_ = embedder.analogy([after, word], [before], 1)
    verdict = "right" if found == expected else f"expected {expected}"
    print(f"{before} : {after} = {word} : {found} ({verdict})")

# %%
# Save
# ----
#
# ``to_keyed_vectors`` writes the text format of word2vec: a line of the two sizes, then
# one line for each word.

with TemporaryDirectory() as folder:
    path = Path(folder) / "words.txt"
    embedder.to_keyed_vectors(path)
    lines = path.read_text(encoding="utf-8").splitlines()
print(f"\nSaved {len(lines)} lines")
for line in lines[:4]:
    print(line if len(line) < 60 else f"{line[:60]} ...")

# %%
# Words in groups
# ---------------
#
# We choose words of six subjects. The embedder knows nothing of subjects; so we count
# for how many of these words the nearest of the others is one of the same subject.

subjects = {
    "statistics": "mean variance median quantile skewness kurtosis deviation",
    "linear algebra": "eigenvalues eigenvectors singular cholesky determinant inverse",
    "filters": "filter butterworth lowpass bandpass iir fir poles",
    "optimisation": "gradient hessian jacobian minimize constraints bounds",
    "clusters": "cluster clusters centroids linkage dendrogram hierarchical",
    "trees": "tree trees forest leaf split boosting depth",
}
words, subject_of = [], []
for subject, members in subjects.items():
    known = [word for word in members.split() if word in embedder.vocabulary_]
    words += known
    subject_of += [subject] * len(known)
subject_of = np.array(subject_of)

shown = vectors[[embedder.vocabulary_[word] for word in words]]
cosines = shown @ shown.T
np.fill_diagonal(cosines, -np.inf)
same = np.mean(subject_of[cosines.argmax(axis=1)] == subject_of)
by_chance = np.mean(
    [(np.sum(subject_of == s) - 1) / (len(words) - 1) for s in subject_of]
)
print(
    f"\nThe nearest is of the same subject: {same:.0%} of {len(words)} words "
    f"(chance: {by_chance:.0%})"
)

# %%
# The figure
# ----------
#
# Left, the nearest words of above. Right, t-SNE draws the 128 dimensions of the words
# in groups in two; heights are replaced by their ranks, so that no words overlap.

plane = TSNE(perplexity=6, metric="cosine", random_state=0).fit_transform(shown)
plane[:, 1] = plane[:, 1].argsort().argsort()

figure = plt.figure(figsize=(13, 6), layout="constrained")
bars, scatter = figure.subfigures(1, 2, width_ratios=[1, 1.1], wspace=0.03)

for axes, (query, found) in zip(
    bars.subplots(3, 2, sharex=True).flat, nearest.items(), strict=True
):
    names, values = zip(*found, strict=True)
    axes.barh(names, values, color="lightsteelblue")
    axes.invert_yaxis()
    axes.set_title(query, fontsize="medium", fontweight="bold")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
bars.supxlabel("cosine", fontsize="medium")
bars.suptitle("The nearest words of six")

axes = scatter.subplots()
for subject, colour in zip(subjects, plt.get_cmap("Dark2").colors, strict=False):
    members = np.flatnonzero(subject_of == subject)
    axes.scatter(*plane[members].T, s=14, color=colour, label=subject)
    for index in members:
        axes.annotate(
            words[index],
            plane[index],
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=9,
        )
axes.margins(x=0.15, y=0.02)
axes.set(xticks=[], yticks=[])
axes.spines[:].set_visible(False)
axes.legend(
    loc="upper center",
    bbox_to_anchor=(0.5, 0),
    ncols=3,
    markerscale=2,
    handletextpad=0.1,
    frameon=False,
)
scatter.suptitle(
    f"For {same:.0%} of these words the nearest is of the same subject\n"
    "(subjects are our choice, the embedder never saw them)"
)

folder = Path(__file__).parent if "__file__" in globals() else Path()
path = folder / "plot_words.png"
figure.savefig(path, dpi=150)
print(f"\nFigure written to {path}")
