// Instructions that CUDA C has no name for: tensor cores, rounding for them, and asynchronous copies
// (PTX ISA 8.0, "Warp Level Matrix Instructions", "cvt" and "cp.async"; compute capability 8.0 and
// up).
#pragma once

// x rounded to TF32: 8 bits of exponent and 10 of mantissa, in the upper 19 bits of a word.
__device__ __forceinline__ unsigned to_tf32(float x) {
    unsigned rounded;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
    return rounded;
}

// d (16x8, float) += a (16x8, TF32) @ b (8x8, TF32), by the 32 threads of a warp together. With
// g = lane / 4 and q = lane % 4 a thread holds
//     a: (g, q), (g + 8, q), (g, q + 4), (g + 8, q + 4)      as (row, column)
//     b: (q, g), (q + 4, g)
//     d: (g, 2q), (g, 2q + 1), (g + 8, 2q), (g + 8, 2q + 1)
__device__ __forceinline__ void mma_tf32(
    float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]
) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])
    );
}

// x rounded to bfloat16, to nearest: the upper 16 bits of a float.
__device__ __forceinline__ unsigned short to_bfloat16(float x) {
    unsigned short rounded;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded) : "f"(x));
    return rounded;
}

// d (16x8, float) += a (16x16, bfloat16) @ b (16x8, bfloat16), by a warp together. A register holds
// two numbers that are neighbors in the sum, the first in the lower half; with g and q as above
//     a: (g, 2q), (g + 8, 2q), (g, 2q + 8), (g + 8, 2q + 8)  and the column behind each
//     b: (2q, g), (2q + 8, g)                                and the row behind each
//     d: as above
__device__ __forceinline__ void mma_bfloat16(
    float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]
) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])
    );
}

// COUNT (2 or 4) matrices of eight rows of 16 bytes, from shared memory, by a warp together: lanes
// 8 i to 8 i + 7 bring the addresses of the rows of matrix i. A lane gets, of each matrix, the four
// bytes in row g and at place 4q. TRANSPOSED, for numbers of two bytes: those of rows 2q and 2q + 1
// in column g.
template <int COUNT, bool TRANSPOSED>
__device__ __forceinline__ void load_matrices(unsigned* fragments, const void* row) {
    const unsigned address = (unsigned)__cvta_generic_to_shared(row);
    if (COUNT == 4 && TRANSPOSED) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]),
                       "=r"(fragments[3])
                     : "r"(address)
                     : "memory");
    } else if (COUNT == 4) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(fragments[0]), "=r"(fragments[1]), "=r"(fragments[2]),
                       "=r"(fragments[3])
                     : "r"(address)
                     : "memory");
    } else if (TRANSPOSED) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                     : "=r"(fragments[0]), "=r"(fragments[1])
                     : "r"(address)
                     : "memory");
    } else {
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                     : "=r"(fragments[0]), "=r"(fragments[1])
                     : "r"(address)
                     : "memory");
    }
}

// Start to copy BYTES (4, 8 or 16, both addresses aligned to them) from global to shared memory;
// zeros where it is not valid, and `global` is not read.
template <int BYTES>
__device__ __forceinline__ void copy_async(void* shared, const void* global, bool valid) {
    const unsigned target = (unsigned)__cvta_generic_to_shared(shared);
    const int source_bytes = valid ? BYTES : 0;
    if (BYTES == 16) {  // past the first-level cache
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"(global),
                     "r"(source_bytes)
                     : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(target), "l"(global),
                     "n"(BYTES), "r"(source_bytes)
                     : "memory");
    }
}

// Close the group of the copies that this thread has started since the last group.
__device__ __forceinline__ void copy_async_commit() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// Wait until all groups of this thread but the LATEST newest ones have arrived.
template <int LATEST>
__device__ __forceinline__ void copy_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LATEST) : "memory");
}
