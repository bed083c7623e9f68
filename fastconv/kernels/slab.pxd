"""The slab: a padded copy of the few source rows that a block of output pixels needs.

A tap at offset d reads source position o * step + d for output o. Positions are kept by their residue modulo the step, so that for
every tap consecutive outputs are consecutive elements, whatever the stride: tap t reads position[t] + o within slot[t]. Where the
taps lie far apart (large dilation) each tap gets a slot of its own instead, so a slab never outgrows its column matrix.
"""
from fastconv.kernels.runtime cimport allocate, fc_kernels, release

cdef struct Axis:
    Py_ssize_t size         # elements of the source along this axis
    Py_ssize_t step         # stride
    Py_ssize_t taps
    Py_ssize_t outputs      # of one block, at most
    Py_ssize_t slots
    Py_ssize_t pitch        # positions a slot
    Py_ssize_t first        # the smallest offset
    Py_ssize_t reach        # largest - smallest offset
    Py_ssize_t *offset      # [taps] d of each tap
    Py_ssize_t *base        # [slots] offset of a slot's first position
    Py_ssize_t *slot        # [taps]
    Py_ssize_t *position    # [taps]


cdef inline int axis_start(Axis *axis, Py_ssize_t size, Py_ssize_t step, Py_ssize_t taps) noexcept nogil:
    """Room for `taps` offsets, which the caller then fills in; -1 when memory is out."""
    axis.size, axis.step, axis.taps = size, step, taps
    axis.offset = <Py_ssize_t *> allocate(4 * taps * sizeof(Py_ssize_t))
    if axis.offset == NULL:
        return -1
    axis.base = axis.offset + taps
    axis.slot = axis.offset + 2 * taps
    axis.position = axis.offset + 3 * taps
    return 0


cdef inline void axis_measure(Axis *axis) noexcept nogil:
    """The extent of the offsets; a source that is read at stride 1 in one place only counts as unstrided."""
    cdef Py_ssize_t t, last
    axis.first = last = axis.offset[0]
    for t in range(1, axis.taps):
        axis.first = min(axis.first, axis.offset[t])
        last = max(last, axis.offset[t])
    axis.reach = last - axis.first


cdef inline void axis_layout(Axis *axis, Py_ssize_t outputs, bint by_tap) noexcept nogil:
    """The slots for blocks of up to `outputs` outputs."""
    cdef Py_ssize_t t, s, residue
    axis.outputs = outputs
    axis.slots = 0
    for t in range(axis.taps):
        residue = (axis.offset[t] - axis.first) % axis.step
        for s in range(axis.slots):
            if axis.base[s] == residue:
                break
        else:
            s = axis.slots
            axis.base[s] = residue
            axis.slots += 1
        axis.slot[t] = s
        axis.position[t] = (axis.offset[t] - axis.first) // axis.step
    axis.pitch = outputs + axis.reach // axis.step
    if by_tap or axis.slots * axis.pitch > axis.taps * outputs:
        axis.slots = axis.taps
        axis.pitch = outputs
        for t in range(axis.taps):
            axis.base[t] = axis.offset[t] - axis.first
            axis.slot[t] = t
            axis.position[t] = 0


cdef inline void axis_release(Axis *axis) noexcept nogil:
    release(axis.offset)
    axis.offset = NULL


cdef inline Py_ssize_t slab_plane(const Axis *rows, const Axis *columns, Py_ssize_t lanes) noexcept nogil:
    """Elements of one slot of one channel: whole vectors, so that nothing is read beyond what was filled in."""
    return (rows.pitch * columns.pitch + lanes - 1) // lanes * lanes


cdef inline Py_ssize_t slab_channel(const Axis *rows, const Axis *columns, Py_ssize_t lanes) noexcept nogil:
    return slab_plane(rows, columns, lanes) * rows.slots * columns.slots


cdef inline Py_ssize_t tap_offset(const Axis *rows, const Axis *columns, Py_ssize_t plane, Py_ssize_t th, Py_ssize_t tw) noexcept nogil:
    return ((rows.slot[th] * columns.slots + columns.slot[tw]) * plane
            + rows.position[th] * columns.pitch + columns.position[tw])


cdef inline void fill_offsets(const Axis *rows, const Axis *columns, Py_ssize_t lanes, bint direct, Py_ssize_t first, Py_ssize_t count,
                              Py_ssize_t channel_stride, Py_ssize_t *offsets) noexcept nogil:
    """Where the steps first ... first + count - 1 of the depth (channels x taps) read, in the slab or (direct) in the source itself."""
    cdef Py_ssize_t taps = rows.taps * columns.taps, plane = slab_plane(rows, columns, lanes)
    cdef Py_ssize_t channel = first // taps * channel_stride
    cdef Py_ssize_t th = first % taps // columns.taps, tw = first % columns.taps, i
    for i in range(count):
        if direct:
            offsets[i] = channel + (rows.offset[th] - rows.first) * columns.size + columns.offset[tw] - columns.first
        else:
            offsets[i] = channel + tap_offset(rows, columns, plane, th, tw)
        tw += 1
        if tw == columns.taps:
            tw = 0
            th += 1
            if th == rows.taps:
                th = 0
                channel += channel_stride


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return -((-a) // b) if a < 0 else (a + b - 1) // b


cdef inline Py_ssize_t ceil_to(Py_ssize_t a, Py_ssize_t multiple) noexcept nogil:
    return (a + multiple - 1) // multiple * multiple


cdef inline void slab_pack(const fc_kernels *kernel, Py_ssize_t itemsize, const Axis *rows, const Axis *columns,
                           const char *source, Py_ssize_t channels, Py_ssize_t channel_stride,
                           Py_ssize_t row0, Py_ssize_t row_count, Py_ssize_t column0, Py_ssize_t column_count,
                           double filler, char *slab) noexcept nogil:
    """Fill the slab for the outputs row0.. and column0.. of `channels` channels; `filler` stands for what lies outside."""
    cdef Py_ssize_t lanes = kernel.lanes
    cdef Py_ssize_t plane = slab_plane(rows, columns, lanes)
    cdef Py_ssize_t row_pitch = min(rows.pitch, row_count + rows.pitch - rows.outputs)
    cdef Py_ssize_t column_pitch = min(columns.pitch, column_count + columns.pitch - columns.outputs)
    cdef Py_ssize_t c, sh, sw, h0, w0, low, high, top, bottom
    cdef char *target
    for sh in range(rows.slots):
        h0 = row0 * rows.step + rows.first + rows.base[sh]
        top = min(max(ceil_div(-h0, rows.step), 0), row_pitch)
        bottom = max(min(ceil_div(rows.size - h0, rows.step), row_pitch), top)
        for sw in range(columns.slots):
            w0 = column0 * columns.step + columns.first + columns.base[sw]
            low = min(max(ceil_div(-w0, columns.step), 0), column_pitch)
            high = max(min(ceil_div(columns.size - w0, columns.step), column_pitch), low)
            for c in range(channels):
                target = slab + ((c * rows.slots + sh) * columns.slots + sw) * plane * itemsize
                kernel.fill(top * columns.pitch, filler, target)
                kernel.pad_rows(
                    bottom - top, low, high - low, columns.pitch, filler,
                    source + (c * channel_stride + (h0 + top * rows.step) * columns.size + w0 + low * columns.step) * itemsize,
                    rows.step * columns.size, columns.step, target + top * columns.pitch * itemsize)
                # What lies behind the last row is multiplied by nothing that counts, but must be finite.
                kernel.fill(plane - bottom * columns.pitch, filler, target + bottom * columns.pitch * itemsize)
