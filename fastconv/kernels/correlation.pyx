"""Correlation by implicit im2col: the engine of the forward pass and of the gradient of the input.

The output pixels are cut into blocks, a task each. A task goes through the depth (channels x taps) in parts:

    part of the channels     pack the slab: the source rows the block needs, padded (or read the source itself where it can)
      part of the depth        the offset of each tap in the slab
        tile_vectors of pixels   pack the panel: this part of the column matrix, a few KB (or read the slab itself)
          tile_rows of outputs     correlate_tile

Phases of a strided output (the gradient of a strided layer's input) are jobs that share one output: a task computes its block of all
of them, collects neighbours in a stage, and writes them side by side.

The column matrix is never whole in memory. Each output has one accumulator and takes its terms in the order of the depth, so blocks,
tiles and threads change no bit of the result.
"""
from cython.parallel cimport parallel, prange, threadid

from fastconv.kernels.frames cimport frame_start, frames_end
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, fc_segment, fc_tile, leave_team, release, threads_for
from fastconv.kernels.slab cimport Axis, axis_layout, axis_measure, ceil_div, ceil_to, fill_offsets, slab_channel, slab_pack

cdef enum:
    DEPTH = 256                  # of a part, where no panel is packed
    PANEL_BYTES = 48 * 1024      # it streams from the second-level cache
    PANEL_DEPTH = 512            # of a part, at most
    BLOCK_PIXELS = 768           # sixteen tiles: the slab is packed once for all of them
    SLAB_BYTES = 192 * 1024      # a part of the second-level cache
    STAGE_BYTES = 512 * 1024     # a strided output is collected in two stages of at most so much
    TASKS_A_THREAD = 4           # so that no thread waits long for the last one
    LEAST_OUTPUTS = 64           # output channels a task, at least: they pay for the packing of the panel
    FEW_PIXELS = 128             # then it is the weights that have to be read once only: a quarter of the output channels will do
    SEGMENTS = 64                # pixels of a panel lie in at most so many rows

cdef struct Blocks:
    Py_ssize_t rows, columns             # of one block
    Py_ssize_t row_blocks, column_blocks, output_blocks
    Py_ssize_t outputs                   # output channels of one block, a multiple of the tile
    Py_ssize_t channels                  # source channels of one slab
    Py_ssize_t depth                     # of one part
    bint panels                          # as the job asks, where rows are short enough to cross, or there is one
    bint staged                          # outputs are not neighbours: collect a block, then spread it
    bint shared                          # the slab of the last phase that packed one serves this one too
    Py_ssize_t slab_bytes, panel_bytes, stage_bytes, table_bytes


cdef Py_ssize_t packed_size(const Correlation *job) noexcept nogil:
    """Elements of the packed weights."""
    cdef Py_ssize_t tile_rows = job.tile_rows
    cdef Py_ssize_t depth = job.channels * job.rows.taps * job.columns.taps
    return job.groups * ((job.outputs + tile_rows - 1) // tile_rows * tile_rows) * depth


cdef void choose_tile(Correlation *job) noexcept nogil:
    """With few registers there is a taller tile, of two vectors: for as many output channels as fit it alone."""
    job.tile_rows, job.tile_vectors = job.kernel.tile_rows, job.kernel.tile_vectors
    if not job.panels and job.tile_rows < job.outputs <= job.kernel.run_rows[1]:
        job.tile_rows, job.tile_vectors = job.kernel.run_rows[1], 2


cdef void flatten(Correlation *job) noexcept nogil:
    """A pointwise correlation has no rows: the image is one long row."""
    cdef Py_ssize_t pixels = job.rows.size * job.columns.size
    if (job.rows.taps == 1 and job.columns.taps == 1 and job.rows.offset[0] == 0 and job.columns.offset[0] == 0
            and job.rows.step == 1 and job.columns.step == 1 and job.row_step == 1 and job.column_step == 1
            and job.grid_rows == job.rows.size and job.grid_columns == job.columns.size
            and job.height == job.grid_rows and job.width == job.grid_columns):
        job.rows.size, job.grid_rows, job.height = 1, 1, 1
        job.columns.size, job.grid_columns, job.width = pixels, pixels, pixels


cdef void lay_out(Correlation *job, Blocks *blocks) noexcept nogil:
    """What a job needs for blocks of the sizes chosen."""
    cdef Py_ssize_t lanes = job.kernel.lanes
    cdef Py_ssize_t width = lanes * job.tile_vectors
    blocks.panels = job.panels and (job.rows.size == 1 or (job.grid_rows > 1 and job.grid_columns <= BLOCK_PIXELS))
    blocks.depth = min(PANEL_DEPTH, PANEL_BYTES // (width * job.itemsize)) if blocks.panels else DEPTH
    axis_layout(&job.rows, blocks.rows, False)
    axis_layout(&job.columns, blocks.columns, False)
    blocks.channels = max(1, min(job.channels, SLAB_BYTES // (slab_channel(&job.rows, &job.columns, lanes) * job.itemsize)))
    # A vector is read whole: every buffer has one to spare behind it.
    blocks.slab_bytes = ceil_to((slab_channel(&job.rows, &job.columns, lanes) * blocks.channels + 2 * width) * job.itemsize, 64)
    blocks.panel_bytes = ceil_to((blocks.depth * width + 2 * width) * job.itemsize, 64) if blocks.panels else 0
    blocks.table_bytes = ceil_to(blocks.depth * sizeof(Py_ssize_t), 64)


cdef void choose_blocks(const Correlation *job, Py_ssize_t grid_rows, Py_ssize_t grid_columns, int threads, Blocks *blocks) noexcept nogil:
    cdef Py_ssize_t width = job.kernel.lanes * job.tile_vectors
    cdef Py_ssize_t tasks, wanted, least = LEAST_OUTPUTS // 4 if grid_rows * grid_columns <= FEW_PIXELS else LEAST_OUTPUTS
    blocks.staged = job.row_step != 1 or job.column_step != 1
    blocks.columns = grid_columns
    if grid_columns > BLOCK_PIXELS:
        blocks.columns = min(BLOCK_PIXELS, ceil_to(ceil_div(grid_columns, ceil_div(grid_columns, BLOCK_PIXELS)), width))
    blocks.rows = max(1, min(grid_rows, BLOCK_PIXELS // blocks.columns))
    # Blocks of one size: tasks are dealt out beforehand, and a thread keeps to its part of the image from call to call.
    blocks.row_blocks = (grid_rows + blocks.rows - 1) // blocks.rows
    blocks.rows = (grid_rows + blocks.row_blocks - 1) // blocks.row_blocks
    tasks = job.images * job.groups * blocks.row_blocks * max(1, job.outputs // least)
    if threads > 1 and tasks < 2 * threads:
        # Too few output channels to share out: smaller blocks of pixels.
        wanted = (2 * threads + job.images * job.groups - 1) // (job.images * job.groups)
        if grid_rows > 1:
            blocks.rows = min(blocks.rows, (grid_rows + wanted - 1) // wanted)
        else:
            blocks.columns = min(blocks.columns, ceil_to((grid_columns + wanted - 1) // wanted, width))
        blocks.row_blocks = (grid_rows + blocks.rows - 1) // blocks.rows
    blocks.column_blocks = (grid_columns + blocks.columns - 1) // blocks.columns
    tasks = job.images * job.groups * blocks.row_blocks * blocks.column_blocks
    # Every task packs its pixels: no more parts of the output channels than give all threads as many tasks.
    wanted = 1
    while tasks * wanted % threads != 0 and tasks * wanted < TASKS_A_THREAD * threads:
        wanted += 1
    wanted = max(1, min(wanted, job.outputs // least))
    blocks.outputs = (job.outputs + wanted - 1) // wanted
    if blocks.staged:
        blocks.outputs = min(blocks.outputs, max(1, STAGE_BYTES // (blocks.rows * blocks.columns * job.itemsize)))
    blocks.outputs = ceil_to(blocks.outputs, job.tile_rows)
    blocks.output_blocks = (job.outputs + blocks.outputs - 1) // blocks.outputs
    blocks.stage_bytes = ceil_to(blocks.rows * blocks.columns * blocks.outputs * job.itemsize, 64) if blocks.staged else 0


cdef void tile_rows_of(const Correlation *job, fc_tile *tile, Py_ssize_t vectors, const char *weights, Py_ssize_t weight_block,
                       Py_ssize_t outputs, const char *bias) noexcept nogil:
    """All output channels of the block for one group of pixel vectors; tile.output is the first channel's."""
    cdef Py_ssize_t m, j, tile_rows = job.tile_rows
    for m from 0 <= m < outputs by tile_rows:
        tile.weights = weights + m * weight_block
        tile.bias = bias + m * job.itemsize if bias != NULL else NULL
        job.kernel.correlate_tile(tile, min(tile_rows, outputs - m), vectors)
        for j in range(vectors):
            tile.output[j] = <char *> tile.output[j] + tile_rows * tile.output_row * job.itemsize


cdef void run_block(const Correlation *job, const Blocks *blocks, Py_ssize_t task, char *workspace, char *stage) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t itemsize = job.itemsize, lanes = kernel.lanes
    cdef Py_ssize_t width = lanes * job.tile_vectors
    cdef char *slab = workspace
    cdef char *panel = slab + blocks.slab_bytes
    cdef Py_ssize_t *offsets = <Py_ssize_t *> (panel + blocks.panel_bytes)
    cdef Py_ssize_t *panel_offsets = offsets + blocks.table_bytes // sizeof(Py_ssize_t)
    cdef Py_ssize_t output_block = task % blocks.output_blocks
    cdef Py_ssize_t column_block = task // blocks.output_blocks % blocks.column_blocks
    cdef Py_ssize_t row_block = task // blocks.output_blocks // blocks.column_blocks % blocks.row_blocks
    cdef Py_ssize_t plane_index = task // blocks.output_blocks // blocks.column_blocks // blocks.row_blocks
    cdef Py_ssize_t group = plane_index % job.groups, image = plane_index // job.groups
    cdef Py_ssize_t row0 = row_block * blocks.rows, column0 = column_block * blocks.columns
    cdef Py_ssize_t rows = min(blocks.rows, job.grid_rows - row0)
    cdef Py_ssize_t columns = min(blocks.columns, job.grid_columns - column0)
    cdef Py_ssize_t m0 = output_block * blocks.outputs
    cdef Py_ssize_t outputs = min(blocks.outputs, job.outputs - m0)
    cdef Py_ssize_t taps = job.rows.taps * job.columns.taps
    cdef Py_ssize_t depth = job.channels * taps
    cdef Py_ssize_t source_plane = job.source_at.channel
    cdef const char *source = job.source + frame_start(&job.source_at, image, group) * itemsize
    cdef const char *source_end = job.source + itemsize * frames_end(&job.source_at, job.images, job.groups, job.channels,
                                                                     job.rows.size * job.columns.size)
    cdef const char *weights = job.weights + (group * ceil_to(job.outputs, job.tile_rows) + m0) * depth * itemsize
    cdef const char *bias = NULL
    cdef char *output = job.output + (frame_start(&job.output_at, image, group) + m0 * job.output_at.channel) * itemsize
    cdef Py_ssize_t top = row0 * job.rows.step + job.rows.first
    cdef Py_ssize_t left = column0 * job.columns.step + job.columns.first
    cdef Py_ssize_t slab_channels, channel_stride, pitch, c0, channels, k0, k, part, i, vectors, pixels, p, j, r, q, length, segments
    cdef const char *base
    cdef fc_segment segment[SEGMENTS]
    cdef fc_tile tile
    cdef bint direct, overlaps

    if rows <= 0 or columns <= 0:        # of a phase that ends before others
        return
    if job.bias != NULL:
        bias = job.bias + (group * job.outputs + m0) * itemsize
    # The source serves as its own slab where the block needs no padding and its last vector ends inside the array.
    direct = (job.rows.step == 1 and job.columns.step == 1
              and top >= 0 and top + rows - 1 + job.rows.reach < job.rows.size
              and left >= 0 and left + columns - 1 + job.columns.reach < job.columns.size)
    if direct:
        base = source + ((job.channels - 1) * source_plane + (top + rows - 1 + job.rows.reach) * job.columns.size
                         + left + columns - 1 + job.columns.reach) * itemsize
        direct = base + (width + 1) * itemsize <= source_end
    slab_channels = job.channels if direct else blocks.channels
    channel_stride = source_plane if direct else slab_channel(&job.rows, &job.columns, lanes)
    pitch = job.columns.size if direct else job.columns.pitch

    if blocks.staged:
        tile.output_row = rows * columns
    else:
        tile.output_row = job.output_at.channel
        stage = output + ((job.row0 + row0) * job.width + job.column0 + column0) * itemsize
    pixels = rows * columns
    for c0 from 0 <= c0 < job.channels by slab_channels:
        channels = min(slab_channels, job.channels - c0)
        base = slab
        if direct:
            base = source + (c0 * source_plane + top * job.columns.size + left) * itemsize
        elif not blocks.shared:
            slab_pack(kernel, itemsize, &job.rows, &job.columns, source + c0 * source_plane * itemsize, channels, source_plane,
                      row0, rows, column0, columns, 0, slab)
        for k0 from 0 <= k0 < channels * taps by blocks.depth:
            part = min(blocks.depth, channels * taps - k0)
            fill_offsets(&job.rows, &job.columns, lanes, direct, k0, part, channel_stride, offsets)
            for i in range(part):
                panel_offsets[i] = i * width
            tile.depth, tile.weights_step, tile.packed = part, job.tile_rows, blocks.panels
            tile.accumulate = c0 + k0 > 0
            tile.relu = job.relu and c0 + channels == job.channels and k0 + part == channels * taps
            k = (c0 * taps + k0) * job.tile_rows * itemsize     # where this part begins in a block of packed weights
            if blocks.panels:
                tile.offsets = panel_offsets
                p = 0
                while p < pixels:
                    length = min(width, pixels - p)
                    if width < pixels - p <= width + lanes:
                        length = width - lanes           # so that the last tile is not a lone vector
                    vectors = (length + lanes - 1) // lanes
                    segments = 0
                    i = 0
                    while i < length:
                        r = (p + i) // columns
                        q = (p + i) % columns
                        segment[segments].source = r * pitch + q
                        segment[segments].target = i
                        segment[segments].length = min(columns - q, length - i)
                        i += segment[segments].length
                        segments += 1
                    kernel.pack_panel(part, width, base, offsets, segments, segment, panel)
                    for j in range(vectors):
                        tile.source[j] = panel + j * lanes * itemsize
                        tile.output[j] = stage + (p + j * lanes) * itemsize
                        tile.count[j] = min(lanes, length - j * lanes)
                    tile_rows_of(job, &tile, vectors, weights + k, depth * itemsize, outputs, bias)
                    p += length
            else:
                tile.offsets = offsets
                # Where results are not added up in parts, some may be computed twice: the last vector of a row is a whole one too.
                overlaps = columns >= lanes and not tile.accumulate and part == depth
                vectors = 0
                for r in range(rows):
                    for q from 0 <= q < columns by lanes:
                        p = columns - lanes if q + lanes > columns and overlaps else q
                        tile.source[vectors] = base + (r * pitch + p) * itemsize
                        tile.output[vectors] = stage + (r * (columns if blocks.staged else job.width) + p) * itemsize
                        tile.count[vectors] = min(lanes, columns - p)
                        vectors += 1
                        if vectors == job.tile_vectors or (r == rows - 1 and q + lanes >= columns):
                            tile_rows_of(job, &tile, vectors, weights + k, depth * itemsize, outputs, bias)
                            vectors = 0


cdef void spread(const Correlation *job, const Blocks *blocks, Py_ssize_t task, const char *stage, const char *odd,
                 Py_ssize_t odd_columns) noexcept nogil:
    """A block from the stage to its places in the output; `odd`: with that of the phase one column on, which has so many columns in all."""
    cdef Py_ssize_t itemsize = job.itemsize, i, r, p
    cdef Py_ssize_t output_block = task % blocks.output_blocks
    cdef Py_ssize_t column0 = task // blocks.output_blocks % blocks.column_blocks * blocks.columns
    cdef Py_ssize_t row0 = task // blocks.output_blocks // blocks.column_blocks % blocks.row_blocks * blocks.rows
    cdef Py_ssize_t plane = task // blocks.output_blocks // blocks.column_blocks // blocks.row_blocks
    cdef Py_ssize_t rows = min(blocks.rows, job.grid_rows - row0), columns = min(blocks.columns, job.grid_columns - column0)
    cdef Py_ssize_t m0 = output_block * blocks.outputs
    cdef char *output = job.output + (frame_start(&job.output_at, plane // job.groups, plane % job.groups) + m0 * job.output_at.channel
                                      + (job.row0 + row0 * job.row_step) * job.width + job.column0 + column0 * job.column_step) * itemsize
    cdef char *row
    odd_columns = min(blocks.columns, odd_columns - column0)
    if columns <= 0:
        return
    for i in range(min(blocks.outputs, job.outputs - m0)):
        for r in range(rows):
            row = output + (i * job.output_at.channel + r * job.row_step * job.width) * itemsize
            p = i * rows + r
            if odd == NULL:
                job.kernel.copy_strided(columns, stage + p * columns * itemsize, 1, row, job.column_step)
            else:
                job.kernel.weave(columns + odd_columns, stage + p * columns * itemsize, odd + p * odd_columns * itemsize, 0, row)


cdef void run_task(const Correlation *jobs, const Blocks *blocks, Py_ssize_t count, Py_ssize_t task, char *workspace) noexcept nogil:
    cdef char *stage = workspace
    cdef char *odd = stage + blocks.stage_bytes
    cdef Py_ssize_t p = 0
    cdef bint pair
    if not blocks.staged:
        run_block(jobs, blocks, task, workspace, NULL)
        return
    while p < count:
        pair = (jobs[p].column_step == 2 and p + 1 < count and jobs[p].row0 == jobs[p + 1].row0
                and jobs[p + 1].grid_columns > task // blocks.output_blocks % blocks.column_blocks * blocks.columns)
        run_block(&jobs[p], &blocks[p], task, odd + blocks.stage_bytes, stage)
        if pair:
            run_block(&jobs[p + 1], &blocks[p + 1], task, odd + blocks.stage_bytes, odd)
        spread(&jobs[p], &blocks[p], task, stage, odd if pair else NULL, jobs[p + 1].grid_columns if pair else 0)
        p += 2 if pair else 1


cdef void measure_all(Correlation *jobs, Py_ssize_t count) noexcept nogil:
    """The extent of each axis: that of all phases, which read nearly the same of the source."""
    cdef Py_ssize_t p, row = 0, row_end = 0, column = 0, column_end = 0
    for p in range(count):
        axis_measure(&jobs[p].rows)
        axis_measure(&jobs[p].columns)
        if p == 0:
            row, column = jobs.rows.first, jobs.columns.first
            row_end, column_end = row + jobs.rows.reach, column + jobs.columns.reach
        row, row_end = min(row, jobs[p].rows.first), max(row_end, jobs[p].rows.first + jobs[p].rows.reach)
        column, column_end = min(column, jobs[p].columns.first), max(column_end, jobs[p].columns.first + jobs[p].columns.reach)
    for p in range(count):
        jobs[p].rows.first, jobs[p].rows.reach = row, row_end - row
        jobs[p].columns.first, jobs[p].columns.reach = column, column_end - column


cdef bint same_axis(const Axis *axis, const Axis *other) noexcept nogil:
    """One slot in both, from the same position on: a lone tap has its own."""
    return axis.slots == 1 and other.slots == 1 and axis.base[0] == other.base[0] and axis.pitch == other.pitch


cdef bint same_slab(const Correlation *job, const Blocks *blocks, const Correlation *first, const Blocks *its_blocks) noexcept nogil:
    """Whether the slab that `first` packed for a task holds what this one reads, all channels of it, where it looks for it."""
    return (blocks.channels == job.channels and its_blocks.channels == job.channels and job.grid_rows <= first.grid_rows
            and job.grid_columns <= first.grid_columns and same_axis(&job.rows, &first.rows) and same_axis(&job.columns, &first.columns))


cdef int correlate(Correlation *jobs, Py_ssize_t count) noexcept nogil:
    """Run the job, or the phases of one output, at most PHASES of them; -1 when memory is out."""
    cdef Blocks blocks[PHASES]
    cdef Py_ssize_t tasks, task, chunk, p, packed = 0, a_thread = 0, grid_rows = 0, grid_columns = 0
    cdef int threads
    cdef double work = 0
    cdef char *workspace
    cdef unsigned int mode = 0
    if count == 1:
        flatten(jobs)
    measure_all(jobs, count)
    for p in range(count):
        grid_rows, grid_columns = max(grid_rows, jobs[p].grid_rows), max(grid_columns, jobs[p].grid_columns)
        work += <double> jobs[p].grid_rows * jobs[p].grid_columns * jobs[p].rows.taps * jobs[p].columns.taps
    if jobs.images * jobs.groups * jobs.outputs * grid_rows * grid_columns == 0:
        return 0
    threads = threads_for(work * jobs.images * jobs.groups * jobs.outputs * jobs.channels)
    choose_blocks(jobs, grid_rows, grid_columns, threads, &blocks[0])
    for p in range(count):
        blocks[p] = blocks[0]
        lay_out(&jobs[p], &blocks[p])
        blocks[p].shared = p > 0 and same_slab(&jobs[p], &blocks[p], &jobs[packed], &blocks[packed])
        if not blocks[p].shared:
            packed = p
        a_thread = max(a_thread, blocks[p].slab_bytes + blocks[p].panel_bytes + 2 * blocks[p].table_bytes)
    tasks = jobs.images * jobs.groups * blocks[0].row_blocks * blocks[0].column_blocks * blocks[0].output_blocks
    threads = <int> min(threads, tasks)
    a_thread += 2 * blocks[0].stage_bytes
    workspace = <char *> allocate(threads * a_thread)
    if workspace == NULL:
        return -1
    # Parts of one long row go to the threads in turns: they then read the same stretch of each channel.
    chunk = 1 if grid_rows == 1 else (tasks + threads - 1) // threads
    if threads == 1:                     # a team of one would cost as much as a small layer
        for task in range(tasks):
            run_task(jobs, blocks, count, task, workspace)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for task in prange(tasks, schedule="static", chunksize=chunk):
                run_task(jobs, blocks, count, task, workspace + threadid() * a_thread)
            leave_team(mode)
    release(workspace)
    return 0
