// The emulator's twin of kernels/shared/ptx.cuh: the same functions, without PTX. Each has one
// parameter more, which its callers never give: the place it is called from.

// cvt.rna.tf32.f32: to 10 bits of mantissa, to nearest, ties away from zero.
__device__ inline unsigned to_tf32(float x) {
    const unsigned bits = __float_as_uint(x);
    const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
    return finite ? (bits + 0x1000u) & 0xffffe000u : bits;
}

// mma.sync by a whole warp: what all its lanes bring is multiplied at once.
__device__ inline void multiply_fragments(
    float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], emulator::Combine multiply,
    emulator::Location where
) {
    using Slot = emulator::TensorCoreSlot;
    const Slot mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}, {d[0], d[1], d[2], d[3]}};
    const void* slots = emulator::exchange(0xffffffffu, &mine, sizeof mine, multiply, false, where);
    if (emulator::existing_lanes() != 0xffffffffu) {
        emulator::trap("mma.sync by a warp of fewer than 32 lanes", where);
    }
    const Slot& result = static_cast<const Slot*>(slots)[emulator::lane()];
    for (int i = 0; i < 4; i++) {
        d[i] = result.d[i];
    }
}

// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32: d += a b.
__device__ inline void mma_tf32(
    float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
    emulator::Location where = emulator::Location::here()
) {
    multiply_fragments(d, a, b, emulator::multiply_tf32, where);
}

// cvt.rn.bf16.f32: the upper 16 bits, to nearest, ties to even; every NaN becomes the same one.
__device__ inline unsigned short to_bfloat16(float x) {
    const unsigned bits = __float_as_uint(x);
    if (x != x) {
        return 0x7fff;
    }
    return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32: d += a b.
__device__ inline void mma_bfloat16(
    float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
    emulator::Location where = emulator::Location::here()
) {
    multiply_fragments(d, a, b, emulator::multiply_bfloat16, where);
}

// ldmatrix.sync.aligned.m8n8.x2 or .x4, .trans or not.
template <int COUNT, bool TRANSPOSED>
__device__ inline void load_matrices(
    unsigned* fragments, const void* row, emulator::Location where = emulator::Location::here()
) {
    static_assert(COUNT == 2 || COUNT == 4, "ldmatrix loads 2 or 4 matrices here");
    const unsigned lane = emulator::lane();
    // Of two matrices the other lanes' addresses are not read.
    if (lane < 8 * COUNT && reinterpret_cast<uintptr_t>(row) % 16 != 0) {
        emulator::trap("misaligned address in ldmatrix", where);
    }
    const void* slots = emulator::exchange(0xffffffffu, &row, sizeof row, nullptr, false, where);
    if (emulator::existing_lanes() != 0xffffffffu) {
        emulator::trap("ldmatrix by a warp of fewer than 32 lanes", where);
    }
    const unsigned g = lane / 4, q = lane % 4;
    for (int i = 0; i < COUNT; i++) {
        const auto rows = static_cast<const char* const*>(slots) + 8 * i;
        char bytes[4];
        if (TRANSPOSED) {
            memcpy(bytes, rows[2 * q] + 2 * g, 2);
            memcpy(bytes + 2, rows[2 * q + 1] + 2 * g, 2);
        } else {
            memcpy(bytes, rows[g] + 4 * q, 4);
        }
        memcpy(&fragments[i], bytes, 4);
    }
}

// cp.async: the bytes may arrive at any time until the wait. Here they arrive as late as they may,
// at the wait, and until then the destination is NaN, so that a wait that is missing is seen.
template <int BYTES>
__device__ inline void copy_async(
    void* shared, const void* global, bool valid,
    emulator::Location where = emulator::Location::here()
) {
    static_assert(BYTES == 4 || BYTES == 8 || BYTES == 16, "cp.async copies 4, 8 or 16 bytes");
    const bool aligned = reinterpret_cast<uintptr_t>(shared) % BYTES == 0 &&
                         reinterpret_cast<uintptr_t>(global) % BYTES == 0;
    if (!aligned) {
        emulator::trap("misaligned address in cp.async", where);
    }
    if (valid) {
        // Read and thrown away: a source out of bounds is reported here, not at the wait.
        const volatile char* source = static_cast<const char*>(global);
        (void)(source[0] + source[BYTES - 1]);
    }
    memset(shared, 0xff, BYTES);
    emulator::issue_copy(shared, global, BYTES, valid);
}

// cp.async.commit_group: the copies issued since the last one are a group.
__device__ inline void copy_async_commit() { emulator::commit_copies(); }

// cp.async.wait_group: all but the LATEST newest groups have arrived.
template <int LATEST>
__device__ inline void copy_async_wait() {
    emulator::AsyncCopy copy;
    while (emulator::next_arrived(LATEST, copy)) {
        if (copy.valid) {
            memcpy(copy.destination, copy.source, copy.bytes);
        } else {
            memset(copy.destination, 0, copy.bytes);
        }
    }
}
