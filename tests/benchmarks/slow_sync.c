/* Makes each sync of a process and its children last longer, one behind the other, as flash cards do, and counts them.

   SLOW_SYNC_MS is the delay in milliseconds, SLOW_SYNC_FILE a file that serves as lock and gets a byte for each sync.
   SLOW_WRITE_FOLDER is a folder below which SLOW_WRITE_RATE bytes can be written in a second, as to a slow stick. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static ssize_t (*real_write)(int, const void *, size_t);
static const char *slow_folder;
static double slow_rate;

static void delay(void) {
    const char *milliseconds = getenv("SLOW_SYNC_MS"), *path = getenv("SLOW_SYNC_FILE");
    int lock = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (lock < 0) return;
    while (flock(lock, LOCK_EX)) {}
    if (milliseconds) usleep(1000 * atoi(milliseconds));
    if (real_write(lock, ".", 1) != 1) _exit(99);
    close(lock);
}

__attribute__((constructor)) static void prepare(void) {
    const char *rate = getenv("SLOW_WRITE_RATE");
    real_write = dlsym(RTLD_NEXT, "write");
    slow_folder = rate ? getenv("SLOW_WRITE_FOLDER") : NULL;
    slow_rate = rate ? atof(rate) : 0;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    if (slow_folder) {
        char link[40], path[1000];
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        ssize_t length = readlink(link, path, sizeof path);
        if (length > (ssize_t)strlen(slow_folder) && !strncmp(path, slow_folder, strlen(slow_folder)))
            usleep(1e6 * size / slow_rate);
    }
    return real_write(descriptor, data, size);
}

typedef int on_descriptor(int);
typedef void on_all(void);

int fsync(int descriptor) { on_descriptor *real = dlsym(RTLD_NEXT, "fsync"); delay(); return real(descriptor); }
int fdatasync(int descriptor) { on_descriptor *real = dlsym(RTLD_NEXT, "fdatasync"); delay(); return real(descriptor); }
int syncfs(int descriptor) { on_descriptor *real = dlsym(RTLD_NEXT, "syncfs"); delay(); return real(descriptor); }
void sync(void) { on_all *real = dlsym(RTLD_NEXT, "sync"); delay(); real(); }
