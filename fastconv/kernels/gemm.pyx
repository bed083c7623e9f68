"""Matrix products of the dense layers: the register tile of the correlation with packed operands on both sides.

    task: a share of the rows x a share of the columns; as many tasks as threads
      MOST_ROWS rows            (few matrices have more)
        DEPTH of the sums         pack the rows of a: they stay in the second-level cache, or stream from the third
          GROUP panels of columns   pack them
            panel                     it stays in the first-level cache
              tile_rows rows            correlate_tile, which adds to the result

Each result takes its terms in their order, however the work is shared out.
"""
from cython.parallel cimport parallel, prange, threadid
from libc.string cimport memcpy

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, fc_tile, kernels, leave_team, release, threads_for

cdef enum:
    DEPTH = 256                  # of a packed part
    MOST_ROWS = 512              # of a, packed at a time
    GROUP = 4                    # panels packed at a time: then whole cache lines of b are read
    LINE = 16                    # elements of a cache line

cdef struct Matrix:              # element (i, j) = data[i * row + j * column]; one of the strides is 1
    const char *data
    Py_ssize_t row, column

cdef struct Product:             # c (M, N) = a (M, K) b (K, N) + bias (N)
    const fc_kernels *kernel
    Py_ssize_t itemsize, M, N, K
    Matrix a, b
    const char *bias
    bint relu                    # of the sums
    char *c
    Py_ssize_t row_shares, column_shares


cdef inline Py_ssize_t parts(Py_ssize_t count, Py_ssize_t size) noexcept nogil:
    return (count + size - 1) // size


cdef void share_out(Product *job, Py_ssize_t threads) noexcept nogil:
    """The shares of least cost: the products of the largest task, and its packing of both operands."""
    cdef Py_ssize_t width = job.kernel.lanes * job.kernel.tile_vectors
    cdef Py_ssize_t tiles = parts(job.M, job.kernel.tile_rows), panels = parts(job.N, width), rows, columns
    cdef double cost, least = -1, tile = 0.5 * job.kernel.tile_rows * job.kernel.tile_vectors
    for rows in range(1, threads + 1):
        columns = threads // rows
        cost = (tile * parts(tiles, rows) * parts(panels, columns) + job.kernel.tile_rows * parts(tiles, rows)
                + width * parts(panels, columns) * parts(parts(tiles, rows) * job.kernel.tile_rows, MOST_ROWS))
        if least < 0 or cost < least:
            least = cost
            job.row_shares, job.column_shares = min(rows, tiles), min(columns, panels)


cdef void pack(const Product *job, Py_ssize_t along, Py_ssize_t across, Py_ssize_t depth, Py_ssize_t count, Py_ssize_t width,
               const char *start, char *packed) noexcept nogil:
    """`count` rows or columns (stride across) by `depth` (stride along) into blocks of [depth][width]."""
    cdef Py_ssize_t i
    if along == 1:
        for i from 0 <= i < count by width:
            job.kernel.pack_rows(depth, min(width, count - i), width, start + i * across * job.itemsize, across,
                                 packed + i * depth * job.itemsize)
    else:
        job.kernel.pack_lines(depth, count, width, start, along, packed)


cdef void run_task(const Product *job, Py_ssize_t task, char *workspace) noexcept nogil:
    cdef const fc_kernels *kernel = job.kernel
    cdef Py_ssize_t itemsize = job.itemsize, lanes = kernel.lanes, tile_rows = kernel.tile_rows
    cdef Py_ssize_t width = lanes * kernel.tile_vectors
    cdef Py_ssize_t tiles = parts(job.M, tile_rows), panels = parts(job.N, width)
    cdef Py_ssize_t row = task // job.column_shares, column = task % job.column_shares
    cdef Py_ssize_t i_stop = min(job.M, tiles * (row + 1) // job.row_shares * tile_rows)
    cdef Py_ssize_t j_start = panels * column // job.column_shares * width
    cdef Py_ssize_t j_stop = min(job.N, panels * (column + 1) // job.column_shares * width)
    cdef Py_ssize_t i0, rows, k0, depth, group, i, j, v, columns, vectors, step = max(LINE, tile_rows)
    cdef Py_ssize_t *offsets = <Py_ssize_t *> workspace
    cdef char *a = <char *> (offsets + DEPTH)
    cdef char *b = a + a_bytes(job)
    cdef char *c
    cdef char *panel
    cdef fc_tile tile
    tile.bias = NULL
    tile.output_row, tile.weights_step, tile.offsets, tile.packed = job.N, tile_rows, offsets, True
    for k0 in range(DEPTH):
        offsets[k0] = k0 * width
    for i0 from tiles * row // job.row_shares * tile_rows <= i0 < i_stop by MOST_ROWS:
        rows = min(MOST_ROWS, i_stop - i0)
        for k0 from 0 <= k0 < job.K by DEPTH:
            depth = min(DEPTH, job.K - k0)
            tile.depth = depth
            tile.accumulate = k0 > 0 or job.bias != NULL
            tile.relu = job.relu and k0 + depth == job.K
            for i from 0 <= i < rows by step:
                pack(job, job.a.column, job.a.row, depth, min(step, rows - i), tile_rows,
                     job.a.data + ((i0 + i) * job.a.row + k0 * job.a.column) * itemsize, a + i * depth * itemsize)
            for group from j_start <= group < j_stop by GROUP * width:
                pack(job, job.b.row, job.b.column, depth, min(GROUP * width, j_stop - group), width,
                     job.b.data + (k0 * job.b.row + group * job.b.column) * itemsize, b)
                for j from group <= j < min(j_stop, group + GROUP * width) by width:
                    columns = min(width, j_stop - j)
                    vectors = parts(columns, lanes)
                    panel = b + (j - group) * depth * itemsize
                    c = job.c + (i0 * job.N + j) * itemsize
                    if k0 == 0 and job.bias != NULL:
                        for i in range(rows):
                            memcpy(c + i * job.N * itemsize, job.bias + j * itemsize, columns * itemsize)
                    for v in range(vectors):
                        tile.source[v] = panel + v * lanes * itemsize
                        tile.count[v] = min(lanes, columns - v * lanes)
                    for i from 0 <= i < rows by tile_rows:
                        tile.weights = a + i * depth * itemsize
                        for v in range(vectors):
                            tile.output[v] = c + (i * job.N + v * lanes) * itemsize
                        kernel.correlate_tile(&tile, min(tile_rows, rows - i), vectors)


cdef Py_ssize_t a_bytes(const Product *job) noexcept nogil:
    cdef Py_ssize_t tile_rows = job.kernel.tile_rows
    cdef Py_ssize_t rows = min(MOST_ROWS, parts(parts(job.M, tile_rows), job.row_shares) * tile_rows)
    return parts((rows + tile_rows) * min(DEPTH, job.K) * job.itemsize, 64) * 64


cdef int product(Product *job) noexcept nogil:
    """Run the job; -1 when memory is out."""
    cdef Py_ssize_t width = job.kernel.lanes * job.kernel.tile_vectors
    cdef Py_ssize_t a_thread, tasks, task
    cdef int threads
    cdef char *workspace
    cdef unsigned int mode = 0
    if job.M == 0 or job.N == 0:
        return 0
    share_out(job, threads_for(<double> job.M * job.N * job.K))
    tasks = job.row_shares * job.column_shares
    threads = <int> tasks
    a_thread = (DEPTH * sizeof(Py_ssize_t) + a_bytes(job)
                + parts((min(GROUP, parts(job.N, width)) * min(DEPTH, job.K) + 1) * width * job.itemsize, 64) * 64)
    workspace = <char *> allocate(threads * a_thread)
    if workspace == NULL:
        return -1
    if threads == 1:                     # a team of one would cost as much as a small layer
        run_task(job, 0, workspace)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for task in prange(tasks, schedule="static"):
                run_task(job, task, workspace + threadid() * a_thread)
            leave_team(mode)
    release(workspace)
    return 0


cdef int dense_product(Py_ssize_t itemsize, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, const char *a, const char *b, const char *bias,
                       bint relu, char *c) noexcept nogil:
    cdef Product job
    job.kernel, job.itemsize, job.bias, job.relu, job.c = kernels(itemsize), itemsize, bias, relu, c
    job.M, job.N, job.K = M, N, K
    job.a = Matrix(data=a, row=K, column=1)
    job.b = Matrix(data=b, row=1, column=K)
    return product(&job)


cdef int start(Product *job, Array *a, Array *b, Array *c) except -1:
    job.kernel = kernels(c.itemsize)
    job.itemsize = c.itemsize
    job.bias, job.relu = NULL, False
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
    cdef int status
    cdef unsigned int mode = 0
    b.data = NULL
    view(input, &x)
    view(weight, &w)
    view(output, &y, True)
    if bias is not None:
        view(bias, &b)
    with nogil:
        mode = enter_team()
        status = dense_product(x.itemsize, y.shape[0], y.shape[1], x.shape[1], x.data, w.data, b.data, False, y.data)
        leave_team(mode)
    if status != 0:
        raise MemoryError("linear: no memory for the workspace")


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
