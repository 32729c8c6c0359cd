"""PCA and t-SNE."""

import numpy as np
import pytest

from alexnet.visualize import embedding


def test_pca_against_the_eigenvectors_of_the_covariance(rng):
    values = (rng.standard_normal((40, 7)) * np.arange(1, 8) + 50).astype(np.float32)
    points, shares = embedding.pca(values)
    covariance = np.cov(values.astype(np.float64).T)
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    expected = (values - values.mean(axis=0, dtype=np.float64)) @ eigenvectors[:, [-1, -2]]
    for i in range(2):
        assert min(abs(points[:, i] - s * expected[:, i]).max() for s in (1, -1)) < 1e-9
    np.testing.assert_allclose(shares, eigenvalues[[-1, -2]] / eigenvalues.sum())
    np.testing.assert_allclose(points.var(axis=0, ddof=1), eigenvalues[[-1, -2]])
    # Each component has its largest coefficient positive.
    components = np.linalg.lstsq(points, values - values.mean(axis=0), rcond=None)[0]
    assert (components[[0, 1], abs(components).argmax(axis=1)] > 0).all()


def test_pca_of_rows_that_are_all_alike():
    points, shares = embedding.pca(np.ones((5, 3)))
    assert not points.any()
    assert not shares.any()


def test_probabilities_have_the_perplexity_asked_for(rng):
    values = rng.standard_normal((20, 5)) * 30 + 100
    joint = embedding.joint_probabilities(values, 8.0)
    assert joint.sum() == pytest.approx(1)
    np.testing.assert_array_equal(joint, joint.T)
    assert not joint.diagonal().any()

    def conditional(i, precision):
        weights = np.exp(-precision * ((values - values[i]) ** 2).sum(axis=1))
        weights[i] = 0
        return weights / weights.sum()

    # Each p_.|i from a plain search among many widths.
    rows = []
    for i in range(len(values)):
        tried = [conditional(i, 10**e) for e in np.linspace(-5, -2, 601)]
        perplexities = [np.exp(-(p[p > 0] * np.log(p[p > 0])).sum()) for p in tried]
        rows.append(tried[int(np.abs(np.array(perplexities) - 8).argmin())])
    rows = np.array(rows)
    np.testing.assert_allclose(joint, (rows + rows.T) / 40, rtol=0.05, atol=1e-6)


@pytest.mark.parametrize("exaggeration", [1.0, 12.0])
def test_gradient_of_the_divergence(rng, exaggeration):
    p = rng.random((9, 9))
    np.fill_diagonal(p, 0)
    p = (p + p.T) / (2 * p.sum())
    points = rng.standard_normal((9, 2))
    pairs = embedding._Pairs(p)

    def cost(points):
        """Of exaggerated P the part of KL(P || Q) that moves points: their q has a sum of 1."""
        distances = ((points[:, None] - points[None]) ** 2).sum(axis=2)
        a = 1 / (1 + distances)
        np.fill_diagonal(a, 0)
        off = ~np.eye(9, dtype=bool)
        return -(exaggeration * p[off] * np.log(a[off])).sum() + np.log(a.sum())

    gradient = 4 * pairs.gradient(points, exaggeration)
    for i in np.ndindex(9, 2):
        step = np.zeros((9, 2))
        step[i] = 1e-5
        numeric = (cost(points + step) - cost(points - step)) / 2e-5
        assert gradient[i] == pytest.approx(numeric, rel=1e-5, abs=1e-7)
    if exaggeration == 1:
        entropy = (p[p > 0] * np.log(p[p > 0])).sum()
        assert pairs.divergence(points) == pytest.approx(entropy + cost(points))


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    values = rng.standard_normal((90, 20)) + 8 * np.eye(20)[labels]
    return values.astype(np.float32), labels


def test_tsne_separates_clusters_and_is_the_same_every_time(clusters):
    values, labels = clusters
    points, divergence = embedding.tsne(values, perplexity=15)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    same = labels[:, None] == labels[None]
    assert distances[same].max() < distances[~same].min()
    assert 0 < divergence < 0.8
    again, divergence_again = embedding.tsne(values, perplexity=15)
    np.testing.assert_array_equal(points, again)
    assert divergence == divergence_again


def test_tsne_keeps_neighbors_that_a_plane_can_keep(rng):
    """Points of a plane, turned into 30 dimensions: the nearest ones of each stay near."""
    plane = rng.uniform(-1, 1, (100, 2))
    turned = plane @ np.linalg.qr(rng.standard_normal((30, 2)))[0].T
    points, _ = embedding.tsne(turned, perplexity=10)

    def nearest(p):
        distances = np.linalg.norm(p[:, None] - p[None], axis=2)
        return np.argsort(distances, axis=1)[:, 1:6]

    kept = [len(set(a) & set(b)) for a, b in zip(nearest(plane), nearest(points))]
    assert np.mean(kept) > 3.5


def test_tsne_of_points_that_are_all_alike_is_finite():
    points, divergence = embedding.tsne(np.ones((5, 3), np.float32), perplexity=1.3)
    assert np.isfinite(points).all()
    assert np.isfinite(divergence)
