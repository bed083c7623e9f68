/* Small squares transposed in registers. */
#ifndef FC_TRANSPOSE_H
#define FC_TRANSPOSE_H

#include "vector.h"

#if FC_VECTORS
/* A square of SIDE x SIDE elements, transposed by exchanging its off-diagonal blocks, halves first. */
#if FC_REGISTERS == 32
enum { SIDE = 8 };
#else
enum { SIDE = 4 };
#endif
typedef real line __attribute__((vector_size(SIDE * sizeof(real))));
typedef real line_anywhere __attribute__((vector_size(SIDE * sizeof(real)), aligned(sizeof(real)), may_alias));

#define EXCHANGE(a, b, ...)                                   \
    do {                                                      \
        const line upper = __builtin_shufflevector(a, b, __VA_ARGS__);
#define WITH(a, b, ...)                                       \
        b = __builtin_shufflevector(a, b, __VA_ARGS__);       \
        a = upper;                                            \
    } while (0)

/* to[j * to_row + i] = from[i][j]. */
FC_INLINE void transpose_lines(const real *const *from, real *to, ptrdiff_t to_row) {
    line row[SIDE];
    FC_UNROLL for (int i = 0; i < SIDE; i++) row[i] = *(const line_anywhere *)from[i];
#if FC_REGISTERS == 32
    FC_UNROLL for (int i = 0; i < 4; i++) {
        EXCHANGE(row[i], row[i + 4], 0, 1, 2, 3, 8, 9, 10, 11) WITH(row[i], row[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    FC_UNROLL for (int i = 0; i < 8; i += 4)
        FC_UNROLL for (int j = i; j < i + 2; j++) {
            EXCHANGE(row[j], row[j + 2], 0, 1, 8, 9, 4, 5, 12, 13) WITH(row[j], row[j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    FC_UNROLL for (int i = 0; i < 8; i += 2) {
        EXCHANGE(row[i], row[i + 1], 0, 8, 2, 10, 4, 12, 6, 14) WITH(row[i], row[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
#else
    FC_UNROLL for (int i = 0; i < 2; i++) {
        EXCHANGE(row[i], row[i + 2], 0, 1, 4, 5) WITH(row[i], row[i + 2], 2, 3, 6, 7);
    }
    FC_UNROLL for (int i = 0; i < 4; i += 2) {
        EXCHANGE(row[i], row[i + 1], 0, 4, 2, 6) WITH(row[i], row[i + 1], 1, 5, 3, 7);
    }
#endif
    FC_UNROLL for (int i = 0; i < SIDE; i++) *(line_anywhere *)(to + i * to_row) = row[i];
}
#else
enum { SIDE = 1 };
FC_INLINE void transpose_lines(const real *const *from, real *to, ptrdiff_t to_row) { *to = *from[0]; }
#endif

FC_INLINE void transpose(const real *from, ptrdiff_t from_row, real *to, ptrdiff_t to_row) {
    const real *lines[SIDE];
    FC_UNROLL for (int i = 0; i < SIDE; i++) lines[i] = from + i * from_row;
    transpose_lines(lines, to, to_row);
}

#endif
