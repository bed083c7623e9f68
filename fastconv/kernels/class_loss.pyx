"""Losses over classes and their gradients: cross entropy from logits, or the negative log-likelihood from logarithms of probabilities.

    piece: some targets, side by side in memory (their classes being rows, or columns)
      softmax_row, softmax_columns      logits: to the logarithms in a workspace; backward: to the probabilities, where the gradient will be
      weigh_*, pick_losses              forward: over all classes where there is smoothing or a target of probabilities; the target's own
      weigh_*, spread_*, pick_gradients backward: the same, taken off

How the targets are cut into pieces follows from their shape alone; the pieces' sums are added in order.
"""
from libc.stdint cimport int64_t
from cython.parallel cimport parallel, prange, threadid

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, kernels, leave_team, release, threads_for

cdef enum:
    PIECE = 8192                 # logits that a piece reads
    COLUMNS = 32                 # targets a piece, at least, where they lie side by side
    FEW = 16                     # pieces whose sums need no memory of their own
    WORK = 16                    # about so many multiply-adds is a logit worth

cdef struct Loss:
    const fc_kernels *kernel
    Py_ssize_t itemsize, outer, classes, inner
    Py_ssize_t width                      # logits that a target reads: those of all classes, or its own class's alone
    Py_ssize_t targets, blocks, pieces    # targets a piece, pieces an outer index (by columns), pieces
    Py_ssize_t scratch, a_thread          # bytes of a piece's logits, and of all that a thread works in
    const char *logits                    # (outer, classes, inner)
    const char *probabilities             # the same, or NULL
    const int64_t *target                 # (outer, inner), or NULL
    const char *weight                    # (classes), or NULL
    int64_t ignored
    double own, spread                    # smoothing: what the target's class keeps, and what each class gets
    bint take_softmax
    char *losses                          # forward: (outer, inner), or NULL where their sum will do
    double *sums                          # forward: for each piece, its loss and the weight of its targets
    const char *gradient                  # backward: (outer, inner), or NULL for `factor` alone
    double factor, rest                   # what the gradient is multiplied by; what smoothing gives to all classes together
    char *grad_input

# Where a piece lies: its first target, its first logit, and the steps from one to the next
cdef struct Place:
    Py_ssize_t target, count, logit, target_step, class_step


cdef void set_up(Loss *job, const Array *x, const Array *t, const Array *w, bint has_probabilities, Py_ssize_t outer, Py_ssize_t classes,
                 Py_ssize_t inner, int64_t ignored, double smoothing, bint take_softmax, bint backward) noexcept nogil:
    job.width = max(classes, 1) if backward or take_softmax or has_probabilities or smoothing > 0 else 1
    job.kernel = kernels(x.itemsize)
    job.itemsize, job.outer, job.classes, job.inner = x.itemsize, outer, classes, inner
    job.logits, job.weight = x.data, w.data
    job.probabilities = t.data if has_probabilities else NULL
    job.target = NULL if has_probabilities else <int64_t *> t.data
    job.ignored, job.take_softmax = ignored, take_softmax
    job.own, job.spread = 1 - smoothing, smoothing / max(classes, 1)
    if inner == 1:
        job.targets, job.blocks = min(max(PIECE // job.width, 1), max(outer, 1)), 1
        job.pieces = (outer + job.targets - 1) // job.targets
    else:
        job.targets = max(PIECE // job.width // COLUMNS, 1) * COLUMNS
        job.blocks = (inner + job.targets - 1) // job.targets
        job.pieces = outer * job.blocks
    job.scratch = job.targets * job.width * job.itemsize
    job.a_thread = (job.scratch + 3 * job.targets * job.itemsize + 63) // 64 * 64


cdef void find(const Loss *job, Py_ssize_t piece, Place *place) noexcept nogil:
    cdef Py_ssize_t outer, first
    if job.inner == 1:
        place.target = piece * job.targets
        place.count = min(job.targets, job.outer - place.target)
        place.logit, place.target_step, place.class_step = place.target * job.classes, job.classes, 1
    else:
        outer, first = piece // job.blocks, piece % job.blocks * job.targets
        place.target = outer * job.inner + first
        place.count = min(job.targets, job.inner - first)
        place.logit, place.target_step, place.class_step = outer * job.classes * job.inner + first, 1, job.inner


cdef void softmax(const Loss *job, const Place *place, bint logarithmic, char *into, Py_ssize_t class_step) noexcept nogil:
    cdef const char *logits = job.logits + place.logit * job.itemsize
    cdef Py_ssize_t i, row = job.classes * job.itemsize
    if job.inner > 1:
        job.kernel.softmax_columns(logarithmic, job.classes, place.count, logits, job.inner, into, class_step)
        return
    for i in range(place.count):
        job.kernel.softmax_row(logarithmic, job.classes, logits + i * row, into + i * row)


# sums[i] = sum over c of weight[c] * (q[c] * scale + offset) * logs[c] (logs NULL: without them)
cdef void weigh(const Loss *job, const Place *place, const char *logs, Py_ssize_t class_step, double scale, double offset,
                char *sums) noexcept nogil:
    cdef const char *q = job.probabilities + place.logit * job.itemsize if job.probabilities != NULL else NULL
    if job.inner == 1:
        job.kernel.weigh_rows(place.count, job.classes, logs, job.weight, q, scale, offset, sums)
    else:
        job.kernel.weigh_columns(job.classes, place.count, logs, class_step, job.weight, q, job.inner, scale, offset, sums)


# Returns whether all targets are classes or ignored.
cdef int run_forward(const Loss *job, Py_ssize_t piece, char *workspace) noexcept nogil:
    cdef Place place
    cdef const char *logs
    cdef char *losses
    cdef char *sums = NULL
    cdef Py_ssize_t class_step
    find(job, piece, &place)
    logs, class_step = job.logits + place.logit * job.itemsize, place.class_step
    losses = workspace + job.scratch + job.targets * job.itemsize
    if job.losses != NULL:
        losses = job.losses + place.target * job.itemsize
    if job.take_softmax:
        if job.inner > 1:
            class_step = job.targets
        softmax(job, &place, True, workspace, class_step)
        logs = workspace
    if job.probabilities != NULL:
        weigh(job, &place, logs, class_step, -job.own, -job.spread, losses)
        job.sums[2 * piece + 1] = place.count if job.classes > 0 else 0
    else:
        if job.spread > 0:
            sums = workspace + job.scratch
            weigh(job, &place, logs, class_step, 0, 1, sums)
        if job.kernel.pick_losses(place.count, job.classes, logs, place.target_step, class_step, job.target + place.target, job.ignored,
                                  job.weight, job.own, job.spread, sums, losses, &job.sums[2 * piece + 1]) != 0:
            return 0
    job.sums[2 * piece] = job.kernel.sum(place.count, losses, 0)
    return 1


cdef int run_backward(const Loss *job, Py_ssize_t piece, char *workspace) noexcept nogil:
    cdef Place place
    cdef const char *gradient
    cdef const char *q = NULL
    cdef char *slope = workspace + job.scratch
    cdef char *own = slope + job.targets * job.itemsize
    cdef char *keep = own + job.targets * job.itemsize
    cdef char *into
    cdef Py_ssize_t c
    find(job, piece, &place)
    into = job.grad_input + place.logit * job.itemsize
    gradient = job.gradient + place.target * job.itemsize if job.gradient != NULL else NULL
    if job.probabilities != NULL:
        q = job.probabilities + place.logit * job.itemsize
        weigh(job, &place, NULL, 0, job.own, job.spread, keep)
        job.kernel.share_slopes(place.count, gradient, job.factor, slope, keep)
    elif job.kernel.target_slopes(place.count, job.classes, gradient, job.factor, job.target + place.target, job.ignored, job.weight,
                                  job.own, job.rest, slope, own, keep) != 0:
        return 0
    if job.take_softmax:
        softmax(job, &place, False, into, place.class_step)
        if job.inner == 1:
            job.kernel.spread_rows(place.count, job.classes, job.weight, q, job.own, job.spread, slope, keep, into)
        else:
            job.kernel.spread_columns(job.classes, place.count, job.inner, job.weight, q, job.own, job.spread, slope, keep, into)
    elif job.inner == 1:
        job.kernel.fill(place.count * job.classes, 0, into)
    else:
        for c in range(job.classes):
            job.kernel.fill(place.count, 0, into + c * job.inner * job.itemsize)
    if q == NULL:
        job.kernel.pick_gradients(place.count, own, job.target + place.target, job.ignored, place.target_step, place.class_step, into)
    return 1


# The number of pieces whose targets are right, or -1 without memory.
cdef Py_ssize_t run(const Loss *job, bint backward) noexcept nogil:
    cdef Py_ssize_t piece, right = 0
    cdef int threads = threads_for(<double> job.outer * job.width * job.inner * WORK)
    cdef unsigned int mode = 0
    cdef char *workspace = NULL
    if backward or job.take_softmax or job.spread > 0 or job.losses == NULL:
        workspace = <char *> allocate(threads * job.a_thread)
        if workspace == NULL:
            return -1
    if threads == 1:
        right = run_alone(job, backward, workspace)
    else:
        with parallel(num_threads=threads):
            mode = enter_team()
            for piece in prange(job.pieces, schedule="static"):
                right += (run_backward if backward else run_forward)(job, piece, workspace + threadid() * job.a_thread)
            leave_team(mode)
    if workspace != NULL:
        release(workspace)
    return right


cdef Py_ssize_t run_alone(const Loss *job, bint backward, char *workspace) noexcept nogil:
    cdef Py_ssize_t piece, right = 0
    cdef unsigned int mode = enter_team()
    for piece in range(job.pieces):
        right += (run_backward if backward else run_forward)(job, piece, workspace)
    leave_team(mode)
    return right


def forward(input, target, weight, losses, bint has_probabilities, Py_ssize_t outer, Py_ssize_t classes, Py_ssize_t inner, int64_t ignored,
            double smoothing, bint take_softmax, bint mean):
    """The sum of the losses, or their mean, as the element type holds it; None where a target is neither a class nor ignored. The losses
    themselves go where `losses` says, unless it is None."""
    cdef Array x, t, w, y
    cdef Loss job
    cdef Py_ssize_t piece, right = 0
    cdef double loss = 0, total = 0
    cdef double few[2 * FEW]
    w.data = y.data = NULL
    view(input, &x)
    view(target, &t)
    if losses is not None:
        view(losses, &y, True)
    if weight is not None:
        view(weight, &w)
    with nogil:
        set_up(&job, &x, &t, &w, has_probabilities, outer, classes, inner, ignored, smoothing, take_softmax, False)
        job.losses = y.data
        job.sums = &few[0] if job.pieces <= FEW else <double *> allocate(2 * job.pieces * sizeof(double))
        right = -1 if job.sums == NULL else run(&job, False)
        if right == job.pieces:
            for piece in range(job.pieces):
                loss += job.sums[2 * piece]
                total += job.sums[2 * piece + 1]
            if mean:
                loss /= total
        if job.pieces > FEW and job.sums != NULL:
            release(job.sums)
    if right < 0:
        raise MemoryError("cross_entropy: no memory for the workspace")
    if right < job.pieces:
        return None
    return <float> loss if job.itemsize == 4 else loss


def backward(gradient, double factor, bint mean, input, target, weight, grad_input, bint has_probabilities, Py_ssize_t outer,
             Py_ssize_t classes, Py_ssize_t inner, int64_t ignored, double smoothing, bint take_softmax):
    """Whether all targets are classes or ignored. gradient: an array, or None for `factor` alone."""
    cdef Array g, x, t, w, y
    cdef Loss job
    cdef Py_ssize_t right = 0
    cdef double total = 0
    cdef unsigned int mode = 0
    g.data = w.data = NULL
    view(input, &x)
    view(target, &t)
    view(grad_input, &y, True)
    if gradient is not None:
        view(gradient, &g)
    if weight is not None:
        view(weight, &w)
    with nogil:
        set_up(&job, &x, &t, &w, has_probabilities, outer, classes, inner, ignored, smoothing, take_softmax, True)
        job.gradient, job.grad_input, job.factor = g.data, y.data, factor
        mode = enter_team()
        job.rest = job.spread * (classes if w.data == NULL else job.kernel.sum(classes, w.data, 0))
        if mean:
            if has_probabilities:
                total = outer * inner
            elif job.kernel.target_weight(outer * inner, classes, job.target, ignored, w.data, &total) != 0:
                right = -2
            job.factor = factor / total
        leave_team(mode)
        if right == 0:
            right = run(&job, True)
    if right == -1:
        raise MemoryError("cross_entropy_backward: no memory for the workspace")
    return right == job.pieces
