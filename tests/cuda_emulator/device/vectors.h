// float4 and the other small vectors, with the alignment that CUDA gives them.
#pragma once

#define EMULATOR_VECTORS(NAME, TYPE)                                                       \
    struct NAME##1 { TYPE x; };                                                            \
    struct alignas(2 * sizeof(TYPE)) NAME##2 { TYPE x, y; };                               \
    struct alignas(sizeof(TYPE) < 4 ? 4 * sizeof(TYPE) : 16) NAME##4 { TYPE x, y, z, w; }; \
    inline NAME##1 make_##NAME##1(TYPE x) { return {x}; }                                  \
    inline NAME##2 make_##NAME##2(TYPE x, TYPE y) { return {x, y}; }                       \
    inline NAME##3 make_##NAME##3(TYPE x, TYPE y, TYPE z) { return {x, y, z}; }            \
    inline NAME##4 make_##NAME##4(TYPE x, TYPE y, TYPE z, TYPE w) { return {x, y, z, w}; }

#define EMULATOR_VECTORS_OF_3(NAME, TYPE) \
    struct NAME##3 { TYPE x, y, z; };     \
    EMULATOR_VECTORS(NAME, TYPE)

EMULATOR_VECTORS(uint, unsigned)  // uint3 is the type of threadIdx, in interface.h
EMULATOR_VECTORS_OF_3(char, signed char)
EMULATOR_VECTORS_OF_3(uchar, unsigned char)
EMULATOR_VECTORS_OF_3(short, short)
EMULATOR_VECTORS_OF_3(ushort, unsigned short)
EMULATOR_VECTORS_OF_3(int, int)
EMULATOR_VECTORS_OF_3(longlong, long long)
EMULATOR_VECTORS_OF_3(ulonglong, unsigned long long)
EMULATOR_VECTORS_OF_3(float, float)
EMULATOR_VECTORS_OF_3(double, double)
#undef EMULATOR_VECTORS_OF_3
#undef EMULATOR_VECTORS

// A load through the read-only cache; the device faults where the address is not aligned.
template <class T>
inline T __ldg(const T* address, emulator::Location where = emulator::Location::here()) {
    if (reinterpret_cast<uintptr_t>(address) % alignof(T)) {
        emulator::trap("misaligned address in __ldg", where);
    }
    return *address;
}
