"""A layer with its weights in the order of its dataflow: what a plain call makes and throws away, and a compiled layer keeps."""
from cython.parallel cimport parallel, prange
from libc.string cimport memset

from fastconv.kernels.arrays cimport Array
from fastconv.kernels.channels cimport Channels, channels_width, pack_lines
from fastconv.kernels.correlation cimport Correlation, choose_tile
from fastconv.kernels.dataflow cimport CHANNELS, FILTERS, PANELS, Shape, choose, line_tile, winograd_taps, winograd_tile
from fastconv.kernels.frames cimport Frames, frames_plain
from fastconv.kernels.planes cimport Planes, planes_channels, planes_of
from fastconv.kernels.runtime cimport allocate, enter_team, kernels, leave_team, release, threads_for, winograd_allowed
from fastconv.kernels.slab cimport Axis, axis_start
from fastconv.kernels.winograd cimport Winograd, pack_winograd, phase_filters, winograd_size


cdef void start_layer(Layer *layer, const Shape *shape, const char *weights) noexcept:
    layer.shape = shape[0]
    layer.source_at = frames_plain(shape.groups, shape.channels, shape.H * shape.W)
    layer.output_at = frames_plain(shape.groups, shape.outputs, shape.OH * shape.OW)
    layer.weights, layer.bias = weights, NULL
    layer.packed = layer.packed_bias = layer.phases = NULL
    layer.relu = 0


cdef void describe(Layer *layer, const Array *w, Py_ssize_t H, Py_ssize_t W, Py_ssize_t OH, Py_ssize_t OW, Py_ssize_t stride_h,
                   Py_ssize_t stride_w, Py_ssize_t pad_h, Py_ssize_t pad_w, Py_ssize_t dil_h, Py_ssize_t dil_w, Py_ssize_t groups) noexcept:
    cdef Shape shape = Shape(
        itemsize=w.itemsize, lanes=0, groups=groups, channels=w.shape[1], outputs=w.shape[0] // groups, planes=1, slices=1, H=H, W=W,
        KH=w.shape[2], KW=w.shape[3], OH=OH, OW=OW, stride_h=stride_h, stride_w=stride_w, pad_h=pad_h, pad_w=pad_w,
        dil_h=dil_h, dil_w=dil_w, transposed=False)
    start_layer(layer, &shape, w.data)


cdef void transpose(Layer *layer) noexcept:
    """From a layer to the gradient of its input: source and target change places."""
    cdef Shape *shape = &layer.shape
    cdef Frames source_at = layer.source_at
    shape.channels, shape.outputs = shape.outputs, shape.channels
    shape.H, shape.W, shape.OH, shape.OW = shape.OH, shape.OW, shape.H, shape.W
    layer.source_at = layer.output_at
    layer.output_at = source_at
    shape.transposed = True


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
    cdef unsigned int mode = 0
    if threads == 1:                     # a team of one would cost as much as a small layer
        for i in range(job.groups * blocks):
            pack_block(job, weights, row_stride, group_stride, offsets, width, i, packed)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for i in prange(job.groups * blocks, schedule="static"):
                pack_block(job, weights, row_stride, group_stride, offsets, width, i, packed)
            leave_team(mode)


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
    job.source_at, job.output_at = layer.source_at, layer.output_at
    job.height = job.grid_rows = shape.OH
    job.width = job.grid_columns = shape.OW
    job.row0, job.column0, job.row_step, job.column_step = 0, 0, 1, 1
    job.rows.taps, job.columns.taps = shape.KH, shape.KW
    choose_tile(job)


cdef void describe_winograd(const Layer *layer, Winograd *job) noexcept nogil:
    """Phases of a strided layer are channels: of the source, or (for the gradient of the input) of the output."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t r = winograd_taps(shape), taps = r * r, row, column
    cdef Planes image = planes_of(NULL, &layer.source_at, shape.channels, shape.H, shape.W, shape.stride_h, shape.stride_w, shape.pad_h,
                                  shape.pad_w)
    job.kernel, job.m, job.r = layer.kernel, winograd_tile(layer.dataflow), <int> r
    job.packed, job.bias, job.relu, job.flipped = layer.packed, layer.packed_bias, layer.relu, shape.transposed
    job.weights = layer.weights
    if layer.phases != NULL:
        job.weights = layer.phases
    if not shape.transposed:
        job.source = image
        job.output = planes_of(NULL, &layer.output_at, shape.outputs, shape.OH, shape.OW, 1, 1, 0, 0)
        job.OH, job.OW = shape.OH, shape.OW
        job.channels, job.outputs = planes_channels(&job.source), shape.outputs
        job.output_stride, job.depth_stride = job.channels * taps, taps
        return
    # Position Y of a phase gets what the gradient holds at Y, Y - 1, ...; positions before the image are left out.
    row, column = shape.pad_h // shape.stride_h, shape.pad_w // shape.stride_w
    image.channels, image.H, image.W = shape.outputs, shape.OH, shape.OW
    image.at = layer.output_at
    image.pad_h -= row * shape.stride_h
    image.pad_w -= column * shape.stride_w
    job.output = image
    job.source = planes_of(NULL, &layer.source_at, shape.channels, shape.H, shape.W, 1, 1, r - 1 - row, r - 1 - column)
    job.OH, job.OW = (shape.OH - 1 + image.pad_h) // shape.stride_h + 1, (shape.OW - 1 + image.pad_w) // shape.stride_w + 1
    job.channels, job.outputs = shape.channels, planes_channels(&job.output)
    job.output_stride, job.depth_stride = taps, job.outputs * taps


cdef void describe_channels(const Layer *layer, Channels *job) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    job.kernel, job.itemsize, job.groups = layer.kernel, shape.itemsize, shape.groups
    job.channels, job.outputs, job.OH, job.OW = shape.channels, shape.outputs, shape.OH, shape.OW
    job.weights, job.bias, job.relu, job.m = layer.packed, layer.packed_bias, layer.relu, line_tile(layer.dataflow)
    job.source_at, job.output_at = layer.source_at, layer.output_at
    job.rows.taps, job.columns.taps = shape.KH, shape.KW


cdef int pack_bias(Layer *layer, Py_ssize_t width, Py_ssize_t phases) noexcept nogil:
    """(groups, outputs, phases), each value that many times, into whole blocks of `width`, zeros behind; -1 when memory is out."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t g, p, padded = (shape.outputs * phases + width - 1) // width * width
    layer.packed_bias = <char *> allocate(shape.groups * padded * shape.itemsize)
    if layer.packed_bias == NULL:
        return -1
    memset(layer.packed_bias, 0, shape.groups * padded * shape.itemsize)
    if layer.bias != NULL:
        for g in range(shape.groups):
            for p in range(phases):
                layer.kernel.copy_strided(shape.outputs, layer.bias + g * shape.outputs * shape.itemsize, 1,
                                          layer.packed_bias + (g * padded + p) * shape.itemsize, phases)
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
    cdef Py_ssize_t phases = shape.stride_h * shape.stride_w if shape.transposed else 1      # of the output
    cdef Winograd job
    if needs_phases(shape):
        layer.phases = <char *> allocate(pairs * shape.stride_h * shape.stride_w * r * r * 4)
        if layer.phases == NULL:
            return -1
        phase_filters(layer.weights, pairs, shape.KH, shape.KW, shape.stride_h, shape.stride_w, r, False, layer.phases)
    if layer.bias != NULL and pack_bias(layer, channels_width(layer.kernel, shape.outputs * phases), phases) != 0:
        return -1
    if prepared:
        describe_winograd(layer, &job)
        layer.packed = <char *> allocate(winograd_size(&job))
        if layer.packed == NULL:
            return -1
        pack_winograd(&job, layer.packed)
    return 0


cdef void turn_around(const Layer *layer, char *turned) noexcept nogil:
    """(groups, channels, outputs, KH, KW) to (groups, outputs, channels, KH, KW), taps in the opposite order."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t taps = shape.KH * shape.KW, filter = shape.channels * taps, i, t
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(10.0 * shape.groups * shape.outputs * filter)):
        mode = enter_team()
        for i in prange(shape.groups * shape.channels, schedule="static"):
            for t in range(taps):
                layer.kernel.copy_strided(
                    shape.outputs, layer.weights + ((i * shape.outputs + 1) * taps - 1 - t) * shape.itemsize, taps,
                    turned + (i // shape.channels * shape.outputs * filter + i % shape.channels * taps + t) * shape.itemsize, filter)
        leave_team(mode)


cdef int pack_for_lines(Layer *layer) noexcept nogil:
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t lanes = layer.kernel.lanes
    cdef Channels job
    cdef char *turned = NULL
    if pack_bias(layer, lanes, 1) != 0:
        return -1
    layer.packed = <char *> allocate(shape.groups * ((shape.outputs + lanes - 1) // lanes * lanes) * shape.channels * shape.KH * 6 * 4)
    if layer.packed == NULL:
        return -1
    describe_channels(layer, &job)
    if not shape.transposed:
        pack_lines(&job, layer.weights, layer.packed)
        return 0
    turned = <char *> allocate(shape.groups * shape.outputs * shape.channels * shape.KH * shape.KW * 4)
    if turned == NULL:
        return -1
    turn_around(layer, turned)
    pack_lines(&job, turned, layer.packed)
    release(turned)
    return 0


cdef int pack(Layer *layer, bint prepared) noexcept nogil:
    """Bring the weights into the order of the dataflow; -1 when memory is out."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t taps = shape.KH * shape.KW, depth = shape.channels * taps, c, t, width
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
    width = direct.tile_rows
    if layer.dataflow == CHANNELS:
        width = channels_width(layer.kernel, shape.outputs)
        if pack_bias(layer, width, 1) != 0:
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
