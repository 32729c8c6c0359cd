// SGD with momentum: v = m v + a g + b w, then w += s v. One element a thread and step; 5 arrays
// moved once.
#include "../shared/common.cuh"

template <typename Real>
__global__ void sgd_update(
    Real* parameter, const Real* gradient, Real* velocity, Real momentum, Real gradient_factor,
    Real decay_factor, Real step_size, Index count
) {
    for (Index i = first_index(); i < count; i += index_step()) {
        const Real w = parameter[i];
        const Real v = momentum * velocity[i] + (gradient_factor * gradient[i] + decay_factor * w);
        velocity[i] = v;
        parameter[i] = w + step_size * v;
    }
}
