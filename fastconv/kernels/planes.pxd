"""Planes of images as channels in the lanes. At a step above 1 every phase of a plane is a channel of its own:

channel ((c * step_h + a) * step_w + b) holds at (Y, X) the pixel (Y * step_h + a - pad_h, X * step_w + b - pad_w) of plane c, or zero
outside the image. So a strided convolution is an unstrided one with more channels and a smaller filter.
"""
from libc.string cimport memset

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
    """A block of a vector's `channels` channels: (rows, columns, lanes), zero outside the image and in lanes without a channel."""
    cdef Py_ssize_t lanes = kernel.lanes, y, x, top, bottom, left, right, c, r
    cdef const char *plane = planes_origin(planes, itemsize, image, channel, &y, &x)
    cdef char *to
    planes_clip(y, planes.step_h, planes.H, row, rows, &top, &bottom)
    planes_clip(x, planes.step_w, planes.W, column, columns, &left, &right)
    if planes.step_h == 1 and planes.step_w == 1:
        if (bottom - top) * (right - left) < rows * columns:
            memset(slab, 0, rows * columns * lanes * itemsize)
        kernel.turn_in(channels, bottom - top, right - left,
                       plane + ((row + y + top) * planes.W + column + x + left) * itemsize, planes.at.channel, planes.W,
                       slab + (top * columns + left) * lanes * itemsize, columns * lanes)
        return
    memset(slab, 0, rows * columns * lanes * itemsize)
    for c in range(channels):
        plane = planes_origin(planes, itemsize, image, channel + c, &y, &x)
        planes_clip(y, planes.step_h, planes.H, row, rows, &top, &bottom)
        planes_clip(x, planes.step_w, planes.W, column, columns, &left, &right)
        for r in range(top, bottom):
            to = slab + ((r * columns + left) * lanes + c) * itemsize
            kernel.copy_strided(
                right - left,
                plane + (((row + r) * planes.step_h + y) * planes.W + (column + left) * planes.step_w + x) * itemsize,
                planes.step_w, to, lanes)


cdef inline void planes_write(const fc_kernels *kernel, Py_ssize_t itemsize, const Planes *planes, Py_ssize_t image, Py_ssize_t channel,
                              Py_ssize_t channels, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t column, Py_ssize_t columns,
                              const char *stage, Py_ssize_t pitch) noexcept nogil:
    """The way back, from rows of `pitch` elements; what lies outside the image is left out."""
    cdef Py_ssize_t lanes = kernel.lanes, y, x, top, bottom, left, right, c, r
    cdef char *plane = planes_origin(planes, itemsize, image, channel, &y, &x)
    planes_clip(y, planes.step_h, planes.H, row, rows, &top, &bottom)
    planes_clip(x, planes.step_w, planes.W, column, columns, &left, &right)
    if planes.step_h == 1 and planes.step_w == 1:
        kernel.turn_out(channels, bottom - top, right - left, stage + (top * pitch + left * lanes) * itemsize, pitch,
                        plane + ((row + y + top) * planes.W + column + x + left) * itemsize, planes.at.channel, planes.W)
        return
    for c in range(channels):
        plane = planes_origin(planes, itemsize, image, channel + c, &y, &x)
        planes_clip(y, planes.step_h, planes.H, row, rows, &top, &bottom)
        planes_clip(x, planes.step_w, planes.W, column, columns, &left, &right)
        for r in range(top, bottom):
            kernel.copy_strided(
                right - left, stage + (r * pitch + left * lanes + c) * itemsize, lanes,
                plane + (((row + r) * planes.step_h + y) * planes.W + (column + left) * planes.step_w + x) * itemsize,
                planes.step_w)
