"""The SoftMax's normalisation estimated from a few contexts drawn for each row."""

import numpy as np

from skemb._kernels import Draws, Proposal, fill_alias_table, sampled_partition
from skemb._normalizer import log_of

# Of the adaptive sampler: the share of draws that look at the row, and the scale of
# ranks as a share of the contexts. Chosen by the variance of Z on three kinds of data.
_ADAPTIVE_SHARE, _RANK_SCALE = 0.75, 0.03
# What counts as far out along an axis, as a share of the furthest: a number that the
# coordinates of contexts in a regular pattern do not stand at.
_FAR = 0.618


def sampled_normalizer_of(sampler, prior, strength, temperature, n_negatives):
    """Return the normaliser of a sampler: "uniform", "popularity" or "adaptive"."""
    popular = strength if strength.any() else prior
    chances = {"uniform": prior > 0, "popularity": popular, "adaptive": prior}
    return SampledNormalizer(
        prior,
        temperature,
        n_negatives,
        chances[sampler],
        adaptive=sampler == "adaptive",
    )


class SampledNormalizer:
    """Sums over the contexts known of a row, and estimates the rest from draws.

    With S the contexts that a row is known to go with, and C others drawn with chances
    q(j), of which q(S) would fall on S,

        Z(x) ≈ Σ_{j in S} p_j exp(x·y_j / t)
               + (1 - q(S)) / |C| Σ_{j in C} p_j / q(j) exp(x·y_j / t),

    whose mean is Z, in O(n_negatives d) a row beside the affinities: the sampled
    SoftMax of Bengio & Senécal (2008), with all that is known of a row among the
    candidates. Rows draw anew in each epoch, by counters, and so in any order.

    Draws are made with the chances ``proposal`` (m,). If ``adaptive``, three of four
    are made after Rendle & Freudenthaler (2014) and Chen et al. (2018) instead: by an
    axis f with chance ∝ |x_f| σ_f, σ_f the contexts' standard deviation along it, and a
    rank r with chance ∝ exp(-r / scale) among the contexts sorted along it, counted
    from the end where x points. Axes are the principal ones of the contexts, and each
    points to where the first context far out on it lies, so that nothing depends on the
    basis; they and the ranks are found once an epoch.
    """

    def __init__(self, prior, temperature, n_negatives, proposal, *, adaptive=False):
        self.prior = prior
        self.temperature = temperature
        self.n_negatives = n_negatives
        self.adaptive = adaptive
        self.width = n_negatives
        self._log_prior = log_of(prior)
        chances = np.where(prior > 0, proposal, 0).astype(np.float64)
        chances /= chances.sum()
        keep, other = np.empty(len(chances)), np.empty(len(chances), dtype=np.int64)
        fill_alias_table(chances, keep, other)
        self.proposal = Proposal(
            chances,
            keep,
            other,
            share=0.0,
            rank_scale=1.0,
            axes=np.empty((0, 0), dtype=prior.dtype),
            spread=np.empty(0, dtype=prior.dtype),
            order=np.empty((0, 0), dtype=np.int32),
            from_top=np.empty((0, 0), dtype=prior.dtype),
            product=prior.dtype.type(0),
        )

    def start(self, contexts, random_state):
        """Draw the key of all random numbers."""
        words = random_state.randint(2**32, size=2, dtype=np.uint64)
        self._seed = np.uint64(words[0]), np.uint64(words[1])
        self._epoch = 0

    def update(self, contexts, workers, share=1.0):
        """Begin an epoch: keep a copy of the contexts, and rank them if adaptive."""
        self._epoch += 1
        self.contexts = contexts.copy()
        if self.adaptive:
            self._rank(workers)

    def _rank(self, workers):
        """Sort the contexts that count along their principal axes."""
        counting = np.flatnonzero(self.prior).astype(np.int32)
        centered = self.contexts[counting]
        centered -= centered.mean(axis=0)
        axes = np.ascontiguousarray(np.linalg.eigh(centered.T @ centered)[1])
        centered = centered @ axes
        _orient(axes, centered)
        n_components = centered.shape[1]
        order = np.empty((n_components, len(counting)), dtype=np.int32)
        rank_scale = max(_RANK_SCALE * len(counting), 1.0)
        of_rank = np.exp(-np.arange(len(counting)) / rank_scale)
        of_rank /= of_rank.sum()
        of_rank = of_rank.astype(centered.dtype)
        from_top = np.zeros_like(self.contexts)

        def rank(start, stop):
            for f in range(start, stop):
                order[f] = counting[np.argsort(-centered[:, f], kind="stable")]
                from_top[order[f], f] = of_rank

        workers.run(rank, n_components, len(counting))
        self.proposal = self.proposal._replace(
            share=_ADAPTIVE_SHARE,
            rank_scale=rank_scale,
            axes=axes,
            spread=centered.std(axis=0),
            order=order,
            from_top=from_top,
            product=of_rank[0] * of_rank[-1],
        )

    def rotate(self, axes):
        """Nothing is kept but contexts, which are given again."""

    def evaluate(self, rows, known, keys):
        """Return log Z (b,) and its gradient times t (b, d) at unit ``rows`` (b, d)."""
        log_partition, gradient = np.empty(len(rows)), np.zeros_like(rows)
        draws = Draws(self.n_negatives, keys, np.uint64(self._epoch), self._seed)
        sampled_partition(
            rows,
            self.contexts,
            self._log_prior,
            self.temperature,
            tuple(known),
            tuple(draws),
            tuple(self.proposal),
            log_partition,
            gradient,
        )
        return log_partition, gradient


def _orient(axes, along):
    """Choose the signs of ``axes`` (d, d), columns, by what lies along them, in place.

    Each points to the first context that is far out on it; ``along`` (m, d), the
    contexts' coordinates, turn with them. The furthest context would leave the sign to
    rounding where contexts lie as far on both ends, and so would the sign of a sum.
    """
    size = np.abs(along)
    first = (size > _FAR * size.max(axis=0)).argmax(axis=0)
    signs = np.where(along[first, np.arange(len(axes))] < 0, -1, 1).astype(axes.dtype)
    axes *= signs
    along *= signs
