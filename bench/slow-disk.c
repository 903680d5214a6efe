/* Makes a fast disk slow, to measure on it what a slow one would do: each sync takes 3.2 ms more, which
 * leaves 300 a second, or as many microseconds as SLOW_DISK_US says.
 *
 *   cc -shared -fPIC -O2 -o target/slow-disk.so bench/slow-disk.c
 *   LD_PRELOAD=target/slow-disk.so target/release/postroom-bench sqlite
 *
 * For PostgreSQL the server is started so, not the benchmark.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int slowly(const char *name, int descriptor)
{
    int (*sync_it)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *wanted = getenv("SLOW_DISK_US");
    long microseconds = wanted ? atol(wanted) : 3200;
    struct timespec pause = {microseconds / 1000000, microseconds % 1000000 * 1000};
    nanosleep(&pause, 0);
    return sync_it(descriptor);
}

int fdatasync(int descriptor) { return slowly("fdatasync", descriptor); }

int fsync(int descriptor) { return slowly("fsync", descriptor); }
