// From bytes to the input of the network, (N, H, W, 3). A block takes rows of the batch, its
// threads the row's pixels and colors. Bytes: 1 read and 4 written an element.
#include "../shared/common.cuh"

constexpr int COLORS = 3;

template <typename Real>
__global__ void prepare_images(
    const unsigned char* images, const bool* flips, const Real* color_shift, const Real* mean,
    bool has_mean_image, const Real* scale, Real* output, Index rows, int H, int W
) {
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Index n = row / H;
        const int h = row % H;
        const unsigned char* source = images + row * W * COLORS;
        for (int i = threadIdx.x; i < W * COLORS; i += blockDim.x) {
            const int w = i / COLORS, c = i - w * COLORS;
            const int column = flips[n] ? W - 1 - w : w;
            const Real level = has_mean_image ? mean[((Index)c * H + h) * W + w] : mean[c];
            const Real value = Real(source[column * COLORS + c]) + color_shift[n * COLORS + c];
            output[row * W * COLORS + i] = (value - level) * scale[c];
        }
    }
}
