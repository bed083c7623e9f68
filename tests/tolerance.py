"""How far a correct kernel may be from the reference, and the one comparison that all tests make."""

import numpy as np
from reference import Sum

DTYPES = (np.float32, np.float64)


# How far Winograd's algorithm may be off, in units of what a direct sum may, taken over the tile (see `assert_sums`).
WINOGRAD = {"winograd4": 4.0, "winograd2": 1.0}
_WINOGRAD_CHANNELS = 16  # conv2d takes it from so many input and output channels on


def assert_sums(actual, expected: Sum, dtype, winograd=0.0):
    """A kernel's result against a sum of products.

    Rounding K products and additions in a random-walk manner errs by about sqrt(K) eps of the sum of magnitudes; the 4
    covers the last roundings, and the reference's own in float64.

    winograd: a factor of WINOGRAD. A tile of F(4x4, 3x3) mixes 6 x 6 pixels, so its errors follow the largest of the
    sums nearby, in the 7 x 7 pixels around: a dark pixel beside a bright one has the bright one's error.
    """
    magnitude = winograd * _largest_nearby(expected.magnitude) if winograd else expected.magnitude
    with np.errstate(all="ignore"):
        bound = (4 + np.sqrt(expected.terms)) * np.finfo(dtype).eps * magnitude
    _compare(actual, expected.value, bound, dtype)


def winograd_factor(weight_shape, dtype, stride=1, padding=0, dilation=1, groups=1):
    """What `assert_sums` allows a function that may choose Winograd's algorithm for itself."""
    suits = dtype == np.float32 and tuple(weight_shape[2:]) == (3, 3) and groups == 1
    suits = suits and all(step in (1, (1, 1)) for step in (stride, dilation))
    return max(WINOGRAD.values()) if suits and min(weight_shape[:2]) >= _WINOGRAD_CHANNELS else 0.0


def _largest_nearby(magnitude, reach=3):
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
    return tuple(int(axis[0]) for axis in np.nonzero(mask))


def _tell(what, mask, actual, expected):
    at = _first(mask)
    return f"{what} at {mask.sum()} of {mask.size} places, first {at}: got {actual[at]!r}, expected {expected[at]!r}"
