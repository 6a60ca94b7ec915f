/* Makes the operating system fail on demand, for one process (LD_PRELOAD).
 *
 * Every call that changes files and that DuckDB, SQLite and Python reach through libc is
 * intercepted: write (plain, positioned, vectored), sync, truncate and allocate, rename, unlink,
 * and open. (open only where it could write: a read-only medium still lets files be read.) Calls
 * the kernel gets directly (io_uring, stores to a shared mapping) are not seen; none of the three
 * uses them for the files of a home.
 *
 * Which call fails, and how, stands in a page that the test and the process share: the file named
 * by PALIMPSEST_SHIM. So the process, or its parent, arms the fault at any moment, also after the
 * home was opened. Layout: tests/faults/shim.py. While `mode` is OFF a call costs one comparison.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { OFF, COUNT, ONCE, STICKY, SHORT, FULL };
/* COUNT: only log.  ONCE: call `nth` fails.  STICKY: it and all later ones fail.
 * SHORT: call `nth`, if it writes, writes half and says so.  FULL: as SHORT, and all later calls
 * fail: what a disk does that fills up. */

enum kind { WRITE = 1, SYNC = 2, TRUNCATE = 4, RENAME = 8, UNLINK = 16, OPEN = 32 };

#define LOGGED 4096

struct page {
    long mode, nth, error, kinds; /* kinds: a mask; others are neither counted nor failed */
    long calls, failed;           /* out: how many matched, and how many of them were spoiled */
    char folder[512];             /* only this folder and what is below it */
    char part[128];               /* only paths that contain this; empty: all */
    char log[LOGGED][64];         /* out: "pwrite ledger.duckdb.wal" */
};

static struct page *page;

__attribute__((constructor)) static void attach(void)
{
    const char *path = getenv("PALIMPSEST_SHIM");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1; /* our own: it passes while `page` is unset */
    if (fd < 0)
        return;
    void *found = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (found != MAP_FAILED)
        page = found;
}

/* What is to happen to this call: 0 pass, 1 fail with errno set, 2 do half of it. */
static int verdict(int kind, const char *name, const char *path)
{
    size_t length = strlen(page->folder);
    if (!(page->kinds & kind) || strncmp(path, page->folder, length) != 0 ||
        (path[length] != '/' && path[length] != 0) || !strstr(path, page->part))
        return 0;
    long number = __atomic_add_fetch(&page->calls, 1, __ATOMIC_SEQ_CST);
    const char *base = strrchr(path, '/');
    if (number <= LOGGED)
        snprintf(page->log[number - 1], sizeof page->log[0], "%s %s", name, base ? base + 1 : path);
    long mode = page->mode;
    int here = number == page->nth, later = number > page->nth;
    int half = here && kind == WRITE && (mode == SHORT || mode == FULL);
    int fail = !half && ((here && (mode == ONCE || mode == STICKY || mode == FULL)) ||
                         (later && (mode == STICKY || mode == FULL)));
    if (!half && !fail)
        return 0;
    __atomic_add_fetch(&page->failed, 1, __ATOMIC_SEQ_CST);
    errno = (int)page->error;
    return half ? 2 : 1;
}

static int off(void) { return !page || page->mode == OFF; }

static int on_path(int kind, const char *name, int folder, const char *path)
{
    char whole[8192], link[64], base[4096] = "";
    if (off())
        return 0;
    int saved = errno;
    if (path[0] != '/') { /* relative: to a folder that is open, or to the current one */
        if (folder == AT_FDCWD)
            strcpy(link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, base, sizeof base - 2);
        strcpy(base + (length > 0 ? length : 0), "/");
    }
    snprintf(whole, sizeof whole, "%s%s", base, path);
    errno = saved;
    return verdict(kind, name, whole);
}

static int on_file(int kind, const char *name, int fd)
{
    char path[4096], link[64];
    if (off())
        return 0;
    int saved = errno; /* readlink needs no descriptor of its own, so it works when none is left */
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    errno = saved;
    return verdict(kind, name, path);
}

#define REAL(type, name, ...)                   \
    static type (*real)(__VA_ARGS__);           \
    if (!real)                                  \
        real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* --- writing: `half` of one byte is none, which callers must survive as well --------------- */

ssize_t write(int fd, const void *data, size_t size)
{
    REAL(ssize_t, write, int, const void *, size_t);
    int fate = on_file(WRITE, "write", fd);
    return fate == 1 ? -1 : real(fd, data, fate == 2 ? size / 2 : size);
}

#define POSITIONED(name, offset)                                        \
    ssize_t name(int fd, const void *data, size_t size, offset at)      \
    {                                                                   \
        REAL(ssize_t, name, int, const void *, size_t, offset);         \
        int fate = on_file(WRITE, #name, fd);                           \
        return fate == 1 ? -1 : real(fd, data, fate == 2 ? size / 2 : size, at); \
    }
POSITIONED(pwrite, off_t)
POSITIONED(pwrite64, off64_t)

/* Of several buffers half means the first half of the first one: any prefix is a legal result. */
ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(ssize_t, writev, int, const struct iovec *, int);
    int fate = on_file(WRITE, "writev", fd);
    if (fate == 1)
        return -1;
    struct iovec half = {count ? parts[0].iov_base : NULL, count ? parts[0].iov_len / 2 : 0};
    return fate == 2 ? real(fd, &half, 1) : real(fd, parts, count);
}

#define VECTORED(name, offset)                                             \
    ssize_t name(int fd, const struct iovec *parts, int count, offset at)  \
    {                                                                      \
        REAL(ssize_t, name, int, const struct iovec *, int, offset);       \
        int fate = on_file(WRITE, #name, fd);                              \
        if (fate == 1)                                                     \
            return -1;                                                     \
        struct iovec half = {count ? parts[0].iov_base : NULL, count ? parts[0].iov_len / 2 : 0}; \
        return fate == 2 ? real(fd, &half, 1, at) : real(fd, parts, count, at); \
    }
VECTORED(pwritev, off_t)
VECTORED(pwritev64, off64_t)

/* --- making it durable, and its length ----------------------------------------------------- */

#define ON_FILE(kind, name, parameters, arguments, ...)             \
    int name parameters                                             \
    {                                                               \
        REAL(int, name, __VA_ARGS__);                               \
        return on_file(kind, #name, fd) ? -1 : real arguments;      \
    }
ON_FILE(SYNC, fsync, (int fd), (fd), int)
ON_FILE(SYNC, fdatasync, (int fd), (fd), int)
ON_FILE(TRUNCATE, ftruncate, (int fd, off_t size), (fd, size), int, off_t)
ON_FILE(TRUNCATE, ftruncate64, (int fd, off64_t size), (fd, size), int, off64_t)
ON_FILE(TRUNCATE, fallocate, (int fd, int how, off_t at, off_t size), (fd, how, at, size),
        int, int, off_t, off_t)
ON_FILE(TRUNCATE, fallocate64, (int fd, int how, off64_t at, off64_t size), (fd, how, at, size),
        int, int, off64_t, off64_t)

/* posix_fallocate returns its error; it does not set errno. */
int posix_fallocate(int fd, off_t at, off_t size)
{
    REAL(int, posix_fallocate, int, off_t, off_t);
    return on_file(TRUNCATE, "posix_fallocate", fd) ? errno : real(fd, at, size);
}

/* --- names --------------------------------------------------------------------------------- */

#define ON_PATH(kind, name, folder, path, parameters, arguments, ...) \
    int name parameters                                               \
    {                                                                 \
        REAL(int, name, __VA_ARGS__);                                 \
        return on_path(kind, #name, folder, path) ? -1 : real arguments; \
    }
ON_PATH(RENAME, rename, AT_FDCWD, to, (const char *from, const char *to), (from, to),
        const char *, const char *)
ON_PATH(RENAME, renameat, there, to, (int here, const char *from, int there, const char *to),
        (here, from, there, to), int, const char *, int, const char *)
ON_PATH(UNLINK, unlink, AT_FDCWD, path, (const char *path), (path), const char *)
ON_PATH(UNLINK, unlinkat, folder, path, (int folder, const char *path, int flags),
        (folder, path, flags), int, const char *, int)
ON_PATH(UNLINK, remove, AT_FDCWD, path, (const char *path), (path), const char *)

/* --- opening for writing ------------------------------------------------------------------- */

#define WRITES(flags) (((flags) & O_ACCMODE) != O_RDONLY || ((flags) & (O_CREAT | O_TRUNC)))
#define LAST_MODE(flags)                                  \
    mode_t mode = 0;                                      \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {              \
        va_list rest;                                     \
        va_start(rest, flags);                            \
        mode = va_arg(rest, mode_t);                      \
        va_end(rest);                                     \
    }

#define OPENS(name)                                                          \
    int name(const char *path, int flags, ...)                               \
    {                                                                        \
        LAST_MODE(flags)                                                     \
        REAL(int, name, const char *, int, ...);                             \
        if (WRITES(flags) && on_path(OPEN, #name, AT_FDCWD, path))           \
            return -1;                                                       \
        return real(path, flags, mode);                                      \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                       \
    int name(int folder, const char *path, int flags, ...)                   \
    {                                                                        \
        LAST_MODE(flags)                                                     \
        REAL(int, name, int, const char *, int, ...);                        \
        if (WRITES(flags) && on_path(OPEN, #name, folder, path))             \
            return -1;                                                       \
        return real(folder, path, flags, mode);                              \
    }
OPENS_AT(openat)
OPENS_AT(openat64)
