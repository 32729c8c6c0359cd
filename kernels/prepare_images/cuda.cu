// From bytes to the input of the network, (N, H, W, 3). A block takes rows of the output, its
// threads the row's pixels and colors. Bytes: 1 read and 4 written an element.
#include "../shared/common.cuh"

constexpr int COLORS = 3;

template <typename Real>
__global__ void prepare_images(
    const unsigned char* images, const int* offsets, const bool* flips, const Real* color_shift,
    const Real* mean, bool has_mean_image, Real scale, Real* output, Index rows, int H, int W,
    int OH, int OW
) {
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Index n = row / OH;
        const int oh = row % OH;
        const int top = offsets[2 * n], left = offsets[2 * n + 1];
        const unsigned char* source = images + ((n * H + top + oh) * W + left) * COLORS;
        for (int i = threadIdx.x; i < OW * COLORS; i += blockDim.x) {
            const int ow = i / COLORS, c = i - ow * COLORS;
            const int column = flips[n] ? OW - 1 - ow : ow;
            const Real level = has_mean_image ? mean[((Index)c * OH + oh) * OW + ow] : mean[c];
            const Real value = Real(source[column * COLORS + c]) + color_shift[n * COLORS + c];
            output[row * OW * COLORS + i] = (value - level) * scale;
        }
    }
}
