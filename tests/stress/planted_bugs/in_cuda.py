"""Mistakes in the CUDA C sources and in their launchers."""

from tests.stress.planted_bugs import Fault

BIAS = "kernels/bias/cuda.cu"
POOL = "kernels/max_pool2d/cuda.cu"
POOLED = "kernels/max_pool2d/window.cuh"
NORM = "kernels/local_response_norm/cuda.cu"
NORMALIZED = "kernels/local_response_norm/pixel.cuh"
NORM_POOL = "kernels/local_response_norm_max_pool2d/cuda.cu"
LOSS = "kernels/cross_entropy/cuda.cu"
DROPOUT = "kernels/dropout/cuda.cu"
PREPARE = "kernels/prepare_images/cuda.cu"
COLUMNS = "kernels/im2col/cuda.cu"
NCCL = "minigrad/distributed/nccl.py"
OVERLAP = "minigrad/distributed/overlap.py"

BIAS_TESTS = "tests/kernels/test_bias.py -k cuda"
POOL_TESTS = "tests/kernels/test_pooling.py -k cuda"
NORM_TESTS = "tests/kernels/test_local_response_norm.py -k cuda"
NORM_POOL_TESTS = "tests/kernels/test_local_response_norm_max_pool2d.py -k cuda"
LOSS_TESTS = "tests/kernels/test_cross_entropy.py -k cuda"
DROPOUT_TESTS = "tests/kernels/test_dropout.py -k cuda"
PREPARE_TESTS = "tests/kernels/test_prepare_images.py -k cuda"
NCCL_TESTS = "tests/minigrad/distributed/test_nccl.py"
OVERLAP_TESTS = "tests/minigrad/distributed/test_overlap.py"
COLUMNS_TESTS = "tests/kernels/test_im2col.py -k cuda"

# Between the normalized pixels of a tile and their maxima, in the kernel with registers.
BARRIER = """        __syncthreads();
        const int across = tile.ow1 - tile.ow0;
        for (int o = warp; o < (tile.oh1 - tile.oh0) * across && has_channels"""

WAIT_FOR_GRADIENTS = (
    "        self._stream.wait_event(self._device.xp.cuda.get_current_stream().record())\n"
)

FAULTS = [
    # What all kernels share.
    Fault(
        "cuda: blocks do each other's work",
        "kernels/shared/common.cuh",
        "return (Index)gridDim.x * blockDim.x;",
        "return blockDim.x;",
        "tests/kernels/test_relu.py -k cuda",
        sanitizer="thread",
    ),
    Fault(
        "cuda relu: one element too many",
        "kernels/relu/cuda.cu",
        "i < count; i += index_step()) {\n        const Real x",
        "i <= count; i += index_step()) {\n        const Real x",
        "tests/kernels/test_relu.py -k cuda",
    ),
    Fault(
        "cuda relu: one element too many is read, too",
        "kernels/relu/cuda.cu",
        "i < count; i += index_step()) {\n        const Real x",
        "i <= count; i += index_step()) {\n        const Real x",
        "tests/kernels/test_backends.py -k cuda and relu",
        sanitizer="address",
    ),
    Fault(
        "cuda sgd: the launcher passes an int for a long long",
        "kernels/sgd/cuda.py",
        "np.int64(count)",
        "count",
        "tests/kernels/test_updates.py -k cuda and sgd",
    ),
    Fault(
        "cuda adam: moments change places",
        "kernels/adam/cuda.py",
        "gradient, first_moment, second_moment, float",
        "gradient, second_moment, first_moment, float",
        "tests/kernels/test_updates.py -k cuda and adam",
    ),
    Fault(
        "cuda vector_norm: threads add before all have written",
        "kernels/vector_norm/cuda.cu",
        "half /= 2) {\n        __syncthreads();",
        "half /= 2) {",
        "tests/kernels/test_vector_norm.py -k cuda",
    ),
    Fault(
        "cuda vector_norm: the grid decides how many pieces are summed",
        "kernels/vector_norm/cuda.cu",
        "piece < pieces; piece += gridDim.x)",
        "piece < pieces; piece += pieces)",
        "tests/kernels/test_vector_norm.py -k gpu",
    ),
    # Bias.
    Fault(
        "cuda bias: sums are read before they are written",
        BIAS,
        "    __syncthreads();\n",
        "",
        BIAS_TESTS,
    ),
    Fault(
        "cuda bias: a race that results do not show",
        BIAS,
        "    __syncthreads();\n",
        "    __syncwarp();\n",
        BIAS_TESTS,
        sanitizer="thread",
    ),
    Fault(
        "cuda bias: the last rows belong to no part",
        BIAS,
        "last = rows * (part + 1) / parts",
        "last = rows / parts * (part + 1)",
        BIAS_TESTS,
    ),
    Fault(
        "cuda bias: sums are float",
        BIAS,
        "double sum = 0;\n    if (c < channels)",
        "float sum = 0;\n    if (c < channels)",
        BIAS_TESTS,
    ),
    # Pooling.
    Fault(
        "cuda max pool: of equal values the last wins",
        POOLED,
        "!(value <= best)",
        "!(value < best)",
        POOL_TESTS,
    ),
    Fault(
        "cuda max pool: position counted in the wrong size",
        POOL,
        "position = h * W + w;",
        "position = h * H + w;",
        POOL_TESTS,
    ),
    Fault(
        "cuda max pool: the last row is left out",
        POOL,
        "bottom = min(H, oh * SH - PH + KH)",
        "bottom = min(H - 1, oh * SH - PH + KH)",
        POOL_TESTS,
    ),
    Fault(
        "cuda max pool backward: the last window is left out",
        POOLED,
        "(i + P) / S)",
        "(i + P - 1) / S)",
        POOL_TESTS,
    ),
    Fault(
        "cuda avg pool backward: stride of the other direction",
        "kernels/avg_pool2d/cuda.cu",
        "(w + PW) / SW",
        "(w + PW) / SH",
        POOL_TESTS,
    ),
    # Local response normalization.
    Fault(
        "cuda norm forward: the tile is read before it is there",
        NORM,
        "        __syncthreads();\n        const int t = threadIdx.x;\n"
        "        if (start + t < count) {\n            const int channel = (int(",
        "        const int t = threadIdx.x;\n"
        "        if (start + t < count) {\n            const int channel = (int(",
        NORM_TESTS,
    ),
    Fault(
        "cuda norm backward: the next tile overwrites this one",
        NORM,
        "values[halo + t] * sum);\n        }\n        __syncthreads();\n",
        "values[halo + t] * sum);\n        }\n",
        "tests/kernels/test_cuda.py -k one_block",
        sanitizer="thread",
    ),
    Fault(
        "cuda norm forward: halo of the other side",
        NORM,
        "const Index i = start - before + j;",
        "const Index i = start - after + j;",
        NORM_TESTS,
    ),
    Fault(
        "cuda norm backward: window not mirrored",
        NORMALIZED,
        "first = -min(after, channel), last = min(before, channels",
        "first = -min(before, channel), last = min(after, channels",
        NORM_TESTS,
    ),
    Fault(
        "cuda norm backward: a factor of 2",
        NORM,
        "Number(2) * alpha * beta",
        "alpha * beta",
        NORM_TESTS,
    ),
    Fault(
        "cuda norm: too little shared memory",
        "kernels/local_response_norm/cuda.py",
        "elements=3 * _TILE + 4 * (before + after)",
        "elements=3 * _TILE + 3 * (before + after)",
        NORM_TESTS,
        sanitizer="address",
    ),
    Fault(
        "cuda norm: a wrong power",
        NORMALIZED,
        "return inverse_root * sqrt(inverse_root);",
        "return inverse_root * inverse_root;",
        NORM_TESTS,
    ),
    # Normalization and pooling at once.
    Fault(
        "cuda norm with pool: maxima are looked for before the pixels are normalized",
        *(NORM_POOL, BARRIER, BARRIER.replace("threads", "warp")),
        NORM_POOL_TESTS,
    ),
    Fault(
        "cuda norm with pool: the next tile overwrites this one",
        NORM_POOL,
        "argmax[i] = position;\n            }\n        }\n        __syncthreads();\n",
        "argmax[i] = position;\n            }\n        }\n",
        "tests/kernels/test_cuda.py -k one_block",
        sanitizer="thread",
    ),
    Fault(
        "cuda norm with pool: the last column of a tile is not normalized",
        NORM_POOL,
        "columns = min(W, (ow1 - 1) * SW - PW + KW) - left",
        "columns = min(W, (ow1 - 1) * SW - PW + KW) - left - (KW > 1)",
        NORM_POOL_TESTS,
    ),
    Fault(
        "cuda norm with pool: no tile has the column between two tiles",
        NORM_POOL,
        "int(tile % tiles_across) * tile_columns",
        "int(tile % tiles_across) * (tile_columns + 1)",
        NORM_POOL_TESTS,
    ),
    Fault(
        "cuda norm with pool backward: ratios are summed before they are written",
        NORM_POOL,
        "            __syncwarp();\n            for (int c = lane; c < C; c += LANES) {\n"
        "                const Number sum",
        "            for (int c = lane; c < C; c += LANES) {\n                const Number sum",
        NORM_POOL_TESTS,
    ),
    Fault(
        "cuda norm with pool backward: the next pixel's ratios overwrite this one's",
        NORM_POOL,
        "            __syncwarp();\n        }\n",
        "        }\n",
        NORM_POOL_TESTS,
        sanitizer="thread",
    ),
    Fault(
        "cuda norm with pool backward: warps share their ratios",
        NORM_POOL,
        "+ 2 * C * warp;",
        "+ C * warp;",
        NORM_POOL_TESTS,
    ),
    Fault(
        "cuda norm with pool: too little shared memory",
        "kernels/local_response_norm_max_pool2d/cuda.py",
        "return pixels * input.shape[-1]",
        "return (pixels - 1) * input.shape[-1]",
        NORM_POOL_TESTS,
        sanitizer="address",
    ),
    Fault(
        "cuda norm with pool: tiles of which several blocks do not fit side by side",
        "kernels/local_response_norm_max_pool2d/cuda.py",
        "_SHARED_BYTES = 48 * 1024",
        "_SHARED_BYTES = 227 * 1024",
        "tests/kernels/test_cuda.py -k where_that_pays",
    ),
    Fault(
        "cuda norm with pool: pixels are normalized again without limit",
        "kernels/local_response_norm_max_pool2d/cuda.py",
        "_MOST_NORMALIZATIONS = 3",
        "_MOST_NORMALIZATIONS = 30",
        "tests/kernels/test_cuda.py -k where_that_pays",
    ),
    # Cross entropy.
    Fault(
        "cuda cross entropy: half of the lanes are not added",
        LOSS,
        "distance = WARP / 2; distance > 0; distance /= 2) {\n            total",
        "distance = WARP / 4; distance > 0; distance /= 2) {\n            total",
        LOSS_TESTS,
    ),
    Fault(
        "cuda cross entropy: half a warp shuffles",
        LOSS,
        "0xffffffffu",
        "0x0000ffffu",
        LOSS_TESTS,
    ),
    Fault(
        "cuda cross entropy backward: label of the first row",
        LOSS,
        "c == target[row]",
        "c == target[0]",
        LOSS_TESTS,
    ),
    Fault(
        "cuda cross entropy backward: a row that is left out has a gradient",
        LOSS,
        "target[row] < 0 ? Real(0) : grad_loss[row]",
        "grad_loss[row]",
        LOSS_TESTS,
    ),
    Fault(
        "cuda conv2d: the gradient of the weight is not written for an empty batch",
        "kernels/conv2d/cuda_im2col.py",
        "range(0, max(N, 1), at_once)",
        "range(0, N, at_once)",
        "tests/minigrad/test_empty_batch.py -k cuda-conv2d",
    ),
    # Dropout.
    Fault(
        "cuda dropout: half of the call's key",
        DROPOUT,
        "unsigned(call >> 32)",
        "0u",
        DROPOUT_TESTS,
    ),
    Fault(
        "cuda dropout: threshold itself is dropped",
        DROPOUT,
        "words[j] >= threshold",
        "words[j] > threshold",
        DROPOUT_TESTS,
    ),
    Fault(
        "cuda dropout: no guard at the end",
        DROPOUT,
        "0 <= i && i < count",
        "0 <= i",
        DROPOUT_TESTS,
    ),
    Fault(
        "cuda dropout: no guard before the first element",
        DROPOUT,
        "0 <= i && i < count",
        "i < count",
        DROPOUT_TESTS,
    ),
    Fault(
        "cuda dropout: counters of 32 bits",
        DROPOUT,
        "unsigned(four >> 32)",
        "0u",
        DROPOUT_TESTS,
    ),
    Fault(
        "cuda dropout: the last counter of rows within a batch missing",
        DROPOUT,
        "4 * four < end;",
        "4 * (four - first / 4) < count;",
        DROPOUT_TESTS,
    ),
    # Preparation of images.
    Fault(
        "cuda prepare: mirrored one pixel off",
        PREPARE,
        "const int column = flips[n] ? W - 1 - w",
        "const int column = flips[n] ? W - w",
        PREPARE_TESTS,
    ),
    Fault(
        "cuda prepare: the mean image is mirrored",
        PREPARE,
        "* W + w] : mean[c]",
        "* W + W - 1 - w] : mean[c]",
        PREPARE_TESTS,
    ),
    Fault(
        "cuda prepare: the launcher passes four bytes for a bool",
        "kernels/prepare_images/cuda.py",
        "*(images, flips, color_shift, mean, np.bool_(mean.ndim == 3), scale)",
        "*(images, flips, color_shift, mean, np.int32(mean.ndim == 3), scale)",
        PREPARE_TESTS,
    ),
    Fault(
        "cuda prepare: one scale for all colors",
        PREPARE,
        "- level) * scale[c]",
        "- level) * scale[0]",
        PREPARE_TESTS,
    ),
    Fault(
        "cuda enlarging: row and column of the crop change places",
        PREPARE,
        "y = places[2 * n] + h, left = places[2 * n + 1]",
        "y = places[2 * n + 1] + h, left = places[2 * n]",
        PREPARE_TESTS + " and enlarged",
    ),
    Fault(
        "cuda enlarging: mirrored within the enlarged image",
        PREPARE,
        "left + (flips[n] ? W - 1 - w : w)",
        "(flips[n] ? left + W - w : left + w)",
        PREPARE_TESTS + " and enlarged",
    ),
    Fault(
        "cuda enlarging: the lower pixels are mixed by the weights of the row",
        PREPARE,
        "mixed(lower[one], lower[other], weights + 2 * x), weights + 2 * y",
        "mixed(lower[one], lower[other], weights + 2 * y), weights + 2 * y",
        PREPARE_TESTS + " and enlarged",
    ),
    Fault(
        "cuda enlarging: the last row is mixed with that of the next image",
        PREPARE,
        "image + min(first[y] + 1, side - 1) * side * COLORS",
        "image + (first[y] + 1) * side * COLORS",
        PREPARE_TESTS + " and enlarged",
        sanitizer="address",
    ),
    # im2col.
    Fault(
        "cuda im2col: the border is one pixel too far",
        COLUMNS,
        "h >= 0 && h < H",
        "h >= 0 && h <= H",
        COLUMNS_TESTS,
    ),
    Fault(
        "cuda col2im: positions between the strides count",
        COLUMNS,
        "y < 0 || y % SH != 0 || oh >= OH",
        "y < 0 || oh >= OH",
        COLUMNS_TESTS,
    ),
    Fault(
        "cuda im2col: stride and padding change places",
        "kernels/im2col/cuda.py",
        "*(C, H, W, OH, OW, *kernel_size, *stride, *padding)",
        "*(C, H, W, OH, OW, *kernel_size, *padding, *stride)",
        COLUMNS_TESTS,
    ),
    Fault(
        "cuda conv2d: parts of the batch overwrite each other's gradient",
        "kernels/conv2d/cuda_im2col.py",
        "accumulate=part.start > 0",
        "accumulate=False",
        "tests/kernels/test_cuda.py -k cut_into_parts",
    ),
    # From GPU to GPU.
    Fault(
        "nccl: a group does not end",
        NCCL,
        "                self._nccl.groupEnd()\n",
        "                pass\n",
        NCCL_TESTS,
    ),
    Fault(
        "nccl: a rank receives before it sends, outside of a group",
        NCCL,
        "        with self._group():\n            self._send(array, other)\n",
        "        if True:\n            self._send(array, other)\n",
        NCCL_TESTS,
    ),
    Fault(
        "nccl: slices of a sum change places",
        NCCL,
        "self._receive(part, rank)",
        "self._receive(slices[1 - rank], rank)",
        NCCL_TESTS,
    ),
    Fault(
        "nccl: a process does not take the GPU of its place",
        "minigrad/cuda.py",
        "Device(_number % count)",
        "Device(0)",
        NCCL_TESTS,
    ),
    Fault(
        "overlap: gradients are sent before they are computed",
        OVERLAP,
        WAIT_FOR_GRADIENTS,
        "",
        OVERLAP_TESTS,
    ),
    Fault(
        "overlap: the update does not wait for the sums",
        OVERLAP,
        "        self._device.xp.cuda.get_current_stream().wait_event(self._stream.record())\n",
        "",
        OVERLAP_TESTS,
    ),
    Fault(
        "overlap: a rank adds its buckets in another order",
        OVERLAP,
        "self._buckets = list(_buckets(parameters))",
        "self._buckets = list(_buckets(parameters))[:: -1 if team.rank else 1]",
        OVERLAP_TESTS,
    ),
    Fault(
        "overlap: a buffer is reused too early",
        NCCL,
        "        return self._cupy.empty(elements, dtype)",
        "        with self._cupy.cuda.Stream.null:\n"
        "            return self._cupy.empty(elements, dtype)",
        OVERLAP_TESTS,
    ),
    Fault(
        "overlap: what is sent is not kept until it is sent",
        OVERLAP,
        WAIT_FOR_GRADIENTS + "        node = Node(self._team.rank, 1, arrays if",
        "        copies = [array.copy() for array in arrays]\n"
        + WAIT_FOR_GRADIENTS
        + "        node = Node(self._team.rank, 1, copies if",
        OVERLAP_TESTS,
    ),
]
