"""The gradient of a convolution's weights by Winograd's minimal filtering: here the taps are the outputs, and tiles of the output's
gradient the filters, so the image's tiles are transformed as in the forward pass.

    group: some panels of tiles, of all channels
      points_of: both sides, transformed
      block: some output channels x some source channels
        for each point a matrix product over the tiles (correlate_tile), then winograd_filters adds to the weights

Groups are cut by the shapes alone and added in order, so the bits do not depend on the threads.
"""
from cython.parallel cimport parallel, prange, threadid

from fastconv.kernels.runtime cimport allocate, barrier, enter_team, fc_kernels, fc_tile, leave_team, release, threads_for
from fastconv.kernels.planes cimport planes_phases
from fastconv.kernels.tiling cimport Panel, Tiling, panel_of, patch_elements, points_of, tiling

cdef enum:
    PANEL_TILES = 56             # a task of the transforms
    GROUP_BYTES = 3 * 1024 * 1024        # of transformed tiles, and a quarter of what transformed weights take
    BLOCK_OUTPUTS = 32           # times tile_vectors vectors of source channels: their points stay in the second-level cache

cdef struct Layout:
    Tiling tiles
    Py_ssize_t points            # n * n
    Py_ssize_t source_vectors, gradient_vectors
    Py_ssize_t panels            # of a group
    Py_ssize_t output_blocks, channel_blocks
    Py_ssize_t patch_bytes, product_bytes


cdef void transform_task(const WinogradGradient *job, const Layout *layout, Py_ssize_t index, Py_ssize_t start, Py_ssize_t tiles,
                         Py_ssize_t v, char *source, char *gradient, char *patch) noexcept nogil:
    """One panel, whose tiles begin at `start` of the group's `tiles`, in one vector of channels of either side."""
    cdef Panel panel = panel_of(&layout.tiles, index)
    cdef Py_ssize_t lanes = job.kernel.lanes
    if v < layout.source_vectors:
        points_of(job.kernel, &layout.tiles, &panel, &job.source, False, v * lanes, min(lanes, job.channels - v * lanes), patch,
                  source + (v * tiles + start) * lanes * 4, layout.source_vectors * tiles * lanes)
        return
    v = v - layout.source_vectors
    points_of(job.kernel, &layout.tiles, &panel, &job.gradient, True, v * lanes, min(lanes, job.outputs - v * lanes), patch,
              gradient + (v * tiles + start) * lanes * 4, layout.gradient_vectors * tiles * lanes)


cdef void block_task(const WinogradGradient *job, const Layout *layout, Py_ssize_t block, Py_ssize_t tiles, const char *source,
                     const char *gradient, const Py_ssize_t *offsets, bint add, char *products) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t lanes = kernel.lanes, width = kernel.tile_vectors * lanes, n = job.m + job.r - 1
    cdef Py_ssize_t o0 = block % layout.output_blocks * BLOCK_OUTPUTS, outputs = min(BLOCK_OUTPUTS, job.outputs - o0)
    cdef Py_ssize_t v0 = layout.source_vectors * (block // layout.output_blocks) // layout.channel_blocks
    cdef Py_ssize_t vectors = layout.source_vectors * (block // layout.output_blocks + 1) // layout.channel_blocks - v0, p, o, v, lane, c
    cdef fc_tile tile
    tile.depth, tile.offsets, tile.packed, tile.weights_step = tiles, offsets, False, lanes
    tile.bias, tile.accumulate, tile.relu, tile.output_row = NULL, 0, 0, width
    for v in range(vectors):
        tile.count[v] = lanes
    for p in range(layout.points):
        o = 0
        while o < outputs:
            lane = (o0 + o) % lanes
            tile.weights = gradient + ((p * layout.gradient_vectors + (o0 + o) // lanes) * tiles * lanes + lane) * 4
            for v in range(vectors):
                tile.source[v] = source + (p * layout.source_vectors + v0 + v) * tiles * lanes * 4
                tile.output[v] = products + ((p * BLOCK_OUTPUTS + o) * width + v * lanes) * 4
            lane = min(min(kernel.tile_rows, lanes - lane), outputs - o)
            kernel.correlate_tile(&tile, lane, vectors)
            o = o + lane
    for o in range(outputs):
        for v in range(vectors):
            c = (v0 + v) * lanes
            kernel.winograd_filters(<int> n, job.r, min(lanes, job.channels - c), products + (o * width + v * lanes) * 4,
                                    BLOCK_OUTPUTS * width, add, job.weight + ((o0 + o) * job.channels + c) * job.r * job.r * 4)


cdef int winograd_gradient(WinogradGradient *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Layout layout
    cdef Py_ssize_t lanes = job.kernel.lanes, n = job.m + job.r - 1, a_tile, first = 0, i, most, vectors, count, tiles, blocks, a_thread
    cdef Py_ssize_t *starts
    cdef Py_ssize_t *offsets
    cdef char *source
    cdef char *gradient
    cdef char *workspace
    cdef int threads
    cdef unsigned int mode = 0
    layout.points = n * n
    layout.source_vectors, layout.gradient_vectors = (job.channels + lanes - 1) // lanes, (job.outputs + lanes - 1) // lanes
    vectors = layout.source_vectors + layout.gradient_vectors
    layout.tiles = tiling(<int> n, job.m, job.images, job.OH, job.OW, PANEL_TILES, 1)
    threads = threads_for(<double> job.images * layout.tiles.rows * layout.tiles.columns * layout.points * job.channels * job.outputs)
    a_tile = layout.points * vectors * lanes * 4
    most = (GROUP_BYTES + layout.points * job.channels * job.outputs) // a_tile
    layout.panels = min(layout.tiles.count, max(1, most // layout.tiles.most))
    layout.output_blocks = (job.outputs + BLOCK_OUTPUTS - 1) // BLOCK_OUTPUTS
    layout.channel_blocks = (layout.source_vectors + job.kernel.tile_vectors - 1) // job.kernel.tile_vectors
    layout.patch_bytes = (patch_elements(&layout.tiles, planes_phases(&job.source), lanes) * 4 + 63) // 64 * 64
    layout.product_bytes = layout.points * BLOCK_OUTPUTS * job.kernel.tile_vectors * lanes * 4
    most = layout.panels * layout.tiles.most
    blocks = layout.output_blocks * layout.channel_blocks
    a_thread = max(layout.patch_bytes, layout.product_bytes)
    source = <char *> allocate(most * a_tile + threads * a_thread)
    starts = <Py_ssize_t *> allocate((layout.panels + 1 + most) * sizeof(Py_ssize_t))
    if source == NULL or starts == NULL:
        release(source)
        release(starts)
        return -1
    offsets = starts + layout.panels + 1
    workspace = source + most * a_tile
    for i in range(most):
        offsets[i] = i * lanes
    for first from 0 <= first < layout.tiles.count by layout.panels:
        count = min(layout.panels, layout.tiles.count - first)
        starts[0] = 0
        for i in range(count):
            starts[i + 1] = starts[i] + panel_of(&layout.tiles, first + i).tiles
        tiles = starts[count]
        gradient = source + layout.points * layout.source_vectors * tiles * lanes * 4
        with parallel(num_threads=threads):
            mode = enter_team()
            # By channels, and each side for itself: a thread then finds most of what its blocks read in its own cache.
            for i in prange(count * layout.source_vectors, schedule="static"):
                transform_task(job, &layout, first + i % count, starts[i % count], tiles, i // count, source, gradient,
                               workspace + threadid() * a_thread)
            for i in prange(count * layout.gradient_vectors, schedule="static"):
                transform_task(job, &layout, first + i % count, starts[i % count], tiles, layout.source_vectors + i // count, source,
                               gradient, workspace + threadid() * a_thread)
            barrier()
            for i in prange(blocks, schedule="static"):
                block_task(job, &layout, i, tiles, source, gradient, offsets, first > 0, workspace + threadid() * a_thread)
            leave_team(mode)
    release(source)
    release(starts)
    return 0
