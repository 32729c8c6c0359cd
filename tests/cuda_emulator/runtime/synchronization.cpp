// __syncthreads, and the meeting of the lanes of a warp behind shuffles, votes, __syncwarp and
// mma.sync.
#include <string.h>

#include "sanitizers.h"
#include "scheduler.h"

namespace emulator {

namespace {

bool same_place(const Location& a, const Location& b) {
    return a.line == b.line && strcmp(a.file, b.file) == 0;
}

// ---- the barrier of the block ----
unsigned threads_at_barrier;
Location barrier_place;
Votes votes;            // of the barrier that fills
Votes completed_votes;  // of the last one; read before the next one can be complete
unsigned barrier_count;

// ---- warps ----
// A meeting of the lanes of one mask. While slow lanes still read the slots of one exchange, fast
// ones may already fill those of the next, but never of the one after that: two sets suffice.
struct Meeting {
    unsigned mask;
    unsigned arrived;
    unsigned count;
    Location where;
    size_t bytes;
    alignas(16) char slots[2][WARP_SIZE * LARGEST_EXCHANGE];
};

struct Warp {
    unsigned finished;  // lanes that have returned
    std::vector<Meeting> meetings;
};
constexpr size_t USUAL_MASKS = 4;  // of a warp in a launch
std::vector<Warp> warps;

unsigned existing_lanes_of(const Thread& thread) {
    const unsigned first = thread.linear - thread.linear % WARP_SIZE;
    const unsigned lanes = block.threads.size() - first;
    return lanes >= WARP_SIZE ? 0xffffffffu : (1u << lanes) - 1;
}

Meeting& meeting_of(Warp& warp, unsigned mask) {
    for (Meeting& meeting : warp.meetings) {
        if (meeting.mask == mask) {
            return meeting;
        }
    }
    const AsScheduler scope;
    warp.meetings.emplace_back();
    warp.meetings.back().mask = mask;
    return warp.meetings.back();
}

void wake_lanes(const Thread& thread, unsigned mask) {
    const unsigned first = thread.linear - thread.linear % WARP_SIZE;
    for (unsigned lane = 0; lane < WARP_SIZE; lane++) {
        if (mask & (1u << lane)) {
            block.threads[first + lane].state = State::ready;
        }
    }
}

}  // namespace

Votes barrier(bool predicate, Location where) {
    current->where = where;
    if (block.finished > 0) {
        trap("__syncthreads() after other threads of the block have returned", where);
    }
    if (threads_at_barrier > 0 && !same_place(barrier_place, where)) {
        const std::string message =
            "__syncthreads() reached while others wait at that of " + describe(barrier_place);
        trap(message.c_str(), where);
    }
    if (threads_at_barrier == 0) {
        barrier_place = where;
        votes = {0, true, false};
    }
    threads_at_barrier++;
    votes.count += predicate;
    votes.all &= predicate;
    votes.any |= predicate;

    void* sync = FINDS_RACES ? &block.sync->barrier[barrier_count % 2] : nullptr;
    __tsan_release(sync);
    if (threads_at_barrier < block.threads.size()) {
        wait("__syncthreads()");
    } else {
        completed_votes = votes;
        threads_at_barrier = 0;
        barrier_count++;
        for (Thread& thread : block.threads) {
            thread.state = State::ready;
        }
    }
    __tsan_acquire(sync);
    return completed_votes;
}

const void* exchange(
    unsigned mask, const void* value, size_t bytes, Combine combine, bool orders_memory,
    Location where
) {
    Thread& thread = *current;
    thread.where = where;
    const unsigned own_bit = 1u << lane();
    if (!(mask & own_bit)) {
        trap("warp primitive called by a lane that is not in its mask", where);
    }
    mask &= existing_lanes_of(thread);
    Warp& warp = warps[thread.linear / WARP_SIZE];
    if (mask & warp.finished) {
        trap("warp primitive whose mask names a lane that has returned", where);
    }
    Meeting* meeting = &meeting_of(warp, mask);
    if (meeting->arrived && !same_place(meeting->where, where)) {
        const std::string message =
            "warp divergence: other lanes of the mask wait at " + describe(meeting->where);
        trap(message.c_str(), where);
    }
    const unsigned set = meeting->count % 2;
    meeting->where = where;
    meeting->bytes = bytes;
    meeting->arrived |= own_bit;
    copy_words(meeting->slots[set] + lane() * bytes, value, bytes);

    void* sync = nullptr;
    if (FINDS_RACES && orders_memory) {
        sync = &block.sync->warp[thread.linear / WARP_SIZE][set];
        __tsan_release(sync);
    }
    if (meeting->arrived != mask) {
        wait("a warp primitive");
        meeting = &meeting_of(warp, mask);  // another mask may have moved it
    } else {
        meeting->arrived = 0;
        meeting->count++;
        if (combine) {
            combine(meeting->slots[set]);
        }
        wake_lanes(thread, mask);
    }
    if (sync) {
        __tsan_acquire(sync);
    }
    return meeting->slots[set];
}

unsigned lane() { return current->linear % WARP_SIZE; }

unsigned existing_lanes() { return existing_lanes_of(*current); }

void check_finished_thread(const Thread& thread) {
    if (thread.fiber->copies_arrived < thread.fiber->copies.size()) {
        fail("thread returned with asynchronous copies never waited for: " + describe(thread));
    }
    if (threads_at_barrier > 0) {
        fail(
            "__syncthreads() at " + describe(barrier_place) +
            " reached by only a part of the block: " + describe(thread) + " has returned"
        );
    }
    Warp& warp = warps[thread.linear / WARP_SIZE];
    const unsigned bit = 1u << (thread.linear % WARP_SIZE);
    warp.finished |= bit;
    for (const Meeting& meeting : warp.meetings) {
        if (meeting.arrived && (meeting.mask & bit)) {
            fail(
                "warp primitive at " + describe(meeting.where) +
                " reached by only a part of its mask: " + describe(thread) + " has returned"
            );
        }
    }
}

void reset_barrier() {
    threads_at_barrier = 0;
    barrier_count = 0;
}

void reset_warps() {
    warps.resize((block.threads.size() + WARP_SIZE - 1) / WARP_SIZE);
    for (Warp& warp : warps) {
        warp.finished = 0;
        warp.meetings.clear();
        // Before the threads begin: memory that came later would look like a race with its use.
        warp.meetings.reserve(USUAL_MASKS);
    }
}

}  // namespace emulator
