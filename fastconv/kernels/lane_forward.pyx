"""The operations of a network on one chunk, images in the lanes."""
from libc.string cimport memset

from fastconv.kernels.lanes cimport CONVOLUTION, DENSE, MAXIMUM, MEAN, POINTS, Lanes, Maps, Operation, element
from fastconv.kernels.runtime cimport fc_lane_windows, fc_tile
from fastconv.kernels.slab cimport ceil_div


cdef void pack_forward(const Lanes *net, const Operation *op) noexcept nogil:
    """The weight as it is now, in blocks of outputs."""
    cdef Py_ssize_t o, width = op.width
    for o from 0 <= o < op.target.C by width:
        net.kernel.pack_rows(op.depth, min(width, op.target.C - o), width, op.weight + o * op.depth * net.itemsize, op.depth,
                             op.packed + o * op.depth * net.itemsize)
    if op.m > 0:
        pack_points(net, op)


cdef void pack_points(const Lanes *net, const Operation *op) noexcept nogil:
    """The points of the filters, each point's in blocks of outputs."""
    cdef Py_ssize_t o, k, p, lanes = net.lanes, depth = op.row_depth, blocks = ceil_div(op.target.C, op.width)
    cdef const float *points = <const float *> op.filter_points
    cdef float *packed = <float *> op.filters
    for o from 0 <= o < op.target.C by lanes:
        net.kernel.line_weights(op.m, depth, min(lanes, op.target.C - o), op.weight + o * op.depth * 4, op.depth,
                                op.filter_points + o * depth * POINTS * 4)
    for o in range(op.target.C):
        for k in range(depth):
            for p in range(POINTS):
                packed[((p * blocks + o // op.width) * depth + k) * op.width + o % op.width] = points[
                    ((o // lanes * depth + k) * POINTS + p) * lanes + o % lanes]


cdef void start_tile(const Operation *op, fc_tile *tile) noexcept nogil:
    tile.depth, tile.weights_step, tile.offsets, tile.packed, tile.accumulate = op.depth, op.width, op.offsets, False, 0
    tile.bias, tile.relu = NULL, 0


cdef void correlate_row(const Lanes *net, const Operation *op, char *arena, fc_tile *tile, Py_ssize_t o, Py_ssize_t y, char *output,
                        Py_ssize_t output_row, Py_ssize_t step) noexcept nogil:
    """A row of pixels of a block of output channels."""
    tile.weights = op.packed + o * op.depth * net.itemsize
    if op.bias != NULL:
        tile.bias = op.bias + o * net.itemsize
    tile.source[0] = element(net, arena, &op.source, 0, y * op.stride_h - op.pad_h, -op.pad_w)
    tile.output[0], tile.output_row = output, output_row
    net.kernel.correlate_run(tile, min(op.width, op.target.C - o), op.target.W, op.stride_w * op.source.step * net.lanes, step)


cdef void correlate_maps(const Lanes *net, const Operation *op, char *arena) noexcept nogil:
    cdef Py_ssize_t o, y, i
    cdef char *row
    cdef fc_tile tile
    start_tile(op, &tile)
    for o from 0 <= o < op.target.C by op.width:
        for y in range(op.target.H):
            correlate_row(net, op, arena, &tile, o, y, element(net, arena, &op.target, o, y, 0), op.target.plane * net.lanes,
                          op.target.step * net.lanes)
            if op.activation >= 0:
                for i in range(min(op.width, op.target.C - o)):
                    row = element(net, arena, &op.target, o + i, y, 0)
                    net.kernel.map_forward(op.activation, op.target.W * net.lanes, row, 0, row)


cdef void filter_maps(const Lanes *net, const Operation *op, char *arena) noexcept nogil:
    """correlate_maps by Winograd's minimal filtering along the rows."""
    cdef Py_ssize_t lanes = net.lanes, rows = op.target.H + op.KH - 1, tiles = ceil_div(op.target.W, op.m), line = tiles * lanes
    cdef Py_ssize_t plane = op.source.C * rows * line, sums_plane = op.width * line, filters = op.row_depth * op.width * 4, o, y, c, p
    cdef char *points = arena + op.points_place * lanes * 4
    cdef char *sums = arena + op.row_sums_place * lanes * 4
    cdef char *doubts = sums + POINTS * sums_plane * 4
    cdef fc_tile tile
    memset(doubts, 0, lanes * 4)
    for c in range(op.source.C):
        for y in range(rows):
            net.kernel.lane_line_points(op.m, tiles, element(net, arena, &op.source, c, y - op.pad_h, -op.pad_w),
                                        points + (c * rows + y) * line * 4, plane)
    start_tile(op, &tile)
    tile.depth, tile.offsets, tile.output_row = op.row_depth, op.row_offsets, line
    for y in range(op.target.H):
        for o from 0 <= o < op.target.C by op.width:
            for p in range(POINTS):
                tile.weights = op.filters + (p * ceil_div(op.target.C, op.width) + o // op.width) * filters
                tile.source[0], tile.output[0] = points + (p * plane + y * line) * 4, sums + p * sums_plane * 4
                net.kernel.correlate_run(&tile, min(op.width, op.target.C - o), tiles, lanes, lanes)
            for c in range(o, min(o + op.width, op.target.C)):
                net.kernel.lane_line_outputs(op.m, op.target.W, sums + (c - o) * line * 4, sums_plane,
                                             op.bias + c * 4 if op.bias != NULL else NULL, element(net, arena, &op.target, c, y, 0), doubts)
    if not net.kernel.all_finite(lanes, doubts):
        mend_maps(net, op, arena, <const float *> doubts, <float *> sums)
    if op.activation >= 0:
        map_maps(net, op, &op.target, arena)


cdef void mend_maps(const Lanes *net, const Operation *op, char *arena, const float *doubts, float *room) noexcept nogil:
    """Direct sums for the images with a result that is not finite; `room`: for a row of pixels of a block of output channels."""
    cdef Py_ssize_t o, y, c, i, row = op.target.W * net.lanes
    cdef float *output
    cdef fc_tile tile
    start_tile(op, &tile)
    for o from 0 <= o < op.target.C by op.width:
        for y in range(op.target.H):
            correlate_row(net, op, arena, &tile, o, y, <char *> room, row, net.lanes)
            for c in range(min(op.width, op.target.C - o)):
                output = <float *> element(net, arena, &op.target, o + c, y, 0)
                for i in range(row):
                    if doubts[i % net.lanes] != 0:
                        output[i] = room[c * row + i]


cdef void start_windows(const Operation *op, fc_lane_windows *windows) noexcept nogil:
    windows.count, windows.columns, windows.stride, windows.dilation = op.target.W, op.KW, op.stride_w, op.dil_w
    windows.left, windows.width, windows.source_row = -op.pad_w, op.source.W, op.dil_h * op.source.row


cdef void pool_maps(const Lanes *net, const Operation *op, char *arena) noexcept nogil:
    cdef Py_ssize_t c, y, top, first
    cdef fc_lane_windows windows
    cdef char *source
    cdef char *output
    start_windows(op, &windows)
    for c in range(op.target.C):
        for y in range(op.target.H):
            top = y * op.stride_h - op.pad_h
            first = max(ceil_div(-top, op.dil_h), 0)
            windows.rows = max(min(ceil_div(op.source.H - top, op.dil_h), op.KH) - first, 0)
            source = element(net, arena, &op.source, c, top + first * op.dil_h, 0)
            output = element(net, arena, &op.target, c, y, 0)
            if op.kind == MAXIMUM:
                net.kernel.lane_maximum(&windows, source, output)
            else:
                net.kernel.lane_mean(&windows, source, op.divisors, op.factors[y], output)


cdef void map_maps(const Lanes *net, const Operation *op, const Maps *source, char *arena) noexcept nogil:
    cdef Py_ssize_t c, y
    for c in range(op.target.C):
        for y in range(op.target.H):
            net.kernel.map_forward(op.activation, op.target.W * net.lanes, element(net, arena, source, c, y, 0), 0,
                                   element(net, arena, &op.target, c, y, 0))


cdef void operate(const Lanes *net, const Operation *op, char *arena) noexcept nogil:
    if op.m > 0:
        filter_maps(net, op, arena)
    elif op.kind == CONVOLUTION or op.kind == DENSE:
        correlate_maps(net, op, arena)
    elif op.kind == MAXIMUM or op.kind == MEAN:
        pool_maps(net, op, arena)
    else:
        map_maps(net, op, &op.source, arena)


cdef void forward(const Lanes *net, char *arena) noexcept nogil:
    """From the input, which lies in the arena, to the target of the last operation."""
    cdef Py_ssize_t i
    for i in range(net.count):
        operate(net, &net.operations[i], arena)
