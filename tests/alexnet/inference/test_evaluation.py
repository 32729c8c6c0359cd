"""Class scores of a network over one or several views, and what is made of them."""

import numpy as np
import pytest

from alexnet.data.bad_images import BadImages, Skipping
from alexnet.data.loader import Loader
from alexnet.data.transforms import Preprocessing
from alexnet.inference.evaluation import evaluate, mean_log_probabilities, predict
from minigrad import nn
from minigrad.backend import get
from tests import teams
from tests.alexnet.data.images import Images

PREPROCESSING = Preprocessing(image_size=6, resize=8, mean=(120, 120, 120), scale=1 / 64)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("views", [1, 10])
def test_probabilities_of_views_are_averaged(views, rng):
    logits = rng.normal(0, 3, (5, views, 4)).astype(np.float32)
    expected = softmax(logits.astype(np.float64)).mean(axis=1)
    np.testing.assert_allclose(np.exp(mean_log_probabilities(logits)), expected, rtol=1e-12)


def test_extreme_scores_stay_finite():
    logits = np.array([[[1e4, -1e4], [1e4, -1e4]]], np.float32)
    np.testing.assert_allclose(mean_log_probabilities(logits), [[0, -2e4]])


def test_predict(rng):
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(108, 3))
    images = rng.integers(0, 256, (5, 8, 8, 3), np.uint8)
    dataset = Images(images, [0, 1, 2, 0, 1])
    network.train()
    for ten_views in (False, True):
        loader = Loader(dataset, PREPROCESSING, 2, ten_views=ten_views, workers=0)
        results = list(predict(network, loader.batches(0), get("cpu")))
        assert [batch.indices.tolist() for batch, _ in results] == [[0, 1], [2, 3], [4]]
        scores = np.concatenate([scores for _, scores in results])
        for n, image in enumerate(images):
            if ten_views:
                corners = [(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)]
                crops = [image[top : top + 6, left : left + 6] for top, left in corners]
                crops += [crop[:, ::-1] for crop in crops]
            else:
                crops = [image[1:7, 1:7]]
            inputs = (np.stack(crops).transpose(0, 3, 1, 2) - 120.0) / 64
            logits = inputs.reshape(len(crops), -1) @ network[2].weight.numpy().T
            expected = softmax(logits + network[2].bias.numpy()).mean(axis=0)
            np.testing.assert_allclose(np.exp(scores[n]), expected, rtol=1e-4)


def test_evaluate(rng):
    network = nn.Sequential(nn.Flatten(), nn.Linear(108, 3))
    images = rng.integers(0, 256, (5, 8, 8, 3), np.uint8)
    dataset = Images([*images[:3], None, *images[3:]], [0, 1, 2, 0, 0, 1], classes="abc")
    preprocessing = Preprocessing(image_size=6, resize=8, mean=(120, 120, 120), scale=1 / 64)
    loader = Loader(Skipping(dataset, BadImages(True, 9)), preprocessing, 2, workers=0)
    told = []
    ours = evaluate(network, loader, get("cpu"), lambda *report: told.append(report))
    assert ours.indices.tolist() == [0, 1, 2, 4, 5]
    assert ours.labels.tolist() == [0, 1, 2, 0, 1]
    assert [report[0] for report in told] == [2, 1, 2]
    batch_losses = [ours.loss[:2].sum(), ours.loss[2:3].sum(), ours.loss[3:].sum()]
    assert told[-1][1] == ours.mean_loss == sum(batch_losses) / 5
    assert told[-1][2] == ours.accuracy().value
    assert all(0 < report[3] < 1 for report in told)  # with no workers data are waited for


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_divide_the_batches(processes, rng):
    """The first batch has no image that can be used, so that its process is ahead of the others."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(108, 3))
    images = [None, None, *rng.integers(0, 256, (9, 8, 8, 3), np.uint8)]
    dataset = Images(images, [0, 1, 2] * 3 + [0, 1], classes="abc")

    def member(team):
        skipping = Skipping(dataset, BadImages(True, 9))
        loader = Loader(skipping, PREPROCESSING, 2, workers=0, team=team)
        return evaluate(network, loader, get("cpu"), lambda *report: None)

    (alone,) = teams.run(1, member)
    assert alone.indices.tolist() == list(range(2, 11))
    for results in teams.run(processes, member):
        assert results.indices.tolist() == alone.indices.tolist()
        assert results.loss.tolist() == alone.loss.tolist()
        assert results.mean_loss == alone.mean_loss
