"""Row-stochastic operators: what pulls each row towards its contexts.

An operator has a ``shape`` (n_rows, n_contexts) and answers two questions:
``propagate(contexts, workers)``, once for all rows, gives the source that rows read
from; ``rows(source, start, stop)`` gives one block of P @ contexts. Its ``scale`` is
zero where a row has no affinity at all.
"""

import numpy as np

from skemb._kernels import add_neighbors


class SparseOperator:
    """P = D⁻¹ A for CSR affinities A, with D_ii = Σ_j A_ij mass_j; A is not copied.

    ``mass`` (n_contexts,) is zero for contexts that do not count. A row whose contexts
    all have mass zero stays zero.
    """

    def __init__(self, affinity, mass):
        self.affinity = affinity
        self.shape = affinity.shape
        strength = np.asarray(affinity @ np.asarray(mass, dtype=np.float64))
        scale = np.divide(1, strength, out=np.zeros_like(strength), where=strength > 0)
        self.scale = scale.astype(affinity.dtype)

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
        add_neighbors(A.indptr, A.indices, A.data, self.scale, source, start, out)


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
        mass = self.propagate(known.astype(affinity.dtype)[:, None], workers)
        self.mass = mass.ravel().copy()
        super().__init__(affinity, self.mass)

    def propagate(self, contexts, workers):
        """Return S @ contexts by Horner's rule, one sparse product for each hop.

        The result lives in a buffer that the next call but one writes over.
        """
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
        if buffer is None or buffer.shape != like.shape:
            buffer = self._scratch[index] = np.empty_like(like)
        return buffer
