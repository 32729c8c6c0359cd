// From bytes to the input of the network, (N, H, W, 3). A block takes rows of the batch, its
// threads the row's pixels and colors. Bytes: 1 read and 4 written an element, 2 in bfloat16;
// where images are enlarged, 4 are read, of which nearly all are in the cache.
#include "../shared/bfloat16.cuh"
#include "../shared/common.cuh"

constexpr int COLORS = 3;

// A gray level between two, by weights in units of 2^-PRECISION_BITS.
__device__ int mixed(int a, int b, const int* weights) {
    return (a * weights[0] + b * weights[1] + (1 << (PRECISION_BITS - 1))) >> PRECISION_BITS;
}

__device__ float prepared(
    int gray, Index n, int h, int w, int c, int H, int W, const float* color_shift,
    const float* mean, bool has_mean_image, const float* scale
) {
    const float level = has_mean_image ? mean[((Index)c * H + h) * W + w] : mean[c];
    return (float(gray) + color_shift[n * COLORS + c] - level) * scale[c];
}

template <typename Real>
__global__ void prepare_images(
    const unsigned char* images, const bool* flips, const float* color_shift, const float* mean,
    bool has_mean_image, const float* scale, Real* output, Index rows, int H, int W
) {
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Index n = row / H;
        const int h = row % H;
        const unsigned char* source = images + row * W * COLORS;
        for (int i = threadIdx.x; i < W * COLORS; i += blockDim.x) {
            const int w = i / COLORS, c = i - w * COLORS;
            const int column = flips[n] ? W - 1 - w : w;
            output[row * W * COLORS + i] = Real(prepared(
                source[column * COLORS + c], n, h, w, c, H, W, color_shift, mean, has_mean_image,
                scale
            ));
        }
    }
}

template <typename Real>
__global__ void prepare_images_enlarged(
    const unsigned char* images, int side, const int* places, const int* first, const int* weights,
    const bool* flips, const float* color_shift, const float* mean, bool has_mean_image,
    const float* scale, Real* output, Index rows, int H, int W
) {
    for (Index row = blockIdx.x; row < rows; row += gridDim.x) {
        const Index n = row / H;
        const int h = row % H, y = places[2 * n] + h, left = places[2 * n + 1];
        const unsigned char* image = images + n * side * side * COLORS;
        const unsigned char* upper = image + first[y] * side * COLORS;
        const unsigned char* lower = image + min(first[y] + 1, side - 1) * side * COLORS;
        for (int i = threadIdx.x; i < W * COLORS; i += blockDim.x) {
            const int w = i / COLORS, c = i - w * COLORS;
            const int x = left + (flips[n] ? W - 1 - w : w);
            const int one = first[x] * COLORS + c, other = min(first[x] + 1, side - 1) * COLORS + c;
            const int gray = mixed(
                mixed(upper[one], upper[other], weights + 2 * x),
                mixed(lower[one], lower[other], weights + 2 * x), weights + 2 * y
            );
            output[row * W * COLORS + i] =
                Real(prepared(gray, n, h, w, c, H, W, color_shift, mean, has_mean_image, scale));
        }
    }
}
