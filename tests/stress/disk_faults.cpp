// A library for LD_PRELOAD that stands between a program and the system's calls on the files below
// one folder. It counts the calls, makes chosen ones fail, or records all of them with their data.
// What a program writes through other libraries is seen, too, but for calls that a library makes
// without the C library: a rename of safetensors' own temporary file.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <string>

namespace {

std::string watched;       // empty: nothing is watched
long calls, failing_call;  // failing_call = 0: none
int failing_errno;
bool failing_from_there_on;
int record = -1;  // descriptor of the record

std::string absolute(int folder, const char* path) {
    if (path[0] == '/') return path;
    char base[PATH_MAX];
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return "";
    } else {
        std::string link = "/proc/self/fd/" + std::to_string(folder);
        ssize_t length = readlink(link.c_str(), base, sizeof base - 1);
        if (length < 0) return "";
        base[length] = 0;
    }
    return std::string(base) + "/" + path;
}

std::string path_of(int descriptor) {
    std::string path = absolute(descriptor, "");
    return path.empty() ? path : path.substr(0, path.size() - 1);
}

bool is_watched(const std::string& path) {
    return !watched.empty() && path.compare(0, watched.size(), watched) == 0 &&
           (path.size() == watched.size() || path[watched.size()] == '/');
}

// Counts a call; true if it has to fail.
bool fails() {
    ++calls;
    if (failing_call == 0) return false;
    if (calls != failing_call && !(failing_from_there_on && calls > failing_call)) return false;
    errno = failing_errno;
    return true;
}

void note(const std::string& line) {
    if (record < 0) return;
    int before = errno;
    static auto write_ = reinterpret_cast<decltype(&write)>(dlsym(RTLD_NEXT, "write"));
    std::string whole = line + "\n";
    if (write_(record, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) abort();
    errno = before;
}

std::string hex(const void* data, size_t size) {
    static const char digits[] = "0123456789abcdef";
    std::string text;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = static_cast<const unsigned char*>(data)[i];
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

void note_write(int descriptor, long offset, const void* data, ssize_t size) {
    if (size <= 0 || record < 0) return;
    note(
        "write\t" + std::to_string(descriptor) + "\t" + std::to_string(offset) + "\t" +
        hex(data, size)
    );
}

std::string inode_of(const std::string& path) {
    struct stat found;
    return stat(path.c_str(), &found) == 0 ? std::to_string(found.st_ino) : "";
}

void note_open(const std::string& path, int flags, int descriptor, bool is_new) {
    struct stat found;
    if (record < 0 || fstat(descriptor, &found) != 0) return;
    const char* kind = S_ISDIR(found.st_mode) ? "folder" : is_new ? "new" : "old";
    note(
        "open\t" + path + "\t" + std::to_string(flags) + "\t" + std::to_string(descriptor) + "\t" +
        std::to_string(found.st_ino) + "\t" + kind
    );
}

}  // namespace

#define REAL(name) static auto real = reinterpret_cast<decltype(&name)>(dlsym(RTLD_NEXT, #name))

extern "C" {

void faults_watch(const char* folder, long call, int error, int from_there_on, int descriptor) {
    watched = folder;
    calls = 0;
    failing_call = call;
    failing_errno = error;
    failing_from_there_on = from_there_on;
    record = descriptor;
}

long faults_calls() { return calls; }

void faults_mark(const char* text) { note(std::string("mark\t") + text); }

#define OPEN(name)                                                                \
    int name(const char* path, int flags, ...) {                                  \
        va_list arguments;                                                        \
        va_start(arguments, flags);                                               \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0; \
        va_end(arguments);                                                        \
        REAL(name);                                                               \
        std::string whole = absolute(AT_FDCWD, path);                             \
        bool seen = is_watched(whole);                                            \
        if (seen && fails()) return -1;                                           \
        bool is_new = seen && access(whole.c_str(), F_OK) != 0;                   \
        int result = real(path, flags, mode);                                     \
        if (seen && result >= 0) note_open(whole, flags, result, is_new);         \
        return result;                                                            \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                              \
    int name(int folder, const char* path, int flags, ...) {                      \
        va_list arguments;                                                        \
        va_start(arguments, flags);                                               \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0; \
        va_end(arguments);                                                        \
        REAL(name);                                                               \
        std::string whole = absolute(folder, path);                               \
        bool seen = is_watched(whole);                                            \
        if (seen && fails()) return -1;                                           \
        bool is_new = seen && access(whole.c_str(), F_OK) != 0;                   \
        int result = real(folder, path, flags, mode);                             \
        if (seen && result >= 0) note_open(whole, flags, result, is_new);         \
        return result;                                                            \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int descriptor, const void* data, size_t size) {
    REAL(write);
    if (watched.empty() || !is_watched(path_of(descriptor))) return real(descriptor, data, size);
    if (fails()) return -1;
    long offset = lseek(descriptor, 0, SEEK_CUR);
    ssize_t result = real(descriptor, data, size);
    note_write(descriptor, offset, data, result);
    return result;
}

#define PWRITE(name, type)                                                     \
    ssize_t name(int descriptor, const void* data, size_t size, type offset) { \
        REAL(name);                                                            \
        bool seen = is_watched(path_of(descriptor));                           \
        if (seen && fails()) return -1;                                        \
        ssize_t result = real(descriptor, data, size, offset);                 \
        if (seen) note_write(descriptor, offset, data, result);                \
        return result;                                                         \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

// A file is allowed to take a part of what it is given: the first buffer is such a part.
ssize_t writev(int descriptor, const struct iovec* buffers, int count) {
    REAL(writev);
    if (!is_watched(path_of(descriptor))) return real(descriptor, buffers, count);
    for (int i = 0; i < count; i++)
        if (buffers[i].iov_len) return write(descriptor, buffers[i].iov_base, buffers[i].iov_len);
    return 0;
}

#define SENDFILE(name, type)                                                         \
    ssize_t name(int target, int source, type* offset, size_t size) __THROW {        \
        REAL(name);                                                                  \
        if (!is_watched(path_of(target))) return real(target, source, offset, size); \
        if (fails()) return -1;                                                      \
        long start = lseek(target, 0, SEEK_CUR);                                     \
        long from = offset ? *offset : lseek(source, 0, SEEK_CUR);                   \
        ssize_t result = real(target, source, offset, size);                         \
        if (result > 0) {                                                            \
            std::string data(result, 0);                                             \
            if (pread(source, &data[0], result, from) != result) abort();            \
            note_write(target, start, data.data(), result);                          \
        }                                                                            \
        return result;                                                               \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

// No power is cut in truth, so nothing is really written to the disk, which is slow.
#define ON_DESCRIPTOR(name)                             \
    int name(int descriptor) {                          \
        if (!is_watched(path_of(descriptor))) return 0; \
        if (fails()) return -1;                         \
        note("fsync\t" + std::to_string(descriptor));   \
        return 0;                                       \
    }
ON_DESCRIPTOR(fsync)
ON_DESCRIPTOR(fdatasync)

#define FTRUNCATE(name, type)                                                              \
    int name(int descriptor, type size) __THROW {                                          \
        REAL(name);                                                                        \
        if (!is_watched(path_of(descriptor))) return real(descriptor, size);               \
        if (fails()) return -1;                                                            \
        int result = real(descriptor, size);                                               \
        if (result == 0)                                                                   \
            note("truncate\t" + std::to_string(descriptor) + "\t" + std::to_string(size)); \
        return result;                                                                     \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

#define ON_NAMES(what, call)                                                                  \
    if (!is_watched(to)) return call;                                                         \
    if (fails()) return -1;                                                                   \
    int result = call;                                                                        \
    if (result == 0) note(std::string(what) + "\t" + from + "\t" + to + "\t" + inode_of(to)); \
    return result;

int rename(const char* source, const char* target) __THROW {
    REAL(rename);
    std::string from = absolute(AT_FDCWD, source), to = absolute(AT_FDCWD, target);
    ON_NAMES("rename", real(source, target))
}

int renameat(int folder, const char* source, int other, const char* target) __THROW {
    REAL(renameat);
    std::string from = absolute(folder, source), to = absolute(other, target);
    ON_NAMES("rename", real(folder, source, other, target))
}

int link(const char* source, const char* target) __THROW {
    REAL(link);
    std::string from = absolute(AT_FDCWD, source), to = absolute(AT_FDCWD, target);
    ON_NAMES("link", real(source, target))
}

int linkat(int folder, const char* source, int other, const char* target, int flags) __THROW {
    REAL(linkat);
    std::string from = absolute(folder, source), to = absolute(other, target);
    ON_NAMES("link", real(folder, source, other, target, flags))
}

int unlink(const char* path) __THROW {
    REAL(unlink);
    std::string from, to = absolute(AT_FDCWD, path);
    ON_NAMES("unlink", real(path))
}

int unlinkat(int folder, const char* path, int flags) __THROW {
    REAL(unlinkat);
    std::string from, to = absolute(folder, path);
    ON_NAMES(flags & AT_REMOVEDIR ? "rmdir" : "unlink", real(folder, path, flags))
}

int rmdir(const char* path) __THROW {
    REAL(rmdir);
    std::string from, to = absolute(AT_FDCWD, path);
    ON_NAMES("rmdir", real(path))
}

int mkdir(const char* path, mode_t mode) __THROW {
    REAL(mkdir);
    std::string from, to = absolute(AT_FDCWD, path);
    ON_NAMES("mkdir", real(path, mode))
}

int chmod(const char* path, mode_t mode) __THROW {
    REAL(chmod);
    std::string from, to = absolute(AT_FDCWD, path);
    ON_NAMES("chmod", real(path, mode))
}

}  // extern "C"
