// Linear interpolation in place. One element a thread and step; 3 arrays moved once.
#include "../shared/common.cuh"

template <typename Real>
__global__ void lerp_update(Real* start, const Real* end, Real weight, Index count) {
    for (Index i = first_index(); i < count; i += index_step()) {
        const Real s = start[i];
        start[i] = s + weight * (end[i] - s);
    }
}
