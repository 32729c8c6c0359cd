// Makes a kernel callable from Python: launch_<number> runs it, signature_<number> says what
// parameters it has, so that the launcher can check its arguments.
#pragma once

namespace emulator {

// A parameter type as text: "f4" float, "i8" long long, "u1" unsigned char, "b1" bool, "s48" a
// struct of 48 bytes, "v0" void; "const f4*" a pointer.
template <class T>
char* write_type(char* out) {
    if constexpr (std::is_pointer_v<T>) {
        using Pointed = std::remove_pointer_t<T>;
        static_assert(!std::is_pointer_v<Pointed>, "kernels take no pointers to pointers");
        if (std::is_const_v<Pointed>) {
            out = stpcpy(out, "const ");
        }
        out = write_type<std::remove_cv_t<Pointed>>(out);
        return stpcpy(out, "*");
    } else if constexpr (std::is_void_v<T>) {
        return stpcpy(out, "v0");
    } else {
        const char kind = std::is_same_v<T, bool>       ? 'b'
                          : std::is_floating_point_v<T> ? 'f'
                          : std::is_class_v<T>          ? 's'
                          : std::is_signed_v<T>         ? 'i'
                                                        : 'u';
        *out++ = kind;
        char digits[24];
        int length = 0;
        for (size_t rest = sizeof(T); rest > 0; rest /= 10) {
            digits[length++] = '0' + rest % 10;
        }
        while (length > 0) {
            *out++ = digits[--length];
        }
        *out = 0;
        return out;
    }
}

template <class... Parameters>
void write_signature(void (*)(Parameters...), char* out) {
    *out = 0;
    ((out = stpcpy(write_type<std::remove_cv_t<Parameters>>(out), ",")), ...);
}

template <class... Parameters>
struct Call {
    void (*kernel)(Parameters...);
    void** arguments;

    template <size_t... I>
    void run(std::index_sequence<I...>) {
        kernel(*static_cast<std::remove_cv_t<Parameters>*>(arguments[I])...);
    }
    static void body(void* self) {
        static_cast<Call*>(self)->run(std::index_sequence_for<Parameters...>{});
    }
};

template <class... Parameters>
int launch_kernel(
    void (*kernel)(Parameters...), void** arguments, const Launch& how, char* message, size_t size
) {
    Call<Parameters...> call{kernel, arguments};
    return launch(&Call<Parameters...>::body, &call, how, message, size);
}

}  // namespace emulator

#define EMULATOR_EXPORT(NUMBER, ...)                                                       \
    extern "C" __attribute__((visibility("default"))) int launch_##NUMBER(                 \
        void** arguments, const emulator::Launch* how, char* message, size_t size          \
    ) {                                                                                    \
        return emulator::launch_kernel(&__VA_ARGS__, arguments, *how, message, size);      \
    }                                                                                      \
    extern "C" __attribute__((visibility("default"))) void signature_##NUMBER(char* out) { \
        emulator::write_signature(&__VA_ARGS__, out);                                      \
    }
