// Convolution on tensor cores, without writing the columns of im2col ("implicit GEMM").
//
//     output[pixel][oc] = sum over k of columns[pixel][k] * weights[oc][k],  k = (kh, kw, ic)
//
// With images (N, H, W, C) the channels of a filter tap are adjacent, so asynchronous copies of 16
// bytes, or of 8, gather a tile of columns straight from the image, while the tensor cores multiply
// an earlier tile. A tap whose channels do not fill whole copies is padded with zeros, in a copy of
// the image (`pad_channels`). Factors are TF32, from images of float, or bfloat16; sums are float. A
// block owns a tile of the output, each of its four warps a quarter of the tile. The input gradient
// is the same product, of grad_output with the filters flipped in both directions.
//
//     grad_weight[oc][k] = sum over pixels of grad_output[pixel][oc] * columns[pixel][k]
//
// is a second kernel. Its sum is so long that several blocks share it: each writes its part to a
// workspace, and a third kernel (cuda_weight_gradient_total.cu) adds the parts.
//
// cuda_implicit_gemm.py defines the constants: THREADS of a block; STAGES, the tiles that are
// copied or multiplied at a time; ROW_BYTES, the terms of the sum in a tile, in bytes; PIXELS and
// COLUMNS of a tile.
//
// Offsets in an array are int: `obstacle` in cuda_implicit_gemm.py leaves larger arrays to im2col.
//
// FLOPs: 2 * N*OH*OW * OC/G * K for each of the three. Bytes from memory: the arrays once, if the
// second-level cache holds the rows of the image that neighboring tiles share.
#include "../shared/common.cuh"
#include "tensor_cores.cuh"
#include "windows.cuh"

// Blocks that share a multiprocessor: one computes while the other waits.
constexpr int BLOCKS = 2;
constexpr int WARPS_ACROSS = 2;  // of the four warps of a block; two down

// Grid: x pixel tiles times channel tiles, y groups. `inner` and `outer`: channels of a group in
// `images` and in `output`.
template <typename Real, int CHANNELS, int BYTES>
__global__ void __launch_bounds__(THREADS, BLOCKS) implicit_gemm(
    const Real* __restrict__ images, const Real* __restrict__ weights,
    const float* __restrict__ bias, bool relu, Real* __restrict__ output, int pixels, int inner,
    int outer, int output_channels, int H, int W, int image_channels, int OH, int OW, int KH,
    int KW, int SH, int SW, int PH, int PW
) {
    const Windows windows = {H, W, image_channels, OH, OW, KH, KW, SH, SW, PH, PW};
    constexpr int WARP_PIXELS = PIXELS / 2, WARP_CHANNELS = CHANNELS / WARPS_ACROSS;
    constexpr int M = WARP_PIXELS / 16, N = WARP_CHANNELS / 8;  // products of a warp
    constexpr int VECTOR = BYTES / sizeof(Real);                // numbers of a copy
    constexpr int VECTORS = ROW_BYTES / BYTES;                  // copies of a row
    constexpr int ROWS_AT_ONCE = THREADS / VECTORS;
    constexpr int MY_ROWS = PIXELS / ROWS_AT_ONCE;

    extern __shared__ __align__(16) char memory[];
    char* columns_tiles = memory;                                // [STAGES][PIXELS][ROW_BYTES]
    char* weights_tiles = memory + STAGES * PIXELS * ROW_BYTES;  // [STAGES][CHANNELS][ROW_BYTES]

    const int thread = threadIdx.x, group = blockIdx.y;
    const int channel_tiles = ceil_div(outer, CHANNELS);
    const int first_pixel = blockIdx.x / channel_tiles * PIXELS;
    const int first_channel = blockIdx.x % channel_tiles * CHANNELS;
    const int depth = KH * KW * inner;

    // A thread copies the same place of several rows.
    const int place = thread % VECTORS * VECTOR, first_row = thread / VECTORS;
    Corner corners[MY_ROWS];
#pragma unroll
    for (int i = 0; i < MY_ROWS; i++) {
        const int pixel = first_pixel + first_row + i * ROWS_AT_ONCE;
        const Position position = {pixel / (OH * OW), pixel / OW % OH, pixel % OW};
        corners[i] = corner_of(position, pixel < pixels, group * inner, windows);
    }
    Tap tap = {0, 0, 0};
    tap.advance(place, inner, KW);
    int term = place;  // of the sum; the tap's place in it
    const Real* group_weights = weights + (Index)group * outer * depth;

    auto copy_tiles = [&](int stage) {
        char* columns = columns_tiles + stage * PIXELS * ROW_BYTES;
        const int shift = shift_of(tap, windows);
#pragma unroll
        for (int i = 0; i < MY_ROWS; i++) {
            const int row = first_row + i * ROWS_AT_ONCE;
            char* shared = columns + swizzled(row, place * sizeof(Real));
            copy_tap<BYTES>(shared, images, corners[i], tap, shift, term < depth, windows);
        }
        char* tile = weights_tiles + stage * CHANNELS * ROW_BYTES;
#pragma unroll
        for (int i = 0; i < ceil_div(CHANNELS, ROWS_AT_ONCE); i++) {
            const int row = first_row + i * ROWS_AT_ONCE;
            if (CHANNELS % ROWS_AT_ONCE != 0 && row >= CHANNELS) break;
            const bool valid = first_channel + row < outer && term < depth;
            const int offset = (first_channel + row) * depth + term;
            char* shared = tile + swizzled(row, place * sizeof(Real));
            copy_async<BYTES>(shared, group_weights + offset, valid);
        }
        term += VECTORS * VECTOR;
        tap.advance(VECTORS * VECTOR, inner, KW);
    };

    const int lane = thread % 32, warp = thread / 32, g = lane / 4, q = lane % 4;
    const int warp_pixel = warp / WARPS_ACROSS * WARP_PIXELS;
    const int warp_channel = warp % WARPS_ACROSS * WARP_CHANNELS;
    float sums[M][N][4] = {};

    // The lane brings the address of a row of a matrix: pixels g and g + 8 of two chunks.
    auto read_columns = [&](int stage, int k, unsigned (&fragments)[M][4]) {
        const char* columns = columns_tiles + stage * PIXELS * ROW_BYTES;
        const int chunk = k * STEP_BYTES + lane / 16 * CHUNK;
#pragma unroll
        for (int i = 0; i < M; i++) {
            const int row = warp_pixel + i * 16 + lane % 16;
            load_matrices<4, false>(fragments[i], columns + swizzled(row, chunk));
#pragma unroll
            for (int e = 0; e < 4; e++) {
                fragments[i][e] = rounded_fragment(fragments[i][e], Real());
            }
        }
    };
    // Two chunks of eight channels, and, in the same instruction, of the eight behind them.
    auto read_weights = [&](int stage, int k, int j, unsigned (&fragments)[2][2]) {
        const char* tile = weights_tiles + stage * CHANNELS * ROW_BYTES;
        const int row = warp_channel + j * 8 + lane % 8;
        const int chunk = k * STEP_BYTES + lane / 8 % 2 * CHUNK;
        if (j + 1 < N) {
            load_matrices<4, false>(fragments[0], tile + swizzled(row + lane / 16 * 8, chunk));
        } else {
            load_matrices<2, false>(fragments[0], tile + swizzled(row, chunk));
        }
    };
    const int steps = ceil_div(depth, VECTORS * VECTOR);
    multiply_tiles<Real>(sums, steps, copy_tiles, read_columns, read_weights);

    const float* group_bias = bias == nullptr ? nullptr : bias + group * outer;
#pragma unroll
    for (int i = 0; i < 2 * M; i++) {
        const int pixel = first_pixel + warp_pixel + i * 8 + g;
        if (pixel >= pixels) break;
        Real* target = output + pixel * output_channels + group * outer;
#pragma unroll
        for (int j = 0; j < 2 * N; j++) {
            const int channel = first_channel + warp_channel + j / 2 * 8 + 2 * q + j % 2;
            if (channel < outer) {
                const float offset = group_bias == nullptr ? 0.0f : group_bias[channel];
                const float value = sums[i / 2][j / 2][i % 2 * 2 + j % 2] + offset;
                // NaN stays NaN, as in kernels/relu.
                target[channel] = Real(relu && value <= 0.0f ? 0.0f : value);
            }
        }
    }
}

// Filters (OC, IC, KH, KW) in the order of the product, rounded as its factors are:
//     forward    packed[group][oc][kh][kw][ic] = weight[group * OC/G + oc][ic][kh][kw]
//     flipped     packed[group][ic][kh][kw][oc] = weight[...][ic][KH - 1 - kh][KW - 1 - kw]
// `outer` and `inner` are the first and the last of the channels in a group of `packed`, of which
// the last are filled up with zeros to `padded`.
template <typename Real>
__global__ void pack_weights(
    const float* weight, Real* packed, Index count, int outer, int inner, int padded, int KH,
    int KW, bool flipped
) {
    for (Index i = first_index(); i < count; i += index_step()) {
        const int c = i % padded, kw = i / padded % KW, kh = i / padded / KW % KH;
        const Index row = i / padded / KW / KH;
        const Index group = row / outer;
        const int r = row - group * outer;
        Index source;
        if (flipped) {
            source = (((group * inner + c) * outer + r) * KH + KH - 1 - kh) * KW + KW - 1 - kw;
        } else {
            source = ((row * inner + c) * KH + kh) * KW + kw;
        }
        round_factor(c < inner ? weight[source] : 0.0f, packed[i]);
    }
}

// padded[pixel][group][c] = images[pixel][group][c], or 0 for channels that a group does not have.
template <typename Real>
__global__ void pad_channels(
    const Real* images, Real* padded, Index count, int inner, int padded_inner
) {
    for (Index i = first_index(); i < count; i += index_step()) {
        const int c = i % padded_inner;
        padded[i] = c < inner ? images[i / padded_inner * inner + c] : Real(0);
    }
}

// Grid: x tiles of oc times tiles of k, y groups, z parts of the sum over the pixels.
// partial: [parts][groups][outer][KH * KW * inner].
template <typename Real, int CHANNELS, int BYTES>
__global__ void __launch_bounds__(THREADS, BLOCKS) weight_gradient(
    const Real* __restrict__ images, const Real* __restrict__ grad_output,
    float* __restrict__ partial, int pixels, int inner, int outer, int output_channels, int H,
    int W, int image_channels, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW
) {
    const Windows windows = {H, W, image_channels, OH, OW, KH, KW, SH, SW, PH, PW};
    constexpr int DEPTH = ROW_BYTES / sizeof(Real);  // pixels of a tile
    constexpr int WARP_CHANNELS = CHANNELS / 2, WARP_COLUMNS = COLUMNS / WARPS_ACROSS;
    constexpr int M = WARP_CHANNELS / 16, N = WARP_COLUMNS / 8;
    constexpr int A_WIDTH = CHANNELS * sizeof(Real), B_WIDTH = COLUMNS * sizeof(Real);
    constexpr int VECTOR = BYTES / sizeof(Real);
    constexpr int VECTORS = COLUMNS / VECTOR;
    constexpr int ROWS_AT_ONCE = THREADS / VECTORS;
    constexpr int MY_ROWS = DEPTH / ROWS_AT_ONCE;

    extern __shared__ __align__(16) char memory[];
    char* gradient_tiles = memory;                            // [STAGES][DEPTH][A_WIDTH]
    char* columns_tiles = memory + STAGES * DEPTH * A_WIDTH;  // [STAGES][DEPTH][B_WIDTH]

    const int thread = threadIdx.x, group = blockIdx.y;
    const int depth = KH * KW * inner;
    const int column_tiles = ceil_div(depth, COLUMNS);
    const int first_channel = blockIdx.x / column_tiles * CHANNELS;
    const int first_column = blockIdx.x % column_tiles * COLUMNS;

    // This block's part of the pixels, whole tiles but for the last.
    const int all_steps = ceil_div(pixels, DEPTH);
    const int first_step = (Index)all_steps * blockIdx.z / gridDim.z;
    const int steps = (Index)all_steps * (blockIdx.z + 1) / gridDim.z - first_step;

    // A thread copies the same column of several pixels, which are neighbors.
    const int place = thread % VECTORS * VECTOR, first_row = thread / VECTORS * MY_ROWS;
    Tap tap = {0, 0, 0};
    tap.advance(first_column + place, inner, KW);
    const bool column_exists = first_column + place < depth;
    int pixel = first_step * DEPTH + first_row;  // the first of them
    Position position = {pixel / (OH * OW), pixel / OW % OH, pixel % OW};

    auto copy_tiles = [&](int stage) {
        char* columns = columns_tiles + stage * DEPTH * B_WIDTH;
        const int shift = shift_of(tap, windows);
#pragma unroll
        for (int i = 0; i < MY_ROWS; i++) {
            const Corner corner = corner_of(position, pixel + i < pixels, group * inner, windows);
            char* shared =
                columns + swizzled_gradient<B_WIDTH>(first_row + i, place * sizeof(Real), Real());
            copy_tap<BYTES>(shared, images, corner, tap, shift, column_exists, windows);
            position.next(OH, OW);
        }
        position.advance(DEPTH - MY_ROWS, OH, OW);
        char* tile = gradient_tiles + stage * DEPTH * A_WIDTH;
        const int tile_pixel = pixel - first_row;
#pragma unroll
        for (int i = 0; i < ceil_div(DEPTH * CHANNELS / VECTOR, THREADS); i++) {
            const int j = thread + i * THREADS;
            if (DEPTH * CHANNELS / VECTOR % THREADS != 0 && j >= DEPTH * CHANNELS / VECTOR) break;
            const int row = j / (CHANNELS / VECTOR), channel = j % (CHANNELS / VECTOR) * VECTOR;
            const bool valid = tile_pixel + row < pixels && first_channel + channel < outer;
            const int offset =
                (tile_pixel + row) * output_channels + group * outer + first_channel + channel;
            char* shared = tile + swizzled_gradient<A_WIDTH>(row, channel * sizeof(Real), Real());
            copy_async<BYTES>(shared, grad_output + offset, valid);
        }
        pixel += DEPTH;
    };

    const int lane = thread % 32, warp = thread / 32, g = lane / 4, q = lane % 4;
    const int warp_channel = warp / WARPS_ACROSS * WARP_CHANNELS;
    const int warp_column = warp % WARPS_ACROSS * WARP_COLUMNS;
    float sums[M][N][4] = {};

    auto read_gradients = [&](int stage, int k, unsigned (&fragments)[M][4]) {
        const char* tile = gradient_tiles + stage * DEPTH * A_WIDTH;
        read_transposed_a<A_WIDTH>(tile, k, warp_channel, fragments, Real());
    };
    auto read_columns = [&](int stage, int k, int j, unsigned (&fragments)[2][2]) {
        const char* tile = columns_tiles + stage * DEPTH * B_WIDTH;
        read_transposed_b<B_WIDTH>(tile, k, warp_column + j * 8, fragments, Real());
    };
    multiply_tiles<Real>(sums, steps, copy_tiles, read_gradients, read_columns);

    float* part = partial + ((Index)blockIdx.z * gridDim.y + group) * outer * depth;
#pragma unroll
    for (int i = 0; i < M; i++) {
#pragma unroll
        for (int j = 0; j < N; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int channel = first_channel + warp_channel + i * 16 + g + e / 2 * 8;
                const int column = first_column + warp_column + j * 8 + 2 * q + e % 2;
                if (channel < outer && column < depth) {
                    part[(Index)channel * depth + column] = sums[i][j][e];
                }
            }
        }
    }
}
