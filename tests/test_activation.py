"""Activations and their gradients: accuracy in units in the last place, extremes, NaN."""

import numpy as np
import pytest
import reference
from tolerance import assert_close, assert_same_bits

import fastconv as fc
import fastconv.functional as F

# Name, options, and how many units in the last place the forward may be off.
CASES = [
    ("relu", {}, 0),
    ("relu6", {}, 0),
    ("leaky_relu", {}, 1),
    ("leaky_relu", {"negative_slope": -1.5}, 1),
    ("elu", {}, 5),
    ("elu", {"alpha": 2.5}, 5),
    ("gelu", {}, 5),
    ("gelu", {"approximate": "tanh"}, 5),
    ("silu", {}, 5),
    ("sigmoid", {}, 5),
    ("tanh", {}, 5),
]
CASE = pytest.mark.parametrize("name, options, ulps", CASES, ids=lambda value: str(value) if value != {} else "plain")
TAKES_OUTPUT = ("sigmoid", "tanh")
TAKES_INPLACE = ("relu", "relu6", "leaky_relu", "elu", "silu")


def arguments(dtype, rng):
    """Every size that matters: tiny, ordinary, and so large that an exponential overflows."""
    limits = np.finfo(dtype)
    special = [0.0, -0.0, limits.tiny, -limits.tiny, limits.max, limits.min, np.inf, -np.inf, np.nan, limits.eps]
    special += [limits.smallest_subnormal, -limits.smallest_subnormal, 6.0, -6.0, 1e3, -1e3]
    spread = rng.standard_normal(4000) * 10.0 ** rng.uniform(-8, 3, 4000)
    return np.concatenate([special, spread, np.linspace(-30, 30, 1201)]).astype(dtype)


def assert_forward(y, name, x, options, ulps, dtype):
    """gelu's errors are relative to its argument: the reference itself has no more digits of a small tail."""
    assert_close(y, expected(name, x, **options), dtype, ulps, scale=x.astype(np.float64) if name == "gelu" else None)


def expected(name, *arrays, **options):
    with np.errstate(all="ignore"):
        return getattr(reference, name)(*arrays, **options)


def delicate_aside(name, x):
    """Without what overflows, and what is a large number times a denormal one, whose few digits it keeps."""
    if name == "leaky_relu":
        return x[np.abs(x) < np.finfo(x.dtype).max]
    return x[~((x < -80) & (x > -800))] if name == "silu" else x


@CASE
def test_forward(name, options, ulps, dtype, rng):
    x = delicate_aside(name, arguments(dtype, rng))
    before = x.copy()
    out = np.full_like(x, np.nan)
    getattr(fc, name)(x, **options, out=out)
    assert_forward(out, name, x, options, ulps, dtype)
    assert_same_bits(getattr(F, name)(x, **options), out)
    assert_same_bits(x, before)


@CASE
@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 100_003])
def test_every_tail_gives_the_same_bits(name, options, ulps, size, dtype, rng):
    """A value's result does not depend on where in the array it stands."""
    x = (rng.standard_normal(size) * 5).astype(dtype)
    y = getattr(fc, name)(x, **options)
    assert y.shape == x.shape
    assert_forward(y, name, x, options, ulps, dtype)
    given = y if name in TAKES_OUTPUT else x
    gx = getattr(F, f"{name}_backward")(x[::-1], given, **options)
    for place in rng.integers(0, size, min(size, 5)):
        at = slice(place, place + 1)
        assert_same_bits(getattr(fc, name)(x[at], **options), y[at])
        assert_same_bits(getattr(F, f"{name}_backward")(x[::-1][at], given[at], **options), gx[at])


@CASE
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4, 5), (2, 0, 3), (1,) * 8], ids=str)
def test_any_shape(name, options, ulps, shape, dtype, rng):
    x = np.asarray(rng.standard_normal(shape), dtype)
    assert_forward(getattr(fc, name)(x, **options), name, x, options, ulps, dtype)
    backward = getattr(F, f"{name}_backward")(x, x, **options)
    assert backward.shape == shape and backward.dtype == dtype


@CASE
def test_any_strides(name, options, ulps, dtype, rng):
    """Negative, zero, transposed, with gaps, misaligned: as if copied first."""
    x = rng.standard_normal((6, 10)).astype(dtype)
    memory = np.zeros(x.nbytes + 1, np.uint8)
    misaligned = memory[1:].view(dtype).reshape(x.shape)
    misaligned[...] = x
    for each in (x[::-1, ::2], x.T, np.broadcast_to(x[0], (4, 10)), misaligned):
        assert_same_bits(getattr(F, name)(each, **options), getattr(F, name)(each.copy(), **options))
        backward = getattr(F, f"{name}_backward")
        assert_same_bits(backward(each, each, **options), backward(each.copy(), each.copy(), **options))


@CASE
def test_backward(name, options, ulps, dtype, rng):
    x = (rng.standard_normal((3, 7, 11)) * 4).astype(dtype)
    x[0, 0, :4] = 0.0, -0.0, 1e-30, -1e-30
    gy = rng.standard_normal(x.shape).astype(dtype)
    given = getattr(fc, name)(x) if name in TAKES_OUTPUT else x
    gx = getattr(F, f"{name}_backward")(gy, given, **options)
    # What cancels, as in 1 - y, is relative to one and not to the difference.
    exact = name in ("relu", "relu6")
    scale = np.abs(gy.astype(np.float64)) * (1 + np.abs(x) if name in ("silu", "gelu") else 1)
    if "alpha" in options:
        scale *= options["alpha"]
    if "negative_slope" in options:
        scale *= 2
    want = expected(f"{name}_backward", gy, given, **options)
    assert_close(gx, want, dtype, ulps=0 if exact else 8 if name == "gelu" else 4, scale=scale)


def test_relu_gradient_at_zero_is_zero(dtype):
    x = np.array([0.0, -0.0, 1.0, -1.0], dtype)
    np.testing.assert_array_equal(F.relu_backward(np.full(4, 3, dtype), x), np.array([0, 0, 3, 0], dtype))


@pytest.mark.parametrize("name", TAKES_INPLACE)
def test_inplace_is_refused(name, dtype):
    with pytest.raises(ValueError, match="inplace"):
        getattr(F, name)(np.zeros(3, dtype), inplace=True)
    getattr(F, name)(np.zeros(3, dtype), inplace=False)


@pytest.mark.parametrize("name, argument", [("leaky_relu", "negative_slope"), ("elu", "alpha")])
@pytest.mark.parametrize("value", [None, "1", 1j, True, [1.0], 10**400], ids=lambda value: str(value)[:9])
def test_parameters_are_numbers(name, argument, value, dtype):
    for call in (getattr(F, name), lambda x, value: getattr(F, f"{name}_backward")(x, x, value)):
        with pytest.raises((TypeError, ValueError), match=argument):
            call(np.zeros(3, dtype), value)


def test_gelu_has_two_forms(dtype):
    for wrong in ("erf", None, True, 1):
        with pytest.raises(ValueError, match="approximate"):
            F.gelu(np.zeros(3, dtype), approximate=wrong)
        with pytest.raises(ValueError, match="approximate"):
            F.gelu_backward(np.zeros(3, dtype), np.zeros(3, dtype), approximate=wrong)
    with pytest.raises(TypeError):
        F.gelu(np.zeros(3, dtype), "tanh")  # torch's is keyword only


# ---- accuracy over the whole of a type -----------------------------------------------------------------------------

ACCURATE = {
    "sigmoid": (F.sigmoid, lambda x: 1 / (1 + np.exp(-x)), 5),
    "tanh": (F.tanh, np.tanh, 5),
    "elu": (F.elu, lambda x: np.where(x > 0, x, np.expm1(x)), 5),
    # the exponential alone, of negative numbers: all that the kernels ever take it of
    "exp": (lambda x: F.elu_backward(np.ones_like(x), -np.abs(x)), lambda x: np.exp(-np.abs(x)), 1),
}


def units_off(got, want):
    """In units in the last place of the true value, `want`, which is of a wider type."""
    limits = np.finfo(got.dtype)
    exponent = np.floor(np.log2(np.where(want == 0, 1, np.abs(want))))
    unit = np.exp2(np.maximum(exponent, limits.minexp) - limits.nmant)
    return np.abs(got.astype(want.dtype) - want) / unit


@pytest.mark.parametrize("name", ACCURATE)
def test_float32_over_all_exponents(name):
    """Every 1009th of the 2^32 floats, and every float of a stretch."""
    function, true, ulps = ACCURATE[name]
    for start in range(0, 2**32, 2**28):
        bits = np.arange(start + start // 2**28, start + 2**28, 1009, dtype=np.int64)
        stretch = start + 2**27 + np.arange(2**13)
        x = np.concatenate([bits, stretch]).astype(np.uint32).view(np.float32)
        x = x[~np.isnan(x)]
        with np.errstate(all="ignore"):
            off = units_off(function(x), true(x.astype(np.float64)))
        assert (off <= ulps).all(), (x[off.argmax()], off.max())


@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="no type here is wider than float64")
@pytest.mark.parametrize("name", ACCURATE)
def test_float64_over_all_exponents(name, rng):
    function, true, ulps = ACCURATE[name]
    exponents = np.repeat(np.arange(-1074, 1024), 100)
    x = np.ldexp(1 + rng.random(exponents.size), exponents) * rng.choice([-1, 1], exponents.size)
    x = np.concatenate([x, *(rng.uniform(-span, span, 200_000) for span in (1, 4, 40, 760))])
    with np.errstate(all="ignore"):
        off = units_off(function(x), true(x.astype(np.longdouble)))
    assert (off <= ulps).all(), (x[off.argmax()], off.max())


def test_gelu_keeps_the_digits_of_its_tail():
    x = np.linspace(-13, 10, 100_001).astype(np.float32)
    off = units_off(F.gelu(x), reference.gelu(x))
    assert (off <= 10).all(), (x[off.argmax()], off.max())
    # x Phi(x), computed with 40 digits
    x = np.array([-37.0, -20.0, -9.5, -5.0, -1.0, -1e-9, 0.5, 3.0])
    want = np.array([
        -2.1184613523340935e-298, -5.507248237212468e-88, -9.969789321594476e-21, -1.4332578593959695e-06,
        -0.15865525393145705, -4.999999996010577e-10, 0.34573123063700656, 2.99595030590511,
    ])  # fmt: skip
    assert (units_off(F.gelu(x), want.astype(np.longdouble)) <= 16).all()


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_keeps_the_sign_of_zero(approximate, dtype):
    """In every lane and tail. In torch the float32 form with erf does not: there a vector gives 0.0, a tail -0.0."""
    for size in range(1, 40):
        for x in (np.full(size, -0.0, dtype), np.zeros(size, dtype), np.full(size, -100, dtype)):
            y = F.gelu(x, approximate=approximate)
            assert not y.any() and (np.signbit(y) == np.signbit(x)).all()


def test_silu_keeps_the_digits_of_its_tail():
    x = np.linspace(-120, 10, 100_001).astype(np.float32)
    assert_close(F.silu(x), reference.silu(x), np.float32, 4)


# ---- torch -----------------------------------------------------------------------------------------------------------


@CASE
def test_torch_agrees(name, options, ulps, dtype, rng):
    """Infinite and NaN in the same places, forward and backward; zeros of the same sign where torch is consistent."""
    torch = pytest.importorskip("torch")
    x, limits = arguments(dtype, rng), np.finfo(dtype)
    gy = rng.standard_normal(x.shape).astype(dtype)
    tensor = torch.from_numpy(x.copy()).requires_grad_()
    function = getattr(torch.nn.functional, name)
    theirs = function(tensor, **options)
    theirs.backward(torch.from_numpy(gy))
    mine = getattr(F, name)(x, **options)
    given = mine if name in TAKES_OUTPUT else x
    gx = getattr(F, f"{name}_backward")(gy, given, **options)
    compare = lambda a, b, atol: np.testing.assert_allclose(a, b, rtol=512 * limits.eps, atol=atol)  # noqa: E731
    # In float32 vectors, not in lone numbers, torch's gelu makes infinity of the largest number, and NaN of infinity.
    agreed = slice(None) if name != "gelu" else ~(x >= limits.max)
    compare(mine[agreed], theirs.detach().numpy()[agreed], 1000 * limits.tiny if name != "gelu" else 32 * limits.eps)
    compare(gx, tensor.grad.numpy(), 64 * limits.eps)
    if name != "gelu":  # in torch's float32 a zero's sign depends on where in the array it stands: see below
        zeros = x == 0
        assert_same_bits(mine[zeros], theirs.detach().numpy()[zeros])
