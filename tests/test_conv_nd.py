"""Convolutions in one and three dimensions, and transposed ones in one to three, against the reference.

Two dimensions forward have tests of their own; the files of threads, bounds and errors know these operators too.
"""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import allowance, assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F

CONV = {name: int(name[4]) for name in ("conv1d", "conv3d") if hasattr(F, name)}
TRANSPOSE = {f"conv_transpose{rank}d": rank for rank in (1, 2, 3) if hasattr(F, f"conv_transpose{rank}d")}
LARGEST = {1: 40, 2: 14, 3: 7}  # extents


def values(rng, shape, dtype):
    """Both signs and uneven sizes, so that a swapped or missing term shows."""
    return (rng.standard_normal(shape) * rng.choice([0.5, 1.0, 3.0], shape)).astype(dtype)


def may(weight_shape, dtype, of, options):
    """What Winograd may err: that of the layer in two dimensions which the kernels see."""
    rank = len(weight_shape) - 2
    plane = {"groups": options.get("groups", 1)}
    for name in ("stride", "dilation"):
        value = options.get(name, 1)
        value = (value,) * rank if np.ndim(value) == 0 else tuple(value) * (rank if len(value) == 1 else 1)
        plane[name] = (1, *value) if rank == 1 else value[-2:]
    kernel = (1, *weight_shape[2:]) if rank == 1 else weight_shape[-2:]
    return allowance((*weight_shape[:2], *kernel), dtype, of, **plane)


def assert_near(actual, expected, dtype, weight_shape, of, options):
    if actual.ndim == 3:  # lines are images of one row
        actual = actual[:, :, None]
        expected = expected._replace(value=expected.value[:, :, None], magnitude=expected.magnitude[:, :, None])
    assert_sums(actual, expected, dtype, **may(weight_shape, dtype, of, options))


class Operator:
    """One of the operators, its backward, and what the reference says of both."""

    def __init__(self, name):
        self.rank = (CONV | TRANSPOSE)[name]
        self.forward, self.backward = getattr(fc, name), getattr(F, f"{name}_backward")
        assert getattr(F, name) is self.forward
        transposed = name in TRANSPOSE
        self.of = ("grad_input", "output") if transposed else ("output", "grad_input")
        names = [
            f"conv_transpose{end}" if transposed else f"conv{end}"
            for end in ("", "_backward_input", "_backward_weight")
        ]
        self.references = [getattr(reference, each) for each in names]
        self.bias_length = (lambda w, groups: w[1] * groups) if transposed else (lambda w, groups: w[0])

    def check_forward(self, x, w, b, options, y):
        assert_near(y, self.references[0](x, w, b, **options), x.dtype, w.shape, self.of[0], options)

    def check_backward(self, gy, x, w, options, grads):
        if grads[0] is not None:
            expected = self.references[1](gy, x.shape, w, **options)
            assert_near(grads[0], expected, x.dtype, w.shape, self.of[1], options)
        if grads[1] is not None:
            expected = self.references[2](gy, x, w.shape, **options)
            assert_near(grads[1], expected, x.dtype, w.shape, "grad_weight", options)
        if grads[2] is not None:
            assert_sums(grads[2], reference.conv_backward_bias(gy), x.dtype)

    def check(self, rng, dtype, input_shape, weight_shape, bias=True, mask=(True, True, True), **options):
        """Forward and backward; outputs poisoned first, inputs untouched after."""
        x, w = values(rng, input_shape, dtype), values(rng, weight_shape, dtype)
        b = values(rng, self.bias_length(weight_shape, options.get("groups", 1)), dtype) if bias else None
        before = [each.copy() for each in (x, w)]
        y = self.forward(x, w, b, **options)
        out = np.full(y.shape, np.nan, dtype)
        assert self.forward(x, w, b, **options, out=out) is out
        self.check_forward(x, w, b, options, out)
        assert_same_bits(y, out)
        gy = values(rng, y.shape, dtype)
        gy_before = gy.copy()
        grads = self.backward(gy, x, w, **options, output_mask=mask)
        assert isinstance(grads, tuple) and [each is not None for each in grads] == list(mask)
        self.check_backward(gy, x, w, options, grads)
        for array, copy in zip((x, w, gy), (*before, gy_before), strict=True):
            assert_same_bits(array, copy)
        return x, w, b, y, gy, grads


@st.composite
def cases(draw, names=(*CONV, *TRANSPOSE)):
    """(name, input shape, weight shape, options) of a valid call."""
    name = draw(st.sampled_from(names))
    rank = (CONV | TRANSPOSE)[name]
    integer = st.integers

    def numbers(low, high):
        return st.one_of(integer(low, high), st.tuples(*[integer(low, high)] * rank))

    def each(value):
        return (value,) * rank if np.ndim(value) == 0 else value

    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 8]))
    cin, cout = (groups * draw(integer(1, 24 // groups)) for _ in range(2))
    kernel = draw(st.one_of(st.just((3,) * rank), st.tuples(*[integer(1, 4)] * rank)))
    stride, dilation = draw(numbers(1, 3)), draw(st.one_of(st.just(1), numbers(1, 3)))
    padding = draw(numbers(0, 3))
    options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    reach = [d * (k - 1) for d, k in zip(each(dilation), kernel, strict=True)]
    if name in TRANSPOSE:
        options["output_padding"] = tuple(
            draw(integer(0, max(s, d) - 1)) for s, d in zip(each(stride), each(dilation), strict=True)
        )
        least = [
            max(1, -(-(2 * p - r - more) // s) + 1)
            for p, r, s, more in zip(each(padding), reach, each(stride), options["output_padding"], strict=True)
        ]
        weight_shape = (cin, cout // groups, *kernel)
    else:
        if draw(integer(0, 4)) == 0:
            padding = options["padding"] = draw(st.sampled_from(["same", "valid"]))
            if padding == "same":
                options["stride"] = 1
        pads = reach if padding == "same" else [0] * rank if padding == "valid" else [2 * p for p in each(padding)]
        least = [max(1, r + 1 - p) for r, p in zip(reach, pads, strict=True)]
        weight_shape = (cout, cin // groups, *kernel)
    extent = [draw(integer(low, max(low, LARGEST[rank]))) for low in least]
    return name, (draw(integer(0, 3)), cin, *extent), weight_shape, options


@settings(max_examples=900)
@given(
    cases(),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.integers(0, 2**32 - 1),
)
def test_generated(case, dtype, bias, mask, seed):
    name, input_shape, weight_shape, options = case
    Operator(name).check(np.random.default_rng(seed), dtype, input_shape, weight_shape, bias, mask, **options)


# name, input shape, weight shape, options: each near an edge of some tile, block or dataflow
AWKWARD = {
    "line of one": ("conv1d", (2, 3, 1), (5, 3, 1), {}),
    "kernel = line": ("conv1d", (2, 3, 9), (5, 3, 9), {}),
    "long line": ("conv1d", (2, 16, 2003), (24, 16, 3), dict(padding=1)),
    "long line, many channels": ("conv1d", (1, 70, 1503), (33, 70, 5), dict(padding=2)),
    "long line, dilated": ("conv1d", (1, 12, 1201), (20, 12, 3), dict(padding=64, dilation=64)),
    "long line, strided": ("conv1d", (1, 1, 4001), (16, 1, 80), dict(stride=16, padding=38)),
    "depthwise line": ("conv1d", (2, 19, 301), (19, 1, 5), dict(padding=2, groups=19)),
    "depthwise line, multiplier": ("conv1d", (2, 7, 301), (21, 1, 3), dict(padding=1, groups=7)),
    "same, even": ("conv1d", (2, 3, 20), (4, 3, 4), dict(padding="same")),
    "upsampling": ("conv_transpose2d", (2, 12, 9, 11), (12, 10, 2, 2), dict(stride=2)),
    "upsampling 4": ("conv_transpose2d", (2, 12, 9, 11), (12, 10, 4, 4), dict(stride=2, padding=1)),
    "upsampling 3": ("conv_transpose2d", (2, 20, 9, 11), (20, 18, 3, 3), dict(stride=2, padding=1, output_padding=1)),
    "unstrided 3x3": ("conv_transpose2d", (2, 20, 14, 15), (20, 33, 3, 3), dict(padding=1)),
    "one output channel": ("conv_transpose2d", (1, 9, 17, 13), (9, 1, 4, 4), dict(stride=2, padding=1)),
    "one input channel": ("conv_transpose2d", (1, 1, 17, 13), (1, 9, 5, 5), dict(stride=2, padding=2)),
    "gaps": ("conv_transpose2d", (2, 3, 5, 4), (3, 5, 2, 1), dict(stride=(3, 4), output_padding=(1, 3))),
    "gaps of dilation": ("conv_transpose2d", (2, 3, 5, 4), (3, 5, 2, 3), dict(stride=4, dilation=2)),
    "output padding over stride": ("conv_transpose2d", (2, 3, 5, 4), (3, 5, 2, 3), dict(output_padding=2, dilation=3)),
    "output of one": ("conv_transpose2d", (2, 3, 5, 5), (3, 5, 3, 3), dict(padding=3)),
    "one pixel": ("conv_transpose2d", (2, 100, 1, 1), (100, 64, 4, 4), {}),
    "depthwise": ("conv_transpose2d", (2, 19, 9, 8), (19, 1, 4, 4), dict(stride=2, padding=1, groups=19)),
    "depthwise 3x3": ("conv_transpose2d", (2, 19, 9, 8), (19, 1, 3, 3), dict(padding=1, groups=19)),
    "depthwise 3x3, strided": ("conv_transpose2d", (2, 19, 9, 8), (19, 1, 3, 3), dict(stride=2, groups=19)),
    "stride beyond the kernel": ("conv_transpose1d", (2, 5, 40), (5, 3, 2), dict(stride=5, output_padding=4)),
    "one voxel": ("conv3d", (2, 3, 1, 1, 1), (5, 3, 1, 1, 1), {}),
    "one voxel, padded": ("conv3d", (2, 3, 1, 1, 1), (5, 3, 3, 3, 3), dict(padding=1)),
    "kernel = volume": ("conv3d", (2, 3, 4, 5, 3), (5, 3, 4, 5, 3), {}),
    "volume 3x3x3": ("conv3d", (2, 33, 7, 14, 15), (35, 33, 3, 3, 3), dict(padding=1)),
    "volume 3x3x3, strided": ("conv3d", (2, 17, 7, 14, 15), (19, 17, 3, 3, 3), dict(padding=1, stride=2)),
    "volume 5x5x5": ("conv3d", (1, 9, 8, 11, 12), (10, 9, 5, 5, 5), dict(padding=2)),
    "one channel 3x3x3": ("conv3d", (2, 1, 9, 14, 15), (6, 1, 3, 3, 3), {}),
    "one channel 3x3x3, padded": ("conv3d", (2, 1, 9, 14, 15), (2, 1, 3, 3, 3), dict(padding=1)),
    "slices alone": ("conv3d", (2, 20, 5, 14, 15), (18, 20, 1, 3, 3), dict(padding=(0, 1, 1))),
    "every second slice": ("conv3d", (2, 20, 6, 9, 10), (18, 20, 1, 3, 3), dict(stride=(2, 1, 1))),
    "columns": ("conv3d", (2, 20, 6, 9, 10), (18, 20, 3, 1, 1), dict(padding=(1, 0, 0))),
    "columns, strided": ("conv3d", (2, 20, 6, 9, 10), (18, 20, 3, 1, 1), dict(stride=(2, 1, 1), dilation=(2, 1, 1))),
    "columns, all strided": ("conv3d", (2, 20, 6, 9, 10), (18, 20, 3, 1, 1), dict(stride=2)),
    "pointwise": ("conv3d", (2, 33, 4, 5, 6), (17, 33, 1, 1, 1), {}),
    "depthwise 3x3x3": ("conv3d", (2, 19, 6, 9, 17), (19, 1, 3, 3, 3), dict(padding=1, groups=19)),
    "depthwise 3x3x3, strided": ("conv3d", (2, 19, 6, 9, 17), (19, 1, 3, 3, 3), dict(padding=1, stride=2, groups=19)),
    "depthwise 3x3x3, multiplier": ("conv3d", (2, 5, 6, 9, 17), (15, 1, 3, 3, 3), dict(groups=5)),
    "depthwise 3x2x5": ("conv3d", (2, 7, 6, 9, 17), (7, 1, 3, 2, 5), dict(padding=2, groups=7)),
    "four channels a group": ("conv3d", (1, 32, 5, 14, 14), (32, 4, 3, 3, 3), dict(groups=8, padding=1)),
    "dilated in depth": ("conv3d", (2, 6, 13, 8, 9), (7, 6, 3, 3, 3), dict(dilation=(3, 1, 1), padding=(3, 1, 1))),
    "strided and dilated": (
        "conv3d",
        (2, 3, 25, 5, 6),
        (4, 3, 3, 2, 2),
        dict(dilation=(4, 1, 1), stride=(6, 1, 1), padding=2),
    ),
    "padding beyond the kernel": ("conv3d", (2, 3, 4, 5, 4), (5, 3, 2, 2, 2), dict(padding=5)),
    "large parts": ("conv3d", (3, 40, 9, 60, 61), (3, 40, 3, 3, 3), dict(padding=1)),
    "parts of a volume": ("conv3d", (2, 40, 50, 60, 61), (3, 40, 3, 1, 1), dict(padding=1, stride=(2, 3, 3))),
    "volume upsampling": ("conv_transpose3d", (2, 12, 4, 5, 6), (12, 10, 2, 2, 2), dict(stride=2)),
    "volume upsampling 4": ("conv_transpose3d", (2, 12, 4, 5, 6), (12, 10, 4, 4, 4), dict(stride=2, padding=1)),
    "volume upsampling 3": (
        "conv_transpose3d",
        (2, 12, 4, 5, 6),
        (12, 10, 3, 3, 3),
        dict(stride=2, padding=1, output_padding=1),
    ),
    "volume gaps": (
        "conv_transpose3d",
        (2, 3, 4, 3, 4),
        (3, 5, 2, 1, 2),
        dict(stride=(3, 2, 4), output_padding=(2, 0, 3)),
    ),
    "volume gaps of dilation": ("conv_transpose3d", (2, 3, 4, 3, 4), (3, 5, 2, 3, 2), dict(stride=4, dilation=2)),
    "volume dilated": (
        "conv_transpose3d",
        (2, 3, 6, 3, 4),
        (3, 5, 3, 3, 2),
        dict(stride=(2, 1, 1), dilation=(3, 2, 1)),
    ),
    "volume depthwise": ("conv_transpose3d", (2, 9, 4, 5, 6), (9, 1, 3, 3, 3), dict(stride=2, padding=1, groups=9)),
    "volume depthwise, unstrided": ("conv_transpose3d", (2, 9, 4, 5, 6), (9, 1, 3, 3, 3), dict(padding=1, groups=9)),
    "columns upsampling": (
        "conv_transpose3d",
        (2, 9, 4, 5, 6),
        (9, 8, 4, 1, 1),
        dict(stride=(2, 1, 1), padding=(1, 0, 0)),
    ),
    "line upsampling": ("conv_transpose1d", (2, 32, 100), (32, 16, 16), dict(stride=8, padding=4)),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward(name, dtype, rng):
    operator, input_shape, weight_shape, options = AWKWARD[name]
    Operator(operator).check(rng, dtype, input_shape, weight_shape, **options)


EXAMPLES = {
    "conv1d": ((2, 4, 11), (6, 2, 3), dict(stride=2, padding=1, dilation=2, groups=2)),
    "conv3d": ((2, 4, 7, 6, 8), (6, 2, 3, 2, 3), dict(stride=2, padding=1, dilation=2, groups=2)),
    "conv_transpose1d": ((2, 4, 11), (4, 3, 3), dict(stride=2, padding=1, output_padding=1, groups=2, dilation=2)),
    "conv_transpose2d": ((2, 4, 7, 6), (4, 3, 3, 2), dict(stride=2, padding=1, output_padding=1, groups=2, dilation=2)),
    "conv_transpose3d": (
        (2, 4, 4, 3, 5),
        (4, 3, 3, 2, 3),
        dict(stride=2, padding=1, output_padding=1, groups=2, dilation=2),
    ),
}
NAMES = [name for name in EXAMPLES if name in CONV | TRANSPOSE]


@pytest.mark.parametrize("name", NAMES)
def test_positions_are_torchs(name, dtype, rng):
    input_shape, weight_shape, options = EXAMPLES[name]
    x, w, b, y, gy, grads = Operator(name).check(rng, dtype, input_shape, weight_shape, **options)
    forward, backward = getattr(fc, name), getattr(F, f"{name}_backward")
    assert_same_bits(forward(input=x, weight=w, bias=b, **options), y)
    assert_same_bits(forward(x, w, b, *options.values()), y)  # the dictionaries are in torch's order
    for one, other in zip(backward(gy, x, w, *options.values(), (True, True, True)), grads, strict=True):
        assert_same_bits(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_unbatched_and_alone(name, dtype, rng):
    input_shape, weight_shape, options = EXAMPLES[name]
    x, w, b, y, gy, grads = Operator(name).check(rng, dtype, (3, *input_shape[1:]), weight_shape, **options)
    forward, backward = getattr(fc, name), getattr(F, f"{name}_backward")
    for n in range(3):
        assert_same_bits(forward(x[n], w, b, **options), y[n])
        gx, gw, gb = backward(gy[n], x[n], w, **options)
        assert_same_bits(gx, grads[0][n])
        assert gw.shape == w.shape and gb.shape == b.shape
        for one, other in zip(backward(gy[n : n + 1], x[n : n + 1], w, **options)[1:], (gw, gb), strict=True):
            assert_same_bits(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_empty_batch(name, dtype):
    input_shape, weight_shape, options = EXAMPLES[name]
    x, w = np.zeros((0, *input_shape[1:]), dtype), np.ones(weight_shape, dtype)
    y = getattr(fc, name)(x, w, np.ones(6, dtype), **options)
    assert y.shape == (0, *getattr(fc, name)(np.zeros(input_shape, dtype), w, **options).shape[1:])
    gx, gw, gb = getattr(F, f"{name}_backward")(y, x, w, **options)
    assert gx.shape == x.shape
    assert_same_bits(gw, np.zeros_like(w))
    assert_same_bits(gb, np.zeros(6, dtype))


@pytest.mark.parametrize("name", NAMES)
def test_any_strides(name, dtype, rng):
    input_shape, weight_shape, options = EXAMPLES[name]
    x, w, b, y, gy, grads = Operator(name).check(rng, dtype, input_shape, weight_shape, **options)
    odd = [each[..., ::-1].copy()[..., ::-1] for each in (x, w, b, gy)]
    odd[0] = np.asfortranarray(x)
    for each in odd:
        each.flags.writeable = False
    assert_same_bits(getattr(fc, name)(odd[0], odd[1], odd[2], **options), y)
    for one, other in zip(getattr(F, f"{name}_backward")(odd[3], *odd[:2], **options), grads, strict=True):
        assert_same_bits(one, other)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["input", "weight", "bias", "grad_output"])
@settings(max_examples=25)
@given(case=cases(), dtype=st.sampled_from([np.float32, np.float64]), seed=st.integers(0, 2**32 - 1))
def test_non_finite_values_go_where_a_direct_sum_puts_them(where, special, case, dtype, seed):
    """Padding takes part as zeros where a window reads it; nothing else of a tile is touched."""
    name, input_shape, weight_shape, options = case
    operator, rng = Operator(name), np.random.default_rng(seed)
    input_shape = (max(1, input_shape[0]), *input_shape[1:])
    arrays = {"input": values(rng, input_shape, dtype), "weight": values(rng, weight_shape, dtype)}
    arrays["bias"] = values(rng, operator.bias_length(weight_shape, options["groups"]), dtype)
    arrays["grad_output"] = values(rng, operator.forward(arrays["input"], arrays["weight"], **options).shape, dtype)
    for _ in range(2):
        spoiled = arrays[where]
        spoiled[tuple(rng.integers(0, spoiled.shape))] = special
    x, w, b, gy = arrays["input"], arrays["weight"], arrays["bias"], arrays["grad_output"]
    operator.check_forward(x, w, b, options, operator.forward(x, w, b, **options))
    operator.check_backward(gy, x, w, options, operator.backward(gy, x, w, **options))


# All above the amount of work from which on several threads run, and no multiple of a tile.
LARGE = {
    "conv1d": ((3, 29, 2003), (37, 29, 3), dict(padding=1)),
    "conv1d, strided": ((3, 29, 4003), (37, 29, 5), dict(padding=1, stride=2)),
    "conv_transpose1d": ((3, 29, 803), (29, 37, 8), dict(stride=4, padding=2)),
    "conv_transpose2d": ((3, 29, 31, 33), (29, 37, 3, 3), dict(padding=1)),
    "conv_transpose2d, strided": ((3, 29, 31, 33), (29, 37, 3, 3), dict(stride=2, padding=1, output_padding=1)),
    "conv_transpose2d, upsampling": ((3, 64, 31, 33), (64, 37, 2, 2), dict(stride=2)),
    "conv_transpose2d, depthwise": ((3, 61, 57, 55), (61, 1, 4, 4), dict(stride=2, padding=1, groups=61)),
    "conv3d": ((3, 19, 7, 15, 17), (37, 19, 3, 3, 3), dict(padding=1)),
    "conv3d, strided": ((3, 19, 9, 25, 27), (37, 19, 3, 3, 3), dict(padding=1, stride=2)),
    "conv3d, dilated": ((3, 9, 9, 25, 27), (11, 9, 3, 3, 3), dict(padding=2, dilation=2)),
    "conv3d, depthwise": ((3, 39, 9, 25, 27), (39, 1, 3, 3, 3), dict(padding=1, groups=39)),
    "conv3d, one channel": ((3, 1, 19, 45, 47), (8, 1, 3, 3, 3), dict(padding=1)),
    "conv3d, few slices": ((3, 10, 4, 8, 9), (17, 10, 3, 3, 3), dict(padding=1)),
    "conv3d, fewer slices": ((3, 31, 2, 8, 9), (28, 31, 2, 2, 2), dict(padding=1)),
    "conv3d, in parts": ((3, 40, 9, 60, 61), (3, 40, 3, 3, 3), dict(padding=1)),
    "conv_transpose3d": ((3, 19, 7, 9, 11), (19, 17, 2, 2, 2), dict(stride=2)),
    "conv_transpose3d, overlapping": ((3, 19, 7, 9, 11), (19, 17, 4, 4, 4), dict(stride=2, padding=1)),
}


@pytest.mark.parametrize("name", LARGE)
def test_the_same_bits_at_any_number_of_threads_and_in_any_batch(name, dtype, rng, threads):
    input_shape, weight_shape, options = LARGE[name]
    operator = Operator(name.split(",")[0])
    x, w = values(rng, input_shape, dtype), values(rng, weight_shape, dtype)
    b = values(rng, operator.bias_length(weight_shape, options.get("groups", 1)), dtype)
    expected = None
    for count in (1, 2, 3, 7):
        threads(count)
        y = operator.forward(x, w, b, **options)
        if expected is None:
            gy = values(rng, y.shape, dtype)
        results = (y, *operator.backward(gy, x, w, **options))
        expected = expected or results
        for one, other in zip(results, expected, strict=True):
            assert_same_bits(one, other)
    assert_same_bits(operator.forward(x[1:2], w, b, **options)[0], y[1])
    gx, _, _ = operator.backward(gy[1:2], x[1:2], w, **options, output_mask=(True, False, False))
    assert_same_bits(gx[0], results[1][1])


# ---- wrong arguments --------------------------------------------------------------------------------------------

WRONG = {
    "input of too few dimensions": dict(input=lambda x: x.reshape(-1)),
    "input of too many dimensions": dict(input=lambda x: x[None]),
    "input channels": dict(input=lambda x: x[:, :3]),
    "no pixels": dict(input=lambda x: x[..., :0]),
    "input dtype": dict(input=lambda x: x.astype(np.int32)),
    "weight dtype": dict(weight=lambda w: w.astype(np.float16)),
    "weight of too few dimensions": dict(weight=lambda w: w[0]),
    "weight without channels": dict(weight=lambda w: w[:0]),
    "weight without taps": dict(weight=lambda w: w[..., :0]),
    "bias of the wrong length": dict(bias=lambda b: b[:-1]),
    "bias of two dimensions": dict(bias=lambda b: b[None]),
    "stride 0": dict(stride=0),
    "stride True": dict(stride=True),
    "stride 1.5": dict(stride=1.5),
    "too many strides": dict(stride=(1, 1, 1, 1)),
    "stride beyond 64 bits": dict(stride=2**64),
    "padding -1": dict(padding=-1),
    "padding of a wrong name": dict(padding="full"),
    "padding beyond memory": dict(padding=2**50),
    "dilation 0": dict(dilation=0),
    "dilation 1.0": dict(dilation=1.0),
    "groups 0": dict(groups=0),
    "groups that divide nothing": dict(groups=4),
    "groups 1.0": dict(groups=1.0),
}
WRONG_TRANSPOSE = {
    "output_padding -1": dict(output_padding=-1),
    "output_padding = stride": dict(output_padding=2, stride=2, dilation=1),
    "output_padding 0.5": dict(output_padding=0.5),
    "padding same": dict(padding="same"),
    "padding that leaves nothing": dict(padding=100),
}
WRONG_CONV = {
    "same, strided": dict(padding="same"),
    "kernel beyond the input": dict(dilation=50),
}


@pytest.mark.parametrize("name", NAMES)
def test_wrong_arguments_are_refused(name, dtype, rng):
    input_shape, weight_shape, options = EXAMPLES[name]
    arrays = dict(
        input=values(rng, input_shape, dtype), weight=values(rng, weight_shape, dtype), bias=np.ones(6, dtype)
    )
    y = getattr(fc, name)(**arrays, **options)
    for what, wrong in (WRONG | (WRONG_TRANSPOSE if name in TRANSPOSE else WRONG_CONV)).items():
        given = options | {key: value for key, value in wrong.items() if not callable(value)}
        changed = arrays | {key: value(arrays[key]) for key, value in wrong.items() if callable(value)}
        with pytest.raises((TypeError, ValueError)):
            getattr(fc, name)(**changed, **given)
            pytest.fail(f"{name}: {what} was taken")
        if "bias" in wrong:
            continue
        del changed["bias"]
        with pytest.raises((TypeError, ValueError)):
            getattr(F, f"{name}_backward")(y, **changed, **given)
            pytest.fail(f"{name}_backward: {what} was taken")
    backward = getattr(F, f"{name}_backward")
    for gradient in (y[:1], y[..., :-1], y[0], y.astype(np.int64), y.astype(np.float16)):
        with pytest.raises((TypeError, ValueError)):
            backward(gradient, arrays["input"], arrays["weight"], **options)
    for mask in ((True, True), 1, (1, 1, 1)):
        with pytest.raises((TypeError, ValueError)):
            backward(y, arrays["input"], arrays["weight"], **options, output_mask=mask)
    for out in (y[..., :-1], y.astype(np.float16), y[..., ::-1], [1]):
        with pytest.raises((TypeError, ValueError)):
            getattr(fc, name)(**arrays, **options, out=out)


# ---- a second opinion -------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")
@settings(max_examples=300)
@given(cases(), st.sampled_from([np.float32, np.float64]), st.integers(0, 2**32 - 1))
def test_torch_agrees(case, dtype, seed):
    torch = pytest.importorskip("torch")
    name, input_shape, weight_shape, options = case
    operator, rng = Operator(name), np.random.default_rng(seed)
    x, w = values(rng, input_shape, dtype), values(rng, weight_shape, dtype)
    b = values(rng, operator.bias_length(weight_shape, options["groups"]), dtype)
    tensors = [torch.from_numpy(each).requires_grad_() for each in (x, w, b)]
    theirs = getattr(torch.nn.functional, name)(*tensors, **options)
    gy = values(rng, tuple(theirs.shape), dtype)
    theirs.backward(torch.from_numpy(gy))

    def expect(mine, tensor, sums, of):  # both are within the bound of the exact sum
        sums = sums._replace(value=tensor.detach().numpy().astype(np.float64), terms=4 * sums.terms)
        assert_near(mine, sums, dtype, weight_shape, of, options)

    forward, of_input, of_weight = operator.references
    expect(operator.forward(x, w, b, **options), theirs, forward(x, w, b, **options), operator.of[0])
    gx, gw, _ = operator.backward(gy, x, w, **options)
    expect(gx, tensors[0].grad, of_input(gy, x.shape, w, **options), operator.of[1])
    expect(gw, tensors[1].grad, of_weight(gy, x, w.shape, **options), "grad_weight")
