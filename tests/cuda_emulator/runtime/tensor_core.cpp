// mma.m16n8k8 for TF32, mma.m16n8k16 for bfloat16: D[16][8] += A[16][K] B[K][8], spread over the 32
// lanes of a warp as the PTX ISA says ("Matrix Fragments for mma.m16n8k8", "... mma.m16n8k16"):
// lanes are eight groups of four members.
//
// Tensor cores do not round to nearest. They add a block of products and the sum so far at once:
// the products are exact; all addends are shifted to the exponent of the largest, and what falls
// below its last bit is cut off; the sum of what is left is exact, and is cut to float32 again
// (Fasi, Higham, Mikaitis, Pranesh, "Numerical behavior of NVIDIA tensor cores", PeerJ Computer
// Science, 2021). Devices differ in how many products a block has and in how many bits more than
// float32's they keep while they add (Khattak, Mikaitis, "Accurate models of NVIDIA tensor cores",
// 2025). Here a block has four products and there are no more bits: no device is known to lose
// more, so an error bound that holds here holds on all of them.
#include <math.h>
#include <string.h>

#include <algorithm>

#include "../device/interface.h"

namespace emulator {

namespace {

double number_of(unsigned bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// The tensor core reads the upper 19 bits of a register.
double tf32(unsigned bits, int) { return number_of(bits & 0xffffe000u); }

// One of the two in a register.
double bfloat16(unsigned bits, int position) { return number_of(bits >> 16 * position << 16); }

constexpr int BLOCK = 4;  // products that are added at once
constexpr int BITS = 24;  // of a float32, with the leading one

double power_of_two(int exponent) {
    const uint64_t bits = static_cast<uint64_t>(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// The float32 next to a number of at most 53 bits, toward zero; infinity beyond the largest.
float cut_to_float(double value) {
    const double magnitude = fabs(value);
    if (magnitude == 0 || !isfinite(value)) {
        return static_cast<float>(value);
    }
    // The last bit of small numbers is that of the denormal ones.
    const double unit = power_of_two(std::max(ilogb(magnitude) - (BITS - 1), -149));
    return static_cast<float>(trunc(value / unit) * unit);
}

// sum + products[0] + ... + products[BLOCK - 1], as a tensor core adds them.
float add_block(float sum, const double* products) {
    double plain = sum, largest = fabs(sum);
    for (int i = 0; i < BLOCK; i++) {
        plain += products[i];
        largest = std::max(largest, fabs(products[i]));
    }
    if (largest == 0 || !isfinite(plain)) {
        return static_cast<float>(plain);  // the sign of zero; infinity or NaN
    }
    const double unit = power_of_two(ilogb(largest) - (BITS - 1));
    int64_t units = static_cast<int64_t>(sum / unit);
    for (int i = 0; i < BLOCK; i++) {
        units += static_cast<int64_t>(products[i] / unit);
    }
    return cut_to_float(static_cast<double>(units) * unit);
}

// D += A B for fragments with PER_REGISTER numbers in a register, which are neighbors in the sum.
template <int PER_REGISTER>
void multiply(void* memory, double (*number)(unsigned bits, int position)) {
    constexpr int K = 8 * PER_REGISTER;
    auto* slots = static_cast<TensorCoreSlot*>(memory);
    double a[16][K];
    double b[K][8];
    for (int lane = 0; lane < 32; lane++) {
        const int group = lane / 4;
        const int member = lane % 4;
        for (int p = 0; p < PER_REGISTER; p++) {
            const int first = member * PER_REGISTER + p;
            for (int i = 0; i < 4; i++) {
                a[group + i % 2 * 8][first + i / 2 * K / 2] = number(slots[lane].a[i], p);
            }
            for (int i = 0; i < 2; i++) {
                b[first + i * K / 2][group] = number(slots[lane].b[i], p);
            }
        }
    }
    for (int row = 0; row < 16; row++) {
        for (int column = 0; column < 8; column++) {
            const int lane = row % 8 * 4 + column / 2;
            float& d = slots[lane].d[row / 8 * 2 + column % 2];
            for (int first = 0; first < K; first += BLOCK) {
                double products[BLOCK];
                for (int i = 0; i < BLOCK; i++) {
                    products[i] = a[row][first + i] * b[first + i][column];
                }
                d = add_block(d, products);
            }
        }
    }
}

}  // namespace

void multiply_tf32(void* slots) { multiply<1>(slots, tf32); }

void multiply_bfloat16(void* slots) { multiply<2>(slots, bfloat16); }

}  // namespace emulator
