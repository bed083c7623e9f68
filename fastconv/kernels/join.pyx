"""Where branches meet: sums of whole arrays, and copies of some columns of a matrix into another."""
from cython.parallel cimport parallel, prange
from libc.string cimport memcpy

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport enter_team, kernels, leave_team, threads_for

cdef enum:
    PIECE = 16384                # elements a task


cdef void add_pieces(const Array *x, const Array *y, char *output) noexcept nogil:
    cdef Py_ssize_t i, at, pieces = (x.size + PIECE - 1) // PIECE
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(<double> x.size)):
        mode = enter_team()
        for i in prange(pieces, schedule="static"):
            at = i * PIECE
            kernels(x.itemsize).add(min(PIECE, x.size - at), x.data + at * x.itemsize, y.data + at * x.itemsize, output + at * x.itemsize)
        leave_team(mode)


cdef void copy_pieces(const char *source, Py_ssize_t source_pitch, char *target, Py_ssize_t target_pitch, Py_ssize_t rows,
                      Py_ssize_t columns) noexcept nogil:
    """Pitches and columns are bytes."""
    cdef Py_ssize_t i, at, row, piece = 4 * PIECE, pieces = (columns + piece - 1) // piece
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(<double> rows * columns / 4)):
        mode = enter_team()
        for i in prange(rows * pieces, schedule="static"):
            row, at = i // pieces, i % pieces * piece
            memcpy(target + row * target_pitch + at, source + row * source_pitch + at, min(piece, columns - at))
        leave_team(mode)


def add(input, other, output):
    cdef Array x, y, z
    view(input, &x)
    view(other, &y)
    view(output, &z, True)
    with nogil:
        add_pieces(&x, &y, z.data)


def copy_columns(source, Py_ssize_t source_start, target, Py_ssize_t target_start, Py_ssize_t rows):
    """Both count as matrices of `rows` rows; the narrower one is copied whole, from column source_start to column target_start."""
    cdef Array x, y
    cdef Py_ssize_t from_pitch, to_pitch
    view(source, &x)
    view(target, &y, True)
    from_pitch, to_pitch = x.size // rows * x.itemsize, y.size // rows * y.itemsize
    with nogil:
        copy_pieces(x.data + source_start * x.itemsize, from_pitch, y.data + target_start * y.itemsize, to_pitch, rows,
                    min(from_pitch, to_pitch))
