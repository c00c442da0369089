"""The SoftMax's normalisation Z in time linear in the number of rows.

Z(x) = Σ_j p_j exp(x·y_j / t) is the moment generating function of the contexts at
x / t. With the contexts summarised by Gaussians of weights w_a, means μ_a and one
pooled covariance Σ (Dall'Amico & Belliardo, TMLR 2025, section 3),

    log Z(x) ≈ log Σ_a w_a exp(x·μ_a / t) + x·Σx / 2t².
"""

import numpy as np

from skemb._kernels import add_by_label


class GaussianNormalizer:
    """Gaussian mixture of weighted contexts, found by spherical k-means.

    With as many Gaussians as contexts every context is its own component and the
    normaliser is exact.

    Parameters
    ----------
    prior : ndarray of shape (n_contexts,)
        Probability of each context, summing to one; zero leaves a context out.
    n_gaussians : int
        Number of components, cut to the number of contexts.
    temperature : float
        Temperature t of the SoftMax.
    """

    def __init__(self, prior, n_gaussians, temperature):
        self.prior = prior
        self.n_gaussians = min(n_gaussians, len(prior))
        self.temperature = temperature
        self.exact = self.n_gaussians == len(prior)
        self.centers = None

    def start(self, contexts, random_state):
        """Draw the first centres among the contexts that count."""
        if self.exact or self.n_gaussians == 1:
            return
        counting = np.flatnonzero(self.prior)
        chosen = random_state.choice(
            counting, self.n_gaussians, replace=self.n_gaussians > len(counting)
        )
        self.centers = contexts[chosen]

    def update(self, contexts, workers):
        """Take one k-means step from the last centres, then the moments, in O(n d²)."""
        dtype, n_components = contexts.dtype, contexts.shape[1]
        n_sums = 1 if self.exact else self.n_gaussians
        totals = np.zeros(n_sums)
        sums = np.zeros((n_sums, n_components))
        second = np.zeros((n_components, n_components))

        def moments(start, stop):
            return self._block_moments(contexts[start:stop], self.prior[start:stop])

        for block in workers.map(moments, len(contexts), max(n_components, n_sums)):
            for total, partial in zip((totals, sums, second), block, strict=True):
                total += partial

        mean = sums.sum(axis=0)
        self.mean = mean.astype(dtype)
        self.spread = second - np.outer(mean, mean)
        if self.exact:
            # A copy (by astype), since a graph's contexts are its rows, moved in place.
            self._set_components(contexts, self.prior, np.zeros_like(second), dtype)
        else:
            means = sums / np.where(totals > 0, totals, 1)[:, None]
            within = second - (means * totals[:, None]).T @ means
            self._set_components(means, totals, within, dtype)
            self._move_centers(sums, totals, dtype)

    def _block_moments(self, contexts, prior):
        """Return the weights (K,), sums (K, d) and second moment (d, d) of a block."""
        scaled = contexts * np.sqrt(prior)[:, None]
        second = scaled.T @ scaled
        if self.centers is None:
            return prior.sum(), prior @ contexts, second
        totals = np.zeros(self.n_gaussians, dtype=contexts.dtype)
        sums = np.zeros(self.centers.shape, dtype=contexts.dtype)
        labels = (contexts @ self.centers.T).argmax(axis=1)
        add_by_label(contexts, prior, labels, totals, sums)
        return totals, sums, second

    def _set_components(self, means, weights, covariance, dtype):
        with np.errstate(divide="ignore"):
            self.log_weights = np.log(weights).astype(dtype)
        self.means = means.astype(dtype)
        self.covariance = covariance.astype(dtype)

    def _move_centers(self, sums, totals, dtype):
        if self.centers is None:
            return
        length = np.linalg.norm(sums, axis=1)
        moved = (totals > 0) & (length > 0)
        centers = self.centers.copy()
        centers[moved] = (sums[moved] / length[moved, None]).astype(dtype)
        self.centers = centers

    def curvature(self):
        """Return the largest curvature of t log Z that the contexts' spread allows."""
        return float(np.linalg.eigvalsh(self.spread)[-1]) / self.temperature

    def evaluate(self, rows):
        """Return log Z (b,) and its gradient times t (b, d) at unit ``rows`` (b, d)."""
        log_partition, shares = log_sum_exp(
            rows, self.means, self.log_weights, self.temperature
        )
        gradient = shares @ self.means
        if not self.exact:
            stretched = rows @ self.covariance
            stretched /= rows.dtype.type(self.temperature)
            quadratic = np.einsum("ij,ij->i", rows, stretched)
            log_partition += quadratic / (2 * self.temperature)
            gradient += stretched
        return log_partition, gradient


def log_sum_exp(rows, means, log_weights, temperature):
    """Return log Σ_a w_a exp(x·μ_a / t) (b,) and each term's share of it (b, K)."""
    shares = rows @ means.T
    shares /= rows.dtype.type(temperature)
    shares += log_weights
    # The largest exponent goes first: the others can then only underflow.
    largest = shares.max(axis=1, keepdims=True)
    shares -= largest
    np.exp(shares, out=shares)
    total = shares.sum(axis=1, keepdims=True)
    shares /= total
    return (largest + np.log(total)).ravel().astype(np.float64), shares
