"""Losses and their gradients against the reference."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_close

import fastconv as fc
import fastconv.functional as F

REDUCTIONS = ["mean", "sum", "none"]


@st.composite
def classifications(draw):
    """(logits, target, options) of a cross entropy, class indices or probabilities."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    classes = draw(st.integers(1, 12))
    batch = draw(st.lists(st.integers(1, 5), max_size=3))  # (), (N,), (N, d1), (N, d1, d2)
    shape = (batch[0], classes, *batch[1:]) if batch else (classes,)
    logits = (rng.standard_normal(shape) * 4).astype(dtype)
    options = dict(reduction=draw(st.sampled_from(REDUCTIONS)), label_smoothing=draw(st.sampled_from([0.0, 0.1, 1.0])))
    if draw(st.booleans()):
        options["weight"] = rng.uniform(0.1, 2, classes).astype(dtype)
    if draw(st.booleans()):
        target = rng.uniform(0, 1, shape).astype(dtype)
    else:
        target = rng.integers(0, classes, batch)
        if draw(st.booleans()):
            options["ignore_index"] = draw(st.sampled_from([0, -1, -100]))
            ignored = rng.random(target.shape) < 0.3
            if target.shape:
                ignored.flat[0] = False
                target[ignored] = options["ignore_index"]
                target.flat[0] = classes - 1
            if options["ignore_index"] == classes - 1 or not target.shape:
                del options["ignore_index"]
                target = np.asarray(np.abs(target) % classes)
    return logits, target, options


def loss_scale(logits, options):
    """Logs of probabilities round relative to the largest of them, and they are summed over classes and samples."""
    axis = 1 if logits.ndim > 1 else 0
    largest = np.abs(reference.log_softmax(logits, axis)).max(axis=axis) + 1
    spread = 2 * (1 + logits.shape[axis] * 2)
    return largest * spread if options.get("reduction") == "none" else largest.sum() * spread


@settings(max_examples=250)
@given(classifications())
def test_cross_entropy(case):
    logits, target, options = case
    dtype = logits.dtype
    before = logits.copy()
    loss = fc.cross_entropy(logits, target, **options)
    expected = reference.cross_entropy(logits, target, **options)
    assert_close(np.asarray(loss), expected, dtype, ulps=8, scale=loss_scale(logits, options))
    seed = np.random.default_rng(1).standard_normal(np.shape(expected)).astype(dtype)
    grad = F.cross_entropy_backward(seed, logits, target, **options)
    expected = reference.cross_entropy_backward(seed, logits, target, **options)
    classes = logits.shape[1 if logits.ndim > 1 else 0]
    assert_close(grad, expected, dtype, ulps=64, scale=np.abs(seed).max() * (2 + 2 * classes))
    np.testing.assert_array_equal(logits, before)


def test_cross_entropy_of_every_sample_ignored_is_nan_as_torchs(dtype):
    assert np.isnan(fc.cross_entropy(np.zeros((2, 3), dtype), np.array([-100, -100])))


def test_cross_entropy_of_certain_and_impossible_classes(dtype):
    logits = np.array([[1000.0, 0.0, -1000.0]], dtype)
    assert fc.cross_entropy(logits, np.array([0])) == 0
    assert fc.cross_entropy(logits, np.array([2])) == 2000


def test_class_indices_of_any_integer_type(dtype, rng):
    logits = rng.standard_normal((4, 3)).astype(dtype)
    expected = fc.cross_entropy(logits, np.array([0, 1, 2, 1]))
    for kind in (np.int8, np.uint8, np.int32, np.uint64):
        assert fc.cross_entropy(logits, np.array([0, 1, 2, 1], kind)) == expected


@pytest.mark.parametrize("wrong", [3, -1, 2**40])
def test_a_class_that_does_not_exist_is_refused(wrong, dtype):
    for call in (fc.cross_entropy, lambda *a: F.cross_entropy_backward(np.asarray(1, dtype), *a)):
        with pytest.raises(ValueError, match=f"target.*{wrong}"):
            call(np.zeros((2, 3), dtype), np.array([0, wrong]))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(1,), (3, 4), (2, 3, 5, 7)], ids=str)
def test_mse(reduction, shape, dtype, rng):
    x, t = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    expected = reference.mse_loss(x, t, reduction)
    scale = reference.mse_loss(np.abs(x), -np.abs(t), reduction)
    assert_close(
        np.asarray(fc.mse_loss(x, t, reduction=reduction)), expected, dtype, ulps=4 + np.sqrt(x.size), scale=scale
    )
    seed = rng.standard_normal(np.shape(expected)).astype(dtype)
    expected = reference.mse_loss_backward(seed, x, t, reduction)
    assert_close(F.mse_loss_backward(seed, x, t, reduction=reduction), expected, dtype, ulps=8)


@pytest.mark.parametrize("name", ["cross_entropy", "mse_loss"])
def test_unknown_reduction_is_refused(name, dtype):
    x = np.zeros((2, 3), dtype)
    target = np.array([0, 1]) if name == "cross_entropy" else x
    with pytest.raises(ValueError, match="reduction.*median"):
        getattr(fc, name)(x, target, reduction="median")


@settings(max_examples=100)
@given(classifications())
def test_torch_agrees(case):
    torch = pytest.importorskip("torch")
    logits, target, options = case
    tensor = torch.from_numpy(logits).requires_grad_()
    theirs_options = {k: torch.from_numpy(v) if k == "weight" else v for k, v in options.items()}
    theirs = torch.nn.functional.cross_entropy(tensor, torch.as_tensor(target), **theirs_options)
    mine = np.asarray(fc.cross_entropy(logits, target, **options))
    assert mine.shape == tuple(theirs.shape)
    scale = loss_scale(logits, options)
    error = np.abs(mine.astype(np.float64) - theirs.detach().numpy())
    assert (error <= 32 * np.finfo(logits.dtype).eps * scale).all()
    seed = np.ones(mine.shape, logits.dtype)
    theirs.backward(torch.from_numpy(seed))
    grad = F.cross_entropy_backward(seed, logits, target, **options)
    np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=0, atol=500 * np.finfo(logits.dtype).eps)
