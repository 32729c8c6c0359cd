// Channels of a pixel that lie in the registers of a warp: V neighbors in each lane, those of all lanes
// in order. Needs common.cuh, bfloat16.cuh and pixel.cuh.
#pragma once

constexpr unsigned ALL_LANES = 0xffffffffu;
constexpr int REACH = 2;  // channels on each side in a window, which has five
constexpr int WINDOW = 2 * REACH + 1;

// V neighbors in memory, which one instruction moves, or two.
template <typename T, int V>
struct alignas(V * sizeof(T) < 16 ? V * sizeof(T) : 16) Neighbors {
    T values[V];
};

template <int V, typename T>
__device__ __forceinline__ Neighbors<T, V> load(const T* address) {
    return *reinterpret_cast<const Neighbors<T, V>*>(address);
}

template <int V, typename T>
__device__ __forceinline__ void store(T* address, const Neighbors<T, V>& neighbors) {
    *reinterpret_cast<Neighbors<T, V>*>(address) = neighbors;
}

// The values of a lane between REACH of the lane before and REACH of the one behind; zeros where
// there is none. By all lanes of a warp.
template <int V, typename Real>
__device__ __forceinline__ void with_neighbors(
    const Real (&values)[V], Real (&wide)[V + 2 * REACH]
) {
    const int lane = threadIdx.x;
#pragma unroll
    for (int i = 0; i < REACH; i++) {
        const Real before = __shfl_up_sync(ALL_LANES, values[V - REACH + i], 1);
        const Real behind = __shfl_down_sync(ALL_LANES, values[i], 1);
        wide[i] = lane == 0 ? Real(0) : before;
        wide[REACH + V + i] = lane == LANES - 1 ? Real(0) : behind;
    }
#pragma unroll
    for (int i = 0; i < V; i++) wide[REACH + i] = values[i];
}

// scale^-beta of each channel, and 1 / scale. x is 0 in lanes without channels.
template <int V, typename Real>
__device__ __forceinline__ void powers_of(
    const Real (&x)[V], Real alpha, Real beta, Real k, Real (&powers)[V], Real (&inverses)[V]
) {
    Real wide[V + 2 * REACH];
    with_neighbors(x, wide);
#pragma unroll
    for (int i = 0; i < V; i++) {
        Real sum = 0;  // as in scale_of, to the bit
#pragma unroll
        for (int j = i; j < i + WINDOW; j++) sum += wide[j] * wide[j];
        powers[i] = power_of(k + alpha * sum, beta, inverses[i]);
    }
}
