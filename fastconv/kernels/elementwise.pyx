"""Activations over whole arrays, in pieces that a core's cache holds; softmax by rows."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport enter_team, kernels, leave_team, threads_for

cdef enum:
    PIECE = 16384                # elements a task
    WORK_MOVE = 1                # about so many multiply-adds is an element worth
    WORK_EXPONENTIAL = 16

ctypedef void (*unary)(Py_ssize_t, const void *, void *) noexcept nogil
ctypedef void (*binary)(Py_ssize_t, const void *, const void *, void *) noexcept nogil


cdef void map_unary(unary function, const Array *x, char *y, int work) noexcept nogil:
    cdef Py_ssize_t i, pieces = (x.size + PIECE - 1) // PIECE
    cdef unsigned int mode
    with parallel(num_threads=threads_for(<double> x.size * work)):
        mode = enter_team()
        for i in prange(pieces, schedule="static"):
            function(min(PIECE, x.size - i * PIECE), x.data + i * PIECE * x.itemsize, y + i * PIECE * x.itemsize)
        leave_team(mode)


cdef void map_binary(binary function, const Array *g, const char *x, char *y) noexcept nogil:
    cdef Py_ssize_t i, pieces = (g.size + PIECE - 1) // PIECE
    cdef unsigned int mode
    with parallel(num_threads=threads_for(<double> g.size * WORK_MOVE)):
        mode = enter_team()
        for i in prange(pieces, schedule="static"):
            function(min(PIECE, g.size - i * PIECE), g.data + i * PIECE * g.itemsize, x + i * PIECE * g.itemsize,
                     y + i * PIECE * g.itemsize)
        leave_team(mode)


cdef void map_rows(unary function, const Array *x, char *y) noexcept nogil:
    cdef Py_ssize_t i, width = x.shape[1]
    cdef unsigned int mode
    with parallel(num_threads=threads_for(<double> x.size * WORK_EXPONENTIAL)):
        mode = enter_team()
        for i in prange(x.shape[0], schedule="static"):
            function(width, x.data + i * width * x.itemsize, y + i * width * x.itemsize)
        leave_team(mode)


def relu_forward(input, output):
    cdef Array x, y
    view(input, &x)
    view(output, &y, True)
    with nogil:
        map_unary(kernels(x.itemsize).relu_forward, &x, y.data, WORK_MOVE)


def sigmoid_forward(input, output):
    cdef Array x, y
    view(input, &x)
    view(output, &y, True)
    with nogil:
        map_unary(kernels(x.itemsize).sigmoid_forward, &x, y.data, WORK_EXPONENTIAL)


def tanh_forward(input, output):
    cdef Array x, y
    view(input, &x)
    view(output, &y, True)
    with nogil:
        map_unary(kernels(x.itemsize).tanh_forward, &x, y.data, WORK_EXPONENTIAL)


def relu_backward(grad_output, input, grad_input):
    cdef Array g, x, y
    view(grad_output, &g)
    view(input, &x)
    view(grad_input, &y, True)
    with nogil:
        map_binary(kernels(g.itemsize).relu_backward, &g, x.data, y.data)


def sigmoid_backward(grad_output, output, grad_input):
    cdef Array g, x, y
    view(grad_output, &g)
    view(output, &x)
    view(grad_input, &y, True)
    with nogil:
        map_binary(kernels(g.itemsize).sigmoid_backward, &g, x.data, y.data)


def tanh_backward(grad_output, output, grad_input):
    cdef Array g, x, y
    view(grad_output, &g)
    view(output, &x)
    view(grad_input, &y, True)
    with nogil:
        map_binary(kernels(g.itemsize).tanh_backward, &g, x.data, y.data)


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
