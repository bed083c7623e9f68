/* malloc and its relatives, one of which fails on demand. Built (compiled.py) and preloaded by test_allocation.py.
 *
 * What the OpenMP runtime asks for never fails, for it ends the process then, and nobody in the process can help it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static long until = 0;         /* allocations up to the one that fails; 0: none does */
static long fell = 0;          /* how many have failed */
static long live = 0;          /* bytes in use */
static size_t least = 0;       /* smaller ones do not count */

void fail_at(long count, size_t from_bytes) {
    least = from_bytes;
    __atomic_store_n(&fell, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&until, count, __ATOMIC_SEQ_CST);
}

long failed(void) {
    __atomic_store_n(&until, 0, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&fell, __ATOMIC_SEQ_CST);
}

long live_bytes(void) { return __atomic_load_n(&live, __ATOMIC_SEQ_CST); }

static int of_openmp(void *caller) {
    Dl_info about;
    return dladdr(caller, &about) && about.dli_fname &&
           (strstr(about.dli_fname, "libgomp") || strstr(about.dli_fname, "libomp") || strstr(about.dli_fname, "ld-linux"));
}

static int fails(size_t bytes, void *caller) {
    if (__atomic_load_n(&until, __ATOMIC_SEQ_CST) <= 0 || bytes < least || of_openmp(caller)) return 0;
    if (__atomic_sub_fetch(&until, 1, __ATOMIC_SEQ_CST)) return 0;
    __atomic_add_fetch(&fell, 1, __ATOMIC_SEQ_CST);
    errno = ENOMEM;
    return 1;
}

static void *counted(void *memory) {
    if (memory) __atomic_add_fetch(&live, (long)malloc_usable_size(memory), __ATOMIC_SEQ_CST);
    return memory;
}

void *malloc(size_t bytes) {
    return fails(bytes, __builtin_return_address(0)) ? NULL : counted(__libc_malloc(bytes));
}

void *calloc(size_t count, size_t bytes) {
    return fails(count * bytes, __builtin_return_address(0)) ? NULL : counted(__libc_calloc(count, bytes));
}

void *memalign(size_t alignment, size_t bytes) {
    return fails(bytes, __builtin_return_address(0)) ? NULL : counted(__libc_memalign(alignment, bytes));
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return fails(bytes, __builtin_return_address(0)) ? NULL : counted(__libc_memalign(alignment, bytes));
}

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
    if (fails(bytes, __builtin_return_address(0))) return ENOMEM;
    void *found = counted(__libc_memalign(alignment, bytes));
    if (!found) return ENOMEM;
    *memory = found;
    return 0;
}

void *realloc(void *memory, size_t bytes) {
    if (fails(bytes, __builtin_return_address(0))) return NULL;
    const long before = memory ? (long)malloc_usable_size(memory) : 0;
    void *found = __libc_realloc(memory, bytes);
    if (found || !bytes) {
        __atomic_sub_fetch(&live, before, __ATOMIC_SEQ_CST);
        counted(found);
    }
    return found;
}

void free(void *memory) {
    if (memory) __atomic_sub_fetch(&live, (long)malloc_usable_size(memory), __ATOMIC_SEQ_CST);
    __libc_free(memory);
}

/* The drivers' own allocator keeps blocks for the next call, which asks for them before malloc: so it is asked here. */
static void *(*drivers_allocate)(ptrdiff_t);

void stand_before(void *(*allocate)(ptrdiff_t)) { drivers_allocate = allocate; }

void *failing_allocate(ptrdiff_t bytes) {
    return fails((size_t)bytes, __builtin_return_address(0)) ? NULL : drivers_allocate(bytes);
}
