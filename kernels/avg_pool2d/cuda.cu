// Average pooling of images (N, H, W, C). Work is divided as in max-pooling.
#include "../shared/bfloat16.cuh"
#include "../shared/common.cuh"

template <typename Real>
__global__ void avg_pool2d_forward(
    const Real* input, Real* output, Index rows, int channels, int H, int W, int OH, int row_size,
    int KH, int KW, int SH, int SW, int PH, int PW
) {
    const Arithmetic<Real> size = Arithmetic<Real>(KH) * Arithmetic<Real>(KW);
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Index n = row / OH;
        const int oh = row % OH;
        const int top = max(0, oh * SH - PH), bottom = min(H, oh * SH - PH + KH);
        for (int i = threadIdx.x; i < row_size; i += blockDim.x) {
            const int ow = i / channels, c = i - ow * channels;
            const int left = max(0, ow * SW - PW), right = min(W, ow * SW - PW + KW);
            Arithmetic<Real> total = 0;
            for (int h = top; h < bottom; h++) {
                for (int w = left; w < right; w++) {
                    total += input[((n * H + h) * W + w) * channels + c];
                }
            }
            output[row * row_size + i] = Real(total / size);
        }
    }
}

template <typename Real>
__global__ void avg_pool2d_backward(
    const Real* grad_output, Real* grad_input, Index rows, int channels, int H, int OH, int OW,
    int row_size, int KH, int KW, int SH, int SW, int PH, int PW
) {
    const Arithmetic<Real> size = Arithmetic<Real>(KH) * Arithmetic<Real>(KW);
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Index n = row / H;
        const int h = row % H;
        // The windows that hold row h: oh * SH - PH <= h < oh * SH - PH + KH.
        const int first_oh = ceil_div(max(0, h + PH - KH + 1), SH);
        const int last_oh = min(OH - 1, (h + PH) / SH);
        for (int i = threadIdx.x; i < row_size; i += blockDim.x) {
            const int w = i / channels, c = i - w * channels;
            const int first_ow = ceil_div(max(0, w + PW - KW + 1), SW);
            const int last_ow = min(OW - 1, (w + PW) / SW);
            Arithmetic<Real> total = 0;
            for (int oh = first_oh; oh <= last_oh; oh++) {
                for (int ow = first_ow; ow <= last_ow; ow++) {
                    total += grad_output[((n * OH + oh) * OW + ow) * channels + c];
                }
            }
            grad_input[row * row_size + i] = Real(total / size);
        }
    }
}
