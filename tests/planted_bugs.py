"""Does the test suite notice a mistake? Plants one at a time and runs the tests that should fail.

    python -m tests.planted_bugs             # all, about ten minutes
    python -m tests.planted_bugs pool        # those whose description contains a word

Each fault is one changed line in a temporary copy of the project. Exit status 1 if one is missed.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIED = ("kernels", "minigrad", "alexnet", "tests", "pyproject.toml")

GRADIENTS = "tests/test_gradients.py -k "
BACKENDS = "tests/test_backends.py -k "


@dataclass(frozen=True)
class Fault:
    """`original`, which occurs once in `file`, becomes `faulty`; `tests` are pytest's arguments."""

    breaks: str
    file: str
    original: str
    faulty: str
    tests: str


NORM = "kernels/local_response_norm/cpu.py"
DIRECT = "kernels/conv2d/_direct.py"
WINOGRAD = "kernels/conv2d/_winograd.py"
POOL = "kernels/max_pool2d/cpu.py"
AUTOGRAD = "minigrad/autograd.py"

FAULTS = [
    # Local response normalization: the six that tests at the paper's constants do not see.
    Fault(
        "norm backward: window of 4 channels instead of 5",
        NORM,
        "_sum_windows(ratios, after + before + 1, total)",
        "_sum_windows(ratios, after + before, total)",
        GRADIENTS + "local_response_norm",
    ),
    Fault(
        "norm backward: window of 3 channels instead of 5",
        NORM,
        "_sum_windows(ratios, after + before + 1, total)",
        "_sum_windows(ratios[1:], max(1, after + before - 1), total)",
        GRADIENTS + "local_response_norm",
    ),
    Fault(
        "norm backward: terms across channels dropped",
        NORM,
        "dx[c] -= factor * x[c] * total[c]",
        "dx[c] -= factor * x[c] * ratio[c]",
        GRADIENTS + "local_response_norm",
    ),
    Fault(
        "norm backward: factor 2 lost",
        NORM,
        "input.dtype.type(2) * alpha",
        "input.dtype.type(1) * alpha",
        GRADIENTS + "local_response_norm",
    ),
    Fault(
        "norm backward: exponent -beta instead of -beta - 1",
        NORM,
        "dx[c] * x[c] * inverse",
        "dx[c] * x[c]",
        GRADIENTS + "local_response_norm",
    ),
    Fault(
        "norm backward: sign flipped",
        NORM,
        "dx[c] -= factor",
        "dx[c] += factor",
        GRADIENTS + "local_response_norm",
    ),
    Fault(
        "norm forward and backward agree on a window shifted for even sizes",
        NORM,
        "return min(size // 2, C - 1), min((size - 1) // 2, C - 1)",
        "return min((size - 1) // 2, C - 1), min(size // 2, C - 1)",
        BACKENDS + "local_response_norm",
    ),
    Fault(
        "norm: alpha not divided by size",
        "kernels/local_response_norm/reference.py",
        "k + alpha / size * sum",
        "k + alpha * sum",
        BACKENDS + "local_response_norm",
    ),
    # Convolution.
    Fault(
        "conv2d: taps beyond the right edge read the next row",
        DIRECT,
        "0 <= h < H and 0 <= w < W:",
        "0 <= h < H and 0 <= w <= W:",
        BACKENDS + "conv2d",
    ),
    Fault(
        "conv2d: strides swapped",
        DIRECT,
        "h = oh * SH + kh - PH\n                for kw",
        "h = oh * SW + kh - PH\n                for kw",
        BACKENDS + "conv2d",
    ),
    Fault(
        "conv2d: every group reads the channels of the first",
        DIRECT,
        "channel = g * (C // groups)",
        "channel = 0 * (C // groups)",
        BACKENDS + "conv2d",
    ),
    Fault(
        "conv2d backward: filters not flipped",
        DIRECT,
        "[:, :, :, ::-1, ::-1]",
        "[:, :, :, ::-1, :]",
        GRADIENTS + "conv2d",
    ),
    Fault(
        "conv2d backward: negative padding where it is as large as the window",
        "kernels/conv2d/cpu.py",
        "padding[0] < KH and padding[1] < KW",
        "padding[0] <= KH and padding[1] <= KW",
        "tests/kernels/test_conv2d.py",
    ),
    Fault(
        "conv2d weight gradient: sums over chunks start anew",
        DIRECT,
        "sum_memory, target + row * lanes, lanes, True,",
        "sum_memory, target + row * lanes, lanes, False,",
        "tests/kernels/test_conv2d.py",
    ),
    Fault(
        "conv2d weight gradient: a split of the pixels left out",
        DIRECT,
        "for split in range(1, splits):",
        "for split in range(2, splits):",
        BACKENDS + "conv2d",
    ),
    Fault(
        "winograd: filters not scaled",
        WINOGRAD,
        "[point**i / scale for i in range(R)]",
        "[point**i for i in range(R)]",
        "tests/kernels/test_conv2d.py -k winograd",
    ),
    Fault(
        "winograd: tiles overlap by a pixel too much",
        WINOGRAD,
        "row * M - PH, column * M - PW, g * IC, IC,",
        "row * M - PH, column * (M - 1) - PW, g * IC, IC,",
        "tests/kernels/test_conv2d.py -k winograd",
    ),
    Fault(
        "winograd: every group reads the channels of the first",
        WINOGRAD,
        "column * M - PW, g * IC, IC,",
        "column * M - PW, 0, IC,",
        "tests/kernels/test_conv2d.py -k winograd",
    ),
    Fault(
        "winograd: pixels beyond the right edge read the next row",
        WINOGRAD,
        "inside = 0 <= h < H and 0 <= w < W",
        "inside = 0 <= h < H and 0 <= w",
        "tests/kernels/test_conv2d.py -k winograd",
    ),
    Fault(
        "winograd: no bias",
        WINOGRAD,
        "source[c] + panel_bias[c]",
        "source[c]",
        "tests/kernels/test_conv2d.py -k winograd",
    ),
    Fault(
        "winograd weight gradient: last channels read from the wrong rows",
        WINOGRAD,
        "row = ic if ic < padded - ROWS else ic + padded - IC",
        "row = ic",
        "tests/kernels/test_conv2d.py -k winograd",
    ),
    Fault(
        "winograd weight gradient: chunks after the first left out",
        WINOGRAD,
        "for first in range(0, count, CHUNK):",
        "for first in range(0, min(count, CHUNK), CHUNK):",
        "tests/kernels/test_conv2d.py -k tiles",
    ),
    Fault(
        "conv2d weight gradient of the plain path: image left out of the sum",
        "kernels/conv2d/_im2col.py",
        "totals[g] += product",
        "totals[g] = product",
        "tests/kernels/test_conv2d.py",
    ),
    Fault(
        "conv2d: chunks of taps after the first left out",
        DIRECT,
        "for t in range(0, taps, chunk):",
        "for t in range(0, min(taps, chunk), chunk):",
        "tests/kernels/test_conv2d.py",
    ),
    Fault(
        "conv2d: last channels of a deep tap left out",
        DIRECT,
        "for k0 in range(0, depth, DEPTH):",
        "for k0 in range(0, depth - 7, DEPTH):",
        "tests/kernels/test_conv2d.py",
    ),
    Fault(
        "conv2d weight gradient: last tile of channels not shifted back",
        DIRECT,
        "row += shift",
        "row += 0",
        BACKENDS + "conv2d",
    ),
    Fault(
        "im2col: a column of padding missing",
        "kernels/im2col/cpu.py",
        "columns[last:] = 0",
        "columns[last + 1 :] = 0",
        "tests/kernels/test_im2col.py",
    ),
    Fault(
        "col2im: off by one",
        "kernels/im2col/cpu.py",
        "target[ow * SW + kw - PW] += row[oh * OW + ow]",
        "target[ow * SW + kw - PW] += row[oh * OW + first]",
        GRADIENTS + "conv2d",
    ),
    # Matrix products.
    Fault(
        "gemm: last row of an edge tile lost",
        "kernels/_gemm.py",
        "range(min(ROWS, M - m0))",
        "range(min(ROWS - 1, M - m0))",
        "tests/kernels/test_gemm.py",
    ),
    Fault(
        "gemm: parts of a long sum overwrite each other",
        "kernels/_gemm.py",
        "N if whole else lanes, whole and k0 > 0,",
        "N if whole else lanes, False,",
        "tests/kernels/test_gemm.py",
    ),
    Fault(
        "gemm: the last gathered columns repeat an earlier one",
        "kernels/_gemm.py",
        "rows[i] = min(n0 + j0 + i, N - 1) * K",
        "rows[i] = min(n0 + j0 + i, N - 2) * K",
        "tests/kernels/test_gemm.py",
    ),
    Fault(
        "gemm: numbers between two reaches of a task are summed twice",
        "kernels/_gemm.py",
        "reach = max(REACH // (lanes * DEPTH), 1) * DEPTH",
        "reach = max(REACH // lanes, DEPTH)",
        "tests/kernels/test_gemm.py",
    ),
    Fault(
        "conv2d winograd: the filters of every block go to the place of the first",
        "kernels/conv2d/_winograd.py",
        "(panel * points * IC + first) * filter_lanes,",
        "panel * points * IC * filter_lanes,",
        "tests/kernels/test_conv2d.py",
    ),
    Fault(
        "conv2d direct: an edge tile is added to what the last one left",
        "kernels/conv2d/_direct.py",
        "OC if whole else lanes, whole, wide,",
        "OC if whole else lanes, True, wide,",
        "tests/kernels/test_conv2d.py",
    ),
    Fault(
        "relu: in place over a leaf whose gradient is wanted",
        "minigrad/checks.py",
        "if input.is_leaf and input.requires_grad and is_grad_enabled():",
        "if False:",
        "tests/test_errors.py",
    ),
    Fault(
        "autograd: nothing is kept for backward",
        "minigrad/autograd.py",
        "if not any(self.needs_input_grad):",
        "if True:",
        "tests/minigrad/test_tensor.py",
    ),
    Fault(
        "micro-kernel: gathered taps all take the first rows",
        "kernels/_microkernel.py",
        "first = builder.mul(t, const(rows))",
        "first = builder.mul(t, const(0))",
        "tests/kernels/test_microkernel.py",
    ),
    Fault(
        "micro-kernel: always adds to what was there",
        "kernels/_microkernel.py",
        "value.add_incoming(new, finished)",
        "value.add_incoming(ir.Constant(vector, None), finished)",
        "tests/kernels/test_microkernel.py",
    ),
    Fault(
        "matmul: other operand not transposed in the gradient",
        "minigrad/ops/matmul.py",
        "grad_input = ctx.xp.matmul(grad_output, other.swapaxes(-1, -2))",
        "grad_input = ctx.xp.matmul(grad_output, other)",
        GRADIENTS + "matmul",
    ),
    Fault(
        "matmul: gradient not summed over broadcast dimensions",
        "minigrad/ops/matmul.py",
        "grad_other = unbroadcast(grad_other, other.shape)",
        "grad_other = grad_other.reshape(-1, *other.shape)[0]",
        GRADIENTS + "matmul",
    ),
    Fault(
        "unbroadcast: stretched dimensions of an input with fewer dimensions",
        "minigrad/ops/elementwise.py",
        "        added + i for i, size",
        "        i for i, size",
        GRADIENTS + "add",
    ),
    # Bias, pooling, dropout, losses.
    Fault(
        "bias gradient: last pixel missing",
        "kernels/bias/cpu.py",
        "(part + 1) * rows.shape[0] // parts)",
        "(part + 1) * (rows.shape[0] - 1) // parts)",
        GRADIENTS + "conv2d",
    ),
    Fault(
        "max_pool2d: the last of equal maxima wins",
        POOL,
        "(not value[c] <= best[c])",
        "(not value[c] < best[c])",
        "tests/kernels/test_pooling.py",
    ),
    Fault(
        "max_pool2d: a NaN is lost to a later number",
        POOL,
        "wins = (best[c] == best[c]) & (",
        "wins = (",
        "tests/kernels/test_pooling.py",
    ),
    Fault(
        "max_pool2d: window one row short",
        POOL,
        "max(0, oh * SH - PH), min(H, oh * SH - PH + KH)",
        "max(0, oh * SH - PH), min(H, oh * SH - PH + KH - (KH > 1))",
        BACKENDS + "max_pool2d",
    ),
    Fault(
        "max_pool2d backward: overlapping windows overwrite each other",
        POOL,
        "total[c] += gradient[c] if index[c] == position else zero",
        "total[c] = gradient[c] if index[c] == position else total[c]",
        GRADIENTS + "max_pool2d",
    ),
    Fault(
        "max_pool2d backward: the last window that covers a row left out",
        POOL,
        "range(first, last + 1)",
        "range(first, last + (last == first))",
        GRADIENTS + "max_pool2d",
    ),
    Fault(
        "avg_pool2d: stride of height used for width",
        "kernels/avg_pool2d/cpu.py",
        "for ow in range(OW):\n            total = output",
        "for ow in range(OW):\n            SW = SH\n            total = output",
        BACKENDS + "avg_pool2d",
    ),
    Fault(
        "dropout: kept elements scaled by 1 / p",
        "kernels/dropout/cpu.py",
        "input.dtype.type(1 / (1 - p))",
        "input.dtype.type(1 / p)",
        BACKENDS + "dropout",
    ),
    Fault(
        "dropout: mask shifted in backward",
        "minigrad/ops/dropout.py",
        "(grad_output, ctx.p, ctx.key,",
        "(grad_output, ctx.p, (ctx.key[0], ctx.key[1] + 1),",
        GRADIENTS + "dropout",
    ),
    Fault(
        "dropout: pieces after the first repeat its random numbers",
        "kernels/dropout/cpu.py",
        "_fill(random, start // 4, seed, call)",
        "_fill(random, 0, seed, call)",
        BACKENDS + "dropout",
    ),
    Fault(
        "relu: lets the gradient through at zero",
        "kernels/relu/cpu.py",
        "dx[i] = zero if y[i] <= zero else dy[i]",
        "dx[i] = zero if y[i] < zero else dy[i]",
        GRADIENTS + "relu",
    ),
    Fault(
        "cross entropy backward: softmax without the label",
        "kernels/cross_entropy/cpu.py",
        "grad_input[n, target[n]] -= grad_loss[n]",
        "grad_input[n, target[n]] -= 0",
        GRADIENTS + "cross_entropy",
    ),
    Fault(
        "cross entropy: not divided by the batch",
        "minigrad/ops/loss.py",
        "broadcast_to(grad_output / N, (N,))",
        "broadcast_to(grad_output, (N,))",
        GRADIENTS + "cross_entropy",
    ),
    Fault(
        "softmax backward: sum over classes dropped",
        "minigrad/ops/loss.py",
        "weighted - output * weighted.sum(axis=ctx.dim, keepdims=True)",
        "weighted - output * weighted",
        GRADIENTS + "softmax",
    ),
    Fault(
        "getitem backward: an element named twice gets one gradient",
        "minigrad/ops/shape.py",
        "ctx.xp.add.at(grad_input, ctx.index, grad_output)",
        "grad_input[ctx.index] = grad_output",
        GRADIENTS + "getitem",
    ),
    # Optimizers and the graph.
    Fault(
        "SGD in the paper's form: weight decay without the rate",
        "kernels/sgd/cpu.py",
        "-lr, -weight_decay * lr, 1.0",
        "-lr, -weight_decay, 1.0",
        "tests/minigrad/test_sgd.py",
    ),
    Fault(
        "SGD: the paper's form computed as PyTorch's",
        "kernels/sgd/cpu.py",
        "gradient_factor, decay_factor, step_size = -lr, -weight_decay * lr, 1.0",
        "gradient_factor, decay_factor, step_size = 1.0, weight_decay, -lr",
        "tests/minigrad/test_sgd.py",
    ),
    Fault(
        "Adam: second moment without bias correction",
        "kernels/adam/cpu.py",
        "1 / math.sqrt(1 - beta2**step)",
        "1.0",
        "tests/minigrad/test_adam.py",
    ),
    Fault(
        "a second use of a tensor replaces the gradient of the first",
        AUTOGRAD,
        "parent_gradient if known is None else known + parent_gradient",
        "parent_gradient",
        "tests/minigrad/test_autograd.py",
    ),
    Fault(
        "the graph is kept after backward",
        AUTOGRAD,
        "self.ctx, self.inputs = None, ()",
        "self.ctx = None",
        "tests/minigrad/test_autograd.py",
    ),
    Fault(
        "a change of a saved array goes unnoticed",
        AUTOGRAD,
        "self.backend.fingerprint(array) != before",
        "self.backend.fingerprint(array) is None",
        "tests/test_errors.py",
    ),
    Fault(
        "memory that is still viewed is given out again",
        "kernels/_memory.py",
        "        self._block = block\n",
        "        self._block = block\n        home.append(block)\n",
        "tests/minigrad/test_autograd.py",
    ),
    # The checker.
    Fault(
        "gradcheck: output gradients of all ones",
        "minigrad/gradcheck.py",
        "return np.asarray(sign * self.rng.uniform(0.5, 1.5, array.shape))",
        "return np.ones_like(array)",
        "tests/test_gradcheck.py",
    ),
]


def check_texts() -> None:
    """Every fault must still fit the source it was written for."""
    for fault in FAULTS:
        count = (ROOT / fault.file).read_text().count(fault.original)
        if count != 1:
            sys.exit(f"{fault.breaks}: {fault.original!r} occurs {count} times in {fault.file}")


def copy_project(target: Path, edited: str | None = None) -> None:
    """Copy the packages, without the compiled code that an edit of this file may be part of."""
    for name in COPIED:
        source = ROOT / name
        if source.is_file():
            shutil.copy2(source, target / name)
        else:
            shutil.copytree(source, target / name)
    if edited:
        # The shared modules of kernels/ are compiled into their callers; Numba does not know.
        folder = (target / edited).parent
        for cache in list(folder.rglob("__pycache__")):
            shutil.rmtree(cache)


def run_tests(folder: Path, tests: str) -> tuple[int, str]:
    """Exit status of pytest and its last lines."""
    selection = tests.split(" -k ")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-p",
        "no:cacheprovider",
        *selection[0].split(),
    ]
    if len(selection) > 1:
        command += ["-k", selection[1]]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    return result.returncode, result.stdout + result.stderr


def plant(fault: Fault) -> str:
    """ "caught" or "MISSED"."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder, fault.file)
        path = folder / fault.file
        path.write_text(path.read_text().replace(fault.original, fault.faulty))
        status, output = run_tests(folder, fault.tests)
    if status not in (0, 1):
        sys.exit(f"{fault.breaks}: pytest ended with status {status}\n{output}")
    return "caught" if status else "MISSED"


def check_tests_pass_without_faults(faults: list[Fault]) -> None:
    with tempfile.TemporaryDirectory() as name:
        copy_project(Path(name))
        for tests in dict.fromkeys(fault.tests for fault in faults):
            status, output = run_tests(Path(name), tests)
            if status:
                sys.exit(f"{tests} fails without a fault\n{output}")


def main() -> int:
    word = " ".join(sys.argv[1:])
    faults = [fault for fault in FAULTS if word in fault.breaks]
    check_texts()
    check_tests_pass_without_faults(faults)
    missed = 0
    for fault in faults:
        begin = time.perf_counter()
        verdict = plant(fault)
        missed += verdict == "MISSED"
        seconds = time.perf_counter() - begin
        print(f"{verdict}  {seconds:4.0f} s  {fault.breaks} ({fault.file})", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
