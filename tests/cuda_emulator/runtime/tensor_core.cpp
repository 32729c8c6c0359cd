// mma.m16n8k8 for TF32: D[16][8] += A[16][8] B[8][8], spread over the 32 lanes of a warp as the PTX
// ISA says ("Matrix Fragments for mma.m16n8k8"): lanes are eight groups of four members.
#include <string.h>

#include "../device/interface.h"

namespace emulator {

namespace {

// The tensor core reads the upper 19 bits of a register.
double tf32(unsigned bits) {
    bits &= 0xffffe000u;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace

void multiply_fragments(void* memory) {
    auto* slots = static_cast<TensorCoreSlot*>(memory);
    double a[16][8];
    double b[8][8];
    for (int lane = 0; lane < 32; lane++) {
        const int group = lane / 4;
        const int member = lane % 4;
        for (int i = 0; i < 4; i++) {
            a[group + i % 2 * 8][member + i / 2 * 4] = tf32(slots[lane].a[i]);
        }
        for (int i = 0; i < 2; i++) {
            b[member + i * 4][group] = tf32(slots[lane].b[i]);
        }
    }
    for (int row = 0; row < 16; row++) {
        double sums[8] = {};
        for (int k = 0; k < 8; k++) {
            for (int column = 0; column < 8; column++) {
                sums[column] += a[row][k] * b[k][column];
            }
        }
        for (int column = 0; column < 8; column++) {
            const int lane = row % 8 * 4 + column / 2;
            float& d = slots[lane].d[row / 8 * 2 + column % 2];
            d = static_cast<float>(d + sums[column]);
        }
    }
}

}  // namespace emulator
