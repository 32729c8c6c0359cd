#include "fiber.h"

#include <sys/mman.h>

#include <new>

#include "sanitizers.h"

namespace emulator {

namespace {
constexpr size_t STACK_SIZE = 256 << 10;
constexpr size_t GUARD_SIZE = 64 << 10;  // a multiple of any page size; overflow faults there
// Stacks begin at different places of their pages: what is in use of them would otherwise compete
// for the same few lines of the cache.
constexpr size_t STAGGER = 192;
constexpr size_t LARGEST_STAGGER = 16 << 10;
size_t next_stagger;
Fiber* starting;  // the fiber whose entry is being called
}  // namespace

#if defined(__x86_64__)
// Saves what the calling convention preserves on the stack, and the stack pointer in *save; then
// takes up the stack `other`, which was left in the same way. About 2 ns; swapcontext, which
// changes the signal mask, takes 300 ns.
extern "C" void emulator_switch_stack(void** save, void* other);
asm(R"(
.text
.type emulator_switch_stack, @function
emulator_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulator_switch_stack, .-emulator_switch_stack
)");
#endif

Fiber::Fiber(Entry entry) : entry(entry) {
    void* memory = mmap(
        nullptr, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
    );
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    mprotect(memory, GUARD_SIZE, PROT_NONE);
    stack = static_cast<char*>(memory) + GUARD_SIZE;
    stack_top = stack + STACK_SIZE - next_stagger;
    next_stagger = (next_stagger + STAGGER) % LARGEST_STAGGER;
    restart();
}

Fiber::~Fiber() { munmap(stack - GUARD_SIZE, GUARD_SIZE + STACK_SIZE); }

void Fiber::restart() {
    copies.clear();
    copies_arrived = 0;
    own_fake_stack = nullptr;
    __asan_unpoison_memory_region(stack, STACK_SIZE);
#if defined(__x86_64__)
    // The stack as emulator_switch_stack leaves it: six registers, and the address to return to.
    // At the entry of a function the stack is 8 bytes past a multiple of 16.
    void** top = reinterpret_cast<void**>(stack_top) - 2;
    *top = reinterpret_cast<void*>(&Fiber::run);
    stack_pointer = top - 6;
    for (int i = 1; i <= 6; i++) {
        top[-i] = nullptr;
    }
#else
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = stack_top - stack;
    context.uc_link = nullptr;
    makecontext(&context, &Fiber::run, 0);
#endif
}

void Fiber::run() {
    Fiber& self = *starting;
    __sanitizer_finish_switch_fiber(nullptr, &self.scheduler_stack, &self.scheduler_stack_size);
    self.entry(self);
    __builtin_unreachable();
}

void Fiber::resume() {
    starting = this;
    __sanitizer_start_switch_fiber(&scheduler_fake_stack, stack, STACK_SIZE);
#if defined(__x86_64__)
    emulator_switch_stack(&scheduler_stack_pointer, stack_pointer);
#else
    swapcontext(&scheduler_context, &context);
#endif
    __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
}

void Fiber::suspend() {
    __sanitizer_start_switch_fiber(&own_fake_stack, scheduler_stack, scheduler_stack_size);
#if defined(__x86_64__)
    emulator_switch_stack(&stack_pointer, scheduler_stack_pointer);
#else
    swapcontext(&context, &scheduler_context);
#endif
    __sanitizer_finish_switch_fiber(own_fake_stack, &scheduler_stack, &scheduler_stack_size);
}

}  // namespace emulator
