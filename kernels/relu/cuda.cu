// ReLU. One element a thread and step; neighboring threads take neighboring elements, so that
// a warp moves whole cache lines. Bytes: forward 2, backward 3 times the size of the array.
#include "../shared/bfloat16.cuh"
#include "../shared/common.cuh"

template <typename Real>
__global__ void relu_forward(const Real* input, Real* output, Index count) {
    for (Index i = first_index(); i < count; i += index_step()) {
        const Real x = input[i];
        output[i] = x <= Real(0) ? Real(0) : x;
    }
}

template <typename Real>
__global__ void relu_backward(
    const Real* grad_output, const Real* output, Real* grad_input, Index count
) {
    for (Index i = first_index(); i < count; i += index_step()) {
        grad_input[i] = output[i] <= Real(0) ? Real(0) : grad_output[i];
    }
}
