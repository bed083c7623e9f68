"""Matrix products of the dense layers: the register tile of the correlation with packed operands on both sides."""
from cython.parallel cimport parallel, prange, threadid
from libc.string cimport memcpy

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, fc_tile, kernels, leave_team, release, threads_for

cdef enum:
    DEPTH = 256                  # of a packed part
    BLOCK_ROWS = 96              # rows of the result a task
    BLOCK_PANELS = 4             # panels of columns a task

cdef struct Matrix:              # element (i, j) = data[i * row + j * column]; one of the strides is 1
    const char *data
    Py_ssize_t row, column

cdef struct Product:             # c (M, N) = a (M, K) b (K, N) + bias (N)
    const fc_kernels *kernel
    Py_ssize_t itemsize, M, N, K
    Matrix a, b
    const char *bias
    char *c
    Py_ssize_t row_blocks, column_blocks


cdef void pack(const Product *job, const Matrix *matrix, Py_ssize_t along, Py_ssize_t across, Py_ssize_t depth, Py_ssize_t count,
               Py_ssize_t width, const char *start, Py_ssize_t *offsets, char *packed) noexcept nogil:
    """`count` rows or columns (stride across) by `depth` (stride along) into [depth][width]."""
    cdef Py_ssize_t k
    if along == 1:
        job.kernel.pack_rows(depth, count, width, start, across, packed)
    else:
        for k in range(depth):
            offsets[k] = k * along
        job.kernel.pack_gather(depth, count, width, start, across, offsets, packed)


cdef void run_task(const Product *job, Py_ssize_t task, char *workspace) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t itemsize = job.itemsize, lanes = kernel.lanes, tile_rows = kernel.tile_rows
    cdef Py_ssize_t width = lanes * kernel.tile_vectors
    cdef Py_ssize_t i0 = task // job.column_blocks * BLOCK_ROWS
    cdef Py_ssize_t j_start = task % job.column_blocks * BLOCK_PANELS * width
    cdef Py_ssize_t rows = min(BLOCK_ROWS, job.M - i0), j_stop = min(job.N, j_start + BLOCK_PANELS * width)
    cdef Py_ssize_t k0, depth, i, j, v, columns, vectors
    cdef Py_ssize_t *offsets = <Py_ssize_t *> workspace
    cdef Py_ssize_t *panel_offsets = offsets + DEPTH
    cdef char *a = <char *> (panel_offsets + DEPTH)
    cdef char *b = a + (BLOCK_ROWS + tile_rows) * DEPTH * itemsize
    cdef char *c
    cdef fc_tile tile
    tile.bias = NULL
    tile.output_row = job.N
    tile.offsets = panel_offsets
    for k0 in range(DEPTH):
        panel_offsets[k0] = k0 * width
    for i in range(rows):
        c = job.c + ((i0 + i) * job.N + j_start) * itemsize
        if job.bias != NULL:
            memcpy(c, job.bias + j_start * itemsize, (j_stop - j_start) * itemsize)
        else:
            kernel.fill(j_stop - j_start, 0, c)
    tile.accumulate, tile.weights_step = 1, tile_rows
    for k0 from 0 <= k0 < job.K by DEPTH:
        depth = min(DEPTH, job.K - k0)
        tile.depth = depth
        for i from 0 <= i < rows by tile_rows:
            pack(job, &job.a, job.a.column, job.a.row, depth, min(tile_rows, rows - i), tile_rows,
                 job.a.data + ((i0 + i) * job.a.row + k0 * job.a.column) * itemsize, offsets, a + i * depth * itemsize)
        for j from j_start <= j < j_stop by width:
            columns = min(width, j_stop - j)
            vectors = (columns + lanes - 1) // lanes
            pack(job, &job.b, job.b.row, job.b.column, depth, columns, width,
                 job.b.data + (k0 * job.b.row + j * job.b.column) * itemsize, offsets, b)
            for i from 0 <= i < rows by tile_rows:
                tile.weights = a + i * depth * itemsize
                for v in range(vectors):
                    tile.source[v] = b + v * lanes * itemsize
                    tile.output[v] = job.c + ((i0 + i) * job.N + j + v * lanes) * itemsize
                    tile.count[v] = min(lanes, columns - v * lanes)
                kernel.correlate_tile(&tile, min(tile_rows, rows - i), vectors)


cdef int product(Product *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t width = job.kernel.lanes * job.kernel.tile_vectors
    cdef Py_ssize_t a_thread, tasks, task
    cdef int threads
    cdef char *workspace
    cdef unsigned int mode = 0
    if job.M == 0 or job.N == 0:
        return 0
    job.row_blocks = (job.M + BLOCK_ROWS - 1) // BLOCK_ROWS
    job.column_blocks = (job.N + BLOCK_PANELS * width - 1) // (BLOCK_PANELS * width)
    tasks = job.row_blocks * job.column_blocks
    threads = <int> min(threads_for(<double> job.M * job.N * job.K), tasks)
    a_thread = (2 * DEPTH * sizeof(Py_ssize_t)
                + ((BLOCK_ROWS + job.kernel.tile_rows) * DEPTH + width * (DEPTH + 1)) * job.itemsize + 63) // 64 * 64
    workspace = <char *> allocate(threads * a_thread)
    if workspace == NULL:
        return -1
    with parallel(num_threads=threads):
        mode = enter_team()
        for task in prange(tasks, schedule="static"):
            run_task(job, task, workspace + threadid() * a_thread)
        leave_team(mode)
    release(workspace)
    return 0


cdef int start(Product *job, Array *a, Array *b, Array *c) except -1:
    job.kernel = kernels(c.itemsize)
    job.itemsize = c.itemsize
    job.bias = NULL
    job.a.data, job.b.data, job.c = a.data, b.data, c.data
    job.M, job.N = c.shape[0], c.shape[1]
    return 0


cdef int finish(Product *job) except -1:
    cdef int status
    cdef unsigned int mode = 0
    with nogil:
        mode = enter_team()
        status = product(job)
        leave_team(mode)
    if status != 0:
        raise MemoryError("linear: no memory for the workspace")
    return 0


def linear_forward(input, weight, bias, output):
    cdef Array x, w, b, y
    cdef Product job
    view(input, &x)
    view(weight, &w)
    view(output, &y, True)
    start(&job, &x, &w, &y)
    if bias is not None:
        view(bias, &b)
        job.bias = b.data
    job.K = x.shape[1]
    job.a.row, job.a.column = job.K, 1
    job.b.row, job.b.column = 1, job.K
    finish(&job)


def linear_backward_input(grad_output, weight, grad_input):
    cdef Array g, w, x
    cdef Product job
    view(grad_output, &g)
    view(weight, &w)
    view(grad_input, &x, True)
    start(&job, &g, &w, &x)
    job.K = g.shape[1]
    job.a.row, job.a.column = job.K, 1
    job.b.row, job.b.column = job.N, 1
    finish(&job)


def linear_backward_weight(grad_output, input, grad_weight):
    cdef Array g, x, w
    cdef Product job
    view(grad_output, &g)
    view(input, &x)
    view(grad_weight, &w, True)
    start(&job, &g, &x, &w)
    job.K = g.shape[0]
    job.a.row, job.a.column = 1, job.M
    job.b.row, job.b.column = job.N, 1
    finish(&job)


def linear_backward_bias(grad_output, grad_bias):
    cdef Array g, b
    cdef unsigned int mode = 0
    view(grad_output, &g)
    view(grad_bias, &b, True)
    with nogil:
        mode = enter_team()
        kernels(g.itemsize).sum_rows(g.shape[0], g.shape[1], g.data, g.shape[1], b.data)
        leave_team(mode)
