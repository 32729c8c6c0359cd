// A fiber: a stack of its own, on which code runs until it suspends itself.
#pragma once
#include <stddef.h>

#include <vector>

#include "../device/interface.h"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {

class Fiber {
public:
    using Entry = void (*)(Fiber& self);  // must suspend itself, never return

    explicit Fiber(Entry entry);
    ~Fiber();
    Fiber(const Fiber&) = delete;

    // Called by the scheduler: goes on where the fiber is, until it suspends itself.
    void resume();
    // Called on the fiber: back to the scheduler.
    void suspend();
    // Forgets what the fiber was doing: the next resume() calls its entry again.
    void restart();

    // The asynchronous copies of the thread that runs on this fiber, oldest first.
    std::vector<AsyncCopy> copies;
    size_t copies_arrived = 0;

private:
    static void run();

    Entry entry;
    char* stack;
    char* stack_top;
    // Under AddressSanitizer: its bookkeeping for the stack that is left.
    void* scheduler_fake_stack = nullptr;
    void* own_fake_stack = nullptr;
    const void* scheduler_stack = nullptr;
    size_t scheduler_stack_size = 0;
#if defined(__x86_64__)
    void* stack_pointer = nullptr;
    void* scheduler_stack_pointer = nullptr;
#else
    ucontext_t context;
    ucontext_t scheduler_context;
#endif
};

}  // namespace emulator
