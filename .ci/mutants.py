"""The faults of .ci/mutate, {name: ((file in fastconv/kernels, (text, what takes its place), ...), tests to ask first)}."""


def drawn(*operators):
    """The drawn calls of these operators."""
    return [f"tests/test_against_torch.py::test_operator[{name}]" for name in operators]


CONV = [*drawn("conv2d"), "tests/test_conv.py", "tests/test_dataflows.py", "tests/test_working_memory.py"]
THREADS = ["tests/test_threads.py", "tests/test_same_bits.py"]
BOUNDS = ["tests/test_bounds.py"]
POOL = [*drawn("max_pool2d", "avg_pool2d"), "tests/test_pool.py"]
# Cython's prange asks for no wait at its end; what stands in both clauses makes compilers wait at the next one's start.
NO_WAIT = 'cdef extern from *:\n    """\n    #define lastprivate(name)\n    """\n'

MUTANTS = {
    # ---- register tiles
    "tile: bias is lost": (
        ("src/kernels/correlate_tile.c", ("broadcast(((const real *)t->bias)[i])", "broadcast(0)")),
        CONV,
    ),
    "tile: relu is lost": (
        ("src/kernels/correlate_tile.c", ("    if (t->relu)\n", "    if (0)\n")),
        ["tests/test_plan.py", "tests/test_dataflows.py"],
    ),
    "tile: whole vectors at the edge": (
        (
            "src/kernels/correlate_tile.c",
            ("store_part(PLACE(i, j), sums[i][j], t->count[j])", "store(PLACE(i, j), sums[i][j])"),
        ),
        CONV,
    ),
    "tile: sums begin anew at the edge": (
        ("src/kernels/correlate_tile.c", ("    } else if (t->accumulate) {", "    } else if (0) {")),
        CONV,
    ),
    "channels: stride is lost": (
        ("src/kernels/channel_tile.c", ("broadcast(pixel[p * step])", "broadcast(pixel[p])")),
        CONV,
    ),
    "pixel: the next blocks' weights": (
        ("src/kernels/pixel_tile.c", ("w += BLOCKS * block_stride", "w += block_stride")),
        CONV,
    ),
    "pixel: written beyond the end": (
        (
            "src/kernels/pixel_tile.c",
            ("store_up_to(to + c, load(result + c), here - c)", "store(to + c, load(result + c))"),
        ),
        BOUNDS,
    ),
    "weights: sign": (
        ("src/kernels/weight_tile.c", ("total[i][j] += pixels[i] * tap", "total[i][j] -= pixels[i] * tap")),
        CONV,
    ),
    "weights: written beyond the end": (
        (
            "src/kernels/weight_tile.c",
            ("store_part((real *)weight + i, sum_lanes(lanes), here)", "store((real *)weight + i, sum_lanes(lanes))"),
        ),
        BOUNDS,
    ),
    "filter: the first row for all": (
        ("src/kernels/filter_taps.c", ("load(pixels + j * pitch)", "load(pixels)")),
        ["tests/test_depthwise.py", "tests/test_dataflows.py"],
    ),
    "rows: a pixel too many at their end": (
        ("src/kernels/pack.c", ("low + count - end, filler", "low + count - end + 1, filler")),
        CONV,
    ),
    "phases: the first pixel of a block": (
        ("planes.pxd", ("    if column > 0:\n", "    if column < 0:\n")),
        CONV,
    ),
    "winograd: two taps as three": (
        ("src/kernels/winograd_weights.c", ("else if (r == 2) BODY(4, 2);", "")),
        CONV,
    ),
    "winograd: tiles too far apart": (
        ("src/kernels/winograd_points.c", ("half[(t * m + j) * n + i]", "half[(t * n + j) * n + i]")),
        CONV,
    ),
    "winograd: rows do not notice infinities": (
        ("src/kernels/line.c", ("            doubt += y * 0; ", "            doubt += start * 0; ")),
        CONV,
    ),
    # ---- pooling
    "maximum: the last tap": (
        ("src/kernels/pool.c", ("for (ptrdiff_t t = 1; t < taps; t++)", "for (ptrdiff_t t = 1; t + 1 < taps; t++)")),
        POOL,
    ),
    "maximum: the last of equal ones": (
        ("src/kernels/pool.c", ("FC_MASK(value > best)", "FC_MASK(value >= best)")),
        POOL,
    ),
    "maximum: NaN is passed over": (
        ("src/kernels/pool_rows.c", ("FC_MASK(value > best) | FC_MASK(value != value)", "FC_MASK(value > best)")),
        POOL,
    ),
    "mean: rows' divisors": (
        ("src/kernels/pool_rows.c", ("total /= divisors * broadcast(t->factors[r])", "total /= divisors")),
        POOL,
    ),
    "gradient: an index of one too many": (
        ("src/kernels/pool.c", ("(uint64_t)indices[i] >= (uint64_t)pixels", "(uint64_t)indices[i] > (uint64_t)pixels")),
        [*POOL, "tests/test_pool_nd.py", "tests/test_errors.py"],
    ),
    "unpool: an index of one too many": (
        (
            "src/kernels/unpool.c",
            (
                ">= (uint64_t)pixels) return 0;\n        ((real *)target)",
                "> (uint64_t)pixels) return 0;\n        ((real *)target)",
            ),
        ),
        ["tests/test_unpool.py"],
    ),
    "planes: rows left over are pooled on": (
        ("pool_plane.pyx", ("job.H == job.OH * job.KH:", "job.H >= job.OH * job.KH:")),
        POOL,
    ),
    "mean's gradient: rows that end elsewhere": (
        ("pool_plane.pyx", ("if first == first_before and stop == stop_before:", "if first == first_before:")),
        [*POOL, "tests/test_pool_nd.py"],
    ),
    "mean: windows end with the image": (
        ("pool_plane.pyx", ("stop = min(place + kernel, size + pad)", "stop = min(place + kernel, size)")),
        POOL,
    ),
    "maximum: places above the image": (
        ("pool_plane.pyx", ("first = max(ceil_div(-h0, job.dil_h), 0) ", "first = 0 ")),
        [*POOL, "tests/test_bounds.py"],
    ),
    # ---- sums, normalisation, activations, steps
    "finite: the tail is not looked at": (
        ("src/kernels/reduce.c", ("for (; i < count; i++) total += from[i] * 0;", "(void)from;")),
        CONV,
    ),
    "sum of rows: without the last": (
        (
            "src/kernels/reduce.c",
            ("for (ptrdiff_t i = 0; i < rows; i++) {", "for (ptrdiff_t i = 0; i + 1 < rows; i++) {"),
        ),
        CONV,
    ),
    "dense: relu of a part of the sum": (
        ("gemm.pyx", ("job.relu and k0 + depth == job.K", "job.relu")),
        ["tests/test_plan.py"],
    ),
    "gelu: half of the square's digits": (
        ("src/normal.h", ("broadcast(2 * BELL_LN2_LOW) + rest);", "broadcast(2 * BELL_LN2_LOW));")),
        ["tests/test_activation.py"],
    ),
    "dropout: 16 bits decide": (
        ("src/kernels/dropout.c", ("if (coarse < threshold && unsettled(", "if (coarse > threshold && unsettled(")),
        ["tests/test_dropout.py"],
    ),
    "dropout: what decides late reads what was scaled": (
        ("src/kernels/dropout.c", ("words, from, to);\n        if (count", "words, to, to);\n        if (count")),
        ["tests/test_dropout.py"],
    ),
    "volumes: the batch has a say": (
        ("volume.pyx", ("= slices\n    gathered = ", "= slices * job.images\n    gathered = ")),
        ["tests/test_conv_nd.py"],
    ),
    "elementwise: one element between two threads": (
        ("elementwise.pyx", ("min(count, x.size - first)", "min(count - 1, x.size - first)")),
        ["tests/test_activation.py"],
    ),
    "gelu: a digit of the table": (("src/normal.h", ("1601568471", "1601568487")), ["tests/test_activation.py"]),
    "prelu: sign": (
        ("src/kernels/prelu.c", ("const vec leak = v * (each", "const vec leak = -v * (each")),
        ["tests/test_prelu.py"],
    ),
    "sgd: uphill": (
        ("src/kernels/optimizer.c", ("p - broadcast((real)rate) * v", "p + broadcast((real)rate) * v")),
        ["tests/test_training.py", "tests/test_trajectory.py"],
    ),
    "adam: the other beta": (
        ("src/kernels/optimizer.c", ("broadcast((real)(1 - beta2))", "broadcast((real)(1 - beta1))")),
        ["tests/test_training.py", "tests/test_trajectory.py"],
    ),
    "layer norm: a bias without weight": (
        ("src/kernels/normalize_rows.c", ("else if (bias) y += load_up_to(bias + i, left);", "else if (bias) y += 0;")),
        drawn("layer_norm", "group_norm"),
    ),
    "layer norm: the first group for all": (
        ("row_norm.pyx", ("i * together % job.groups, job.groups, eps", "0, job.groups, eps")),
        ["tests/test_norm.py"],
    ),
    "batch norm: variance over n": (
        ("norm.pyx", ("whole.squares / (whole.count - 1)", "whole.squares / whole.count")),
        drawn("batch_norm"),
    ),
    "batch norm: rows beyond the last": (
        ("norm.pyx", ("job.kernel.affine_columns(min(rows, job.N - i * rows)", "job.kernel.affine_columns(rows")),
        ["tests/test_norm.py", "tests/test_bounds.py"],
    ),
    "softmax: what lies behind counts": (
        (
            "src/kernels/softmax.c",
            (
                "exponential(take_or(from + i, count - i, -(real)INFINITY) - top)",
                "exponential(take_or(from + i, count - i, 0) - top)",
            ),
        ),
        ["tests/test_softmax.py"],
    ),
    "softmax: sign of the gradient": (
        ("src/kernels/softmax.c", ("(slope - sum) * v", "(slope + sum) * v")),
        ["tests/test_softmax.py"],
    ),
    "softmax: columns beyond the last": (
        ("softmax.pyx", ("columns = min(job.columns, job.inner - first)", "columns = job.columns")),
        ["tests/test_softmax.py", "tests/test_bounds.py"],
    ),
    "mse: not divided": (
        ("squares.pyx", ("        total /= divisor\n", "        total /= 1\n")),
        ["tests/test_loss.py"],
    ),
    # ---- windows, padding, products
    "pad: the low side for the high one": (
        (
            "src/kernels/pad_lines.c",
            ("i < width; i++) to[i] = line[sides[i - count]];", "i < width; i++) to[i] = line[sides[0]];"),
        ),
        ["tests/test_pad.py"],
    ),
    "pad: one place too few": (
        ("pad.pyx", ("ranges[0].stop = axis.padded\n", "ranges[0].stop = axis.padded - 1\n")),
        ["tests/test_pad.py"],
    ),
    "unfold: one row too many": (
        ("fold.pyx", ("if h < 0 or h >= job.H or low == high:", "if h < 0 or h > job.H or low == high:")),
        ["tests/test_fold.py", "tests/test_bounds.py"],
    ),
    "unfold: what lies right stays": (
        ("fold.pyx", ("job.kernel.fill(job.OW - high, 0, columns + high * job.itemsize)", "pass")),
        ["tests/test_fold.py"],
    ),
    "linear: bias is lost": (
        ("gemm.pyx", ("tile.accumulate = k0 > 0 or job.bias != NULL", "tile.accumulate = k0 > 0")),
        ["tests/test_linear.py"],
    ),
    "linear: rows beyond the last": (
        (
            "gemm.pyx",
            (
                "i_stop = min(job.M, tiles * (row + 1) // job.row_shares * tile_rows)",
                "i_stop = tiles * (row + 1) // job.row_shares * tile_rows",
            ),
        ),
        ["tests/test_linear.py", "tests/test_bounds.py"],
    ),
    # ---- convolutions' drivers
    "direct: only the last channels": (
        ("correlation.pyx", ("tile.accumulate = c0 + k0 > 0", "tile.accumulate = k0 > 0")),
        CONV,
    ),
    "direct: the first group's weights": (
        (
            "correlation.pyx",
            ("job.weights + (group * ceil_to(job.outputs, job.tile_rows) + m0) * depth", "job.weights + m0 * depth"),
        ),
        CONV,
    ),
    "direct: reads behind the input": (
        ("correlation.pyx", ("direct = base + (width + 1) * itemsize <= source_end", "direct = base <= source_end")),
        BOUNDS,
    ),
    "direct: threads in one workspace": (
        (
            "correlation.pyx",
            (
                "run_task(jobs, blocks, count, task, workspace + threadid() * a_thread)",
                "run_task(jobs, blocks, count, task, workspace)",
            ),
        ),
        THREADS,
    ),
    "direct: whole vectors at the edge": (
        ("correlation.pyx", ("tile.count[vectors] = min(lanes, columns - p)", "tile.count[vectors] = lanes")),
        CONV,
    ),
    "channels: the first group's weights": (
        ("channels.pyx", ("first = group * ceil_to(job.outputs, width) ", "first = 0 ")),
        CONV,
    ),
    "channels: stride of a run": (
        (
            "channels.pyx",
            (
                "(r * blocks.step_h * pitch + p0 * blocks.step_w) * itemsize",
                "(r * blocks.step_h * pitch + p0) * itemsize",
            ),
        ),
        CONV,
    ),
    "weights: a piece is left out": (
        (
            "weight_gradient.pyx",
            (
                "for piece in range(pieces * part // blocks.parts, pieces",
                "for piece in range(pieces * part // blocks.parts + (part > 0), pieces",
            ),
        ),
        CONV,
    ),
    "weights: old gradients between rows": (
        ("weight_gradient.pyx", ("if job.columns.pitch > columns and r < rows - 1:", "if False:")),
        CONV,
    ),
    "weights: what lies behind the slab": (
        (
            "weight_gradient.pyx",
            ("memset(slab + channels * channel_stride * itemsize, 0, 4 * lanes * itemsize)", "pass"),
        ),
        CONV,
    ),
    "depthwise: filters are not turned": (
        ("depthwise.pyx", ("(8 - t if job.stride_h == 1 else t)", "t")),
        ["tests/test_depthwise.py"],
    ),
    "depthwise: a row between blocks": (
        (
            "depthwise.pyx",
            (
                "job.OH * (task % blocks + 1) // blocks - job.OH * (task % blocks) // blocks, turned)",
                "job.OH * (task % blocks + 1) // blocks - job.OH * (task % blocks) // blocks - (task % blocks > 0), turned)",
            ),
        ),
        ["tests/test_depthwise.py", *THREADS],
    ),
    "depthwise: phases before the image": (
        ("depthwise.pyx", ("return place + stride if place < 0 else place", "return place")),
        ["tests/test_depthwise.py", *drawn("conv_transpose2d")],
    ),
    "phases: rows of a filter": (
        ("phases.pyx", ("c * filter + tap_h[i] * shape.KW + tap_w[j]", "c * filter + tap_h[i] * shape.KH + tap_w[j]")),
        CONV,
    ),
    "nothing reaches: the first bias": (
        ("run.pyx", ("bias_value(layer, i % outputs)", "bias_value(layer, 0)")),
        drawn("conv_transpose1d", "conv_transpose2d"),
    ),
    "winograd: doubts are forgotten": (
        ("run.pyx", ("if status == 0 and doubtful[n]:", "if False:")),
        CONV,
    ),
    "winograd: the last part alone": (
        (
            "winograd.pyx",
            (
                "weights + p * point_bytes(channels, width), c0 > 0, products",
                "weights + p * point_bytes(channels, width), 0, products",
            ),
        ),
        [*CONV, "tests/test_threads.py"],
    ),
    "winograd: the last panels' gradient": (
        ("winograd_gradient.pyx", ("first > 0, workspace", "0, workspace")),
        [*CONV, "tests/test_threads.py"],
    ),
    # ---- threads
    "winograd: no wait for the points": (
        (
            "winograd.pyx",
            ("from fastconv.kernels.runtime cimport", f"{NO_WAIT}\nfrom fastconv.kernels.runtime cimport"),
            ("            barrier()\n            if on_the_way", "            if on_the_way"),
        ),
        THREADS,
    ),
    "winograd's gradient: no wait": (
        (
            "winograd_gradient.pyx",
            ("from fastconv.kernels.runtime cimport", f"{NO_WAIT}\nfrom fastconv.kernels.runtime cimport"),
            ("            barrier()\n", ""),
        ),
        THREADS,
    ),
    "lanes: no wait for the shards": (
        (
            "lanes.pyx",
            ("from fastconv.kernels.runtime cimport", f"{NO_WAIT}\nfrom fastconv.kernels.runtime cimport"),
            ("                barrier()\n", ""),
        ),
        ["tests/test_lanes.py", *THREADS],
    ),
    "memory: two threads take one block": (
        ("src/memory.c", ("return !__atomic_test_and_set(&busy, __ATOMIC_ACQUIRE);", "return 1;")),
        ["tests/test_threads.py"],
    ),
    "memory: a block that is too short": (
        ("src/memory.c", ("if (here >= bytes && here / 2 <= bytes", "if (here / 2 <= bytes")),
        CONV,
    ),
    "fork: a child waits for threads": (
        ("src/dispatch.c", ("    if (forked) return 1;\n", "")),
        ["tests/test_fork.py"],
    ),
    "denormals: the mode is not set": (
        ("src/dispatch.c", ("return flush_as(flushing ? FLUSH : 0);", "return flush_as(0);")),
        ["tests/test_denormals.py"],
    ),
}
