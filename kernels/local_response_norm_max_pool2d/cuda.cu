// Local response normalization and max-pooling of (N, H, W, C), without the array between them. A
// warp takes a pixel at a time, its LANES threads neighboring channels (cuda.py defines LANES): no
// sum crosses a warp. Forward keeps the normalized pixels of a tile in shared memory. Backward
// gathers the gradient of a normalized pixel from the windows whose maximum it is, so that sums
// need no atomics. Bytes: every array once; where the windows of two tiles overlap, the input
// comes from the cache again.
//
// Where a warp has room for all channels of a pixel, and windows hold five of them, each lane keeps
// V neighbors in registers and gets those on both sides from the lanes beside it (the kernels whose
// names end with "_vector"). The others are for any number of channels.
#include "../shared/bfloat16.cuh"
#include "../shared/common.cuh"
#include "../local_response_norm/pixel.cuh"
#include "../max_pool2d/window.cuh"
#include "channels.cuh"

// Pixels of the output, oh0 to oh1 - 1 by ow0 to ow1 - 1 of image n, and those of the input that
// their windows hold.
struct Tile {
    Index n;
    int oh0, oh1, ow0, ow1, top, left, rows, columns;
};

// Tiles have tile_rows x tile_columns pixels of the output, cut where the image ends.
__device__ __forceinline__ Tile tile_at(
    Index tile, int tiles_down, int tiles_across, int tile_rows, int tile_columns, int H, int W,
    int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW
) {
    const Index band = tile / tiles_across, n = band / tiles_down;
    const int oh0 = int(band % tiles_down) * tile_rows, oh1 = min(oh0 + tile_rows, OH);
    const int ow0 = int(tile % tiles_across) * tile_columns, ow1 = min(ow0 + tile_columns, OW);
    const int top = max(0, oh0 * SH - PH), left = max(0, ow0 * SW - PW);
    const int rows = min(H, (oh1 - 1) * SH - PH + KH) - top;
    const int columns = min(W, (ow1 - 1) * SW - PW + KW) - left;
    return {n, oh0, oh1, ow0, ow1, top, left, rows, columns};
}

// A block takes a tile at a time.
template <typename Real>
__global__ void local_response_norm_max_pool2d_forward(
    const Real* input, Real* output, int* argmax, Index tiles, int tiles_down, int tiles_across,
    int tile_rows, int tile_columns, int C, int H, int W, int OH, int OW, int KH, int KW, int SH,
    int SW, int PH, int PW, int before, int after, Arithmetic<Real> alpha, Arithmetic<Real> beta,
    Arithmetic<Real> k
) {
    extern __shared__ double memory[];
    Real* normalized = reinterpret_cast<Real*>(memory);  // rows * columns pixels
    const int lane = threadIdx.x, warp = threadIdx.y, warps = blockDim.y;
    for (Index number = blockIdx.x; number < tiles; number += gridDim.x) {
        const Tile tile = tile_at(
            number, tiles_down, tiles_across, tile_rows, tile_columns, H, W, OH, OW, KH, KW, SH, SW,
            PH, PW
        );
        for (int p = warp; p < tile.rows * tile.columns; p += warps) {
            const int h = tile.top + p / tile.columns, w = tile.left + p % tile.columns;
            const Real* x = input + ((tile.n * H + h) * W + w) * C;
            for (int c = lane; c < C; c += LANES) {
                Arithmetic<Real> inverse;
                const Arithmetic<Real> s = scale_of(x + c, c, C, before, after, alpha, k);
                normalized[p * C + c] = Real(x[c] * power_of(s, beta, inverse));
            }
        }
        __syncthreads();
        const int across = tile.ow1 - tile.ow0;
        for (int o = warp; o < (tile.oh1 - tile.oh0) * across; o += warps) {
            const int oh = tile.oh0 + o / across, ow = tile.ow0 + o % across;
            const int h0 = max(0, oh * SH - PH), h1 = min(H, oh * SH - PH + KH);
            const int w0 = max(0, ow * SW - PW), w1 = min(W, ow * SW - PW + KW);
            for (int c = lane; c < C; c += LANES) {
                Real best = normalized[((h0 - tile.top) * tile.columns + w0 - tile.left) * C + c];
                int position = h0 * W + w0;
                for (int h = h0; h < h1; h++) {
                    for (int w = w0; w < w1; w++) {
                        const Real value =
                            normalized[((h - tile.top) * tile.columns + w - tile.left) * C + c];
                        if (replaces(value, best)) {
                            best = value;
                            position = h * W + w;
                        }
                    }
                }
                const Index i = ((tile.n * OH + oh) * OW + ow) * C + c;
                output[i] = best;
                argmax[i] = position;
            }
        }
        __syncthreads();
    }
}

// A block takes rows of the input, its warps the pixels of a row.
template <typename Real>
__global__ void local_response_norm_max_pool2d_backward(
    const Real* grad_output, const int* argmax, const Real* input, Real* grad_input, Index rows,
    int C, int H, int W, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW, int before,
    int after, Arithmetic<Real> alpha, Arithmetic<Real> beta, Arithmetic<Real> k
) {
    using Number = Arithmetic<Real>;
    extern __shared__ double memory[];
    const int lane = threadIdx.x, warp = threadIdx.y, warps = blockDim.y;
    Number* scaled = reinterpret_cast<Number*>(memory) + 2 * C * warp;  // grad * s^-beta
    Number* ratios = scaled + C;                                        // grad * x * s^(-beta - 1)
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Index n = row / H, first = n * OH * OW * C;
        const int h = row % H;
        const int first_oh = first_window(h, KH, SH, PH), last_oh = last_window(h, SH, PH, OH);
        for (int w = warp; w < W; w += warps) {
            const int first_ow = first_window(w, KW, SW, PW), last_ow = last_window(w, SW, PW, OW);
            const Real* x = input + (row * W + w) * C;
            for (int c = lane; c < C; c += LANES) {
                const Number grad = input_gradient(
                    grad_output + first + c, argmax + first + c, h * W + w, first_oh, last_oh,
                    first_ow, last_ow, OW, C
                );
                Number inverse;
                const Number s = scale_of(x + c, c, C, before, after, alpha, k);
                scaled[c] = grad * power_of(s, beta, inverse);
                ratios[c] = scaled[c] * x[c] * inverse;
            }
            __syncwarp();
            for (int c = lane; c < C; c += LANES) {
                const Number sum = sum_of_ratios(ratios + c, c, C, before, after);
                grad_input[(row * W + w) * C + c] =
                    Real(scaled[c] - Number(2) * alpha * beta * x[c] * sum);
            }
            __syncwarp();
        }
    }
}

// Forward, with all channels of a pixel in the registers of a warp, V in each lane.
template <typename Real, int V>
__global__ void local_response_norm_max_pool2d_forward_vector(
    const Real* input, Real* output, int* argmax, Index tiles, int tiles_down, int tiles_across,
    int tile_rows, int tile_columns, int C, int H, int W, int OH, int OW, int KH, int KW, int SH,
    int SW, int PH, int PW, Arithmetic<Real> alpha, Arithmetic<Real> beta, Arithmetic<Real> k
) {
    using Number = Arithmetic<Real>;
    extern __shared__ __align__(16) double memory[];
    Real* normalized = reinterpret_cast<Real*>(memory);  // rows * columns pixels
    const int c = V * threadIdx.x, warp = threadIdx.y, warps = blockDim.y;
    const bool has_channels = c < C;
    for (Index number = blockIdx.x; number < tiles; number += gridDim.x) {
        const Tile tile = tile_at(
            number, tiles_down, tiles_across, tile_rows, tile_columns, H, W, OH, OW, KH, KW, SH, SW,
            PH, PW
        );
        for (int p = warp; p < tile.rows * tile.columns; p += warps) {
            const int h = tile.top + p / tile.columns, w = tile.left + p % tile.columns;
            Number x[V] = {}, powers[V], inverses[V];
            if (has_channels) {
                const Neighbors<Real, V> loaded =
                    load<V>(input + ((tile.n * H + h) * W + w) * C + c);
#pragma unroll
                for (int i = 0; i < V; i++) x[i] = loaded.values[i];
            }
            powers_of(x, alpha, beta, k, powers, inverses);
            if (has_channels) {
                Neighbors<Real, V> result;
#pragma unroll
                for (int i = 0; i < V; i++) result.values[i] = Real(x[i] * powers[i]);
                store<V>(normalized + p * C + c, result);
            }
        }
        __syncthreads();
        const int across = tile.ow1 - tile.ow0;
        for (int o = warp; o < (tile.oh1 - tile.oh0) * across && has_channels; o += warps) {
            const int oh = tile.oh0 + o / across, ow = tile.ow0 + o % across;
            const int h0 = max(0, oh * SH - PH), h1 = min(H, oh * SH - PH + KH);
            const int w0 = max(0, ow * SW - PW), w1 = min(W, ow * SW - PW + KW);
            Neighbors<Real, V> best =
                load<V>(normalized + ((h0 - tile.top) * tile.columns + w0 - tile.left) * C + c);
            Neighbors<int, V> position;
#pragma unroll
            for (int i = 0; i < V; i++) position.values[i] = h0 * W + w0;
            for (int h = h0; h < h1; h++) {
                for (int w = w0; w < w1; w++) {
                    const Neighbors<Real, V> value = load<V>(
                        normalized + ((h - tile.top) * tile.columns + w - tile.left) * C + c
                    );
#pragma unroll
                    for (int i = 0; i < V; i++) {
                        if (replaces(value.values[i], best.values[i])) {
                            best.values[i] = value.values[i];
                            position.values[i] = h * W + w;
                        }
                    }
                }
            }
            const Index i = ((tile.n * OH + oh) * OW + ow) * C + c;
            store<V>(output + i, best);
            store<V>(argmax + i, position);
        }
        __syncthreads();
    }
}

// Backward, with all channels of a pixel in the registers of a warp, V in each lane.
template <typename Real, int V>
__global__ void local_response_norm_max_pool2d_backward_vector(
    const Real* grad_output, const int* argmax, const Real* input, Real* grad_input, Index rows,
    int C, int H, int W, int OH, int OW, int KH, int KW, int SH, int SW, int PH, int PW,
    Arithmetic<Real> alpha, Arithmetic<Real> beta, Arithmetic<Real> k
) {
    using Number = Arithmetic<Real>;
    const int c = V * threadIdx.x, warp = threadIdx.y, warps = blockDim.y;
    const bool has_channels = c < C;
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Index n = row / H, first = n * OH * OW * C + c;
        const int h = row % H;
        const int first_oh = first_window(h, KH, SH, PH), last_oh = last_window(h, SH, PH, OH);
        for (int w = warp; w < W; w += warps) {
            const int first_ow = first_window(w, KW, SW, PW), last_ow = last_window(w, SW, PW, OW);
            const Index pixel = (row * W + w) * C + c;
            Number x[V] = {}, grads[V] = {}, powers[V], inverses[V];
            if (has_channels) {
                const Neighbors<Real, V> loaded = load<V>(input + pixel);
#pragma unroll
                for (int i = 0; i < V; i++) x[i] = loaded.values[i];
                // As in input_gradient: in the order of the windows.
                for (int oh = first_oh; oh <= last_oh; oh++) {
                    for (int ow = first_ow; ow <= last_ow; ow++) {
                        const Index window = first + ((Index)oh * OW + ow) * C;
                        const Neighbors<int, V> positions = load<V>(argmax + window);
                        const Neighbors<Real, V> of_window = load<V>(grad_output + window);
#pragma unroll
                        for (int i = 0; i < V; i++) {
                            const bool is_maximum = positions.values[i] == h * W + w;
                            if (is_maximum) grads[i] += of_window.values[i];
                        }
                    }
                }
            }
            powers_of(x, alpha, beta, k, powers, inverses);
            Number ratios[V], wide[V + 2 * REACH];
#pragma unroll
            for (int i = 0; i < V; i++) {
                grads[i] *= powers[i];
                ratios[i] = grads[i] * x[i] * inverses[i];
            }
            with_neighbors(ratios, wide);
            if (has_channels) {
                Neighbors<Real, V> result;
#pragma unroll
                for (int i = 0; i < V; i++) {
                    Number sum = 0;
#pragma unroll
                    for (int j = i; j < i + WINDOW; j++) sum += wide[j];
                    result.values[i] = Real(grads[i] - Number(2) * alpha * beta * x[i] * sum);
                }
                store<V>(grad_input + pixel, result);
            }
        }
    }
}
