/*
 * Loaded before the C library: lets allocations fail that are made by code at certain addresses, as Allocations.java says through a
 * file that both have mapped. All others go on to the C library.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

struct control {
    long low;
    long high;
    long count;
    long first;
    long last;
    long every;
    long failed;
};

static struct control *control;

__attribute__((constructor)) static void map_control(void) {
    const char *path = getenv("SQLITEPOOL_ALLOCATIONS");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) {
        control = mapped;
    }
}

static long value(long *field) {
    return __atomic_load_n(field, __ATOMIC_SEQ_CST);
}

static int fails(void *caller) {
    struct control *c = control;
    if (c == NULL || value(&c->low) == 0 || (long) caller < value(&c->low) || (long) caller >= value(&c->high)) {
        return 0;
    }
    long number = __atomic_add_fetch(&c->count, 1, __ATOMIC_SEQ_CST);
    long first = value(&c->first);
    if (number < first || number > value(&c->last) || (number - first) % value(&c->every) != 0) {
        return 0;
    }
    __atomic_add_fetch(&c->failed, 1, __ATOMIC_SEQ_CST);
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size);
}
