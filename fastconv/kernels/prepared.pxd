"""What a plan calls: operators that need nothing but their arrays any more."""

# Some images from each of the sources to the target, contiguous and of the shapes that the operator was made for; -1 when memory is out.
ctypedef int (*operator_call)(const void *state, Py_ssize_t images, const char *const *sources, char *target) noexcept nogil

cdef class Prepared:
    cdef operator_call call
    cdef const void *state       # its own, as long as the object lives
