"""The gradient of a strided layer's input by phases: the pixels place_h + i * stride_h, place_w + j * stride_w of the output are a
correlation at stride 1 with those taps of the filter that reach them. Phases are computed together, as many as PHASES at a time."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.correlation cimport PHASES, Correlation, correlate, packed_size
from fastconv.kernels.dataflow cimport Shape, panels_pay
from fastconv.kernels.layer cimport Layer, describe_correlation, pack_block
from fastconv.kernels.runtime cimport allocate, enter_team, leave_team, release, threads_for
from fastconv.kernels.slab cimport axis_release, axis_start, ceil_div

cdef enum:
    TURNED_BYTES = 4096          # of filters that are turned whole, for the rows of a tile

cdef struct Phases:
    Correlation job[PHASES]
    Py_ssize_t *taps[PHASES]     # of each job: where each step of its depth lies in the weights
    Py_ssize_t *places[PHASES]   # and in a turned filter: tap * tile_rows
    Py_ssize_t count


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


cdef bint reaches_all(Py_ssize_t kernel, Py_ssize_t dilation, Py_ssize_t stride) noexcept nogil:
    """Whether every position modulo the stride has a tap."""
    cdef Py_ssize_t place
    if kernel < stride:
        return False
    for place in range(stride):
        if phase_taps(kernel, dilation, stride, place, NULL, NULL) == 0:
            return False
    return True


cdef bint phases_cover(const Shape *shape) noexcept nogil:
    """Whether something reaches every pixel: others keep what they hold."""
    return reaches_all(shape.KH, shape.dil_h, shape.stride_h) and reaches_all(shape.KW, shape.dil_w, shape.stride_w)


cdef int add_phase(const Layer *layer, Py_ssize_t images, const char *gradient, char *output, Py_ssize_t place_h, Py_ssize_t place_w,
                   Py_ssize_t *scratch, Phases *phases) noexcept nogil:
    """Unless nothing reaches its pixels; -1 when memory is out."""
    cdef const Shape *shape = &layer.shape
    cdef Correlation *job = &phases.job[phases.count]
    cdef Py_ssize_t *tap_h = scratch
    cdef Py_ssize_t *tap_w = scratch + shape.KH
    cdef Py_ssize_t *taps
    cdef Py_ssize_t c, i, j, k = 0, filter = shape.outputs * shape.KH * shape.KW
    describe_correlation(layer, job)
    job.images, job.source, job.output = images, gradient, output
    job.row0, job.column0, job.row_step, job.column_step = place_h, place_w, shape.stride_h, shape.stride_w
    job.grid_rows, job.grid_columns = ceil_div(shape.OH - place_h, shape.stride_h), ceil_div(shape.OW - place_w, shape.stride_w)
    job.panels = panels_pay(shape, job.grid_rows, job.grid_columns)
    job.rows.offset = job.columns.offset = NULL
    job.weights, phases.taps[phases.count] = NULL, NULL
    phases.count += 1
    if axis_start(&job.rows, shape.H, 1, shape.KH) != 0 or axis_start(&job.columns, shape.W, 1, shape.KW) != 0:
        return -1
    job.rows.taps = phase_taps(shape.KH, shape.dil_h, shape.stride_h, place_h + shape.pad_h, tap_h, job.rows.offset)
    job.columns.taps = phase_taps(shape.KW, shape.dil_w, shape.stride_w, place_w + shape.pad_w, tap_w, job.columns.offset)
    if job.rows.taps == 0 or job.columns.taps == 0:
        phases.count -= 1
        axis_release(&job.rows)
        axis_release(&job.columns)
        return 0
    taps = <Py_ssize_t *> allocate((job.channels + 1) * job.rows.taps * job.columns.taps * sizeof(Py_ssize_t))
    job.weights = <char *> allocate(packed_size(job) * job.itemsize)
    phases.taps[phases.count - 1] = taps
    if taps == NULL or job.weights == NULL:
        return -1
    for c in range(job.channels):
        for i in range(job.rows.taps):
            for j in range(job.columns.taps):
                taps[k] = c * filter + tap_h[i] * shape.KW + tap_w[j]
                k += 1
    phases.places[phases.count - 1] = taps + k
    for i in range(job.rows.taps * job.columns.taps):
        taps[k + i] = taps[i] * job.kernel.tile_rows
    return 0


cdef void pack_filters(const Layer *layer, const Phases *phases, Py_ssize_t block) noexcept nogil:
    """A block of outputs for all phases: small filters are turned whole, and their taps dealt out."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t width = layer.kernel.tile_rows, blocks = ceil_div(shape.outputs, width), taps = shape.KH * shape.KW, p, c, here
    cdef Py_ssize_t filter = shape.outputs * taps, m = block % blocks * width
    cdef char turned[TURNED_BYTES]
    cdef const char *source
    if width * taps * shape.itemsize > TURNED_BYTES:
        for p in range(phases.count):
            pack_block(&phases.job[p], layer.weights, taps, shape.channels * filter, phases.taps[p], width, block,
                       <char *> phases.job[p].weights)
        return
    for c in range(shape.channels):
        source = layer.weights + ((block // blocks * shape.channels + c) * filter + m * taps) * shape.itemsize
        layer.kernel.pack_rows(taps, min(width, shape.outputs - m), width, source, taps, turned)
        for p in range(phases.count):
            here = phases.job[p].rows.taps * phases.job[p].columns.taps
            layer.kernel.pack_gather(here, width, width, turned, 1, phases.places[p],
                                     <char *> phases.job[p].weights + (block * shape.channels + c) * here * width * shape.itemsize)


cdef int finish(const Layer *layer, Phases *phases, int status) noexcept nogil:
    """Run and release; -1 when memory is out, or was."""
    cdef Py_ssize_t p, i, blocks = ceil_div(layer.shape.outputs, layer.kernel.tile_rows) * layer.shape.groups
    cdef int threads = threads_for(<double> blocks * layer.kernel.tile_rows * layer.shape.channels * layer.shape.KH * layer.shape.KW)
    cdef unsigned int mode = 0
    if status == 0 and phases.count > 0:
        if threads == 1:                 # a team of one would cost as much as a small layer
            for i in range(blocks):
                pack_filters(layer, phases, i)
        else:
            with parallel(num_threads=threads):
                mode = enter_team()
                for i in prange(blocks, schedule="static"):
                    pack_filters(layer, phases, i)
                leave_team(mode)
        status = correlate(phases.job, phases.count)
    for p in range(phases.count):
        release(phases.taps[p])
        release(<char *> phases.job[p].weights)
        axis_release(&phases.job[p].rows)
        axis_release(&phases.job[p].columns)
    phases.count = 0
    return status


cdef int run_phases(const Layer *layer, Py_ssize_t images, const char *gradient, char *output) noexcept nogil:
    """-1 when memory is out."""
    cdef const Shape *shape = &layer.shape
    cdef Py_ssize_t *scratch = <Py_ssize_t *> allocate((shape.KH + shape.KW) * sizeof(Py_ssize_t))
    cdef Py_ssize_t rows = min(shape.stride_h, shape.OH), columns = min(shape.stride_w, shape.OW), a, b
    cdef Phases phases
    cdef int status = 0
    if scratch == NULL:
        return -1
    phases.count = 0
    for a in range(rows):
        for b in range(columns):
            if status == 0:
                status = add_phase(layer, images, gradient, output, a, b, scratch, &phases)
                # Those that stand side by side in the output stay together.
                if status != 0 or phases.count == PHASES or b == columns - 1 and phases.count + columns > PHASES:
                    status = finish(layer, &phases, status)
    status = finish(layer, &phases, status)
    release(scratch)
    return status
