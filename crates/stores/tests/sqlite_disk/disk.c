/* A disk that can be taken apart: it fails when it is told to, and it shows what would be left of the
 * files after a power failure.
 *
 * Loaded before libc (LD_PRELOAD). Files in the folder DISK_FILES are on this disk. What was synced,
 * and now and then what was only written, is copied to a file of the same name in the folder
 * DISK_PLATTER. A sync that fails forgets what it should have synced, as kernels do: the next one
 * succeeds and syncs nothing of it.
 *
 * DISK_PLAN is a list of CALL:SUFFIX:AFTER:COUNT:ACTION, with commas between. CALL is sync or write,
 * SUFFIX is how the file's name ends. After that many calls the action is taken so many times: EIO or
 * ENOSPC fail, SHORT writes the half, CUT cuts the power: the process ends at once. What is written
 * to the file "plan" is a new plan, which counts from there. DISK_SEED is what chance begins with.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { FILES = 8, FAULTS = 8, CUT_STATUS = 77 };

enum action { NONE, FAIL_IO, FAIL_FULL, SHORT, CUT };

struct range { off_t from; size_t length; };

struct file {
    char name[64];
    int platter;
    /* One sync of a file at a time. */
    pthread_mutex_t syncing;
    struct range *dirty;
    size_t count, room;
};

struct fault {
    char call[8], suffix[16], action[8];
    unsigned after, count, seen;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES];
static struct fault faults[FAULTS];
static int file_count, fault_count = -1;
static uint64_t chance = 0x9e3779b97f4a7c15;

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

static ssize_t write_at(int descriptor, const void *bytes, size_t length, off_t at)
{
    ssize_t (*real)(int, const void *, size_t, off_t) = next("pwrite64");
    return real(descriptor, bytes, length, at);
}

static void read_plan(const char *text, size_t length)
{
    char plan[512], *entry, *rest = plan;
    snprintf(plan, sizeof plan, "%.*s", (int)length, text);
    memset(faults, 0, sizeof faults);
    fault_count = 0;
    while ((entry = strsep(&rest, ",")) && fault_count < FAULTS) {
        struct fault *fault = &faults[fault_count];
        if (sscanf(entry, "%7[^:]:%15[^:]:%u:%u:%7s", fault->call, fault->suffix, &fault->after,
                   &fault->count, fault->action) == 5)
            fault_count++;
    }
}

static enum action action_for(const char *call, const char *name)
{
    enum action action = NONE;
    for (int i = 0; i < fault_count; i++) {
        struct fault *fault = &faults[i];
        size_t length = strlen(name), end = strlen(fault->suffix);
        if (strcmp(fault->call, call) || end > length || strcmp(name + length - end, fault->suffix))
            continue;
        fault->seen++;
        if (fault->seen <= fault->after || fault->seen > fault->after + fault->count)
            continue;
        if (!strcmp(fault->action, "EIO")) action = FAIL_IO;
        if (!strcmp(fault->action, "ENOSPC")) action = FAIL_FULL;
        if (!strcmp(fault->action, "SHORT")) action = SHORT;
        if (!strcmp(fault->action, "CUT")) action = CUT;
    }
    return action;
}

/* The file behind a descriptor, if it is on this disk. The lock is held. */
static struct file *file_of(int descriptor)
{
    char link[64], path[PATH_MAX], *name;
    const char *folder = getenv("DISK_FILES");
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!folder || length < 0) return NULL;
    path[length] = 0;
    name = strrchr(path, '/');
    if (!name || (size_t)(name - path) != strlen(folder) || strncmp(path, folder, name - path))
        return NULL;
    name++;
    if (fault_count < 0) {
        const char *plan = getenv("DISK_PLAN"), *seed = getenv("DISK_SEED");
        read_plan(plan ? plan : "", plan ? strlen(plan) : 0);
        if (seed) chance ^= strtoull(seed, NULL, 10);
    }
    for (int i = 0; i < file_count; i++)
        if (!strcmp(files[i].name, name)) return &files[i];
    int place = 0;
    while (place < file_count && files[place].name[0]) place++;
    if (place == FILES) abort();
    if (place == file_count) file_count++;
    struct file *file = &files[place];
    file->count = 0;
    snprintf(file->name, sizeof file->name, "%s", name);
    snprintf(path, sizeof path, "%s/%s", getenv("DISK_PLATTER"), file->name);
    file->platter = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (file->platter < 0 || pthread_mutex_init(&file->syncing, NULL)) abort();
    return file;
}

static void persist(struct file *file, int descriptor, struct range range)
{
    char bytes[65536];
    while (range.length > 0) {
        size_t piece = range.length < sizeof bytes ? range.length : sizeof bytes;
        ssize_t got = pread(descriptor, bytes, piece, range.from);
        /* Cut off meanwhile. */
        if (got <= 0) return;
        if (write_at(file->platter, bytes, got, range.from) != got) abort();
        range.from += got;
        range.length -= got;
    }
}

static ssize_t write_on(struct file *file, int descriptor, const void *bytes, size_t length, off_t at)
{
    enum action action = action_for("write", file->name);
    if (action == CUT) _exit(CUT_STATUS);
    if (action == FAIL_IO || action == FAIL_FULL) {
        errno = action == FAIL_IO ? EIO : ENOSPC;
        return -1;
    }
    if (action == SHORT && length > 1) length /= 2;
    ssize_t wrote = write_at(descriptor, bytes, length, at);
    if (wrote <= 0) return wrote;
    if (file->count == file->room) {
        file->room = file->room * 2 + 64;
        file->dirty = realloc(file->dirty, file->room * sizeof *file->dirty);
        if (!file->dirty) abort();
    }
    file->dirty[file->count++] = (struct range){at, wrote};
    /* The system writes some of it before it is asked to. */
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    if (chance >> 62 == 0) persist(file, descriptor, file->dirty[file->count - 1]);
    return wrote;
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = next("write");
    pthread_mutex_lock(&lock);
    struct file *file = file_of(descriptor);
    ssize_t wrote = -1;
    if (file && !strcmp(file->name, "plan")) {
        read_plan(bytes, length);
        wrote = length;
    } else if (file) {
        wrote = write_on(file, descriptor, bytes, length, lseek(descriptor, 0, SEEK_CUR));
        int error = errno;
        if (wrote > 0) lseek(descriptor, wrote, SEEK_CUR);
        errno = error;
    }
    pthread_mutex_unlock(&lock);
    return file ? wrote : real(descriptor, bytes, length);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off_t at)
{
    pthread_mutex_lock(&lock);
    struct file *file = file_of(descriptor);
    ssize_t wrote = file ? write_on(file, descriptor, bytes, length, at) : -1;
    pthread_mutex_unlock(&lock);
    return file ? wrote : write_at(descriptor, bytes, length, at);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t at)
{
    return pwrite64(descriptor, bytes, length, at);
}

/* A file that is removed is removed at once on the disk too: whoever depends on it syncs the folder. */
int unlink(const char *path)
{
    int (*real)(const char *) = next("unlink");
    const char *folder = getenv("DISK_FILES"), *name = strrchr(path, '/');
    char below[PATH_MAX];
    int removed = real(path);
    if (removed || !folder || !name || strncmp(path, folder, name - path)) return removed;
    name++;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < file_count; i++) {
        if (strcmp(files[i].name, name)) continue;
        snprintf(below, sizeof below, "%s/%s", getenv("DISK_PLATTER"), name);
        if (real(below)) abort();
        /* One of the same name is another file. */
        close(files[i].platter);
        files[i].name[0] = 0;
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

static int sync_it(const char *call, int descriptor)
{
    pthread_mutex_lock(&lock);
    struct file *file = file_of(descriptor);
    if (!file) {
        pthread_mutex_unlock(&lock);
        int (*real)(int) = next(call);
        return real(descriptor);
    }
    pthread_mutex_unlock(&lock);
    pthread_mutex_lock(&file->syncing);
    pthread_mutex_lock(&lock);
    enum action action = action_for("sync", file->name);
    size_t count = file->count;
    if (action == CUT) _exit(CUT_STATUS);
    if (action == NONE) {
        /* The disk takes its time, and writing goes on. */
        pthread_mutex_unlock(&lock);
        usleep(500);
        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < count; i++) persist(file, descriptor, file->dirty[i]);
        struct stat status;
        if (fstat(descriptor, &status) || ftruncate(file->platter, status.st_size)) abort();
    }
    file->count -= count;
    memmove(file->dirty, file->dirty + count, file->count * sizeof *file->dirty);
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&file->syncing);
    if (action == NONE) return 0;
    errno = action == FAIL_FULL ? ENOSPC : EIO;
    return -1;
}

int fdatasync(int descriptor) { return sync_it("fdatasync", descriptor); }

int fsync(int descriptor) { return sync_it("fsync", descriptor); }
