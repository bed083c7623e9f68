"""Prepared operators besides convolutions and dense layers: functions of an element, pooling, normalisation, sums of branches."""
from libc.string cimport memset

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.batch cimport Batch, batch_start
from fastconv.kernels.elementwise cimport map_array
from fastconv.kernels.join cimport add_pieces
from fastconv.kernels.norm cimport write_output
from fastconv.kernels.pool cimport pool_forward
from fastconv.kernels.pool_plane cimport MAXIMUM, MEAN, Operation, Pool, pool_sizes, pool_start
from fastconv.kernels.prepared cimport Prepared
from fastconv.kernels.runtime cimport allocate, release


cdef inline Array some(Py_ssize_t itemsize, Py_ssize_t size, const char *data) noexcept nogil:
    cdef Array array
    memset(&array, 0, sizeof(Array))
    array.data, array.itemsize, array.size = <char *> data, itemsize, size
    return array


# ---- a function of one element

cdef struct Map:
    int function
    Py_ssize_t itemsize, elements        # of an image
    double parameter


cdef int map_all(const void *opaque, Py_ssize_t images, const char *const *sources, char *target) noexcept nogil:
    cdef const Map *state = <const Map *> opaque
    cdef Array x = some(state.itemsize, images * state.elements, sources[0])
    map_array(state.function, &x, NULL, state.parameter, target)
    return 0


cdef class Pointwise(Prepared):
    cdef Map own

    def __cinit__(self, int function, double parameter, Py_ssize_t elements, Py_ssize_t itemsize):
        self.own = Map(function=function, itemsize=itemsize, elements=elements, parameter=parameter)
        self.call, self.state = map_all, &self.own


# ---- pooling

cdef struct Windows:
    Operation operation
    Py_ssize_t itemsize, planes, H, W, OH, OW    # planes: of an image
    Py_ssize_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w
    bint count_include_pad
    Py_ssize_t divisor_override


cdef int pool_all(const void *opaque, Py_ssize_t images, const char *const *sources, char *target) noexcept nogil:
    cdef const Windows *state = <const Windows *> opaque
    cdef Pool job
    pool_start(&job, state.operation, state.itemsize, state.kernel_h, state.kernel_w, state.stride_h, state.stride_w, state.pad_h,
               state.pad_w, state.dil_h, state.dil_w)
    pool_sizes(&job, images * state.planes, state.H, state.W, state.OH, state.OW)
    job.count_include_pad, job.divisor_override = state.count_include_pad, state.divisor_override
    return pool_forward(&job, sources[0], target, NULL)


cdef class Pooling(Prepared):
    """Of images; the mean where `mean`, else the maximum."""
    cdef Windows own

    def __cinit__(self, bint mean, Py_ssize_t itemsize, Py_ssize_t planes, Py_ssize_t H, Py_ssize_t W, Py_ssize_t OH, Py_ssize_t OW,
                  Py_ssize_t kernel_h, Py_ssize_t kernel_w, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                  Py_ssize_t dil_h=1, Py_ssize_t dil_w=1, bint count_include_pad=False, Py_ssize_t divisor_override=0):
        self.own = Windows(
            operation=MEAN if mean else MAXIMUM, itemsize=itemsize, planes=planes, H=H, W=W, OH=OH, OW=OW, kernel_h=kernel_h,
            kernel_w=kernel_w, stride_h=stride_h, stride_w=stride_w, pad_h=pad_h, pad_w=pad_w, dil_h=dil_h, dil_w=dil_w,
            count_include_pad=count_include_pad, divisor_override=divisor_override)
        self.call, self.state = pool_all, &self.own


# ---- batch normalisation with statistics that stand

cdef struct Scale:
    Py_ssize_t itemsize, C, L
    const char *weight
    const char *bias
    double *mean
    double *inverse


cdef int scale_all(const void *opaque, Py_ssize_t images, const char *const *sources, char *target) noexcept nogil:
    cdef const Scale *state = <const Scale *> opaque
    cdef Array x = some(state.itemsize, images * state.C * state.L, sources[0])
    cdef Batch job
    cdef char *terms = <char *> allocate(3 * state.C * sizeof(double))
    if terms == NULL:
        return -1
    x.shape[0], x.shape[1], x.shape[2] = images, state.C, state.L
    batch_start(&job, &x)
    job.mean, job.inverse, job.weight, job.bias = state.mean, state.inverse, state.weight, state.bias
    write_output(&job, sources[0], target, terms)
    release(terms)
    return 0


cdef class Scaling(Prepared):
    """Of images (C, L). The arrays are kept, not copied; weight and bias may be None."""
    cdef Scale own
    cdef tuple kept

    def __cinit__(self, Py_ssize_t itemsize, Py_ssize_t C, Py_ssize_t L, weight, bias, mean, inverse):
        cdef Array w, b, m, s
        w.data = b.data = NULL
        if weight is not None:
            view(weight, &w)
        if bias is not None:
            view(bias, &b)
        view(mean, &m)
        view(inverse, &s)
        self.kept = weight, bias, mean, inverse
        self.own = Scale(itemsize=itemsize, C=C, L=L, weight=w.data, bias=b.data, mean=<double *> m.data, inverse=<double *> s.data)
        self.call, self.state = scale_all, &self.own


# ---- where branches meet

cdef int add_all(const void *opaque, Py_ssize_t images, const char *const *sources, char *target) noexcept nogil:
    cdef const Map *state = <const Map *> opaque
    cdef Array x = some(state.itemsize, images * state.elements, sources[0]), y = some(state.itemsize, x.size, sources[1])
    add_pieces(&x, &y, target)
    return 0


cdef class Sum(Prepared):
    """Of two sources."""
    cdef Map own

    def __cinit__(self, Py_ssize_t elements, Py_ssize_t itemsize):
        self.own = Map(function=0, itemsize=itemsize, elements=elements, parameter=0)
        self.call, self.state = add_all, &self.own
