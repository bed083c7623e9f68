/* Dropout: each element times 0 or times `scale`, as the seed and the element's place say. The random bits are those of Philox4x32-10
 * (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011), a function of a counter and a key: any element's can
 * be had at any time, by any thread, and the gradient asks for them again instead of keeping a mask. */
#include "vector.h"

/* Blocks that are computed side by side. A group of 4 * BLOCKS elements takes their first words, then their second, third and fourth. */
enum { BLOCKS = 16, GROUP = 4 * BLOCKS };

static const uint32_t FACTOR_A = 0xD2511F53u, FACTOR_C = 0xCD9E8D57u, STEP_0 = 0x9E3779B9u, STEP_1 = 0xBB67AE85u;

#if FC_VECTORS && defined(__SSE2__) /* one instruction gives whole products, of every other 32-bit lane: words stand there, with anything beside */
#include <immintrin.h>

enum { PAIRS = FC_BYTES / 8 };
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

static void philox(uint64_t first, uint64_t stream, uint64_t key, uint32_t *words) {
    static const uint64_t count[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int i = 0; i < BLOCKS; i += 2 * PAIRS) {
        pairs a[2], b[2], c[2], d[2], key0 = all(key), key1 = all(key >> 32);
        FC_UNROLL for (int v = 0; v < 2; v++) {
            memcpy(&a[v], count, sizeof a[v]);
            a[v] += all((uint32_t)first + (uint32_t)(i + v * PAIRS)); /* first is a multiple of BLOCKS: no carry */
            b[v] = all(first >> 32), c[v] = all((uint32_t)stream), d[v] = all(stream >> 32);
        }
        for (int round = 0; round < 10; round++, key0 += all(STEP_0), key1 += all(STEP_1))
            FC_UNROLL for (int v = 0; v < 2; v++) {
                const pairs of_a = product(a[v], all(FACTOR_A)), of_c = product(c[v], all(FACTOR_C));
                a[v] = (of_c >> 32) ^ (b[v] ^ key0), b[v] = of_c;
                c[v] = (of_a >> 32) ^ (d[v] ^ key1), d[v] = of_a;
            }
        put_words(a, words + i), put_words(b, words + BLOCKS + i);
        put_words(c, words + 2 * BLOCKS + i), put_words(d, words + 3 * BLOCKS + i);
    }
}
#else
FC_INLINE uint32_t high_half(uint32_t a, uint32_t b) { return (uint32_t)(((uint64_t)a * b) >> 32); }

static void philox(uint64_t first, uint64_t stream, uint64_t key, uint32_t *words) {
    uint32_t *a = words, *b = words + BLOCKS, *c = words + 2 * BLOCKS, *d = words + 3 * BLOCKS;
    uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
    for (int i = 0; i < BLOCKS; i++) {
        a[i] = (uint32_t)first + (uint32_t)i;
        b[i] = (uint32_t)(first >> 32);
        c[i] = (uint32_t)stream;
        d[i] = (uint32_t)(stream >> 32);
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            const uint32_t x = a[i], z = c[i];
            a[i] = high_half(z, FACTOR_C) ^ b[i] ^ key0;
            b[i] = z * FACTOR_C;
            c[i] = high_half(x, FACTOR_A) ^ d[i] ^ key1;
            d[i] = x * FACTOR_A;
        }
        key0 += STEP_0;
        key1 += STEP_1;
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
