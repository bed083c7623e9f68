"""Pooling of one plane: what the drivers in two dimensions share with those in three."""
from libc.stdint cimport int64_t

from fastconv.kernels.arrays cimport Array
from fastconv.kernels.runtime cimport fc_kernels
from fastconv.kernels.slab cimport Axis

cdef enum:
    SLAB_BYTES = 64 * 1024        # a part of the second-level cache; a slab has at least one output row, or a part of it
    MOST_PIXELS = 2147483647      # of a plane whose places fit the lanes of a vector of floats
    LONG_ROW = 16384              # a row of outputs that long is cut where there is no more than one
    FEW_BYTES = 1024

cdef enum Operation:
    MAXIMUM
    MEAN
    SUM

cdef struct Pool:
    const fc_kernels *kernel
    Operation operation
    Py_ssize_t itemsize, planes, H, W, OH, OW, KH, KW
    Py_ssize_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w
    bint count_include_pad
    Py_ssize_t divisor_override   # 0: the size of the window
    Axis rows, columns
    Py_ssize_t block_rows, row_blocks, block_columns, column_blocks, block_windows
    Py_ssize_t a_thread           # bytes of workspace
    Py_ssize_t slab_bytes
    char *divisors                # (OW) elements that a window has along its row, for means; otherwise NULL
    char *factors                 # (factor_rows) the rows that it has, or the divisor that overrides both
    Py_ssize_t factor_rows        # OH, or those of a block where they are alike
    char few_divisors[FEW_BYTES]  # room for both where they are few
    bint direct                   # on the image as it lies; otherwise by a slab
    bint joined                   # the planes are one tall one, whose rows of windows divide alike
    bint square                   # direct with one size and one stride for both axes

cdef void pool_start(Pool *job, Operation operation, Py_ssize_t itemsize, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h,
                     Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w) noexcept nogil
cdef void pool_sizes(Pool *job, Py_ssize_t planes, Py_ssize_t H, Py_ssize_t W, Py_ssize_t OH, Py_ssize_t OW) noexcept nogil


cdef inline void image_sizes(Pool *job, const Array *image, const Array *pooled) noexcept nogil:
    cdef int row = image.ndim - 2, column = image.ndim - 1
    pool_sizes(job, image.size // (image.shape[row] * image.shape[column]), image.shape[row], image.shape[column], pooled.shape[row],
               pooled.shape[column])


cdef void join_planes(Pool *job) noexcept nogil
cdef int pool_lay(Pool *job) noexcept nogil
cdef void pool_rows(const Pool *job, const char *plane, Py_ssize_t row0, Py_ssize_t rows, Py_ssize_t column0, Py_ssize_t columns,
                    char *output, int64_t *indices, char *workspace) noexcept nogil
cdef void pool_release(Pool *job) noexcept nogil

cdef Py_ssize_t window_count(const Pool *job, Py_ssize_t place, Py_ssize_t kernel, Py_ssize_t pad, Py_ssize_t size) noexcept nogil
cdef void put_number(const Pool *job, char *table, Py_ssize_t i, double value) noexcept nogil
cdef double get_number(const Pool *job, const char *table, Py_ssize_t i) noexcept nogil
cdef int make_divisors(Pool *job, bint inverse) noexcept nogil
cdef void release_divisors(Pool *job) noexcept nogil
cdef int gradient_lay(Pool *job) noexcept nogil
cdef void gradient_windows(const Pool *job, Py_ssize_t h0, Py_ssize_t h1, Py_ssize_t *low, Py_ssize_t *high) noexcept nogil
cdef void gradient_rows(const Pool *job, const char *gradient, char *image, Py_ssize_t h0, Py_ssize_t h1, char *workspace) noexcept nogil
