"""The gradients of a network's operations on one chunk, images in the lanes; those of the weights add up over the chunks of a shard."""
from libc.string cimport memset

from fastconv.kernels.lane_forward cimport start_windows
from fastconv.kernels.lanes cimport CONVOLUTION, DENSE, MAXIMUM, MEAN, Lanes, Operation, element, even_part
from fastconv.kernels.runtime cimport fc_lane_windows, fc_tile
from fastconv.kernels.slab cimport ceil_div


cdef void pack_backward(const Lanes *net, const Operation *op) noexcept nogil:
    """The weight as it is now, in blocks of channels, taps in the opposite order."""
    cdef Py_ssize_t c, width = op.turned_width, taps = op.KH * op.KW, channels = op.depth // taps
    for c from 0 <= c < channels by width:
        net.kernel.pack_gather(op.turned_depth, min(width, channels - c), width, op.weight + c * taps * net.itemsize, taps,
                               op.turned_sources, op.turned + c * op.turned_depth * net.itemsize)


cdef void source_gradient(const Lanes *net, const Operation *op, char *arena) noexcept nogil:
    """The correlation of the target's gradient with the turned filters. Rows of taps that would meet zeros alone are left out."""
    cdef Py_ssize_t c, y, place, top, first, stop, a_row = op.turned_depth // op.KH, width = op.turned_width
    cdef Py_ssize_t height = (op.target.H - 1) * op.stride_h + 1
    cdef Py_ssize_t reach_h = (op.KH - 1) * op.dil_h, reach_w = (op.KW - 1) * op.dil_w
    cdef Py_ssize_t C = op.source_gradient.C, H = op.source_gradient.H, W = op.source_gradient.W
    cdef fc_tile tile
    tile.weights_step, tile.packed, tile.accumulate, tile.relu, tile.bias = width, False, 0, 0, NULL
    tile.output_row = op.source_gradient.plane * net.lanes
    for c from 0 <= c < C by width:
        for y in range(H):
            top = y + op.pad_h - reach_h
            first = max(ceil_div(-top, op.dil_h), 0)
            stop = max(min(ceil_div(height - top, op.dil_h), op.KH), first)
            tile.depth, tile.offsets = (stop - first) * a_row, op.turned_offsets + first * a_row
            tile.weights = op.turned + (c * op.turned_depth + first * a_row * width) * net.itemsize
            # the target's gradient lies spread by the strides: its rows and columns here count from pixel to pixel
            place = top * (op.target_gradient.row // op.stride_h) + op.pad_w - reach_w
            tile.source[0] = element(net, arena, &op.target_gradient, 0, 0, 0) + place * net.lanes * net.itemsize
            tile.output[0] = element(net, arena, &op.source_gradient, c, y, 0)
            net.kernel.correlate_run(&tile, min(width, C - c), W, net.lanes, op.source_gradient.step * net.lanes)


cdef void weight_gradient(const Lanes *net, const Operation *op, char *arena, char *sums) noexcept nogil:
    cdef Py_ssize_t o, t, y, x, rows, columns, length = op.target.W * net.lanes, run = 1
    if op.stride_w > 1 or op.target_gradient.step > 1:
        length, run = net.lanes, op.target.W        # pixel by pixel
    o = 0
    while o < op.target.C:
        rows = even_part(op.target.C - o, net.kernel.weight_rows)
        for t from 0 <= t < op.depth by net.kernel.weight_columns:
            columns = min(net.kernel.weight_columns, op.depth - t)
            for y in range(op.target.H):
                for x in range(run):
                    net.kernel.weight_tile(
                        length, rows, columns, element(net, arena, &op.target_gradient, o, y, x), op.target_gradient.plane * net.lanes,
                        element(net, arena, &op.source, 0, y * op.stride_h - op.pad_h, x * op.stride_w - op.pad_w), op.offsets + t,
                        sums + (o * op.depth + t) * net.lanes * net.itemsize, op.depth)
        o += rows


cdef void dense_weight_gradient(const Lanes *net, const Operation *op, char *arena, char *sums) noexcept nogil:
    """A product over the images: source and gradient are turned, so that an image's features lie side by side."""
    cdef Py_ssize_t o, k, v, i, vectors, width = net.kernel.tile_rows, span = net.kernel.tile_vectors * net.lanes
    cdef Py_ssize_t pitch = net.scratch_row
    cdef char *source = arena + net.scratch * net.lanes * net.itemsize
    cdef char *gradient = source + pitch * net.lanes * net.itemsize
    cdef Py_ssize_t offsets[64]
    cdef fc_tile tile
    net.kernel.turn_out(net.lanes, 1, op.depth, element(net, arena, &op.source, 0, 0, 0), 0, source, pitch, 0)
    net.kernel.turn_out(net.lanes, 1, op.target.C, element(net, arena, &op.target_gradient, 0, 0, 0), 0, gradient, pitch, 0)
    for i in range(net.lanes):
        offsets[i] = i * pitch
    tile.depth, tile.weights_step, tile.offsets, tile.packed = net.lanes, pitch, offsets, False
    tile.accumulate, tile.relu, tile.bias = 1, 0, NULL
    tile.output_row = op.depth
    for o from 0 <= o < op.target.C by width:
        tile.weights = gradient + o * net.itemsize
        for k from 0 <= k < op.depth by span:
            vectors = min(net.kernel.tile_vectors, ceil_div(op.depth - k, net.lanes))
            for v in range(vectors):
                tile.source[v] = source + (k + v * net.lanes) * net.itemsize
                tile.output[v] = sums + (o * op.depth + k + v * net.lanes) * net.itemsize
                tile.count[v] = min(net.lanes, op.depth - k - v * net.lanes)
            net.kernel.correlate_tile(&tile, min(width, op.target.C - o), vectors)


cdef void bias_gradient(const Lanes *net, const Operation *op, char *arena, double *sums) noexcept nogil:
    cdef Py_ssize_t o, y, x
    for o in range(op.target.C):
        for y in range(op.target.H):
            if op.target_gradient.step == 1:
                sums[o] = net.kernel.sum(op.target.W * net.lanes, element(net, arena, &op.target_gradient, o, y, 0), sums[o])
                continue
            for x in range(op.target.W):
                sums[o] = net.kernel.sum(net.lanes, element(net, arena, &op.target_gradient, o, y, x), sums[o])


cdef void through_activation(const Lanes *net, const Operation *op, char *arena, bint within) noexcept nogil:
    """The gradient times the activation's slope, in place (`within`: the layer has it behind itself) or from target to source."""
    cdef Py_ssize_t c, y, x, run = 1, length = op.target.W * net.lanes
    if op.target_gradient.step > 1 or (not within and op.source_gradient.step > 1):
        length, run = net.lanes, op.target.W
    for c in range(op.target.C):
        for y in range(op.target.H):
            for x in range(run):
                # The slopes of those that lanes know are the same by what the function gave as by what it was given.
                net.kernel.map_backward(op.activation, length, element(net, arena, &op.target_gradient, c, y, x),
                                        element(net, arena, &op.target, c, y, x), 0,
                                        element(net, arena, &op.target_gradient if within else &op.source_gradient, c, y, x))


cdef void pool_gradient(const Lanes *net, const Operation *op, char *arena) noexcept nogil:
    cdef Py_ssize_t c, y, x, top, first
    cdef fc_lane_windows windows
    cdef char *gradient
    cdef char *image
    start_windows(op, &windows)
    windows.image_row, windows.image_step = op.dil_h * op.source_gradient.row, op.source_gradient.step
    windows.add = op.overlapping
    for c in range(op.target.C):
        if op.overlapping:               # others write each pixel once, or never: it is zero from the start
            for y in range(op.source.H):
                for x in range(op.source.W):
                    memset(element(net, arena, &op.source_gradient, c, y, x), 0, net.lanes * net.itemsize)
        for y in range(op.target.H):
            top = y * op.stride_h - op.pad_h
            first = max(ceil_div(-top, op.dil_h), 0)
            windows.rows = max(min(ceil_div(op.source.H - top, op.dil_h), op.KH) - first, 0)
            gradient = element(net, arena, &op.target_gradient, c, y, 0)
            image = element(net, arena, &op.source_gradient, c, top + first * op.dil_h, 0)
            if op.kind == MAXIMUM:
                net.kernel.lane_maximum_gradient(&windows, element(net, arena, &op.source, c, top + first * op.dil_h, 0), gradient, image)
            else:
                net.kernel.lane_mean_gradient(&windows, gradient, op.divisors, op.factors[y], image)


cdef void start_shard(const Lanes *net, char *arena) noexcept nogil:
    cdef Py_ssize_t i
    cdef const Operation *op
    for i in range(net.count):
        op = &net.operations[i]
        if op.kind == CONVOLUTION:
            memset(arena + op.sums_place * net.lanes * net.itemsize, 0, op.target.C * op.depth * net.lanes * net.itemsize)


cdef void finish_shard(const Lanes *net, char *arena, char *shard) noexcept nogil:
    """The lanes of a convolution's sums, added up."""
    cdef Py_ssize_t i
    cdef const Operation *op
    for i in range(net.count):
        op = &net.operations[i]
        if op.kind == CONVOLUTION:
            net.kernel.weight_sums(op.target.C * op.depth, arena + op.sums_place * net.lanes * net.itemsize,
                                   shard + op.gradient_place * net.itemsize)


cdef void operate_backward(const Lanes *net, Py_ssize_t i, char *arena, char *shard, double *biases) noexcept nogil:
    """From the gradient of the i-th target to that of its source, the network's input left out, and of its weights."""
    cdef const Operation *op = &net.operations[i]
    if op.kind == CONVOLUTION or op.kind == DENSE:
        if op.activation >= 0:
            through_activation(net, op, arena, True)
        if op.grad_bias != NULL:
            bias_gradient(net, op, arena, biases + op.bias_place)
        if op.kind == DENSE:
            dense_weight_gradient(net, op, arena, shard + op.gradient_place * net.itemsize)
        else:
            weight_gradient(net, op, arena, arena + op.sums_place * net.lanes * net.itemsize)
        if i > 0:
            source_gradient(net, op, arena)
    elif i > 0:
        if op.kind == MAXIMUM or op.kind == MEAN:
            pool_gradient(net, op, arena)
        else:
            through_activation(net, op, arena, False)


cdef void backward(const Lanes *net, char *arena, char *shard, double *biases) noexcept nogil:
    """From the gradient of the last target, which lies in the arena, to those of the weights."""
    cdef Py_ssize_t i
    for i in range(net.count - 1, -1, -1):
        operate_backward(net, i, arena, shard, biases)
