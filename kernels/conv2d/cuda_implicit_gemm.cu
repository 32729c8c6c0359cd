// Convolution on tensor cores, without writing the columns of im2col ("implicit GEMM").
//
//     output[pixel][oc] = sum over k of columns[pixel][k] * weights[oc][k],  k = (kh, kw, ic)
//
// With images (N, H, W, C) the channels of a filter tap are adjacent, so asynchronous copies of up
// to 16 bytes gather a tile of columns straight from the image, while the tensor cores multiply
// the previous tile. Products are TF32, sums float32. A block owns a tile of the output, each of
// its eight warps a part of the tile. The input gradient is the same product, of grad_output with
// the filters flipped in both directions.
//
//     grad_weight[oc][k] = sum over pixels of grad_output[pixel][oc] * columns[pixel][k]
//
// is a second kernel. Its sum is so long that several blocks share it: each writes its part to a
// workspace, and a third kernel adds the parts, always in the same order.
//
// cuda_implicit_gemm.py defines the constants: THREADS of a block; STAGES, the tiles that are
// copied or multiplied at a time; DEPTH, the terms of the sum in a tile; PIXELS and COLUMNS of a
// tile; ROW and SKEW, which pad rows in shared memory.
//
// Offsets in an array are int: `suits` in cuda_implicit_gemm.py leaves larger arrays to im2col.
//
// FLOPs: 2 * N*OH*OW * OC/G * K for each of the three. Bytes from memory: the arrays once, if the
// second-level cache holds the rows of the image that neighboring tiles share.
#include "../shared/common.cuh"
#include "../shared/ptx.cuh"

// Blocks that share a multiprocessor: where there are two, one computes while the other waits. With
// copies of single numbers, and from compute capability 10.0 on, there are not enough registers for
// two.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
template <int VECTOR>
constexpr int BLOCKS = 1;
#else
template <int VECTOR>
constexpr int BLOCKS = VECTOR == 4 ? 2 : 1;
#endif

// A convolution as the kernels see it: `source` (N, H, W, channels) is read through windows of KH x
// KW, one for each pixel of `target` (N, OH, OW, ...).
struct Windows {
    int H, W, channels, OH, OW, KH, KW, SH, SW, PH, PW;
};

// Where the taps of a pixel's window begin: its first row and column in the image, which may lie in
// the padding, and the offset of that place in memory.
struct Corner {
    int top, left, offset;
};

__device__ __forceinline__ Corner
corner_of(int n, int oh, int ow, bool exists, int first_channel, const Windows& windows) {
    Corner corner;
    // A pixel that does not exist lies outside of every image.
    corner.top = exists ? oh * windows.SH - windows.PH : -(1 << 30);
    corner.left = ow * windows.SW - windows.PW;
    const int top = exists ? corner.top : 0;
    corner.offset =
        ((n * windows.H + top) * windows.W + corner.left) * windows.channels + first_channel;
    return corner;
}

// A position in the sum over k: the tap and the channel in it.
struct Tap {
    int kh, kw, channel;

    // Go `count` terms on, with `inner` channels a tap.
    __device__ __forceinline__ void advance(int count, int inner, int KW) {
        channel += count;
        while (channel >= inner) {
            channel -= inner;
            if (++kw == KW) {
                kw = 0;
                kh++;
            }
        }
    }
};

// Copy VECTOR channels of a tap of a window; zeros outside of the image. `shift` is the distance
// from the corner to the tap in memory. Where nothing is read the address does not matter.
template <int VECTOR>
__device__ __forceinline__ void copy_tap(
    float* shared, const float* images, const Corner& corner, const Tap& tap, int shift, bool valid,
    const Windows& windows
) {
    const int h = corner.top + tap.kh, w = corner.left + tap.kw;
    valid = valid && h >= 0 && h < windows.H && w >= 0 && w < windows.W;
    copy_async<4 * VECTOR>(shared, images + (corner.offset + shift), valid);
}

__device__ __forceinline__ int shift_of(const Tap& tap, const Windows& windows) {
    return (tap.kh * windows.W + tap.kw) * windows.channels + tap.channel;
}

// sums += the products of `steps` pairs of tiles, by all threads of a block together.
//
//     copy_tiles(stage)                starts to copy the next pair to a stage of shared memory
//     read_a(stage, k, i, fragment)    rows 16 i to 16 i + 15 of the warp's part of A, terms k to
//                                      k + 7 of the sum
//     read_b(stage, k, j, fragment)    columns 8 j to 8 j + 7 of its part of B, the same terms
//
// The copies are STAGES - 1 pairs ahead of the products.
template <int M, int N, class CopyTiles, class ReadA, class ReadB>
__device__ __forceinline__ void multiply_tiles(
    float (&sums)[M][N][4], int steps, CopyTiles copy_tiles, ReadA read_a, ReadB read_b
) {
#pragma unroll
    for (int stage = 0; stage < STAGES - 1; stage++) {
        if (stage < steps) copy_tiles(stage);
        copy_async_commit();
    }
    for (int step = 0; step < steps; step++) {
        // The tiles of this step have arrived, for all threads; and all have used the previous
        // ones, to whose memory the next copies go.
        copy_async_wait<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < steps) copy_tiles((step + STAGES - 1) % STAGES);
        copy_async_commit();

        const int stage = step % STAGES;
#pragma unroll
        for (int k = 0; k < DEPTH; k += 8) {
            unsigned a[M][4], b[N][2];
#pragma unroll
            for (int i = 0; i < M; i++) read_a(stage, k, i, a[i]);
#pragma unroll
            for (int j = 0; j < N; j++) read_b(stage, k, j, b[j]);
#pragma unroll
            for (int i = 0; i < M; i++) {
#pragma unroll
                for (int j = 0; j < N; j++) mma_tf32(sums[i][j], a[i], b[j]);
            }
        }
    }
    copy_async_wait<0>();
}

// Grid: x pixel tiles times channel tiles, y groups. `inner` and `outer`: channels of a group in
// `images` and in `output`.
template <int CHANNELS, int VECTOR>
__global__ void __launch_bounds__(THREADS, BLOCKS<VECTOR>) implicit_gemm(
    const float* __restrict__ images, const float* __restrict__ weights,
    const float* __restrict__ bias, bool relu, float* __restrict__ output, int pixels, int inner,
    int outer, int output_channels, int H, int W, int image_channels, int OH, int OW, int KH,
    int KW, int SH, int SW, int PH, int PW
) {
    const Windows windows = {H, W, image_channels, OH, OW, KH, KW, SH, SW, PH, PW};
    constexpr int WARPS_ACROSS = 2;  // along the channels; 4 along the pixels
    constexpr int WARP_PIXELS = PIXELS / 4, WARP_CHANNELS = CHANNELS / WARPS_ACROSS;
    constexpr int M = WARP_PIXELS / 16, N = WARP_CHANNELS / 8;  // products of a warp
    constexpr int VECTORS = DEPTH / VECTOR;                     // in a row of a tile
    constexpr int ROWS_AT_ONCE = THREADS / VECTORS;
    constexpr int MY_ROWS = PIXELS / ROWS_AT_ONCE;

    extern __shared__ __align__(16) float memory[];
    float* columns_tiles = memory;                          // [STAGES][PIXELS][ROW]
    float* weights_tiles = memory + STAGES * PIXELS * ROW;  // [STAGES][CHANNELS][ROW]

    const int thread = threadIdx.x, group = blockIdx.y;
    const int channel_tiles = ceil_div(outer, CHANNELS);
    const int first_pixel = blockIdx.x / channel_tiles * PIXELS;
    const int first_channel = blockIdx.x % channel_tiles * CHANNELS;
    const int depth = KH * KW * inner;

    // A thread copies the same place of several rows.
    const int place = thread % VECTORS * VECTOR;
    int first_row = thread / VECTORS;
    if (VECTOR == 4) {
        // Bits 0 and 2 change places: the eight threads that write together then write to rows r
        // and r + 4, whose banks differ, and not to rows r and r + 1, some of whose are the same.
        first_row = (first_row & ~5) | (first_row & 1) << 2 | (first_row >> 2 & 1);
    }
    Corner corners[MY_ROWS];
#pragma unroll
    for (int i = 0; i < MY_ROWS; i++) {
        const int pixel = first_pixel + first_row + i * ROWS_AT_ONCE;
        const int n = pixel / (OH * OW), position = pixel - n * (OH * OW);
        const int oh = position / OW, ow = position - oh * OW;
        corners[i] = corner_of(n, oh, ow, pixel < pixels, group * inner, windows);
    }
    Tap tap = {0, 0, 0};
    tap.advance(place, inner, KW);
    int term = place;  // of the sum; the tap's place in it
    const float* group_weights = weights + (Index)group * outer * depth;

    auto copy_tiles = [&](int stage) {
        float* columns = columns_tiles + stage * PIXELS * ROW;
        const int shift = shift_of(tap, windows);
#pragma unroll
        for (int i = 0; i < MY_ROWS; i++) {
            float* shared = columns + (first_row + i * ROWS_AT_ONCE) * ROW + place;
            copy_tap<VECTOR>(shared, images, corners[i], tap, shift, term < depth, windows);
        }
        float* tile = weights_tiles + stage * CHANNELS * ROW;
#pragma unroll
        for (int i = 0; i < ceil_div(CHANNELS, ROWS_AT_ONCE); i++) {
            const int row = first_row + i * ROWS_AT_ONCE;
            if (CHANNELS % ROWS_AT_ONCE != 0 && row >= CHANNELS) break;
            const bool valid = first_channel + row < outer && term < depth;
            const int offset = (first_channel + row) * depth + term;
            copy_async<4 * VECTOR>(tile + row * ROW + place, group_weights + offset, valid);
        }
        term += DEPTH;
        tap.advance(DEPTH, inner, KW);
    };

    const int lane = thread % 32, warp = thread / 32, g = lane / 4, q = lane % 4;
    const int warp_pixel = warp / WARPS_ACROSS * WARP_PIXELS;
    const int warp_channel = warp % WARPS_ACROSS * WARP_CHANNELS;
    float sums[M][N][4] = {};

    auto read_columns = [&](int stage, int k, int i, unsigned (&fragment)[4]) {
        const float* columns = columns_tiles + stage * PIXELS * ROW;
        const float* row = columns + (warp_pixel + i * 16 + g) * ROW + k + q;
        fragment[0] = to_tf32(row[0]);
        fragment[1] = to_tf32(row[8 * ROW]);
        fragment[2] = to_tf32(row[4]);
        fragment[3] = to_tf32(row[8 * ROW + 4]);
    };
    auto read_weights = [&](int stage, int k, int j, unsigned (&fragment)[2]) {
        const float* tile = weights_tiles + stage * CHANNELS * ROW;
        const float* row = tile + (warp_channel + j * 8 + g) * ROW + k + q;
        fragment[0] = __float_as_uint(row[0]);  // `pack_weights` has rounded them
        fragment[1] = __float_as_uint(row[4]);
    };
    multiply_tiles(sums, ceil_div(depth, DEPTH), copy_tiles, read_columns, read_weights);

#pragma unroll
    for (int i = 0; i < M; i++) {
#pragma unroll
        for (int j = 0; j < N; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int pixel = first_pixel + warp_pixel + i * 16 + g + e / 2 * 8;
                const int channel = first_channel + warp_channel + j * 8 + 2 * q + e % 2;
                if (pixel < pixels && channel < outer) {
                    const int target = group * outer + channel;
                    const float offset = bias == nullptr ? 0.0f : bias[target];
                    const float value = sums[i][j][e] + offset;
                    // NaN stays NaN, as in kernels/relu.
                    output[pixel * output_channels + target] = relu && value <= 0.0f ? 0.0f : value;
                }
            }
        }
    }
}

// Filters (OC, IC, KH, KW) in the order of the product, rounded to TF32:
//     forward    packed[group][oc][kh][kw][ic] = weight[group * OC/G + oc][ic][kh][kw]
//     flipped     packed[group][ic][kh][kw][oc] = weight[...][ic][KH - 1 - kh][KW - 1 - kw]
// `outer` and `inner` are the first and the last of the channels in a group of `packed`.
template <typename Real>
__global__ void pack_weights(
    const Real* weight, Real* packed, Index count, int outer, int inner, int KH, int KW,
    bool flipped
) {
    for (Index i = first_index(); i < count; i += index_step()) {
        const int c = i % inner, kw = i / inner % KW, kh = i / inner / KW % KH;
        const Index row = i / inner / KW / KH;
        const Index group = row / outer;
        const int r = row - group * outer;
        Index source;
        if (flipped) {
            source = (((group * inner + c) * outer + r) * KH + KH - 1 - kh) * KW + KW - 1 - kw;
        } else {
            source = ((row * inner + c) * KH + kh) * KW + kw;
        }
        packed[i] = __uint_as_float(to_tf32(weight[source]));
    }
}

// Grid: x tiles of oc times tiles of k, y groups, z parts of the sum over the pixels.
// partial: [parts][groups][outer][KH * KW * inner].
template <int CHANNELS, int VECTOR>
__global__ void __launch_bounds__(THREADS, BLOCKS<VECTOR>) weight_gradient(
    const float* __restrict__ images, const float* __restrict__ grad_output,
    float* __restrict__ partial, int pixels, int inner, int outer, int output_channels, int H,
    int W, int image_channels, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW
) {
    const Windows windows = {H, W, image_channels, OH, OW, KH, KW, SH, SW, PH, PW};
    constexpr int WARPS_ACROSS = 4;  // along the columns; 2 along the channels
    constexpr int WARP_CHANNELS = CHANNELS / 2, WARP_COLUMNS = COLUMNS / WARPS_ACROSS;
    constexpr int M = WARP_CHANNELS / 16, N = WARP_COLUMNS / 8;
    constexpr int A_ROW = CHANNELS + SKEW, B_ROW = COLUMNS + SKEW;
    constexpr int VECTORS = COLUMNS / VECTOR;
    constexpr int ROWS_AT_ONCE = THREADS / VECTORS;
    constexpr int MY_ROWS = DEPTH / ROWS_AT_ONCE;

    extern __shared__ __align__(16) float memory[];
    float* gradient_tiles = memory;                          // [STAGES][DEPTH][A_ROW]
    float* columns_tiles = memory + STAGES * DEPTH * A_ROW;  // [STAGES][DEPTH][B_ROW]

    const int thread = threadIdx.x, group = blockIdx.y;
    const int depth = KH * KW * inner;
    const int column_tiles = ceil_div(depth, COLUMNS);
    const int first_channel = blockIdx.x / column_tiles * CHANNELS;
    const int first_column = blockIdx.x % column_tiles * COLUMNS;

    // This block's part of the pixels, whole tiles but for the last.
    const int all_steps = ceil_div(pixels, DEPTH);
    const int first_step = (Index)all_steps * blockIdx.z / gridDim.z;
    const int steps = (Index)all_steps * (blockIdx.z + 1) / gridDim.z - first_step;

    // A thread copies the same column of several pixels.
    const int place = thread % VECTORS * VECTOR, first_row = thread / VECTORS;
    Tap tap = {0, 0, 0};
    tap.advance(first_column + place, inner, KW);
    const bool column_exists = first_column + place < depth;
    int pixel = first_step * DEPTH + first_row;  // of the first of them
    int n[MY_ROWS], oh[MY_ROWS], ow[MY_ROWS];
#pragma unroll
    for (int i = 0; i < MY_ROWS; i++) {
        const int mine = pixel + i * ROWS_AT_ONCE;
        n[i] = mine / (OH * OW);
        oh[i] = (mine - n[i] * (OH * OW)) / OW;
        ow[i] = mine - (n[i] * OH + oh[i]) * OW;
    }

    auto copy_tiles = [&](int stage) {
        float* columns = columns_tiles + stage * DEPTH * B_ROW;
        const int shift = shift_of(tap, windows);
#pragma unroll
        for (int i = 0; i < MY_ROWS; i++) {
            const bool exists = pixel + i * ROWS_AT_ONCE < pixels;
            const Corner corner = corner_of(n[i], oh[i], ow[i], exists, group * inner, windows);
            float* shared = columns + (first_row + i * ROWS_AT_ONCE) * B_ROW + place;
            copy_tap<VECTOR>(shared, images, corner, tap, shift, column_exists, windows);
            ow[i] += DEPTH;
            while (ow[i] >= OW) {
                ow[i] -= OW;
                if (++oh[i] == OH) {
                    oh[i] = 0;
                    n[i]++;
                }
            }
        }
        float* tile = gradient_tiles + stage * DEPTH * A_ROW;
        const int tile_pixel = pixel - first_row;
#pragma unroll
        for (int i = 0; i < ceil_div(DEPTH * CHANNELS / VECTOR, THREADS); i++) {
            const int j = thread + i * THREADS;
            if (DEPTH * CHANNELS / VECTOR % THREADS != 0 && j >= DEPTH * CHANNELS / VECTOR) break;
            const int row = j / (CHANNELS / VECTOR), channel = j % (CHANNELS / VECTOR) * VECTOR;
            const bool valid = tile_pixel + row < pixels && first_channel + channel < outer;
            const int offset =
                (tile_pixel + row) * output_channels + group * outer + first_channel + channel;
            copy_async<4 * VECTOR>(tile + row * A_ROW + channel, grad_output + offset, valid);
        }
        pixel += DEPTH;
    };

    const int lane = thread % 32, warp = thread / 32, g = lane / 4, q = lane % 4;
    const int warp_channel = warp / WARPS_ACROSS * WARP_CHANNELS;
    const int warp_column = warp % WARPS_ACROSS * WARP_COLUMNS;
    float sums[M][N][4] = {};

    auto read_gradients = [&](int stage, int k, int i, unsigned (&fragment)[4]) {
        const float* tile = gradient_tiles + stage * DEPTH * A_ROW;
        const float* column = tile + (k + q) * A_ROW + warp_channel + i * 16 + g;
        fragment[0] = to_tf32(column[0]);
        fragment[1] = to_tf32(column[8]);
        fragment[2] = to_tf32(column[4 * A_ROW]);
        fragment[3] = to_tf32(column[4 * A_ROW + 8]);
    };
    auto read_columns = [&](int stage, int k, int j, unsigned (&fragment)[2]) {
        const float* columns = columns_tiles + stage * DEPTH * B_ROW;
        const float* column = columns + (k + q) * B_ROW + warp_column + j * 8 + g;
        fragment[0] = to_tf32(column[0]);
        fragment[1] = to_tf32(column[4 * B_ROW]);
    };
    multiply_tiles(sums, steps, copy_tiles, read_gradients, read_columns);

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

// grad_weight[oc][ic][kh][kw] = sum over the parts of partial[part][oc][kh][kw][ic].
template <typename Real>
__global__ void weight_gradient_total(
    const Real* partial, Real* grad_weight, Index count, int parts, int inner, int KH, int KW
) {
    for (Index i = first_index(); i < count; i += index_step()) {
        const int ic = i % inner, kw = i / inner % KW, kh = i / inner / KW % KH;
        const Index oc = i / inner / KW / KH;
        Real sum = 0;
        for (int part = 0; part < parts; part++) sum += partial[part * count + i];
        grad_weight[((oc * inner + ic) * KH + kh) * KW + kw] = sum;
    }
}
