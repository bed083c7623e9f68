"""One channel of a batch (N, C, L) in blocks, for batch normalisation and its gradient.

The partition follows from N, C and L alone, so no bit depends on the threads. With many channels a block is the whole
channel, and a thread takes it from its statistics to its output while a cache may still hold it. With L = 1 the channels
lie in the lanes: vectors of columns of an N x C matrix.
"""
from libc.math cimport isfinite

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport fc_kernels, kernels

cdef enum:
    WHOLE = 32                   # from so many channels on each is one block
    BLOCK = 65536                # elements of a block otherwise
    COLUMNS = 64                 # channels a task where they lie in the lanes
    WORK = 4                     # about so many multiply-adds is an element worth

cdef struct Batch:
    const fc_kernels *kernel
    Py_ssize_t itemsize, N, C, L
    Py_ssize_t rows, pieces, piece, blocks   # a block is `rows` images by `piece` pixels; `blocks` of them a channel
    double *mean                 # [C]
    double *inverse              # [C]
    const char *weight           # [C] or NULL
    const char *bias


cdef inline void batch_start(Batch *job, const Array *x) noexcept nogil:
    job.kernel, job.itemsize = kernels(x.itemsize), x.itemsize
    job.N, job.C, job.L = x.shape[0], x.shape[1], x.shape[2]
    job.rows, job.pieces, job.piece = job.N, 1, job.L
    if job.L == 1:
        job.rows = min(job.N, BLOCK // 16)
    elif job.C < WHOLE:
        job.pieces = (job.L + BLOCK - 1) // BLOCK
        job.piece = (job.L + job.pieces - 1) // job.pieces
        job.rows = max(1, min(job.N, BLOCK // job.L))
    job.blocks = (job.N + job.rows - 1) // job.rows * job.pieces


cdef inline Py_ssize_t block_of(const Batch *job, Py_ssize_t block, Py_ssize_t *first_row, Py_ssize_t *first,
                                Py_ssize_t *count) noexcept nogil:
    """The images and pixels of a block; returns the number of images."""
    first_row[0] = block // job.pieces * job.rows
    first[0] = block % job.pieces * job.piece
    count[0] = max(min(job.piece, job.L - first[0]), 0)
    return min(job.rows, job.N - first_row[0])


cdef inline double number(const char *values, Py_ssize_t index, Py_ssize_t itemsize, double without) noexcept nogil:
    if values == NULL:
        return without
    return (<const double *> values)[index] if itemsize == 8 else (<const float *> values)[index]


cdef inline void put(char *values, Py_ssize_t index, Py_ssize_t itemsize, double value) noexcept nogil:
    if itemsize == 8:
        (<double *> values)[index] = value
    else:
        (<float *> values)[index] = <float> value


cdef inline double rounded(double value, Py_ssize_t itemsize) noexcept nogil:
    """`value` as the element type holds it."""
    return value if itemsize == 8 else <double> <float> value


cdef inline double lost(double value, double held) noexcept nogil:
    return value - held if isfinite(held) else 0


cdef inline int optional(object array, Array *into, bint writable=False) except -1:
    """view of what may be None: then there is no data."""
    into.data = NULL
    if array is not None:
        view(array, into, writable)
    return 0
