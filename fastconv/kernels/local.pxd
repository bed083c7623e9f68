from fastconv.kernels.arrays cimport Array
from fastconv.kernels.runtime cimport fc_kernels, kernels, threads_for

cdef enum:
    IMAGES = 16                          # that a weight serves at a time
    SUMS_BYTES = 16 * 1024               # a part of the first-level cache

cdef struct Local:
    const fc_kernels *kernel
    Py_ssize_t itemsize, images, groups
    Py_ssize_t inputs, outputs           # channels of a group
    Py_ssize_t H, W, OH, OW, KH, KW
    Py_ssize_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w
    char *image                          # (images, groups * inputs, H, W)
    char *weights                        # (groups * outputs, inputs, KH, KW, OH, OW)
    char *bias                           # (groups * outputs, OH, OW) or NULL
    char *result                         # (images, groups * outputs, OH, OW)
    int threads
    Py_ssize_t wanted                    # tasks, so that the threads are busy


cdef inline Local describe(const Array *image, const Array *weights, const Array *result, Py_ssize_t stride_h, Py_ssize_t stride_w,
                           Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups) noexcept:
    cdef inline Local job
    job.kernel, job.itemsize = kernels(image.itemsize), image.itemsize
    job.images, job.groups, job.inputs, job.outputs = image.shape[0], groups, image.shape[1] // groups, result.shape[1] // groups
    job.H, job.W, job.OH, job.OW = image.shape[2], image.shape[3], result.shape[2], result.shape[3]
    job.KH, job.KW = weights.shape[2], weights.shape[3]
    job.stride_h, job.stride_w, job.pad_h, job.pad_w, job.dil_h, job.dil_w = stride_h, stride_w, pad_h, pad_w, dil_h, dil_w
    job.image, job.weights, job.bias, job.result = image.data, weights.data, NULL, result.data
    job.threads = threads_for(<double> job.images * weights.size)
    job.wanted = 2 * job.threads if job.threads > 1 else 1
    return job


cdef inline Py_ssize_t apart(const Local *job, Py_ssize_t elements) noexcept nogil:
    """A stride between images: an odd number of vectors, so that the images' pixels do not compete for the same lines of the cache."""
    return ((elements + job.kernel.lanes - 1) // job.kernel.lanes | 1) * job.kernel.lanes


cdef inline Py_ssize_t pixels_at_once(const Local *job, Py_ssize_t images) noexcept nogil:
    """Whole vectors, whose sums stay in the first-level cache while the terms pass."""
    cdef inline Py_ssize_t lanes = job.kernel.lanes
    return max(lanes, SUMS_BYTES // (images * job.kernel.local_rows * job.itemsize) // lanes * lanes)
