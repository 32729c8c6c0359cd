// Local response normalization and max-pooling of (N, H, W, C), without the array between them. A
// warp takes a pixel at a time, its LANES threads neighboring channels (cuda.py defines LANES): no
// sum crosses a warp. Forward keeps the normalized pixels of a tile in shared memory. Backward
// gathers the gradient of a normalized pixel from the windows whose maximum it is, so that sums
// need no atomics. Bytes: every array once; where the windows of two tiles overlap, the input
// comes from the cache again.
#include "../shared/bfloat16.cuh"
#include "../shared/common.cuh"
#include "../local_response_norm/pixel.cuh"
#include "../max_pool2d/window.cuh"

// A block takes tile_rows x tile_columns pixels of the output, cut where the image ends.
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
    for (Index tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const Index band = tile / tiles_across, n = band / tiles_down;
        const int oh0 = int(band % tiles_down) * tile_rows, oh1 = min(oh0 + tile_rows, OH);
        const int ow0 = int(tile % tiles_across) * tile_columns, ow1 = min(ow0 + tile_columns, OW);
        // The pixels of the input that the windows of the tile hold.
        const int top = max(0, oh0 * SH - PH), left = max(0, ow0 * SW - PW);
        const int rows = min(H, (oh1 - 1) * SH - PH + KH) - top;
        const int columns = min(W, (ow1 - 1) * SW - PW + KW) - left;
        for (int p = warp; p < rows * columns; p += warps) {
            const int h = top + p / columns, w = left + p % columns;
            const Real* x = input + ((n * H + h) * W + w) * C;
            for (int c = lane; c < C; c += LANES) {
                Arithmetic<Real> inverse;
                const Arithmetic<Real> s = scale_of(x + c, c, C, before, after, alpha, k);
                normalized[p * C + c] = Real(x[c] * power_of(s, beta, inverse));
            }
        }
        __syncthreads();
        for (int o = warp; o < (oh1 - oh0) * (ow1 - ow0); o += warps) {
            const int oh = oh0 + o / (ow1 - ow0), ow = ow0 + o % (ow1 - ow0);
            const int h0 = max(0, oh * SH - PH), h1 = min(H, oh * SH - PH + KH);
            const int w0 = max(0, ow * SW - PW), w1 = min(W, ow * SW - PW + KW);
            for (int c = lane; c < C; c += LANES) {
                Real best = normalized[((h0 - top) * columns + w0 - left) * C + c];
                int position = h0 * W + w0;
                for (int h = h0; h < h1; h++) {
                    for (int w = w0; w < w1; w++) {
                        const Real value = normalized[((h - top) * columns + w - left) * C + c];
                        if (replaces(value, best)) {
                            best = value;
                            position = h * W + w;
                        }
                    }
                }
                const Index i = ((n * OH + oh) * OW + ow) * C + c;
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
