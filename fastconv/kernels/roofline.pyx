"""What this machine can do at most: multiply-adds a second, and bytes read from memory a second."""
import time

from cython.parallel cimport prange

from fastconv.kernels.runtime cimport allocate, fc_kernels, kernels, release

cdef enum:
    ROUNDS = 20000               # of a timed piece: under a millisecond
    BUFFER = 64 * 1024 * 1024    # bytes a thread: larger than a last-level cache's share


def fma_peak(double seconds, int threads, Py_ssize_t itemsize=4):
    """The best rate seen within `seconds`, in floating point operations a second over all threads."""
    cdef const fc_kernels *kernel = kernels(itemsize)
    cdef double done, best = 0
    cdef int i
    cdef double *sinks = <double *> allocate(threads * 64)
    if sinks == NULL:
        raise MemoryError("roofline: no memory")
    for i in range(threads):
        sinks[8 * i] = 0
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        start = time.perf_counter()
        done = 0
        with nogil:
            for i in prange(threads, num_threads=threads, schedule="static"):
                done += kernel.peak(ROUNDS, sinks + 8 * i)
        best = max(best, done / (time.perf_counter() - start))
    release(sinks)
    return best


def bandwidth(double seconds, int threads):
    """The best rate seen within `seconds` at which the threads together read memory, in bytes a second."""
    cdef const fc_kernels *kernel = kernels(4)
    cdef double best = 0, total = 0
    cdef int i
    cdef char *buffer = <char *> allocate(<Py_ssize_t> threads * BUFFER)
    if buffer == NULL:
        raise MemoryError("roofline: no memory")
    with nogil:
        for i in prange(threads, num_threads=threads, schedule="static"):
            kernel.fill(BUFFER // 4, 1, buffer + <Py_ssize_t> i * BUFFER)
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or best == 0:
        start = time.perf_counter()
        with nogil:
            for i in prange(threads, num_threads=threads, schedule="static"):
                total += kernel.sum(BUFFER // 4, buffer + <Py_ssize_t> i * BUFFER, 0)
        best = max(best, threads * <double> BUFFER / (time.perf_counter() - start))
    release(buffer)
    return best
