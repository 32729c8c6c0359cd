// The asynchronous copies of each thread, in the order of their issue. The copying itself is done
// by the kernel's side (../ptx.cuh), where the sanitizers watch.
#include "scheduler.h"

namespace emulator {

void issue_copy(void* destination, const void* source, int bytes, bool valid) {
    Fiber& fiber = *current->fiber;
    if (fiber.copies_arrived == fiber.copies.size()) {
        fiber.copies.clear();
        fiber.copies_arrived = 0;
    }
    fiber.copies.push_back({destination, source, bytes, valid, current->copy_groups});
}

void commit_copies() { current->copy_groups++; }

bool next_arrived(unsigned latest, AsyncCopy& copy) {
    Fiber& fiber = *current->fiber;
    if (fiber.copies_arrived == fiber.copies.size()) {
        return false;
    }
    const AsyncCopy& oldest = fiber.copies[fiber.copies_arrived];
    if (oldest.group + latest >= current->copy_groups) {
        return false;
    }
    copy = oldest;
    fiber.copies_arrived++;
    return true;
}

}  // namespace emulator
