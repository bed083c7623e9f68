/* Adaptive pooling, one row of outputs a call. All its windows have the same rows of the source (`rows` of each of `depth` planes):
 * those are brought together first, column by column in vectors, and then the columns of each window. */
#include <math.h>

#include "sum.h"

enum { LONG = 4 * VL_ELEMENTS, UNROLL = 4, MOST_ORDINALS = 1 << 30 };

typedef struct {
    ptrdiff_t plane, rows, W; /* elements from one plane to the next, rows of each, elements from one row to the next */
    const real *source;
} rows_of;

FC_INLINE const real *row_at(const rows_of *t, ptrdiff_t r) { return t->source + r / t->rows * t->plane + r % t->rows * t->W; }

/* Larger, or a NaN: a NaN stays, the last one of several, and the first of equal values is kept. */
FC_INLINE mask wins(vec value, vec best) { return FC_MASK(value > best) | FC_MASK(value != value); }

FC_INLINE void sum_columns(const int vectors, const rows_of *t, ptrdiff_t depth, ptrdiff_t w, ptrdiff_t lanes, real *sums) {
    vec total[UNROLL];
    FC_UNROLL for (int v = 0; v < vectors; v++) total[v] = broadcast(0);
    for (ptrdiff_t d = 0; d < depth; d++) {
        const real *row = t->source + d * t->plane + w;
        for (ptrdiff_t h = 0; h < t->rows; h++, row += t->W)
            FC_UNROLL for (int v = 0; v < vectors; v++)
                total[v] += lanes < VL ? load_part(row, lanes) : load(row + v * VL);
    }
    FC_UNROLL for (int v = 0; v < vectors; v++) store(sums + w + v * VL, total[v]);
}

/* output[i] = the mean over the columns first[i] <= w < stop[i] of all rows. sums: room for W elements and UNROLL vectors. */
void FC_NAME(adaptive_mean)(ptrdiff_t depth, ptrdiff_t plane, ptrdiff_t rows, ptrdiff_t W, const void *source, ptrdiff_t count,
                            const ptrdiff_t *first, const ptrdiff_t *stop, void *sums, void *output) {
    const rows_of t = {plane, rows, W, source};
    const real *total = source;
    real *to = output;
    if (count == 1) { /* the window is all of them: rows follow each other without a gap */
        real sum = 0;
        for (ptrdiff_t d = 0; d < depth; d++) sum += sum_of(rows * W, t.source + d * plane);
        *to = sum / (real)(depth * rows * W);
        return;
    }
    if (depth * rows > 1) {
        ptrdiff_t w = 0;
        for (; w + UNROLL * VL <= W; w += UNROLL * VL) sum_columns(UNROLL, &t, depth, w, VL, sums);
        for (; w < W; w += VL) sum_columns(1, &t, depth, w, W - w < VL ? W - w : VL, sums);
        total = sums;
    }
    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t columns = stop[i] - first[i];
        real sum = 0;
        if (columns >= LONG) sum = sum_of(columns, total + first[i]);
        else
            for (ptrdiff_t w = first[i]; w < stop[i]; w++) sum += total[w];
        to[i] = sum / (real)(depth * rows * columns);
    }
}

/* The share of each window of a row of outputs, added to those of other rows of outputs: share[i] (+)= gradient[i] / its elements. */
void FC_NAME(adaptive_share)(ptrdiff_t height, ptrdiff_t count, const ptrdiff_t *first, const ptrdiff_t *stop, const void *gradient, int add,
                             void *share) {
    const real *from = gradient;
    real *to = share;
    for (ptrdiff_t i = 0; i < count; i++) to[i] = (add ? to[i] : 0) + from[i] / (real)(height * (stop[i] - first[i]));
}

/* row[w] = the sum of the shares of the windows that have column w, in their order. */
void FC_NAME(adaptive_spread)(ptrdiff_t count, const ptrdiff_t *first, const ptrdiff_t *stop, const void *share, void *row) {
    const real *from = share;
    real *to = row;
    ptrdiff_t next = 0; /* columns before it have been written */
    for (ptrdiff_t i = 0; i < count; i++) {
        ptrdiff_t w = first[i];
        for (; w < next; w++) to[w] += from[i];
        for (; w < stop[i]; w++) to[w] = from[i];
        next = stop[i];
    }
}

typedef struct {
    real value;
    ptrdiff_t row, column; /* ordinals of the row, and of the column in it */
} winner;

/* Elements come with their columns ascending, but each with a row of its own: of equal values the first row's wins, of NaNs the last's. */
FC_INLINE void meet(winner *best, real value, ptrdiff_t row, ptrdiff_t column) {
    if (value > best->value || (value == best->value && row < best->row) ||
        (value != value && (best->value == best->value || row >= best->row)))
        *best = (winner){value, row, column};
}

/* One stretch of consecutive elements: vectors count as rows, lanes as columns. `row` of the winner is its place. */
static winner longest(ptrdiff_t count, const real *source) {
    winner total = {source[0], 0, 0};
    for (ptrdiff_t start = 0; start < count; start += MOST_ORDINALS * VL) {
        const real *from = source + start;
        const ptrdiff_t elements = count - start < MOST_ORDINALS * VL ? count - start : MOST_ORDINALS * VL, vectors = elements / VL;
        winner best = {from[0], 0, 0};
        if (vectors) {
            vec values = load(from);
            mask ordinals = mask_of(0);
            for (ptrdiff_t v = 1; v < vectors; v++) {
                const vec value = load(from + v * VL);
                const mask better = wins(value, values);
                values = pick(better, value, values);
                ordinals = (better & mask_of((integer)v)) | (~better & ordinals);
            }
            real lane_values[FC_BYTES / sizeof(real)];
            integer lane_ordinals[FC_BYTES / sizeof(real)];
            store(lane_values, values);
            memcpy(lane_ordinals, &ordinals, sizeof ordinals);
            best = (winner){lane_values[0], lane_ordinals[0], 0};
            for (ptrdiff_t lane = 1; lane < VL; lane++) meet(&best, lane_values[lane], lane_ordinals[lane], lane);
        }
        for (ptrdiff_t i = vectors * VL; i < elements; i++) meet(&best, from[i], vectors, i - vectors * VL);
        meet(&total, best.value, start + best.row * VL + best.column, 0);
    }
    return total;
}

FC_INLINE void max_columns(const int vectors, const int indexed, const rows_of *t, ptrdiff_t start, ptrdiff_t rows, ptrdiff_t w,
                           ptrdiff_t lanes, real *values, integer *ordinals) {
    const int part = lanes < VL;
    vec best[UNROLL];
    mask winners[UNROLL];
    ptrdiff_t d = start / t->rows, h = start % t->rows;
    const real *row = t->source + d * t->plane + h * t->W + w;
    FC_UNROLL for (int v = 0; v < vectors; v++) {
        best[v] = part ? load_part(row, lanes) : load(row + v * VL);
        winners[v] = mask_of(0);
    }
    for (ptrdiff_t r = 1; r < rows; r++) {
        if (++h < t->rows) row += t->W;
        else h = 0, d++, row = t->source + d * t->plane + w;
        FC_UNROLL for (int v = 0; v < vectors; v++) {
            const vec value = part ? load_part(row, lanes) : load(row + v * VL);
            const mask better = wins(value, best[v]);
            best[v] = pick(better, value, best[v]);
            if (indexed) winners[v] = (better & mask_of((integer)r)) | (~better & winners[v]);
        }
    }
    FC_UNROLL for (int v = 0; v < vectors; v++) {
        store(values + w + v * VL, best[v]);
        if (indexed) memcpy(ordinals + w + v * VL, &winners[v], sizeof winners[v]);
    }
}

FC_INLINE void max_all(const int indexed, const rows_of *t, ptrdiff_t start, ptrdiff_t rows, real *values, integer *ordinals) {
    ptrdiff_t w = 0;
    for (; w + UNROLL * VL <= t->W; w += UNROLL * VL) max_columns(UNROLL, indexed, t, start, rows, w, VL, values, ordinals);
    for (; w < t->W; w += VL) max_columns(1, indexed, t, start, rows, w, t->W - w < VL ? t->W - w : VL, values, ordinals);
}

/* output[i] = the largest over the columns first[i] <= w < stop[i] of all rows, NaN where there is one; indices (or NULL) tell where:
 * origin stands for the first element of the source. room: W elements and UNROLL vectors, twice. */
void FC_NAME(adaptive_max)(ptrdiff_t depth, ptrdiff_t plane, ptrdiff_t rows, ptrdiff_t W, const void *source, ptrdiff_t origin,
                           ptrdiff_t count, const ptrdiff_t *first, const ptrdiff_t *stop, void *room, void *output, int64_t *indices) {
    const rows_of t = {plane, rows, W, source};
    const ptrdiff_t all = depth * rows;
    real *to = output;
    if (count == 1) { /* the window is all of them: rows follow each other without a gap */
        winner best = longest(rows * W, t.source);
        for (ptrdiff_t d = 1; d < depth; d++) {
            const winner other = longest(rows * W, t.source + d * plane);
            meet(&best, other.value, d * plane + other.row, 0);
        }
        *to = best.value;
        if (indices) *indices = origin + best.row;
        return;
    }
    for (ptrdiff_t start = 0; start < all; start += MOST_ORDINALS) { /* an ordinal has to fit into a lane */
        const ptrdiff_t here = all - start < MOST_ORDINALS ? all - start : MOST_ORDINALS;
        integer *ordinals = (integer *)((real *)room + W + UNROLL * VL);
        const real *values = here == 1 ? row_at(&t, start) : room;
        if (here > 1 && indices) max_all(1, &t, start, here, room, ordinals);
        else if (here > 1) max_all(0, &t, start, here, room, ordinals);
        for (ptrdiff_t i = 0; i < count; i++) {
            winner best = {values[first[i]], here > 1 && indices ? ordinals[first[i]] : 0, first[i]};
            if (here == 1 && stop[i] - first[i] >= LONG) {
                best = longest(stop[i] - first[i], values + first[i]);
                best = (winner){best.value, 0, first[i] + best.row};
            } else if (here == 1 || !indices) {
                for (ptrdiff_t w = first[i] + 1; w < stop[i]; w++) meet(&best, values[w], 0, w);
            } else {
                for (ptrdiff_t w = first[i] + 1; w < stop[i]; w++) meet(&best, values[w], ordinals[w], w);
            }
            if (start && !(best.value > to[i] || best.value != best.value)) continue;
            to[i] = best.value;
            if (indices) indices[i] = origin + (row_at(&t, start + best.row) - t.source) + best.column;
        }
    }
}
