"""The naive twin: the mathematics in dense numpy, quadratic and meant to be read.

It imports nothing of the package. ``tests/`` compares everything fast with it.
"""

import numpy as np


def unit(vectors):
    """Scale rows to length one; zero rows stay zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def row_normalized(A):
    """Divide rows by their sums; zero rows stay zero."""
    total = A.sum(axis=1, keepdims=True)
    return np.divide(A, total, out=np.zeros_like(A), where=total > 0)


def walk_matrix(A, walk_length, known):
    """P: where walks of 1 to ``walk_length`` steps that do not break off stand."""
    hop = row_normalized(A)
    visits, walked = np.zeros_like(A), A
    for _ in range(walk_length):
        visits = visits + walked
        walked = walked @ hop
    return row_normalized(visits * known)


def attributed_walk_matrix(A, F, walk_length, attribute_weight):
    """P: whom and what each of the first nodes of a walk meets, rows summing to one."""
    hop = row_normalized(A)
    meets = np.hstack(
        [(1 - attribute_weight) * hop, attribute_weight * row_normalized(F)]
    )
    powers = [np.linalg.matrix_power(hop, k) for k in range(walk_length)]
    return row_normalized(sum(powers) @ meets)


def log_sum_exp(exponents):
    """Log of the sum over the last axis of exp."""
    largest = exponents.max(axis=-1, keepdims=True)
    return np.log(np.exp(exponents - largest).sum(axis=-1)) + largest[..., 0]


def log_partition(X, Y, prior, temperature):
    """log Z(x) = log sum_j p_j exp(x.y_j / t), exactly."""
    counting = prior > 0
    return log_sum_exp(X @ Y[counting].T / temperature + np.log(prior[counting]))


def mixture_log_partition(X, weights, means, covariance, temperature):
    """log Z(x) of a mixture of Gaussians with one covariance."""
    exponents = X @ means.T / temperature + np.log(weights)
    quadratic = np.einsum("if,fg,ig->i", X, covariance, X) / (2 * temperature**2)
    return log_sum_exp(exponents) + quadratic


def single_gaussian(Y, prior):
    """Weight, mean and covariance of the contexts: the mixture of one component."""
    mean = prior @ Y
    centred = Y - mean
    return np.ones(1), mean[None], (centred * prior[:, None]).T @ centred


def adaptive_chances(x, Y, prior, share=0.75, scale=0.03):
    """With which chances the adaptive sampler draws each context for a row x.

    An axis is drawn by how far x and the contexts reach along it, and a rank by
    exp(-rank / scale) with the scale as a share of the contexts that count.
    """
    counting = np.flatnonzero(prior)
    centred = Y[counting] - Y[counting].mean(axis=0)
    axes = np.linalg.svd(centred)[2].T
    leanings = np.abs(x @ axes) * (centred @ axes).std(axis=0)
    if not leanings.any():
        return prior
    of_rank = np.exp(-np.arange(len(counting)) / max(scale * len(counting), 1))
    chances = (1 - share) * prior
    for leaning, axis in zip(leanings / leanings.sum(), axes.T, strict=True):
        pointing = np.sign(x @ axis) * axis
        foremost = counting[np.argsort(-centred @ pointing)]
        chances[foremost] += share * leaning * of_rank / of_rank.sum()
    return chances


def sampled_partition(x, Y, prior, temperature, chances, known, drawn):
    """log Z(x) and its gradient times t by what is known, and draws of all else."""
    weights = np.zeros(len(Y))
    weights[known] = 1
    rest = 1 - chances[known].sum()
    for j in drawn:
        weights[j] += rest / len(drawn) / chances[j]
    with np.errstate(divide="ignore"):
        exponents = np.log(weights * prior) + Y @ x / temperature
    log_z = log_sum_exp(exponents)
    return log_z, np.exp(exponents - log_z) @ Y


def row_losses(X, Y, P, prior, temperature, log_z):
    """-sum_j P_ij log p(j | i) of every row that has affinities, else 0."""
    log_prior = np.log(np.where(prior > 0, prior, 1))
    log_p = X @ Y.T / temperature + log_prior - log_z(X)[:, None]
    return -(P * log_p).sum(axis=1)


def objective(X, Y, P, prior, temperature, mean_penalty, log_z, cohesion=0):
    """The loss of one side, rows X given contexts Y."""
    pulled = P.any(axis=1)
    mean = X[pulled].mean(axis=0)
    losses = row_losses(X, Y, P, prior, temperature, log_z)
    of_mean = mean_penalty / 2 * mean @ mean - cohesion * np.linalg.norm(mean)
    return losses[pulled].mean() + of_mean / temperature


def gaussian_gradient(X, weights, means, covariance, temperature):
    """Gradient of log Z of the mixture, times the temperature."""
    exponents = X @ means.T / temperature + np.log(weights)
    shares = np.exp(exponents - log_sum_exp(exponents)[:, None])
    return shares @ means + X @ covariance / temperature


def sphere_step(X, gradient, step):
    """x <- sqrt(1 - step^2) x - step g / |g|, g tangent to the sphere at x."""
    tangent = gradient - (gradient * X).sum(axis=1, keepdims=True) * X
    return np.sqrt(1 - step**2) * X - step * unit(tangent)


def propagated(X, Y, P, Q, n_hops=2):
    """Directions of sums of X and Y and of what they become on hops P @ Y, Q @ X."""
    sums = 0.3 * X, 0.3 * Y
    for _ in range(n_hops):
        X = unit(centred(P @ Y, P.any(axis=1)))
        Y = unit(centred(Q @ X, Q.any(axis=1)))
        sums = sums[0] + X, sums[1] + Y
    return unit(sums[0]), unit(sums[1])


def centred(X, counts):
    """Take the mean of the rows that count off them; the others become zero."""
    return np.where(counts[:, None], X - X[counts].mean(axis=0), 0)


def advance(X, Y, P, prior, temperature, mean_penalty, step, cohesion=0):
    """One step of rows X towards contexts Y under one Gaussian; rows pulled only."""
    pulled = P.any(axis=1)
    mean = X[pulled].mean(axis=0)
    repulsion = gaussian_gradient(X, *single_gaussian(Y, prior), temperature)
    gradient = repulsion - P @ Y + mean_penalty * mean - cohesion * unit(mean[None])
    moved = sphere_step(X, gradient, step)
    return np.where(pulled[:, None], moved, 0)


def embed(P, Y, prior, mean, temperature, mean_penalty, n_steps):
    """Rows at fixed contexts: x <- unit(c x - gradient), from the pull that is left."""
    weights, means, covariance = single_gaussian(Y, prior)
    curvature = np.linalg.eigvalsh(covariance)[-1] / temperature
    pull = P @ Y
    X = unit(pull - means)
    for _ in range(n_steps):
        repulsion = gaussian_gradient(X, weights, means, covariance, temperature)
        X = unit(curvature * X + pull - repulsion - mean_penalty * mean)
    return np.where(P.any(axis=1)[:, None], X, 0)


def inverted_prior(X, Y, row_prior, sums, temperature):
    """p_j in proportion to s_j / Z(y_j), Z of the rows X under one Gaussian."""
    log_z = mixture_log_partition(Y, *single_gaussian(X, row_prior), temperature)
    prior = sums * np.exp(-log_z)
    return prior / prior.sum()


def cooccurrences(X):
    """How often features meet in the rows of X, none with itself.

    A row adds to a pair the product of its counts over their sum.
    """
    met = X.T @ row_normalized(X)
    np.fill_diagonal(met, 0)
    return met


def window_cooccurrences(documents, kept, window):
    """Expected co-occurrences of words within windows, pair by pair.

    A word counts with the share of it that is kept, and as that much of a distance,
    a quarter at least.
    """
    met = np.zeros((len(kept), len(kept)))
    stride = np.maximum(kept, 0.25)
    for words in documents:
        for i, first in enumerate(words):
            distance = 0
            for second in words[i + 1 :]:
                weight = kept[first] * kept[second] * max(1 - distance / window, 0)
                met[first, second] += weight
                met[second, first] += weight
                distance += stride[second]
    return met


def weighted_means(X, vectors, frequency, smoothing):
    """Rows as means of feature vectors, by counts over smoothed frequencies."""
    weights = np.ones(len(vectors))
    if smoothing is not None:
        weights = smoothing / (smoothing + frequency)
    weights = weights * vectors.any(axis=1)
    return row_normalized(X * weights) @ vectors
