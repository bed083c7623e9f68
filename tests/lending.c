/* Many short loans of working memory, for test_threads.py, which calls lend() in several threads at once.
 *
 * A layer spends few nanoseconds in which two threads could be lent one block; here is nothing else. */
#include <stddef.h>

enum { BYTES = 64 * 1024, LOOKS = 20 };

static int stopped = 0;

void stop(void) { __atomic_store_n(&stopped, 1, __ATOMIC_RELAXED); }

/* Until stop(): 0, or 1 if someone else wrote into what was lent to this thread. That stops all, for it would be returned twice. */
int lend(void *(*allocate)(ptrdiff_t), void (*release)(void *)) {
    const char own = 0; /* its address tells this thread from others */
    while (!__atomic_load_n(&stopped, __ATOMIC_RELAXED)) {
        const void *volatile *block = allocate(BYTES);
        if (!block) continue;
        *block = &own;
        for (int look = 0; look < LOOKS; look++) {
            if (*block == &own) continue;
            stop();
            return 1;
        }
        release((void *)block);
    }
    return 0;
}
