"""Each dataflow of a convolution, by its name, against the reference: threads, batches, non-finite values, accuracy."""

import numpy as np
import process
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import WINOGRAD, assert_same_bits, assert_sums, dataflow_allowance

import fastconv as fc
from fastconv.kernels import conv, runtime
from fastconv.settings import is_winograd_allowed

COUNTS = (1, 2, 3, 7)


@pytest.fixture
def winograd():
    """Allows Winograd or not, and puts back what was."""
    before = is_winograd_allowed()
    yield fc.allow_winograd
    fc.allow_winograd(before)


class Case:
    """A convolution and everything that the kernels want to know of it."""

    def __init__(self, input_shape, weight_shape, dtype, rng, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
        self.options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
        self.geometry = (*stride, *padding, *dilation, groups)
        self.x, self.w, self.b = (_values(rng, s, dtype) for s in (input_shape, weight_shape, weight_shape[:1]))
        self.dtype = dtype
        pixels = [
            (extent + 2 * p - d * (k - 1) - 1) // s + 1
            for extent, p, d, k, s in zip(input_shape[2:], padding, dilation, weight_shape[2:], stride, strict=True)
        ]
        self.output_shape = (input_shape[0], weight_shape[0], *pixels)
        self.sizes = (*input_shape[2:], *pixels)

    def able(self, of="output"):
        """The names of the dataflows that can compute it: the kernels' own word, checked in a test below."""
        return conv.conv2d_dataflow(self.w, *self.sizes, *self.geometry, of=of)[1]

    def forward(self, name, x=None):
        x = self.x if x is None else x
        y = np.full((len(x), *self.output_shape[1:]), np.nan, self.dtype)
        conv.conv2d_forward(x, self.w, self.b, y, *self.geometry, dataflow=name)
        return y

    def prepare(self, name, relu=False):
        return conv.Convolution(self.w, self.b, *self.sizes, *self.geometry, relu=relu, dataflow=name)

    def prepared(self, name, relu=False):
        y = np.full(self.output_shape, np.nan, self.dtype)
        self.prepare(name, relu).forward(self.x, y)
        return y

    def backward(self, name, gy):
        gx = np.full((len(gy), *self.x.shape[1:]), np.nan, self.dtype)
        conv.conv2d_backward_input(gy, self.w, gx, *self.geometry, dataflow=name)
        return gx

    def backward_weight(self, name, gy):
        gw = np.full(self.w.shape, np.nan, self.dtype)
        conv.conv2d_backward_weight(gy, self.x, gw, *self.geometry, dataflow=name)
        return gw

    def check(self, name, actual, expected, of="output"):
        may = dataflow_allowance(name, self.w.shape, of, self.options["stride"])
        assert_sums(actual, expected, self.dtype, **may)


def _values(rng, shape, dtype):
    """Both signs and uneven sizes, so that a swapped or missing term shows."""
    return (rng.standard_normal(shape) * rng.choice([0.5, 1.0, 3.0], shape)).astype(dtype)


@st.composite
def cases(draw):
    """Half of them 3 x 3 with stride 1, where most dataflows apply; some depthwise, some grouped."""
    integer = st.integers
    dtype = draw(st.sampled_from([np.float32, np.float32, np.float64]))
    groups = draw(st.sampled_from([1, 1, 1, 2, 5]))
    cin = 1 if groups == 5 else draw(integer(1, 24))
    cout = draw(integer(1, 24 if groups == 1 else 5))
    steps = st.tuples(integer(1, 5), integer(1, 5))
    if draw(st.booleans()):
        kernel, stride, dilation = (3, 3), (1, 1), (1, 1)
    else:
        kernel, stride, dilation = (
            draw(st.tuples(integer(1, 5), integer(1, 5))),
            draw(steps),
            draw(st.one_of(st.just((1, 1)), st.tuples(integer(1, 3), integer(1, 3)))),
        )
    padding = draw(st.tuples(integer(0, 3), integer(0, 3)))
    extents = [
        draw(integer(max(1, d * (k - 1) + 1 - 2 * p), 21)) for k, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    shapes = (draw(integer(1, 3)), cin * groups, *extents), (cout * groups, cin, *kernel)
    rng = np.random.default_rng(draw(integer(0, 2**32 - 1)))
    return Case(*shapes, dtype, rng, stride, padding, dilation, groups)


@settings(max_examples=250)
@given(cases())
def test_forward(case):
    expected = reference.conv2d(case.x, case.w, case.b, **case.options)
    for name in case.able():
        y = case.forward(name)
        case.check(name, y, expected)
        assert case.prepare(name).dataflow == name
        assert_same_bits(case.prepared(name), y)
        assert_same_bits(case.prepared(name, relu=True), np.where(y <= 0, case.dtype(0), y))


@settings(max_examples=250)
@given(cases())
def test_backward_input(case):
    gy = _values(np.random.default_rng(0), case.output_shape, case.dtype)
    expected = reference.conv2d_backward_input(gy, case.x.shape, case.w, **case.options)
    for name in case.able("grad_input"):
        case.check(name, case.backward(name, gy), expected, "grad_input")


@settings(max_examples=250)
@given(cases())
def test_backward_weight(case):
    gy = _values(np.random.default_rng(0), case.output_shape, case.dtype)
    expected = reference.conv2d_backward_weight(gy, case.x, case.w.shape, **case.options)
    for name in case.able("grad_weight"):
        case.check(name, case.backward_weight(name, gy), expected, "grad_weight")


@settings(max_examples=150)
@given(cases())
def test_direct_dataflows_give_the_same_bits(case):
    """One accumulator an output and one order of the terms: the choice among them is free."""
    direct = [name for name in case.able() if name not in WINOGRAD]
    assert {"panels", "rows"} <= set(direct)
    y = case.forward(direct[0])
    for name in direct[1:]:
        assert_same_bits(case.forward(name), y)


@pytest.mark.parametrize("width", [256, 257, 601])
@pytest.mark.parametrize(
    "rows, taps, stride, groups",
    [(1, 3, 1, 2), (3, 3, 1, 2), (2, 5, 1, 2), (1, 5, 2, 2), (3, 3, 3, 2), (3, 3, 1, 1), (3, 3, 2, 1), (2, 4, 2, 1)],
)
def test_rows_longer_than_a_block(rows, taps, stride, groups, width, dtype, rng):
    padding = (rows // 2, taps // 2)
    shapes = (2, 6, rows, width), (38, 6 // groups, min(rows, 3), taps)
    case = Case(*shapes, dtype, rng, (1, stride), padding, groups=groups)
    gy = _values(rng, case.output_shape, dtype)
    y = reference.conv2d(case.x, case.w, case.b, **case.options)
    gx = reference.conv2d_backward_input(gy, case.x.shape, case.w, **case.options)
    for name in case.able():
        case.check(name, case.forward(name), y)
    for name in case.able("grad_input"):
        case.check(name, case.backward(name, gy), gx, "grad_input")


@settings(max_examples=150)
@given(cases())
def test_which_are_able(case):
    options, able = case.options, case.able()
    stride, kernel = options["stride"], case.w.shape[2:]
    single = case.dtype == np.float32 and options["dilation"] == (1, 1)
    taps = max(-(-k // s) for k, s in zip(kernel, stride, strict=True))
    for name, of in (("winograd4", {3}), ("winograd3", {2, 4}), ("winograd2", {3, 5})):
        suits = single and options["groups"] == 1 and taps in of
        assert (name in able) == (name in case.able("grad_input")) == (name in case.able("grad_weight")) == suits
    for name, width in (("lines4", 3), ("lines2", 5)):
        suits = single and stride == (1, 1) and kernel[1] == width
        assert (name in able) == (name in case.able("grad_input")) == suits
        assert name not in case.able("grad_weight")
    assert case.w.shape[1] > 1 or "filters" in able
    gy = np.ones(case.output_shape, case.dtype)
    for name in ("panels", "rows", "filters", *WINOGRAD):
        for of, call in (("output", case.forward), ("grad_input", lambda name: case.backward(name, gy))):
            if name not in case.able(of):
                with pytest.raises(ValueError, match=f"{name}.*cannot compute"):
                    call(name)


@pytest.mark.parametrize("isa", [isa for isa in runtime.available_isas() if isa != runtime.isa()])
def test_on_the_other_instruction_sets(isa):
    """The generated tests above, in a process of their own: other registers have other edges."""
    command = ["-q", "-k", "test_forward or test_backward or test_direct", __file__]
    process.check(f"import sys, pytest; sys.exit(pytest.main({command!r}))", env={"FASTCONV_ISA": isa})


# ---- threads and batches ----------------------------------------------------------------------------------------

# Above the amount of work from which on several threads run; edges everywhere; a shape for each dataflow.
LARGE = {
    "3x3": ((3, 29, 45, 47), (51, 29, 3, 3), dict(padding=(1, 1))),
    "3x3, one image": ((1, 67, 51, 53), (35, 67, 3, 3), dict(padding=(1, 1))),
    "3x3, deep, small maps": ((3, 301, 7, 9), (53, 301, 3, 3), dict(padding=(1, 1))),
    "3x3, no padding": ((2, 64, 33, 30), (65, 64, 3, 3), {}),
    "5x5": ((3, 7, 34, 38), (37, 7, 5, 5), dict(padding=(2, 1))),
    "11x11, stride 4": ((3, 3, 90, 91), (40, 3, 11, 11), dict(padding=(1, 1), stride=(4, 4))),
    "7x7, stride 2": ((2, 5, 60, 63), (35, 5, 7, 7), dict(padding=(3, 3), stride=(2, 2))),
    "1x5": ((3, 40, 1, 200), (50, 40, 1, 5), {}),
    "4x4, stride 2": ((3, 19, 58, 61), (35, 19, 4, 4), dict(padding=(1, 1), stride=(2, 2))),
    "2x2": ((3, 18, 47, 50), (33, 18, 2, 2), {}),
    "5x5, stride 2": ((3, 17, 57, 59), (33, 17, 5, 5), dict(padding=(2, 2), stride=(2, 2))),
    "grouped": ((3, 36, 51, 53), (60, 12, 3, 3), dict(padding=(1, 1), groups=3)),
    "depthwise": ((3, 61, 77, 75), (122, 1, 3, 3), dict(padding=(1, 1), groups=61)),
}


@pytest.mark.parametrize("name", LARGE)
def test_same_bits_at_any_thread_count_and_in_any_batch(name, dtype, rng, threads):
    input_shape, weight_shape, options = LARGE[name]
    case = Case(input_shape, weight_shape, dtype, rng, **options)
    gy = rng.standard_normal(case.output_shape, np.float32).astype(dtype)
    serial = runtime.build_info()["openmp"] == "none"
    for dataflow in case.able():
        y = None
        for count in COUNTS:
            threads(count)
            found = case.forward(dataflow)
            assert runtime.threads_used() > 1 or count == 1 or serial
            y = found if y is None else y
            assert_same_bits(found, y)
            assert_same_bits(case.prepared(dataflow), y)
        for image in range(len(case.x)):
            assert_same_bits(case.forward(dataflow, case.x[image : image + 1])[0], y[image])
    for dataflow in case.able("grad_weight"):
        gw = None
        for count in COUNTS:
            threads(count)
            found = case.backward_weight(dataflow, gy)
            gw = found if gw is None else gw
            assert_same_bits(found, gw)
    for dataflow in case.able("grad_input"):
        gx = None
        for count in COUNTS:
            threads(count)
            found = case.backward(dataflow, gy)
            gx = found if gx is None else gx
            assert_same_bits(found, gx)
        assert_same_bits(case.backward(dataflow, gy[-1:])[0], gx[-1])


# ---- what is not finite -----------------------------------------------------------------------------------------

SPECIAL_SHAPES = [
    ((3, 2, 18, 34), (9, 2, 3, 3), dict(padding=(0, 1), stride=(1, 2))),
    ((3, 5, 13, 14), (17, 5, 5, 5), dict(padding=(1, 2))),
    ((3, 3, 22, 24), (6, 3, 11, 11), dict(padding=(1, 2), stride=(4, 4))),
    ((3, 3, 13, 14), (6, 3, 7, 7), dict(padding=(3, 3), stride=(2, 2))),
    ((3, 3, 13, 14), (6, 3, 4, 4), dict(padding=(1, 2), stride=(2, 2))),
    ((3, 4, 13, 14), (6, 4, 2, 2), dict(padding=(1, 0))),
    ((3, 5, 13, 14), (7, 5, 3, 3), dict(padding=(1, 1))),
    ((3, 17, 9, 8), (18, 17, 3, 3), dict(padding=(2, 0))),
    ((3, 4, 11, 12), (8, 1, 3, 3), dict(padding=(1, 1), groups=4)),
    ((3, 3, 10, 9), (6, 3, 2, 5), dict(padding=(1, 2), stride=(2, 1))),
]


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shapes", SPECIAL_SHAPES, ids=str)
def test_non_finite_values_stay_where_a_direct_sum_puts_them(shapes, special, dtype, rng):
    """And in their own image: the others keep their bits."""
    input_shape, weight_shape, options = shapes
    case = Case(input_shape, weight_shape, dtype, rng, **options)
    for name in case.able():
        clean = case.forward(name)
        spoiled = case.x.copy()
        spoiled[(1, *rng.integers(0, spoiled.shape[1:]))] = special
        y = case.forward(name, spoiled)
        case.check(name, y, reference.conv2d(spoiled, case.w, case.b, **options))
        assert not np.isfinite(y[1]).all()
        assert_same_bits(y[[0, 2]], clean[[0, 2]])
        kept = case.w.copy()
        case.w[tuple(rng.integers(0, kept.shape))] = special
        expected = reference.conv2d(case.x, case.w, case.b, **options)
        case.check(name, case.forward(name), expected)
        case.check(name, case.prepared(name), expected)
        case.w[...] = kept


@pytest.mark.parametrize("special", [np.nan, np.inf])
@pytest.mark.parametrize("shapes", SPECIAL_SHAPES, ids=str)
def test_non_finite_gradients_stay_where_a_direct_sum_puts_them(shapes, special, dtype, rng):
    input_shape, weight_shape, options = shapes
    case = Case(input_shape, weight_shape, dtype, rng, **options)
    clean = _values(rng, case.output_shape, dtype)
    for name in case.able("grad_input"):
        spoiled = clean.copy()
        spoiled[(1, *rng.integers(0, spoiled.shape[1:]))] = special
        gx = case.backward(name, spoiled)
        case.check(name, gx, reference.conv2d_backward_input(spoiled, case.x.shape, case.w, **options), "grad_input")
        assert_same_bits(gx[[0, 2]], case.backward(name, clean)[[0, 2]])
    for name in case.able("grad_weight"):
        expected = reference.conv2d_backward_weight(spoiled, case.x, case.w.shape, **options)
        case.check(name, case.backward_weight(name, spoiled), expected, "grad_weight")


def finite_kinds(values):
    """What each is: a number, NaN, or an infinity with its sign."""
    return np.where(np.isfinite(values), 0, np.nan_to_num(values, nan=2, posinf=1, neginf=-1))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shapes", SPECIAL_SHAPES, ids=str)
def test_the_padding_is_zeros_that_are_multiplied(shapes, special, dtype, rng):
    """The one rule for weights and gradients that are not finite, in each dataflow, prepared or not: as in a sum over
    the padded image, 0 * inf is NaN, in the output and in the gradient of the weights. The gradient of the input is of
    the image alone: nothing that belongs to the padding takes part. Some taps of a filter in turn, and all together."""
    input_shape, weight_shape, options = shapes
    case = Case(input_shape, weight_shape, dtype, rng, **options)
    kept, gy = case.w.copy(), _values(rng, case.output_shape, dtype)
    taps = [(slice(None), slice(None), kh, kw) for kh in range(kept.shape[2]) for kw in range(kept.shape[3])]
    for tap in [*taps[:: max(1, len(taps) // 5)], ...]:
        case.w[...] = kept
        case.w[tap] = special
        expected = finite_kinds(reference.conv2d(case.x, case.w, case.b, **options).value)
        for name in case.able():
            np.testing.assert_array_equal(finite_kinds(case.forward(name)), expected)
            np.testing.assert_array_equal(finite_kinds(case.prepared(name)), expected)
        expected = finite_kinds(reference.conv2d_backward_input(gy, case.x.shape, case.w, **options).value)
        for name in case.able("grad_input"):
            np.testing.assert_array_equal(finite_kinds(case.backward(name, gy)), expected)
    case.w[...] = kept
    for place in ((0, 0), (0, -1), (-1, 0), (-1, -1), ...):
        spoiled = gy.copy()
        spoiled[(..., *place) if place != ... else ...] = special
        expected = finite_kinds(reference.conv2d_backward_weight(spoiled, case.x, case.w.shape, **options).value)
        for name in case.able("grad_weight"):
            np.testing.assert_array_equal(finite_kinds(case.backward_weight(name, spoiled)), expected)


def test_what_an_infinite_weight_does_over_the_padding(dtype):
    """In numbers: the corner's window has the padding under the infinite tap, the middle's has not."""
    x, w = np.ones((1, 1, 4, 4), dtype), np.ones((1, 1, 3, 3), dtype)
    w[0, 0, 0, 0] = np.inf
    y = fc.conv2d(x, w, padding=1)[0, 0]
    assert np.isnan(y[0]).all() and np.isnan(y[:, 0]).all() and np.isposinf(y[1:, 1:]).all()
    gx, gw, _ = fc.functional.conv2d_backward(np.ones((1, 1, 4, 4), dtype), x, w, padding=1)
    assert np.isposinf(gx[0, 0, :3, :3]).all() and (gx[0, 0, 3] == [4, 6, 6, 4]).all()
    assert np.isfinite(gw).all()


def test_relu_keeps_nan(dtype, rng):
    case = Case((2, 6, 9, 10), (7, 6, 3, 3), dtype, rng, padding=(1, 1))
    case.x[0, 2, 4, 4] = np.nan
    for name in case.able():
        y = case.prepared(name, relu=True)
        assert_same_bits(y, np.where(case.prepared(name) <= 0, dtype(0), case.prepared(name)))
        assert np.isnan(y[0]).any()


@pytest.mark.parametrize("scaled", ["input", "weight"])
def test_sums_that_overflow_only_on_the_way(scaled, rng):
    """Values near the largest float: a transform of the tile overflows, the direct sum does not."""
    case = Case((2, 16, 12, 13), (17, 16, 3, 3), np.float32, rng, padding=(1, 1))
    large, small = (case.x, case.w) if scaled == "input" else (case.w, case.x)
    large[...] = rng.choice([-1e38, 1e38], large.shape)
    small[...] = rng.uniform(-0.01, 0.01, small.shape)
    expected = reference.conv2d(case.x, case.w, case.b, **case.options)
    assert expected.magnitude.max() < np.finfo(np.float32).max
    for name in case.able():
        case.check(name, case.forward(name), expected)
        case.check(name, case.prepared(name), expected)


def test_sums_that_overflow_are_infinite(rng):
    """In the one image and pixel where they do."""
    case = Case((2, 5, 12, 13), (6, 5, 3, 3), np.float32, rng, padding=(1, 1))
    case.x[1, 3, 6, 7] = 3e38
    case.w[:, 3] = 1.0
    case.w[0, 3, 1, 1] = 2.0
    for name in case.able():
        y = case.forward(name)
        expected = np.zeros(y.shape, bool)
        expected[1, 0, 6, 7] = True
        np.testing.assert_array_equal(np.isposinf(y), expected)
        assert np.isfinite(y[~expected]).all()


# ---- the choice -------------------------------------------------------------------------------------------------


def test_allow_winograd_changes_the_choice(winograd, rng):
    case = Case((1, 64, 32, 32), (64, 64, 3, 3), np.float32, rng, padding=(1, 1))
    layer = fc.nn.Conv2d(64, 64, 3, padding=1, seed=0)

    def chosen():
        return conv.conv2d_dataflow(case.w, *case.sizes, *case.geometry)[0], fc.compile(layer, (64, 32, 32)).steps[
            0
        ].dataflow

    winograd(True)
    assert set(chosen()) <= set(WINOGRAD)
    fast, plan = fc.conv2d(case.x, case.w, case.b, padding=1), fc.compile(layer, (64, 32, 32))
    winograd(False)
    assert not set(chosen()) & set(WINOGRAD)
    slow = fc.conv2d(case.x, case.w, case.b, padding=1)
    assert_same_bits(slow, case.forward("panels"))
    assert (fast != slow).any()
    assert plan.steps[0].dataflow in WINOGRAD  # a plan keeps what it chose
    winograd(True)
    assert_same_bits(fc.conv2d(case.x, case.w, case.b, padding=1), fast)


@pytest.mark.parametrize("wrong", [0, 1, None, "no", 1.0])
def test_allow_winograd_takes_booleans(wrong, winograd):
    with pytest.raises(TypeError, match="flag"):
        winograd(wrong)


def test_the_environment_allows_winograd_or_not():
    script = "import fastconv.settings as s; print(s.is_winograd_allowed(), s.config()['winograd'])"
    for value, expected in (("0", "False False"), ("1", "True True"), ("", "True True")):
        assert process.check(script, env={"FASTCONV_WINOGRAD": value}).strip() == expected
    done = process.run(script, env={"FASTCONV_WINOGRAD": "yes"})
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode != 0 and last.startswith("ValueError") and "FASTCONV_WINOGRAD (='yes')" in last


@pytest.mark.parametrize("wrong", ["panel", "", "Winograd4", 3])
def test_a_wrong_dataflow_is_named(wrong, rng):
    case = Case((1, 4, 8, 8), (5, 4, 3, 3), np.float32, rng)
    gy = np.ones(case.output_shape, np.float32)
    gradients = (lambda name: case.backward(name, gy)), (lambda name: case.backward_weight(name, gy))
    for call in (case.forward, case.prepare, *gradients):
        with pytest.raises(ValueError, match="dataflow") as error:
            call(wrong)
        assert repr(wrong) in str(error.value) and "winograd4" in str(error.value)


# ---- Winograd's accuracy ----------------------------------------------------------------------------------------

# Root-mean-square error over that of a sequential float32 sum, and the largest error over rms: what is promised.
DIRECT, FOUR, SIX = (1.1, 1e-5), (1.5, 1e-5), (4.0, 4e-5)
PROMISED = {
    2: {"panels": DIRECT, "winograd3": FOUR},
    3: {"panels": DIRECT, "winograd2": FOUR, "winograd4": SIX, "lines4": SIX},
    4: {"panels": DIRECT, "winograd3": SIX},
    5: {"panels": DIRECT, "winograd2": SIX, "lines2": SIX},
}
PROMISED_GRADIENT = {
    2: {"product": (1.3, 2e-5), "winograd3": FOUR},
    3: {"product": (1.3, 2e-5), "winograd2": FOUR, "winograd4": SIX},
    4: {"product": (1.3, 2e-5), "winograd3": SIX},
    5: {"product": (1.3, 2e-5), "winograd2": (8.0, 1e-4)},
}


def _sequential(x, w):
    """A float32 sum, term by term."""
    rows, columns = x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1
    y = np.zeros((len(x), len(w), rows, columns), np.float32)
    for c, i, j in np.ndindex(*w.shape[1:]):
        y += x[:, c, None, i : i + rows, j : j + columns] * w[None, :, c, i, j, None, None]
    return y


def _sequential_weights(gy, x, shape):
    gw = np.zeros(shape, np.float32)
    for n, i, j in np.ndindex(len(gy), *gy.shape[2:]):
        patch = x[n, None, :, i : i + shape[2], j : j + shape[3]]
        gw += gy[n, :, i, j, None, None, None] * patch
    return gw


def _relu_case(channels, taps, rng):
    """Inputs max(0, N(0, 1)), weights of He's initialisation, 16 outputs of 17 x 18 pixels."""
    shapes = (1, channels, 16 + taps, 17 + taps), (16, channels, taps, taps)
    case = Case(*shapes, np.float32, rng)
    case.x = np.maximum(rng.standard_normal(case.x.shape, np.float32), 0)
    case.w = (rng.standard_normal(case.w.shape) * np.sqrt(2 / (taps * taps * channels))).astype(np.float32)
    case.b[:] = 0
    return case


def _errors(actual, exact, sequential):
    """(root-mean-square error over the sequential sum's, largest error over rms)"""

    def rms(error):
        return np.sqrt(np.mean(np.square(error)))

    return rms(actual - exact) / rms(sequential - exact), np.abs(actual - exact).max() / rms(exact)


@pytest.mark.parametrize("taps", PROMISED)
@pytest.mark.parametrize("channels", [16, 64, 128, 256, 512])
def test_winograds_accuracy(channels, taps):
    """Against float64. Measured on AVX-512: root-mean-square error over that of the sequential sum; and the largest
    error over the outputs' rms, in units of 1e-6.

        channels       F(2,3)^2       F(4,3)^2         F(4,3)       F(3,4)^2       F(2,5)^2         F(2,5)
              16   0.81    0.6   3.38    3.3   1.82    2.0   2.49    3.8   2.33    2.6   1.57    2.1
             128   0.72    1.5   2.84    7.5   1.95    6.0   2.13    6.6   1.87    5.8   1.47    5.3
             512   0.67    2.8   2.73   18.3   1.75   11.0   2.03   10.4   1.84   16.8   1.46   14.0

    F(3,2)^2: 1.16, 1.03, 0.96 and 0.7, 2.0, 2.4.
    """
    case = _relu_case(channels, taps, np.random.default_rng(channels))
    exact, sequential = reference.conv2d(case.x, case.w).value, _sequential(case.x, case.w)
    largest = _errors(sequential, exact, sequential)[1]
    for name, (ratio, worst) in PROMISED[taps].items():
        found = _errors(case.forward(name), exact, sequential)
        if name == "panels" and runtime.isa() == "baseline":  # without fused multiply-adds it is the sequential sum
            worst = max(worst, largest)
        assert found[0] <= ratio and found[1] <= worst, (name, found)


@pytest.mark.parametrize("taps", PROMISED_GRADIENT)
@pytest.mark.parametrize("channels", [16, 64])
def test_winograds_accuracy_for_gradients_of_weights(channels, taps):
    """Against float64, for gradients N(0, 1), summed over 17 x 18 pixels, 64 channels: 3 x 3 by F(3, 4)^2 3.1, 4 x 4 by
    F(4, 3)^2 3.2, 5 x 5 by F(5, 2)^2 5.1, 2 x 2 by F(2, 3)^2 0.8 times the sequential sum's error."""
    rng = np.random.default_rng(channels)
    case = _relu_case(channels, taps, rng)
    gy = rng.standard_normal(case.output_shape, np.float32)
    exact = reference.conv2d_backward_weight(gy, case.x, case.w.shape).value
    for name, (ratio, worst) in PROMISED_GRADIENT[taps].items():
        found = _errors(case.backward_weight(name, gy), exact, _sequential_weights(gy, case.x, case.w.shape))
        assert found[0] <= ratio and found[1] <= worst, (name, found)
