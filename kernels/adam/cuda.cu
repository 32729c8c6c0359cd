// Adam. One element a thread and step; 4 arrays read and 3 written, once.
#include "../shared/common.cuh"

template <typename Real>
__global__ void adam_update(
    Real* parameter, const Real* gradient, Real* first_moment, Real* second_moment,
    Real weight_decay, Real keep_first, Real add_first, Real keep_second, Real add_second,
    Real step_size, Real root_factor, Real eps, Index count
) {
    for (Index i = first_index(); i < count; i += index_step()) {
        const Real w = parameter[i];
        const Real g = gradient[i] + weight_decay * w;
        const Real m = keep_first * first_moment[i] + add_first * g;
        const Real v = keep_second * second_moment[i] + add_second * g * g;
        first_moment[i] = m;
        second_moment[i] = v;
        parameter[i] = w - step_size * m / (sqrt(v) * root_factor + eps);
    }
}
