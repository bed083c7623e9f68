"""Convolution of volumes by convolutions of images: each slice of the output is an image, of all slices that the filter reads there.

    phase of the output's slices      those whose slices of the source lie evenly, one or more slices apart: all of them, unless the filter
                                      is dilated in depth or (for the gradient of the input) strided
      part of the volumes or slices     gather the source's slices one after the other, zeros where there are none:
                                        (volumes, groups, slices, channels, H, W)
        a layer of images                 image i reads the filter's slices times the channels, from slice i * advance on: images overlap

So every dataflow of images serves volumes, writes into the output as it lies, and has its depth multiplied by the filter's slices. What
needs no padding in depth and has one channel or one slice of the filter is not gathered, but read where it is.
"""
from cython.parallel cimport parallel, prange
from libc.string cimport memcpy, memset

from fastconv.kernels.frames cimport Frames
from fastconv.kernels.layer cimport Layer, prepare, unpack
from fastconv.kernels.run cimport fill_bias, run
from fastconv.kernels.runtime cimport allocate, enter_team, leave_team, release, threads_for
from fastconv.kernels.slab cimport ceil_div
from fastconv.kernels.transposed cimport Depth, run_transposed, scatter
from fastconv.kernels.weights cimport run_weights

cdef enum:
    PART_BYTES = 16 * 1024 * 1024        # of gathered slices: a part of the last-level cache; one slice's at least

cdef struct Sweep:
    # Output slices first + i * step, i < count; each reads the source's slices base + (i * advance + t) * spacing, t < taps.
    Py_ssize_t first, step, count, base, advance, spacing, taps


cdef Py_ssize_t divisor(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """The greatest common one."""
    while b:
        a, b = b, a % b
    return a


cdef Py_ssize_t phases(const Volume *job) noexcept nogil:
    cdef const Depth *depth = &job.depth
    cdef Py_ssize_t common = divisor(depth.stride, depth.dil)
    return min(depth.outputs, depth.dil // common * (depth.stride if job.of == INPUT else 1))


cdef Sweep phase(const Volume *job, Py_ssize_t first) noexcept nogil:
    """The output's slices from `first` on."""
    cdef const Depth *depth = &job.depth
    cdef Py_ssize_t common = divisor(depth.stride, depth.dil), k
    cdef Sweep sweep
    sweep.first, sweep.taps = first, 0
    if job.of == INPUT:
        sweep.step, sweep.advance, sweep.spacing = depth.stride * (depth.dil // common), 1, depth.dil // common
        sweep.base = 0
        for k in range(depth.kernel):            # the last of them reads the first slice
            if reaches(depth, first, k):
                sweep.base = (first + depth.pad - k * depth.dil) // depth.stride
                sweep.taps += 1
    else:
        sweep.step, sweep.advance, sweep.spacing = depth.dil // common, depth.stride // common, depth.dil
        sweep.base, sweep.taps = first * depth.stride - depth.pad, depth.kernel
    sweep.count = ceil_div(depth.outputs - first, sweep.step)
    return sweep


cdef bint reaches(const Depth *depth, Py_ssize_t slice, Py_ssize_t tap) noexcept nogil:
    """Whether the filter's slice `tap` takes part in a slice of the input's gradient, wherever it reads."""
    return (slice + depth.pad - tap * depth.dil) % depth.stride == 0


# ---- the filters ------------------------------------------------------------------------------------------------

cdef void exchange(const Volume *job, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t second, const char *source,
                   char *target) noexcept nogil:
    """(rows, first, second, KH, KW) to (rows, second, first, KH, KW)."""
    cdef Py_ssize_t bytes = job.layer.shape.KH * job.layer.shape.KW * job.layer.shape.itemsize, i, j, k
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(10.0 * rows * first * second)):
        mode = enter_team()
        for i in prange(rows, schedule="static"):
            for j in range(first):
                for k in range(second):
                    memcpy(target + ((i * second + k) * first + j) * bytes, source + ((i * first + j) * second + k) * bytes, bytes)
        leave_team(mode)


cdef void gather_filters(const Volume *job, const Sweep *sweep, char *target) noexcept nogil:
    """Those of a phase of the input's gradient, (groups, taps, channels, outputs, KH, KW), the last slice of the filter first."""
    cdef Py_ssize_t bytes = job.layer.shape.KH * job.layer.shape.KW * job.layer.shape.itemsize
    cdef Py_ssize_t channels = job.layer.shape.channels, outputs = job.layer.shape.outputs, kernel = job.depth.kernel, i, c, o, k, t
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(10.0 * job.layer.shape.groups * channels * outputs * sweep.taps)):
        mode = enter_team()
        for i in prange(job.layer.shape.groups * channels, schedule="static"):
            t = 0
            for k in range(kernel - 1, -1, -1):
                if not reaches(&job.depth, sweep.first, k):
                    continue
                c = (i // channels * sweep.taps + t) * channels + i % channels
                for o in range(outputs):
                    memcpy(target + (c * outputs + o) * bytes, job.layer.weights + ((i * outputs + o) * kernel + k) * bytes, bytes)
                t = t + 1
        leave_team(mode)


# ---- the slices -------------------------------------------------------------------------------------------------

cdef void gather(const Volume *job, const Sweep *sweep, Py_ssize_t volume, Py_ssize_t volumes, Py_ssize_t start, Py_ssize_t places,
                 char *target) noexcept nogil:
    """The slices start ... start + places - 1 of a phase's own count."""
    cdef Py_ssize_t channels = job.layer.shape.channels, groups = job.layer.shape.groups
    cdef Py_ssize_t bytes = job.layer.shape.H * job.layer.shape.W * job.layer.shape.itemsize, i, c, z
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(<double> volumes * groups * places * channels * job.layer.shape.H * job.layer.shape.W)):
        mode = enter_team()
        for i in prange(volumes * groups * places, schedule="static"):
            z = sweep.base + (start + i % places) * sweep.spacing
            if 0 <= z < job.depth.size:
                for c in range(channels):
                    memcpy(target + (i * channels + c) * bytes,
                           job.source + (((volume * groups + i // places) * channels + c) * job.depth.size + z) * bytes, bytes)
            else:
                memset(target + i * channels * bytes, 0, channels * bytes)
        leave_team(mode)


cdef void place_output(const Volume *job, const Sweep *sweep, Py_ssize_t slices, Layer *layer) noexcept nogil:
    """The output's frames, for images that are `slices` of each volume."""
    cdef Py_ssize_t plane = layer.shape.OH * layer.shape.OW, channel = job.depth.outputs * plane
    cdef Py_ssize_t group = layer.shape.outputs * channel
    layer.output_at = Frames(depth=slices, volume=layer.shape.groups * group, image=sweep.step * plane, group=group, channel=channel)


cdef int run_images(Volume *job, Layer *layer, Py_ssize_t volume, Py_ssize_t volumes, const Sweep *sweep, Py_ssize_t start,
                    const char *source, char *sum) noexcept nogil:
    """The phase's slices from `start` on, as many as the output's frames say, of some volumes; -1 when memory is out."""
    cdef Py_ssize_t images = volumes * layer.output_at.depth
    cdef Py_ssize_t offset = (volume * layer.output_at.volume
                              + (sweep.first + start * sweep.step) * layer.shape.OH * layer.shape.OW) * layer.shape.itemsize
    cdef int status
    if job.of == WEIGHT:
        return run_weights(layer, -1, images, job.gradient + offset, source, sum)
    if job.of == INPUT:
        return run_transposed(layer, images, source, job.output + offset, -1)
    status = prepare(layer, -1, False)
    if status == 0:
        status = run(layer, images, source, job.output + offset)
    unpack(layer)
    return status


cdef int add_images(Volume *job, Layer *layer, Py_ssize_t volume, Py_ssize_t volumes, const Sweep *sweep, Py_ssize_t start,
                    const char *source, char *sums, bint *begun) noexcept nogil:
    """run_images; gradients of weights are added to `sums`, behind which there is room for one part more."""
    cdef const char *part = sums
    cdef Py_ssize_t weights = layer.shape.groups * layer.shape.outputs * layer.shape.channels * layer.shape.KH * layer.shape.KW
    cdef int status
    if sums != NULL and begun[0]:
        part = sums + weights * layer.shape.itemsize
    status = run_images(job, layer, volume, volumes, sweep, start, source, <char *> part)
    if status == 0 and part != sums:
        layer.kernel.add_strided(weights, part, 1, sums, 1)
    begun[0] = True
    return status


cdef int run_phase(Volume *job, Layer *layer, const Sweep *sweep, char *sums, bint *begun) noexcept nogil:
    """-1 when memory is out."""
    cdef Py_ssize_t channels = job.layer.shape.channels, groups = layer.shape.groups, plane = layer.shape.H * layer.shape.W
    cdef Py_ssize_t slice = groups * channels * plane * layer.shape.itemsize     # bytes of one
    cdef Py_ssize_t places = (sweep.count - 1) * sweep.advance + sweep.taps, slices = sweep.count, volumes = job.images, n, i
    cdef char *gathered
    cdef int status = 0
    if ((sweep.taps == 1 or channels == 1) and sweep.base >= 0
            and sweep.base + (places - 1) * sweep.spacing < job.depth.size):
        layer.source_at = Frames(
            depth=slices, volume=groups * channels * job.depth.size * plane, image=sweep.advance * sweep.spacing * plane,
            group=channels * job.depth.size * plane, channel=(job.depth.size if sweep.taps == 1 else sweep.spacing) * plane)
        place_output(job, sweep, slices, layer)
        layer.shape.slices = slices
        return add_images(job, layer, 0, volumes, sweep, 0, job.source + sweep.base * plane * layer.shape.itemsize, sums, begun)
    if slice * places <= PART_BYTES:
        volumes = min(volumes, PART_BYTES // (slice * places))
    else:
        volumes = 1
        slices = max(1, (PART_BYTES // slice - sweep.taps) // sweep.advance + 1)
        slices = ceil_div(sweep.count, ceil_div(sweep.count, slices))            # parts of one size
        places = (slices - 1) * sweep.advance + sweep.taps
    layer.shape.slices = slices
    gathered = <char *> allocate(volumes * places * slice)
    if gathered == NULL:
        return -1
    for n from 0 <= n < job.images by volumes:
        for i from 0 <= i < sweep.count by slices:
            if status == 0:
                place_output(job, sweep, min(slices, sweep.count - i), layer)
                places = (layer.output_at.depth - 1) * sweep.advance + sweep.taps
                gather(job, sweep, n, min(volumes, job.images - n), i * sweep.advance, places, gathered)
                layer.source_at = Frames(
                    depth=layer.output_at.depth, volume=groups * places * channels * plane, image=sweep.advance * channels * plane,
                    group=places * channels * plane, channel=plane)
                status = add_images(job, layer, n, min(volumes, job.images - n), sweep, i, gathered, sums, begun)
    release(gathered)
    return status


cdef int run_volume(Volume *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t channels = job.layer.shape.channels, outputs = job.layer.shape.outputs, groups = job.layer.shape.groups
    cdef Py_ssize_t kernel = job.depth.kernel, first
    cdef Py_ssize_t weights = groups * outputs * channels * kernel * job.layer.shape.KH * job.layer.shape.KW * job.layer.shape.itemsize
    cdef bint turned = channels > 1 and kernel > 1, begun = False        # whether filters need another order of their axes
    cdef int status = 0
    cdef Layer layer = job.layer
    cdef Sweep sweep
    cdef char *filters = NULL
    cdef char *sums = NULL
    if job.flat:
        sweep.first = sweep.step = 0
        return run_images(job, &layer, 0, job.images, &sweep, 0, job.source, job.weight)
    # Zeros stand in for slices that are not there; times an infinite weight they would make NaNs that no term of the sum is.
    if job.of == INPUT and not layer.kernel.all_finite(weights // layer.shape.itemsize, layer.weights):
        scatter(&layer, &job.depth, job.images, job.source, job.output)
        return 0
    if job.of == WEIGHT:
        sums = <char *> allocate(2 * weights)
        if sums == NULL:
            return -1
    elif job.of == INPUT or turned:
        filters = <char *> allocate(weights)
        if filters == NULL:
            return -1
        layer.weights = filters
        if job.of == OUTPUT:
            exchange(job, groups * outputs, channels, kernel, job.layer.weights, filters)
    for first in range(phases(job)):
        sweep = phase(job, first)
        layer.shape.channels, layer.shape.planes = sweep.taps * channels, sweep.taps
        if status == 0 and sweep.taps == 0:                                      # nothing reaches these slices
            place_output(job, &sweep, sweep.count, &layer)
            fill_bias(&layer, job.images * sweep.count, job.output + first * layer.shape.OH * layer.shape.OW * layer.shape.itemsize)
        elif status == 0:
            if job.of == INPUT:
                gather_filters(job, &sweep, filters)
            status = run_phase(job, &layer, &sweep, sums, &begun)
    if status == 0 and job.of == WEIGHT:
        if turned:
            exchange(job, groups * outputs, kernel, channels, sums, job.weight)
        else:
            memcpy(job.weight, sums, weights)
    release(filters)
    release(sums)
    return status
