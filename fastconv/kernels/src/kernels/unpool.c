/* Following indices: what max_unpool does, and its gradient. An index outside of the target is never followed: the answer is false. */
#include "vector.h"

/* target[indices[i]] = values[i], in order: the last of several stays. */
int FC_NAME(scatter)(ptrdiff_t count, const void *values, const int64_t *indices, ptrdiff_t pixels, void *target) {
    for (ptrdiff_t i = 0; i < count; i++) {
        if ((uint64_t)indices[i] >= (uint64_t)pixels) return 0;
        ((real *)target)[indices[i]] = ((const real *)values)[i];
    }
    return 1;
}

/* values[i] = source[indices[i]]. */
int FC_NAME(gather)(ptrdiff_t count, const void *source, const int64_t *indices, ptrdiff_t pixels, void *values) {
    for (ptrdiff_t i = 0; i < count; i++) {
        if ((uint64_t)indices[i] >= (uint64_t)pixels) return 0;
        ((real *)values)[i] = ((const real *)source)[indices[i]];
    }
    return 1;
}
