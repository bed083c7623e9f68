/* Dropout: each element times 0 or times `scale`, as the seed and the element's place say. The random bits are those of Philox4x32-10
 * (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011), a function of a counter and a key: any element's can
 * be had at any time, by any thread, and the gradient asks for them again instead of keeping a mask. */
#include "vector.h"

/* Blocks that are computed side by side. A group of 4 * BLOCKS elements takes their first words, then their second, third and fourth. */
enum { BLOCKS = 16, GROUP = 4 * BLOCKS };

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
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            const uint32_t x = a[i], z = c[i];
            a[i] = high_half(z, 0xCD9E8D57u) ^ b[i] ^ key0;
            b[i] = z * 0xCD9E8D57u;
            c[i] = high_half(x, 0xD2511F53u) ^ d[i] ^ key1;
            d[i] = x * 0xD2511F53u;
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

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
