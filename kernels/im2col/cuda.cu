// im2col of images (N, H, W, C): the window of an output pixel becomes a row of C * KH * KW
// elements, in the order of a filter's. Backward gathers: a thread owns an element of grad_input
// and adds up the places it was copied to.
#include "../shared/common.cuh"

template <typename Real>
__global__ void im2col_forward(
    const Real* input, Real* output, Index pixels, int channels, int H, int W, int OH, int OW,
    int KH, int KW, int SH, int SW, int PH, int PW
) {
    const int row_size = channels * KH * KW;
    for (Index pixel = blockIdx.x; pixel < pixels; pixel += gridDim.x) {
        const Index n = pixel / (OH * OW);
        const int position = pixel - n * (OH * OW), oh = position / OW, ow = position - oh * OW;
        for (int i = threadIdx.x; i < row_size; i += blockDim.x) {
            const int kw = i % KW, kh = i / KW % KH, c = i / (KW * KH);
            const int h = oh * SH + kh - PH, w = ow * SW + kw - PW;
            const bool inside = h >= 0 && h < H && w >= 0 && w < W;
            output[pixel * row_size + i] =
                inside ? input[((n * H + h) * W + w) * channels + c] : Real(0);
        }
    }
}

template <typename Real>
__global__ void im2col_backward(
    const Real* grad_output, Real* grad_input, Index rows, int channels, int H, int OH, int OW,
    int row_size, int KH, int KW, int SH, int SW, int PH, int PW
) {
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Index n = row / H;
        const int h = row % H;
        for (int i = threadIdx.x; i < row_size; i += blockDim.x) {
            const int w = i / channels, c = i - w * channels;
            Real total = 0;
            for (int kh = 0; kh < KH; kh++) {
                const int y = h + PH - kh, oh = y / SH;
                if (y < 0 || y % SH != 0 || oh >= OH) continue;
                for (int kw = 0; kw < KW; kw++) {
                    const int x = w + PW - kw, ow = x / SW;
                    if (x < 0 || x % SW != 0 || ow >= OW) continue;
                    const Index pixel = (n * OH + oh) * OW + ow;
                    total += grad_output[((pixel * channels + c) * KH + kh) * KW + kw];
                }
            }
            grad_input[row * row_size + i] = total;
        }
    }
}
