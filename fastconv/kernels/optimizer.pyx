"""Steps of the optimizers over whole parameters, in place."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport enter_team, kernels, leave_team, threads_for

cdef enum:
    PIECE = 16384                # elements a task

cdef struct Step:
    double rate, first, second, scale, eps, decay   # first, second: momentum, or Adam's betas
    Array parameter
    char *gradient
    char *one                    # velocity or mean; or NULL
    char *two                    # mean square


cdef void piece(const Step *step, bint adam, Py_ssize_t start) noexcept nogil:
    cdef Py_ssize_t count = min(PIECE, step.parameter.size - start), at = start * step.parameter.itemsize
    cdef char *one = NULL
    if step.one != NULL:
        one = step.one + at
    if adam:
        kernels(step.parameter.itemsize).adam_step(count, step.rate, step.first, step.second, step.scale, step.eps, step.decay,
                                                   step.gradient + at, one, step.two + at, step.parameter.data + at)
    else:
        kernels(step.parameter.itemsize).sgd_step(count, step.rate, step.first, step.decay, step.gradient + at, one,
                                                  step.parameter.data + at)


cdef void run(const Step *step, bint adam) noexcept nogil:
    cdef Py_ssize_t i, pieces = (step.parameter.size + PIECE - 1) // PIECE
    cdef unsigned int mode
    cdef int threads = threads_for(<double> step.parameter.size * (8 if adam else 2))
    with parallel(num_threads=threads):
        mode = enter_team()
        for i in prange(pieces, schedule="static"):
            piece(step, adam, i * PIECE)
        leave_team(mode)


def sgd_step(parameter, gradient, velocity, double rate, double momentum, double decay):
    """parameter -= rate * v; v = momentum * v + gradient + decay * parameter, kept in velocity; or without it, None."""
    cdef Step step
    cdef Array array
    view(parameter, &step.parameter, True)
    view(gradient, &array)
    step.gradient, step.one, step.two = array.data, NULL, NULL
    if velocity is not None:
        view(velocity, &array, True)
        step.one = array.data
    step.rate, step.first, step.decay = rate, momentum, decay
    step.second = step.scale = step.eps = 0
    with nogil:
        run(&step, False)


def adam_step(parameter, gradient, mean, square, double rate, double beta1, double beta2, double scale, double eps, double decay):
    """parameter -= rate * mean / (sqrt(square) / scale + eps), after mean and square have taken the gradient in."""
    cdef Step step
    cdef Array array
    view(parameter, &step.parameter, True)
    view(gradient, &array)
    step.gradient = array.data
    view(mean, &array, True)
    step.one = array.data
    view(square, &array, True)
    step.two = array.data
    step.rate, step.first, step.second, step.scale, step.eps, step.decay = rate, beta1, beta2, scale, eps, decay
    with nogil:
        run(&step, True)
