"""Every compiled function: serial, without the GIL, over one block of rows.

They stand in one file because numba's cache looks at the file of the cached function
alone: a callee that changed elsewhere would go unnoticed. They are typed by their
arguments (float32 or float64 values, int32 or int64 indices).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

_LONGEST_SUM = 1024
# At most so many tries for each draw, where nearly all that is drawn is known.
_TRIES = 64


class Known(NamedTuple):
    """Rows of a CSR matrix whose entries above zero say what is known of each row."""

    indptr: np.ndarray  # (b + 1,), of these rows
    indices: np.ndarray  # (nnz,), of the whole matrix
    data: np.ndarray  # (nnz,)


def nothing_known(n_rows, dtype):
    """Return ``Known`` of rows of which nothing is."""
    nothing = np.empty(0, dtype=np.int32)
    return Known(np.zeros(n_rows + 1, np.int32), nothing, nothing.astype(dtype))


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


# exp(x) = 2**k exp(r), r within ±log(2) / 2: the parts of log 2, and a polynomial for
# exp(r) that is right to the last bit but one (S. Moshier's Cephes library, expf).
_LOG2_E, _LOG_2, _LOG_2_REST = map(
    np.float32, (1.442695041, 0.693359375, -2.1219444e-4)
)
_TO_INTEGER = np.float32(1.5 * 2**23)
_LEAST_EXPONENT = np.float32(-87)


@_jit()
def exponentials(terms):
    """Change float32 ``terms`` (b, K), at most 88, to exp(terms); below -87 as at -87.

    Takes half of NumPy's time where rows have hundreds of terms.
    """
    bits = terms.view(np.int32)
    power = np.empty(terms.shape[1], dtype=np.float32)
    power_bits = power.view(np.int32)
    for i in range(terms.shape[0]):
        row, row_bits = terms[i], bits[i]
        for j in range(terms.shape[1]):
            x = max(row[j], _LEAST_EXPONENT)
            # The sum's last bits are k: there are none left for a fraction.
            power[j] = x * _LOG2_E + _TO_INTEGER
            k = power[j] - _TO_INTEGER
            r = x - k * _LOG_2 - k * _LOG_2_REST
            p = np.float32(1.9875691e-4) * r + np.float32(1.3981999e-3)
            p = p * r + np.float32(8.3334519e-3)
            p = p * r + np.float32(4.1665796e-2)
            p = p * r + np.float32(1.6666665e-1)
            p = p * r + np.float32(0.5)
            row[j] = p * r * r + r + np.float32(1)
        for j in range(terms.shape[1]):
            row_bits[j] += power_bits[j] << np.int32(23)


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


class Proposal(NamedTuple):
    """With which chance each context is drawn; adaptive draws use the rest, too."""

    chances: np.ndarray  # (m,), whatever the row
    keep: np.ndarray  # (m,), their alias table
    other: np.ndarray  # (m,)
    share: float  # of the draws that look at the row
    rank_scale: float
    axes: np.ndarray  # (d, d), as columns
    spread: np.ndarray  # (d,), standard deviations of the contexts along the axes
    order: np.ndarray  # (d, n), the contexts along each axis, from the top down
    from_top: np.ndarray  # (m, d), the chance of each context's rank from the top
    product: float  # of that with the chance of its rank from the bottom


class Leanings(NamedTuple):
    """With which chance a row takes the top, then the bottom, of each axis."""

    chances: np.ndarray  # (2 d,)
    keep: np.ndarray  # (2 d,), their alias table
    other: np.ndarray  # (2 d,)


class Draws(NamedTuple):
    """How many contexts a block of rows draws, and what names its random numbers."""

    n_negatives: int
    keys: np.ndarray  # (b,) of the rows
    epoch: np.uint64
    seed: tuple  # two words


# Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
_LOW_WORD, _WORD = np.uint64(0xFFFFFFFF), np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_INCREMENTS = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@_jit()
def philox(counter, key):
    """Return random words of 32 bits (4,) for words ``counter`` (4,) and ``key`` (2,).

    All are tuples of uint64, and nothing is changed.
    """
    a, b, c, d = counter
    first, second = key
    for _ in range(10):
        one, two = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b = (two >> _WORD) ^ b ^ first, two & _LOW_WORD
        c, d = (one >> _WORD) ^ d ^ second, one & _LOW_WORD
        first = (first + _INCREMENTS[0]) & _LOW_WORD
        second = (second + _INCREMENTS[1]) & _LOW_WORD
    return a, b, c, d


@_jit()
def random_numbers(counter, key):
    """Return numbers within (0, 1) as a tuple (4,): the words of ``philox``."""
    a, b, c, d = philox(counter, key)
    step = 1 / 4294967296
    return (a + 0.5) * step, (b + 0.5) * step, (c + 0.5) * step, (d + 0.5) * step


@_jit()
def fill_alias_table(chances, keep, other):
    """Write to ``keep`` and ``other`` (m,) what draws one of ``chances`` (m,) at once.

    Vose's method: a place drawn uniformly stands for itself with chance ``keep``, else
    for ``other``. The chances add up to one; what has none is never drawn.
    """
    n_places = len(chances)
    lacking = np.empty(n_places, dtype=np.int64)
    spare = np.empty(n_places, dtype=np.int64)
    n_lacking = n_spare = 0
    for place in range(n_places):
        keep[place] = chances[place] * n_places
        other[place] = place
        if keep[place] < 1:
            lacking[n_lacking] = place
            n_lacking += 1
        else:
            spare[n_spare] = place
            n_spare += 1
    while n_lacking > 0 and n_spare > 0:
        poor, rich = lacking[n_lacking - 1], spare[n_spare - 1]
        other[poor] = rich
        keep[rich] -= 1 - keep[poor]
        n_lacking -= 1
        if keep[rich] < 1:
            lacking[n_lacking] = rich
            n_lacking += 1
            n_spare -= 1


@_jit()
def lean(row, proposal, leanings):
    """Write where a ``row`` (d,) leans to ``leanings``; return if it does anywhere.

    Its chances are in proportion to the size of ``row`` times ``proposal.spread``, both
    (d,): of the tops of the axes for positive entries, of the bottoms for others.
    """
    n_axes, total = row.shape[0], row.dtype.type(0)
    for f in range(n_axes):
        total += abs(row[f]) * proposal.spread[f]
    if total == 0:
        return False
    leanings.chances[:] = 0
    for f in range(n_axes):
        end = f if row[f] > 0 else n_axes + f
        leanings.chances[end] = abs(row[f]) * proposal.spread[f] / total
    fill_alias_table(leanings.chances, leanings.keep, leanings.other)
    return True


@_jit()
def _pick(place, coin, keep, other):
    """Return which of the chances behind an alias table (m,) two numbers stand for."""
    picked = int(place * len(keep))
    return np.int64(picked if coin < keep[picked] else other[picked])


@_jit()
def draw_context(numbers, leanings, share, proposal):
    """Return the context that random ``numbers`` (4,) stand for; nothing is changed.

    With chance ``share`` it stands at a random rank, counted from an end of an axis
    where its row leans; else it is drawn by ``proposal.chances``.
    """
    if numbers[0] >= share:
        return _pick(numbers[1], numbers[2], proposal.keep, proposal.other)
    end = _pick(numbers[1], numbers[2], leanings.keep, leanings.other)
    n_axes, n_ranks = proposal.order.shape
    # The inverse of the cumulative chances of exp(-rank / scale), cut at the last.
    within = -np.expm1(-n_ranks / proposal.rank_scale)
    rank = int(-proposal.rank_scale * np.log1p(-numbers[3] * within))
    rank = min(rank, n_ranks - 1)
    if end < n_axes:
        return np.int64(proposal.order[end, rank])
    return np.int64(proposal.order[end - n_axes, n_ranks - 1 - rank])


@_jit()
def set_chances(contexts, leanings, share, proposal, chances):
    """Write with which chance ``draw_context`` draws ``contexts`` (k,) to ``chances``.

    These are (k,) as well. ``leanings`` are those of the row.
    """
    n_axes = len(leanings.chances) // 2
    tops, bottoms = leanings.chances[:n_axes], leanings.chances[n_axes:]
    # Fields in an inner loop would cost ten times what is done with them.
    of_prior, from_top, product = proposal.chances, proposal.from_top, proposal.product
    for k in range(len(contexts)):
        chances[k] = (1 - share) * of_prior[contexts[k]]
        if share > 0 and chances[k] > 0:
            ranks = from_top[contexts[k]]
            chances[k] += share * _chance_of_ranks(tops, bottoms, ranks, product)


@_jit(fastmath={"reassoc", "contract"}, error_model="numpy")
def _chance_of_ranks(tops, bottoms, from_top, product):
    """Return the chance of a context whose ranks have the chances ``from_top`` (d,).

    ``tops`` and ``bottoms`` (d,) are those of the ends of the axes. From the bottom a
    rank has the chance ``product`` / ``from_top``.
    """
    total = from_top.dtype.type(0)
    for f in range(len(from_top)):
        total += tops[f] * from_top[f] + bottoms[f] * (product / from_top[f])
    return total


@_jit()
def _take_known(row, known, log_prior, stamps, found):
    """Write contexts known of a row to ``found`` (k,); return how many there are.

    ``stamps`` (m,) is set to ``row`` + 1 for each of them, which counts once however
    often it is named; contexts whose ``log_prior`` (m,) is infinite are left out.
    """
    size = 0
    for k in range(known.indptr[row], known.indptr[row + 1]):
        context = known.indices[k]
        if known.data[k] > 0 and stamps[context] != row + 1:
            stamps[context] = row + 1
            if log_prior[context] > -np.inf:
                found[size] = context
                size += 1
    return size


@_jit()
def _draw_unknown(row, draws, n_tries, leanings, share, proposal, stamps, found, size):
    """Draw contexts that are not known of a row into ``found`` (k,) from ``size`` on.

    Those that are known have ``row`` + 1 in ``stamps`` (m,). It is over when ``found``
    is full, or after ``n_tries``. Return where they end.
    """
    low, high = draws.keys[row] & _LOW_WORD, draws.keys[row] >> _WORD
    for draw in range(n_tries):
        if size == len(found):
            break
        counter = np.uint64(draw), low, high, draws.epoch
        numbers = random_numbers(counter, draws.seed)
        context = draw_context(numbers, leanings, share, proposal)
        if stamps[context] != row + 1:
            found[size] = context
            size += 1
    return size


@_jit()
def _find_contexts(
    row, known, draws, log_prior, leanings, share, proposal, stamps, found, weights
):
    """Write known and drawn contexts of a row to ``found`` (k,); return how many.

    ``weights`` (k,) receives what each counts in Z; the rest is as above.
    """
    n_known = _take_known(row, known, log_prior, stamps, found)
    set_chances(found[:n_known], leanings, share, proposal, weights)
    unknown = 1 - weights[:n_known].sum()
    weights[:n_known] = 1
    if unknown < 1e-6:
        return n_known
    n_negatives, n_tries = draws.n_negatives, _TRIES * draws.n_negatives
    stop, each = n_known + n_negatives, unknown / n_negatives
    if unknown < 0.25:
        # To go on until there are enough could take for ever, and to give up then is
        # biased: try as often as is enough in the mean.
        n_tries = min(n_tries, int(np.ceil(n_negatives / unknown)))
        stop, each = n_known + n_tries, 1 / n_tries
    size = _draw_unknown(
        row, draws, n_tries, leanings, share, proposal, stamps, found[:stop], n_known
    )
    set_chances(found[n_known:size], leanings, share, proposal, weights[n_known:])
    for k in range(n_known, size):
        weights[k] = each / weights[k]
    return size


@_jit()
def _shares_of(row, contexts, found, weights, log_prior, temperature, shares):
    """Write the share of each context ``found`` (k,) in Z of a row; return log Z.

    A context j counts ``weights`` (k,) times p_j exp(row·y_j / t); the weights turn
    into these terms, up to a factor.
    """
    largest = -np.inf
    for k in range(len(found)):
        exponent = _dot(row, contexts[found[k]]) / temperature
        weights[k] = log_prior[found[k]] + np.log(weights[k]) + exponent
        largest = max(largest, weights[k])
    total = 0.0
    for k in range(len(found)):
        weights[k] = np.exp(weights[k] - largest)
        total += weights[k]
    for k in range(len(found)):
        shares[k] = weights[k] / total
    return largest + np.log(total)


@_jit()
def sampled_partition(
    rows, contexts, log_prior, temperature, known, draws, proposal, logs, out
):
    """Write log Z of ``rows`` (b, d) to ``logs`` (b,), as known and drawn contexts say.

    Its gradient, times t, is added to ``out`` (b, d); ``contexts`` are (m, d), and
    ``log_prior`` is (m,). Then come ``Known``, ``Draws`` and ``Proposal`` as plain
    tuples: numba 0.60 does not always recognise named ones that come from Python.
    """
    known, draws, proposal = Known(*known), Draws(*draws), Proposal(*proposal)
    one, n_ends = rows.dtype.type(1), 2 * rows.shape[1]
    dimensions = np.arange(rows.shape[1])
    along = np.empty(rows.shape[1], rows.dtype)
    leanings = Leanings(
        np.empty(n_ends, rows.dtype), np.empty(n_ends), np.empty(n_ends, np.int64)
    )
    stamps = np.zeros(len(contexts), np.int32)
    most = 0
    for i in range(len(rows)):
        most = max(most, known.indptr[i + 1] - known.indptr[i])
    most += _TRIES * draws.n_negatives
    found, weights = np.empty(most, np.int64), np.empty(most)
    shares = np.empty(most, rows.dtype)
    for i in range(len(rows)):
        leaning_share = proposal.share
        if leaning_share > 0:
            # Not by BLAS, whose last digit depends on the other rows.
            along[:] = 0
            _add_weighted(dimensions, rows[i], one, proposal.axes, 0, len(along), along)
            if not lean(along, proposal, leanings):
                leaning_share = 0.0
        size = _find_contexts(
            i,
            known,
            draws,
            log_prior,
            leanings,
            leaning_share,
            proposal,
            stamps,
            found,
            weights,
        )
        logs[i] = _shares_of(
            rows[i], contexts, found[:size], weights, log_prior, temperature, shares
        )
        _add_weighted(found, shares, one, contexts, 0, size, out[i])
