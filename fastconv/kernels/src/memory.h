/* Working memory of the drivers: packed weights, slabs, panels. */
#ifndef FC_MEMORY_H
#define FC_MEMORY_H

#include <stddef.h>

void *fc_allocate(ptrdiff_t bytes);      /* aligned to 64 bytes, so that panels start on a cache line; NULL when there is none */
void fc_release(void *memory);
void fc_forget_kept(void);               /* in a forked child: another thread may have held what was kept */

#endif
