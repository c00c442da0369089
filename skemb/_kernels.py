"""Every compiled function: serial, without the GIL, over one block of rows.

They stand in one file because numba's cache looks at the file of the cached function
alone: a callee that changed elsewhere would go unnoticed. They are typed by their
arguments (float32 or float64 values, int32 or int64 indices).
"""

import numpy as np
from numba import njit

_LONGEST_SUM = 1024


def _jit(**options):
    """``njit`` without the GIL, cached on disk wherever a cache can be written."""

    def decorate(function):
        try:
            return njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # neither the package nor the home folder is writable
            return njit(nogil=True, **options)(function)

    return decorate


@_jit()
def _add_weighted(indices, data, weight, source, start, stop, out):
    """Add to ``out`` (d,) the rows of ``source`` (m, d) that entries start..stop name.

    Entry k weighs ``weight`` * ``data[k]``.
    """
    n_components = out.shape[0]
    k = start
    # Four neighbours at a time: a quarter of the traffic on ``out``.
    while k + 4 <= stop:
        a = data[k] * weight
        b = data[k + 1] * weight
        c = data[k + 2] * weight
        d = data[k + 3] * weight
        first = source[indices[k]]
        second = source[indices[k + 1]]
        third = source[indices[k + 2]]
        fourth = source[indices[k + 3]]
        for f in range(n_components):
            out[f] += a * first[f] + b * second[f] + c * third[f] + d * fourth[f]
        k += 4
    while k < stop:
        a = data[k] * weight
        first = source[indices[k]]
        for f in range(n_components):
            out[f] += a * first[f]
        k += 1


@_jit()
def add_neighbors(indptr, indices, data, scale, source, start, out):
    """Add to ``out`` (b, d) the rows start..start+b of diag(scale) A ``source``.

    A is CSR (n, m): ``indptr`` (n + 1,), ``indices`` and ``data`` (nnz,); ``scale``
    is (n,) and ``source`` (m, d).
    """
    piece = np.empty(out.shape[1], dtype=out.dtype)
    for i in range(out.shape[0]):
        row, weight = out[i], scale[start + i]
        begin, end = indptr[start + i], indptr[start + i + 1]
        if end - begin <= _LONGEST_SUM:
            _add_weighted(indices, data, weight, source, begin, end, row)
            continue
        # Sums of sums, or float32 would lose the last of a million neighbours.
        while begin < end:
            middle = min(begin + _LONGEST_SUM, end)
            piece[:] = 0
            _add_weighted(indices, data, weight, source, begin, middle, piece)
            row += piece
            begin = middle


@_jit(fastmath={"reassoc", "contract"})
def _dot(first, second):
    """Return the inner product of two vectors (d,); nothing is changed.

    Sums may be reordered, so as to be vectorised, here alone: in a loop that also
    stores, the order would depend on whether its arrays lie close in memory.
    """
    total = first.dtype.type(0)
    for f in range(first.shape[0]):
        total += first[f] * second[f]
    return total


@_jit()
def sphere_step(rows, pull, repulsion, penalty, step, out, attraction):
    """Move unit ``rows`` (b, d) down their gradient by ``step``; write to ``out``.

    The gradient is ``repulsion`` + ``penalty`` - ``pull``, (b, d), (d,) and (b, d);
    it is projected on the tangent space and scaled to length one. ``attraction`` (b,)
    receives pull·row. A zero row stays zero; ``out`` may be ``rows``.
    """
    n_rows, n_components = rows.shape
    keep = np.sqrt(rows.dtype.type(1) - step * step)
    moved = np.empty_like(penalty)
    for i in range(n_rows):
        row = rows[i]
        attraction[i] = _dot(row, pull[i])
        for f in range(n_components):
            moved[f] = repulsion[i, f] + penalty[f] - pull[i, f]
        radial = _dot(row, moved)
        for f in range(n_components):
            moved[f] -= radial * row[f]
        length = np.sqrt(_dot(moved, moved))
        if length == 0 or _dot(row, row) == 0:
            out[i] = row
            continue
        scale = step / length
        for f in range(n_components):
            moved[f] = keep * row[f] - scale * moved[f]
        # Rounding takes rows off the sphere, most where the gradient is small.
        length = np.sqrt(_dot(moved, moved))
        for f in range(n_components):
            out[i, f] = moved[f] / length


@_jit()
def fixed_point_step(rows, pull, repulsion, penalty, curvature):
    """Set ``rows`` (b, d) to unit(curvature * rows + pull - repulsion - penalty).

    ``pull`` and ``repulsion`` are (b, d), ``penalty`` is (d,). A row stays as it is
    where the right-hand side is zero.
    """
    n_rows, n_components = rows.shape
    target = np.empty_like(penalty)
    for i in range(n_rows):
        for f in range(n_components):
            gradient = repulsion[i, f] + penalty[f] - pull[i, f]
            target[f] = curvature * rows[i, f] - gradient
        length = np.sqrt(_dot(target, target))
        if length == 0:
            continue
        for f in range(n_components):
            rows[i, f] = target[f] / length


@_jit()
def add_by_label(rows, weights, labels, totals, sums):
    """Add ``weights`` (b,) to ``totals`` (K,) and weighted ``rows`` to ``sums`` (K, d).

    Row i of ``rows`` (b, d) goes to the component ``labels[i]``.
    """
    for i in range(rows.shape[0]):
        label = labels[i]
        weight = weights[i]
        totals[label] += weight
        for f in range(rows.shape[1]):
            sums[label, f] += weight * rows[i, f]


@_jit()
def _settle(scores, columns, place, size):
    """Sift down one entry of a heap; the first ``size`` of both (k,) are changed.

    The worst score is on top; of equal scores, the one of the highest column.
    """
    while True:
        worst = place
        for child in (2 * place + 1, 2 * place + 2):
            if child < size and (
                scores[child] < scores[worst]
                or (scores[child] == scores[worst] and columns[child] > columns[worst])
            ):
                worst = child
        if worst == place:
            return
        scores[place], scores[worst] = scores[worst], scores[place]
        columns[place], columns[worst] = columns[worst], columns[place]
        place = worst


@_jit()
def best_columns(scores, columns, best):
    """Write each row's k highest of ``scores`` (b, m) to ``best`` (b, k), best first.

    ``columns`` (b, k) receives where they stand; of equal scores the first columns win.
    NaN is never chosen; where too few others are left, both stay as they are.
    """
    n_columns, k = scores.shape[1], columns.shape[1]
    for i in range(scores.shape[0]):
        row, heap, names = scores[i], best[i], columns[i]
        size = j = 0
        while j < n_columns and size < k:
            if not np.isnan(row[j]):
                heap[size], names[size] = row[j], j
                size += 1
            j += 1
        for place in range(size // 2 - 1, -1, -1):
            _settle(heap, names, place, size)
        for rest in range(j, n_columns):
            if row[rest] > heap[0]:  # never true of NaN
                heap[0], names[0] = row[rest], rest
                _settle(heap, names, 0, k)
        for end in range(size - 1, 0, -1):
            heap[0], heap[end] = heap[end], heap[0]
            names[0], names[end] = names[end], names[0]
            _settle(heap, names, 0, end)


@_jit()
def place_words(words, ends, places):
    """Write where each word stands in ``words`` (n,) to ``places`` (k,), word by word.

    ``ends`` (V,) holds where each word's places begin, and is moved to where they end.
    Negative words stand for the ends of documents, and get no place.
    """
    for place in range(words.shape[0]):
        word = words[place]
        if word >= 0:
            places[ends[word]] = place
            ends[word] += 1


@_jit()
def _add_side(words, strides, place, step, reach, counts, met, n_met):
    """Add what stands on one side of a place to ``counts`` (V,); return ``n_met``.

    The rest is as in ``count_met``; words met for the first time join ``met`` (V,).
    """
    weight = reach
    neighbor = place + step
    while weight > 0 and 0 <= neighbor < words.shape[0] and words[neighbor] >= 0:
        word = words[neighbor]
        if counts[word] == 0:
            met[n_met] = word
            n_met += 1
        counts[word] += weight
        weight -= strides[word]
        neighbor += step
    return n_met


@_jit()
def count_met(words, ends, places, strides, reach, kept, start, n_met, begins, out):
    """Count which words stand near which, for words start..start+b; write to ``n_met``.

    A neighbour weighs 1, less the ``strides`` (V,) of the words in between by
    ``reach``, all of them integers; times the ``kept`` (V,) of both. ``places`` (n,)
    and ``ends`` (V,) say where in ``words`` each word stands. ``n_met`` (b,) receives
    how many words each of them meets. ``out`` holds nothing, or two arrays (nnz,):
    which words, and their weights, for word i from ``begins[i]`` on.
    """
    counts = np.zeros(ends.shape[0], dtype=np.int64)
    met = np.empty(ends.shape[0], dtype=np.int32)
    for i in range(n_met.shape[0]):
        word = start + i
        size = 0
        for k in range(ends[word - 1] if word > 0 else 0, ends[word]):
            size = _add_side(words, strides, places[k], -1, reach, counts, met, size)
            size = _add_side(words, strides, places[k], 1, reach, counts, met, size)
        n_met[i] = size
        for k in range(size):
            other = met[k]
            if len(out) > 0:
                weight = counts[other] * (kept[word] * kept[other])
                out[0][begins[word] + k] = other
                out[1][begins[word] + k] = weight / reach
            counts[other] = 0


@_jit()
def hold_out_edges(ends, n_asked, degrees, held_out):
    """Mark in ``held_out`` (k,) the first ``n_asked`` edges that both ends can spare.

    ``ends`` (k, 2) holds two nodes for each edge, and ``degrees`` (n,) how many edges
    each node has; those of held-out edges are taken off, and the last one never is.
    """
    n_held_out = 0
    for k in range(ends.shape[0]):
        if n_held_out == n_asked:
            return
        first, second = ends[k]
        if degrees[first] > 1 and degrees[second] > 1:
            degrees[first] -= 1
            degrees[second] -= 1
            held_out[k] = True
            n_held_out += 1
