// Products of two tiles in shared memory, on tensor cores: in TF32, of tiles of float, and in
// bfloat16. In bytes both are alike: an instruction multiplies 32 bytes of each row.
//
// Shared memory holds rows of whole chunks, 16 bytes each. The 32 banks are eight chunks wide, and
// what a warp reads or writes together are eight chunks of different rows, most often at the same
// place. So each row has its chunks in another order (`swizzled`): the eight then lie in different
// banks.
//
// STAGES and ROW_BYTES are defined in cuda_implicit_gemm.py.
#pragma once
#include "../shared/bfloat16.cuh"

constexpr int CHUNK = 16;       // bytes
constexpr int STEP_BYTES = 32;  // of a row that one instruction multiplies: two chunks

// A factor in the form in which the tensor cores take it.
__device__ __forceinline__ void round_factor(float x, float& factor) {
    factor = __uint_as_float(to_tf32(x));
}
__device__ __forceinline__ void round_factor(float x, bfloat16& factor) { factor = bfloat16(x); }

// Images of float have more digits than TF32.
__device__ __forceinline__ unsigned rounded_fragment(unsigned bits, float) {
    return to_tf32(__uint_as_float(bits));
}
__device__ __forceinline__ unsigned rounded_fragment(unsigned bits, bfloat16) { return bits; }

__device__ __forceinline__ void multiply(
    float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2], float
) {
    mma_tf32(sums, a, b);
}
__device__ __forceinline__ void multiply(
    float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2], bfloat16
) {
    mma_bfloat16(sums, a, b);
}

// sums += the products of `steps` pairs of tiles, by all threads of a block together.
//
//     copy_tiles(stage)             starts to copy the next pair to a stage of shared memory
//     read_a(stage, k, fragments)   the warp's part of A, the k-th STEP_BYTES of the sum
//     read_b(stage, k, j, fragments)   columns 8 j to 8 j + 15 of its part of B, the same terms
//
// The copies are STAGES - 1 pairs ahead of the products.
template <typename Real, int M, int N, class CopyTiles, class ReadA, class ReadB>
__device__ __forceinline__ void multiply_tiles(
    float (&sums)[M][N][4], int steps, CopyTiles copy_tiles, ReadA read_a, ReadB read_b
) {
#pragma unroll
    for (int stage = 0; stage < STAGES - 1; stage++) {
        if (stage < steps) copy_tiles(stage);
        copy_async_commit();
    }
    int stage = 0;
    for (int step = 0; step < steps; step++) {
        // The tiles of this step have arrived, for all threads; and all have used the previous
        // ones, to whose memory the next copies go.
        copy_async_wait<STAGES - 2>();
        __syncthreads();
#pragma unroll
        for (int k = 0; k < ROW_BYTES / STEP_BYTES; k++) {
            if (k == 1 && step + STAGES - 1 < steps) {
                copy_tiles(stage == 0 ? STAGES - 1 : stage - 1);
            }
            unsigned a[M][4];
            read_a(stage, k, a);
#pragma unroll
            for (int j = 0; j < N; j += 2) {
                unsigned b[2][2];
                read_b(stage, k, j, b);
#pragma unroll
                for (int i = 0; i < M; i++) {
                    multiply(sums[i][j], a[i], b[0], Real());
                    if (j + 1 < N) multiply(sums[i][j + 1], a[i], b[1], Real());
                }
            }
        }
        copy_async_commit();
        stage = stage == STAGES - 1 ? 0 : stage + 1;
    }
    copy_async_wait<0>();
}

// Where byte `place` of a row of ROW_BYTES lies: two rows are as wide as the banks.
__device__ __forceinline__ int swizzled(int row, int place) {
    return row * ROW_BYTES + (place ^ (row / 2 % 4 * CHUNK));
}

// How a tile of the weight gradient, of rows of WIDTH bytes, has its chunks in each row. A warp
// reads eight rows of bfloat16 at one place; of float, four rows at two places beside each other.
template <int WIDTH>
__device__ __forceinline__ int swizzled_gradient(int row, int place, float) {
    return row * WIDTH + (place ^ (row % 4 * 2 * CHUNK));
}
template <int WIDTH>
__device__ __forceinline__ int swizzled_gradient(int row, int place, bfloat16) {
    // The banks are eight chunks wide. Rows of 4, 12 or 20 chunks begin in the middle of them.
    constexpr bool FILLS_BANKS = WIDTH % (8 * CHUNK) == 0;
    return row * WIDTH + (place ^ (FILLS_BANKS ? row % 8 : row / 2 % 4) * CHUNK);
}

// Rows `first` to `first` + 16 M - 1 of A: the transposed of what is in a tile, where a row is a
// pixel. k: the k-th pixels that one instruction multiplies.
template <int WIDTH, int M>
__device__ __forceinline__ void read_transposed_a(
    const char* tile, int k, int first, unsigned (&fragments)[M][4], bfloat16
) {
    const int lane = threadIdx.x % 32, row = k * 16 + lane / 16 * 8 + lane % 8;
#pragma unroll
    for (int i = 0; i < M; i++) {
        const int place = (first + i * 16) * 2 + lane / 8 % 2 * CHUNK;
        load_matrices<4, true>(
            fragments[i], tile + swizzled_gradient<WIDTH>(row, place, bfloat16())
        );
    }
}
template <int WIDTH, int M>
__device__ __forceinline__ void read_transposed_a(
    const char* tile, int k, int first, unsigned (&fragments)[M][4], float
) {
    const int lane = threadIdx.x % 32, g = lane / 4, q = lane % 4;
#pragma unroll
    for (int i = 0; i < M; i++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const int row = k * 8 + q + e / 2 * 4, place = (first + i * 16 + g + e % 2 * 8) * 4;
            const char* source = tile + swizzled_gradient<WIDTH>(row, place, 0.0f);
            fragments[i][e] = to_tf32(*reinterpret_cast<const float*>(source));
        }
    }
}

// Columns `first` to `first` + 15 of B, likewise.
template <int WIDTH>
__device__ __forceinline__ void read_transposed_b(
    const char* tile, int k, int first, unsigned (&fragments)[2][2], bfloat16
) {
    const int lane = threadIdx.x % 32, row = k * 16 + lane % 16;
    const int place = first * 2 + lane / 16 * CHUNK;
    load_matrices<4, true>(fragments[0], tile + swizzled_gradient<WIDTH>(row, place, bfloat16()));
}
template <int WIDTH>
__device__ __forceinline__ void read_transposed_b(
    const char* tile, int k, int first, unsigned (&fragments)[2][2], float
) {
    const int lane = threadIdx.x % 32, g = lane / 4, q = lane % 4;
#pragma unroll
    for (int e = 0; e < 4; e++) {
        const int row = k * 8 + q + e % 2 * 4, place = (first + e / 2 * 8 + g) * 4;
        const char* source = tile + swizzled_gradient<WIDTH>(row, place, 0.0f);
        fragments[e / 2][e % 2] = to_tf32(*reinterpret_cast<const float*>(source));
    }
}
