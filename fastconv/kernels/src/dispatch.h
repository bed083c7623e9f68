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
void fc_note_team(void);                 /* called inside a parallel region (or a serial call): who is at work */
int fc_noted_threads(void);

#endif
