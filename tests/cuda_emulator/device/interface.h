// What compiled kernels and the runtime know of each other. Kernels are compiled with it through
// cuda.h, once per source; the runtime (../runtime) is compiled once and loaded before them.
#pragma once
#include <stddef.h>
#include <stdint.h>

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

// The built-in variables. The scheduler sets them whenever another thread or block goes on.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace emulator {

// A place in a kernel source. As the default of a last parameter it is the place of the call.
struct Location {
    const char* file;
    int line;

    static constexpr Location here(
        const char* file = __builtin_FILE(), int line = __builtin_LINE()
    ) {
        return {file, line};
    }
};

// Ends the launch with an error that names block, thread and line. Does not come back.
[[noreturn]] void trap(const char* message, Location where);

// ---- __syncthreads and its relatives ----
struct Votes {
    int count;
    bool all, any;
};
// Waits for all threads of the block; how many of them came with a true predicate?
Votes barrier(bool predicate, Location where);

// ---- the warp ----
constexpr unsigned WARP_SIZE = 32;
constexpr size_t LARGEST_EXCHANGE = 64;  // bytes a lane can bring
// Runs once for a complete exchange, on the slots of all lanes, before any lane goes on.
using Combine = void (*)(void* slots);
// Waits for all lanes in `mask`, each of which brings `bytes`. Returns 32 slots of that size, valid
// until the lane's next exchange. `orders_memory`: is it a barrier for memory, as __syncwarp is?
const void* exchange(
    unsigned mask, const void* value, size_t bytes, Combine combine, bool orders_memory,
    Location where
);
unsigned lane();
// The lanes that the calling thread's warp has: fewer than 32 at the end of an odd block.
unsigned existing_lanes();

// One product on the tensor cores, as one lane brings it and takes it: the fragments of m16n8k8 for
// TF32, and of m16n8k16 for bfloat16.
struct TensorCoreSlot {
    unsigned a[4], b[2];
    float d[4];
};
void multiply_tf32(void* slots);
void multiply_bfloat16(void* slots);

// ---- shared memory ----
// One declaration of a shared array. Its memory is made, and filled with NaN, when a block comes
// to it first.
struct SharedArray {
    size_t bytes, alignment;
    void* memory;
    uint64_t block;
};
extern uint64_t block_number;  // counts all blocks ever run
void make_shared(SharedArray& array);
void* dynamic_shared();

inline void* shared(SharedArray& array) {
    if (array.block != block_number) make_shared(array);
    return array.memory;
}

// ---- asynchronous copies ----
struct AsyncCopy {
    void* destination;
    const void* source;
    int bytes;
    bool valid;
    unsigned group;
};
void issue_copy(void* destination, const void* source, int bytes, bool valid);
void commit_copies();
// The next copy of this thread that must have arrived when only the `latest` newest groups may
// still be under way. False: there is none left.
bool next_arrived(unsigned latest, AsyncCopy& copy);

// ---- launches ----
enum class Order : int { forward, reverse, random };

struct Launch {
    unsigned grid[3], block[3];
    uint64_t dynamic_shared_bytes;
    uint64_t shared_limit;  // static and dynamic together
    Order order;
    unsigned seed;
};
// Runs body(arguments) once per thread. Returns 0, or 1 and the reason in `message`.
int launch(void (*body)(void*), void* arguments, const Launch& how, char* message, size_t size);

}  // namespace emulator
