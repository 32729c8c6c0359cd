#include "scheduler.h"

#include <stdio.h>

#include <memory>
#include <numeric>

#include "sanitizers.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulator {

Block block;
Thread* current;
uint64_t block_number;

namespace {

void (*kernel_body)(void*);
void* kernel_arguments;
bool failed;
std::string failure;

std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Fiber*> idle_fibers;

// ThreadSanitizer takes what happens on one of its fibers for ordered. So no two threads of a block
// share one, or a stack, and blocks take turns with as many as there are.
constexpr unsigned TSAN_FIBERS = 2 * LARGEST_BLOCK;
void* scheduler_tsan_fiber;
std::vector<void*> tsan_fibers;
std::vector<Fiber*> fiber_of_tsan_fiber;
char end_of_launch;
std::vector<void*> garbage;

class Random {
public:
    explicit Random(uint64_t seed) : state(seed) {}
    uint64_t below(uint64_t limit) {  // splitmix64
        state += 0x9e3779b97f4a7c15u;
        uint64_t bits = state;
        bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
        bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
        return (bits ^ (bits >> 31)) % limit;
    }

private:
    uint64_t state;
};

// In which order the blocks of a grid run: also for 2^31 blocks, so without a list.
class BlockOrder {
public:
    BlockOrder(Order order, uint64_t blocks, Random& random) : order(order), blocks(blocks) {
        if (order == Order::random) {
            first = random.below(blocks);
            do {
                step = 1 + random.below(blocks);
            } while (std::gcd(step, blocks) != 1);
        }
    }
    uint64_t operator[](uint64_t i) const {
        if (order == Order::random) {
            return (first + static_cast<unsigned __int128>(i) * step) % blocks;
        }
        return order == Order::reverse ? blocks - 1 - i : i;
    }

private:
    Order order;
    uint64_t blocks;
    uint64_t first = 0;
    uint64_t step = 1;
};

void become(Thread& thread) {
    current = &thread;
    threadIdx = thread.index;
    if (FINDS_RACES) {
        go_on_as(thread.tsan_fiber);
    }
}

void back_to_scheduler(Fiber& fiber) {
    if (FINDS_RACES) {
        go_on_as(scheduler_tsan_fiber);
    }
    fiber.suspend();
}

void run_thread(Thread& thread, Fiber& fiber) {
    thread.state = State::ready;
    thread.fiber = &fiber;
    thread.copy_groups = 0;
    become(thread);
    if (FINDS_RACES) {
        __tsan_acquire(&block.sync->start);
    }
    kernel_body(kernel_arguments);
    if (FINDS_RACES) {
        __tsan_release(&end_of_launch);
    }
    thread.state = State::finished;
    block.finished++;
    check_finished_thread(thread);
}

void start_threads(Fiber& self) {
    for (;;) {
        while (block.started < block.order.size() && !failed) {
            run_thread(block.threads[block.order[block.started++]], self);
            if (FINDS_RACES) {
                break;  // the next thread needs a stack of its own
            }
        }
        if (!FINDS_RACES) {
            idle_fibers.push_back(&self);
        }
        back_to_scheduler(self);
    }
}

Fiber& new_fiber() {
    fibers.push_back(std::make_unique<Fiber>(start_threads));
    return *fibers.back();
}

Fiber& fiber_for_next_thread() {
    if (FINDS_RACES) {
        const unsigned threads = block.threads.size();
        const uint64_t set = block_number % (TSAN_FIBERS / threads);
        const unsigned linear = block.order[block.started];
        const unsigned slot = set * threads + linear;
        if (!tsan_fibers[slot]) {
            tsan_fibers[slot] = __tsan_create_fiber(0);
        }
        if (!fiber_of_tsan_fiber[slot]) {
            fiber_of_tsan_fiber[slot] = &new_fiber();
        }
        block.threads[linear].tsan_fiber = tsan_fibers[slot];
        return *fiber_of_tsan_fiber[slot];
    }
    if (idle_fibers.empty()) {
        return new_fiber();
    }
    Fiber& fiber = *idle_fibers.back();
    idle_fibers.pop_back();
    return fiber;
}

void fail_with_deadlock() {
    constexpr int MOST_NAMED = 3;
    std::string reason = "deadlock, nobody can go on";
    int named = 0;
    for (const Thread& thread : block.threads) {
        if (thread.state != State::finished && named++ < MOST_NAMED) {
            reason += "; " + describe(thread) + " waits at " + thread.waiting_for;
        }
    }
    fail(reason);
}

void run_block() {
    while (block.finished < block.threads.size() && !failed) {
        if (block.started < block.threads.size()) {
            fiber_for_next_thread().resume();
            continue;
        }
        bool progress = false;
        for (unsigned linear : block.order) {
            Thread& thread = block.threads[linear];
            if (thread.state == State::ready && !failed) {
                progress = true;
                become(thread);
                thread.fiber->resume();
            }
        }
        if (!progress) {
            fail_with_deadlock();
        }
    }
}

void begin_block(uint64_t index, Random& random) {
    const unsigned* grid = block.how.grid;
    blockIdx.x = index % grid[0];
    blockIdx.y = index / grid[0] % grid[1];
    blockIdx.z = index / grid[0] / grid[1];
    block_number++;
    block.started = 0;
    block.finished = 0;
    if (block.how.order == Order::random) {
        for (size_t i = block.order.size() - 1; i > 0; i--) {
            std::swap(block.order[i], block.order[random.below(i + 1)]);
        }
    }
    reset_barrier();
    reset_warps();
    reset_shared_memory();
    if (FINDS_RACES) {
        block.sync = static_cast<SyncAddresses*>(malloc(sizeof(SyncAddresses)));
        free_after_launch(block.sync);
        __tsan_release(&block.sync->start);
    }
}

void begin_launch(const Launch& how) {
    const unsigned threads = how.block[0] * how.block[1] * how.block[2];
    block.how = how;
    block.threads.assign(threads, Thread{});
    block.order.resize(threads);
    for (unsigned i = 0; i < threads; i++) {
        Thread& thread = block.threads[i];
        thread.linear = i;
        thread.index = {
            i % how.block[0], i / how.block[0] % how.block[1], i / how.block[0] / how.block[1]
        };
        block.order[i] = how.order == Order::reverse ? threads - 1 - i : i;
    }
    blockDim = {how.block[0], how.block[1], how.block[2]};
    gridDim = {how.grid[0], how.grid[1], how.grid[2]};
    failed = false;
    failure.clear();
    if (FINDS_RACES) {
        scheduler_tsan_fiber = __tsan_get_current_fiber();
        tsan_fibers.resize(TSAN_FIBERS);
        fiber_of_tsan_fiber.resize(TSAN_FIBERS);
    }
}

void end_launch() {
    if (FINDS_RACES) {
        __tsan_acquire(&end_of_launch);
        for (void* memory : garbage) {
            free(memory);
        }
        garbage.clear();
    }
    free_shared_memory();
    if (failed) {
        // Threads were left in the midst of their work.
        idle_fibers.clear();
        for (auto& fiber : fibers) {
            fiber->restart();
            if (!FINDS_RACES) {
                idle_fibers.push_back(fiber.get());
            }
        }
        for (void*& tsan_fiber : tsan_fibers) {
            if (tsan_fiber) {
                __tsan_destroy_fiber(tsan_fiber);
                tsan_fiber = nullptr;
            }
        }
    }
}

}  // namespace

int launch(void (*body)(void*), void* arguments, const Launch& how, char* message, size_t size) {
    kernel_body = body;
    kernel_arguments = arguments;
    begin_launch(how);
    Random random(how.seed);
    const uint64_t blocks = uint64_t(how.grid[0]) * how.grid[1] * how.grid[2];
    const BlockOrder order(how.order, blocks, random);
    for (uint64_t i = 0; i < blocks && !failed; i++) {
        begin_block(order[i], random);
        run_block();
    }
    end_launch();
    if (failed) {
        snprintf(message, size, "%s", failure.c_str());
    }
    return failed;
}

void wait(const char* waiting_for) {
    current->state = State::waiting;
    current->waiting_for = waiting_for;
    back_to_scheduler(*current->fiber);
}

void fail(const std::string& reason) {
    if (!failed) {
        failed = true;
        failure = reason;
    }
}

void trap(const char* message, Location where) {
    current->where = where;
    fail(message + (": " + describe(*current)));
    for (;;) {
        back_to_scheduler(*current->fiber);
    }
}

std::string describe(const Location& where) {
    return std::string(where.file) + ":" + std::to_string(where.line);
}

std::string describe(const Thread& thread) {
    auto triple = [](unsigned x, unsigned y, unsigned z) {
        return "(" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + ")";
    };
    std::string text = "block " + triple(blockIdx.x, blockIdx.y, blockIdx.z) + " thread " +
                       triple(thread.index.x, thread.index.y, thread.index.z);
    return thread.where.file ? text + " at " + describe(thread.where) : text;
}

AsScheduler::AsScheduler() {
    if (FINDS_RACES) {
        go_on_as(scheduler_tsan_fiber);
    }
}

AsScheduler::~AsScheduler() {
    if (FINDS_RACES) {
        __tsan_release(&block.sync->start);
        go_on_as(current->tsan_fiber);
        __tsan_acquire(&block.sync->start);
    }
}

void free_after_launch(void* memory) { garbage.push_back(memory); }

}  // namespace emulator
