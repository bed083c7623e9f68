"""Pointers out of arrays: the buffer protocol, once a call and array."""
from cpython.buffer cimport PyBUF_ND, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer

cdef struct Array:
    char *data
    Py_ssize_t itemsize
    Py_ssize_t size          # elements
    int ndim
    Py_ssize_t shape[6]


# The caller holds a reference to the array for the whole call, so the pointer stays good after the release.
cdef inline int view(object array, Array *into, bint writable=False) except -1:
    cdef Py_buffer buffer
    cdef int axis
    PyObject_GetBuffer(array, &buffer, PyBUF_ND | PyBUF_WRITABLE if writable else PyBUF_ND)
    into.data = <char *> buffer.buf
    into.itemsize, into.ndim = buffer.itemsize, buffer.ndim
    into.size = buffer.len // buffer.itemsize
    for axis in range(min(buffer.ndim, 6)):
        into.shape[axis] = buffer.shape[axis]
    PyBuffer_Release(&buffer)
    return 0


cdef inline int view_images(object array, Array *into, bint writable=False) except -1:
    """(N, C, H, W), or (N, C, W), which counts as images of one row; filters likewise."""
    view(array, into, writable)
    if into.ndim == 3:
        into.shape[3], into.shape[2] = into.shape[2], 1
    return 0
