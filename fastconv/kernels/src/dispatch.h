/* What the drivers ask for: the table of kernels in use, and how many threads to take. */
#ifndef FC_DISPATCH_H
#define FC_DISPATCH_H

#include "memory.h"
#include "registry.h"

const char *fc_isa_name(int index);      /* the name of the index-th instruction set of this build, best last, or NULL */
int fc_isa_usable(int index);            /* whether this processor has it */
void fc_use_isa(int index);
int fc_isa_used(void);
const fc_kernels *fc_kernels_for(ptrdiff_t itemsize);

void fc_start(void);                     /* once, at import */
void fc_set_threads(int requested);      /* 0: back to the default */
void fc_set_thread_limit(int limit);     /* the processors that the process may use */
int fc_threads(void);
int fc_threads_for(double work);         /* fc_threads, or 1 where the work does not pay for waking the others */
unsigned fc_enter_team(void);            /* first in a parallel region or a serial call: notes the team, sets its denormal mode */
void fc_barrier(void);                   /* in a parallel region: waits until all of the team are here */
void fc_leave_team(unsigned mode);       /* last in it: gives back the mode that fc_enter_team found and returned */
int fc_noted_threads(void);
int fc_can_flush_denormal(void);
void fc_set_flush_denormal(int flush);
int fc_flush_denormal(void);

#endif
