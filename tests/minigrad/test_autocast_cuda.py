"""`autocast` on a GPU: which tensors are bfloat16, and how large the errors are."""

import subprocess
import sys

import numpy as np
import pytest

import minigrad as mg
from alexnet.model import AlexNet, AlexNetOWT
from minigrad import backend, nn, optim
from minigrad import functional as F
from minigrad.kernels.shared import bfloat16 as bf16
from minigrad.kernels.shared.device import device

IMAGES = 2, 8, 9, 7


def images(rng, *shape, requires_grad=False):
    array = rng.standard_normal(shape or IMAGES).astype(np.float32)
    return mg.Tensor(array, requires_grad).to("cuda")


def convolved(rng, **options):
    """Images of bfloat16."""
    with mg.autocast():
        return F.conv2d(images(rng, **options), images(rng, 8, 8, 3, 3), padding=1)


IN_BFLOAT16 = {
    "conv2d": lambda x: F.conv2d(x, mg.Tensor(np.ones((2, 8, 1, 1), np.float32)).to("cuda")),
    "relu": F.relu,
    "dropout": lambda x: F.dropout(x, 0.5),
    "max_pool2d": lambda x: F.max_pool2d(x, 3, 2),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 2),
    "local_response_norm": lambda x: F.local_response_norm(x, 5, 1.0),
    "norm and pool": lambda x: F.local_response_norm_max_pool2d(x, 5, 1.0, 0.75, 1.0, 3, 2),
    "flatten": lambda x: F.flatten(x, 1),
    "permute": lambda x: F.permute(x, 1, 0, 2, 3),
}
IN_FLOAT32 = {
    "linear": lambda x: F.linear(x, mg.Tensor(np.ones((3, 7), np.float32)).to("cuda")),
    "matmul": lambda x: x @ mg.Tensor(np.ones((7, 3), np.float32)).to("cuda"),
    "add a number": lambda x: x + 0.1,
    "add a tensor": lambda x: x + mg.Tensor(np.ones(7, np.float32)).to("cuda"),
    "tanh": F.tanh,
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(1),
    "max": lambda x: x.max(2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 2),
    "pad": lambda x: F.pad(x, (1, 1)),
    "slice": lambda x: x[:, 1:3],
    "softmax": lambda x: F.softmax(x, 1),
    "cross_entropy": lambda x: F.cross_entropy(x, np.zeros((2, 9, 7), np.int64)),
    "to": lambda x: x.to(np.float32),
}


@pytest.mark.parametrize("name", [*IN_BFLOAT16, *IN_FLOAT32])
def test_what_is_stored_in_bfloat16(name, cuda, rng):
    """And gradients have the type of what they are the gradients of."""
    function = IN_BFLOAT16.get(name) or IN_FLOAT32[name]
    x = convolved(rng, requires_grad=True)
    assert x.dtype == bf16.DTYPE
    with mg.autocast():
        output = function(x)
    assert output.dtype == (bf16.DTYPE if name in IN_BFLOAT16 else np.float32)
    assert output.numpy().dtype == np.float32
    gradients = []
    for tensor in (x, mg.Tensor(x.data.astype(np.float32))):
        leaf = mg.Tensor(tensor.data)
        leaf.requires_grad = True
        mg.manual_seed(0)
        with mg.autocast():
            result = function(leaf)
        result.backward(mg.Tensor(cuda.xp.ones(result.shape, result.dtype)))
        assert leaf.grad.dtype == tensor.dtype
        gradients.append(leaf.grad.numpy())
    limit = bf16.UNIT_ROUNDOFF * np.abs(gradients[1]).max()
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=0, atol=limit)


def test_numbers_beside_images_keep_their_digits(cuda, rng):
    x = convolved(rng)
    assert np.array_equal((x * 0.1).numpy(), x.numpy() * np.float32(0.1))


def test_a_convolution_outside_takes_the_images_in_float32(cuda, rng):
    x, weight = convolved(rng), images(rng, 3, 8, 1, 1)
    output = F.conv2d(x, weight)
    assert output.dtype == np.float32
    assert np.array_equal(output.numpy(), F.conv2d(mg.Tensor(x.numpy()).to("cuda"), weight).numpy())


def test_float64_stays_float64(cuda, rng):
    x, weight = (mg.Tensor(rng.standard_normal(s)).to("cuda") for s in (IMAGES, (3, 8, 1, 1)))
    with mg.autocast():
        assert F.conv2d(x, weight).dtype == np.float64


def test_no_tensor_on_the_cpu_is_bfloat16(rng):
    x = mg.Tensor(rng.standard_normal(3).astype(bf16.DTYPE))
    with pytest.raises(TypeError, match="relu: input is bfloat16, expected float32 or float64"):
        F.relu(x)


# -- errors ------------------------------------------------------------------------------------

CASES = {
    "conv2d": (IMAGES, (16, 8, 3, 3), lambda F, x, w, **_: F.conv2d(x, w, padding=1)),
    "conv2d of colors": ((2, 3, 19, 19), (8, 3, 11, 11), lambda F, x, w, **_: F.conv2d(x, w)),
    "linear": ((8, 40), (12, 40), lambda F, x, w, **_: F.linear(x, w)),
    "normalization": (IMAGES, None, lambda F, x, w, **_: F.local_response_norm(x, 5, 1.0)),
    "normalization and pooling": (
        *(IMAGES, None),
        lambda F, x, w, **_: F.max_pool2d(F.local_response_norm(x, 5, 1.0), 3, 2),
    ),
    "average pooling": (IMAGES, None, lambda F, x, w, **_: F.avg_pool2d(x, 3, 2)),
}


def errors_of(results, exact):
    """The root mean square of the error of each, relative to that of what is exact."""
    return [
        np.sqrt(np.mean((np.asarray(r, np.float64) - e) ** 2) / np.mean(e**2))
        for r, e in zip(results, exact, strict=True)
    ]


@pytest.mark.parametrize("case", CASES)
def test_errors_beside_those_of_pytorch(case, cuda, rng, torch):
    """Of the output and of all gradients, against float64: at most one and a half times PyTorch's.

    Images and weights are numbers of bfloat16, so that only what the operation rounds is compared.
    PyTorch's normalization on the CPU is one in float32: its results are rounded here.
    """
    shape, weight_shape, function = CASES[case]
    arrays = [rng.standard_normal(s).astype(np.float32) for s in (shape, weight_shape) if s]
    arrays = [bf16.round_to_bfloat16(array) for array in arrays]
    half = torch.bfloat16

    def of_pytorch(kind, autocast):
        tensors = [torch.tensor(array).to(kind) for array in arrays]
        if kind != torch.float64:  # as behind a convolution
            tensors[0] = tensors[0].to(half)
        leaves = [tensor.requires_grad_() for tensor in tensors]
        with torch.autocast("cpu", dtype=half, enabled=autocast):
            output = function(torch.nn.functional, *leaves, *[None][: 2 - len(leaves)])
        gradient = torch.tensor(rng_of_gradient(output.shape)).to(output.dtype)
        output.backward(gradient)
        results = [t.detach() for t in (output, *(x.grad for x in leaves))]
        if autocast and weight_shape is None:
            results = [result.to(half) for result in results]
        return [result.to(torch.float64).numpy() for result in results]

    def rng_of_gradient(shape):
        return bf16.round_to_bfloat16(
            np.random.default_rng(1).standard_normal(shape).astype(np.float32)
        )

    def ours():
        leaves = [mg.Tensor(cuda.asarray(array)) for array in arrays]
        leaves[0] = mg.Tensor(leaves[0].data.astype(bf16.DTYPE))
        for leaf in leaves:
            leaf.requires_grad = True
        with mg.autocast():
            output = function(F, *leaves, *[None][: 2 - len(leaves)])
        gradient = cuda.asarray(rng_of_gradient(output.shape)).astype(output.dtype)
        output.backward(mg.Tensor(gradient))
        return [t.numpy() for t in (output, *(x.grad for x in leaves))]

    exact = of_pytorch(torch.float64, False)
    theirs = errors_of(of_pytorch(torch.float32, True), exact)
    for mine, other in zip(errors_of(ours(), exact), theirs):
        assert mine <= 1.5 * other + 1e-6, (mine, other)


@pytest.mark.parametrize("network", [AlexNet, AlexNetOWT])
def test_training_steps(network, cuda, rng):
    """The losses of three steps and the parameters: those of float64, as far as digits allow."""
    batch, labels = rng.standard_normal((4, 3, 67, 67)), np.array([0, 1, 2, 3])

    def losses(device_name, dtype, enabled):
        mg.manual_seed(0)
        model = network(num_classes=5, image_size=67, width=0.1).to(dtype).to(device_name)
        optimizer = optim.SGD(model.parameters(), 0.05, 0.9, 1e-3)
        input = mg.Tensor(backend.get(device_name).asarray(batch.astype(dtype)))
        found = []
        for _ in range(3):
            with mg.autocast(enabled=enabled):
                loss = F.cross_entropy(model(input), labels)
            model.zero_grad()
            loss.backward()
            optimizer.step()
            assert all(p.dtype == p.grad.dtype == dtype for p in model.parameters())
            found.append(loss.item())
        return np.array(found)

    exact = losses("cpu", np.float64, False)
    rounded = losses("cuda", np.float32, True)
    assert 1e-6 < np.abs(rounded / exact - 1).max() < 0.01
    assert np.array_equal(rounded, losses("cuda", np.float32, True))


def test_a_step_launches_no_kernel_for_another_type(cuda, rng, monkeypatch):
    """Between the first convolution and the last pooling all images are bfloat16."""
    model = nn.Sequential(
        nn.Fused(nn.Conv2d(3, 8, 3), nn.ReLU()),
        nn.Fused(nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2)),
        nn.Fused(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
        nn.MaxPool2d(3, 2),
    ).to("cuda")
    launched = []
    launch = type(cuda.kernels.relu._source).launch

    def recorded(self, kernel, dtype, *arguments, **options):
        launched.append((kernel, dtype))
        return launch(self, kernel, dtype, *arguments, **options)

    monkeypatch.setattr(type(cuda.kernels.relu._source), "launch", recorded)
    with mg.autocast():
        output = model(images(rng, 2, 3, 19, 19))
    output.backward(mg.Tensor(output.data))
    others = {kernel for kernel, dtype in launched if dtype != bf16.DTYPE}
    assert others == {"weight_gradient_total"}


# -- what can be missing -----------------------------------------------------------------------


def test_a_gpu_without_tensor_cores(cuda, rng, monkeypatch):
    monkeypatch.setattr(device, "has_tensor_cores", False)
    monkeypatch.setattr(device, "compute_capability", 75)
    message = "bfloat16 needs a GPU of compute capability 8.0 or later, this one has 7.5"
    with mg.autocast(), pytest.raises(mg.BackendError, match=message):
        F.conv2d(images(rng), images(rng, 8, 8, 3, 3))


def test_without_ml_dtypes(cuda, rng, monkeypatch):
    monkeypatch.setattr(bf16, "TYPES", ())
    with mg.autocast(), pytest.raises(mg.BackendError, match="pip install ml_dtypes"):
        F.conv2d(images(rng), images(rng, 8, 8, 3, 3))


def test_the_project_can_be_imported_without_ml_dtypes():
    code = (
        "import sys; sys.modules['ml_dtypes'] = None; import minigrad, minigrad.kernels.cuda; "
        "from minigrad.kernels.shared import bfloat16; print(bfloat16.TYPES)"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "()"
