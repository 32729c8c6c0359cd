// The state of the block that runs, for the parts of the runtime that make threads wait.
//
// Blocks run one after another on one core. Within a block a fiber starts thread after thread; only
// when a thread has to wait is it left on its fiber and another fiber starts the rest. So a kernel
// without barriers is a plain loop over its threads.
#pragma once
#include <string>
#include <vector>

#include "fiber.h"

namespace emulator {

constexpr unsigned LARGEST_BLOCK = 1024;

enum class State { ready, waiting, finished };

struct Thread {
    uint3 index;
    unsigned linear;  // x fastest, as the device counts when it forms warps
    State state;
    Fiber* fiber;
    void* tsan_fiber;
    Location where;           // of the primitive it came to last
    const char* waiting_for;  // its name
    unsigned copy_groups;     // committed so far
};

// Addresses that stand for synchronization under ThreadSanitizer. Each block has its own, so that
// nothing orders two blocks.
struct SyncAddresses {
    char start;
    char barrier[2];
    char warp[LARGEST_BLOCK / WARP_SIZE][2];
};

struct Block {
    std::vector<Thread> threads;
    std::vector<unsigned> order;  // in which threads start and go on
    unsigned started;
    unsigned finished;
    SyncAddresses* sync;
    Launch how;
};

extern Block block;
extern Thread* current;

// Suspends the calling thread until its state is `ready` again.
void wait(const char* waiting_for);
// Ends the launch; the first reason is the one that is told.
void fail(const std::string& reason);
std::string describe(const Location& where);
std::string describe(const Thread& thread);  // "block (0,0,0) thread (5,0,0) at file:line"

// What happens while this lives is the scheduler's doing, not that of the calling CUDA thread. For
// memory that is made on the way, which must look to ThreadSanitizer as if it had been there.
class AsScheduler {
public:
    AsScheduler();
    ~AsScheduler();
};
// Frees memory at the end of the launch, when no thread can race with that any more.
void free_after_launch(void* memory);

// The parts that begin anew with every block or launch.
void reset_barrier();
void reset_warps();
void check_finished_thread(const Thread& thread);  // does anyone still count on it?
void reset_shared_memory();
void free_shared_memory();

}  // namespace emulator
