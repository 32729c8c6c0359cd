// Atomic operations. Threads take turns on one core, so plain code would do; they are real atomics
// so that ThreadSanitizer knows that they may meet. Relaxed: they order nothing, as on the device.
#pragma once

namespace emulator {

template <class T, class Change>
inline T change_atomically(T* address, Change change) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "atomics take 4 or 8 bytes");
    using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
    Bits* word = reinterpret_cast<Bits*>(address);
    Bits before = __atomic_load_n(word, __ATOMIC_RELAXED);
    Bits after;
    do {
        after = bits_as<Bits>(change(bits_as<T>(before)));
    } while (!__atomic_compare_exchange_n(
        word, &before, after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED
    ));
    return bits_as<T>(before);
}

// A parameter that takes no part in finding T: atomicAdd(float*, int) adds a float.
template <class T>
using Value = std::enable_if_t<true, T>;

}  // namespace emulator

template <class T>
inline T atomicAdd(T* address, emulator::Value<T> value) {
    return emulator::change_atomically(address, [=](T old) { return T(old + value); });
}
template <class T>
inline T atomicMax(T* address, emulator::Value<T> value) {
    return emulator::change_atomically(address, [=](T old) { return old > value ? old : value; });
}
template <class T>
inline T atomicMin(T* address, emulator::Value<T> value) {
    return emulator::change_atomically(address, [=](T old) { return old < value ? old : value; });
}
template <class T>
inline T atomicOr(T* address, emulator::Value<T> value) {
    return emulator::change_atomically(address, [=](T old) { return T(old | value); });
}
template <class T>
inline T atomicExch(T* address, emulator::Value<T> value) {
    return emulator::change_atomically(address, [=](T) { return value; });
}
template <class T>
inline T atomicCAS(T* address, emulator::Value<T> expected, emulator::Value<T> value) {
    return emulator::change_atomically(address, [=](T old) {
        return old == expected ? value : old;
    });
}
