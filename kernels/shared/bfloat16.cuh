// bfloat16 in memory: the upper 16 bits of a float. It is read as a float, and what is written is
// rounded to the nearest, so that a kernel for any type computes in float.
#pragma once
#include "ptx.cuh"

struct bfloat16 {
    unsigned short bits;

    bfloat16() = default;
    __device__ __forceinline__ explicit bfloat16(float x) : bits(to_bfloat16(x)) {}
    __device__ __forceinline__ operator float() const {
        return __uint_as_float((unsigned)bits << 16);
    }
};

// The type in which numbers of a type in memory are computed with.
template <typename Real>
struct ArithmeticType {
    using type = Real;
};
template <>
struct ArithmeticType<bfloat16> {
    using type = float;
};
template <typename Real>
using Arithmetic = typename ArithmeticType<Real>::type;
