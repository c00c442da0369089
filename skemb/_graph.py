"""Nodes of a graph as unit vectors."""

from numbers import Integral

import numpy as np

from skemb._base import BaseEmbedder
from skemb._compat import Interval
from skemb._operators import WalkOperator
from skemb._validation import check_node_order, check_square, column_sums, row_sums


class GraphEmbedder(BaseEmbedder):
    """Embed the nodes of a graph so that those a random walk joins lie close.

    With P the mean of the first ``walk_length`` powers of the row-normalised affinity
    matrix, minimises

    .. math::

        -\\frac{1}{n} \\sum_{ij} P_{ij} \\log \\frac{p_j e^{x_i \\cdot y_j / t}}{Z(x_i)}
        + \\frac{\\lambda}{2t} \\Big\\| \\frac{1}{n} \\sum_i x_i \\Big\\|^2

    over unit vectors :math:`x_i` of nodes and :math:`y_j` of contexts.

    Parameters
    ----------
    n_components : int, default=128
        Dimension d of the vectors, at least 1. May exceed the number of nodes.
    """

    def __init__(
        self,
        n_components=128,
        *,
        walk_length=3,
        symmetric=True,
        temperature=0.25,
        n_gaussians=1,
        context_power=0.0,
        mean_penalty=1.0,
        max_iter=50,
        tol=1e-5,
        init="random",
        warm_start=False,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.walk_length = walk_length
        self.symmetric = symmetric
        self.temperature = temperature
        self.n_gaussians = n_gaussians
        self.context_power = context_power
        self.mean_penalty = mean_penalty
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    _parameter_constraints = {
        **BaseEmbedder._parameter_constraints,
        "walk_length": [Interval(Integral, 1, None, closed="left")],
        "symmetric": ["boolean"],
    }

    def _check_training(self, X):
        check_node_order(X)
        affinity = super()._check_training(X)
        check_square(affinity)
        return affinity

    def _pulls(self, X, workers):
        rows, columns = row_sums(X), column_sums(X)
        if self.symmetric:
            known = (rows > 0) | (columns > 0)
            # Nodes that nobody points to are contexts of new nodes all the same.
            least = columns.min(where=columns > 0, initial=columns.max())
            strength = np.where(known, np.maximum(columns, least), 0)
            return [(WalkOperator(X, known, self.walk_length, workers), strength)]
        forward = WalkOperator(X, columns > 0, self.walk_length, workers)
        backward = WalkOperator(X.T.tocsr(), rows > 0, self.walk_length, workers)
        return [(forward, rows), (backward, columns)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = True
        return tags
