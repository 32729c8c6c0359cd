// What AddressSanitizer and ThreadSanitizer have to be told, and nothing in a plain build.
//
// Under ThreadSanitizer every CUDA thread is one of its "fibers": two accesses race unless a
// barrier, a __syncwarp or the end of the launch lies between them, in shared and in global memory,
// within a block and between blocks. A shuffle exchanges values but orders no memory, so it is not
// announced. The runtime itself is never instrumented.
#pragma once
#include <stddef.h>

#if defined(EMULATOR_THREAD_SANITIZER)
constexpr bool FINDS_RACES = true;
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#else
constexpr bool FINDS_RACES = false;
inline void* __tsan_get_current_fiber() { return nullptr; }
inline void* __tsan_create_fiber(unsigned) { return nullptr; }
inline void __tsan_destroy_fiber(void*) {}
inline void __tsan_switch_to_fiber(void*, unsigned) {}
inline void __tsan_acquire(void*) {}
inline void __tsan_release(void*) {}
#endif

#if defined(EMULATOR_ADDRESS_SANITIZER)
extern "C" {
void __sanitizer_start_switch_fiber(void** save, const void* bottom, size_t size);
void __sanitizer_finish_switch_fiber(void* save, const void** bottom, size_t* size);
void __asan_unpoison_memory_region(const volatile void* address, size_t size);
}
#else
inline void __sanitizer_start_switch_fiber(void**, const void*, size_t) {}
inline void __sanitizer_finish_switch_fiber(void*, const void**, size_t*) {}
inline void __asan_unpoison_memory_region(const volatile void*, size_t) {}
#endif

namespace emulator {

// Switching alone does not order what the two fibers do.
inline void go_on_as(void* tsan_fiber) {
    constexpr unsigned NO_SYNCHRONIZATION = 1;
    __tsan_switch_to_fiber(tsan_fiber, NO_SYNCHRONIZATION);
}

// memcpy for memory that kernel threads own: a call of memcpy would be seen by ThreadSanitizer, a
// loop in the runtime is not. (The runtime is compiled so that it stays a loop.)
inline void copy_words(void* destination, const void* source, size_t bytes) {
    auto* to = static_cast<unsigned*>(destination);
    auto* from = static_cast<const unsigned*>(source);
    for (size_t i = 0; i < bytes / sizeof(unsigned); i++) {
        to[i] = from[i];
    }
}

}  // namespace emulator
