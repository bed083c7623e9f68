"""Functions of one element over whole arrays, in pieces that a core's cache holds."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport enter_team, fc_kernels, kernels, leave_team, threads_for

cdef extern from *:
    """
    static const struct { const char *name; int work; } elementwise_functions[] = {
    #define FC_ELEMENTWISE(name, work, forward, backward) {#name, work},
    #include "elementwise.def"
    #undef FC_ELEMENTWISE
    };
    enum { ELEMENTWISE_FUNCTIONS = sizeof elementwise_functions / sizeof elementwise_functions[0] };
    """
    cdef struct Function "":
        const char *name
        int work
    const Function *elementwise_functions
    const int ELEMENTWISE_FUNCTIONS

cdef enum:
    PIECE = 16384                # elements a task


# kept NULL: forward, x being the input; else backward, x being the gradient
cdef void map_piece(const fc_kernels *kernel, int function, Py_ssize_t count, const char *x, const char *kept, double parameter,
                    char *y) noexcept nogil:
    if kept == NULL:
        kernel.map_forward(function, count, x, parameter, y)
    else:
        kernel.map_backward(function, count, x, kept, parameter, y)


cdef void map_pieces(int function, const Array *x, const char *kept, double parameter, char *y) noexcept nogil:
    cdef const fc_kernels *kernel = kernels(x.itemsize)
    cdef Py_ssize_t i, pieces = (x.size + PIECE - 1) // PIECE, step = PIECE * x.itemsize
    cdef int threads = threads_for(<double> x.size * elementwise_functions[function].work)
    cdef unsigned int alone, mode = 0
    if threads == 1:             # a team of one would cost a tiny call a tenth of its time
        alone = enter_team()
        map_piece(kernel, function, x.size, x.data, kept, parameter, y)
        leave_team(alone)
        return
    with parallel(num_threads=threads):
        mode = enter_team()
        for i in prange(pieces, schedule="static"):
            map_piece(kernel, function, min(PIECE, x.size - i * PIECE), x.data + i * step, kept + i * step if kept != NULL else NULL,
                      parameter, y + i * step)
        leave_team(mode)


def function_number(str name):
    """The number of a function of src/elementwise.def, for `forward` and `backward`."""
    cdef int number
    for number in range(ELEMENTWISE_FUNCTIONS):
        if elementwise_functions[number].name == name.encode():
            return number
    raise LookupError(name)


def forward(int function, input, output, double parameter):
    cdef Array x, y
    view(input, &x)
    view(output, &y, True)
    with nogil:
        map_pieces(function, &x, NULL, parameter, y.data)


def backward(int function, grad_output, kept, grad_input, double parameter):
    cdef Array g, x, y
    view(grad_output, &g)
    view(kept, &x)
    view(grad_input, &y, True)
    with nogil:
        map_pieces(function, &g, x.data, parameter, y.data)
