"""The kernels in use and the number of threads: the one place of both for all drivers."""

import os

cdef extern from "dispatch.h" nogil:
    const char *fc_isa_name(int index)
    int fc_isa_usable(int index)
    void fc_use_isa(int index)
    int fc_isa_used()
    const fc_kernels *fc_kernels_for(Py_ssize_t itemsize)
    void fc_start()
    void fc_set_threads(int requested)
    void fc_set_thread_limit(int limit)
    int fc_threads()
    int fc_threads_for(double work)
    unsigned int fc_enter_team()
    void fc_barrier()
    void fc_leave_team(unsigned int mode)
    int fc_noted_threads()
    int fc_can_flush_denormal()
    void fc_set_flush_denormal(int flush)
    int fc_flush_denormal()
    void *fc_allocate(Py_ssize_t size)
    void fc_release(void *memory)

cdef extern from "build_facts.h":
    const char *FC_BUILD_COMPILER
    const char *FC_BUILD_FLAGS
    const char *FC_BUILD_OPENMP
    const char *FC_BUILD_DEBUG
    const char *FC_BUILD_CYTHON

cdef extern from *:
    """
    #ifdef _OPENMP
    #define FC_OPENMP_DATE _OPENMP
    #else
    #define FC_OPENMP_DATE 0
    #endif
    #ifdef __clang__
    #define OPENMP_RUNTIME "LLVM OpenMP"
    #else
    #define OPENMP_RUNTIME "GNU OpenMP"
    #endif
    """
    const long FC_OPENMP_DATE
    const char *OPENMP_RUNTIME


cdef bint winograd_switch = True


cdef const fc_kernels *kernels(Py_ssize_t itemsize) noexcept nogil:
    return fc_kernels_for(itemsize)


cdef int threads_for(double work) noexcept nogil:
    return fc_threads_for(work)


cdef unsigned int enter_team() noexcept nogil:
    return fc_enter_team()


cdef void leave_team(unsigned int mode) noexcept nogil:
    fc_leave_team(mode)


cdef void barrier() noexcept nogil:
    fc_barrier()


cdef bint winograd_allowed() noexcept nogil:
    return winograd_switch


cdef void *allocate(Py_ssize_t size) noexcept nogil:
    return fc_allocate(size)


cdef void release(void *memory) noexcept nogil:
    fc_release(memory)


def isa():
    return fc_isa_name(fc_isa_used()).decode()


def available_isas():
    cdef int index = 0
    names = []
    while fc_isa_name(index) != NULL:
        if fc_isa_usable(index):
            names.append(fc_isa_name(index).decode())
        index += 1
    return names


def set_num_threads(int n):
    fc_set_threads(n)


def set_default_threads(int n):
    fc_set_thread_limit(n)


def get_num_threads():
    return fc_threads()


def threads_used():
    return fc_noted_threads()


def set_flush_denormal(bint mode):
    """False where this processor or build cannot."""
    if fc_can_flush_denormal():
        fc_set_flush_denormal(mode)
    return bool(fc_can_flush_denormal())


def is_flush_denormal():
    return bool(fc_flush_denormal())


def allow_winograd(bint allowed):
    global winograd_switch
    winograd_switch = allowed


def is_winograd_allowed():
    return bool(winograd_switch)


def build_info():
    return {
        "compiler": FC_BUILD_COMPILER.decode(),
        "flags": FC_BUILD_FLAGS.decode(),
        "cython": FC_BUILD_CYTHON.decode(),
        "openmp": f"{OPENMP_RUNTIME.decode()} (specification {FC_OPENMP_DATE})" if FC_OPENMP_DATE else "none",
        "bounds_checks": FC_BUILD_DEBUG == b"yes",
    }


def _choose_isa():
    """The best instruction set that this processor has, or the one that FASTCONV_ISA names."""
    usable = available_isas()
    if not usable:
        raise ImportError("fastconv is built for instruction sets alone that this processor lacks: build it without FASTCONV_ISAS")
    wanted = os.environ.get("FASTCONV_ISA", "")
    if wanted and wanted not in usable:
        raise ValueError(f"FASTCONV_ISA (={wanted!r}) must be one of {', '.join(usable)} on this processor")
    cdef int index = 0
    while fc_isa_name(index) != NULL:
        name = fc_isa_name(index).decode()
        if name == wanted or (not wanted and name in usable):
            fc_use_isa(index)
        index += 1


fc_start()
_choose_isa()
