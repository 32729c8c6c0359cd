// Max-pooling of images (N, H, W, C). A block takes rows of images, its threads the row's pixels
// and channels, so that a warp reads neighboring channels. Backward gathers: a thread owns an
// element of grad_input and visits the windows that hold it in row-major order, so that sums need
// no atomics. Bytes: every array once; windows that overlap are read from the cache.
#include "../shared/bfloat16.cuh"
#include "../shared/common.cuh"
#include "window.cuh"

template <typename Real>
__global__ void max_pool2d_forward(
    const Real* input, Real* output, int* argmax, Index rows, int channels, int H, int W, int OH,
    int row_size, int KH, int KW, int SH, int SW, int PH, int PW
) {
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Index n = row / OH;
        const int oh = row % OH;
        const int top = max(0, oh * SH - PH), bottom = min(H, oh * SH - PH + KH);
        for (int i = threadIdx.x; i < row_size; i += blockDim.x) {
            const int ow = i / channels, c = i - ow * channels;
            const int left = max(0, ow * SW - PW), right = min(W, ow * SW - PW + KW);
            Real best = input[((n * H + top) * W + left) * channels + c];
            int position = top * W + left;
            for (int h = top; h < bottom; h++) {
                for (int w = left; w < right; w++) {
                    const Real value = input[((n * H + h) * W + w) * channels + c];
                    if (replaces(value, best)) {
                        best = value;
                        position = h * W + w;
                    }
                }
            }
            output[row * row_size + i] = best;
            argmax[row * row_size + i] = position;
        }
    }
}

template <typename Real>
__global__ void max_pool2d_backward(
    const Real* grad_output, const int* argmax, Real* grad_input, Index rows, int channels, int H,
    int W, int OH, int OW, int row_size, int KH, int KW, int SH, int SW, int PH, int PW
) {
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Index n = row / H;
        const int h = row % H;
        const int first_oh = first_window(h, KH, SH, PH), last_oh = last_window(h, SH, PH, OH);
        for (int i = threadIdx.x; i < row_size; i += blockDim.x) {
            const int w = i / channels, c = i - w * channels;
            const int first_ow = first_window(w, KW, SW, PW), last_ow = last_window(w, SW, PW, OW);
            const Index first = n * OH * OW * channels + c;
            grad_input[row * row_size + i] = Real(input_gradient(
                grad_output + first, argmax + first, h * W + w, first_oh, last_oh, first_ow,
                last_ow, OW, channels
            ));
        }
    }
}
