/* Makes a fast disk slow, to measure on it what a slow one would do: each sync takes at least 3.3 ms,
 * which is 300 a second.
 *
 *   cc -shared -fPIC -O2 -o target/slow-disk.so bench/slow-disk.c
 *   LD_PRELOAD=target/slow-disk.so target/release/postroom-bench sqlite
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int slowly(const char *name, int descriptor)
{
    int (*sync_it)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct timespec pause = {0, 3200 * 1000};
    nanosleep(&pause, 0);
    return sync_it(descriptor);
}

int fdatasync(int descriptor) { return slowly("fdatasync", descriptor); }

int fsync(int descriptor) { return slowly("fsync", descriptor); }
