// Bias. A row is what belongs to one pixel, or to one image behind a linear layer: C numbers that
// are neighbors in memory. A block takes ROWS rows and CHANNELS = 32 channels at a time (both are
// defined in cuda.py), so that a warp reads a cache line.
#include "../shared/bfloat16.cuh"
#include "../shared/common.cuh"

template <typename Real>
__global__ void bias_forward(
    const Real* input, const Arithmetic<Real>* bias, Real* output, Index rows, int channels
) {
    for (Index row = (Index)blockIdx.x * ROWS + threadIdx.y; row < rows;
         row += (Index)gridDim.x * ROWS) {
        for (int c = threadIdx.x; c < channels; c += CHANNELS) {
            output[row * channels + c] = Real(input[row * channels + c] + bias[c]);
        }
    }
}

// partial[part][c] = sum over the rows of a part, in double. Block (x, y): 32 channels, one part.
// With the output of a ReLU, its grad_input is written, and that is summed.
template <typename Real>
__global__ void bias_partial_sums(
    const Real* grad_output, const Real* output, Real* grad_input, double* partial, Index rows,
    int channels
) {
    __shared__ double sums[ROWS][CHANNELS];
    const int parts = gridDim.y, part = blockIdx.y;
    const Index first = rows * part / parts, last = rows * (part + 1) / parts;
    const int c = blockIdx.x * CHANNELS + threadIdx.x;
    double sum = 0;
    if (c < channels) {
        for (Index row = first + threadIdx.y; row < last; row += ROWS) {
            const Index i = row * channels + c;
            Real grad = grad_output[i];
            if (output != nullptr) {
                if (output[i] <= Real(0)) grad = Real(0);
                grad_input[i] = grad;
            }
            sum += grad;
        }
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && c < channels) {
        for (int y = 1; y < ROWS; y++) sum += sums[y][threadIdx.x];
        partial[(Index)part * channels + c] = sum;
    }
}

template <typename Real>
__global__ void bias_total(
    const double* partial, Arithmetic<Real>* grad_bias, int parts, int channels
) {
    for (Index c = first_index(); c < channels; c += index_step()) {
        double sum = 0;
        for (int part = 0; part < parts; part++) sum += partial[(Index)part * channels + c];
        grad_bias[c] = Arithmetic<Real>(sum);
    }
}
