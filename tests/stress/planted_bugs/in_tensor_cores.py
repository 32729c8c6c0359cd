"""Mistakes in the convolution on tensor cores, and in the kernels of bfloat16."""

from tests.stress.planted_bugs import Fault

GEMM = "kernels/conv2d/cuda_implicit_gemm.cu"
TOTAL = "kernels/conv2d/cuda_weight_gradient_total.cu"
TILES = "kernels/conv2d/tensor_cores.cuh"
WINDOWS = "kernels/conv2d/windows.cuh"
LAUNCHES = "kernels/conv2d/cuda_implicit_gemm.py"
CONVOLUTION = "kernels/conv2d/cuda.py"

TENSOR_CORES = "tests/kernels/test_cuda.py -k tensor_cores"
TF32 = TENSOR_CORES + " and TF32"
BFLOAT16 = TENSOR_CORES + " and bfloat16"
NORM_POOL = "tests/kernels/test_local_response_norm_max_pool2d.py -k cuda"
ON_GPU = "tests/kernels/test_cuda_bfloat16.py -k "

# The copies that a step of the matrix product waits for.
WAIT = """to whose memory the next copies go.
        copy_async_wait<STAGES - 2>();
        __syncthreads();
"""

FAULTS = [
    # The product of the tiles.
    Fault(
        "tensor cores: waits for one copy too few",
        *(TILES, WAIT, WAIT.replace("STAGES - 2", "STAGES - 1"), TENSOR_CORES),
    ),
    Fault(
        "tensor cores: no barrier after the copies",
        *(TILES, WAIT, WAIT.replace("        __syncthreads();\n", ""), TENSOR_CORES),
        sanitizer="thread",
    ),
    Fault(
        "tensor cores: copies go to the tile that is multiplied",
        TILES,
        "copy_tiles(stage == 0 ? STAGES - 1 : stage - 1);",
        "copy_tiles(stage);",
        TENSOR_CORES,
    ),
    Fault(
        "tensor cores: the stages never begin again",
        TILES,
        "stage = stage == STAGES - 1 ? 0 : stage + 1;",
        "stage = stage == STAGES - 1 ? 1 : stage + 1;",
        TENSOR_CORES,
    ),
    Fault(
        "tensor cores: the first copies are not all started",
        TILES,
        "if (stage < steps) copy_tiles(stage);",
        "if (stage + 1 < steps) copy_tiles(stage);",
        TENSOR_CORES,
    ),
    Fault(
        "tensor cores: the second half of B is the first",
        TILES,
        "multiply(sums[i][j + 1], a[i], b[1], Real());",
        "multiply(sums[i][j + 1], a[i], b[0], Real());",
        TENSOR_CORES,
    ),
    Fault(
        "tensor cores: a factor is cut to TF32, not rounded",
        TILES,
        "return to_tf32(__uint_as_float(bits));",
        "return bits;",
        "tests/kernels/test_cuda.py -k factors_are_rounded",
    ),
    Fault(
        "tensor cores: a weight is cut to TF32, not rounded",
        TILES,
        "factor = __uint_as_float(to_tf32(x));",
        "factor = x;",
        "tests/kernels/test_cuda.py -k factors_are_rounded",
    ),
    Fault(
        "tensor cores: rows of two kinds lie in one place",
        TILES,
        "(place ^ (row / 2 % 4 * CHUNK))",
        "(place | (row / 2 % 4 * CHUNK))",
        TENSOR_CORES,
    ),
    Fault(
        "tensor cores: the chunks of 96 channels leave their row",
        TILES,
        "FILLS_BANKS = WIDTH % (8 * CHUNK) == 0",
        "FILLS_BANKS = true",
        BFLOAT16,
    ),
    # Transposed tiles.
    Fault(
        "weight gradient: channels and pixels of a fragment change places (bfloat16)",
        TILES,
        "row = k * 16 + lane / 16 * 8 + lane % 8;",
        "row = k * 16 + lane / 8 % 2 * 8 + lane % 8;",
        BFLOAT16,
    ),
    Fault(
        "weight gradient: columns and pixels of a fragment change places (bfloat16)",
        TILES,
        "const int place = first * 2 + lane / 16 * CHUNK;",
        "const int place = first * 2 + lane / 8 % 2 * CHUNK;",
        BFLOAT16,
    ),
    Fault(
        "weight gradient: a tile is not transposed (bfloat16)",
        TILES,
        "load_matrices<4, true>(fragments[0],",
        "load_matrices<4, false>(fragments[0],",
        BFLOAT16,
    ),
    Fault(
        "weight gradient: channels and pixels of a fragment change places (TF32)",
        TILES,
        "row = k * 8 + q + e / 2 * 4, place = (first + i * 16 + g + e % 2 * 8) * 4;",
        "row = k * 8 + q + e % 2 * 4, place = (first + i * 16 + g + e / 2 * 8) * 4;",
        TF32,
    ),
    Fault(
        "weight gradient: columns and pixels of a fragment change places (TF32)",
        TILES,
        "row = k * 8 + q + e % 2 * 4, place = (first + e / 2 * 8 + g) * 4;",
        "row = k * 8 + q + e / 2 * 4, place = (first + e % 2 * 8 + g) * 4;",
        TF32,
    ),
    # Windows.
    Fault(
        "windows: right border not tested",
        *(WINDOWS, "w >= 0 && w < windows.W", "w >= 0", TENSOR_CORES),
        sanitizer="address",
    ),
    Fault(
        "windows: the last column of an image is never reached",
        *(WINDOWS, "while (ow >= OW)", "while (ow >= OW - 1)", TENSOR_CORES),
    ),
    Fault(
        "windows: the channels of a tap never end",
        *(WINDOWS, "while (channel >= inner)", "while (channel > inner)", TENSOR_CORES),
    ),
    # The product of columns and filters.
    Fault(
        "implicit gemm: the last tap of the filters is left out",
        GEMM,
        "first_channel + row < outer && term < depth;",
        "first_channel + row < outer && term < depth - inner;",
        TENSOR_CORES,
    ),
    Fault(
        "implicit gemm: the last term of a sum is left out",
        GEMM,
        "tap, shift, term < depth, windows",
        "tap, shift, term < depth - VECTOR, windows",
        TENSOR_CORES,
    ),
    Fault(
        "implicit gemm: pixels beyond the last are stored",
        *(GEMM, "if (pixel >= pixels) break;", "", TENSOR_CORES),
        sanitizer="address",
    ),
    Fault(
        "implicit gemm: fragments of the columns change places",
        GEMM,
        "const int row = warp_pixel + i * 16 + lane % 16;",
        "const int row = warp_pixel + i * 16 + (lane % 16 ^ 8);",
        TENSOR_CORES,
    ),
    Fault(
        "implicit gemm: the tile of the next step",
        GEMM,
        "columns_tiles + stage * PIXELS * ROW_BYTES;\n        const int chunk",
        "columns_tiles + (stage + 1) % STAGES * PIXELS * ROW_BYTES;\n        const int chunk",
        TENSOR_CORES,
    ),
    Fault(
        "implicit gemm: the eight channels behind are those before",
        GEMM,
        "tile + swizzled(row + lane / 16 * 8, chunk)",
        "tile + swizzled(row, chunk)",
        TENSOR_CORES,
    ),
    Fault(
        "implicit gemm: the bias of the first group is that of all",
        GEMM,
        "bias + group * outer;",
        "bias;",
        TENSOR_CORES,
    ),
    Fault(
        "implicit gemm: the ReLU is left out",
        *(GEMM, "relu && value <= 0.0f ? 0.0f : value", "value", TENSOR_CORES),
    ),
    Fault(
        "implicit gemm: filters flipped in one direction only",
        *(GEMM, "* KW + KW - 1 - kw", "* KW + kw", TENSOR_CORES),
    ),
    Fault(
        "implicit gemm: added channels have the weights of the next filter",
        *(GEMM, "c < inner ? weight[source] : 0.0f", "weight[source]", TENSOR_CORES),
        sanitizer="address",
    ),
    Fault(
        "implicit gemm: added channels have those of the next group",
        GEMM,
        "c < inner ? images[i / padded_inner * inner + c] : Real(0)",
        "images[i / padded_inner * inner + c]",
        TENSOR_CORES,
        sanitizer="address",
    ),
    Fault(
        "implicit gemm: too little shared memory",
        LAUNCHES,
        "_STAGES * (_PIXELS + tile) * _ROW_BYTES",
        "_STAGES * (_PIXELS + tile - 8) * _ROW_BYTES",
        TENSOR_CORES,
        sanitizer="address",
    ),
    Fault(
        "implicit gemm: an image that copies cannot read as it lies is not copied",
        LAUNCHES,
        "if padded == channels and images.data.ptr % size == 0:",
        "if padded == channels:",
        "tests/kernels/test_cuda.py -k address",
    ),
    # The weight gradient.
    Fault(
        "weight gradient: the last pixel is left out",
        GEMM,
        "tile_pixel + row < pixels && first_channel",
        "tile_pixel + row < pixels - 1 && first_channel",
        TENSOR_CORES,
    ),
    Fault(
        "weight gradient: pixels beyond the last are read",
        *(GEMM, "tile_pixel + row < pixels && first_channel", "first_channel", TENSOR_CORES),
        sanitizer="address",
    ),
    Fault(
        "weight gradient: the last part is not added",
        TOTAL,
        "part < parts; part++) sum += partial",
        "part < parts - 1; part++) sum += partial",
        TENSOR_CORES,
    ),
    Fault(
        "weight gradient: channels that were added are counted",
        *(TOTAL, "oc / outer * padded_outer + oc % outer", "oc", TENSOR_CORES),
    ),
    # The bias behind a convolution, with its ReLU.
    Fault(
        "bias with ReLU: gradients where the output is 0 are counted (GPU)",
        "kernels/bias/cuda.cu",
        "if (output[i] <= Real(0)) grad = Real(0);\n                grad_input[i] = grad;",
        "grad_input[i] = output[i] <= Real(0) ? Real(0) : grad;",
        "tests/kernels/test_bias.py -k relu",
    ),
    Fault(
        "bias with ReLU: gradients where the output is 0 are counted (CPU)",
        *("kernels/bias/cpu.py", "np.float64(dx[c])", "np.float64(dy[c])"),
        "tests/kernels/test_bias.py -k relu",
    ),
    # Normalization with pooling in registers.
    Fault(
        "cuda norm with pool: the first lane has its own channels before it",
        "kernels/local_response_norm_max_pool2d/channels.cuh",
        "lane == 0 ? Real(0) : before",
        "before",
        NORM_POOL,
    ),
    Fault(
        "cuda norm with pool: the last lane has its own channels behind it",
        "kernels/local_response_norm_max_pool2d/channels.cuh",
        "lane == LANES - 1 ? Real(0) : behind",
        "behind",
        NORM_POOL,
    ),
    Fault(
        "cuda norm with pool: channels before change places",
        "kernels/local_response_norm_max_pool2d/channels.cuh",
        "values[V - REACH + i]",
        "values[V - 1 - i]",
        NORM_POOL,
    ),
    Fault(
        "cuda norm with pool: ratios are those of the lane alone",
        "kernels/local_response_norm_max_pool2d/cuda.cu",
        "for (int j = i; j < i + WINDOW; j++) sum += wide[j];",
        "for (int j = max(i, REACH); j < min(i, V - REACH) + WINDOW; j++) sum += wide[j];",
        NORM_POOL,
    ),
    Fault(
        "cuda norm with pool: a maximum is in every window",
        "kernels/local_response_norm_max_pool2d/cuda.cu",
        "if (is_maximum) grads[i]",
        "grads[i]",
        NORM_POOL,
    ),
    Fault(
        "cuda norm with pool: a window that is too long for the registers",
        "kernels/local_response_norm_max_pool2d/cuda.py",
        "fits = window_extent(size, C) == (_REACH, _REACH)",
        "fits = window_extent(size, C)[0] >= _REACH",
        NORM_POOL,
    ),
    # Copies between host and device.
    Fault(
        "transfers: what is read later is read at once",
        "minigrad/cuda.py",
        "            copied.synchronize()\n",
        "",
        "tests/kernels/test_cuda.py -k reading_later",
    ),
    Fault(
        "transfers: memory is given again while it is on its way to the GPU",
        "minigrad/cuda.py",
        "weakref.finalize(array, self._take_back, address).atexit = False",
        "self._take_back(address)",
        "tests/kernels/test_cuda.py -k from_several_threads or not_copied",
    ),
    Fault(
        "transfers: memory of the device is overwritten while it is read",
        "minigrad/cuda.py",
        "            self.stream.wait_event(target.consumed)\n",
        "",
        "tests/kernels/test_cuda.py -k a_transfer_waits",
    ),
    Fault(
        "gathering: rows of the crop lie one below the other",
        "alexnet/data/gathering.py",
        "source += side * COLORS",
        "source += row",
        "tests/alexnet/data/test_gathering.py",
    ),
    Fault(
        "gathering: a map goes away when another thread has mapped the file, too",
        "alexnet/data/readers/shards.py",
        "        self._mapped.append(pixels)\n",
        "",
        "tests/alexnet/data/test_gathering.py",
    ),
    Fault(
        "gathering: crops beyond an image are read",
        "alexnet/data/gathering.py",
        "places.max() + size <= squares.side",
        "places.max() <= squares.side",
        "tests/alexnet/data/test_gathering.py",
    ),
    Fault(
        "gathering: squares that must be made smaller are cut",
        "alexnet/data/loader.py",
        "fits = squares is not None and squares.side <= self._square",
        "fits = squares is not None",
        "tests/alexnet/data/test_gathering.py",
    ),
    Fault(
        "gathering: places are rounded to the nearest",
        "alexnet/data/transforms.py",
        "(self._places * (room + 1)).astype(np.int64).T",
        "np.rint(self._places * room).astype(np.int64).T",
        "tests/alexnet/data/test_gathering.py",
    ),
    # bfloat16 elsewhere.
    Fault(
        "bfloat16 on a GPU: the convolution by im2col takes weights with all their digits",
        CONVOLUTION,
        "array.astype(bf16.DTYPE).astype(np.float32)",
        "array.astype(np.float32)",
        ON_GPU + "strides",
    ),
    Fault(
        "bfloat16 on a GPU: the gradients of a pooled pixel are added in bfloat16",
        "kernels/max_pool2d/window.cuh",
        "if (argmax[window] == position) total += grad_output[window];",
        "if (argmax[window] == position) total = Real(total + grad_output[window]);",
        ON_GPU + "pooling",
    ),
    Fault(
        "bfloat16 on a GPU: normalized pixels are compared with all their digits",
        "kernels/local_response_norm_max_pool2d/cuda.cu",
        "normalized[p * C + c] = Real(x[c] * power_of(s, beta, inverse));",
        "normalized[p * C + c] = Real(x[c]);",
        ON_GPU + "max_pooling",
    ),
    Fault(
        "bfloat16 on a GPU: dropout's factor is rounded",
        "kernels/shared/source.py",
        "real = bfloat16.arithmetic(dtype).type",
        "real = dtype.type",
        ON_GPU + "dropout",
    ),
    Fault(
        "bfloat16 on a GPU: the gradient behind a linear layer keeps its digits",
        "minigrad/ops/matmul.py",
        "factor = backend.factor(grad_output, ctx.bfloat16)",
        "factor = backend.factor(grad_output, False)",
        "tests/minigrad/test_autocast_cuda.py -k beside_those",
    ),
]
