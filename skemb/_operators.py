"""Row-stochastic operators: what pulls each row towards its contexts.

The trainer asks of an operator

- ``shape``: (n_rows, n_contexts);
- ``mass`` (n_contexts,): what each context adds to the sum of a row that names it;
  zero where a context does not count;
- ``pulled`` (n_rows,): which rows have any affinity; the others stay zero;
- ``propagate(contexts, workers)``: the source that rows read from. It is ``contexts``
  itself or shares no memory with it, and lasts until the next call;
- ``rows(source, start, stop)``: one block of P @ contexts, read from that source.
"""

import numpy as np

from skemb._kernels import add_neighbors


class SparseOperator:
    """P = D⁻¹ A for CSR affinities A, with D_ii = Σ_j A_ij mass_j; A is not copied."""

    def __init__(self, affinity, mass):
        self.affinity = affinity
        self.shape = affinity.shape
        self.mass = mass
        # In float64, and by our own kernel: scipy would copy A to float64 for it.
        strength = np.zeros((self.shape[0], 1))
        self._scale = np.ones(self.shape[0], dtype=affinity.dtype)
        self.add_rows(mass.astype(np.float64)[:, None], 0, strength)
        strength = strength.ravel()
        self.pulled = strength > 0
        least = np.finfo(affinity.dtype).tiny
        if (strength[self.pulled] < least).any():
            raise ValueError(
                f"X must have sums of rows and of columns of at least {least:.1e} in "
                f"{affinity.dtype}, got {strength[self.pulled].min():.1e}: rescale its "
                "weights."
            )
        scale = np.divide(1, strength, out=np.zeros_like(strength), where=self.pulled)
        self._scale = scale.astype(affinity.dtype)

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
            target = self._buffer(hop % 2, contexts)

            def add_hop(start, stop, source=source, target=target):
                target[start:stop] = contexts[start:stop]
                self._hop.add_rows(source, start, target[start:stop])

            workers.run(add_hop, *contexts.shape)
            source = target
        return source

    def _buffer(self, index, like):
        # Fresh pages for every epoch would cost as much as the products themselves.
        buffer = self._scratch[index]
        if buffer is None or (buffer.shape, buffer.dtype) != (like.shape, like.dtype):
            buffer = self._scratch[index] = np.empty_like(like)
        return buffer
