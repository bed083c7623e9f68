"""3 x 3 convolution at stride 1 by Winograd's minimal filtering: 2.25 (m = 2) or 4 (m = 4) times fewer multiplications.

    panel: tile_vectors x lanes neighbouring tiles of m x m output pixels
      channels        winograd_input: the tiles' pixels into (m + 2)^2 points, one plane of the panel a point
      outputs         for each point a small matrix product over the channels (correlate_tile), then winograd_output

Where there are many panels each is one thread's task. Where there are few and many channels, all threads transform the panels, then
share the output channels. Every tile is computed alone, so neither choice changes a bit.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

from fastconv.kernels.runtime cimport allocate, fc_tile, note_team, release, threads_for

cdef enum:
    MOST_LANES = 16
    MOST_POINTS = 36
    PANEL_OUTPUTS = 32           # output channels a step: their points stay in the second-level cache
    CHANNEL_STEP = 16            # source channels a task of the shared transform
    THREAD_BYTES = 3 * 1024 * 1024   # of transformed pixels

cdef extern from * nogil:
    """
    #define PADDING_ROW PTRDIFF_MIN
    """
    const Py_ssize_t PADDING_ROW     # in the place of a row's offset: the row lies outside the image

cdef struct Panels:
    Py_ssize_t points            # (m + 2)^2
    Py_ssize_t width             # tiles a panel
    Py_ssize_t tile_rows, tile_columns      # of an image
    Py_ssize_t tiles, count      # of all images; panels
    Py_ssize_t panel_bytes, product_bytes


cdef Py_ssize_t winograd_size(const fc_kernels *kernel, int size, Py_ssize_t channels, Py_ssize_t outputs) noexcept nogil:
    """Elements of the packed weights: (blocks of tile_rows, points, channels, tile_rows)."""
    return (outputs + kernel.tile_rows - 1) // kernel.tile_rows * kernel.tile_rows * (size + 2) * (size + 2) * channels


cdef void pack_winograd(const Winograd *job, const char *source, Py_ssize_t output_stride, Py_ssize_t depth_stride, int flipped,
                        char *packed) noexcept nogil:
    cdef Py_ssize_t tile_rows = job.kernel.tile_rows
    cdef Py_ssize_t blocks = (job.outputs + tile_rows - 1) // tile_rows
    cdef Py_ssize_t points = (job.size + 2) * (job.size + 2)
    cdef Py_ssize_t i
    with parallel(num_threads=threads_for(<double> job.channels * job.outputs * points)):
        for i in prange(blocks, schedule="static"):
            job.kernel.winograd_weights(job.size, job.channels, min(tile_rows, job.outputs - i * tile_rows), tile_rows,
                                        source + i * tile_rows * output_stride * 4, output_stride, depth_stride, flipped,
                                        packed + i * points * job.channels * tile_rows * 4, job.channels * tile_rows)


cdef Py_ssize_t row_span(const Winograd *job) noexcept nogil:
    """Pixels of a row that winograd_input reads: whole vectors, and at least the columns of one tile."""
    return max((job.size + 1) * job.kernel.lanes, job.size + 2)


cdef Py_ssize_t run_of(const Winograd *job, const Panels *panels, Py_ssize_t tile, Py_ssize_t stop, Py_ssize_t *image,
                       Py_ssize_t *row, Py_ssize_t *column) noexcept nogil:
    """The neighbours in one row of tiles that begin with `tile`: how many (a vector at most), and where they lie."""
    column[0] = tile % panels.tile_columns
    row[0] = tile // panels.tile_columns % panels.tile_rows
    image[0] = tile // panels.tile_columns // panels.tile_rows
    return min(min(panels.tile_columns - column[0], stop - tile), job.kernel.lanes)


cdef void edge_channel(const Winograd *job, const char *plane, const Py_ssize_t *rows, Py_ssize_t x0, Py_ssize_t tiles, char *points,
                       Py_ssize_t point_stride) noexcept nogil:
    """One channel at an end of the array, by a padded copy: whole vectors would read beyond it."""
    cdef float copy[6 * 5 * MOST_LANES]
    cdef Py_ssize_t offsets[6]
    cdef Py_ssize_t i, span = row_span(job)
    cdef Py_ssize_t low = max(0, -x0), high = max(low, min(span, job.W - x0))
    memset(copy, 0, sizeof(copy))
    for i in range(job.size + 2):
        offsets[i] = rows[i]
        if rows[i] != PADDING_ROW:
            offsets[i] = i * span
            memcpy(copy + i * span + low, plane + (rows[i] + low) * 4, (high - low) * 4)
    job.kernel.winograd_input(job.size, 1, tiles, copy, 0, offsets, NULL, points, point_stride, 0)


cdef void transform_panel(const Winograd *job, const Panels *panels, Py_ssize_t panel, Py_ssize_t c0, Py_ssize_t c1,
                          char *points) noexcept nogil:
    """Channels c0 to c1 of a panel's tiles into `points`: (points, channels, width)."""
    cdef Py_ssize_t n = job.size + 2, lanes = job.kernel.lanes, m = job.size
    cdef Py_ssize_t tile = panel * panels.width, stop = min(tile + panels.width, panels.tiles)
    cdef Py_ssize_t start = tile, plane = job.H * job.W, point_stride = job.channels * panels.width
    cdef Py_ssize_t total = job.images * job.channels * plane, span = row_span(job)
    cdef Py_ssize_t image, row, column, run, i, j, lane, x, x0, y, low, high, first, last, origin
    cdef Py_ssize_t rows[6]
    cdef int32_t inside[6 * MOST_LANES]
    cdef bint whole
    while tile < stop:
        run = run_of(job, panels, tile, stop, &image, &row, &column)
        x0 = column * m - job.pad_w
        whole = x0 >= 0 and x0 + (run - 1) * m + n <= job.W
        for j in range(n):
            for lane in range(lanes):
                x = x0 + lane * m + j
                inside[j * lanes + lane] = -1 if x >= 0 and x < job.W else 0
        low, high = 0, 0
        for i in range(n):
            y = row * m + i - job.pad_h
            rows[i] = PADDING_ROW
            if 0 <= y < job.H:
                rows[i] = y * job.W + x0
                low, high = min(low, rows[i]), max(high, rows[i])
        first, last = c0, c1
        origin = image * job.channels * plane
        while first < last and origin + first * plane + low < 0:
            first += 1
        while last > first and origin + (last - 1) * plane + high + span > total:
            last -= 1
        for i in range(c0, c1):
            if i < first or i >= last:
                edge_channel(job, job.source + (origin + i * plane) * 4, rows, x0, run,
                             points + (i * panels.width + tile - start) * 4, point_stride)
        if last > first:
            job.kernel.winograd_input(m, last - first, run, job.source + (origin + first * plane) * 4, plane, rows,
                                      NULL if whole else <void *> inside,
                                      points + (first * panels.width + tile - start) * 4, point_stride, panels.width)
        tile += run


cdef void multiply_panel(const Winograd *job, const Panels *panels, Py_ssize_t panel, Py_ssize_t m0, Py_ssize_t m1, const char *points,
                         const Py_ssize_t *offsets, char *products) noexcept nogil:
    """Output channels m0 to m1 of a panel's tiles."""
    cdef Py_ssize_t lanes = job.kernel.lanes, tile_rows = job.kernel.tile_rows, m = job.size
    cdef Py_ssize_t tile = panel * panels.width, stop = min(tile + panels.width, panels.tiles)
    cdef Py_ssize_t start = tile, vectors = (stop - start + lanes - 1) // lanes
    cdef Py_ssize_t product_stride = (m1 - m0) * panels.width
    cdef Py_ssize_t image, row, column, run, p, k, v
    cdef const char *weights
    cdef fc_tile job_tile
    job_tile.depth = job.channels
    job_tile.offsets = offsets
    job_tile.output_row = panels.width
    job_tile.bias = NULL
    job_tile.accumulate = 0
    for v in range(vectors):
        job_tile.count[v] = lanes
    for p in range(panels.points):
        for k from m0 <= k < m1 by tile_rows:
            weights = job.weights + ((k // tile_rows * panels.points + p) * job.channels * tile_rows) * 4
            job_tile.weights = weights
            for v in range(vectors):
                job_tile.source[v] = points + (p * job.channels * panels.width + v * lanes) * 4
                job_tile.output[v] = products + (p * product_stride + (k - m0) * panels.width + v * lanes) * 4
            job.kernel.correlate_tile(&job_tile, min(tile_rows, m1 - k), vectors)
    while tile < stop:
        run = run_of(job, panels, tile, stop, &image, &row, &column)
        if not job.kernel.winograd_output(
                m, m1 - m0, min(m, job.OH - row * m), min(run * m, job.OW - column * m), products + (tile - start) * 4, product_stride,
                panels.width, job.bias + m0 * 4 if job.bias != NULL else NULL, job.relu,
                job.output + (((image * job.outputs + m0) * job.OH + row * m) * job.OW + column * m) * 4, job.OW, job.OH * job.OW):
            job.doubtful[image] = 1
        tile += run


cdef void panel_task(const Winograd *job, const Panels *panels, Py_ssize_t panel, const Py_ssize_t *offsets,
                     char *workspace) noexcept nogil:
    cdef Py_ssize_t m0
    transform_panel(job, panels, panel, 0, job.channels, workspace)
    for m0 from 0 <= m0 < job.outputs by PANEL_OUTPUTS:
        multiply_panel(job, panels, panel, m0, min(m0 + PANEL_OUTPUTS, job.outputs), workspace, offsets, workspace + panels.panel_bytes)


cdef int winograd(Winograd *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Panels panels
    cdef Py_ssize_t m = job.size, lanes = job.kernel.lanes
    cdef Py_ssize_t vectors = job.kernel.tile_vectors
    cdef Py_ssize_t channel_steps = (job.channels + CHANNEL_STEP - 1) // CHANNEL_STEP
    cdef Py_ssize_t output_steps = (job.outputs + PANEL_OUTPUTS - 1) // PANEL_OUTPUTS
    cdef Py_ssize_t i, k, first = 0, together, table_bytes
    cdef Py_ssize_t *offsets
    cdef char *workspace
    cdef char *products
    cdef int threads
    cdef bint alone
    panels.points = (m + 2) * (m + 2)
    panels.tile_rows, panels.tile_columns = (job.OH + m - 1) // m, (job.OW + m - 1) // m
    panels.tiles = job.images * panels.tile_rows * panels.tile_columns
    threads = threads_for(<double> panels.tiles * panels.points * job.channels * job.outputs)
    while vectors > 1 and panels.points * job.channels * vectors * lanes * 4 > THREAD_BYTES * threads:
        vectors -= 1
    panels.width = vectors * lanes
    panels.count = (panels.tiles + panels.width - 1) // panels.width
    panels.panel_bytes = panels.points * job.channels * panels.width * 4
    panels.product_bytes = (panels.points * PANEL_OUTPUTS * panels.width + MOST_LANES) * 4
    table_bytes = (job.channels * sizeof(Py_ssize_t) + 63) // 64 * 64
    alone = panels.panel_bytes <= THREAD_BYTES and (threads == 1 or panels.count >= 4 * threads)
    together = threads if alone else max(1, min(panels.count, THREAD_BYTES * threads // panels.panel_bytes))
    workspace = <char *> allocate(together * panels.panel_bytes + threads * panels.product_bytes
                                  + (threads * panels.panel_bytes if alone else 0) + table_bytes + MOST_LANES * 4)
    if workspace == NULL:
        return -1
    offsets = <Py_ssize_t *> workspace
    for i in range(job.channels):
        offsets[i] = i * panels.width
    if alone:
        with parallel(num_threads=threads):
            note_team()
            for i in prange(panels.count, schedule="dynamic"):
                panel_task(job, &panels, i, offsets, workspace + table_bytes + threadid() * (panels.panel_bytes + panels.product_bytes))
    else:
        products = workspace + table_bytes + together * panels.panel_bytes
        with parallel(num_threads=threads):
            note_team()
            for first from 0 <= first < panels.count by together:
                for i in prange(min(together, panels.count - first) * channel_steps, schedule="static"):
                    k = i % channel_steps * CHANNEL_STEP
                    transform_panel(job, &panels, first + i // channel_steps, k, min(k + CHANNEL_STEP, job.channels),
                                    workspace + table_bytes + i // channel_steps * panels.panel_bytes)
                for i in prange(min(together, panels.count - first) * output_steps, schedule="dynamic"):
                    k = i % output_steps * PANEL_OUTPUTS
                    multiply_panel(job, &panels, first + i // output_steps, k, min(k + PANEL_OUTPUTS, job.outputs),
                                   workspace + table_bytes + i // output_steps * panels.panel_bytes, offsets,
                                   products + threadid() * panels.product_bytes)
    release(workspace)
    return 0
