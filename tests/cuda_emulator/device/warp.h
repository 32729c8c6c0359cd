// Shuffles, votes and __syncwarp. Every lane named in the mask must come to the same primitive, and
// a shuffle may read only lanes in the mask; anything else ends the launch with an error.
#pragma once

namespace emulator {

template <class T>
inline T shuffle(unsigned mask, T value, unsigned source, Location where) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "a shuffle takes 4 or 8 bytes");
    const void* slots = exchange(mask, &value, sizeof(T), nullptr, false, where);
    if (!(mask & existing_lanes() & (1u << source))) {
        trap("shuffle reads a lane that is not in its mask", where);
    }
    return static_cast<const T*>(slots)[source];
}

inline unsigned ballot(unsigned mask, bool predicate, Location where) {
    unsigned value = predicate;
    const void* slots = exchange(mask, &value, sizeof value, nullptr, false, where);
    mask &= existing_lanes();
    unsigned result = 0;
    for (unsigned source = 0; source < WARP_SIZE; source++) {
        if (mask & (1u << source)) {
            result |= static_cast<const unsigned*>(slots)[source] << source;
        }
    }
    return result;
}

}  // namespace emulator

// Lanes work in groups of `width`; one that would read beyond its group reads itself.
template <class T>
inline T __shfl_sync(
    unsigned mask, T value, int source, int width = 32,
    emulator::Location where = emulator::Location::here()
) {
    const unsigned first = emulator::lane() & ~(width - 1u);
    return emulator::shuffle(mask, value, first + (source & (width - 1u)), where);
}
template <class T>
inline T __shfl_down_sync(
    unsigned mask, T value, unsigned delta, int width = 32,
    emulator::Location where = emulator::Location::here()
) {
    const unsigned lane = emulator::lane();
    const bool inside = (lane & (width - 1u)) + delta < unsigned(width);
    return emulator::shuffle(mask, value, inside ? lane + delta : lane, where);
}
template <class T>
inline T __shfl_up_sync(
    unsigned mask, T value, unsigned delta, int width = 32,
    emulator::Location where = emulator::Location::here()
) {
    const unsigned lane = emulator::lane();
    const bool inside = (lane & (width - 1u)) >= delta;
    return emulator::shuffle(mask, value, inside ? lane - delta : lane, where);
}
template <class T>
inline T __shfl_xor_sync(
    unsigned mask, T value, unsigned flip, int width = 32,
    emulator::Location where = emulator::Location::here()
) {
    const unsigned lane = emulator::lane();
    const unsigned source = lane ^ flip;
    const bool inside = source < (lane & ~(width - 1u)) + width;
    return emulator::shuffle(mask, value, inside ? source : lane, where);
}

inline unsigned __ballot_sync(
    unsigned mask, int predicate, emulator::Location where = emulator::Location::here()
) {
    return emulator::ballot(mask, predicate, where);
}
inline int __any_sync(
    unsigned mask, int predicate, emulator::Location where = emulator::Location::here()
) {
    return emulator::ballot(mask, predicate, where) != 0;
}
inline int __all_sync(
    unsigned mask, int predicate, emulator::Location where = emulator::Location::here()
) {
    return emulator::ballot(mask, !predicate, where) == 0;
}
inline void __syncwarp(
    unsigned mask = 0xffffffffu, emulator::Location where = emulator::Location::here()
) {
    emulator::exchange(mask, nullptr, 0, nullptr, true, where);
}
