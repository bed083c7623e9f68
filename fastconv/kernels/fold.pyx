"""unfold (im2col) writes the column matrix; fold (col2im) adds it back. Convolution itself uses neither."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport enter_team, fc_kernels, kernels, leave_team, threads_for
from fastconv.kernels.slab cimport ceil_div

cdef struct Fold:
    const fc_kernels *kernel
    Py_ssize_t itemsize, H, W, KH, KW, OH, OW
    Py_ssize_t stride_h, stride_w, pad_h, pad_w, dil_h, dil_w


cdef void fold_start(Fold *job, const Array *image, const Array *columns, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h,
                     Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w) noexcept:
    job.kernel, job.itemsize = kernels(image.itemsize), image.itemsize
    job.H, job.W, job.OH, job.OW = image.shape[2], image.shape[3], columns.shape[2], columns.shape[3]
    job.KH, job.KW, job.stride_h, job.stride_w = kernel_h, kernel_w, stride_h, stride_w
    job.pad_h, job.pad_w, job.dil_h, job.dil_w = pad_h, pad_w, dil_h, dil_w


cdef void move_plane(const Fold *job, char *image, char *columns, bint adding) noexcept nogil:
    """One channel: its KH * KW rows of the column matrix, from the image or (adding) to it."""
    cdef Py_ssize_t kh, kw, i, h, w0, low, high
    cdef char *row
    for kh in range(job.KH):
        for kw in range(job.KW):
            w0 = kw * job.dil_w - job.pad_w
            low = min(max(ceil_div(-w0, job.stride_w), 0), job.OW)
            high = max(min(ceil_div(job.W - w0, job.stride_w), job.OW), low)
            for i in range(job.OH):
                h = i * job.stride_h + kh * job.dil_h - job.pad_h
                row = image + (h * job.W + w0 + low * job.stride_w) * job.itemsize
                if h < 0 or h >= job.H or low == high:
                    if not adding:
                        job.kernel.fill(job.OW, 0, columns)
                elif adding:
                    job.kernel.add_strided(high - low, columns + low * job.itemsize, 1, row, job.stride_w)
                else:
                    job.kernel.fill(low, 0, columns)
                    job.kernel.copy_strided(high - low, row, job.stride_w, columns + low * job.itemsize, 1)
                    job.kernel.fill(job.OW - high, 0, columns + high * job.itemsize)
                columns += job.OW * job.itemsize


cdef void move(const Fold *job, char *image, char *columns, Py_ssize_t planes, bint adding) noexcept nogil:
    cdef Py_ssize_t c, taps = job.KH * job.KW
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(<double> planes * taps * job.OH * job.OW)):
        mode = enter_team()
        for c in prange(planes, schedule="static"):
            if adding:
                job.kernel.fill(job.H * job.W, 0, image + c * job.H * job.W * job.itemsize)
            move_plane(job, image + c * job.H * job.W * job.itemsize,
                       columns + c * taps * job.OH * job.OW * job.itemsize, adding)
        leave_team(mode)


def unfold(input, columns, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h,
           Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w):
    cdef Array x, y
    cdef Fold job
    view(input, &x)
    view(columns, &y, True)
    fold_start(&job, &x, &y, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)
    with nogil:
        move(&job, x.data, y.data, x.shape[0] * x.shape[1], False)


def fold(columns, output, Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h,
         Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w):
    cdef Array x, y
    cdef Fold job
    view(columns, &x)
    view(output, &y, True)
    fold_start(&job, &y, &x, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w)
    with nogil:
        move(&job, y.data, x.data, y.shape[0] * y.shape[1], True)
