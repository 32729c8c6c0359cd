// Kernels that are right, one for each thing that the emulator emulates. Their results are compared
// with NumPy's in test_kernels.py, and no sanitizer may find anything in them.
#include "ptx.cuh"

// y = scale * x + offset, by a loop over what the grid leaves.
struct Line {
    float scale;
    float offset;
};

template <class T>
__global__ void line(const T* __restrict__ x, T* __restrict__ y, long long count, Line line) {
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        y[i] = T(line.scale) * __ldg(&x[i]) + T(line.offset);
    }
}

// c[M][N] = a[M][K] b[K][N], a tile of both in shared memory at a time.
template <class T, int TILE>
__global__ void __launch_bounds__(TILE* TILE) matmul(
    const T* __restrict__ a, const T* __restrict__ b, T* __restrict__ c, int M, int N, int K
) {
    __shared__ T tile_a[TILE][TILE], tile_b[TILE][TILE];
    const int x = threadIdx.x, y = threadIdx.y;
    const int row = blockIdx.y * TILE + y;
    const int column = blockIdx.x * TILE + x;
    T sum = 0;
    for (int k0 = 0; k0 < K; k0 += TILE) {
        tile_a[y][x] = row < M && k0 + x < K ? a[row * K + k0 + x] : T(0);
        tile_b[y][x] = column < N && k0 + y < K ? b[(k0 + y) * N + column] : T(0);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < TILE; k++) {
            sum += tile_a[y][k] * tile_b[k][x];
        }
        __syncthreads();
    }
    if (row < M && column < N) {
        c[row * N + column] = sum;
    }
}

// sums[row] of x[rows][columns]: a block per row, shuffles in warps, shared memory between them.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
    for (int distance = 16; distance > 0; distance /= 2) {
        value += __shfl_down_sync(0xffffffffu, value, distance);
    }
    return value;
}

template <class T>
__global__ void row_sum(const T* x, T* sums, int columns) {
    __shared__ T partial[32];
    T sum = 0;
    for (int column = threadIdx.x; column < columns; column += blockDim.x) {
        sum += x[(long long)blockIdx.x * columns + column];
    }
    sum = warp_sum(sum);
    if (threadIdx.x % warpSize == 0) {
        partial[threadIdx.x / warpSize] = sum;
    }
    __syncthreads();
    if (threadIdx.x < warpSize) {
        sum = warp_sum(threadIdx.x < blockDim.x / warpSize ? partial[threadIdx.x] : T(0));
        if (threadIdx.x == 0) {
            sums[blockIdx.x] = sum;
        }
    }
}

// counts[value] of the values in x, and how many of them are odd, by votes.
template <class T>
__global__ void count(const int* x, T* counts, int* odd, int size) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < size) {
        atomicAdd(&counts[x[i]], 1);
    }
    const unsigned votes = __ballot_sync(0xffffffffu, i < size && x[i] % 2 == 1);
    if (threadIdx.x % warpSize == 0) {
        atomicAdd(odd, __popc(votes));
    }
}

// y[i] = x[i-1] + x[i] + x[i+1] in groups of 32 (zeros beyond them), by __syncwarp alone.
template <class T>
__global__ void neighbors(const T* x, T* y) {
    extern __shared__ __align__(16) unsigned char memory[];
    T* own = reinterpret_cast<T*>(memory) + threadIdx.x / 32 * 32;
    const int lane = threadIdx.x % 32;
    own[lane] = x[threadIdx.x];
    __syncwarp();
    const T left = lane > 0 ? own[lane - 1] : T(0);
    const T right = lane < 31 ? own[lane + 1] : T(0);
    const T sum = left + own[lane] + right;
    __syncwarp();
    own[lane] = sum;
    __syncwarp();
    y[threadIdx.x] = own[lane];
}

// sums[i] = x[i] + x[i + size] + x[i + 2 size] + ...: STAGES - 1 copies are always on their way.
template <int STAGES>
__global__ void pipelined_sum(const float* x, float* sums, int size, int terms) {
    __shared__ __align__(16) float stage[STAGES][4 * 32];
    const int i = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
    auto start = [&](int term) {
        const bool valid = term < terms && i < size;
        const float* source = valid ? x + term * size + i : x;
        copy_async<16>(&stage[term % STAGES][4 * threadIdx.x], source, valid);
        copy_async_commit();
    };
    for (int term = 0; term < STAGES - 1; term++) {
        start(term);
    }
    float4 sum = make_float4(0, 0, 0, 0);
    for (int term = 0; term < terms; term++) {
        copy_async_wait<STAGES - 2>();
        const float* arrived = &stage[term % STAGES][4 * threadIdx.x];
        const float4 value = *reinterpret_cast<const float4*>(arrived);
        start(term + STAGES - 1);
        sum.x += value.x;
        sum.y += value.y;
        sum.z += value.z;
        sum.w += value.w;
    }
    copy_async_wait<0>();
    if (i < size) {
        *reinterpret_cast<float4*>(&sums[i]) = sum;
    }
}

// c[M][N] = a[M][K] b[K][N] on tensor cores, 16 x 8 of it per warp, M, N, K multiples of 16, 8, 8.
template <int WARPS>
__global__ void tensor_core_matmul(const float* a, const float* b, float* c, int M, int N, int K) {
    const int lane = threadIdx.x % 32, group = lane / 4, member = lane % 4;
    const int row = 16 * (blockIdx.y * WARPS + threadIdx.x / 32) + group;
    const int column = 8 * blockIdx.x;
    if (row - group >= M) {
        return;  // whole warps: mma_tf32 needs all lanes
    }
    float d[4] = {0, 0, 0, 0};
    for (int k = member; k < K; k += 8) {
        const float* upper = &a[row * K + k];
        const float* lower = upper + 8 * K;
        const unsigned fragment_a[4] = {
            to_tf32(upper[0]), to_tf32(lower[0]), to_tf32(upper[4]), to_tf32(lower[4])
        };
        const unsigned fragment_b[2] = {
            to_tf32(b[k * N + column + group]), to_tf32(b[(k + 4) * N + column + group])
        };
        mma_tf32(d, fragment_a, fragment_b);
    }
    for (int i = 0; i < 4; i++) {
        c[(row + i / 2 * 8) * N + column + 2 * member + i % 2] = d[i];
    }
}
