/* The sum of two arrays. */
#include "vector.h"

void FC_NAME(add)(ptrdiff_t count, const void *first, const void *second, void *output) {
    const real *a = first, *b = second;
    real *to = output;
    ptrdiff_t i = 0;
    for (; i + VL <= count; i += VL) store(to + i, load(a + i) + load(b + i));
    if (i < count) store_part(to + i, load_part(a + i, count - i) + load_part(b + i, count - i), count - i);
}
