// Local response normalization across the channels of (..., C). The window of a channel is a run
// of adjacent elements, so a block takes TILE adjacent elements, one a thread, whatever pixels
// they belong to (cuda.py defines TILE). It keeps them in shared memory with the halo that windows
// at the ends need; a window is cut where its own pixel ends. Bytes: forward 2, backward 3 times
// the size of an array; nothing is saved for backward, which computes the sums again.
#include "../shared/bfloat16.cuh"
#include "../shared/common.cuh"
#include "pixel.cuh"

template <typename Real>
__global__ void local_response_norm_forward(
    const Real* input, Real* output, Index count, int channels, int before, int after,
    Arithmetic<Real> alpha, Arithmetic<Real> beta, Arithmetic<Real> k
) {
    using Number = Arithmetic<Real>;
    extern __shared__ double memory[];
    Number* values = reinterpret_cast<Number*>(memory);  // TILE + before + after
    for (Index start = (Index)blockIdx.x * TILE; start < count; start += (Index)gridDim.x * TILE) {
        for (int j = threadIdx.x; j < TILE + before + after; j += TILE) {
            const Index i = start - before + j;
            values[j] = i >= 0 && i < count ? Number(input[i]) : Number(0);
        }
        __syncthreads();
        const int t = threadIdx.x;
        if (start + t < count) {
            const int channel = (int(start % channels) + t) % channels;
            const Number* x = values + before + t;
            Number inverse;
            const Number s = scale_of(x, channel, channels, before, after, alpha, k);
            output[start + t] = Real(*x * power_of(s, beta, inverse));
        }
        __syncthreads();
    }
}

template <typename Real>
__global__ void local_response_norm_backward(
    const Real* grad_output, const Real* input, Real* grad_input, Index count, int channels,
    int before, int after, Arithmetic<Real> alpha, Arithmetic<Real> beta, Arithmetic<Real> k
) {
    using Number = Arithmetic<Real>;
    extern __shared__ double memory[];
    const int halo = before + after;
    Number* values = reinterpret_cast<Number*>(memory);  // TILE + 2 halo, from start - halo on
    // Of the elements whose windows hold one of the tile: start - after to start + TILE + before.
    Number* ratios = values + TILE + 2 * halo;  // grad_output * input * s^(-beta - 1)
    Number* scaled = ratios + TILE + halo;      // grad_output * s^-beta
    for (Index start = (Index)blockIdx.x * TILE; start < count; start += (Index)gridDim.x * TILE) {
        const int start_channel = start % channels;
        for (int j = threadIdx.x; j < TILE + 2 * halo; j += TILE) {
            const Index i = start - halo + j;
            values[j] = i >= 0 && i < count ? Number(input[i]) : Number(0);
        }
        __syncthreads();
        for (int j = threadIdx.x; j < TILE + halo; j += TILE) {
            const Index i = start - after + j;
            if (i < 0 || i >= count) continue;
            const int channel = (start_channel + channels - after + j) % channels;
            const Number* x = values + before + j;
            Number inverse;
            const Number s = scale_of(x, channel, channels, before, after, alpha, k);
            scaled[j] = grad_output[i] * power_of(s, beta, inverse);
            ratios[j] = scaled[j] * *x * inverse;
        }
        __syncthreads();
        const int t = threadIdx.x;
        if (start + t < count) {
            const int channel = (start_channel + t) % channels;
            const Number sum = sum_of_ratios(ratios + after + t, channel, channels, before, after);
            grad_input[start + t] =
                Real(scaled[after + t] - Number(2) * alpha * beta * values[halo + t] * sum);
        }
        __syncthreads();
    }
}
