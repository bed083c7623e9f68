/* Dropout: each element times 0 or times `scale`, as the seed and the element's place say. The random bits are those of Philox4x32-7
 * (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011; seven rounds are what it finds enough for every
 * test of randomness), a function of a counter and a key: any element's can be had at any time, by any thread, and the gradient asks
 * for them again instead of keeping a mask. */
#include "vector.h"

/* Blocks that are computed side by side. A group of 4 * BLOCKS elements takes their first words, then their second, third and fourth. */
enum { BLOCKS = 16, GROUP = 4 * BLOCKS };

enum { ROUNDS = 7 };
#define MULTIPLY_A 0xD2511F53u
#define MULTIPLY_C 0xCD9E8D57u
#define ADD_0 0x9E3779B9u
#define ADD_1 0xBB67AE85u

#if FC_AVX2
/* A word stands in the lower half of 64 bits, where the instruction that multiplies takes it; the upper half is never looked at. */
FC_INLINE __m256i spread(uint32_t x) { return _mm256_set1_epi64x(x); }

/* Four blocks of words a, b, c, d. */
typedef struct { __m256i a, b, c, d; } blocks;

FC_INLINE void mix(blocks *s, __m256i key0, __m256i key1) {
    const __m256i x = _mm256_mul_epu32(s->a, spread(MULTIPLY_A)), z = _mm256_mul_epu32(s->c, spread(MULTIPLY_C));
    s->a = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(z, 32), s->b), key0);
    s->c = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(x, 32), s->d), key1);
    s->b = z;
    s->d = x;
}

/* Words of eight blocks, in order, from four each: blocks 0, 1, 4, 5 and 2, 3, 6, 7. */
FC_INLINE void put(uint32_t *words, __m256i some, __m256i others) {
    _mm256_storeu_ps((float *)words, _mm256_shuffle_ps((__m256)some, (__m256)others, 0x88));
}

static void philox(uint64_t first, uint64_t stream, uint64_t key, uint32_t *words) {
    for (int i = 0; i < BLOCKS; i += 8) {
        blocks s = {_mm256_add_epi64(spread((uint32_t)first + (uint32_t)i), _mm256_setr_epi64x(0, 1, 4, 5)), /* first: a multiple of BLOCKS */
                    spread((uint32_t)(first >> 32)), spread((uint32_t)stream), spread((uint32_t)(stream >> 32))};
        blocks t = s;
        t.a = _mm256_add_epi64(s.a, spread(2));
        __m256i key0 = spread((uint32_t)key), key1 = spread((uint32_t)(key >> 32));
        FC_UNROLL for (int round = 0; round < ROUNDS; round++) {
            mix(&s, key0, key1);
            mix(&t, key0, key1);
            key0 = _mm256_add_epi32(key0, spread(ADD_0));
            key1 = _mm256_add_epi32(key1, spread(ADD_1));
        }
        put(words + i, s.a, t.a);
        put(words + i + BLOCKS, s.b, t.b);
        put(words + i + 2 * BLOCKS, s.c, t.c);
        put(words + i + 3 * BLOCKS, s.d, t.d);
    }
}
#else
FC_INLINE uint32_t high_half(uint32_t a, uint32_t b) { return (uint32_t)(((uint64_t)a * b) >> 32); }

static void philox(uint64_t first, uint64_t stream, uint64_t key, uint32_t *words) {
    uint32_t *a = words, *b = words + BLOCKS, *c = words + 2 * BLOCKS, *d = words + 3 * BLOCKS;
    uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
    for (int i = 0; i < BLOCKS; i++) {
        a[i] = (uint32_t)first + (uint32_t)i; /* first is a multiple of BLOCKS: no carry */
        b[i] = (uint32_t)(first >> 32);
        c[i] = (uint32_t)stream;
        d[i] = (uint32_t)(stream >> 32);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            const uint32_t x = a[i], z = c[i];
            a[i] = high_half(z, MULTIPLY_C) ^ b[i] ^ key0;
            b[i] = z * MULTIPLY_C;
            c[i] = high_half(x, MULTIPLY_A) ^ d[i] ^ key1;
            d[i] = x * MULTIPLY_A;
        }
        key0 += ADD_0;
        key1 += ADD_1;
    }
}
#endif

/* first: the place of the first element in the whole array, a multiple of GROUP. Kept is where the random word is not below `threshold`. */
void FC_NAME(dropout)(ptrdiff_t count, uint64_t first, uint64_t stream, uint64_t key, uint32_t threshold, double scale, const void *input,
                      void *output) {
    const real *from = input;
    real *to = output;
    const real kept = (real)scale;
    for (ptrdiff_t i = 0; i < count; i += GROUP) {
        uint32_t words[GROUP];
        philox((first + (uint64_t)i) / 4, stream, key, words);
        if (count - i >= GROUP)
            for (int j = 0; j < GROUP; j++) to[i + j] = from[i + j] * (words[j] < threshold ? 0 : kept);
        else
            for (ptrdiff_t j = 0; i + j < count; j++) to[i + j] = from[i + j] * (words[j] < threshold ? 0 : kept);
    }
}
