// Shared memory: every declared array is an allocation of its own, so that AddressSanitizer sees
// where it ends, and is NaN (all bits set) when a block begins.
#include <stdlib.h>
#include <string.h>

#include "sanitizers.h"
#include "scheduler.h"

namespace emulator {

namespace {

constexpr size_t STATIC_LIMIT = 48 << 10;
constexpr int POISON = 0xff;

std::vector<SharedArray*> arrays;  // that this launch has made
SharedArray dynamic_array;
size_t static_bytes;  // of the arrays that the running block has come to

void* new_memory(size_t alignment, size_t bytes) {
    void* memory = nullptr;
    if (posix_memalign(&memory, alignment < 16 ? 16 : alignment, bytes)) {
        abort();
    }
    if (FINDS_RACES) {
        free_after_launch(memory);  // each block has its own, as on the device
    }
    return memory;
}

void renew(SharedArray& array) {
    if (array.memory == nullptr) {
        arrays.push_back(&array);
    }
    if (array.memory == nullptr || FINDS_RACES) {
        array.memory = new_memory(array.alignment, array.bytes);
    }
    memset(array.memory, POISON, array.bytes);
    array.block = block_number;
}

}  // namespace

void make_shared(SharedArray& array) {
    static_bytes += array.bytes;
    const Location nowhere = {nullptr, 0};
    if (static_bytes > STATIC_LIMIT) {
        trap("more than 48 KiB of static shared memory", nowhere);
    }
    if (static_bytes + block.how.dynamic_shared_bytes > block.how.shared_limit) {
        trap("static and dynamic shared memory together exceed what the launch may have", nowhere);
    }
    const AsScheduler scope;
    renew(array);
}

void* dynamic_shared() {
    if (block.how.dynamic_shared_bytes == 0) {
        trap("the kernel uses dynamic shared memory, and the launch gave it none", {nullptr, 0});
    }
    return dynamic_array.memory;
}

void reset_shared_memory() {
    static_bytes = 0;
    if (block.how.dynamic_shared_bytes > 0) {
        dynamic_array.bytes = block.how.dynamic_shared_bytes;
        dynamic_array.alignment = 128;
        renew(dynamic_array);
    }
}

void free_shared_memory() {
    for (SharedArray* array : arrays) {
        if (!FINDS_RACES) {
            free(array->memory);
        }
        array->memory = nullptr;
        array->block = 0;
    }
    arrays.clear();
}

}  // namespace emulator
