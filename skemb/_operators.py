"""Row-stochastic operators: what pulls each row towards its contexts.

The trainer asks of an operator

- ``shape``: (n_rows, n_contexts);
- ``dtype``: that of the vectors it acts on;
- ``mass`` (n_contexts,): what each context adds to the sum of a row that names it;
  zero where a context does not count;
- ``strength`` (n_rows,): the sum of each row's affinities, before they are divided by
  it, and ``pulled`` (n_rows,): where it is positive. The other rows stay zero;
- ``propagate(contexts, workers)``: the source that rows read from. It is ``contexts``
  itself or shares no memory with it, and lasts until the next call;
- ``rows(source, start, stop)``: one block of P @ contexts, read from that source.
"""

import numpy as np
import scipy.sparse as sp

from skemb._kernels import add_neighbors
from skemb._parallel import row_blocks


class SparseOperator:
    """P = D⁻¹ A for CSR affinities A, with D_ii = Σ_j A_ij mass_j; A is not copied."""

    def __init__(self, affinity, mass):
        self.affinity = affinity
        self.shape = affinity.shape
        self.dtype = affinity.dtype
        self.mass = mass
        # In float64, and by our own kernel: scipy would copy A to float64 for it.
        strength = np.zeros((self.shape[0], 1))
        self._scale = np.ones(self.shape[0], dtype=affinity.dtype)
        self.add_rows(mass.astype(np.float64)[:, None], 0, strength)
        self._divide_by(strength.ravel())

    def _divide_by(self, strength):
        """Set D to ``strength`` (n_rows,); rows without any stay zero."""
        self.strength = strength
        self.pulled = strength > 0
        least = np.finfo(self.dtype).tiny
        if (strength[self.pulled] < least).any():
            raise ValueError(
                f"X must have sums of rows and of columns of at least {least:.1e} in "
                f"{self.dtype}, got {strength[self.pulled].min():.1e}: rescale its "
                "weights."
            )
        scale = np.divide(1, strength, out=np.zeros_like(strength), where=self.pulled)
        self._scale = scale.astype(self.dtype)

    def propagate(self, contexts, workers):
        """Return the contexts as they are: rows read them directly."""
        return contexts

    def rows(self, source, start, stop):
        """Return rows ``start`` to ``stop`` of P @ contexts, read from their source."""
        out = np.zeros((stop - start, source.shape[1]), dtype=source.dtype)
        self.add_rows(source, start, out)
        return out

    def add_rows(self, source, start, out):
        """Add D⁻¹ A ``source`` to ``out``, which holds the rows from ``start`` on."""
        A = self.affinity
        add_neighbors(A.indptr, A.indices, A.data, self._scale, source, start, out)


class WalkOperator(SparseOperator):
    """Mean of the contexts met on walks of 1 to ``walk_length`` steps over a graph.

    P = D⁻¹ A S with S = I + T + ... + T^(walk_length - 1), T the row-normalised A and D
    the row sums of A S: where a walk cannot go on (directed graphs), its shorter parts
    count alone. Powers are applied from right to left and never formed.
    """

    def __init__(self, affinity, known, walk_length, workers):
        self._hop = SparseOperator(affinity, np.ones(affinity.shape[1]))
        self._n_hops = walk_length - 1
        self._scratch = [None, None]
        mass = self.propagate(known.astype(np.float64)[:, None], workers)
        super().__init__(affinity, mass.ravel().copy())

    def propagate(self, contexts, workers):
        """Return S @ contexts by Horner's rule, one sparse product for each hop."""
        source = contexts
        for hop in range(self._n_hops):
            target = self._scratch[hop % 2] = _like(
                self._scratch[hop % 2], contexts.shape, contexts.dtype
            )

            def add_hop(start, stop, source=source, target=target):
                target[start:stop] = contexts[start:stop]
                self._hop.add_rows(source, start, target[start:stop])

            workers.run(add_hop, *contexts.shape)
            source = target
        return source


def _like(scratch, shape, dtype):
    """Return ``scratch`` if it is of that shape and dtype, else a new array."""
    # Fresh pages for every epoch would cost as much as the products themselves.
    if scratch is None or (scratch.shape, scratch.dtype) != (shape, dtype):
        return np.empty(shape, dtype=dtype)
    return scratch


class CooccurrenceOperator(SparseOperator):
    """Mean of the features met in the rows of X, none of which meets itself.

    P = D⁻¹ (C - diag(C)) with C = Xᵀ S⁻¹ X and S the row sums of X, so that a count
    meets as much in a long row as in a short one. C is never formed: ``propagate``
    takes S⁻¹ X Y, the mean context of each row, and a block of rows is one of
    [Xᵀ | -diag(C)] times these means above Y. X is CSR whose entries are given once.
    """

    def __init__(self, X):
        # A feature alone in a row meets none; rounding would have it meet itself.
        lengths = np.diff(X.indptr)
        self._met = X if (lengths > 1).all() else X[lengths > 1]
        strength, own, self._row_scale = _strengths(self._met)
        self.affinity = sp.hstack(
            [self._met.T, sp.diags_array(-own)], format="csr", dtype=X.dtype
        )
        self.shape = (X.shape[1], X.shape[1])
        self.dtype = X.dtype
        self._divide_by(strength)
        self.mass = self.pulled.astype(np.float64)
        self._scratch = None

    def propagate(self, contexts, workers):
        """Return the mean context of each row of X and, below them, the contexts."""
        X, n_rows = self._met, self._met.shape[0]
        shape = (n_rows + len(contexts), contexts.shape[1])
        source = self._scratch = _like(self._scratch, shape, contexts.dtype)
        source[n_rows:] = contexts
        scale = self._row_scale

        def means(start, stop):
            out = source[start:stop]
            out[:] = 0
            add_neighbors(X.indptr, X.indices, X.data, scale, contexts, start, out)

        workers.run(means, n_rows, contexts.shape[1])
        return source


def _strengths(X):
    """Return the row sums of C - diag(C), the diagonal of C, and S⁻¹ for the above."""
    shared, own = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    scale = np.empty(X.shape[0], dtype=X.dtype)
    # In blocks, since all that is summed takes float64.
    for start, stop in row_blocks(X.shape[0], X.nnz // max(X.shape[0], 1)):
        block = X[start:stop]
        counts = block.data.astype(np.float64)
        sums = np.add.reduceat(counts, block.indptr[:-1])
        scale[start:stop] = 1 / sums
        sums = np.repeat(sums, np.diff(block.indptr))
        shared += np.bincount(block.indices, counts * (1 - counts / sums), len(shared))
        own += np.bincount(block.indices, counts * (counts / sums), len(own))
    return shared, own, scale
