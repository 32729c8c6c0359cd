// What the checks that g++ builds into the kernels (-fsanitize=alignment, bounds and so on) call
// when they fail. These are the names and the data of its own library, libubsan, whose handlers
// would only print; here the launch ends, as with any other error of a kernel.
#include "../device/interface.h"

namespace {

struct SourceLocation {
    const char* file;
    uint32_t line;
    uint32_t column;
};

// All that the handlers are given begins like this.
struct CheckData {
    SourceLocation where;
};

[[noreturn]] void fail_check(const char* message, const CheckData* data) {
    emulator::trap(message, {data->where.file, static_cast<int>(data->where.line)});
}

}  // namespace

extern "C" {

void __ubsan_handle_type_mismatch_v1(const CheckData* data, void*) {
    fail_check("misaligned address", data);
}

void __ubsan_handle_out_of_bounds(const CheckData* data, void*) {
    fail_check("index out of the bounds of an array", data);
}

void __ubsan_handle_divrem_overflow(const CheckData* data, void*, void*) {
    fail_check("division by zero", data);
}

void __ubsan_handle_add_overflow(const CheckData* data, void*, void*) {
    fail_check("overflow of a signed integer in an addition", data);
}

void __ubsan_handle_sub_overflow(const CheckData* data, void*, void*) {
    fail_check("overflow of a signed integer in a subtraction", data);
}

void __ubsan_handle_mul_overflow(const CheckData* data, void*, void*) {
    fail_check("overflow of a signed integer in a multiplication", data);
}

void __ubsan_handle_negate_overflow(const CheckData* data, void*) {
    fail_check("overflow of a signed integer in a negation", data);
}

}  // extern "C"
