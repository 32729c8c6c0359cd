// Shared by all sources. Every kernel loops until its share of the work is done, so that a grid of
// any size computes everything.
#pragma once

typedef long long Index;  // of an element: an array may hold more than 2^31

__device__ __forceinline__ Index first_index() {
    return (Index)blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ Index index_step() { return (Index)gridDim.x * blockDim.x; }

__host__ __device__ constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
