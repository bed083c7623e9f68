"""Convolution by Winograd's minimal filtering, F(m x m, r x r), with the channels in the lanes: 2.25 to 4 times fewer multiplications.

    panel: some neighbouring tiles of m x m output pixels
      vector of source channels    points_of: turn the pixels around, transform them into n x n points, n = m + r - 1
      block of output channels     point_tile: for each point a small matrix product over the channels
                                   winograd_output, and turn the pixels back

Where there are many panels each is one thread's task. Where there are few, all threads transform them together, then share the output
channels; weights that are not packed are then transformed on the way, block by block, and never whole in memory. Every tile is computed
alone and in the order of the channels, so none of this changes a bit.
"""
from cython.parallel cimport parallel, prange, threadid

from fastconv.kernels.channels cimport channels_width
from fastconv.kernels.planes cimport planes_phases, planes_write
from fastconv.kernels.runtime cimport allocate, barrier, enter_team, fc_kernels, leave_team, release, threads_for
from fastconv.kernels.slab cimport ceil_to
from fastconv.kernels.tiling cimport Panel, Tiling, panel_of, patch_elements, points_of, tiling

cdef enum:
    PANEL_BYTES = 640 * 1024     # of points: a part of the second-level cache
    MOST_TILES = 56
    LEAST_TILES = 14             # fewer do not pay for reading the weights
    TOGETHER_BYTES = 2 * 1024 * 1024     # of points that are transformed together, a thread
    PRODUCT_BYTES = 1024 * 1024          # of their products, a thread
    PART = 128                   # source channels whose weights are transformed on the way

cdef struct Layout:
    Tiling tiles
    Py_ssize_t points            # n * n
    Py_ssize_t vectors           # of source channels
    Py_ssize_t width, blocks     # output channels a block; blocks
    Py_ssize_t panel_bytes       # transformed pixels of a panel
    Py_ssize_t product_bytes, patch_bytes, part_bytes


cdef Py_ssize_t point_bytes(Py_ssize_t channels, Py_ssize_t width) noexcept nogil:
    """From one point to the next in a block of packed weights: an odd number of cache lines, lest all points fall on the same few."""
    return (channels * width * 4 + 63) // 64 * 64 // 128 * 128 + 64


cdef Py_ssize_t winograd_size(const Winograd *job) noexcept nogil:
    """Bytes of the packed weights: (blocks of width, points, channels, width)."""
    cdef Py_ssize_t width = channels_width(job.kernel, job.outputs)
    return (job.outputs + width - 1) // width * (job.m + job.r - 1) * (job.m + job.r - 1) * point_bytes(job.channels, width)


cdef void pack_part(const Winograd *job, Py_ssize_t block, Py_ssize_t width, Py_ssize_t c0, Py_ssize_t channels,
                    char *packed) noexcept nogil:
    """Some channels of one block of output channels, to (points, channels, width)."""
    job.kernel.winograd_weights(job.m + job.r - 1, job.r, channels, min(width, job.outputs - block * width), width,
                                job.weights + (block * width * job.output_stride + c0 * job.depth_stride) * 4, job.output_stride,
                                job.depth_stride, job.flipped, packed, point_bytes(channels, width) // 4)


cdef void pack_winograd(const Winograd *job, char *packed) noexcept nogil:
    cdef Py_ssize_t width = channels_width(job.kernel, job.outputs), points = (job.m + job.r - 1) * (job.m + job.r - 1), i
    cdef Py_ssize_t blocks = (job.outputs + width - 1) // width
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(10.0 * job.channels * job.outputs * points)):
        mode = enter_team()
        for i in prange(blocks, schedule="static"):
            pack_part(job, i, width, 0, job.channels, packed + i * points * point_bytes(job.channels, width))
        leave_team(mode)


cdef void phase_filter(float *filter, Py_ssize_t KH, Py_ssize_t KW, Py_ssize_t step_h, Py_ssize_t step_w, Py_ssize_t r, bint back,
                       float *phase) noexcept nogil:
    cdef Py_ssize_t a, b, i, j
    for a in range(step_h):
        for b in range(step_w):
            for i in range(r):
                for j in range(r):
                    if i * step_h + a >= KH or j * step_w + b >= KW:
                        phase[j] = 0
                    elif back:
                        filter[(i * step_h + a) * KW + j * step_w + b] = phase[j]
                    else:
                        phase[j] = filter[(i * step_h + a) * KW + j * step_w + b]
                phase += r


cdef void phase_filters(const char *weights, Py_ssize_t filters, Py_ssize_t KH, Py_ssize_t KW, Py_ssize_t step_h, Py_ssize_t step_w,
                        Py_ssize_t r, bint back, char *phases) noexcept nogil:
    """(filters, KH, KW) to (filters, step_h, step_w, r, r), zeros where a phase has fewer taps; `back`: the other way round."""
    cdef Py_ssize_t f
    cdef Py_ssize_t filter = KH * KW * sizeof(float), phase = step_h * step_w * r * r * sizeof(float)
    cdef unsigned int mode = 0
    with parallel(num_threads=threads_for(4.0 * filters * step_h * step_w * r * r)):
        mode = enter_team()
        for f in prange(filters, schedule="static"):
            phase_filter(<float *> (weights + f * filter), KH, KW, step_h, step_w, r, back, <float *> (phases + f * phase))
        leave_team(mode)


cdef void multiply(const Winograd *job, const Layout *layout, const Panel *panel, Py_ssize_t c0, Py_ssize_t channels, const char *points,
                   const char *weights, char *products) noexcept nogil:
    """`channels` channels from c0 on, for one block of output channels: (points, tiles, width), added to where c0 > 0."""
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t lanes = kernel.lanes, width = layout.width, tiles = panel.tiles, p, run, first
    cdef Py_ssize_t most = kernel.channel_pixels[width // lanes - 1], runs = (tiles + most - 1) // most
    for p in range(layout.points):
        for run in range(runs):
            first = tiles * run // runs
            kernel.point_tile(channels, width // lanes, tiles * (run + 1) // runs - first,
                              points + ((p * layout.vectors + c0 // lanes) * tiles + first) * lanes * 4, tiles * lanes,
                              weights + p * point_bytes(channels, width), c0 > 0, products + (p * tiles + first) * width * 4)


cdef void finish(const Winograd *job, const Layout *layout, const Panel *panel, Py_ssize_t block, const char *products,
                 char *stage) noexcept nogil:
    """Products to pixels of one block of output channels."""
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t lanes = kernel.lanes, width = layout.width, tiles = panel.tiles, pitch = panel.columns * job.m * lanes
    cdef Py_ssize_t o, image, row, tile
    for o from block * width <= o < min(job.outputs, (block + 1) * width) by lanes:
        tile = 0
        for image in range(panel.image, panel.image + panel.images):
            for row in range(panel.rows):
                if not kernel.winograd_output(
                        job.m + job.r - 1, job.m, panel.columns, products + (tile * width + o - block * width) * 4, tiles * width, width,
                        job.bias + o * 4 if job.bias != NULL else NULL, job.relu, stage + row * job.m * pitch * 4, pitch):
                    job.doubtful[image] = 1
                tile += panel.columns
            planes_write(kernel, 4, &job.output, image, o, min(lanes, job.outputs - o), panel.row * job.m,
                         min(panel.rows * job.m, job.OH - panel.row * job.m), panel.column * job.m,
                         min(panel.columns * job.m, job.OW - panel.column * job.m), stage, pitch)


cdef void panel_task(const Winograd *job, const Layout *layout, Py_ssize_t index, char *points) noexcept nogil:
    """One panel, alone."""
    cdef Panel panel = panel_of(&layout.tiles, index)
    cdef Py_ssize_t lanes = job.kernel.lanes, v, block
    cdef char *products = points + layout.panel_bytes
    cdef char *patch = products + layout.product_bytes
    for v in range(layout.vectors):
        points_of(job.kernel, &layout.tiles, &panel, &job.source, False, v * lanes, min(lanes, job.channels - v * lanes), patch,
                  points + v * panel.tiles * lanes * 4, layout.vectors * panel.tiles * lanes)
    for block in range(layout.blocks):
        multiply(job, layout, &panel, 0, job.channels, points,
                 job.packed + block * layout.points * point_bytes(job.channels, layout.width), products)
        finish(job, layout, &panel, block, products, patch)


cdef void block_task(const Winograd *job, const Layout *layout, Py_ssize_t first, Py_ssize_t count, Py_ssize_t block, const char *points,
                     char *workspace) noexcept nogil:
    """One block of output channels for `count` panels that are transformed already."""
    cdef Py_ssize_t c0, channels, i
    cdef Panel panel
    cdef char *patch = workspace
    cdef char *part = patch + layout.patch_bytes
    cdef char *products = part + layout.part_bytes
    for c0 from 0 <= c0 < job.channels by PART:
        channels = min(PART, job.channels - c0)
        pack_part(job, block, layout.width, c0, channels, part)
        for i in range(count):
            panel = panel_of(&layout.tiles, first + i)
            multiply(job, layout, &panel, c0, channels, points + i * layout.panel_bytes, part, products + i * layout.product_bytes)
    for i in range(count):
        panel = panel_of(&layout.tiles, first + i)
        finish(job, layout, &panel, block, products + i * layout.product_bytes, patch)


cdef void transform_task(const Winograd *job, const Layout *layout, Py_ssize_t index, Py_ssize_t v, char *points,
                         char *patch) noexcept nogil:
    cdef Panel panel = panel_of(&layout.tiles, index)
    cdef Py_ssize_t lanes = job.kernel.lanes
    points_of(job.kernel, &layout.tiles, &panel, &job.source, False, v * lanes, min(lanes, job.channels - v * lanes), patch,
              points + v * panel.tiles * lanes * 4, layout.vectors * panel.tiles * lanes)


cdef void shared_task(const Winograd *job, const Layout *layout, Py_ssize_t index, Py_ssize_t block, const char *points,
                      char *workspace) noexcept nogil:
    """One block of output channels for one panel, with weights that are packed."""
    cdef Panel panel = panel_of(&layout.tiles, index)
    multiply(job, layout, &panel, 0, job.channels, points, job.packed + block * layout.points * point_bytes(job.channels, layout.width),
             workspace + layout.patch_bytes)
    finish(job, layout, &panel, block, workspace + layout.patch_bytes, workspace)


cdef int run_alone(const Winograd *job, const Layout *layout, int threads) noexcept nogil:
    cdef Py_ssize_t a_thread = layout.panel_bytes + layout.product_bytes + layout.patch_bytes, i
    cdef char *workspace = <char *> allocate(threads * a_thread)
    cdef unsigned int mode = 0
    if workspace == NULL:
        return -1
    if threads == 1:
        for i in range(layout.tiles.count):
            panel_task(job, layout, i, workspace)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for i in prange(layout.tiles.count, schedule="static"):
                panel_task(job, layout, i, workspace + threadid() * a_thread)
            leave_team(mode)
    release(workspace)
    return 0


cdef int run_together(const Winograd *job, const Layout *layout, Py_ssize_t together, int threads) noexcept nogil:
    cdef Py_ssize_t a_thread = layout.patch_bytes + layout.product_bytes, first = 0, i
    cdef bint on_the_way = job.packed == NULL
    cdef char *points
    cdef char *workspace
    cdef unsigned int mode = 0
    if on_the_way:
        a_thread += layout.part_bytes + (together - 1) * layout.product_bytes
    points = <char *> allocate(together * layout.panel_bytes + threads * a_thread)
    if points == NULL:
        return -1
    workspace = points + together * layout.panel_bytes
    with parallel(num_threads=threads):
        mode = enter_team()
        for first from 0 <= first < layout.tiles.count by together:
            for i in prange(min(together, layout.tiles.count - first) * layout.vectors, schedule="static"):
                transform_task(job, layout, first + i // layout.vectors, i % layout.vectors,
                               points + i // layout.vectors * layout.panel_bytes, workspace + threadid() * a_thread)
            barrier()
            if on_the_way:
                for i in prange(layout.blocks, schedule="static"):
                    block_task(job, layout, first, min(together, layout.tiles.count - first), i, points, workspace + threadid() * a_thread)
            else:
                for i in prange(min(together, layout.tiles.count - first) * layout.blocks, schedule="static"):
                    shared_task(job, layout, first + i // layout.blocks, i % layout.blocks,
                                points + i // layout.blocks * layout.panel_bytes, workspace + threadid() * a_thread)
            barrier()
        leave_team(mode)
    release(points)
    return 0


cdef int winograd(Winograd *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Layout layout
    cdef Py_ssize_t lanes = job.kernel.lanes, n = job.m + job.r - 1, a_tile, most, together, tiles, share
    cdef int threads, status
    cdef bint alone, phases
    cdef char *packed = NULL
    layout.points, layout.vectors = n * n, (job.channels + lanes - 1) // lanes
    layout.width = channels_width(job.kernel, job.outputs)
    layout.blocks = (job.outputs + layout.width - 1) // layout.width
    a_tile = layout.points * layout.vectors * lanes * 4
    most = min(max(PANEL_BYTES // a_tile, LEAST_TILES), MOST_TILES)
    tiles = (job.OH + job.m - 1) // job.m * ((job.OW + job.m - 1) // job.m)
    threads = threads_for(<double> job.images * tiles * layout.points * job.channels * job.outputs)
    if threads > 1 and job.images * tiles <= most:
        most = (job.images * tiles + 1) // 2
    layout.tiles = tiling(<int> n, job.m, job.images, job.OH, job.OW, most, threads)
    layout.panel_bytes = a_tile * layout.tiles.most
    layout.product_bytes = ceil_to(layout.points * layout.tiles.most * layout.width * 4, 64)
    phases = planes_phases(&job.source) or planes_phases(&job.output)
    layout.patch_bytes = ceil_to(patch_elements(&layout.tiles, phases, lanes) * 4, 64)
    layout.part_bytes = layout.points * point_bytes(PART, layout.width)
    together = max(1, min(layout.tiles.count, TOGETHER_BYTES * threads // layout.panel_bytes))
    if job.packed == NULL and (together < layout.tiles.count or together * layout.product_bytes > PRODUCT_BYTES
                               or layout.blocks < 2 * threads):
        packed = <char *> allocate(winograd_size(job))
        if packed == NULL:
            return -1
        pack_winograd(job, packed)
        job.packed = packed
    # The busiest thread's share of the panels: alone they need to be many, or even.
    share = (layout.tiles.count + threads - 1) // threads * layout.tiles.most
    alone = layout.tiles.most >= LEAST_TILES and share * threads * 7 <= job.images * tiles * 8
    if job.packed != NULL and (threads == 1 or alone or layout.tiles.count >= 8 * threads):
        status = run_alone(job, &layout, threads)
    else:
        status = run_together(job, &layout, together, threads)
    release(packed)
    return status
