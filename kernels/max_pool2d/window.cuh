// Max-pooling of one element, for the kernels with and without normalization; needs common.cuh
// and bfloat16.cuh.
#pragma once

// Of equal values the earlier one stays, and so does the first NaN.
template <typename Real>
__device__ __forceinline__ bool replaces(Real value, Real best) {
    return best == best && !(value <= best);
}

// The windows that hold row (or column) i, o * S - P <= i < o * S - P + K: the first and the last.
__device__ __forceinline__ int first_window(int i, int K, int S, int P) {
    return ceil_div(max(0, i + P - K + 1), S);
}

__device__ __forceinline__ int last_window(int i, int S, int P, int windows) {
    return min(windows - 1, (i + P) / S);
}

// The gradient of the input at `position`: the sum of grad_output over the windows whose maximum is
// there, in row-major order. Both pointers are to one channel of the image's first window.
template <typename Real>
__device__ __forceinline__ Arithmetic<Real> input_gradient(
    const Real* grad_output, const int* argmax, int position, int first_oh, int last_oh,
    int first_ow, int last_ow, int OW, int channels
) {
    Arithmetic<Real> total = 0;
    for (int oh = first_oh; oh <= last_oh; oh++) {
        for (int ow = first_ow; ow <= last_ow; ow++) {
            const Index window = ((Index)oh * OW + ow) * channels;
            if (argmax[window] == position) total += grad_output[window];
        }
    }
    return total;
}
