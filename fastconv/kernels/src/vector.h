/* The vector of one instruction set and one element type, in the compiler's vector extensions.
 *
 * Every file in kernels/ is compiled once for each pair of instruction set and element type. FC_SUFFIX (say f32_avx2) names
 * the pair and FC_DOUBLE selects the type; which registers exist follows from the compiler's -m flags. Without vector
 * extensions a vector is one element and the same source compiles to plain loops.
 */
#ifndef FC_VECTOR_H
#define FC_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(FC_PLAIN_LOOPS)
#define FC_VECTORS 1
#else
#define FC_VECTORS 0
#endif
/* Intrinsics for what the vector extensions do not have: masked accesses and the maximum. */
#if FC_VECTORS && defined(__AVX2__)
#include <immintrin.h>
#define FC_AVX2 1
#else
#define FC_AVX2 0
#endif
#if FC_VECTORS && defined(__AVX512F__)
#define FC_AVX512 1
#else
#define FC_AVX512 0
#endif

#include "registry.h"

#if FC_DOUBLE
typedef double real;
typedef int64_t integer;
#else
typedef float real;
typedef int32_t integer;
#endif

#if defined(__AVX512F__)
#define FC_BYTES 64
#elif defined(__AVX2__)
#define FC_BYTES 32
#else
#define FC_BYTES 16
#endif

/* Accumulators live in registers: 32 of them with AVX-512 and NEON, 16 otherwise. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define FC_REGISTERS 32
#else
#define FC_REGISTERS 16
#endif

#if FC_VECTORS
#define VL_ELEMENTS (FC_BYTES / (4 << FC_DOUBLE))
#define FC_INLINE static inline __attribute__((always_inline))
#define VL ((ptrdiff_t)VL_ELEMENTS)
typedef real vec __attribute__((vector_size(FC_BYTES)));
typedef integer mask __attribute__((vector_size(FC_BYTES)));
typedef real vec_anywhere __attribute__((vector_size(FC_BYTES), aligned(sizeof(real)), may_alias));
#define FC_MASK(comparison) ((mask)(comparison))
FC_INLINE vec load(const real *p) { return *(const vec_anywhere *)p; }
/* Into a register: where a value is used more than once, the compiler may read memory again each time, and a vector across two lines of
 * the cache is two reads. */
FC_INLINE vec load_once(const real *p) { return *(const volatile vec_anywhere *)p; }
FC_INLINE void store(real *p, vec v) { *(vec_anywhere *)p = v; }
FC_INLINE vec broadcast(real x) { return x - (vec){0}; } /* x - 0 keeps the sign of -0.0; x + 0 would not */
FC_INLINE vec pick(mask m, vec yes, vec no) { /* one instruction where there is one */
#if FC_AVX2 && !FC_AVX512 && FC_DOUBLE
    return (vec)_mm256_blendv_pd((__m256d)no, (__m256d)yes, (__m256d)m);
#elif FC_AVX2 && !FC_AVX512
    return (vec)_mm256_blendv_ps((__m256)no, (__m256)yes, (__m256)m);
#else
    return (vec)((m & (mask)yes) | (~m & (mask)no));
#endif
}
FC_INLINE mask mask_of(integer x) { return x - (mask){0}; }
FC_INLINE mask as_bits(vec v) { return (mask)v; }
FC_INLINE vec from_bits(mask m) { return (vec)m; }
#else
#define FC_INLINE static inline
#define VL_ELEMENTS 1
#define VL ((ptrdiff_t)1)
typedef real vec;
typedef integer mask; /* all ones or zero, as a vector comparison gives */
#define FC_MASK(comparison) (-(mask)(comparison))
FC_INLINE vec load(const real *p) { return *p; }
FC_INLINE vec load_once(const real *p) { return *p; }
FC_INLINE void store(real *p, vec v) { *p = v; }
FC_INLINE vec broadcast(real x) { return x; }
FC_INLINE vec pick(mask m, vec yes, vec no) { return m ? yes : no; }
FC_INLINE mask mask_of(integer x) { return x; }
FC_INLINE mask as_bits(vec v) { mask m; memcpy(&m, &v, sizeof m); return m; }
FC_INLINE vec from_bits(mask m) { vec v; memcpy(&v, &m, sizeof v); return v; }
#endif

/* a where a > b, otherwise b: b where either is a NaN. One instruction where there is one; the compiler does not find it by itself. */
FC_INLINE vec larger(vec a, vec b) {
#if FC_AVX512 && FC_DOUBLE
    return (vec)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif FC_AVX512
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif FC_AVX2 && FC_DOUBLE
    return (vec)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif FC_AVX2
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return pick(FC_MASK(a > b), a, b);
#endif
}

/* The same with a < b. */
FC_INLINE vec smaller(vec a, vec b) {
#if FC_AVX512 && FC_DOUBLE
    return (vec)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif FC_AVX512
    return (vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif FC_AVX2 && FC_DOUBLE
    return (vec)_mm256_min_pd((__m256d)a, (__m256d)b);
#elif FC_AVX2
    return (vec)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return pick(FC_MASK(a < b), a, b);
#endif
}

/* A set of lanes, in a mask register where there is one: from vectors of ones and zeros the compiler does not get there. */
#if FC_AVX512 && FC_DOUBLE
typedef __mmask8 lane_set;
FC_INLINE lane_set equals(mask a, mask b) { return _mm512_cmpeq_epi64_mask((__m512i)a, (__m512i)b); }
FC_INLINE vec only_where(lane_set s, vec v) { return (vec)_mm512_maskz_mov_pd(s, (__m512d)v); }
FC_INLINE mask count_where(lane_set s, mask n) { return (mask)_mm512_mask_sub_epi64((__m512i)n, s, (__m512i)n, (__m512i)mask_of(-1)); }
#elif FC_AVX512
typedef __mmask16 lane_set;
FC_INLINE lane_set equals(mask a, mask b) { return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b); }
FC_INLINE vec only_where(lane_set s, vec v) { return (vec)_mm512_maskz_mov_ps(s, (__m512)v); }
FC_INLINE mask count_where(lane_set s, mask n) { return (mask)_mm512_mask_sub_epi32((__m512i)n, s, (__m512i)n, (__m512i)mask_of(-1)); }
#else
typedef mask lane_set;
FC_INLINE lane_set equals(mask a, mask b) { return FC_MASK(a == b); }
FC_INLINE vec only_where(lane_set s, vec v) { return from_bits(s & as_bits(v)); }
FC_INLINE mask count_where(lane_set s, mask n) { return n - s; }
#endif

/* max(x, 0); a NaN is kept, and so is -0.0: `larger` gives what stands second. */
FC_INLINE vec rectify(vec x) {
#if FC_VECTORS && defined(__clang__) && defined(__aarch64__)
    /* clang would take one instruction for it, to which 0.0 is larger than -0.0. From -inf to the number nearest to zero bits are in a row. */
#if FC_DOUBLE
    typedef uint64_t words __attribute__((vector_size(FC_BYTES)));
#else
    typedef uint32_t words __attribute__((vector_size(FC_BYTES)));
#endif
    const words below = (words)as_bits(x) - ((words)as_bits(broadcast((real)-0.0)) + 1);
    return from_bits(as_bits(x) & ~(mask)(below < (words)as_bits(broadcast((real)__builtin_inf()))));
#else
    return larger(broadcast(0), x);
#endif
}
FC_INLINE vec magnitude(vec x) { return from_bits(as_bits(x) & ~as_bits(broadcast((real)-0.0))); }
/* A positive number with the sign of another. */
FC_INLINE vec with_sign(vec size, vec other) { return from_bits(as_bits(size) | (as_bits(other) & as_bits(broadcast((real)-0.0)))); }

#if defined(__GNUC__)
#define FC_UNROLL _Pragma("GCC unroll 32")
#define FC_PREFETCH(p) __builtin_prefetch(p)
#else
#define FC_UNROLL
#define FC_PREFETCH(p) ((void)(p))
#endif

#if FC_AVX2 && !FC_AVX512 /* a masked load is 1 instruction here too, a masked store 40 of some processors' */
#if FC_DOUBLE
#define AVX2_LANES ((mask){0, 1, 2, 3})
FC_INLINE vec load_masked(const real *p, mask m) { return (vec)_mm256_maskload_pd(p, (__m256i)m); }
#else
#define AVX2_LANES ((mask){0, 1, 2, 3, 4, 5, 6, 7})
FC_INLINE vec load_masked(const real *p, mask m) { return (vec)_mm256_maskload_ps(p, (__m256i)m); }
#endif
#endif
/* The first `count` lanes from p, the others zero; and the first `count` lanes to p. Nothing beyond them is touched. */
FC_INLINE vec load_part(const real *p, ptrdiff_t count) {
#if FC_AVX512 /* a masked access is 1 instruction, its detour through memory about 20 */
#if FC_DOUBLE
    return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1), p);
#else
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
#endif
#elif FC_AVX2
    return load_masked(p, FC_MASK(AVX2_LANES < mask_of((integer)count)));
#endif
    vec v = broadcast(0);
#if FC_VECTORS /* lane by lane into the register: through memory the load would wait for the stores */
    FC_UNROLL for (ptrdiff_t lane = 0; lane < VL; lane++)
        if (lane < count) v[lane] = p[lane];
#else
    if (count > 0) v = *p;
#endif
    return v;
}
FC_INLINE ptrdiff_t fewer(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }
FC_INLINE ptrdiff_t clamp_lane(ptrdiff_t lane) { return lane < 0 ? 0 : lane > VL ? VL : lane; }
/* The lanes low <= lane < high of what lies at p, the others `filler`: only those are read. */
FC_INLINE vec load_between(const real *p, ptrdiff_t low, ptrdiff_t high, real filler) {
#if FC_AVX512
    const uint32_t bits = ((1u << high) - 1) & ~((1u << low) - 1);
#if FC_DOUBLE
    return (vec)_mm512_mask_loadu_pd((__m512d)broadcast(filler), (__mmask8)bits, p);
#else
    return (vec)_mm512_mask_loadu_ps((__m512)broadcast(filler), (__mmask16)bits, p);
#endif
#elif FC_AVX2
    const mask inside = FC_MASK(AVX2_LANES >= mask_of((integer)low)) & FC_MASK(AVX2_LANES < mask_of((integer)high));
    return pick(inside, load_masked(p, inside), broadcast(filler));
#endif
    if (low == 0 && high == VL) return load(p);
    vec v = broadcast(filler);
#if FC_VECTORS
    FC_UNROLL for (ptrdiff_t lane = 0; lane < VL; lane++)
        if (lane >= low && lane < high) v[lane] = p[lane];
#endif
    return v;
}
#if FC_AVX2 && !FC_AVX512 /* in halves: by way of memory a copy of so few bytes takes several times as long */
static __attribute__((noinline, unused)) void store_halves(real *p, vec v, ptrdiff_t count) {
#if FC_DOUBLE
    __m128d half = _mm256_castpd256_pd128((__m256d)v);
    if (count & 2) _mm_storeu_pd(p, half), half = _mm256_extractf128_pd((__m256d)v, 1), p += 2;
    if (count & 1) _mm_store_sd(p, half);
#else
    __m128 half = _mm256_castps256_ps128((__m256)v);
    if (count & 4) _mm_storeu_ps(p, half), half = _mm256_extractf128_ps((__m256)v, 1), p += 4;
    if (count & 2) _mm_storel_pi((__m64 *)p, half), half = _mm_movehl_ps(half, half), p += 2;
    if (count & 1) _mm_store_ss(p, half);
#endif
}
#endif
FC_INLINE void store_part(real *p, vec v, ptrdiff_t count) {
#if FC_AVX2 && !FC_AVX512
    if (count == VL) store(p, v);
    else store_halves(p, v, count);
    return;
#elif FC_AVX512
#if FC_DOUBLE
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << count) - 1), (__m512d)v);
#else
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1), (__m512)v);
#endif
    return;
#endif
    real lanes[VL > 0 ? VL : 1];
    store(lanes, v);
    memcpy(p, lanes, (size_t)count * sizeof(real));
}

/* A vector of a row with so many elements from p on: all lanes, or as many as there are. */
FC_INLINE vec load_up_to(const real *p, ptrdiff_t count) { return count >= VL ? load(p) : load_part(p, count); }
FC_INLINE void store_up_to(real *p, vec v, ptrdiff_t count) {
    if (count >= VL) store(p, v);
    else store_part(p, v, count);
}

/* Elements of a long row before the first vector of them that fills lines of the cache: one across two lines takes twice as long to store,
 * and NumPy's arrays begin anywhere. And how many the first step of a loop over the row takes: those, or a vector of them. */
enum { FC_LONG = 1024 };
FC_INLINE ptrdiff_t before_lines(const void *row, ptrdiff_t count) {
    const size_t beyond = (uintptr_t)row % sizeof(vec);
    return count < FC_LONG || !beyond ? 0 : (ptrdiff_t)((sizeof(vec) - beyond) / sizeof(real));
}
FC_INLINE ptrdiff_t first_step(const void *row, ptrdiff_t count) {
    const ptrdiff_t head = before_lines(row, count);
    return head ? head : VL;
}

/* The lanes low <= lane < high to p + lane: only those are written. */
FC_INLINE void store_between(real *p, vec v, ptrdiff_t low, ptrdiff_t high) {
#if FC_AVX512
    const uint32_t bits = ((1u << high) - 1) & ~((1u << low) - 1);
#if FC_DOUBLE
    _mm512_mask_storeu_pd(p, (__mmask8)bits, (__m512d)v);
#else
    _mm512_mask_storeu_ps(p, (__mmask16)bits, (__m512)v);
#endif
    return;
#endif
    real lanes[VL > 0 ? VL : 1];
    store(lanes, v);
    for (ptrdiff_t lane = low; lane < high; lane++) p[lane] = lanes[lane];
}

#define FC_PASTE_(name, suffix) fc_##name##_##suffix
#define FC_PASTE(name, suffix) FC_PASTE_(name, suffix)
#define FC_NAME(name) FC_PASTE(name, FC_SUFFIX)

#endif
