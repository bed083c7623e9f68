"""Three-dimensional convolution: forward, and the gradients of input and weight. A filter of one pixel a slice, unstrided, sees a volume as
one image whose rows are the slices; any other runs as run_volume says."""
from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.dataflow cimport Shape
from fastconv.kernels.layer cimport start_layer, transpose
from fastconv.kernels.runtime cimport enter_team, kernels, leave_team
from fastconv.kernels.transposed cimport Depth
from fastconv.kernels.volume cimport INPUT, OUTPUT, WEIGHT, Volume, run_volume


cdef bint is_column(const Shape *shape) noexcept nogil:
    return (shape.KH == 1 and shape.KW == 1 and shape.stride_h == 1 and shape.stride_w == 1 and shape.pad_h == 0 and shape.pad_w == 0
            and shape.OH == shape.H and shape.OW == shape.W)


cdef void start_volume(Volume *job, int of, const Array *x, const Array *w, const Array *y, Py_ssize_t stride_d, Py_ssize_t stride_h,
                       Py_ssize_t stride_w, Py_ssize_t pad_d, Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_d, Py_ssize_t dil_h,
                       Py_ssize_t dil_w, Py_ssize_t groups) noexcept:
    """Of the convolution of x by w to y, whatever is asked of it."""
    cdef Shape shape = Shape(
        itemsize=w.itemsize, groups=groups, channels=w.shape[1], outputs=w.shape[0] // groups, planes=1, slices=1,
        H=x.shape[3], W=x.shape[4], KH=w.shape[3], KW=w.shape[4], OH=y.shape[3], OW=y.shape[4], stride_h=stride_h, stride_w=stride_w,
        pad_h=pad_h, pad_w=pad_w, dil_h=dil_h, dil_w=dil_w, transposed=False, lanes=0)
    job.of, job.images, job.flat = of, x.shape[0], is_column(&shape)
    job.depth = Depth(size=x.shape[2], kernel=w.shape[2], outputs=y.shape[2], stride=stride_d, pad=pad_d, dil=dil_d)
    if job.flat:
        shape.W = shape.OW = x.shape[3] * x.shape[4]
        shape.H, shape.KH, shape.OH = x.shape[2], w.shape[2], y.shape[2]
        shape.stride_h, shape.pad_h, shape.dil_h = stride_d, pad_d, dil_d
    start_layer(&job.layer, &shape, w.data)
    job.layer.kernel = kernels(w.itemsize)
    job.layer.shape.lanes = job.layer.kernel.lanes
    if of == INPUT:
        transpose(&job.layer)
        job.depth.size, job.depth.outputs = job.depth.outputs, job.depth.size


cdef int run_checked(Volume *job) except -1:
    cdef unsigned int mode = 0
    cdef int status
    with nogil:
        mode = enter_team()
        status = run_volume(job)
        leave_team(mode)
    if status != 0:
        raise MemoryError("conv3d: no memory for the packed weights or the workspace")
    return 0


def conv3d_forward(input, weight, bias, output, Py_ssize_t stride_d, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_d,
                   Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_d, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups):
    cdef Array x, w, b, y
    cdef Volume job
    view(input, &x)
    view(weight, &w)
    view(output, &y, True)
    start_volume(&job, OUTPUT, &x, &w, &y, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, groups)
    if bias is not None:
        view(bias, &b)
        job.layer.bias = b.data
    job.source, job.output = x.data, y.data
    run_checked(&job)


def conv3d_backward_input(grad_output, weight, grad_input, Py_ssize_t stride_d, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_d,
                          Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_d, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups,
                          bias=None):
    """With a bias, (groups * channels of grad_input): the transposed convolution."""
    cdef Array g, w, b, x
    cdef Volume job
    view(grad_output, &g)
    view(weight, &w)
    view(grad_input, &x, True)
    start_volume(&job, INPUT, &x, &w, &g, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, groups)
    if bias is not None:
        view(bias, &b)
        job.layer.bias = b.data
    job.source, job.output = g.data, x.data
    run_checked(&job)


def conv3d_backward_weight(grad_output, input, grad_weight, Py_ssize_t stride_d, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_d,
                           Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_d, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups):
    cdef Array g, x, w
    cdef Volume job
    view(grad_output, &g)
    view(input, &x)
    view(grad_weight, &w, True)
    start_volume(&job, WEIGHT, &x, &w, &g, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w, dil_d, dil_h, dil_w, groups)
    job.gradient, job.source, job.weight = g.data, x.data, w.data
    run_checked(&job)
