"""The operations of a network on one chunk, images in the lanes."""
from fastconv.kernels.lanes cimport CONVOLUTION, DENSE, MAXIMUM, MEAN, Lanes, Operation, element
from fastconv.kernels.runtime cimport fc_lane_windows, fc_tile
from fastconv.kernels.slab cimport ceil_div


cdef void pack_forward(const Lanes *net, const Operation *op) noexcept nogil:
    """The weight as it is now, in blocks of outputs."""
    cdef Py_ssize_t o, width = op.width
    for o from 0 <= o < op.target.C by width:
        net.kernel.pack_rows(op.depth, min(width, op.target.C - o), width, op.weight + o * op.depth * net.itemsize, op.depth,
                             op.packed + o * op.depth * net.itemsize)


cdef void correlate_maps(const Lanes *net, const Operation *op, char *arena) noexcept nogil:
    cdef Py_ssize_t o, y, i, rows, width = op.width, step = op.stride_w * op.source.step * net.lanes
    cdef char *row
    cdef fc_tile tile
    tile.depth, tile.weights_step, tile.offsets, tile.packed, tile.accumulate = op.depth, width, op.offsets, False, 0
    tile.output_row, tile.bias, tile.relu = op.target.plane * net.lanes, NULL, 0
    for o from 0 <= o < op.target.C by width:
        rows = min(width, op.target.C - o)
        tile.weights = op.packed + o * op.depth * net.itemsize
        if op.bias != NULL:
            tile.bias = op.bias + o * net.itemsize
        for y in range(op.target.H):
            tile.source[0] = element(net, arena, &op.source, 0, y * op.stride_h - op.pad_h, -op.pad_w)
            tile.output[0] = element(net, arena, &op.target, o, y, 0)
            net.kernel.correlate_run(&tile, rows, op.target.W, step, op.target.step * net.lanes)
            if op.activation >= 0:
                for i in range(rows):
                    row = element(net, arena, &op.target, o + i, y, 0)
                    net.kernel.map_forward(op.activation, op.target.W * net.lanes, row, 0, row)


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


cdef void map_maps(const Lanes *net, const Operation *op, char *arena) noexcept nogil:
    cdef Py_ssize_t c, y
    for c in range(op.target.C):
        for y in range(op.target.H):
            net.kernel.map_forward(op.activation, op.target.W * net.lanes, element(net, arena, &op.source, c, y, 0), 0,
                                   element(net, arena, &op.target, c, y, 0))


cdef void operate(const Lanes *net, const Operation *op, char *arena) noexcept nogil:
    if op.kind == CONVOLUTION or op.kind == DENSE:
        correlate_maps(net, op, arena)
    elif op.kind == MAXIMUM or op.kind == MEAN:
        pool_maps(net, op, arena)
    else:
        map_maps(net, op, arena)


cdef void forward(const Lanes *net, char *arena) noexcept nogil:
    """From the input, which lies in the arena, to the target of the last operation."""
    cdef Py_ssize_t i
    for i in range(net.count):
        operate(net, &net.operations[i], arena)
