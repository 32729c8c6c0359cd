// Kernels that are wrong, one for each class of defect, and what finds it (test_defects.py without,
// under_sanitizers.py with a sanitizer). All are called as kernel(y, x) with 64 floats each.
#include "ptx.cuh"

// ---- found by NaN, or by results that depend on the order of threads ----

template <class T>
__global__ void missing_barrier(T* y, const T* x) {
    __shared__ T shared[64];
    const int i = threadIdx.x;
    shared[i] = x[i];
    y[i] = shared[63 - i];
}

template <class T>
__global__ void missing_second_barrier(T* y, const T* x) {
    __shared__ T shared[64];
    const int i = threadIdx.x;
    T sum = 0;
    for (int round = 0; round < 4; round++) {
        shared[i] = x[(i + round) % 64];
        __syncthreads();
        sum += shared[63 - i];
    }
    y[i] = sum;
}

template <class T>
__global__ void warps_in_step(T* y, const T* x) {
    __shared__ T shared[64];
    const int i = threadIdx.x;
    shared[i] = x[i];
    if (i < 16) {
        shared[i] += shared[i + 16];
    }
    y[i] = shared[i];
}

template <class T>
__global__ void uninitialized_shared(T* y, const T* x) {
    __shared__ T shared[64];
    const int i = threadIdx.x;
    if (i > 0) {
        shared[i] = x[i];
    }
    __syncthreads();
    y[i] = shared[63 - i];
}

template <class T>
__global__ void atomic_sum_of_floats(T* y, const T* x) {
    atomicAdd(&y[0], x[threadIdx.x]);
}

template <class T>
__global__ void last_writer_wins(T* y, const T* x) {
    y[0] = x[threadIdx.x];
}

template <class T>
__global__ void copy_waited_too_late(T* y, const T* x) {
    __shared__ T shared[2][64];
    const int i = threadIdx.x;
    copy_async<4>(&shared[0][i], &x[i], true);
    copy_async_commit();
    copy_async<4>(&shared[1][i], &x[i], true);
    copy_async_commit();
    copy_async_wait<1>();
    y[i] = shared[1][i];
    copy_async_wait<0>();
}

// ---- reported as errors ----

template <class T>
__global__ void copy_never_waited_for(T* y, const T* x) {
    __shared__ T shared[64];
    copy_async<4>(&shared[threadIdx.x], &x[threadIdx.x], true);
    copy_async_commit();
}

template <class T>
__global__ void misaligned_copy(T* y, const T* x) {
    __shared__ __align__(16) T shared[80];
    copy_async<16>(&shared[4 * (threadIdx.x % 16)], &x[1], true);
    copy_async_commit();
    copy_async_wait<0>();
}

template <class T>
__global__ void misaligned_vector(T* y, const T* x) {
    const float2 pair = *reinterpret_cast<const float2*>(x + 1);
    y[threadIdx.x] = pair.x + pair.y;
}

template <class T>
__global__ void divergent_barrier(T* y, const T* x) {
    if (threadIdx.x < 32) {
        __syncthreads();
    } else {
        __syncthreads();
    }
}

template <class T>
__global__ void return_before_barrier(T* y, const T* x) {
    if (threadIdx.x > 50) {
        return;
    }
    __syncthreads();
}

template <class T>
__global__ void shuffle_by_half_a_warp(T* y, const T* x) {
    if (threadIdx.x < 16) {
        y[threadIdx.x] = __shfl_down_sync(0xffffffffu, x[threadIdx.x], 8);
    }
}

template <class T>
__global__ void shuffle_outside_mask(T* y, const T* x) {
    if (threadIdx.x < 16) {
        y[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, x[threadIdx.x], 16);
    }
}

template <class T>
__global__ void caller_outside_mask(T* y, const T* x) {
    y[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, x[threadIdx.x], 1);
}

template <class T>
__global__ void deadlock(T* y, const T* x) {
    if (threadIdx.x == 0) {
        __syncwarp();
    }
    __syncthreads();
}

template <class T>
__global__ void divergent_warp(T* y, const T* x) {
    if (threadIdx.x % 2) {
        __syncwarp();
    } else {
        __syncwarp();
    }
}

template <class T>
__global__ void index_out_of_declared_bounds(T* y, const T* x) {
    __shared__ T shared[4][4];
    shared[0][threadIdx.x % 8] = x[threadIdx.x];
}

template <class T>
__global__ void division_by_zero(T* y, const T* x) {
    y[threadIdx.x] = 64 / threadIdx.x;
}

template <class T>
__global__ void integer_overflow(T* y, const T* x) {
    const int size = 1 << 16;
    y[threadIdx.x] = size * int(blockDim.x) * size / size;
}

template <class T>
__global__ void trap(T* y, const T* x) {
    if (threadIdx.x == 7) {
        __trap();
    }
}

template <class T>
__global__ void too_much_static_shared(T* y, const T* x) {
    __shared__ T shared[1 << 14];
    shared[threadIdx.x] = x[threadIdx.x];
}

template <class T>
__global__ void dynamic_shared_not_given(T* y, const T* x) {
    extern __shared__ T shared[];
    shared[threadIdx.x] = x[threadIdx.x];
}

// ---- found by AddressSanitizer only ----

template <class T>
__global__ void read_out_of_bounds(T* y, const T* x) {
    y[threadIdx.x] = x[threadIdx.x + 1];
}

template <class T>
__global__ void write_out_of_bounds(T* y, const T* x) {
    y[threadIdx.x + 1] = x[threadIdx.x];
}

template <class T>
__global__ void shared_out_of_bounds(T* y, const T* x) {
    __shared__ T shared[63];
    T* const start = shared;
    start[threadIdx.x] = x[threadIdx.x];
}

template <class T>
__global__ void dynamic_shared_out_of_bounds(T* y, const T* x) {
    extern __shared__ T dynamic_shared[];
    dynamic_shared[threadIdx.x + 1] = x[threadIdx.x];
}

template <class T>
__global__ void copy_out_of_bounds(T* y, const T* x) {
    __shared__ T shared[64];
    copy_async<4>(&shared[threadIdx.x], &x[threadIdx.x + 1], true);
    copy_async_commit();
    copy_async_wait<0>();
}

// ---- found by ThreadSanitizer only ----

template <class T>
__global__ void sum_without_atomic(T* y, const T* x) {
    y[0] += x[threadIdx.x];
}

template <class T>
__global__ void race_between_blocks(T* y, const T* x) {
    y[threadIdx.x] += x[threadIdx.x];
}

template <class T>
__global__ void race_across_a_shuffle(T* y, const T* x) {
    __shared__ T shared[64];
    const int i = threadIdx.x;
    shared[i] = x[i];
    __shfl_sync(0xffffffffu, 0, 0);  // makes lanes meet, but orders no memory
    y[i] = shared[i ^ 1];
}
