/* The choice of the instruction set and of the number of threads: the one place for each. Built without any -m flag. */
#include "dispatch.h"

#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define FC_HAS_FORK 1
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

/* A call is worth a second thread from this many multiply-adds (or elements moved) on: waking the team costs a few microseconds. */
static const double WORK_WORTH_THREADS = 500e3;

#define FC_ISA_ENTRY(name) extern const fc_kernels fc_table_f32_##name, fc_table_f64_##name;
#include "isas.def"
#undef FC_ISA_ENTRY

static const fc_kernels *const TABLES[][2] = {
#define FC_ISA_ENTRY(name) {&fc_table_f32_##name, &fc_table_f64_##name},
#include "isas.def"
#undef FC_ISA_ENTRY
};
enum { ISAS = sizeof TABLES / sizeof TABLES[0] };

static int isa_used = 0;
static int threads_requested = 0, thread_limit = 1 << 20, forked = 0;
static _Thread_local int threads_noted = 1;

const char *fc_isa_name(int index) { return index < ISAS ? TABLES[index][0]->isa : NULL; }

int fc_isa_usable(int index) {
#if defined(__x86_64__) || defined(__i386__)
    const char *name = fc_isa_name(index);
    __builtin_cpu_init();
    if (!strcmp(name, "avx2")) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (!strcmp(name, "avx512"))
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return index < ISAS;
}

void fc_use_isa(int index) { isa_used = index; }
int fc_isa_used(void) { return isa_used; }
const fc_kernels *fc_kernels_for(ptrdiff_t itemsize) { return TABLES[isa_used][itemsize == 8]; }

#ifdef FC_HAS_FORK
/* The OpenMP runtime's threads do not survive a fork, and it would wait for them for ever: a child computes on one thread. */
static void after_fork(void) {
    forked = 1;
    fc_forget_kept();
}
#endif

void fc_start(void) {
#ifdef FC_HAS_FORK
    static int started = 0;
    if (!started) pthread_atfork(NULL, NULL, after_fork);
    started = 1;
#endif
}

void fc_set_threads(int requested) { threads_requested = requested; }
void fc_set_thread_limit(int limit) { thread_limit = limit; }

int fc_threads(void) {
#ifdef _OPENMP
    if (forked) return 1;
    if (threads_requested > 0) return threads_requested;
    const int most = omp_get_max_threads(); /* follows OMP_NUM_THREADS and threadpoolctl */
    return most < thread_limit ? most : thread_limit;
#else
    return 1;
#endif
}

int fc_threads_for(double work) { return work < WORK_WORTH_THREADS ? 1 : fc_threads(); }

/* The bits of a thread's floating-point control register that make denormal numbers zeros; where they are 0 there are none. */
#if defined(__x86_64__) || defined(_M_X64)
enum { FLUSH = 0x8040 }; /* MXCSR: results (FTZ, bit 15) and operands (DAZ, bit 6) */
static unsigned control(void) { return _mm_getcsr(); }
static void set_control(unsigned value) { _mm_setcsr(value); }
#elif defined(__aarch64__) && defined(__GNUC__)
enum { FLUSH = 1 << 24 }; /* FPCR: FZ, results and operands; the upper half of the register is reserved */
static unsigned control(void) {
    unsigned long long value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return (unsigned)value;
}
static void set_control(unsigned value) {
    __asm__ volatile("msr fpcr, %0" : : "r"((unsigned long long)value));
}
#else
enum { FLUSH = 0 };
static unsigned control(void) { return 0; }
static void set_control(unsigned value) { (void)value; }
#endif

static int flushing = 0;

int fc_can_flush_denormal(void) { return FLUSH != 0; }
void fc_set_flush_denormal(int flush) { flushing = flush; }
int fc_flush_denormal(void) { return flushing; }

/* Sets the flushing bits alone, and only where they differ: writing the register takes longer than reading it. */
static unsigned flush_as(unsigned bits) {
    const unsigned before = control();
    if ((before & FLUSH) != bits) set_control((before & ~(unsigned)FLUSH) | bits);
    return before & FLUSH;
}

unsigned fc_enter_team(void) {
#ifdef _OPENMP
    if (omp_get_thread_num() == 0) threads_noted = omp_get_num_threads();
#endif
    return flush_as(flushing ? FLUSH : 0);
}

void fc_barrier(void) {
#ifdef _OPENMP
#pragma omp barrier
#endif
}

void fc_leave_team(unsigned mode) { flush_as(mode); }

int fc_noted_threads(void) { return threads_noted; }
