// SGD with momentum: u = a g + b w; v = m v + u; then w += s v, with Nesterov's momentum
// w += s (m v + u). One element a thread and step; 5 arrays moved once.
#include "../shared/common.cuh"

template <typename Real>
__global__ void sgd_update(
    Real* parameter, const Real* gradient, Real* velocity, Real momentum, Real gradient_factor,
    Real decay_factor, Real step_size, bool nesterov, Index count
) {
    for (Index i = first_index(); i < count; i += index_step()) {
        const Real w = parameter[i];
        const Real added = gradient_factor * gradient[i] + decay_factor * w;
        const Real v = momentum * velocity[i] + added;
        velocity[i] = v;
        parameter[i] = w + step_size * (nesterov ? momentum * v + added : v);
    }
}
