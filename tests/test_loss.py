"""Losses and their gradients against the reference."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_close, assert_same_bits

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
def test_nll_loss(case):
    logits, target, options = case
    dtype, axis = logits.dtype, 1 if logits.ndim > 1 else 0
    if np.asarray(target).dtype.kind == "f":
        target = np.zeros(target.shape[:axis] + target.shape[axis + 1 :], int)
    options = {name: value for name, value in options.items() if name != "label_smoothing"}
    logs = F.log_softmax(logits, axis)
    expected = reference.nll_loss(logs, target, **options)
    scale = loss_scale(logits, options)
    assert_close(np.asarray(fc.nll_loss(logs, target, **options)), expected, dtype, ulps=8, scale=scale)
    assert_close(
        np.asarray(fc.nll_loss(logs, target, **options)),
        reference.cross_entropy(logits, target, **options), dtype, ulps=32, scale=scale,
    )  # fmt: skip
    seed = np.random.default_rng(1).standard_normal(np.shape(expected)).astype(dtype)
    grad = F.nll_loss_backward(seed, logs, target, **options)
    assert_close(grad, reference.nll_loss_backward(seed, logs, target, **options), dtype, ulps=8)


LARGE = [(4099, 10), (1, 50_000), (37, 1000), (3, 21, 67, 131), (5, 2, 9000), (2, 9000, 3)]


@pytest.mark.parametrize("shape", LARGE, ids=str)
@pytest.mark.parametrize("kind", ["index", "smoothed", "probabilities"])
def test_large_losses(shape, kind, dtype, rng, threads):
    """Against NumPy's float64; the same bits at any thread count; a sample alone as in its batch."""
    x = (rng.standard_normal(shape) * 4).astype(dtype)
    w = rng.uniform(0.1, 2, shape[1]).astype(dtype)
    options = dict(weight=w, label_smoothing=0.0 if kind == "index" else 0.2)
    if kind == "probabilities":
        target = rng.uniform(0, 1, shape).astype(dtype)
        q = target.astype(float)
    else:
        target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
        q = np.moveaxis(np.eye(shape[1])[target], -1, 1) if shape[1] < 2000 else None
    smoothing = options["label_smoothing"]
    column = w.astype(float).reshape(-1, *[1] * (len(shape) - 2))
    if q is not None:
        each = -(reference.log_softmax(x, 1) * column * (q * (1 - smoothing) + smoothing / shape[1])).sum(axis=1)
        count = target[:, 0].size if kind == "probabilities" else w.astype(float)[target].sum()
        scale = loss_scale(x, dict(reduction="none")) / 8
        loss = fc.cross_entropy(x, target, **options, reduction="none")
        assert_close(loss, each, dtype, ulps=4 + np.sqrt(shape[1]), scale=scale)
        total = np.asarray(fc.cross_entropy(x, target, **options))
        assert_close(
            total, np.asarray(each.sum() / count), dtype, ulps=4 + np.sqrt(each.size), scale=scale.sum() / count
        )
    for reduction in REDUCTIONS:
        gy = rng.standard_normal(x[:, 0].shape).astype(dtype) if reduction == "none" else np.asarray(1.5, dtype)
        forward = lambda x, t: fc.cross_entropy(x, t, **options, reduction=reduction)  # noqa: B023, E731
        backward = lambda g, x, t: F.cross_entropy_backward(g, x, t, **options, reduction=reduction)  # noqa: B023, E731
        y, gx = np.asarray(forward(x, target)), backward(gy, x, target)
        for threads_count in (1, 2, 3, 7):
            threads(threads_count)
            assert_same_bits(np.asarray(forward(x, target)), y)
            assert_same_bits(backward(gy, x, target), gx)
        if reduction == "none":
            last = slice(len(x) - 1, None)
            assert_same_bits(forward(x[last], target[last]), y[last])
            assert_same_bits(backward(gy[last], x[last], target[last]), gx[last])


def test_a_row_of_logits_takes_its_class_as_an_array_of_one(dtype, rng):
    logits = rng.standard_normal(5).astype(dtype)
    for reduction in REDUCTIONS:
        for function in (fc.cross_entropy, fc.nll_loss):
            loss = function(logits, np.array([2]), reduction=reduction)
            assert loss.shape == () and loss == function(logits, np.array(2), reduction=reduction)


@pytest.mark.parametrize("size_average", [None, True, False])
@pytest.mark.parametrize("reduce", [None, True, False])
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss", "mse_loss"])
def test_the_older_form_of_reduction(name, size_average, reduce, dtype, rng):
    """They decide alone, as in torch, which does not look at reduction then."""
    x = rng.standard_normal((3, 4)).astype(dtype)
    target = x[::-1] if name == "mse_loss" else np.array([0, 3, 1])
    if size_average is None and reduce is None:
        return
    meant = "none" if reduce is False else "sum" if size_average is False else "mean"
    expected = getattr(F, name)(x, target, reduction=meant)
    with pytest.warns(UserWarning, match=meant) as caught:
        loss = getattr(F, name)(x, target, size_average=size_average, reduce=reduce, reduction="nonsense")
    np.testing.assert_array_equal(loss, expected)
    assert name == "mse_loss" or caught[0].filename == __file__
    with pytest.warns(UserWarning, match=meant):
        gx = getattr(F, f"{name}_backward")(expected, x, target, size_average=size_average, reduce=reduce)
    assert_same_bits(gx, getattr(F, f"{name}_backward")(expected, x, target, reduction=meant))
    with pytest.raises(TypeError, match="size_average"):
        getattr(F, name)(x, target, size_average=1)


def test_nothing_to_average(dtype):
    """What torch gives where there are no targets, no classes, or none that counts."""
    none, three = np.zeros((0, 3), dtype), np.zeros((2, 3), dtype)
    empty, ignored = np.zeros(0, int), np.full(2, -100)
    for function in (fc.cross_entropy, fc.nll_loss):
        assert np.isnan(function(none, empty)) and function(none, empty, reduction="sum") == 0
        assert function(none, empty, reduction="none").shape == (0,)
        assert np.isnan(function(three, ignored)) and function(three, ignored, reduction="sum") == 0
        assert np.isnan(function(three[:, :0], ignored))
        with pytest.raises(ValueError, match="target"):
            function(three[:, :0], np.zeros(2, int))
    assert np.isnan(fc.cross_entropy(none, none)) and np.isnan(fc.cross_entropy(three[:, :0], three[:, :0]))
    np.testing.assert_array_equal(F.cross_entropy_backward(1.0, three, ignored), 0)
    np.testing.assert_array_equal(F.nll_loss_backward(1.0, three, ignored), 0)
    assert F.cross_entropy_backward(1.0, none, empty).shape == (0, 3)
    assert np.isnan(fc.mse_loss(none, none)) and fc.mse_loss(none, none, reduction="sum") == 0
    assert np.isnan(fc.cross_entropy(three, np.array([0, 1]), np.zeros(3, dtype)))


def test_weighted_mse(dtype, rng):
    x, t, w = (rng.uniform(0.5, 2, (4, 5)).astype(dtype) for _ in range(3))
    for reduction in REDUCTIONS:
        expected = reference.mse_loss(x, t, reduction, w)
        loss = np.asarray(fc.mse_loss(x, t, None, None, reduction, w))
        assert_close(loss, expected, dtype, ulps=16)
        gy = rng.standard_normal(np.shape(expected)).astype(dtype)
        expected = reference.mse_loss_backward(gy, x, t, reduction, w)
        assert_close(F.mse_loss_backward(gy, x, t, None, None, reduction, w), expected, dtype, ulps=16)
    with pytest.raises(ValueError, match="weight"):
        fc.mse_loss(x, t, weight=w[0])


def test_mse_of_shapes_that_differ(dtype, rng):
    x, t = rng.standard_normal((4, 5)).astype(dtype), rng.standard_normal(5).astype(dtype)
    for first, second in ((x, t), (t, x), (x[:, :1], t)):
        for reduction in REDUCTIONS:
            with pytest.warns(UserWarning, match="broadcast"):
                loss = np.asarray(fc.mse_loss(first, second, reduction=reduction))
            assert_close(loss, reference.mse_loss(first, second, reduction), dtype, ulps=32)
            whole = np.broadcast_to(first, (4, 5)).copy()
            gy = rng.standard_normal(loss.shape).astype(dtype)
            with pytest.warns(UserWarning, match="broadcast"):
                gx = F.mse_loss_backward(gy, first, second, reduction=reduction)
            expected = reference.mse_loss_backward(gy, whole, second, reduction)
            expected = (
                expected.sum(axis=0)
                if first is t
                else expected.sum(axis=1, keepdims=True)
                if first is not x
                else expected
            )
            assert_close(gx, expected, dtype, ulps=64, scale=np.abs(expected).max())
    with pytest.raises(ValueError, match="target"):
        fc.mse_loss(x, t[:2])


def test_large_mse(dtype, rng, threads):
    x, t = (rng.standard_normal((701, 1031)).astype(dtype) for _ in range(2))
    loss, gx = fc.mse_loss(x, t), F.mse_loss_backward(1.0, x, t)
    assert_close(np.asarray(loss), np.asarray(reference.mse_loss(x, t)), dtype, ulps=16)
    each = fc.mse_loss(x, t, reduction="none")
    for count in (1, 2, 3, 7):
        threads(count)
        assert fc.mse_loss(x, t) == loss
        assert_same_bits(F.mse_loss_backward(1.0, x, t), gx)
        assert_same_bits(fc.mse_loss(x, t, reduction="none"), each)


def test_infinite_and_not_a_number(dtype):
    logits = np.array([[np.nan, 1, 2], [1, 2, 3], [np.inf, 1, 2], [1, -np.inf, 3]], dtype)
    loss = fc.cross_entropy(logits, np.array([1, 2, 1, 1]), reduction="none")
    assert np.isnan(loss[0]) and np.isfinite(loss[1]) and np.isnan(loss[2]) and loss[3] == np.inf
    assert np.isfinite(fc.cross_entropy(logits, np.array([-100, 2, -100, 0])))  # what is ignored does not count
    assert fc.cross_entropy(logits[3:], np.array([0]), label_smoothing=0.1) == np.inf
    assert np.isnan(fc.cross_entropy(logits[3:], np.array([[0.5, 0, 0.5]], dtype)))
    big = np.full((2, 2), np.finfo(dtype).max, dtype)
    assert fc.mse_loss(big, -big) == np.inf


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
