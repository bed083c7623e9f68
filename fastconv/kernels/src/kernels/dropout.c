/* Dropout: each element times 0 or times `scale`, as the seed and the element's place say. The random bits are those of Philox4x32-7
 * (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011; 7 rounds are enough to pass BigCrush), a
 * function of a counter and a key: any element's can be had at any time, by any thread, and the gradient asks for them again instead of
 * keeping a mask. */
#include "vector.h"

/* A group of 8 * BLOCKS elements takes the low halves of its blocks' first words, then their high halves, then those of the second, third
 * and fourth words. GROUPS of them are drawn at once. */
enum { BLOCKS = 16, WORDS = 4 * BLOCKS, GROUP = 2 * WORDS, GROUPS = 4, DRAWN = GROUPS * GROUP, ROUNDS = 7 };
enum { LINE = 64 / sizeof(real) }; /* of the cache */

static const uint32_t FACTOR_A = 0xD2511F53u, FACTOR_C = 0xCD9E8D57u, STEP_0 = 0x9E3779B9u, STEP_1 = 0xBB67AE85u;

/* One instruction gives whole products, of every other 32-bit lane: words stand there, with anything beside. */
#if FC_VECTORS && defined(__SSE2__)
#include <immintrin.h>

/* Each round waits for the products of the one before: so many vectors keep the multipliers busy meanwhile, also where that takes more
 * registers than there are. */
enum { PAIRS = FC_BYTES / 8, SIDE_BY_SIDE = 4 };
typedef uint64_t pairs __attribute__((vector_size(FC_BYTES)));
typedef uint32_t lanes32 __attribute__((vector_size(FC_BYTES)));

FC_INLINE pairs all(uint64_t x) { return x - (pairs){0}; }
FC_INLINE pairs product(pairs x, pairs y) {
#if FC_AVX512
    return (pairs)_mm512_mul_epu32((__m512i)x, (__m512i)y);
#elif FC_AVX2
    return (pairs)_mm256_mul_epu32((__m256i)x, (__m256i)y);
#else
    return (pairs)_mm_mul_epu32((__m128i)x, (__m128i)y);
#endif
}

FC_INLINE void put_words(const pairs *x, uint32_t *words) {
#if FC_BYTES == 64
    const lanes32 low = __builtin_shufflevector((lanes32)x[0], (lanes32)x[1], 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#elif FC_BYTES == 32
    const lanes32 low = __builtin_shufflevector((lanes32)x[0], (lanes32)x[1], 0, 2, 4, 6, 8, 10, 12, 14);
#else
    const lanes32 low = __builtin_shufflevector((lanes32)x[0], (lanes32)x[1], 0, 2, 4, 6);
#endif
    memcpy(words, &low, sizeof low);
}

typedef struct { pairs first, second; } round_keys;

FC_INLINE void set_keys(uint64_t key, round_keys *keys) {
    for (uint32_t round = 0; round < ROUNDS; round++)
        keys[round].first = all((uint32_t)key + round * STEP_0), keys[round].second = all((uint32_t)(key >> 32) + round * STEP_1);
}

FC_INLINE void philox(uint64_t first, uint64_t stream, const round_keys *keys, uint32_t *words) {
    static const uint64_t count[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int i = 0; i < GROUPS * BLOCKS; i += SIDE_BY_SIDE * PAIRS) {
        pairs a[SIDE_BY_SIDE], b[SIDE_BY_SIDE], c[SIDE_BY_SIDE], d[SIDE_BY_SIDE];
        FC_UNROLL for (int v = 0; v < SIDE_BY_SIDE; v++) {
            memcpy(&a[v], count, sizeof a[v]);
            a[v] += all((uint32_t)first + (uint32_t)(i + v * PAIRS)); /* first is a multiple of GROUPS * BLOCKS: no carry */
            b[v] = all(first >> 32), c[v] = all((uint32_t)stream), d[v] = all(stream >> 32);
        }
        FC_UNROLL for (int round = 0; round < ROUNDS; round++)
            FC_UNROLL for (int v = 0; v < SIDE_BY_SIDE; v++) {
                const pairs of_a = product(a[v], all(FACTOR_A)), of_c = product(c[v], all(FACTOR_C));
                a[v] = (of_c >> 32) ^ (b[v] ^ keys[round].first), b[v] = of_c;
                c[v] = (of_a >> 32) ^ (d[v] ^ keys[round].second), d[v] = of_a;
            }
        FC_UNROLL for (int v = 0; v < SIDE_BY_SIDE; v += 2) {
            const int block = i + v * PAIRS;
            uint32_t *to = words + block / BLOCKS * WORDS + block % BLOCKS;
            put_words(a + v, to), put_words(b + v, to + BLOCKS), put_words(c + v, to + 2 * BLOCKS), put_words(d + v, to + 3 * BLOCKS);
        }
    }
}
#else
FC_INLINE uint32_t high_half(uint32_t a, uint32_t b) { return (uint32_t)(((uint64_t)a * b) >> 32); }

typedef struct { uint32_t first, second; } round_keys;

FC_INLINE void set_keys(uint64_t key, round_keys *keys) {
    for (uint32_t round = 0; round < ROUNDS; round++)
        keys[round].first = (uint32_t)key + round * STEP_0, keys[round].second = (uint32_t)(key >> 32) + round * STEP_1;
}

FC_INLINE void philox(uint64_t first, uint64_t stream, const round_keys *keys, uint32_t *words) {
    for (int group = 0; group < GROUPS; group++, first += BLOCKS, words += WORDS) {
        uint32_t *a = words, *b = words + BLOCKS, *c = words + 2 * BLOCKS, *d = words + 3 * BLOCKS;
        for (int i = 0; i < BLOCKS; i++) {
            a[i] = (uint32_t)first + (uint32_t)i;
            b[i] = (uint32_t)(first >> 32);
            c[i] = (uint32_t)stream;
            d[i] = (uint32_t)(stream >> 32);
        }
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < BLOCKS; i++) {
                const uint32_t x = a[i], z = c[i];
                a[i] = high_half(z, FACTOR_C) ^ b[i] ^ keys[round].first;
                b[i] = z * FACTOR_C;
                c[i] = high_half(x, FACTOR_A) ^ d[i] ^ keys[round].second;
                d[i] = x * FACTOR_A;
            }
    }
}
#endif

/* A word's low half where its high half stands. */
FC_INLINE uint32_t raised(uint32_t word) { return word << 16; }

/* Each half of a word decides on an element: below the threshold's upper half, which stands in the upper half of `coarse`, it drops it. */
FC_INLINE void drop(const uint32_t *words, uint32_t coarse, real kept, const real *restrict from, real *restrict to) {
    for (int w = 0; w < DRAWN / 2; w += BLOCKS) {
        for (int j = 0; j < BLOCKS; j++) to[2 * w + j] = from[2 * w + j] * (raised(words[w + j]) < coarse ? 0 : kept);
        for (int j = 0; j < BLOCKS; j++) to[2 * w + BLOCKS + j] = from[2 * w + BLOCKS + j] * (words[w + j] < coarse ? 0 : kept);
    }
}

/* Where a half equals the threshold's upper half, 16 bits more decide: the same half of the block whose counter has its last bit set, which
 * is drawn only then. */
static void settle(uint64_t block, uint64_t stream, const round_keys *keys, uint32_t threshold, const uint32_t *words, const real *from,
                   real *to) {
    uint32_t others[DRAWN / 2];
    philox(block | (uint64_t)1 << 63, stream, keys, others);
    for (int w = 0; w < DRAWN / 2; w++) {
        const int low = w / BLOCKS * 2 * BLOCKS + w % BLOCKS, high = low + BLOCKS;
        if ((raised(words[w]) ^ threshold) >> 16 == 0 && raised(others[w]) < raised(threshold)) to[low] = from[low] * 0;
        if ((words[w] ^ threshold) >> 16 == 0 && others[w] >> 16 < (threshold & 0xFFFF)) to[high] = from[high] * 0;
    }
}

/* Whether any half equals the threshold's upper half, found as one finds a zero byte in a word. */
FC_INLINE int unsettled(const uint32_t *words, uint32_t threshold) {
    const uint32_t twice = (threshold >> 16) * 0x10001u;
    uint32_t found = 0;
    for (int w = 0; w < DRAWN / 2; w++) found |= ((words[w] ^ twice) - 0x10001u) & ~(words[w] ^ twice);
    return (found & 0x80008000u) != 0;
}

/* first: the place of the first element in the whole array, a multiple of DRAWN. Dropped is where 32 bits are below `threshold`. */
void FC_NAME(dropout)(ptrdiff_t count, uint64_t first, uint64_t stream, uint64_t key, uint32_t threshold, double scale, const void *input,
                      void *output) {
    const uint32_t coarse = threshold >> 16 << 16;
    round_keys keys[ROUNDS];
    set_keys(key, keys);
    for (ptrdiff_t i = 0; i < count; i += DRAWN) {
        const uint64_t block = (first + (uint64_t)i) / 8;
        const real *from = (const real *)input + i;
        real *to = (real *)output + i, part[DRAWN], dropped[DRAWN];
        uint32_t words[DRAWN / 2];
        FC_UNROLL for (int j = 0; j < DRAWN; j += LINE) FC_PREFETCH(from + DRAWN + j); /* else memory rests while bits are drawn */
        philox(block, stream, keys, words);
        if (count - i < DRAWN) {
            memset(part, 0, sizeof part);
            from = memcpy(part, from, (size_t)(count - i) * sizeof(real));
            to = dropped;
        }
        drop(words, coarse, (real)scale, from, to);
        if (coarse < threshold && unsettled(words, threshold)) settle(block, stream, keys, threshold, words, from, to);
        if (count - i < DRAWN) memcpy((real *)output + i, dropped, (size_t)(count - i) * sizeof(real));
    }
}
