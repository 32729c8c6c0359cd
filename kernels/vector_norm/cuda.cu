// The Euclidean norm of an array, in double. The first kernel sums the squares of pieces of PIECE
// elements, a block a piece; the second adds the sums of the pieces in one block. What a thread
// takes, and the tree in which the threads' sums are added, follow from the number of elements
// alone: no atomics, the same bits on every GPU. THREADS and PIECE are defined in cuda.py.
#include "../shared/common.cuh"

// The sum over the threads of a block, for its first thread.
__device__ double block_sum(double value) {
    __shared__ double sums[THREADS];
    sums[threadIdx.x] = value;
    for (int half = THREADS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    const double total = sums[0];
    __syncthreads();  // before the next sum overwrites this one
    return total;
}

// sums[piece]. Block x: pieces x, x + gridDim.x, ...
template <typename Real>
__global__ void sum_pieces(const Real* input, double* sums, Index count, Index pieces) {
    for (Index piece = blockIdx.x; piece < pieces; piece += gridDim.x) {
        const Index first = piece * PIECE;
        const Index last = first + PIECE < count ? first + PIECE : count;
        double sum = 0;
        for (Index i = first + threadIdx.x; i < last; i += THREADS) {
            const double value = input[i];
            sum += value * value;
        }
        const double total = block_sum(sum);
        if (threadIdx.x == 0) sums[piece] = total;
    }
}

// output[0] = sqrt(sum over the pieces), by one block.
template <typename Real>
__global__ void vector_norm(const double* sums, double* output, Index pieces) {
    double sum = 0;
    for (Index piece = threadIdx.x; piece < pieces; piece += THREADS) sum += sums[piece];
    const double total = block_sum(sum);
    if (threadIdx.x == 0) output[0] = sqrt(total);
}
