"""Vectors of thousands of numbers as points in a plane: PCA and t-SNE."""

import numpy as np
from tqdm import trange

ITERATIONS = 750
# P is multiplied by EXAGGERATION in the first iterations.
EXAGGERATED_ITERATIONS, EXAGGERATION = 250, 12.0
MOMENTA = (0.5, 0.8)  # in these iterations, and after them
INITIAL_STD = 1e-4
SMALLEST_GAIN = 0.01
SEARCH_STEPS = 50


def pca(values: np.ndarray, dimensions: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """The projections on the principal components, by the singular value decomposition.

    Each component points where its largest coefficient is positive, so the result does not depend
    on the library's choice of a sign.

    Args:
        values: (N, D).
        dimensions: components, at most min(N, D).

    Returns:
        float64 (N, dimensions), and the share of the variance of each, (dimensions,).
    """
    centerd = values - values.mean(axis=0, dtype=np.float64)
    left, singular, right = np.linalg.svd(centerd, full_matrices=False)
    largest = np.abs(right[:dimensions]).argmax(axis=1)
    signs = np.where(right[np.arange(dimensions), largest] < 0, -1, 1)
    variances = singular**2
    total = variances.sum() or 1.0  # all rows alike
    return left[:, :dimensions] * singular[:dimensions] * signs, variances[:dimensions] / total


def tsne(values: np.ndarray, perplexity: float = 30.0, seed: int = 0) -> tuple[np.ndarray, float]:
    """t-SNE (van der Maaten and Hinton 2008): neighbors in D dimensions stay neighbors in two.

    Exact, with all pairs. p_ij is how probable it is that i has j for a neighbor under a Gaussian
    whose width gives each i about `perplexity` neighbors; q_ij is the same of the points in the
    plane, under a Student's t. The points move down the gradient of KL(P || Q),

        dC/dy_i = 4 sum_j (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2)

    with momentum and a step size for each coordinate. P is exaggerated at first, which lets
    clusters form. The start is PCA, scaled small, so the same values give nearly the same map
    whatever the seed, which only parts points that are alike (Kobak and Berens 2019).

    Args:
        values: (N, D), N at least 4.
        perplexity: above 1 and below N - 1.

    Returns:
        float32 (N, 2) and KL(P || Q). Cost: 750 passes over (N, N) float32, 12 N^2 bytes.
    """
    p = joint_probabilities(values, perplexity).astype(np.float32)
    rng = np.random.default_rng(seed)
    start, _ = pca(values)
    start /= start[:, 0].std() or 1.0
    points = (INITIAL_STD * (start + 0.01 * rng.standard_normal(start.shape))).astype(np.float32)
    pairs = _Pairs(p)
    rate = max(len(values) / EXAGGERATION, 50.0)  # Belkina et al. 2019, times the 4 of the gradient
    step, gains = np.zeros_like(points), np.ones_like(points)
    for iteration in trange(ITERATIONS, desc="t-SNE", leave=False, disable=None):
        early = iteration < EXAGGERATED_ITERATIONS
        gradient = pairs.gradient(points, EXAGGERATION if early else 1.0)
        # A step size grows while a coordinate keeps its direction (Jacobs 1988).
        gains = np.where((gradient > 0) != (step > 0), gains + 0.2, gains * 0.8)
        np.maximum(gains, SMALLEST_GAIN, out=gains)
        step = MOMENTA[not early] * step - rate * gains.astype(np.float32) * gradient
        points += step
        points -= points.mean(axis=0)
    return points, pairs.divergence(points)


def joint_probabilities(values: np.ndarray, perplexity: float) -> np.ndarray:
    """p_ij = (p_j|i + p_i|j) / 2N with p_j|i ~ exp(-b_i |x_i - x_j|^2): float64 (N, N).

    Each b_i is found by bisection: the entropy of p_.|i shall be ln(perplexity).
    """
    values = values - values.mean(axis=0, dtype=np.float64)
    squares = (values**2).sum(axis=1)
    distances = np.maximum(squares[:, np.newaxis] + squares - 2 * values @ values.T, 0)
    np.fill_diagonal(distances, np.inf)
    # The nearest one has distance 0: the same p, and no underflow of all of them.
    distances -= distances.min(axis=1, keepdims=True)
    finite = np.where(np.isfinite(distances), distances, 0)
    scale = finite.mean(axis=1, keepdims=True)
    scale[scale == 0] = 1  # all points alike
    low, high = np.zeros_like(scale), np.full_like(scale, np.inf)
    precision = 1 / scale
    for _ in range(SEARCH_STEPS):
        p = np.exp(-precision * distances)
        total = p.sum(axis=1, keepdims=True)
        entropy = np.log(total) + precision * (p * finite).sum(axis=1, keepdims=True) / total
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, precision, low), np.where(wide, high, precision)
        precision = np.where(np.isinf(high), 2 * precision, (low + high) / 2)
    p /= total
    return (p + p.T) / (2 * len(p))


class _Pairs:
    """The terms of all pairs of points in the plane, in memory that every pass reuses."""

    def __init__(self, p: np.ndarray):
        self.p = p
        self._affinities, self._scratch = np.empty_like(p), np.empty_like(p)

    def affinities(self, points: np.ndarray) -> np.ndarray:
        """1 / (1 + |y_i - y_j|^2), and 0 for i = j: (N, N). q_ij is its share of the sum."""
        result, other = self._affinities, self._scratch
        # Differences, not products: close points far from the origin keep their distance.
        x, y = np.ascontiguousarray(points.T)
        np.subtract.outer(x, x, out=result)
        np.subtract.outer(y, y, out=other)
        np.square(result, out=result)
        np.square(other, out=other)
        result += other
        result += 1
        np.reciprocal(result, out=result)
        np.fill_diagonal(result, 0)
        return result

    def gradient(self, points: np.ndarray, exaggeration: float) -> np.ndarray:
        """dC/dy of `tsne` with P times a factor, without its own factor 4: (N, 2)."""
        affinities, forces = self.affinities(points), self._scratch
        # (f p - q) / (1 + |y_i - y_j|^2), where q is a / sum(a)
        np.multiply(affinities, np.float32(-1 / (affinities.sum() * exaggeration)), out=forces)
        forces += self.p
        forces *= affinities
        sums = forces.sum(axis=1, keepdims=True)
        # einsum: a product this narrow is not worth a BLAS's threads.
        pulled = [np.einsum("ij,j->i", forces, column) for column in points.T.copy()]
        return exaggeration * (sums * points - np.stack(pulled, axis=1))

    def divergence(self, points: np.ndarray) -> float:
        """KL(P || Q), in nats."""
        affinities = self.affinities(points)
        used = self.p > 0
        p, q = self.p[used], affinities[used] / affinities.sum()
        return float((p * np.log(p / np.maximum(q, np.finfo(q.dtype).tiny))).sum(dtype=np.float64))
