/* Working memory. The system clears every page that it hands out, at the first touch, which takes longer than many a layer; so a few
 * large blocks that were given back are kept for the next call. Built without any -m flag. */
#include "memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) /* it sees the ends of what malloc gives: nothing is kept, and what alignment leaves over is forbidden */
#include <sanitizer/asan_interface.h>
#define FC_FORBID(memory, bytes) __asan_poison_memory_region(memory, bytes)
#else
#define FC_FORBID(memory, bytes) ((void)0)
#endif

enum {
    ALIGNMENT = 64,
    HUGE_PAGE = 2 * 1024 * 1024,
    LEAST_KEPT = 64 * 1024,             /* smaller blocks are cheap to get from malloc */
#if defined(__SANITIZE_ADDRESS__)
    MOST_KEPT = 0,
#else
    MOST_KEPT = 64 * 1024 * 1024,       /* bytes kept in all */
#endif
    KEPT_BLOCKS = 16
};

/* What stands before each block. */
typedef struct {
    void *start;                        /* as malloc gave it */
    ptrdiff_t bytes;
} header;

static void *kept[KEPT_BLOCKS];         /* the longest kept first; NULL behind the last */
static ptrdiff_t kept_bytes = 0;
static char busy = 0;

#if defined(__GNUC__)
static int enter(void) { return !__atomic_test_and_set(&busy, __ATOMIC_ACQUIRE); }
static void leave(void) { __atomic_clear(&busy, __ATOMIC_RELEASE); }
#else
static int enter(void) { return 0; }    /* nothing is kept */
static void leave(void) {}
#endif

static header *header_of(void *memory) { return (header *)((char *)memory - sizeof(header)); }

static void *take(int index) {
    void *memory = kept[index];
    kept_bytes -= header_of(memory)->bytes;
    memmove(kept + index, kept + index + 1, (KEPT_BLOCKS - 1 - (size_t)index) * sizeof *kept);
    kept[KEPT_BLOCKS - 1] = NULL;
    return memory;
}

/* The smallest kept block that holds `bytes`, and not much more. Who finds the list busy does without: nobody waits here. */
static void *take_fitting(ptrdiff_t bytes) {
    if (bytes < LEAST_KEPT || !enter()) return NULL;
    int best = -1;
    for (int i = 0; i < KEPT_BLOCKS && kept[i]; i++) {
        const ptrdiff_t here = header_of(kept[i])->bytes;
        if (here >= bytes && here / 2 <= bytes && (best < 0 || here < header_of(kept[best])->bytes)) best = i;
    }
    void *memory = best < 0 ? NULL : take(best);
    leave();
    return memory;
}

/* Large buffers are filled once, and the system hands out and clears huge pages several times faster than small ones. */
static void ask_for_huge_pages(void *memory, ptrdiff_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const uintptr_t start = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    const uintptr_t stop = ((uintptr_t)memory + (uintptr_t)bytes) & ~(uintptr_t)(HUGE_PAGE - 1);
    if (stop > start) madvise((void *)start, stop - start, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

void *fc_allocate(ptrdiff_t bytes) {
    if (bytes < 0 || bytes > PTRDIFF_MAX - 2 * ALIGNMENT) return NULL;
    void *memory = take_fitting(bytes);
    if (memory) return memory;
    char *start = malloc((size_t)bytes + 2 * ALIGNMENT);
    if (!start) return NULL;
    if (bytes >= 2 * HUGE_PAGE) ask_for_huge_pages(start, bytes);
    memory = (char *)(((uintptr_t)start + 2 * ALIGNMENT) & ~(uintptr_t)(ALIGNMENT - 1));
    *header_of(memory) = (header){start, bytes};
    FC_FORBID((char *)memory + bytes, (size_t)(start + bytes + 2 * ALIGNMENT - ((char *)memory + bytes)));
    return memory;
}

void fc_release(void *memory) {
    if (!memory) return;
    const ptrdiff_t bytes = header_of(memory)->bytes;
    if (bytes < LEAST_KEPT || bytes > MOST_KEPT || !enter()) {
        free(header_of(memory)->start);
        return;
    }
    while (kept[KEPT_BLOCKS - 1] || kept_bytes + bytes > MOST_KEPT) free(header_of(take(0))->start);
    int last = 0;
    while (kept[last]) last++;
    kept[last] = memory;
    kept_bytes += bytes;
    leave();
}

void fc_forget_kept(void) {
    memset(kept, 0, sizeof kept);
    kept_bytes = 0;
    leave();
}
