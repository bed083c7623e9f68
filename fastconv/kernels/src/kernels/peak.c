/* Multiply-adds at the rate of the machine: as many independent chains as a register tile has accumulators, and no memory. */
#include "vector.h"
#include "tiles.h"

enum { CHAINS = FC_REGISTERS == 32 ? 24 : 12 };

/* Runs `rounds` rounds; returns the floating point operations done. `sink` receives a value, so that nothing is left out. */
double FC_NAME(peak)(ptrdiff_t rounds, void *sink) {
    vec chain[CHAINS];
    const vec factor = broadcast((real)0.999), term = broadcast(*(const real *)sink);
    FC_UNROLL for (int i = 0; i < CHAINS; i++) chain[i] = broadcast((real)i);
    for (ptrdiff_t r = 0; r < rounds; r++)
        FC_UNROLL for (int i = 0; i < CHAINS; i++) chain[i] = chain[i] * factor + term;
    vec total = broadcast(0);
    FC_UNROLL for (int i = 0; i < CHAINS; i++) total += chain[i];
    store_part(sink, total, 1);
    return 2.0 * (double)CHAINS * (double)VL * (double)rounds;
}
