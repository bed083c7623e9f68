"""How far a correct kernel may be from the reference, and the one comparison that all tests make."""

import numpy as np
from reference import Sum

DTYPES = (np.float32, np.float64)


# How far Winograd's algorithm may be off, in units of what a direct sum may, taken over the tile (see `assert_sums`):
# of 6 points an axis, or of 4. The gradient of 5 x 5 weights has powers of its points up to the fourth.
SIX_POINTS, FOUR_POINTS, FIVE_TAPS = 4.0, 1.0, 16.0
WINOGRAD = ("winograd4", "winograd3", "winograd2", "lines4", "lines2")


def dataflow_allowance(name, weight_shape, of="output", stride=1):
    """What `assert_sums` allows a dataflow of that name: its arguments `winograd` and `reach`."""
    if name not in WINOGRAD:
        return {}
    step = max(stride) if isinstance(stride, tuple) else stride
    taps = _taps(weight_shape, stride)
    if (name, taps) in (("winograd2", 3), ("winograd3", 2)):
        factor = FOUR_POINTS
    else:
        factor = FIVE_TAPS if of == "grad_weight" and taps == 5 else SIX_POINTS
    if of != "grad_weight" and weight_shape[of == "output"] < 4:
        factor *= 4  # so few terms that a pixel may weigh little here and much in the same tile's unseen part
    reach = {"output": 3, "grad_input": 4 * step, "grad_weight": 5 * step}[of]
    return {"winograd": factor, "reach": reach}


def _taps(weight_shape, stride):
    """Along an axis, once a strided layer is split into its phases."""
    steps = stride if isinstance(stride, tuple) else (stride, stride)
    return max(-(-k // s) for k, s in zip(weight_shape[2:], steps, strict=True))


def assert_sums(actual, expected: Sum, dtype, winograd=0.0, reach=3):
    """A kernel's result against a sum of products.

    Rounding K products and additions in a random-walk manner errs by about sqrt(K) eps of the sum of magnitudes; the 4
    covers the last roundings, and the reference's own in float64.

    winograd: what `dataflow_allowance` says. A tile of F(4x4, 3x3) mixes 6 x 6 pixels, so its errors follow the largest
    of the sums nearby, `reach` pixels around: a dark pixel beside a bright one has the bright one's error.
    """
    magnitude = winograd * _largest_nearby(expected.magnitude, reach) if winograd else expected.magnitude
    with np.errstate(all="ignore"):
        bound = (4 + np.sqrt(expected.terms)) * np.finfo(dtype).eps * magnitude
    _compare(actual, expected.value, bound, dtype)


def allowance(weight_shape, dtype, of="output", stride=1, padding=0, dilation=1, groups=1):
    """What `assert_sums` allows a function that may choose Winograd's algorithm for itself; {} where it may not."""
    suits = groups == 1 and _taps(weight_shape, stride) in (2, 3, 4, 5)
    suits = suits or (stride in (1, (1, 1)) and weight_shape[3] in (3, 5) and of != "grad_weight")
    if dtype != np.float32 or dilation not in (1, (1, 1)) or not suits:
        return {}
    name = {2: "winograd3", 3: "winograd4"}.get(_taps(weight_shape, stride), "winograd2")
    return dataflow_allowance(name, weight_shape, of, stride)


def _largest_nearby(magnitude, reach):
    """The maximum over the pixels at most `reach` away. An image that is not finite is summed directly: no excuse."""
    for axis in (-2, -1):
        pads = [(reach, reach) if each == axis % magnitude.ndim else (0, 0) for each in range(magnitude.ndim)]
        padded = np.pad(np.where(np.isfinite(magnitude), magnitude, 0), pads)
        magnitude = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis).max(axis=-1)
    return magnitude


def assert_close(actual, expected, dtype, ulps=8, scale=None):
    """A kernel's result against an expected array, within some units in the last place.

    scale: what the error is relative to; by default the expected magnitude itself.
    """
    expected = np.asarray(expected, dtype=np.float64)
    magnitude = np.abs(expected) if scale is None else np.broadcast_to(np.abs(scale), expected.shape)
    with np.errstate(all="ignore"):
        bound = ulps * np.finfo(dtype).eps * magnitude
    _compare(actual, expected, bound, dtype)


def assert_same_bits(actual, expected):
    """Exactly the same array: dtype, shape, and every bit, so that 0.0 is not -0.0; a NaN equals any NaN."""
    assert actual.dtype == expected.dtype and actual.shape == expected.shape
    different = actual.view(f"u{actual.itemsize}") != expected.view(f"u{expected.itemsize}")
    if actual.dtype.kind == "f":
        different &= ~(np.isnan(actual) & np.isnan(expected))
    assert not different.any(), f"{different.sum()} of {different.size} differ, first at {_first(different)}"


def _compare(actual, expected, bound, dtype):
    actual = np.asarray(actual)
    assert actual.dtype == dtype, f"dtype {actual.dtype}, expected {np.dtype(dtype)}"
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    assert actual.flags.c_contiguous
    finite = np.isfinite(expected)
    strange = ~finite & ~((actual == expected) | (np.isnan(actual) & np.isnan(expected)))
    assert not strange.any(), _tell("non-finite values differ", strange, actual, expected)
    spurious = finite & ~np.isfinite(actual)
    assert not spurious.any(), _tell("non-finite values appear", spurious, actual, expected)
    with np.errstate(all="ignore"):
        error = np.abs(actual.astype(np.float64) - expected)
        # Sums of very small products lose whole denormals.
        far = finite & ~(error <= bound + 4 * float(np.finfo(dtype).smallest_subnormal))
    assert not far.any(), _tell("too far from the reference", far, actual, expected)


def _first(mask):
    return tuple(int(axis[0]) for axis in np.nonzero(mask)) if mask.ndim else ()


def _tell(what, mask, actual, expected):
    at = _first(mask)
    return f"{what} at {mask.sum()} of {mask.size} places, first {at}: got {actual[at]!r}, expected {expected[at]!r}"
