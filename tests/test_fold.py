"""unfold and fold (im2col and col2im) against the reference."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F


@st.composite
def foldings(draw):
    integer = st.integers
    kernel = draw(integer(1, 4)), draw(integer(1, 4))
    dilation = draw(integer(1, 3)), draw(integer(1, 3))
    padding = draw(integer(0, 3)), draw(integer(0, 3))
    stride = draw(integer(1, 3)), draw(integer(1, 3))
    extents = [
        draw(integer(max(1, d * (k - 1) + 1 - 2 * p), 14)) for k, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    options = dict(kernel_size=kernel, dilation=dilation, padding=padding, stride=stride)
    return (draw(integer(0, 3)), draw(integer(1, 9)), *extents), options


@settings(max_examples=150)
@given(foldings(), st.sampled_from([np.float32, np.float64]), st.integers(0, 2**32 - 1))
def test_generated(shapes, dtype, seed):
    shape, options = shapes
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(dtype)
    before = x.copy()
    columns = fc.unfold(x, **options)
    assert_same_bits(columns, reference.unfold(x, **options).astype(dtype))  # copies: exact
    assert_same_bits(x, before)
    columns = rng.standard_normal(columns.shape).astype(dtype)
    before = columns.copy()
    assert_sums(fc.fold(columns, shape[2:], **options), reference.fold(columns, shape[2:], **options), dtype)
    assert_same_bits(columns, before)


def test_im2col_and_col2im_are_the_same_functions():
    assert F.im2col is F.unfold and F.col2im is F.fold
    assert F.im2col_backward is F.unfold_backward and F.col2im_backward is F.fold_backward


def test_each_is_the_gradient_of_the_other(dtype, rng):
    shape, options = (2, 3, 8, 9), (3, 2, 1, 2)
    x = rng.standard_normal(shape).astype(dtype)
    columns = fc.unfold(x, *options)
    assert_same_bits(F.unfold_backward(columns, shape, *options), fc.fold(columns, shape[2:], *options))
    assert_same_bits(F.unfold_backward(columns[0], shape[1:], *options), fc.fold(columns[0], shape[2:], *options))
    assert_same_bits(F.fold_backward(x, shape[2:], *options), columns)
    assert_same_bits(F.fold_backward(x[0], shape[2:], *options), columns[0])
    assert F.unfold_backward(columns[:0], (0, *shape[1:]), *options).shape == (0, *shape[1:])
    assert F.fold_backward(x[:0], shape[2:], *options).shape == (0, *columns.shape[1:])
    for wrong in (columns[:1], columns[0], columns[:, :-1], columns[..., :-1]):
        with pytest.raises(ValueError, match="grad_output"):
            F.unfold_backward(wrong, shape, *options)
    for size in ((8, 8), (9, 8), (8,), 8, (8, 9, 1), (8.0, 9)):
        with pytest.raises((ValueError, TypeError), match="output_size"):
            F.fold_backward(x, size, *options)
    with pytest.raises(ValueError, match="grad_output"):
        F.fold_backward(x[None], (8, 9), 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda zeros: F.unfold(zeros(5, 5), 3), lambda zeros: F.unfold(zeros(1, 1, 1, 5, 5), 3),
        lambda zeros: F.unfold(zeros(2, 0, 5, 5), 3), lambda zeros: F.unfold(zeros(2, 2, 0, 5), 3, padding=2),
        lambda zeros: F.unfold(zeros(0, 5, 5), 3), lambda zeros: F.unfold(zeros(1, 1, 5, 5), (3,)),
        lambda zeros: F.fold(zeros(1, 1, 9, 9), 5, 3), lambda zeros: F.fold(zeros(9), 5, 3),
        lambda zeros: F.fold(zeros(1, 9, 0), 5, 3), lambda zeros: F.fold(zeros(1, 0, 9), 5, 3),
        lambda zeros: F.fold(zeros(0, 9), 5, 3), lambda zeros: F.fold(zeros(1, 9, 9), (5,), 3),
        lambda zeros: F.fold(zeros(1, 9, 9), 5, (3,)), lambda zeros: F.fold(zeros(1, 9, 6), (0, 1), 3, padding=2),
    ],
)  # fmt: skip
def test_what_torch_refuses(call, dtype):
    with pytest.raises((ValueError, TypeError)):
        call(lambda *shape: np.zeros(shape, dtype))


def test_unbatched_and_positions(dtype, rng):
    x = rng.standard_normal((2, 3, 8, 9)).astype(dtype)
    columns = fc.unfold(x, 3, 2, 1, 2)
    assert_same_bits(columns, fc.unfold(x, kernel_size=3, dilation=2, padding=1, stride=2))
    assert_same_bits(fc.unfold(x[0], 3, 2, 1, 2), columns[0])
    image = fc.fold(columns, (8, 9), 3, 2, 1, 2)
    assert_same_bits(fc.fold(columns[0], (8, 9), 3, 2, 1, 2), image[0])


def test_fold_undoes_unfold_where_windows_do_not_overlap(dtype, rng):
    x = rng.standard_normal((2, 3, 8, 6)).astype(dtype)
    assert_same_bits(fc.fold(fc.unfold(x, 2, stride=2), (8, 6), 2, stride=2), x)


def test_pixels_that_no_window_sees_are_zero(dtype):
    columns = fc.unfold(np.ones((1, 1, 5, 5), dtype), 2, stride=3)
    image = fc.fold(columns, (5, 5), 2, stride=3)[0, 0]
    np.testing.assert_array_equal(image, np.outer([1, 1, 0, 1, 1], [1, 1, 0, 1, 1]).astype(dtype))


def test_non_finite_values_stay_in_their_place(dtype, rng):
    x = rng.standard_normal((1, 2, 6, 5)).astype(dtype)
    x[0, 1, 2, 3], x[0, 0, 5, 4] = np.nan, -np.inf
    columns = fc.unfold(x, 3, padding=1)
    assert_same_bits(columns, reference.unfold(x, 3, padding=1).astype(dtype))
    assert_sums(fc.fold(columns, (6, 5), 3, padding=1), reference.fold(columns, (6, 5), 3, padding=1), dtype)


def test_columns_of_several_rows_above_the_parallel_threshold(dtype, rng):
    x = rng.standard_normal((2, 16, 61, 67)).astype(dtype)
    assert_same_bits(fc.unfold(x, 3, padding=1), reference.unfold(x, 3, padding=1).astype(dtype))


@settings(max_examples=60)
@given(foldings(), st.integers(0, 2**32 - 1))
def test_torch_agrees(shapes, seed):
    torch = pytest.importorskip("torch")
    shape, options = shapes
    x = np.random.default_rng(seed).integers(-5, 6, shape).astype(np.float32)  # small integers: exact sums
    if not len(x):
        return
    columns = torch.nn.functional.unfold(torch.from_numpy(x), **options)
    np.testing.assert_array_equal(fc.unfold(x, **options), columns.numpy())
    image = torch.nn.functional.fold(columns, shape[2:], **options)
    np.testing.assert_array_equal(fc.fold(columns.numpy(), shape[2:], **options), image.numpy())
