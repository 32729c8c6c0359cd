"""The table of operations: gradients, adjoints, backends and PyTorch are tested from it.

Parameters have values at which a mistake shows: windows, strides and padding are not square, and
the constants of local response normalization are near 1. Channels and pixels are fewer and more
than the vectors and tiles of the fast kernels hold, and seldom a multiple of them. Inputs keep away
from kinks by construction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import functional as F

MakeArray = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Case:
    """One operation with one choice of shapes and parameters.

    Attributes:
        name: unique, the id of the tests.
        operation: its name in `minigrad.functional`.
        function: takes the input tensors.
        makers: one a tensor input, called with a random generator.
        torch: takes the torch module and torch tensors; None where PyTorch has no equal.
        linear: "each" where the operation is linear in each input, the others fixed;
            "jointly" where it is linear in all inputs together; else "".
        eps: step of the finite differences.
        large: too many products for the plain loops of the reference kernels.
        composed: made of other operations, without a kernel of its own.
    """

    name: str
    operation: str
    function: Callable[..., mg.Tensor]
    makers: tuple[MakeArray, ...]
    torch: Callable[..., Any] | None
    linear: str = ""
    eps: float = 1e-6
    large: bool = False
    composed: bool = False

    def make_inputs(self, rng: np.random.Generator, dtype: Any) -> list[np.ndarray]:
        return [np.asarray(make(rng), dtype) for make in self.makers]


CASES: list[Case] = []


def case(operation, *makers, label="", args=(), torch=True, linear="", large=False, **kw):
    """Add ``functional.<operation>(*inputs, *args, **kw)`` to the table.

    torch: True for PyTorch's function of the same name and arguments, or a function
    (torch module, *inputs) of its own, or None.
    """

    def function(*inputs):
        return getattr(F, operation)(*inputs, *args, **kw)

    def same_in_torch(torch, *inputs):
        functional = getattr(torch.nn.functional, operation, None) or getattr(torch, operation)
        return functional(*inputs, *args, **kw)

    parameters = ", ".join([*map(str, args), *(f"{name}={value}" for name, value in kw.items())])
    name = " ".join(filter(None, [operation, label, parameters]))
    in_torch = same_in_torch if torch is True else torch
    CASES.append(Case(name, operation, function, makers, in_torch, linear, large=large))


# -- inputs -------------------------------------------------------------------------------


def normal(*shape: int) -> MakeArray:
    return lambda rng: rng.standard_normal(shape)


def positive(*shape: int) -> MakeArray:
    return lambda rng: rng.uniform(0.5, 2.0, shape)


def nonzero(*shape: int) -> MakeArray:
    """Either sign, further than 0.1 from zero: no kink of ReLU, no pole of division."""
    return lambda rng: rng.choice((-1.0, 1.0), shape) * rng.uniform(0.1, 2.0, shape)


def distinct(*shape: int) -> MakeArray:
    """Evenly spaced numbers in random order: no ties for a maximum."""
    return lambda rng: rng.permutation(np.linspace(-1, 1, int(np.prod(shape)))).reshape(shape)


def binary_fractions(*shape: int) -> MakeArray:
    """Multiples of 2**-10, exact in float32."""
    return lambda rng: rng.integers(-2048, 2048, shape) / 1024


# -- elementwise --------------------------------------------------------------------------

for operation, linear in (("add", "jointly"), ("subtract", "jointly"), ("multiply", "each")):
    for a, b in (((2, 3), (2, 3)), ((3, 1, 4), (2, 1)), ((4,), (2, 3, 4)), ((), (2, 3))):
        case(operation, normal(*a), normal(*b), label=f"{a} {b}", linear=linear)
    case(operation, normal(2, 3), args=(1.5,))
case("divide", normal(3, 1, 4), nonzero(2, 1), label="broadcast")
case("divide", normal(2, 3), nonzero(2, 3), label="same shape")
case("multiply", normal(), normal(), label="no dimensions", linear="each")
case("negative", normal(3, 4), linear="each")
case("pow", positive(3, 4), args=(2.5,))
case("pow", nonzero(3, 4), args=(3,))
case("pow", nonzero(3, 4), args=(-1,))
case("pow", positive(3, 1, 4), normal(2, 1), label="exponents")
case("exp", normal(3, 4))
case("exp", normal(), label="no dimensions")
case("log", positive(3, 4))
case("sqrt", positive(3, 4))
case("tanh", normal(3, 4))
case("sigmoid", normal(3, 4))
case("relu", nonzero(3, 4, 2))
case("relu", nonzero(20_000), label="two pieces")
case("relu", nonzero(), label="no dimensions")
CASES.append(
    Case(
        "cast to float32 and back",
        "to",
        lambda input: F.to(F.to(input, np.float32), input.dtype),
        (binary_fractions(3, 4),),
        lambda torch, x: x.to(torch.float32).to(x.dtype),
        eps=2**-10,
    )
)

# -- reductions and shape -----------------------------------------------------------------

for dim in (None, 0, -1, (0, 2)):
    for keepdim in (False, True):
        case("sum", normal(2, 3, 4), dim=dim, keepdim=keepdim, linear="each")
        case("mean", normal(2, 3, 4), dim=dim, keepdim=keepdim, linear="each")
        case(
            "max",
            distinct(2, 3, 4),
            torch=lambda torch, x, dim=dim, keepdim=keepdim: torch.amax(
                x, () if dim is None else dim, keepdim
            ),
            dim=dim,
            keepdim=keepdim,
        )

case("reshape", normal(2, 3, 4), args=((4, -1),), linear="each")
case("flatten", normal(2, 3, 4), args=(1,), linear="each")
case("flatten", normal(2, 3, 4), end_dim=1, linear="each")
case("permute", normal(2, 3, 4), args=((2, 0, 1),), linear="each")
case("transpose", normal(2, 3, 4), args=(0, -1), linear="each")
for label, index in {
    "slices": (slice(None), slice(2, None, 2), 1),
    "reversed rows": (slice(2, 0, -1),),
    "repeated rows": ([2, 0, 2, 2, 1, 0, 2, 2],),
    "points": ([0, 1, 0], [2, 2, 2]),
    "new dimension": (None, Ellipsis, -1),
}.items():
    case(
        "getitem",
        normal(3, 4, 2),
        label=label,
        args=(tuple(np.array(i) if isinstance(i, list) else i for i in index),),
        torch=None if label == "reversed rows" else lambda torch, x, index=index: x[index],
        linear="each",
    )
for dim in (0, -1):
    shapes = [[2, 3, 2], [2, 3, 2], [2, 3, 2]]
    shapes[0][dim], shapes[2][dim] = 1, 4
    CASES.append(
        Case(
            f"concatenate dim={dim}",
            "concatenate",
            lambda *inputs, dim=dim: F.concatenate(inputs, dim),
            tuple(normal(*shape) for shape in shapes),
            lambda torch, *inputs, dim=dim: torch.concatenate(inputs, dim),
            linear="jointly",
        )
    )
case("pad", normal(2, 3, 2), pad=(1, 2), linear="each")
case("pad", normal(2, 3, 2), pad=(0, 1, 3, 0), value=0.5)

# -- matrix products ----------------------------------------------------------------------

case("matmul", normal(3, 4), normal(4, 2), linear="each")
case("matmul", normal(2, 1, 3, 4), normal(3, 4, 2), label="broadcast", linear="each")
case("matmul", normal(5, 3, 4), normal(4, 1), label="one matrix for all", linear="each")
case("matmul", normal(4), normal(2, 4, 3), label="a row", linear="each")
case("matmul", normal(2, 3, 4), normal(4), label="a column", linear="each")
case("matmul", normal(4), normal(4), label="two vectors", linear="each")
case("linear", normal(3, 4), normal(5, 4), normal(5))
case("linear", normal(2, 3, 2, 4), normal(5, 4), normal(5), label="four dimensions")
case("linear", normal(4), normal(5, 4), label="one dimension", linear="each")
case("linear", normal(3, 4), normal(5, 4), label="no bias", linear="each")
case("linear", normal(1, 1), normal(1, 1), normal(1), label="one of all")
case("linear", normal(9, 17), normal(33, 17), normal(33), label="over the tile")
case("linear", normal(8, 16), normal(16, 16), label="one tile", linear="each")
case("linear", normal(3, 301), normal(70, 301), normal(70), label="long sums")

# -- convolution --------------------------------------------------------------------------


def conv2d(input, weight, bias=True, label="", large=False, **parameters):
    case(
        "conv2d",
        normal(*input),
        normal(*weight),
        *([normal(weight[0])] if bias else []),
        label=label or f"{input} {weight}",
        linear="" if bias else "each",
        large=large,
        **parameters,
    )


conv2d((2, 3, 5, 4), (4, 3, 3, 2))
conv2d((2, 3, 5, 4), (4, 3, 2, 3), bias=False)
conv2d((1, 1, 1, 1), (1, 1, 1, 1))
conv2d((2, 5, 3, 4), (7, 5, 1, 1))
conv2d((1, 4, 6, 5), (6, 2, 3, 2), stride=(2, 1), padding=(1, 2), groups=2)
conv2d((2, 4, 4, 3), (8, 1, 3, 3), padding=1, groups=4)
conv2d((2, 2, 7, 9), (3, 2, 2, 3), stride=(3, 4), padding=(0, 1))
conv2d((2, 2, 2, 3), (3, 2, 2, 3), padding=(2, 1), bias=False)
conv2d((3, 3, 4, 5), (9, 3, 4, 5))
conv2d((7, 3, 4, 5), (5, 3, 3, 2), padding=(1, 0))
conv2d((8, 3, 4, 5), (9, 3, 3, 2), padding=(1, 0))
conv2d((9, 4, 3, 4), (6, 2, 2, 3), padding=(0, 1), groups=2, bias=False)
conv2d((15, 3, 5, 7), (7, 3, 3, 2), stride=(2, 3), padding=(1, 1))
conv2d((16, 2, 4, 3), (8, 2, 3, 3), padding=(1, 2), bias=False)
conv2d((17, 4, 4, 3), (6, 2, 2, 3), padding=(1, 0), groups=2)
conv2d((17, 2, 2, 20), (3, 2, 2, 2))
conv2d((33, 2, 3, 3), (3, 2, 2, 1), stride=(1, 2))
conv2d((16, 18, 3, 2), (34, 9, 2, 2), groups=2)
conv2d((16, 33, 2, 2), (3, 33, 2, 2), bias=False, padding=(1, 0))
conv2d((16, 60, 3, 3), (8, 60, 3, 3), padding=1, label="long sums")
# These are large enough for Winograd's algorithm, which the layers of AlexNet take.
conv2d((6, 3, 39, 40), (32, 3, 11, 11), stride=4, label="conv1 of AlexNet", large=True)
conv2d((4, 32, 6, 8), (64, 16, 5, 5), padding=2, groups=2, label="conv2", large=True)
conv2d((4, 32, 12, 11), (32, 32, 3, 3), padding=1, label="conv3", large=True)


conv2d((1, 2, 6, 5), (3, 2, 3, 2), dilation=2)
conv2d((2, 4, 6, 7), (6, 2, 2, 3), stride=(2, 3), padding=(1, 2), dilation=(3, 2), groups=2)
conv2d((1, 2, 4, 5), (3, 2, 3, 3), dilation=(1, 4), padding=(0, 4), bias=False)
conv2d((1, 2, 4, 5), (3, 2, 1, 1), dilation=1_000_000)
conv2d((1, 2, 4, 3), (3, 2, 3, 3), padding="same")
conv2d((2, 2, 4, 3), (3, 2, 2, 4), padding="same", bias=False)
conv2d((1, 2, 4, 6), (3, 2, 2, 3), padding="same", dilation=(3, 2))
conv2d((2, 2, 5, 4), (3, 2, 3, 2), padding="valid", stride=2)
conv2d((2, 4, 3), (3, 2, 3, 2), label="one image", padding=1)


def conv2d_relu(input, weight, *bias, large=False, **parameters):
    case(
        "conv2d_relu",
        *(normal(*shape) for shape in (input, weight, *bias)),
        label=f"{input} {weight}",
        torch=lambda torch, *x: torch.relu(torch.nn.functional.conv2d(*x, **parameters)),
        large=large,
        **parameters,
    )


conv2d_relu((2, 3, 5, 4), (4, 3, 3, 2), (4,), padding=1)
conv2d_relu((1, 4, 6, 5), (6, 2, 2, 3), stride=2, groups=2)
conv2d_relu((1, 2, 4, 5), (3, 2, 2, 2), (3,), dilation=(2, 3), padding=1)
conv2d_relu((4, 32, 8, 8), (32, 32, 3, 3), (32,), padding=1, large=True)

# -- pooling ------------------------------------------------------------------------------

for kernel_size, stride, padding in (
    (2, None, 0),
    (3, 2, 0),  # overlapping, as in AlexNet
    ((3, 2), (2, 1), (1, 1)),
    (3, 1, 1),
    (1, 2, 0),  # gaps
    ((2, 3), (3, 4), (1, 0)),
    ((6, 5), 1, 0),  # the whole image
):
    window = {"kernel_size": kernel_size, "stride": stride, "padding": padding}
    case("max_pool2d", distinct(3, 3, 6, 5), **window)
    case("avg_pool2d", normal(3, 3, 6, 5), **window, linear="each")
for kernel_size, stride, padding in ((2, 2, 0), (3, 2, 1), ((2, 4), (3, 5), (1, 0))):
    window = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": True}
    case("max_pool2d", distinct(2, 3, 6, 7), **window)
    case("avg_pool2d", normal(2, 3, 6, 7), **window, linear="each")
    case("avg_pool2d", normal(2, 3, 6, 7), **window, count_include_pad=False, linear="each")
case("max_pool2d", distinct(2, 3, 7, 8), kernel_size=2, dilation=3)
case("max_pool2d", distinct(2, 2, 5, 4), kernel_size=1, stride=2, dilation=1_000_000)
case("max_pool2d", distinct(2, 2, 8, 9), kernel_size=(3, 2), stride=(2, 3), padding=1, dilation=2)
case("max_pool2d", distinct(2, 2, 8, 8), kernel_size=2, stride=3, dilation=(2, 3), ceil_mode=True)
case("max_pool2d", distinct(3, 6, 5), label="one image", kernel_size=2)
window = {"kernel_size": (2, 3), "stride": 2, "padding": 1}
case("avg_pool2d", normal(2, 2, 5, 6), **window, count_include_pad=False, linear="each")
case("avg_pool2d", normal(2, 2, 5, 6), **window, divisor_override=-5, linear="each")
case("avg_pool2d", normal(3, 6, 5), label="one image", kernel_size=2, linear="each")
case("max_pool2d", distinct(17, 8, 13, 15), label="AlexNet", kernel_size=3, stride=2, large=True)
case("adaptive_avg_pool2d", normal(3, 5, 4), label="one image", output_size=2, linear="each")
for output_size in ((2, 3), (4, 4), (7, 2), 5, (None, 3)):
    case("adaptive_avg_pool2d", normal(2, 2, 5, 4), output_size=output_size, linear="each")

# -- normalization, dropout, losses -------------------------------------------------------

for size in (1, 2, 3, 4, 5, 6):
    for beta in (0.5, 0.75, 1.0):
        case("local_response_norm", normal(2, 4, 3, 2), size=size, alpha=1.3, beta=beta, k=0.9)
for channels, size in ((1, 1), (1, 3), (2, 5), (7, 5), (7, 9), (15, 4), (17, 5)):
    case(
        "local_response_norm",
        normal(2, channels, 2, 1),
        label=f"{channels} channels",
        size=size,
        alpha=0.8 * size,
        beta=0.75,
        k=1.1,
    )
for shape in ((2, 4, 5), (2, 4, 3, 2, 2)):
    case(
        "local_response_norm",
        normal(*shape),
        label=f"{len(shape)} dimensions",
        size=3,
        alpha=1.3,
        k=0.9,
    )
case("local_response_norm", normal(1, 3, 33, 35), label="two blocks", size=3, alpha=2.0, k=1.0)
case(
    "local_response_norm",
    normal(17, 16, 6, 5),
    label="AlexNet",
    large=True,
    size=5,
    alpha=5e-4,
    k=2.0,
)  # fmt: skip


def local_response_norm_max_pool2d(make, size, alpha, beta, k, *window, large=False, **options):
    def torch_pair(torch, input):
        functional = torch.nn.functional
        normalized = functional.local_response_norm(input, size, alpha, beta, k)
        return functional.max_pool2d(normalized, *window, **options)

    case(
        "local_response_norm_max_pool2d",
        make,
        label="AlexNet" if large else "",
        args=(size, alpha, beta, k, *window),
        torch=torch_pair,
        large=large,
        **options,
    )


for window in (
    (3, 2, 0),
    (2, None, 0),
    ((3, 2), (2, 1), (1, 1)),
    (1, 2, 0),
    ((2, 3), (3, 4), (1, 0)),
):
    local_response_norm_max_pool2d(distinct(2, 4, 6, 5), 3, 1.3, 0.75, 0.9, *window)
local_response_norm_max_pool2d(distinct(2, 4, 6, 5), 3, 1.3, 0.75, 0.9, 2, 3, 0, ceil_mode=True)
local_response_norm_max_pool2d(distinct(2, 4, 6, 5), 3, 1.3, 0.75, 0.9, 2, 1, 0, dilation=2)
for size, beta in ((1, 0.75), (2, 0.5), (4, 1.0), (5, 0.75), (6, 0.75)):
    local_response_norm_max_pool2d(distinct(2, 5, 3, 4), size, 1.1, beta, 0.9, (2, 3), 1)
local_response_norm_max_pool2d(distinct(1, 40, 3, 3), 5, 4.0, 0.75, 1.1, 2, 1)
local_response_norm_max_pool2d(distinct(17, 16, 7, 9), 5, 5e-4, 0.75, 2.0, 3, 2, large=True)


def dropout(shape, p):
    def function(input):
        mg.manual_seed(2**40 + 5)
        return F.dropout(input, p)

    CASES.append(
        Case(f"dropout {shape} {p=}", "dropout", function, (normal(*shape),), None, "each")
    )


for p in (0.0, 0.3, 0.9):
    dropout((5, 3), p)
dropout((2, 3, 5, 7), 0.5)
dropout((4103,), 0.5)  # over one piece

for operation in ("softmax", "log_softmax"):
    for dim in (0, 1, -1):
        case(operation, normal(3, 4, 2), dim=dim)
    case(operation, normal(4), label="one dimension", dim=0)
    case(operation, normal(2, 3, 1, 2, 2), label="five dimensions", dim=1)


def cross_entropy(input, *others, target=None, weight=None, label="", **options):
    """With a constant `target`, or with one that is an input of the operation, too."""

    def function(input, *others):
        labels = others[0] if target is None else target
        classes = None if weight is None else mg.Tensor(weight.astype(input.dtype)).to(input.device)
        return F.cross_entropy(input, labels, classes, **options)

    def in_torch(torch, input, *others):
        labels = others[0] if target is None else torch.tensor(target)
        classes = None if weight is None else torch.tensor(weight).to(input.dtype)
        return torch.nn.functional.cross_entropy(input, labels, classes, **options)

    parameters = ", ".join(f"{name}={value}" for name, value in options.items())
    weighted = "" if weight is None else "weight"
    name = " ".join(filter(None, ["cross_entropy", label, str(input), weighted, parameters]))
    makers = normal(*input), *(positive(*shape) for shape in others)
    CASES.append(Case(name, "cross_entropy", function, makers, in_torch, composed=target is None))


for N, C in ((1, 2), (5, 3), (7, 17)):
    cross_entropy((N, C), target=np.arange(N) * 5 % C)
LABELS, WEIGHT = np.array([2, 0, -100, 1, 2]), np.array([0.5, 2.0, 1.25])
for reduction in ("mean", "sum", "none"):
    cross_entropy((5, 3), target=LABELS, reduction=reduction)
    cross_entropy((5, 3), target=LABELS, weight=WEIGHT, reduction=reduction, label_smoothing=0.3)
    cross_entropy((5, 3), (5, 3), weight=WEIGHT, label="probabilities", reduction=reduction)
cross_entropy((5, 3), target=LABELS.clip(0), weight=WEIGHT, ignore_index=0)
cross_entropy((5, 3), target=LABELS.clip(0), label_smoothing=1.0)
cross_entropy((2, 3), (2, 3), label="probabilities", label_smoothing=0.2)
cross_entropy((2, 3, 2, 2), (2, 3, 2, 2), label="probabilities", weight=WEIGHT)
cross_entropy((3,), target=np.array(2), label_smoothing=0.1)
cross_entropy((2, 3, 2, 2), target=np.array([[[0, 2], [1, 1]], [[2, 2], [0, -100]]]), weight=WEIGHT)
cross_entropy((2, 3, 4), target=np.array([[0, 2, 1, 0], [1, 1, 2, 0]]), reduction="none")

SMALL_CASES = [case for case in CASES if not case.large]
