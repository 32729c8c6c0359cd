// The emulator's twin of kernels/shared/ptx.cuh: the same functions, without PTX. Each has one
// parameter more, which its callers never give: the place it is called from.

// cvt.rna.tf32.f32: to 10 bits of mantissa, to nearest, ties away from zero.
__device__ inline unsigned to_tf32(float x) {
    const unsigned bits = __float_as_uint(x);
    const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
    return finite ? (bits + 0x1000u) & 0xffffe000u : bits;
}

// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32: d += a b, by a whole warp.
__device__ inline void mma_tf32(
    float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
    emulator::Location where = emulator::Location::here()
) {
    using Slot = emulator::TensorCoreSlot;
    const Slot mine = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}, {d[0], d[1], d[2], d[3]}};
    const void* slots = emulator::exchange(
        0xffffffffu, &mine, sizeof mine, emulator::multiply_fragments, false, where
    );
    if (emulator::existing_lanes() != 0xffffffffu) {
        emulator::trap("mma.sync by a warp of fewer than 32 lanes", where);
    }
    const Slot& result = static_cast<const Slot*>(slots)[emulator::lane()];
    for (int i = 0; i < 4; i++) {
        d[i] = result.d[i];
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
