/* Makes each sync of a process and its children last longer, one behind the other, as flash cards do, and counts them.

   SLOW_SYNC_MS is the delay in milliseconds, SLOW_SYNC_FILE a file that serves as lock and gets a byte for each sync. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static void delay(void) {
    const char *milliseconds = getenv("SLOW_SYNC_MS"), *path = getenv("SLOW_SYNC_FILE");
    int lock = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (lock < 0) return;
    while (flock(lock, LOCK_EX)) {}
    if (milliseconds) usleep(1000 * atoi(milliseconds));
    if (write(lock, ".", 1) != 1) _exit(99);
    close(lock);
}

typedef int on_descriptor(int);
typedef void on_all(void);

int fsync(int descriptor) { on_descriptor *real = dlsym(RTLD_NEXT, "fsync"); delay(); return real(descriptor); }
int fdatasync(int descriptor) { on_descriptor *real = dlsym(RTLD_NEXT, "fdatasync"); delay(); return real(descriptor); }
int syncfs(int descriptor) { on_descriptor *real = dlsym(RTLD_NEXT, "syncfs"); delay(); return real(descriptor); }
void sync(void) { on_all *real = dlsym(RTLD_NEXT, "sync"); delay(); real(); }
