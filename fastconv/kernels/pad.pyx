"""Padding and cropping of any dimensions, and its gradient. Axes beside each other that are not padded are one axis."""
from cython.parallel cimport parallel, prange

from fastconv.kernels.arrays cimport Array, view
from fastconv.kernels.runtime cimport allocate, enter_team, fc_kernels, kernels, leave_team, release, threads_for

cdef enum:
    LINES = 64                   # that a kernel is called with
    MOST_AXES = 64               # NumPy's own limit
    CONSTANT = 0                 # modes, as _arguments/pad.py numbers them
    REFLECT = 1
    REPLICATE = 2
    CIRCULAR = 3

cdef struct Axis:
    Py_ssize_t size, padded      # elements of the image, and with what is around them
    Py_ssize_t low, high         # on each side; negative where it is cropped

cdef struct Range:
    Py_ssize_t start, stop

cdef struct Pad:
    const fc_kernels *kernel
    Py_ssize_t itemsize
    int mode, axes
    Axis axis[MOST_AXES]
    Py_ssize_t lines, padded_lines
    Py_ssize_t low, start, count  # of a line: elements before the copied ones; the first of them in the image; how many
    Py_ssize_t *sides
    double filler


cdef Py_ssize_t place(const Axis *axis, int mode, Py_ssize_t at) noexcept nogil:
    """Where in the image the element `at` of the padded one comes from; -1 for the filler."""
    cdef Py_ssize_t i = at - axis.low, first, last
    if mode == CIRCULAR:         # what is cropped is not repeated
        first, last = max(-axis.low, 0), axis.size + min(axis.high, 0)
        if i < first:
            return i + last - first
        return i if i < last else i - (last - first)
    if 0 <= i < axis.size:
        return i
    if mode == CONSTANT:
        return -1
    if mode == REFLECT:
        return -i if i < 0 else 2 * (axis.size - 1) - i
    return 0 if i < 0 else axis.size - 1


cdef Py_ssize_t places_alike(const Axis *axis, int mode, Py_ssize_t at, Py_ssize_t *step) noexcept nogil:
    """How many elements from `at` on, at least, come from places that are `step` apart each, or are all fillers (from one side of it)."""
    cdef Py_ssize_t i = at - axis.low, first = 0, last = axis.size
    step[0] = 1
    if mode == CIRCULAR:         # what is cropped is not repeated
        first, last = max(-axis.low, 0), axis.size + min(axis.high, 0)
    elif i < 0 or i >= last:     # beside the image
        step[0] = -1 if mode == REFLECT else 0
    if i < first:
        last = first
    elif i >= last:
        last = axis.padded - axis.low
    return min(last, axis.padded - axis.low) - i


cdef int origins(const Axis *axis, int mode, Py_ssize_t i, Range *ranges) noexcept nogil:
    """The elements of the padded axis that come from the image's element i, as ranges; returns how many."""
    cdef Py_ssize_t at = i + axis.low, length
    cdef int k, count = 1, kept = 0
    ranges[0].start, ranges[0].stop = at, at + 1
    if mode == REPLICATE:
        if i == 0:
            ranges[0].start = 0
        if i == axis.size - 1:
            ranges[0].stop = axis.padded
    elif mode == REFLECT:
        if i >= 1:
            ranges[count].start, ranges[count].stop = axis.low - i, axis.low - i + 1
            count += 1
        if i <= axis.size - 2:
            ranges[count].start = at + 2 * (axis.size - 1 - i)
            ranges[count].stop = ranges[count].start + 1
            count += 1
    elif mode == CIRCULAR:
        if i < -axis.low or i >= axis.size + axis.high:
            return 0
        length = axis.size - max(-axis.low, 0) - max(-axis.high, 0)
        ranges[1].start, ranges[1].stop = at - length, at - length + 1
        ranges[2].start, ranges[2].stop = at + length, at + length + 1
        count = 3
    for k in range(count):
        ranges[kept].start, ranges[kept].stop = max(ranges[k].start, 0), min(ranges[k].stop, axis.padded)
        if ranges[kept].start < ranges[kept].stop:
            kept += 1
    return kept


cdef Py_ssize_t outer_start(const Pad *job, Py_ssize_t rest) noexcept nogil:
    """Where in the image the lines begin that have the places of `rest` on all axes but the two last; -1 for fillers."""
    cdef Py_ssize_t at, start = 0, step = job.axis[job.axes - 1].size * job.axis[job.axes - 2].size
    cdef int k
    for k in range(job.axes - 3, -1, -1):
        at = place(&job.axis[k], job.mode, rest % job.axis[k].padded)
        if at < 0:
            return -1
        start += at * step
        step *= job.axis[k].size
        rest //= job.axis[k].padded
    return start


cdef void pad_some(const Pad *job, Py_ssize_t first, const char *source, char *target) noexcept nogil:
    """Some lines, in runs of those whose origins lie evenly: what is looked up for each line takes as long as copying a short one."""
    cdef const Axis *rows = &job.axis[max(job.axes - 2, 0)]
    cdef const Axis *line = &job.axis[job.axes - 1]
    cdef Py_ssize_t stop = min(first + LINES, job.padded_lines), run, at, row, outer, step = 0
    while first < stop:
        if job.axes == 1:
            run, at, outer = 1, 0, 0
        else:
            row, outer = first % rows.padded, outer_start(job, first // rows.padded)
            run, at = min(places_alike(rows, job.mode, row, &step), stop - first), place(rows, job.mode, row)
        job.kernel.pad_lines(run, outer + at * line.size if outer >= 0 and at >= 0 else -1, step * line.size, job.low, job.start, job.count,
                             line.padded, job.sides, job.filler, source, target + first * line.padded * job.itemsize)
        first += run


cdef void gather_line(const Pad *job, Py_ssize_t line, const char *gradient, char *target) noexcept nogil:
    """The gradient of one line of the image: that of every padded line which was made of it."""
    cdef Range ranges[MOST_AXES][3]
    cdef int counts[MOST_AXES]
    cdef int chosen[MOST_AXES]
    cdef Py_ssize_t at[MOST_AXES]
    cdef Py_ssize_t rest = line, start, step
    cdef const Axis *last = &job.axis[job.axes - 1]
    cdef char *to = target + line * last.size * job.itemsize
    cdef int k, axes = job.axes - 1
    cdef bint added = False
    for k in range(axes - 1, -1, -1):
        counts[k] = origins(&job.axis[k], job.mode, rest % job.axis[k].size, ranges[k])
        rest //= job.axis[k].size
        if counts[k] == 0:
            job.kernel.fill(last.size, 0, to)
            return
        chosen[k] = 0
        at[k] = ranges[k][0].start
    while True:
        start, step = 0, last.padded
        for k in range(axes - 1, -1, -1):
            start += at[k] * step
            step *= job.axis[k].padded
        job.kernel.pad_gradient(added, job.low, job.start, job.count, last.padded, job.sides, last.size,
                                gradient + start * job.itemsize, to)
        added = True
        k = axes - 1
        while k >= 0:            # the next combination, the last axis first
            at[k] += 1
            if at[k] < ranges[k][chosen[k]].stop:
                break
            chosen[k] += 1
            if chosen[k] < counts[k]:
                at[k] = ranges[k][chosen[k]].start
                break
            chosen[k] = 0
            at[k] = ranges[k][0].start
            k -= 1
        if k < 0:
            return


cdef int pad_start(Pad *job, tuple sizes, tuple pads, int mode, double value, Py_ssize_t itemsize) except -1:
    """The axes, merged where that changes nothing, and the elements at the sides of a line."""
    cdef Py_ssize_t size, low, high, k, sides
    cdef Py_ssize_t padded = len(pads) // 2, axes = len(sizes)
    cdef Axis *last
    job.kernel, job.itemsize, job.mode, job.filler, job.sides, job.axes = kernels(itemsize), itemsize, mode, value, NULL, 0
    for k in range(axes):
        size = sizes[k]
        low = pads[2 * (axes - 1 - k)] if axes - k <= padded else 0
        high = pads[2 * (axes - 1 - k) + 1] if axes - k <= padded else 0
        last = &job.axis[max(job.axes - 1, 0)]
        # Rows that are padded as they are, without a change within: one long line.
        if job.axes > 0 and low == 0 and high == 0 and (mode == CONSTANT or (last.low == 0 and last.high == 0)):
            last.size, last.padded, last.low, last.high = last.size * size, last.padded * size, last.low * size, last.high * size
        else:
            last = &job.axis[job.axes]
            last.size, last.padded, last.low, last.high = size, size + low + high, low, high
            job.axes += 1
    job.lines = job.padded_lines = 1
    for k in range(job.axes - 1):
        job.lines *= job.axis[k].size
        job.padded_lines *= job.axis[k].padded
    last = &job.axis[job.axes - 1]
    job.start = min(max(-last.low, 0), last.size)
    job.low = min(max(last.low, 0), last.padded)
    job.count = max(min(last.size - job.start, last.padded - job.low), 0)
    if mode != CONSTANT and job.count < last.padded:
        sides = last.padded - job.count
        job.sides = <Py_ssize_t *> allocate(sides * sizeof(Py_ssize_t))
        if job.sides == NULL:
            raise MemoryError(f"pad: no memory for {sides} places")
        for k in range(sides):
            job.sides[k] = place(last, mode, k if k < job.low else k + job.count)
    return 0


def pad_forward(input, output, tuple sizes, tuple pads, int filling, double value):
    cdef unsigned int mode = 0
    cdef Array x, y
    cdef Pad job
    cdef Py_ssize_t i, tasks
    view(input, &x)
    view(output, &y, True)
    pad_start(&job, sizes, pads, filling, value, y.itemsize)
    with nogil:
        tasks = (job.padded_lines + LINES - 1) // LINES
        with parallel(num_threads=threads_for(<double> y.size)):
            mode = enter_team()
            for i in prange(tasks, schedule="static"):
                pad_some(&job, i * LINES, x.data, y.data)
            leave_team(mode)
        release(job.sides)


def pad_backward(grad_output, grad_input, tuple sizes, tuple pads, int filling):
    cdef unsigned int mode = 0
    cdef Array g, x
    cdef Pad job
    cdef Py_ssize_t i
    view(grad_output, &g)
    view(grad_input, &x, True)
    pad_start(&job, sizes, pads, filling, 0, g.itemsize)
    with nogil:
        with parallel(num_threads=threads_for(<double> g.size)):
            mode = enter_team()
            for i in prange(job.lines, schedule="static"):
                gather_line(&job, i, g.data, x.data)
            leave_team(mode)
        release(job.sides)
