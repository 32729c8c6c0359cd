// Dropout. A thread draws the four words of one Philox counter and applies them to four neighboring
// elements; the same words as on the CPU. Bytes: twice the size of the array, no mask.
#include "../shared/bfloat16.cuh"
#include "../shared/common.cuh"

// Philox4x32-10 (Salmon et al. 2011): ten rounds of two wide products and exclusive ors.
__device__ __forceinline__ uint4 philox(uint4 counter, uint2 key) {
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const unsigned high0 = __umulhi(0xD2511F53u, counter.x), low0 = 0xD2511F53u * counter.x;
        const unsigned high1 = __umulhi(0xCD9E8D57u, counter.z), low1 = 0xCD9E8D57u * counter.z;
        counter = make_uint4(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
        key = make_uint2(key.x + 0x9E3779B9u, key.y + 0xBB67AE85u);
    }
    return counter;
}

template <typename Real>
__global__ void dropout_mask(
    const Real* input, Real* output, Arithmetic<Real> scale, unsigned long long threshold,
    unsigned long long seed, unsigned long long call, Index first, Index count
) {
    const uint2 key = make_uint2(unsigned(seed), unsigned(call));
    const Index end = first + count;
    for (Index four = first / 4 + first_index(); 4 * four < end; four += index_step()) {
        const uint4 counter = make_uint4(
            unsigned(four), unsigned(four >> 32), unsigned(seed >> 32), unsigned(call >> 32)
        );
        const uint4 random = philox(counter, key);
        const unsigned words[4] = {random.x, random.y, random.z, random.w};
#pragma unroll
        for (int j = 0; j < 4; j++) {
            // The first words of the first counter may belong to elements before these.
            const Index i = 4 * four + j - first;
            if (0 <= i && i < count)
                output[i] = words[j] >= threshold ? Real(input[i] * scale) : Real(0);
        }
    }
}
