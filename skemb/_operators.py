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
- ``pulls(source)``: P @ contexts, read from that source by blocks of rows: ``Pulls``,
  which ask for

  - ``rows(source, start, stop)``: one block of P @ contexts, and
    ``add_rows(source, start, out)``, which adds it to ``out``, of walks alone;
  - ``known(start, stop)``: the contexts that a block of rows names itself.
"""

from functools import singledispatch

import numpy as np
import scipy.sparse as sp

from skemb._kernels import Known, add_neighbors, nothing_known
from skemb._parallel import row_blocks


class Pulls:
    """The rows of P @ contexts, none of which is computed before it is asked for.

    Slices are as lazy.
    """

    def __init__(self, operator, source, start=0, stop=None):
        self.operator, self.source = operator, source
        self.start = start
        self.stop = operator.shape[0] if stop is None else stop

    def __len__(self):
        return self.stop - self.start

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        return Pulls(self.operator, self.source, self.start + start, self.start + stop)

    def rows(self):
        """Return the rows."""
        return self.operator.rows(self.source, self.start, self.stop)

    def known(self):
        """Return the contexts that the rows name themselves."""
        return self.operator.known(self.start, self.stop)

    def add_to(self, out):
        """Add the rows to ``out``."""
        self.operator.add_rows(self.source, self.start, out)


def write_pulls(pulls, out):
    """Write rows of P @ contexts to ``out``."""
    out[:] = pulls.rows()
    return ()


@singledispatch
def transposed(affinity):
    """Return the transpose of CSR, in CSR."""
    return affinity.T.tocsr()


@singledispatch
def operator_of(affinity, mass):
    """Return the operator D⁻¹ A of CSR affinities A, with D_ii = Σ_j A_ij mass_j."""
    return SparseOperator(affinity, mass)


class _Product:
    """A for CSR affinities A, which are not copied."""

    def __init__(self, affinity):
        self.affinity = affinity
        self.shape = affinity.shape
        self.dtype = affinity.dtype
        self.scale = np.ones(self.shape[0], dtype=affinity.dtype)

    def add_rows(self, source, start, out):
        """Add A ``source`` to ``out``, which holds the rows from ``start`` on."""
        A = self.affinity
        add_neighbors(A.indptr, A.indices, A.data, self.scale, source, start, out)

    def rows(self, source, start, stop):
        """Return rows ``start`` to ``stop`` of A ``source``."""
        out = np.zeros((stop - start, source.shape[1]), dtype=source.dtype)
        self.add_rows(source, start, out)
        return out

    def pulls(self, source):
        """Return the rows of A ``source``."""
        return Pulls(self, source)


class SparseOperator(_Product):
    """P = D⁻¹ A for CSR affinities A, with D_ii = Σ_j A_ij mass_j; A is not copied."""

    def __init__(self, affinity, mass):
        super().__init__(affinity)
        self.mass = mass
        # In float64, and by our own kernel: scipy would copy A to float64 for it.
        strength = np.zeros((self.shape[0], 1))
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
        self.scale = scale.astype(self.dtype)

    def propagate(self, contexts, workers):
        """Return the contexts as they are: rows read them directly."""
        return contexts

    def known(self, start, stop):
        """Return the entries of A in rows ``start`` to ``stop``."""
        A = self.affinity
        return Known(A.indptr[start : stop + 1], A.indices, A.data)


class WalkOperator:
    """Mean of the contexts met on walks of 1 to ``walk_length`` steps over a graph.

    P = D⁻¹ A S with S = I + T + ... + T^(walk_length - 1), T the row-normalised A and D
    the row sums of A S: where a walk cannot go on (directed graphs), its shorter parts
    count alone. Powers are applied from right to left and never formed.
    """

    def __init__(self, affinity, known, walk_length, workers):
        self._hop = operator_of(affinity, np.ones(affinity.shape[1]))
        self._n_hops = walk_length - 1
        self._scratch = [None, None]
        mass = self.propagate(known.astype(np.float64)[:, None], workers)
        self._last = operator_of(affinity, workers.fetched(mass).ravel().copy())
        self.shape, self.dtype = self._last.shape, self._last.dtype
        self.mass = self._last.mass
        self.strength, self.pulled = self._last.strength, self._last.pulled

    def propagate(self, contexts, workers):
        """Return S @ contexts."""
        return _walks(self._hop, contexts, self._n_hops, self._scratch, workers)

    def pulls(self, source):
        """Return the rows of D⁻¹ A ``source``."""
        return self._last.pulls(source)


def _walks(hop, contexts, n_hops, scratch, workers):
    """Return (I + T + ... + T^n_hops) @ contexts by Horner's rule, T the hop.

    ``scratch`` is a list of two arrays or None, which are used in turn.
    """
    source, shape = contexts, contexts.shape
    for turn in range(n_hops):
        target = scratch[turn % 2] = workers.empty(
            shape, contexts.dtype, scratch[turn % 2]
        )
        source, _ = workers.fill(
            target, _add_hop, (contexts, hop.pulls(source)), shape[1]
        )
    return source


def _add_hop(contexts, pulls, out):
    """Write the contexts and what they pull to ``out``."""
    out[:] = contexts
    pulls.add_to(out)
    return ()


def normalized_blocks(X, n_nodes):
    """Return CSR [T | N]: rows of both blocks of X = [A | F] divided by their sums.

    A has ``n_nodes`` columns. Blocks of a row that are zero stay zero.
    """
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    blocks = 2 * rows + (X.indices >= n_nodes)
    sums = np.bincount(blocks, X.data, 2 * X.shape[0])
    shares = np.divide(X.data, sums[blocks], where=X.data > 0, out=np.zeros(X.nnz))
    return sp.csr_array((shares.astype(X.dtype), X.indices, X.indptr), shape=X.shape)


class AttributedWalkOperator(SparseOperator):
    """Mean of what is met on walks over a graph whose nodes have attributes.

    At each of ``walk_length`` nodes, that of the row first, a neighbour is met with
    weight 1 - w and an attribute with weight w = ``attribute_weight``, and the walk
    goes on to a neighbour:

        P = D⁻¹ (I + T + ... + T^(walk_length - 1)) [(1 - w) T | w N],

    with [T | N] the ``affinity``, of normalised blocks. D are the row sums, so that a
    node without links or without attributes has all of its mean from the others. A row
    reads nothing but its [T | N], which is all that is known of a new node.
    """

    def __init__(self, affinity, known, attribute_weight, walk_length, workers):
        n_nodes, n_contexts = affinity.shape
        self.weights = np.full(n_contexts, attribute_weight, dtype=np.float64)
        self.weights[:n_nodes] = 1 - attribute_weight
        self.walk_length = walk_length
        self._step = _Product(affinity)
        self._hop = _Product(affinity[:, :n_nodes])
        self._source, self._met, self._scratch = None, None, [None, None]
        mass = self.propagate(known.astype(np.float64)[:, None], workers)
        super().__init__(affinity, mass.ravel().copy())

    def propagate(self, contexts, workers):
        """Return what is met from each node on, above the weighted attributes."""
        source = self._source = workers.empty(
            contexts.shape, contexts.dtype, self._source
        )
        np.multiply(contexts, self.weights[:, None].astype(contexts.dtype), out=source)
        if self.walk_length == 1:
            return source
        shape = (self._hop.shape[0], contexts.shape[1])
        met = self._met = workers.empty(shape, contexts.dtype, self._met)
        workers.fill(met, write_pulls, (self._step.pulls(source),), shape[1])
        n_hops = self.walk_length - 2
        source[: shape[0]] += _walks(self._hop, met, n_hops, self._scratch, workers)
        return source


class ReversedWalkOperator(SparseOperator):
    """Mean of the nodes whose walks meet a node or an attribute: D⁻¹ Pᵀ.

    P is an ``AttributedWalkOperator`` and D its column sums:

        Pᵀ = [(1 - w) T | w N]ᵀ (I + T + ... + T^(walk_length - 1))ᵀ S⁻¹,

    with S the row sums that P is divided by.
    """

    def __init__(self, walks, workers):
        n_nodes = walks.shape[0]
        affinity = walks.affinity.T.tocsr()
        affinity.data *= np.repeat(walks.weights, np.diff(affinity.indptr))
        self._start = walks.scale
        self._hop = _Product(walks.affinity[:, :n_nodes].T.tocsr())
        self._n_hops = walks.walk_length - 1
        self._scratch = [None, None]
        mass = self.propagate(np.ones((n_nodes, 1)), workers)
        super().__init__(affinity, mass.ravel().copy())

    def propagate(self, contexts, workers):
        """Return the nodes, those that walks of theirs come from added."""
        contexts = contexts * self._start[:, None].astype(contexts.dtype)
        return _walks(self._hop, contexts, self._n_hops, self._scratch, workers)


class CooccurrenceOperator(SparseOperator):
    """Mean of the features met in the rows of X, none of which meets itself.

    P = D⁻¹ (C - diag(C)) with C = Xᵀ S⁻¹ X and S the row sums of X, so that a count
    meets as much in a long row as in a short one. C is never formed: ``propagate``
    takes S⁻¹ X Y, the mean context of each row, and a block of rows is one of Xᵀ times
    these means, less what each feature met of itself. X is CSR whose entries are given
    once.

    An entry that is nearly all of its row could not be taken out of the mean again, for
    want of digits. Such entries are left out of the means, and others meet them
    directly, by a matrix of one entry for each other entry of their rows.
    """

    def __init__(self, X):
        # Rows of one entry let nothing meet.
        lengths = np.diff(X.indptr)
        X = X if (lengths > 1).all() else X[lengths > 1]
        strength, own, self._row_scale, dominates = _strengths(X)
        self._averaged = X
        if dominates.any():
            self._averaged = X.copy()
            self._averaged.data[dominates] = 0
        self._direct = _met_directly(X, dominates, self._row_scale)
        self.affinity = X.T.tocsr()
        self.shape = (X.shape[1], X.shape[1])
        self.dtype = X.dtype
        self._divide_by(strength)
        self._own = (own * self.scale).astype(X.dtype)[:, None]
        self.mass = self.pulled.astype(np.float64)
        self._scratch = None

    def propagate(self, contexts, workers):
        """Return the mean context of each row of X and, below them, the contexts."""
        X, n_rows = self._averaged, self._averaged.shape[0]
        shape = (n_rows + len(contexts), contexts.shape[1])
        source = self._scratch = workers.empty(shape, contexts.dtype, self._scratch)
        source[n_rows:] = contexts
        scale = self._row_scale

        def means(start, stop):
            out = source[start:stop]
            out[:] = 0
            add_neighbors(X.indptr, X.indices, X.data, scale, contexts, start, out)

        workers.run(means, n_rows, contexts.shape[1])
        return source

    def known(self, start, stop):
        """Return nothing: which features meet is never formed."""
        return nothing_known(stop - start, self.dtype)

    def add_rows(self, source, start, out):
        """Add P @ contexts to ``out``, which holds the rows from ``start`` on."""
        super().add_rows(source, start, out)
        contexts = source[self._averaged.shape[0] :]
        A, stop = self._direct, start + len(out)
        add_neighbors(A.indptr, A.indices, A.data, self.scale, contexts, start, out)
        out -= self._own[start:stop] * contexts[start:stop]


# The share of a row from which on one of its entries dominates it.
_DOMINANT = 0.99


def _strengths(X):
    """Return the row sums of C - diag(C), diag(C), S⁻¹, and which entries dominate.

    Those have no part in the diagonal.
    """
    shared, own = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    scale = np.empty(X.shape[0], dtype=X.dtype)
    dominates = np.empty(X.nnz, dtype=bool)
    # In blocks, since all that is summed takes float64.
    for start, stop in row_blocks(X.shape[0], X.nnz // max(X.shape[0], 1)):
        block = X[start:stop]
        lengths = np.diff(block.indptr)
        counts = block.data.astype(np.float64)
        sums = np.add.reduceat(counts, block.indptr[:-1])
        scale[start:stop] = 1 / sums
        shares = counts / np.repeat(sums, lengths)
        dominant = shares > _DOMINANT
        dominates[X.indptr[start] : X.indptr[stop]] = dominant
        rest = np.add.reduceat(np.where(dominant, 0, counts), block.indptr[:-1])
        others = np.where(dominant, np.repeat(rest / sums, lengths), 1 - shares)
        np.add.at(shared, block.indices, counts * others)
        alone = np.where(dominant, 0, counts * shares)
        np.add.at(own, block.indices, alone)
    return shared, own, scale, dominates


def _met_directly(X, dominates, scale):
    """Return what other entries of their rows meet of those that dominate, (m, m)."""
    entries = np.flatnonzero(dominates)
    rows = np.searchsorted(X.indptr, entries, side="right") - 1
    others = X[rows]
    column = np.repeat(X.indices[entries], np.diff(others.indptr))
    others.data[others.indices == column] = 0
    place = (np.arange(len(rows)), X.indices[entries])
    weights = X.data[entries] * scale[rows]
    dominant = sp.csr_array((weights, place), shape=(len(rows), X.shape[1]))
    return (others.T @ dominant).tocsr()
