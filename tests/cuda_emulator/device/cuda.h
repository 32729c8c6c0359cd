// What a CUDA C source sees when g++ compiles it for the emulator: the qualifiers of the language,
// the built-in variables, and the device functions that the project's kernels use.
#pragma once
#include <math.h>  // as C++ has it: exp(float) is a float, as in CUDA
#include <stdlib.h>
#include <string.h>

#include <type_traits>
#include <utility>

#include "interface.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)

constexpr int warpSize = emulator::WARP_SIZE;

#include "arithmetic.h"
#include "atomics.h"
#include "vectors.h"
#include "warp.h"

inline void __syncthreads(emulator::Location where = emulator::Location::here()) {
    emulator::barrier(false, where);
}
inline int __syncthreads_count(
    int predicate, emulator::Location where = emulator::Location::here()
) {
    return emulator::barrier(predicate, where).count;
}
inline int __syncthreads_and(int predicate, emulator::Location where = emulator::Location::here()) {
    return emulator::barrier(predicate, where).all;
}
inline int __syncthreads_or(int predicate, emulator::Location where = emulator::Location::here()) {
    return emulator::barrier(predicate, where).any;
}

// Threads take turns on one core: they see each other's writes in program order.
inline void __threadfence() {}
inline void __threadfence_block() {}

[[noreturn]] inline void __trap(emulator::Location where = emulator::Location::here()) {
    emulator::trap("__trap()", where);
}
