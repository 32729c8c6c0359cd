"""The gradient to the input against finite differences, and occlusion where the answer is known."""

import numpy as np
import pytest

from alexnet.data.batch import Batch
from alexnet.data.transforms import Preprocessing, View
from alexnet.inference import layers
from alexnet.model import AlexNet
from alexnet.visualize import saliency
from minigrad import Tensor, backend, nn, no_grad
from minigrad import functional as F

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = backend.get("cpu")
SIZE, LABEL = 67, 1
# A mean so far away makes a gray level a small step, at which hardly a ReLU changes its side.
PREPROCESSING = Preprocessing(image_size=SIZE, mean=(-500, -510, -520), scale=1 / 58)


@pytest.fixture
def model():
    """With dropout on, which has to be turned off, and scores that differ."""
    model = AlexNet(3, SIZE, width=0.1)
    model.classifier[-1].weight.data *= 200
    return model.to(np.float64).train()


@pytest.fixture
def pixels(rng):
    """A smooth image, in the middle of the gray levels."""
    y, x = np.mgrid[:SIZE, :SIZE] / 8
    waves = np.stack([np.sin(x + c) * np.cos(y - c) for c in range(3)], axis=2)
    return (128 + 60 * waves + rng.integers(-5, 6, waves.shape)).astype(np.uint8)


def inputs(pixels, shift=(0, 0, 0)):
    """The network's input for an image with a shift of its colors, by the real preprocessing."""
    view = View(pixels, False, np.array(shift, np.float32))
    batch = Batch.from_views([view], np.array([LABEL]), np.array([0]), PREPROCESSING)
    return np.ascontiguousarray(batch.prepare(CPU)).astype(np.float64)


def loss(model, array):
    model.eval()
    with no_grad():
        return F.cross_entropy(model(Tensor(array)), np.array([LABEL])).item()


def gradient_of_loss(model, array):
    """Through `input_gradient`: the gradient of the loss to the scores is softmax - one-hot."""
    model.eval()
    with no_grad():
        scores = F.softmax(model(Tensor(array))).numpy()
    scores[:, LABEL] -= 1
    model.train()
    return saliency.input_gradient(model, array, scores)


def test_gradient_of_the_loss_to_gray_levels_of_pixels(model, pixels, rng):
    """A pixel one gray level up and down is a small step through the real preprocessing."""
    gradient = gradient_of_loss(model, inputs(pixels))[0] * PREPROCESSING.scale
    strongest = np.argsort(-abs(gradient), axis=None)[:12]
    for c, y, x in zip(*np.unravel_index(strongest, gradient.shape)):
        steps = []
        for step in (1, -1):
            changed = pixels.copy()
            changed[y, x, c] = int(pixels[y, x, c]) + step
            steps.append(loss(model, inputs(changed)))
        assert gradient[c, y, x] == pytest.approx((steps[0] - steps[1]) / 2, rel=0.02)


def test_gradient_of_the_loss_to_a_shift_of_all_pixels_of_a_color(model, pixels):
    gradient = gradient_of_loss(model, inputs(pixels))[0] * PREPROCESSING.scale
    for channel in range(3):
        shift = np.zeros(3)
        shift[channel] = 0.125
        change = loss(model, inputs(pixels, shift)) - loss(model, inputs(pixels, -shift))
        assert gradient[channel].sum() == pytest.approx(
            change / 0.25, abs=1e-3 * abs(gradient[channel]).sum()
        )


@pytest.mark.parametrize("scale", [0.5, (0.5, 2.0, 0.25)])
def test_map_is_the_largest_gradient_of_the_score_over_the_colors(model, pixels, scale):
    array, scales = inputs(pixels), np.broadcast_to(scale, 3)
    found = saliency.gradient_map(model.eval(), array, LABEL, scale, CPU)
    assert found.shape == (SIZE, SIZE)
    y, x = np.unravel_index(found.argmax(), found.shape)
    steps = []
    for channel in range(3):
        values = []
        for step in (1e-5, -1e-5):
            changed = array.copy()
            changed[0, channel, y, x] += step
            with no_grad():
                values.append(model(Tensor(changed)).numpy()[0, LABEL])
        steps.append(scales[channel] * abs(values[0] - values[1]) / 2e-5)
    assert found[y, x] == pytest.approx(max(steps), rel=1e-4)


def test_parameters_get_no_gradients_and_can_be_trained_afterwards(model, pixels):
    gradient_of_loss(model, inputs(pixels))
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


class OnePlace(nn.Module):
    """The first class, unless the pixel at (12, 40) is covered."""

    def forward(self, images):
        sure = images.numpy()[:, 0, 12, 40] > 0
        return Tensor(np.where(sure[:, np.newaxis], [4.0, 0.0], [0.0, 4.0]).astype(np.float32))


@pytest.mark.parametrize("square", [1, 10, 15, 60])
def test_occlusion_finds_the_one_place(square):
    image = np.ones((1, 3, 60, 60), np.float32)
    found = saliency.occlusion_map(OnePlace(), image, 0, square, CPU, batch_size=50)
    centers = saliency.occlusion_centers(60, square)
    assert found.shape == (len(centers), len(centers))
    assert image.all()
    high, low = 1 / (1 + np.exp(-4)), 1 / (1 + np.exp(4))
    for i, y in enumerate(centers):
        for j, x in enumerate(centers):
            inside = max(abs(12.5 - y), abs(40.5 - x)) - square / 2
            if abs(inside) > 0.5:  # on the border the square is rounded to whole pixels
                assert found[i, j] == pytest.approx(low if inside < 0 else high), (y, x)
    assert found.min() == pytest.approx(low)


def test_squares_cover_every_pixel():
    for size, square in ((227, 37), (67, 11), (67, 67), (5, 1)):
        covered = np.zeros(size, bool)
        for center in saliency.occlusion_centers(size, square):
            first = round(center - square / 2)
            covered[max(first, 0) : first + square] = True
        assert covered.all()


def test_grad_cam_by_hand(rng):
    """Of a network whose score is a weighted sum of its maps' means, the weights are those."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).to(np.float64)
    image = rng.standard_normal((1, 3, 9, 9))
    with no_grad():
        maps = F.relu(model[0](Tensor(image))).numpy()[0]
    weights = model[4].weight.numpy()[1] / (7 * 7)
    expected = np.maximum((weights[:, None, None] * maps).sum(axis=0), 0)
    found = saliency.grad_cam(model, image, 1, CPU)
    assert found.shape == (7, 7) and found.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_grad_cam_of_alexnet(torch, model, pixels):
    """Against PyTorch's gradients of the rest of the network to the maps of conv5."""
    array = inputs(pixels)
    found = saliency.grad_cam(model, array, LABEL, CPU)
    model.eval()
    part = layers.up_to(model, "conv5")
    with no_grad():
        maps = part(Tensor(array)).numpy()
    theirs = torch.tensor(maps, requires_grad=True)
    x = torch.nn.functional.max_pool2d(theirs, 3, 2).flatten(1)
    for number in (1, 4, 7):
        linear = model.classifier[number]
        x = x @ torch.tensor(linear.weight.numpy()).T + torch.tensor(linear.bias.numpy())
        x = torch.relu(x) if number < 7 else x
    x[0, LABEL].backward()
    weights = theirs.grad.mean(dim=(2, 3), keepdim=True)
    expected = torch.relu((weights * theirs).sum(dim=1))[0].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
