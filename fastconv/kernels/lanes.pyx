"""Networks with the images in the lanes: their tables, and the threads over chunks of a batch."""
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cython.parallel cimport parallel, prange, threadid
from libc.stdint cimport int64_t
from libc.string cimport memset

from time import perf_counter

from fastconv.kernels.arrays cimport Array, view, view_images
from fastconv.kernels.dataflow cimport choose_as_lanes, line_tile
from fastconv.kernels.elementwise import function_number
from fastconv.kernels.lane_backward cimport backward, finish_shard, operate_backward, pack_backward, start_shard
from fastconv.kernels.lane_forward cimport forward, operate, pack_forward
from fastconv.kernels.lanes cimport CONVOLUTION, DENSE, MAXIMUM, MEAN, POINTS, POINTWISE, Lanes, Maps, Operation, element, even_part
from fastconv.kernels.layer cimport Layer, describe
from fastconv.kernels.runtime cimport allocate, barrier, enter_team, fc_kernels, kernels, leave_team, release, threads_for
from fastconv.kernels.slab cimport ceil_div, ceil_to

cdef enum:
    MOST_SHARDS = 16             # sums of weight gradients that are taken apart and then added, in their order, whatever the threads
    MOST_LANES = 16
    PART = 4096                  # elements of a sum over the shards that a task takes

_KINDS = {"conv": CONVOLUTION, "dense": DENSE, "max": MAXIMUM, "mean": MEAN, "pointwise": POINTWISE}


cdef struct Part:                # of a weight's gradient
    const Operation *operation
    Py_ssize_t start, count


cdef struct Batch:               # of images where they lie
    const char *images
    const int64_t *indices       # which; or NULL: from `first` on
    const int64_t *labels        # of all images, or NULL
    Py_ssize_t first, count, itemsize
    double scale, shift
    Py_ssize_t down, right       # the images are moved; zeros come in
    const char *blank            # a row of them


cdef void lay_maps(Maps *maps, Py_ssize_t *vectors, Py_ssize_t C, Py_ssize_t H, Py_ssize_t W, Py_ssize_t top=0, Py_ssize_t left=0,
                   Py_ssize_t bottom=0, Py_ssize_t right=0, Py_ssize_t step_h=1, Py_ssize_t step_w=1) noexcept:
    """The next place in the arena, with a border that stays zero, and zeros between the elements where they are steps apart."""
    cdef Py_ssize_t pitch = left + (W - 1) * step_w + 1 + right
    maps.C, maps.H, maps.W, maps.step, maps.row = C, H, W, step_w, pitch * step_h
    maps.plane = pitch * (top + (H - 1) * step_h + 1 + bottom)
    maps.origin, maps.place = top * pitch + left, vectors[0]
    vectors[0] += C * maps.plane


cdef void flatten_maps(Maps *maps) noexcept:
    """Without a border, the same elements as so many channels of one pixel."""
    maps.C, maps.H, maps.W, maps.step, maps.row, maps.plane, maps.origin = maps.C * maps.H * maps.W, 1, 1, 1, 1, 1, 0


cdef class Network:
    """Forward and training steps over batches, images in the lanes.

    input_shape: (C, H, W). operations: in their order,
        ("conv", weight, bias, activation, (stride_h, ..., dil_w), (OH, OW)), ("dense", weight, bias, activation),
        ("max", (KH, KW, stride_h, ..., dil_w), (OH, OW)), ("mean", the same, the same, [divisor of a column], [of a row]),
        ("pointwise", activation); activations "relu", "sigmoid", "tanh" or None. Biases may be None.
    gradients: for each conv and dense (grad_weight, grad_bias), which `step` writes; or None, for `forward` alone.
    winograd: whether convolutions may filter their rows by Winograd's algorithm: those that do so as a prepared layer for the lanes.
    The arrays are kept and read as they lie: call `pack` when weights have changed. One call at a time.
    """

    cdef Lanes net
    cdef list arrays             # they own what the operations point at
    cdef readonly Py_ssize_t macs
    cdef bint training, winograd
    cdef Py_ssize_t shard_size, shard_biases, part_count
    cdef Part *parts
    cdef char *arenas
    cdef char *shards
    cdef double *biases
    cdef double *losses
    cdef int64_t *hits
    cdef Py_ssize_t arena_count, shard_count, image_count
    cdef char *blank

    def __init__(self, Py_ssize_t itemsize, input_shape, operations, gradients=None, bint winograd=False):
        cdef Py_ssize_t i, C, H, W
        self.net.kernel, self.net.itemsize, self.net.count = kernels(itemsize), itemsize, len(operations)
        self.net.lanes = self.net.kernel.lanes
        self.training, self.winograd, self.arrays = gradients is not None, winograd, [operations, gradients]
        self.net.operations = <Operation *> PyMem_Calloc(max(1, self.net.count), sizeof(Operation))
        if self.net.operations == NULL:
            raise MemoryError("lanes: no memory for the operations")
        C, H, W = input_shape
        left = iter(gradients or ())
        for i, operation in enumerate(operations):
            arrays = next(left) if self.training and operation[0] in ("conv", "dense") else None
            self._describe(&self.net.operations[i], operation, C, H, W, arrays)
            C, H, W = self.net.operations[i].target.C, self.net.operations[i].target.H, self.net.operations[i].target.W
        C, H, W = input_shape
        self._lay_out(C, H, W)
        if self.training:
            self._lay_out_gradients()
        self._tables()
        self.pack()

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.net.operations != NULL:
            for i in range(self.net.count):
                release(self.net.operations[i].packed)
                release(self.net.operations[i].filters)
                release(self.net.operations[i].filter_points)
                release(self.net.operations[i].row_offsets)
                release(self.net.operations[i].turned)
                release(self.net.operations[i].offsets)
                release(self.net.operations[i].turned_offsets)
                release(self.net.operations[i].turned_sources)
                release(self.net.operations[i].divisors)
                release(self.net.operations[i].factors)
        PyMem_Free(self.net.operations)
        PyMem_Free(self.parts)
        release(self.arenas)
        release(self.shards)
        release(self.biases)
        release(self.losses)
        release(self.hits)
        release(self.blank)

    cdef int _describe(self, Operation *op, tuple told, Py_ssize_t C, Py_ssize_t H, Py_ssize_t W, gradients) except -1:
        """Everything but the places."""
        cdef Array array
        op.kind = _KINDS[told[0]]
        op.source.C, op.source.H, op.source.W = C, H, W
        op.target = op.source
        op.KH = op.KW = op.stride_h = op.stride_w = op.dil_h = op.dil_w = 1
        if op.kind == CONVOLUTION or op.kind == DENSE:
            view(told[1], &array)
            op.weight = array.data
            op.target.C, op.depth = array.shape[0], array.size // array.shape[0]
            if told[2] is not None:
                view(told[2], &array)
                op.bias = array.data
            if op.kind == CONVOLUTION:
                op.stride_h, op.stride_w, op.pad_h, op.pad_w, op.dil_h, op.dil_w = told[4]
                op.target.H, op.target.W = told[5]
                op.KH, op.KW = told[1].shape[2], told[1].shape[3]
                if self.winograd:
                    op.m = self._line_tile(op, told[1])
            else:
                op.target.H = op.target.W = 1
            self.macs += op.target.C * op.target.H * op.target.W * op.depth
            if gradients is not None:
                view(gradients[0], &array, True)
                op.grad_weight = array.data
                if gradients[1] is not None:
                    view(gradients[1], &array, True)
                    op.grad_bias = array.data
            op.activation = -1 if told[3] is None else function_number(told[3])
        elif op.kind == POINTWISE:
            op.activation = function_number(told[1])
        else:
            op.KH, op.KW, op.stride_h, op.stride_w, op.pad_h, op.pad_w, op.dil_h, op.dil_w = told[1]
            op.target.H, op.target.W = told[2]
            op.overlapping = (op.KH - 1) * op.dil_h >= op.stride_h or (op.KW - 1) * op.dil_w >= op.stride_w
            if op.kind == MEAN:
                self._divide(op, told[3], told[4])
        return 0

    cdef int _line_tile(self, const Operation *op, weight) except -1:
        cdef Array w
        cdef Layer layer
        view_images(weight, &w)
        describe(&layer, &w, op.source.H, op.source.W, op.target.H, op.target.W, op.stride_h, op.stride_w, op.pad_h, op.pad_w, op.dil_h,
                 op.dil_w, 1)
        layer.shape.lanes = self.net.lanes
        return line_tile(choose_as_lanes(&layer.shape))

    cdef int _divide(self, Operation *op, columns, rows) except -1:
        cdef Py_ssize_t i
        op.divisors = <char *> reserve(op.target.W * self.net.itemsize)  # kept at once, should there be none for the next
        op.factors = <double *> reserve(op.target.H * sizeof(double))
        for i in range(op.target.W):
            self.net.kernel.fill(1, columns[i], op.divisors + i * self.net.itemsize)
        for i in range(op.target.H):
            op.factors[i] = rows[i]
        return 0

    cdef int _lay_out(self, Py_ssize_t C, Py_ssize_t H, Py_ssize_t W) except -1:
        """The tensors between the operations, each with the border that its reader needs."""
        cdef Py_ssize_t i
        cdef Py_ssize_t *vectors = &self.net.vectors
        cdef Maps maps
        cdef Operation *op
        for i in range(self.net.count):
            op = &self.net.operations[i]
            if op.kind == CONVOLUTION:
                lay_maps(&maps, vectors, op.source.C, op.source.H, op.source.W, op.pad_h, op.pad_w,
                         max(0, (op.target.H - 1) * op.stride_h + (op.KH - 1) * op.dil_h - op.pad_h - (op.source.H - 1)),
                         max(0, (op.target.W - 1) * op.stride_w + (op.KW - 1) * op.dil_w - op.pad_w - (op.source.W - 1)
                             + (ceil_to(op.target.W, op.m) - op.target.W if op.m > 0 else 0)))
            else:
                lay_maps(&maps, vectors, op.source.C, op.source.H, op.source.W)
            op.source = maps
            if i == 0:
                self.net.input = maps
            else:
                self.net.operations[i - 1].target = maps
            if op.kind == DENSE:
                flatten_maps(&op.source)
            if op.kind == CONVOLUTION or op.kind == DENSE:
                op.width = run_width(self.net.kernel, op.target.C, op.target.W)
            if op.m > 0:
                op.points_place = vectors[0]
                op.row_sums_place = vectors[0] + op.source.C * (op.target.H + op.KH - 1) * ceil_div(op.target.W, op.m) * POINTS
                vectors[0] = op.row_sums_place + op.width * ceil_div(op.target.W, op.m) * POINTS + 1
        op = &self.net.operations[self.net.count - 1]
        lay_maps(&op.target, vectors, op.target.C, op.target.H, op.target.W)
        return 0

    cdef int _lay_out_gradients(self) except -1:
        """The gradients of those tensors, each with the border and the steps that its reader, the operation before, needs."""
        cdef Py_ssize_t i, height, width
        cdef Py_ssize_t *vectors = &self.net.vectors
        cdef Maps maps
        cdef Operation *op
        for i in range(self.net.count):
            op = &self.net.operations[i]
            if op.kind == CONVOLUTION and i > 0:
                height, width = (op.target.H - 1) * op.stride_h, (op.target.W - 1) * op.stride_w
                lay_maps(&maps, vectors, op.target.C, op.target.H, op.target.W, max(0, (op.KH - 1) * op.dil_h - op.pad_h),
                         max(0, (op.KW - 1) * op.dil_w - op.pad_w), max(0, op.source.H - 1 + op.pad_h - height),
                         max(0, op.source.W - 1 + op.pad_w - width), op.stride_h, op.stride_w)
            else:
                lay_maps(&maps, vectors, op.target.C, op.target.H, op.target.W)
            op.target_gradient = maps
            if i + 1 < self.net.count:
                self.net.operations[i + 1].source_gradient = maps
                if self.net.operations[i + 1].kind == DENSE:
                    flatten_maps(&self.net.operations[i + 1].source_gradient)
            if op.kind == CONVOLUTION:
                op.sums_place = vectors[0]
                vectors[0] += op.target.C * op.depth
            if op.kind == CONVOLUTION or op.kind == DENSE:
                op.gradient_place, op.bias_place = self.shard_size, self.shard_biases
                self.shard_size += ceil_to(op.target.C * op.depth, self.net.lanes)
                self.shard_biases += ceil_to(op.target.C, 8)
            if op.kind == DENSE:
                self.net.scratch_row = max(self.net.scratch_row, ceil_to(max(op.depth, op.target.C), self.net.lanes) + self.net.lanes)
        self.net.scratch = vectors[0]
        vectors[0] += 2 * self.net.scratch_row
        return 0

    cdef int _tables(self) except -1:
        """The offsets of each step of the depth, and room for the packed weights."""
        cdef Py_ssize_t i, k, c, kh, kw, o, taps, lanes = self.net.lanes
        cdef Operation *op
        for i in range(self.net.count):
            op = &self.net.operations[i]
            if op.kind != CONVOLUTION and op.kind != DENSE:
                continue
            taps = op.KH * op.KW
            op.packed = <char *> reserve(ceil_to(op.target.C, op.width) * op.depth * self.net.itemsize)
            op.offsets = <Py_ssize_t *> reserve(op.depth * sizeof(Py_ssize_t))
            for k in range(op.depth):
                c, kh, kw = k // taps, k // op.KW % op.KH, k % op.KW
                op.offsets[k] = (c * op.source.plane + kh * op.dil_h * op.source.row + kw * op.dil_w * op.source.step) * lanes
            if op.m > 0:
                self._filter_tables(op)
            if not self.training or i == 0:
                continue
            op.turned_depth = taps * op.target.C
            op.turned_width = run_width(self.net.kernel, op.depth // taps, op.source_gradient.W)
            op.turned = <char *> reserve(ceil_to(op.depth // taps, op.turned_width) * op.turned_depth * self.net.itemsize)
            op.turned_offsets = <Py_ssize_t *> reserve(op.turned_depth * sizeof(Py_ssize_t))
            op.turned_sources = <Py_ssize_t *> reserve(op.turned_depth * sizeof(Py_ssize_t))
            for k in range(op.turned_depth):
                kh, o, kw = k // (op.target.C * op.KW), k // op.KW % op.target.C, k % op.KW
                op.turned_offsets[k] = (o * op.target_gradient.plane + kh * op.dil_h * (op.target_gradient.row // op.stride_h)
                                        + kw * op.dil_w) * lanes
                op.turned_sources[k] = o * op.depth + (op.KH - 1 - kh) * op.KW + op.KW - 1 - kw
        self.blank = <char *> reserve(max(1, self.net.input.W) * self.net.itemsize)
        memset(self.blank, 0, max(1, self.net.input.W) * self.net.itemsize)
        if self.training:
            self._part()
        return 0

    cdef int _filter_tables(self, Operation *op) except -1:
        """The offsets of each step of the depth in the points, and room for the filters' own."""
        cdef Py_ssize_t k, lanes = self.net.lanes, line = ceil_div(op.target.W, op.m) * lanes
        op.row_depth = op.depth // op.KW
        op.filters = <char *> reserve(ceil_to(op.target.C, op.width) * op.row_depth * POINTS * self.net.itemsize)
        op.filter_points = <char *> reserve(ceil_to(op.target.C, lanes) * op.row_depth * POINTS * self.net.itemsize)
        op.row_offsets = <Py_ssize_t *> reserve(op.row_depth * sizeof(Py_ssize_t))
        for k in range(op.row_depth):
            op.row_offsets[k] = (k // op.KH * (op.target.H + op.KH - 1) + k % op.KH) * line
        return 0

    cdef int _part(self) except -1:
        cdef Py_ssize_t i, start, count = 0
        cdef Operation *op
        for i in range(self.net.count):
            op = &self.net.operations[i]
            count += ceil_div(op.target.C * op.depth, PART)
        self.parts = <Part *> PyMem_Calloc(max(1, count), sizeof(Part))
        if self.parts == NULL:
            raise MemoryError("lanes: no memory for the operations")
        for i in range(self.net.count):
            op = &self.net.operations[i]
            for start from 0 <= start < op.target.C * op.depth by PART:
                self.parts[self.part_count] = Part(operation=op, start=start, count=min(PART, op.target.C * op.depth - start))
                self.part_count += 1
        return 0

    @property
    def lanes(self):
        """Images of a chunk."""
        return self.net.lanes

    @property
    def arena_bytes(self):
        """Of one thread."""
        return self.net.vectors * self.net.lanes * self.net.itemsize

    def pack(self):
        """Reads the weights as they are now."""
        with nogil:
            self._pack()

    cdef void _pack(self) noexcept nogil:
        cdef Py_ssize_t i
        cdef unsigned int mode = enter_team()
        for i in range(self.net.count):
            if self.net.operations[i].packed != NULL:
                pack_forward(&self.net, &self.net.operations[i])
            if self.net.operations[i].turned != NULL:
                pack_backward(&self.net, &self.net.operations[i])
        leave_team(mode)

    cdef int _room(self, int threads, Py_ssize_t shards, Py_ssize_t images) except -1:
        """Memory for so many; what is there is kept. Borders are zero from the start."""
        cdef Py_ssize_t size = ceil_to(self.net.vectors * self.net.lanes * self.net.itemsize, 64)
        if threads > self.arena_count:
            release(self.arenas)
            self.arenas, self.arena_count = NULL, 0
            self.arenas = <char *> reserve(threads * size)
            memset(self.arenas, 0, threads * size)
            self.arena_count = threads
        if shards > self.shard_count:
            release(self.shards)
            release(self.biases)
            self.shards, self.biases, self.shard_count = NULL, NULL, 0
            self.shards = <char *> reserve(shards * self.shard_size * self.net.itemsize)
            self.biases = <double *> reserve(shards * self.shard_biases * sizeof(double))
            self.shard_count = shards
        if images > self.image_count:
            release(self.losses)
            release(self.hits)
            self.losses, self.hits, self.image_count = NULL, NULL, 0
            self.losses = <double *> reserve(images * sizeof(double))
            self.hits = <int64_t *> reserve(images * sizeof(int64_t))
            self.image_count = images
        return 0

    cdef void _load(self, const Batch *batch, Py_ssize_t chunk, char *arena) noexcept nogil:
        """The chunk's images into the input's maps."""
        cdef const Maps *maps = &self.net.input
        cdef Py_ssize_t c, y, i, n, low, high, images = min(self.net.lanes, batch.count - chunk * self.net.lanes)
        cdef Py_ssize_t size = maps.C * maps.H * maps.W
        cdef const char *image[MOST_LANES]
        cdef const void *rows[MOST_LANES]
        cdef const void *blanks[MOST_LANES]
        cdef bint plain = maps.plane == maps.H * maps.W and batch.down == 0 and batch.right == 0
        for i in range(images):
            n = chunk * self.net.lanes + i
            image[i] = batch.images + (batch.indices[n] if batch.indices != NULL else batch.first + n) * size * batch.itemsize
            rows[i], blanks[i] = image[i], batch.blank
        if plain:
            self.net.kernel.lane_images(batch.itemsize == 1, images, size, rows, batch.scale, batch.shift,
                                        element(&self.net, arena, maps, 0, 0, 0))
            return
        low, high = min(max(batch.right, 0), maps.W), max(maps.W + min(batch.right, 0), 0)
        for c in range(maps.C):
            for y in range(maps.H):
                if not 0 <= y - batch.down < maps.H or low >= high:
                    self.net.kernel.lane_images(batch.itemsize == 1, images, maps.W, blanks, batch.scale, batch.shift,
                                                element(&self.net, arena, maps, c, y, 0))
                    continue
                for i in range(images):
                    rows[i] = image[i] + ((c * maps.H + y - batch.down) * maps.W + low - batch.right) * batch.itemsize
                self.net.kernel.lane_images(batch.itemsize == 1, images, high - low, rows, batch.scale, batch.shift,
                                            element(&self.net, arena, maps, c, y, low))
                if low > 0:
                    self.net.kernel.lane_images(batch.itemsize == 1, images, low, blanks, batch.scale, batch.shift,
                                                element(&self.net, arena, maps, c, y, 0))
                if high < maps.W:
                    self.net.kernel.lane_images(batch.itemsize == 1, images, maps.W - high, blanks, batch.scale, batch.shift,
                                                element(&self.net, arena, maps, c, y, high))

    def forward(self, x, y):
        """The outputs y (N, ...) of the images x (N, C, H, W), both of the network's element type."""
        cdef Array images, outputs
        cdef Batch batch
        view(x, &images)
        view(y, &outputs, True)
        batch.images, batch.indices, batch.labels, batch.first, batch.count = images.data, NULL, NULL, 0, images.shape[0]
        batch.itemsize, batch.scale, batch.shift, batch.down, batch.right, batch.blank = self.net.itemsize, 1, 0, 0, 0, self.blank
        cdef Py_ssize_t chunks = ceil_div(batch.count, self.net.lanes)
        cdef int threads = <int> min(threads_for(<double> self.macs * batch.count), chunks)
        self._room(threads, 0, 0)
        with nogil:
            self._forward(&batch, chunks, threads, outputs.data)

    cdef void _forward(self, const Batch *batch, Py_ssize_t chunks, int threads, char *outputs) noexcept nogil:
        cdef Py_ssize_t chunk, size = ceil_to(self.net.vectors * self.net.lanes * self.net.itemsize, 64)
        cdef const Maps *last = &self.net.operations[self.net.count - 1].target
        cdef Py_ssize_t features = last.C * last.H * last.W
        cdef char *arena
        cdef unsigned int mode = 0
        with parallel(num_threads=threads):
            mode = enter_team()
            for chunk in prange(chunks, schedule="static"):
                arena = self.arenas + threadid() * size
                self._load(batch, chunk, arena)
                forward(&self.net, arena)
                self.net.kernel.turn_out(min(self.net.lanes, batch.count - chunk * self.net.lanes), 1, features,
                                         element(&self.net, arena, last, 0, 0, 0), 0,
                                         outputs + chunk * self.net.lanes * features * self.net.itemsize, features, 0)
            leave_team(mode)

    def step(self, images, labels, indices, Py_ssize_t first, Py_ssize_t count, double scale=1, double shift=0, Py_ssize_t down=0,
             Py_ssize_t right=0, bint squared=False, bint train=True):
        """(loss, how many were right) over a batch; with `train` also the gradients of the mean loss.

        images: (M, C, H, W), bytes (which become byte * scale - shift) or of the network's element type; labels: int64 (M,).
        indices: int64, which `count` images; None: those from `first` on. down, right: the images are moved so far.
        squared: the loss is that of mse_loss against one-hot classes, not cross_entropy. None where a label is no class.
        """
        cdef Array x, t, order
        cdef Batch batch
        cdef Py_ssize_t chunks = ceil_div(count, self.net.lanes), shards = min(chunks, MOST_SHARDS)
        cdef Py_ssize_t classes = self.net.operations[self.net.count - 1].target.C, i, n, right_ones = 0
        cdef double total = 0, share = 1 / <double> (count * classes if squared else count)
        cdef int threads
        view(images, &x)
        view(labels, &t)
        batch.images, batch.labels, batch.indices, batch.first, batch.count = x.data, <int64_t *> t.data, NULL, first, count
        batch.itemsize, batch.scale, batch.shift, batch.down, batch.right, batch.blank = x.itemsize, scale, shift, down, right, self.blank
        if indices is not None:
            view(indices, &order)
            batch.indices = <int64_t *> order.data
        for i in range(count):
            n = batch.indices[i] if batch.indices != NULL else first + i
            if not 0 <= batch.labels[n] < classes:
                return None
        threads = <int> min(threads_for(<double> self.macs * count * (3 if train else 1)), shards)
        self._room(threads, shards if train else 0, count)
        with nogil:
            self._run(&batch, chunks, shards, threads, share, squared, train)
            for i in range(count):
                total += self.losses[i]
                right_ones += self.hits[i]
        return total * share, right_ones

    cdef void _run(self, const Batch *batch, Py_ssize_t chunks, Py_ssize_t shards, int threads, double share, bint squared,
                   bint train) noexcept nogil:
        cdef Py_ssize_t shard, i
        cdef unsigned int mode = 0
        if train:
            self._pack()
        with parallel(num_threads=threads):
            mode = enter_team()
            for shard in prange(shards, schedule="static"):
                self._shard(batch, shard, shard * chunks // shards, (shard + 1) * chunks // shards, threadid(), share, squared, train)
            if train:
                barrier()
                for i in prange(self.part_count, schedule="static"):
                    self._sum_part(&self.parts[i], shards)
            leave_team(mode)
        if train:
            self._sum_biases(shards)

    cdef void _shard(self, const Batch *batch, Py_ssize_t shard, Py_ssize_t start, Py_ssize_t stop, int thread, double share, bint squared,
                     bint train) noexcept nogil:
        cdef Py_ssize_t chunk, i, n, images, size = ceil_to(self.net.vectors * self.net.lanes * self.net.itemsize, 64)
        cdef const Operation *last = &self.net.operations[self.net.count - 1]
        cdef char *arena = self.arenas + thread * size
        cdef char *mine = self.shards + shard * self.shard_size * self.net.itemsize
        cdef double *biases = self.biases + shard * self.shard_biases
        cdef int64_t labels[MOST_LANES]
        cdef char *gradient = NULL
        if train:
            memset(mine, 0, self.shard_size * self.net.itemsize)
            memset(biases, 0, self.shard_biases * sizeof(double))
            start_shard(&self.net, arena)
            gradient = element(&self.net, arena, &last.target_gradient, 0, 0, 0)
        for chunk in range(start, stop):
            images = min(self.net.lanes, batch.count - chunk * self.net.lanes)
            for i in range(images):
                n = chunk * self.net.lanes + i
                labels[i] = batch.labels[batch.indices[n] if batch.indices != NULL else batch.first + n]
            self._load(batch, chunk, arena)
            forward(&self.net, arena)
            self.net.kernel.lane_loss(squared, last.target.C, images, element(&self.net, arena, &last.target, 0, 0, 0), labels, share,
                                      gradient, self.losses + chunk * self.net.lanes, self.hits + chunk * self.net.lanes)
            if train:
                backward(&self.net, arena, mine, biases)
        if train:
            finish_shard(&self.net, arena, mine)

    def profile(self, images, labels, double scale=1, double shift=0):
        """Where one thread's time goes, in seconds over these images: (loading, [forward of an operation], loss, [backward of one]).

        images, labels: as `step` takes them, in their order; labels None: forward alone. No gradient of the layers is written.
        """
        cdef Array x, t
        cdef Batch batch
        cdef Py_ssize_t chunk, i, here
        cdef bint train = labels is not None
        cdef const Operation *last = &self.net.operations[self.net.count - 1]
        cdef double loading = 0, loss = 0, begun, now
        cdef unsigned int mode
        ahead, back = [0.0] * self.net.count, [0.0] * self.net.count
        view(images, &x)
        batch.images, batch.labels, batch.indices, batch.first, batch.count = x.data, NULL, NULL, 0, x.shape[0]
        batch.itemsize, batch.scale, batch.shift, batch.down, batch.right, batch.blank = x.itemsize, scale, shift, 0, 0, self.blank
        if train:
            view(labels, &t)
            batch.labels = <int64_t *> t.data
        self._room(1, 1 if train else 0, batch.count)
        mode = enter_team()
        if train:
            start_shard(&self.net, self.arenas)
        for chunk in range(ceil_div(batch.count, self.net.lanes)):
            here = min(self.net.lanes, batch.count - chunk * self.net.lanes)
            begun = perf_counter()
            self._load(&batch, chunk, self.arenas)
            now = perf_counter()
            loading += now - begun
            for i in range(self.net.count):
                begun = now
                operate(&self.net, &self.net.operations[i], self.arenas)
                now = perf_counter()
                ahead[i] += now - begun
            if not train:
                continue
            begun = now
            self.net.kernel.lane_loss(False, last.target.C, here, element(&self.net, self.arenas, &last.target, 0, 0, 0),
                                      batch.labels + chunk * self.net.lanes, 1 / <double> batch.count,
                                      element(&self.net, self.arenas, &last.target_gradient, 0, 0, 0), self.losses, self.hits)
            now = perf_counter()
            loss += now - begun
            for i in range(self.net.count - 1, -1, -1):
                begun = now
                operate_backward(&self.net, i, self.arenas, self.shards, self.biases)
                now = perf_counter()
                back[i] += now - begun
        leave_team(mode)
        return loading, ahead, loss, back

    cdef void _sum_part(self, const Part *part, Py_ssize_t shards) noexcept nogil:
        cdef Py_ssize_t itemsize = self.net.itemsize
        self.net.kernel.sum_rows(shards, part.count, self.shards + (part.operation.gradient_place + part.start) * itemsize, self.shard_size,
                                 part.operation.grad_weight + part.start * itemsize)

    cdef void _sum_biases(self, Py_ssize_t shards) noexcept nogil:
        cdef Py_ssize_t i, o, shard
        cdef double total
        cdef const Operation *op
        for i in range(self.net.count):
            op = &self.net.operations[i]
            if op.grad_bias == NULL:
                continue
            for o in range(op.target.C):
                total = 0
                for shard in range(shards):
                    total += self.biases[shard * self.shard_biases + op.bias_place + o]
                self.net.kernel.fill(1, total, op.grad_bias + o * self.net.itemsize)


cdef Py_ssize_t run_width(const fc_kernels *kernel, Py_ssize_t outputs, Py_ssize_t pixels) noexcept:
    """Output channels a tile of a row of pixels: those that keep the most accumulators at work, of equals the fewest."""
    cdef Py_ssize_t vectors, parts, width = 1
    cdef double most = 0
    for vectors in range(min(pixels, kernel.tile_vectors), 0, -1):
        parts = ceil_div(outputs, kernel.run_rows[vectors - 1])
        if <double> outputs / parts * vectors > most:
            most, width = <double> outputs / parts * vectors, even_part(outputs, kernel.run_rows[vectors - 1])
    return width


cdef void *reserve(Py_ssize_t size) except NULL:
    cdef void *memory = allocate(size)
    if memory == NULL:
        raise MemoryError(f"lanes: no memory for {size} bytes")
    return memory
