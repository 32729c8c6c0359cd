"""Forms of the normalization of section 3.3 that are no layers of the engine."""

from minigrad import Tensor, nn
from minigrad import functional as F

LARGEST_SQUARE = 31


class ColumnNorm(nn.Module):
    """`functional.local_response_norm` in each column of the channels by itself.

    So the authors' GPUs normalized: each had half of the channels. The constants are those of
    `nn.LocalResponseNorm`.
    """

    def __init__(
        self, columns: int, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
    ):
        self.columns = columns
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        N, C, H, W = input.shape
        # With channels last in memory, the columns of a pixel are like pixels side by side.
        pixels = input.permute(0, 2, 3, 1).reshape(N, H, W * self.columns, C // self.columns)
        constants = self.size, self.alpha, self.beta, self.k
        normalized = F.local_response_norm(pixels.permute(0, 3, 1, 2), *constants)
        return normalized.permute(0, 2, 3, 1).reshape(N, H, W, C).permute(0, 3, 1, 2)

    def describe(self) -> str:
        constants = f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
        return f"{self.columns}, {constants}"


class WithinChannelNorm(nn.Module):
    """Normalization over a square of `size` x `size` pixels of the same channel.

    With the sum over the pixels of the square that are inside the image:

        output = input / (k + alpha / size^2 * sum input^2)^beta

    cuda-convnet's `rnorm` layer, Caffe's region WITHIN_CHANNEL. Raises ValueError unless the square
    has a pixel in its middle and at most 31 in a row.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        if size % 2 == 0 or size > LARGEST_SQUARE:
            raise ValueError(
                f"norm: size must be odd and at most {LARGEST_SQUARE} within channels, got {size}"
            )
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        # A padded zero counts as a pixel of the square.
        mean = F.avg_pool2d(input * input, self.size, 1, self.size // 2)
        return input * (self.k + self.alpha * mean) ** -self.beta

    def describe(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class ConstantNorm(nn.Module):
    """Multiplication by `gain`: a normalization that does not look at its input."""

    def __init__(self, gain: float):
        self.gain = gain

    def forward(self, input: Tensor) -> Tensor:
        return input * self.gain

    def describe(self) -> str:
        return f"gain={self.gain}"


# Normalizations that look at their input, and all of them.
RESPONSE_NORMS = (nn.LocalResponseNorm, ColumnNorm, WithinChannelNorm)
NORMS = (*RESPONSE_NORMS, ConstantNorm)
