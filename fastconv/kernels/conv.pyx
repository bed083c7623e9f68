"""Two-dimensional convolution: forward, and the gradients of input, weight and bias.

A layer is prepared (a dataflow chosen, its weights packed) and run. `Convolution` keeps what was prepared; the plain functions throw it
away after one call.
"""
from cython.parallel cimport parallel, prange
from libc.string cimport memcpy, memset

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.channels cimport Channels, channels, channels_width, pack_lines
from fastconv.kernels.correlation cimport Correlation, correlate, packed_size
from fastconv.kernels.dataflow cimport (
    CHANNELS, FILTERS, PANELS, PLANES, PRODUCT, TILES3, TILES4, Shape, choose, choose_weights, line_tile,
    panels_pay, possible, weights_possible, winograd_taps, winograd_tile,
)
from fastconv.kernels.depthwise cimport Turned, depthwise_input, depthwise_weight
from fastconv.kernels.filters cimport Filters, filters
from fastconv.kernels.runtime cimport allocate, fc_kernels, kernels, note_team, release, threads_for, winograd_allowed
from fastconv.kernels.slab cimport Axis, axis_release, axis_start, ceil_div
from fastconv.kernels.weight_gradient cimport WeightGradient, weight_gradient
from fastconv.kernels.weight_product cimport weight_product
from fastconv.kernels.planes cimport Planes, planes_channels
from fastconv.kernels.winograd cimport Winograd, pack_winograd, phase_filters, winograd, winograd_size
from fastconv.kernels.winograd_gradient cimport WinogradGradient, winograd_gradient

from fastconv.kernels.dataflow import NAMES, WEIGHT_NAMES

cdef struct Layer:
    Shape shape
    const fc_kernels *kernel
    int dataflow
    int relu
    const char *weights          # (groups * outputs, channels, KH, KW); transposed: (groups * channels, outputs, KH, KW)
    const char *bias             # (groups * outputs) or NULL
    char *packed                 # the weights in the order of the dataflow, or NULL where it takes them as they are
    char *packed_bias            # the bias likewise
    char *phases                 # the weights of a strided layer by phases, for Winograd, or NULL


cdef void pack_block(const Correlation *job, const char *weights, Py_ssize_t row_stride, Py_ssize_t group_stride,
                     const Py_ssize_t *offsets, Py_ssize_t width, Py_ssize_t block, char *packed) noexcept nogil:
    cdef Py_ssize_t blocks = (job.outputs + width - 1) // width, m = block % blocks * width
    cdef Py_ssize_t depth = job.channels * job.rows.taps * job.columns.taps
    cdef const char *source = weights + (block // blocks * group_stride + m * row_stride) * job.itemsize
    cdef char *target = packed + block * width * depth * job.itemsize
    if offsets == NULL:
        job.kernel.pack_rows(depth, min(width, job.outputs - m), width, source, row_stride, target)
    else:
        job.kernel.pack_gather(depth, min(width, job.outputs - m), width, source, row_stride, offsets, target)


cdef void pack_weights(const Correlation *job, const char *weights, Py_ssize_t row_stride, Py_ssize_t group_stride,
                       const Py_ssize_t *offsets, Py_ssize_t width, char *packed) noexcept nogil:
    """(groups, outputs, depth) into blocks of `width` outputs. offsets: of each step of the depth, or NULL where it is contiguous."""
    cdef Py_ssize_t blocks = (job.outputs + width - 1) // width
    cdef Py_ssize_t depth = job.channels * job.rows.taps * job.columns.taps
    cdef Py_ssize_t i
    cdef int threads = threads_for(<double> job.groups * job.outputs * depth)
    if threads == 1:                     # a team of one would cost as much as a small layer
        for i in range(job.groups * blocks):
            pack_block(job, weights, row_stride, group_stride, offsets, width, i, packed)
    else:
        for i in prange(job.groups * blocks, schedule="static", num_threads=threads):
            pack_block(job, weights, row_stride, group_stride, offsets, width, i, packed)


cdef int start_axes(const Layer *layer, Axis *rows, Axis *columns) noexcept nogil:
    """Where each tap reads; -1 when memory is out. A turned filter's first tap is the last one of the filter as it came."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t t, pad_h = shape.pad_h, pad_w = shape.pad_w
    if shape.transposed:
        pad_h = (shape.KH - 1) * shape.dil_h - pad_h
        pad_w = (shape.KW - 1) * shape.dil_w - pad_w
    rows.offset = columns.offset = NULL
    if (axis_start(rows, shape.H, shape.stride_h, shape.KH) != 0
            or axis_start(columns, shape.W, shape.stride_w, shape.KW) != 0):
        return -1
    for t in range(shape.KH):
        rows.offset[t] = t * shape.dil_h - pad_h
    for t in range(shape.KW):
        columns.offset[t] = t * shape.dil_w - pad_w
    return 0


cdef void describe_correlation(const Layer *layer, Correlation *job) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    job.kernel, job.itemsize = layer.kernel, shape.itemsize
    job.groups, job.channels, job.outputs = shape.groups, shape.channels, shape.outputs
    job.weights, job.bias, job.relu, job.panels = layer.packed, layer.bias, layer.relu, layer.dataflow == PANELS
    job.height = job.grid_rows = shape.OH
    job.width = job.grid_columns = shape.OW
    job.row0, job.column0, job.row_step, job.column_step = 0, 0, 1, 1
    job.rows.taps, job.columns.taps = shape.KH, shape.KW


cdef void describe_winograd(const Layer *layer, Winograd *job) noexcept nogil:
    """Phases of a strided layer are channels: of the source, or (for the gradient of the input) of the output."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t r = winograd_taps(shape), taps = r * r, row, column
    cdef Planes image = Planes(data=NULL, channels=shape.channels, H=shape.H, W=shape.W, step_h=shape.stride_h, step_w=shape.stride_w,
                               pad_h=shape.pad_h, pad_w=shape.pad_w)
    job.kernel, job.m, job.r = layer.kernel, winograd_tile(layer.dataflow), <int> r
    job.packed, job.bias, job.relu, job.flipped = layer.packed, layer.packed_bias, layer.relu, shape.transposed
    job.weights = layer.weights
    if layer.phases != NULL:
        job.weights = layer.phases
    if not shape.transposed:
        job.source = image
        job.output = Planes(data=NULL, channels=shape.outputs, H=shape.OH, W=shape.OW, step_h=1, step_w=1, pad_h=0, pad_w=0)
        job.OH, job.OW = shape.OH, shape.OW
        job.channels, job.outputs = planes_channels(&job.source), shape.outputs
        job.output_stride, job.depth_stride = job.channels * taps, taps
        return
    # Position Y of a phase gets what the gradient holds at Y, Y - 1, ...; positions before the image are left out.
    row, column = shape.pad_h // shape.stride_h, shape.pad_w // shape.stride_w
    image.channels, image.H, image.W = shape.outputs, shape.OH, shape.OW
    image.pad_h -= row * shape.stride_h
    image.pad_w -= column * shape.stride_w
    job.output = image
    job.source = Planes(data=NULL, channels=shape.channels, H=shape.H, W=shape.W, step_h=1, step_w=1, pad_h=r - 1 - row,
                        pad_w=r - 1 - column)
    job.OH, job.OW = (shape.OH - 1 + image.pad_h) // shape.stride_h + 1, (shape.OW - 1 + image.pad_w) // shape.stride_w + 1
    job.channels, job.outputs = shape.channels, planes_channels(&job.output)
    job.output_stride, job.depth_stride = taps, job.outputs * taps


cdef int pack_bias(Layer *layer, Py_ssize_t width) noexcept nogil:
    """(groups, outputs) into whole blocks of `width`, zeros behind; -1 when memory is out."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t g, padded = (shape.outputs + width - 1) // width * width
    layer.packed_bias = <char *> allocate(shape.groups * padded * shape.itemsize)
    if layer.packed_bias == NULL:
        return -1
    memset(layer.packed_bias, 0, shape.groups * padded * shape.itemsize)
    for g in range(shape.groups):
        if layer.bias != NULL:
            memcpy(layer.packed_bias + g * padded * shape.itemsize, layer.bias + g * shape.outputs * shape.itemsize,
                   shape.outputs * shape.itemsize)
    return 0


cdef void unpack(Layer *layer) noexcept nogil:
    release(layer.packed)
    release(layer.packed_bias)
    release(layer.phases)
    layer.packed = layer.packed_bias = layer.phases = NULL


cdef int turn_filters(Layer *layer) noexcept nogil:
    """The filters with their taps in the opposite order; -1 when memory is out."""
    cdef Py_ssize_t itemsize = layer.shape.itemsize, taps = layer.shape.KH * layer.shape.KW, t
    cdef Py_ssize_t count = layer.shape.groups * layer.shape.outputs
    layer.packed = <char *> allocate(count * taps * itemsize)
    if layer.packed == NULL:
        return -1
    for t in range(taps):
        layer.kernel.copy_strided(count, layer.weights + (taps - 1 - t) * itemsize, taps, layer.packed + t * itemsize, taps)
    return 0


cdef bint needs_phases(const Shape *shape) noexcept nogil:
    """Whether the filters are other than Winograd takes them: strided, or smaller along one axis than along the other."""
    return shape.stride_h * shape.stride_w > 1 or shape.KH != shape.KW


cdef int pack_for_winograd(Layer *layer, bint prepared) noexcept nogil:
    """Where the weights serve one call alone they are transformed on the way; -1 when memory is out."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t r = winograd_taps(shape), pairs = shape.channels * shape.outputs
    cdef Winograd job
    if needs_phases(shape):
        layer.phases = <char *> allocate(pairs * shape.stride_h * shape.stride_w * r * r * 4)
        if layer.phases == NULL:
            return -1
        phase_filters(layer.weights, pairs, shape.KH, shape.KW, shape.stride_h, shape.stride_w, r, False, layer.phases)
    if layer.bias != NULL and pack_bias(layer, channels_width(layer.kernel, shape.outputs)) != 0:
        return -1
    if prepared:
        describe_winograd(layer, &job)
        layer.packed = <char *> allocate(winograd_size(&job))
        if layer.packed == NULL:
            return -1
        pack_winograd(&job, layer.packed)
    return 0


cdef int pack_for_lines(Layer *layer) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t lanes = layer.kernel.lanes
    cdef Channels job
    if pack_bias(layer, lanes) != 0:
        return -1
    layer.packed = <char *> allocate(shape.groups * ((shape.outputs + lanes - 1) // lanes * lanes) * shape.channels * shape.KH * 6 * 4)
    if layer.packed == NULL:
        return -1
    describe_channels(layer, &job)
    pack_lines(&job, layer.weights, layer.packed)
    return 0


cdef int pack(Layer *layer, bint prepared) noexcept nogil:
    """Bring the weights into the order of the dataflow; -1 when memory is out."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t taps = shape.KH * shape.KW, depth = shape.channels * taps, c, t, width = layer.kernel.tile_rows
    cdef Correlation direct
    cdef Py_ssize_t *offsets
    layer.packed = layer.packed_bias = layer.phases = NULL
    if shape.transposed and shape.stride_h * shape.stride_w > 1 and layer.dataflow == PANELS:
        return 0                       # the phases of a strided layer pack their own
    if layer.dataflow == FILTERS:
        return turn_filters(layer) if shape.transposed else 0
    if winograd_tile(layer.dataflow) > 0:
        return pack_for_winograd(layer, prepared)
    if line_tile(layer.dataflow) > 0:
        return pack_for_lines(layer)
    describe_correlation(layer, &direct)
    if layer.dataflow == CHANNELS:
        width = channels_width(layer.kernel, shape.outputs)
        if pack_bias(layer, width) != 0:
            return -1
    layer.packed = <char *> allocate(shape.groups * ((shape.outputs + width - 1) // width * width) * depth * shape.itemsize)
    if layer.packed == NULL:
        return -1
    if not layer.shape.transposed:
        pack_weights(&direct, layer.weights, depth, shape.outputs * depth, NULL, width, layer.packed)
        return 0
    offsets = <Py_ssize_t *> allocate(depth * sizeof(Py_ssize_t))
    if offsets == NULL:
        return -1
    for c in range(shape.channels):
        for t in range(taps):
            offsets[c * taps + t] = c * shape.outputs * taps + taps - 1 - t
    pack_weights(&direct, layer.weights, taps, shape.outputs * depth, offsets, width, layer.packed)
    release(offsets)
    return 0


cdef int prepare(Layer *layer, int dataflow, bint prepared) noexcept nogil:
    """Choose the dataflow (or take the one that is given) and pack the weights; -1 when memory is out."""
    layer.kernel = kernels(layer.shape.itemsize)
    layer.shape.lanes = layer.kernel.lanes
    layer.dataflow = choose(&layer.shape, prepared, winograd_allowed()) if dataflow < 0 else dataflow
    return pack(layer, prepared)


cdef int run_direct(const Layer *layer, Py_ssize_t images, const char *source, char *output) noexcept nogil:
    cdef Correlation job
    cdef int status = -1
    describe_correlation(layer, &job)
    job.images, job.source, job.output = images, source, output
    if start_axes(layer, &job.rows, &job.columns) == 0:
        status = correlate(&job)
    axis_release(&job.rows)
    axis_release(&job.columns)
    return status


cdef void describe_channels(const Layer *layer, Channels *job) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    job.kernel, job.itemsize, job.groups = layer.kernel, shape.itemsize, shape.groups
    job.channels, job.outputs, job.OH, job.OW = shape.channels, shape.outputs, shape.OH, shape.OW
    job.weights, job.bias, job.relu, job.m = layer.packed, layer.packed_bias, layer.relu, line_tile(layer.dataflow)
    job.rows.taps, job.columns.taps = shape.KH, shape.KW


cdef int run_channels(const Layer *layer, Py_ssize_t images, const char *source, char *output, char *doubtful) noexcept nogil:
    cdef Channels job
    cdef int status = -1
    describe_channels(layer, &job)
    job.images, job.source, job.output, job.doubtful = images, source, output, doubtful
    if start_axes(layer, &job.rows, &job.columns) == 0:
        status = channels(&job)
    axis_release(&job.rows)
    axis_release(&job.columns)
    return status


cdef int run_filters(const Layer *layer, Py_ssize_t images, const char *source, char *output) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    cdef Filters job
    cdef int status = -1
    job.kernel, job.itemsize, job.images, job.groups, job.outputs = layer.kernel, shape.itemsize, images, shape.groups, shape.outputs
    job.source, job.bias, job.relu, job.output = source, layer.bias, layer.relu, output
    job.weights = layer.weights
    if layer.shape.transposed:
        job.weights = layer.packed
    job.OH, job.OW = shape.OH, shape.OW
    if start_axes(layer, &job.rows, &job.columns) == 0:
        status = filters(&job)
    axis_release(&job.rows)
    axis_release(&job.columns)
    return status


cdef int run_tiles(const Layer *layer, Py_ssize_t images, const char *source, char *output, char *doubtful) noexcept nogil:
    cdef Winograd job
    if line_tile(layer.dataflow) > 0:
        return run_channels(layer, images, source, output, doubtful)
    describe_winograd(layer, &job)
    job.images, job.source.data, job.output.data, job.doubtful = images, <char *> source, output, doubtful
    return winograd(&job)


cdef int run_winograd(const Layer *layer, Py_ssize_t images, const char *source, char *output) noexcept nogil:
    """An image with a result that is not finite is computed again directly: the transforms spread infinities and NaNs."""
    cdef const Shape *shape = &layer.shape
    cdef Layer direct
    cdef Py_ssize_t n
    cdef int status = -1
    cdef char *doubtful = <char *> allocate(images)
    direct.packed = direct.packed_bias = direct.phases = NULL
    if doubtful != NULL:
        memset(doubtful, 0, images)
        status = run_tiles(layer, images, source, output, doubtful)
        for n in range(images):
            if status == 0 and doubtful[n]:
                if direct.packed == NULL:
                    direct = layer[0]
                    status = prepare(&direct, PANELS, True)
                if status == 0:
                    status = run(&direct, 1, source + n * shape.channels * shape.groups * shape.H * shape.W * 4,
                                 output + n * shape.outputs * shape.groups * shape.OH * shape.OW * 4)
    unpack(&direct)
    release(doubtful)
    return status


cdef int run(const Layer *layer, Py_ssize_t images, const char *source, char *output) noexcept nogil:
    """-1 when memory is out."""
    if images * layer.shape.OH * layer.shape.OW * layer.shape.outputs == 0:
        return 0
    if layer.dataflow == FILTERS:
        return run_filters(layer, images, source, output)
    if layer.dataflow == CHANNELS:
        return run_channels(layer, images, source, output, NULL)
    if winograd_tile(layer.dataflow) > 0 or line_tile(layer.dataflow) > 0:
        return run_winograd(layer, images, source, output)
    if layer.shape.transposed and layer.shape.stride_h * layer.shape.stride_w > 1:
        return run_phases(layer, images, source, output)
    return run_direct(layer, images, source, output)


cdef void describe(Layer *layer, const Array *w, Py_ssize_t H, Py_ssize_t W, Py_ssize_t OH, Py_ssize_t OW, Py_ssize_t stride_h,
                   Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups) noexcept:
    layer.shape = Shape(
        itemsize=w.itemsize, lanes=0, groups=groups, channels=w.shape[1], outputs=w.shape[0] // groups, H=H, W=W, KH=w.shape[2],
        KW=w.shape[3], OH=OH, OW=OW, stride_h=stride_h, stride_w=stride_w, pad_h=pad_h, pad_w=pad_w,
        dil_h=dil_h, dil_w=dil_w, transposed=False)
    layer.weights, layer.bias = w.data, NULL
    layer.packed = layer.packed_bias = layer.phases = NULL
    layer.relu = 0


cdef int number(dataflow, const Shape *shape) except -2:
    """The number of a dataflow's name; -1 for None."""
    if dataflow is None:
        return -1
    if dataflow not in NAMES:
        raise ValueError(f"dataflow (={dataflow!r}) must be one of {', '.join(NAMES)}")
    if not possible(shape, NAMES.index(dataflow)):
        raise ValueError(f"dataflow (={dataflow!r}) cannot compute a layer of this shape")
    return NAMES.index(dataflow)


def conv2d_forward(input, weight, bias, output, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                   Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups, dataflow=None):
    cdef Array x, w, b, y
    cdef Layer layer
    cdef int chosen, status
    view(input, &x)
    view(weight, &w)
    view(output, &y, True)
    describe(&layer, &w, x.shape[2], x.shape[3], y.shape[2], y.shape[3], stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
    if bias is not None:
        view(bias, &b)
        layer.bias = b.data
    chosen = number(dataflow, &layer.shape)
    with nogil:
        status = prepare(&layer, chosen, False)
        if status == 0:
            status = run(&layer, x.shape[0], x.data, y.data)
        unpack(&layer)
    if status != 0:
        raise MemoryError("conv2d: no memory for the packed weights or the workspace")


cdef class Convolution:
    """One layer with its weights packed: a copy of them as they were."""
    cdef Layer layer
    cdef char *memory            # the weights as they came, then the bias

    def __cinit__(self, weight, bias, Py_ssize_t H, Py_ssize_t W, Py_ssize_t OH, Py_ssize_t OW, Py_ssize_t stride_h, Py_ssize_t stride_w,
                  Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups, bint relu=False,
                  dataflow=None):
        cdef Array w, b
        cdef int chosen, status
        view(weight, &w)
        describe(&self.layer, &w, H, W, OH, OW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
        chosen = number(dataflow, &self.layer.shape)
        self.memory = <char *> allocate((w.size + w.shape[0]) * w.itemsize)
        if self.memory == NULL:
            raise MemoryError("conv2d: no memory for the weights")
        memcpy(self.memory, w.data, w.size * w.itemsize)
        self.layer.weights = self.memory
        if bias is not None:
            view(bias, &b)
            memcpy(self.memory + w.size * w.itemsize, b.data, b.size * b.itemsize)
            self.layer.bias = self.memory + w.size * w.itemsize
        self.layer.relu = relu
        with nogil:
            status = prepare(&self.layer, chosen, True)
        if status != 0:
            raise MemoryError("conv2d: no memory for the packed weights")

    def __dealloc__(self):
        unpack(&self.layer)
        release(self.memory)

    def forward(self, input, output):
        """(N, C, H, W) to (N, Cout, OH, OW); both contiguous and of the weights' dtype."""
        cdef Array x, y
        cdef int status
        view(input, &x)
        view(output, &y, True)
        with nogil:
            status = run(&self.layer, x.shape[0], x.data, y.data)
        if status != 0:
            raise MemoryError("conv2d: no memory for the workspace")

    @property
    def dataflow(self):
        return NAMES[self.layer.dataflow]


cdef void transpose(Layer *layer) noexcept:
    """From a layer to the gradient of its input: source and target change places."""
    cdef Shape *shape = &layer.shape
    shape.channels, shape.outputs = shape.outputs, shape.channels
    shape.H, shape.W, shape.OH, shape.OW = shape.OH, shape.OW, shape.H, shape.W
    shape.transposed = True


def conv2d_dataflow(weight, Py_ssize_t H, Py_ssize_t W, Py_ssize_t OH, Py_ssize_t OW, Py_ssize_t stride_h, Py_ssize_t stride_w,
                    Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups, of="output"):
    """The names of the dataflow that a plain call chooses for the `of` of a layer ("output", "grad_input" or "grad_weight"), and of all
    that can compute it."""
    cdef Array w
    cdef Layer layer
    cdef int dataflow
    view(weight, &w)
    describe(&layer, &w, H, W, OH, OW, stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
    layer.shape.lanes = kernels(w.itemsize).lanes
    if of == "grad_weight":
        able = [name for dataflow, name in enumerate(WEIGHT_NAMES) if weights_possible(&layer.shape, dataflow)]
        return WEIGHT_NAMES[choose_weights(&layer.shape, winograd_allowed())], able
    if of == "grad_input":
        transpose(&layer)
    able = [name for dataflow, name in enumerate(NAMES) if possible(&layer.shape, dataflow)]
    return NAMES[choose(&layer.shape, False, winograd_allowed())], able


cdef Py_ssize_t phase_taps(Py_ssize_t kernel, Py_ssize_t dilation, Py_ssize_t stride, Py_ssize_t place,
                           Py_ssize_t *tap, Py_ssize_t *offset) noexcept nogil:
    """The taps that reach the input positions `place` modulo the stride (padding added), and where they read the gradient."""
    cdef Py_ssize_t t, count = 0
    for t in range(kernel):
        if (place - t * dilation) % stride == 0:
            if tap != NULL:
                tap[count] = t
                offset[count] = (place - t * dilation) // stride
            count += 1
    return count


cdef int run_phase(const Layer *layer, Py_ssize_t images, const char *gradient, char *output, Py_ssize_t place_h, Py_ssize_t place_w,
                   Py_ssize_t *scratch) noexcept nogil:
    """One phase of a strided layer: the pixels place_h + i * stride_h, place_w + j * stride_w get a stride-1 correlation."""
    cdef const Shape *shape = &layer.shape
    cdef Correlation job
    cdef Py_ssize_t *tap_h = scratch
    cdef Py_ssize_t *tap_w = scratch + shape.KH
    cdef Py_ssize_t *offsets = NULL
    cdef Py_ssize_t c, i, j, k = 0, filter = shape.outputs * shape.KH * shape.KW
    cdef char *packed = NULL
    cdef int status = -1
    describe_correlation(layer, &job)
    job.images, job.source, job.output = images, gradient, output
    job.row0, job.column0, job.row_step, job.column_step = place_h, place_w, shape.stride_h, shape.stride_w
    job.grid_rows, job.grid_columns = ceil_div(shape.OH - place_h, shape.stride_h), ceil_div(shape.OW - place_w, shape.stride_w)
    job.panels = panels_pay(shape, job.grid_rows, job.grid_columns)
    job.rows.offset = job.columns.offset = NULL
    if axis_start(&job.rows, shape.H, 1, shape.KH) == 0 and axis_start(&job.columns, shape.W, 1, shape.KW) == 0:
        job.rows.taps = phase_taps(shape.KH, shape.dil_h, shape.stride_h, place_h + shape.pad_h, tap_h, job.rows.offset)
        job.columns.taps = phase_taps(shape.KW, shape.dil_w, shape.stride_w, place_w + shape.pad_w, tap_w, job.columns.offset)
        if job.rows.taps == 0 or job.columns.taps == 0:
            status = 0                 # nothing reaches these pixels: they keep their zeros
        else:
            offsets = <Py_ssize_t *> allocate(job.channels * job.rows.taps * job.columns.taps * sizeof(Py_ssize_t))
            packed = <char *> allocate(packed_size(&job) * job.itemsize)
    if offsets != NULL and packed != NULL:
        for c in range(job.channels):
            for i in range(job.rows.taps):
                for j in range(job.columns.taps):
                    offsets[k] = c * filter + tap_h[i] * shape.KW + tap_w[j]
                    k += 1
        pack_weights(&job, layer.weights, shape.KH * shape.KW, job.channels * filter, offsets, job.kernel.tile_rows, packed)
        job.weights = packed
        status = correlate(&job)
    release(offsets)
    release(packed)
    axis_release(&job.rows)
    axis_release(&job.columns)
    return status


cdef int run_phases(const Layer *layer, Py_ssize_t images, const char *gradient, char *output) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t *scratch = <Py_ssize_t *> allocate((shape.KH + shape.KW) * sizeof(Py_ssize_t))
    cdef Py_ssize_t a, b
    cdef int status = 0
    if scratch == NULL:
        return -1
    layer.kernel.fill(images * shape.groups * shape.outputs * shape.OH * shape.OW, 0, output)
    for a in range(min(shape.stride_h, shape.OH)):
        for b in range(min(shape.stride_w, shape.OW)):
            if status == 0:
                status = run_phase(layer, images, gradient, output, a, b, scratch)
    release(scratch)
    return status


cdef void scatter(const Layer *layer, Py_ssize_t images, const char *gradient, char *output) noexcept nogil:
    """Term by term. Weights that are not finite need it: the padding of the other ways would multiply them by zeros, and make NaNs of
    products that the sum does not have."""
    cdef const Shape *shape = &layer.shape
    cdef const fc_kernels *kernel = layer.kernel
    cdef Py_ssize_t itemsize = shape.itemsize, task, c, kh, kw, i, h, w0, low, high, plane = shape.OH * shape.OW
    cdef Py_ssize_t group, m
    cdef const char *weight
    cdef const char *row
    cdef char *target
    with parallel(num_threads=threads_for(<double> images * shape.groups * shape.outputs * plane * shape.channels * shape.KH * shape.KW)):
        note_team()
        for task in prange(images * shape.groups * shape.outputs, schedule="static"):
            group = task // shape.outputs % shape.groups
            m = task % shape.outputs
            target = output + task * plane * itemsize
            kernel.fill(plane, 0, target)
            for c in range(shape.channels):
                for kh in range(shape.KH):
                    for kw in range(shape.KW):
                        weight = layer.weights + ((((group * shape.channels + c) * shape.outputs + m) * shape.KH + kh) * shape.KW
                                                  + kw) * itemsize
                        w0 = kw * shape.dil_w - shape.pad_w
                        low = min(max(ceil_div(-w0, shape.stride_w), 0), shape.W)
                        high = max(min(ceil_div(shape.OW - w0, shape.stride_w), shape.W), low)
                        for i in range(shape.H):
                            h = i * shape.stride_h + kh * shape.dil_h - shape.pad_h
                            if 0 <= h < shape.OH:
                                row = gradient + (((task // shape.outputs * shape.channels + c) * shape.H + i) * shape.W + low) * itemsize
                                kernel.add_scaled(high - low, weight, row,
                                                  target + (h * shape.OW + w0 + low * shape.stride_w) * itemsize, shape.stride_w)


cdef int run_depthwise(const Layer *layer, Py_ssize_t images, const char *gradient, char *output) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    cdef Turned job = Turned(
        kernel=layer.kernel, itemsize=shape.itemsize, images=images, groups=shape.groups, filters=shape.channels, H=shape.H,
        W=shape.W, KH=shape.KH, KW=shape.KW, OH=shape.OH, OW=shape.OW, stride_h=shape.stride_h, stride_w=shape.stride_w,
        pad_h=shape.pad_h, pad_w=shape.pad_w, dil_h=shape.dil_h, dil_w=shape.dil_w, gradient=gradient, weights=layer.weights, output=output)
    return depthwise_input(&job)


cdef int run_transposed(Layer *layer, Py_ssize_t images, const char *gradient, char *output, int dataflow) noexcept nogil:
    """The gradient of the input; -1 when memory is out."""
    cdef Shape *shape = &layer.shape
    cdef int status
    layer.kernel = kernels(shape.itemsize)
    shape.lanes = layer.kernel.lanes
    if images * shape.groups * shape.channels * shape.H * shape.W == 0:
        layer.kernel.fill(images * shape.groups * shape.outputs * shape.OH * shape.OW, 0, output)
        return 0
    if not layer.kernel.all_finite(shape.groups * shape.channels * shape.outputs * shape.KH * shape.KW, layer.weights):
        scatter(layer, images, gradient, output)
        return 0
    # One channel a group: there is no depth to share pixels over.
    if shape.outputs == 1 and dataflow <= PANELS and (shape.stride_h * shape.stride_w > 1 or (dataflow < 0 and shape.channels > 1)):
        return run_depthwise(layer, images, gradient, output)
    status = prepare(layer, dataflow, False)
    if status == 0:
        status = run(layer, images, gradient, output)
    unpack(layer)
    return status


def conv2d_backward_input(grad_output, weight, grad_input, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                          Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups, dataflow=None):
    cdef Array g, w, x
    cdef Layer layer
    cdef int chosen, status
    view(grad_output, &g)
    view(weight, &w)
    view(grad_input, &x, True)
    describe(&layer, &w, x.shape[2], x.shape[3], g.shape[2], g.shape[3], stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
    transpose(&layer)
    chosen = number(dataflow, &layer.shape)
    with nogil:
        status = run_transposed(&layer, g.shape[0], g.data, x.data, chosen)
    if status != 0:
        raise MemoryError("conv2d_backward: no memory for the packed weights or the workspace")


cdef int weight_gradient_by_tiles(const Layer *layer, int m, Py_ssize_t images, const char *gradient, const char *input,
                                  char *weight) noexcept nogil:
    """By Winograd's minimal filtering; -1 when memory is out."""
    cdef const Shape *shape = &layer.shape
    cdef WinogradGradient job
    cdef char *phases = NULL
    cdef int status
    job.kernel, job.m, job.r, job.images = layer.kernel, m, <int> winograd_taps(shape), images
    job.source = Planes(data=<char *> input, channels=shape.channels, H=shape.H, W=shape.W, step_h=shape.stride_h, step_w=shape.stride_w,
                        pad_h=shape.pad_h, pad_w=shape.pad_w)
    job.gradient = Planes(data=<char *> gradient, channels=shape.outputs, H=shape.OH, W=shape.OW, step_h=1, step_w=1, pad_h=0, pad_w=0)
    job.channels, job.outputs, job.OH, job.OW = planes_channels(&job.source), shape.outputs, shape.OH, shape.OW
    job.weight = weight
    if needs_phases(shape):
        phases = <char *> allocate(job.channels * job.outputs * job.r * job.r * 4)
        if phases == NULL:
            return -1
        job.weight = phases
    status = winograd_gradient(&job)
    if status == 0 and phases != NULL:
        phase_filters(weight, shape.channels * shape.outputs, shape.KH, shape.KW, shape.stride_h, shape.stride_w, job.r, True, phases)
    release(phases)
    return status


cdef int weight_gradient_directly(const Layer *layer, int dataflow, Py_ssize_t images, const char *gradient, const char *input,
                                  char *weight) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    cdef WeightGradient job
    cdef int status = -1
    job.kernel, job.itemsize, job.images, job.groups = layer.kernel, shape.itemsize, images, shape.groups
    job.channels, job.outputs = shape.channels, shape.outputs
    job.source, job.gradient, job.weight = input, gradient, weight
    job.grid_rows, job.grid_columns = shape.OH, shape.OW
    if start_axes(layer, &job.rows, &job.columns) == 0:
        if dataflow == PLANES:
            status = depthwise_weight(&job)
        else:
            status = weight_product(&job) if dataflow == PRODUCT else weight_gradient(&job)
    axis_release(&job.rows)
    axis_release(&job.columns)
    return status


cdef int run_weights(const Layer *layer, int dataflow, Py_ssize_t images, const char *gradient, const char *input,
                     char *weight) noexcept nogil:
    """The gradient of the weights; -1 when memory is out. The transforms spread infinities and NaNs: then the sum is taken directly."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t weights = shape.groups * shape.outputs * shape.channels * shape.KH * shape.KW
    cdef int status = 0, m
    if images * shape.OH * shape.OW == 0:
        layer.kernel.fill(weights, 0, weight)
        return 0
    if dataflow < 0:
        dataflow = choose_weights(shape, winograd_allowed())
    if dataflow >= TILES4:
        m = 4 if dataflow == TILES4 else 3 if dataflow == TILES3 else 2
        status = weight_gradient_by_tiles(layer, m, images, gradient, input, weight)
        if status != 0 or layer.kernel.all_finite(weights, weight):
            return status
        dataflow = PRODUCT
    return weight_gradient_directly(layer, dataflow, images, gradient, input, weight)


def conv2d_backward_weight(grad_output, input, grad_weight, Py_ssize_t stride_h, Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w,
                           Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups, dataflow=None):
    cdef Array g, x, w
    cdef Layer layer
    cdef int chosen = -1, status
    view(grad_output, &g)
    view(input, &x)
    view(grad_weight, &w, True)
    describe(&layer, &w, x.shape[2], x.shape[3], g.shape[2], g.shape[3], stride_h, stride_w, pad_h, pad_w, dil_h, dil_w, groups)
    layer.kernel = kernels(w.itemsize)
    layer.shape.lanes = layer.kernel.lanes
    if dataflow is not None:
        if dataflow not in WEIGHT_NAMES:
            raise ValueError(f"dataflow (={dataflow!r}) must be one of {', '.join(WEIGHT_NAMES)}")
        chosen = WEIGHT_NAMES.index(dataflow)
        if not weights_possible(&layer.shape, chosen):
            raise ValueError(f"dataflow (={dataflow!r}) cannot compute the gradient of weights of this shape")
    with nogil:
        status = run_weights(&layer, chosen, x.shape[0], g.data, x.data, w.data)
    if status != 0:
        raise MemoryError("conv2d_backward: no memory for the workspace")


cdef void sum_channel(const fc_kernels *kernel, const Array *g, Py_ssize_t channel, char *total) noexcept nogil:
    """Over all images, in their order."""
    cdef Py_ssize_t n, pixels = g.shape[2] * g.shape[3]
    cdef double sum = 0
    for n in range(g.shape[0]):
        sum = kernel.sum(pixels, g.data + (n * g.shape[1] + channel) * pixels * g.itemsize, sum)
    kernel.fill(1, sum, total + channel * g.itemsize)


def conv2d_backward_bias(grad_output, grad_bias):
    cdef Array g, b
    cdef Py_ssize_t c
    cdef int threads
    cdef const fc_kernels *kernel
    view(grad_output, &g)
    view(grad_bias, &b, True)
    kernel = kernels(g.itemsize)
    threads = <int> min(threads_for(g.size), max(1, g.shape[1]))
    with nogil:
        if threads == 1:
            note_team()
            for c in range(g.shape[1]):
                sum_channel(kernel, &g, c, b.data)
        else:
            with parallel(num_threads=threads):
                note_team()
                for c in prange(g.shape[1], schedule="static"):
                    sum_channel(kernel, &g, c, b.data)
