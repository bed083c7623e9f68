"""Planes of images as channels in the lanes. At a step above 1 every phase of a plane is a channel of its own:

channel ((c * step_h + a) * step_w + b) holds at (Y, X) the pixel (Y * step_h + a - pad_h, X * step_w + b - pad_w) of plane c, or zero
outside the image. So a strided convolution is an unstrided one with more channels and a smaller filter.
"""
from libc.string cimport memcpy, memset

from fastconv.kernels.frames cimport Frames, frame_start
from fastconv.kernels.runtime cimport fc_kernels
from fastconv.kernels.slab cimport ceil_div

cdef struct Planes:
    char *data               # (images, channels, H, W), or as the frames say
    Frames at
    Py_ssize_t channels, H, W
    Py_ssize_t step_h, step_w, pad_h, pad_w


cdef inline Planes planes_of(const char *data, const Frames *at, Py_ssize_t channels, Py_ssize_t H, Py_ssize_t W, Py_ssize_t step_h,
                             Py_ssize_t step_w, Py_ssize_t pad_h, Py_ssize_t pad_w) noexcept nogil:
    cdef Planes planes
    planes.data, planes.channels, planes.H, planes.W = <char *> data, channels, H, W
    planes.step_h, planes.step_w, planes.pad_h, planes.pad_w = step_h, step_w, pad_h, pad_w
    planes.at = at[0]
    return planes


cdef inline Py_ssize_t planes_channels(const Planes *planes) noexcept nogil:
    return planes.channels * planes.step_h * planes.step_w


cdef inline bint planes_phases(const Planes *planes) noexcept nogil:
    return planes.step_h * planes.step_w > 1


cdef inline char *planes_origin(const Planes *planes, Py_ssize_t itemsize, Py_ssize_t image, Py_ssize_t channel, Py_ssize_t *y,
                                Py_ssize_t *x) noexcept nogil:
    """A channel's plane, and the place of its (0, 0) there."""
    cdef Py_ssize_t phase = channel % (planes.step_h * planes.step_w)
    y[0] = phase // planes.step_w - planes.pad_h
    x[0] = phase % planes.step_w - planes.pad_w
    return planes.data + (frame_start(&planes.at, image, 0) + channel // (planes.step_h * planes.step_w) * planes.at.channel) * itemsize


cdef inline void planes_clip(Py_ssize_t origin, Py_ssize_t step, Py_ssize_t size, Py_ssize_t start, Py_ssize_t count, Py_ssize_t *low,
                             Py_ssize_t *high) noexcept nogil:
    """Of the places start ... start + count - 1 along an axis, those inside the image, counted from `start`."""
    low[0] = min(max(ceil_div(-origin, step) - start, 0), count)
    high[0] = max(min(ceil_div(size - origin, step) - start, count), low[0])


cdef inline void planes_read(const fc_kernels *kernel, Py_ssize_t itemsize, const Planes *planes, Py_ssize_t image, Py_ssize_t channel,
                             Py_ssize_t channels, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t column, Py_ssize_t columns,
                             char *slab) noexcept nogil:
    """A block of a vector's `channels` channels: (rows, columns, lanes), zero outside the image and in lanes without a channel. Phases are
    taken apart first, to behind the slab, where there has to be room for as much again."""
    cdef Py_ssize_t lanes = kernel.lanes, pixels = rows * columns, y, x, top, bottom, left, right, c
    cdef const char *plane = planes_origin(planes, itemsize, image, channel, &y, &x)
    cdef char *apart = slab + pixels * lanes * itemsize
    cdef char *to
    if not planes_phases(planes):
        planes_clip(y, 1, planes.H, row, rows, &top, &bottom)
        planes_clip(x, 1, planes.W, column, columns, &left, &right)
        if (bottom - top) * (right - left) < pixels:
            memset(slab, 0, pixels * lanes * itemsize)
        kernel.turn_in(channels, bottom - top, right - left,
                       plane + ((row + y + top) * planes.W + column + x + left) * itemsize, planes.at.channel, planes.W,
                       slab + (top * columns + left) * lanes * itemsize, columns * lanes)
        return
    for c in range(channels):
        plane = planes_origin(planes, itemsize, image, channel + c, &y, &x)
        planes_clip(y, planes.step_h, planes.H, row, rows, &top, &bottom)
        planes_clip(x, planes.step_w, planes.W, column, columns, &left, &right)
        to = apart + c * pixels * itemsize
        kernel.fill(top * columns, 0, to)
        kernel.pad_rows(bottom - top, left, right - left, columns, 0,
                        plane + (((row + top) * planes.step_h + y) * planes.W + (column + left) * planes.step_w + x) * itemsize,
                        planes.step_h * planes.W, planes.step_w, to + top * columns * itemsize)
        kernel.fill((rows - bottom) * columns, 0, to + bottom * columns * itemsize)
    kernel.turn_in(channels, 1, pixels, apart, pixels, 0, slab, 0)


cdef inline void planes_weave(const fc_kernels *kernel, Py_ssize_t itemsize, Py_ssize_t pad, Py_ssize_t W, Py_ssize_t column,
                              Py_ssize_t columns, const char *even, const char *odd, char *line) noexcept nogil:
    """A line of the image from its two phases, which begin at `column`: where the first lies at 2 X, or with a pad at 2 X - 1."""
    cdef Py_ssize_t count = min(2 * columns - pad, W - 2 * column)
    if pad == 0:
        kernel.weave(count, even, odd, 0, line + 2 * column * itemsize)
        return
    if column > 0:
        memcpy(line + (2 * column - 1) * itemsize, even, itemsize)
    kernel.weave(count, odd, even + itemsize, 0, line + 2 * column * itemsize)


cdef inline void planes_write(const fc_kernels *kernel, Py_ssize_t itemsize, const Planes *planes, Py_ssize_t image, Py_ssize_t channel,
                              Py_ssize_t channels, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t column, Py_ssize_t columns,
                              char *stage, Py_ssize_t pitch) noexcept nogil:
    """The way back, from rows of `pitch` elements; what lies outside the image is left out."""
    cdef Py_ssize_t pixels = rows * columns, y, x, top, bottom, left, right, c, r
    cdef char *plane = planes_origin(planes, itemsize, image, channel, &y, &x)
    cdef char *apart = stage + rows * pitch * itemsize
    if not planes_phases(planes):
        planes_clip(y, 1, planes.H, row, rows, &top, &bottom)
        planes_clip(x, 1, planes.W, column, columns, &left, &right)
        kernel.turn_out(channels, bottom - top, right - left, stage + (top * pitch + left * kernel.lanes) * itemsize, pitch,
                        plane + ((row + y + top) * planes.W + column + x + left) * itemsize, planes.at.channel, planes.W)
        return
    kernel.turn_out(channels, rows, columns, stage, pitch, apart, pixels, columns)
    if planes.step_w == 2 and channels % 2 == 0:
        for c from 0 <= c < channels by 2:
            plane = planes_origin(planes, itemsize, image, channel + c, &y, &x)
            planes_clip(y, planes.step_h, planes.H, row, rows, &top, &bottom)
            for r in range(top, bottom):
                planes_weave(kernel, itemsize, planes.pad_w, planes.W, column, columns, apart + (c * pixels + r * columns) * itemsize,
                             apart + ((c + 1) * pixels + r * columns) * itemsize,
                             plane + ((row + r) * planes.step_h + y) * planes.W * itemsize)
        return
    for c in range(channels):
        plane = planes_origin(planes, itemsize, image, channel + c, &y, &x)
        planes_clip(y, planes.step_h, planes.H, row, rows, &top, &bottom)
        planes_clip(x, planes.step_w, planes.W, column, columns, &left, &right)
        for r in range(top, bottom):
            kernel.copy_strided(
                right - left, apart + (c * pixels + r * columns + left) * itemsize, 1,
                plane + (((row + r) * planes.step_h + y) * planes.W + (column + left) * planes.step_w + x) * itemsize,
                planes.step_w)
