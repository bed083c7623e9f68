"""Softmax and its logarithm by rows."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport enter_team, kernels, leave_team, threads_for

cdef enum:
    WORK_EXPONENTIAL = 16

ctypedef void (*unary)(Py_ssize_t, const void *, void *) noexcept nogil


cdef void map_rows(unary function, const Array *x, char *y) noexcept nogil:
    cdef Py_ssize_t i, width = x.shape[1]
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(<double> x.size * WORK_EXPONENTIAL)):
        mode = enter_team()
        for i in prange(x.shape[0], schedule="static"):
            function(width, x.data + i * width * x.itemsize, y + i * width * x.itemsize)
        leave_team(mode)


def softmax_forward(input, output):
    cdef Array x, y
    view(input, &x)
    view(output, &y, True)
    if x.size > 0:
        with nogil:
            map_rows(kernels(x.itemsize).softmax_row, &x, y.data)


def log_softmax_forward(input, output):
    cdef Array x, y
    view(input, &x)
    view(output, &y, True)
    if x.size > 0:
        with nogil:
            map_rows(kernels(x.itemsize).log_softmax_row, &x, y.data)
