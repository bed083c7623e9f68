from fastconv.kernels.batch cimport Batch

# The output from finished statistics; terms: room for three numbers a channel.
cdef void write_output(const Batch *job, const char *x, char *y, char *terms) noexcept nogil
