"""Normalisations and their gradients against the reference."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F

COUNTS = (1, 2, 3, 7)
MASKS = st.tuples(st.booleans(), st.booleans(), st.booleans())
SEEDS = st.integers(0, 2**32 - 1)
DTYPES = st.sampled_from([np.float32, np.float64])
OFFSETS = st.sampled_from([0, 1, -50, 3000])  # of the mean, in standard deviations


def draw(rng, dtype, *shapes):
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def parameters(rng, dtype, shape, which):
    """weight and bias, each of them or None."""
    weight, bias = draw(rng, dtype, shape, shape)
    return weight if which[0] else None, bias if which[1] else None


def assert_gradients(actual, expected, mask, dtype):
    for wanted, gradient, sums in zip(mask, actual, expected, strict=True):
        assert (gradient is not None) == wanted
        if wanted:
            assert_sums(gradient, sums, dtype)


def assert_all_same(actual, expected):
    for one, other in zip(actual, expected, strict=True):
        assert_same_bits(one, other)


@st.composite
def batches(draw):
    """(N, C, ...): many channels and few, with and without pixels."""
    rank = draw(st.integers(2, 5))
    return (draw(st.integers(0, 9)), draw(st.integers(1, 70)), *[draw(st.integers(1, 9)) for _ in range(rank - 2)])


def check_batch_norm(rng, dtype, shape, offset, which, training, mask, eps=1e-5):
    C = shape[1]
    x = (rng.standard_normal(shape) + offset).astype(dtype)
    weight, bias = parameters(rng, dtype, C, which)
    running_mean, running_var = draw(rng, dtype, C)[0], (rng.random(C) + 0.5).astype(dtype)
    before = x.copy(), running_mean.copy(), running_var.copy()
    if training and x.size // C == 1:
        return
    out = np.full(shape, np.nan, dtype)
    result, mean, rstd = fc.batch_norm(
        x, running_mean, running_var, weight, bias, training, 0.3, eps, out=out, return_statistics=True
    )
    assert result is out and mean.dtype == rstd.dtype == np.float64
    assert_sums(out, reference.batch_norm(x, before[1], before[2], weight, bias, training, 0.3, eps), dtype)
    if training and x.size:
        moved = reference.batch_norm_running(x, *before[1:], 0.3)
        for new, expected in zip((running_mean, running_var), moved, strict=True):
            assert_sums(new, expected, dtype)
        assert_same_bits(fc.batch_norm(x, None, None, weight, bias, True, eps=eps), out)
    else:
        assert_all_same((running_mean, running_var), before[1:])
    gy = draw(rng, dtype, shape)[0]
    given = (None, None) if training else (running_mean, running_var)
    grads = F.batch_norm_backward(gy, x, *given, weight, training, eps, mask)
    assert_gradients(grads, reference.batch_norm_backward(gy, x, *given, weight, training, eps), mask, dtype)
    kept = F.batch_norm_backward(gy, x, *given, weight, training, eps, mask, mean=mean, rstd=rstd)
    assert_all_same([g for g in kept if g is not None], [g for g in grads if g is not None])
    assert_same_bits(x, before[0])


@settings(max_examples=250)
@given(batches(), DTYPES, OFFSETS, st.tuples(st.booleans(), st.booleans()), st.booleans(), MASKS, SEEDS)
def test_batch_norm(shape, dtype, offset, which, training, mask, seed):
    check_batch_norm(np.random.default_rng(seed), dtype, shape, offset, which, training, mask)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "shape",
    [
        (2, 3, 300, 301), (1, 2, 70_001), (5001, 3), (300, 257), (8200, 5), (40, 3, 2000), (3, 40, 5001), (1000, 33, 3),
    ],
    ids=str,
)  # fmt: skip
def test_batch_norm_in_blocks(shape, training, dtype, rng):
    check_batch_norm(rng, dtype, shape, 7, (True, True), training, (True, True, True))


@settings(max_examples=250)
@given(batches(), st.integers(1, 6), DTYPES, OFFSETS, st.tuples(st.booleans(), st.booleans()), MASKS, SEEDS)
def test_group_norm(shape, groups, dtype, offset, which, mask, seed):
    rng = np.random.default_rng(seed)
    shape = (shape[0], shape[1] // groups * groups or groups, *shape[2:])
    if np.prod(shape) // groups == 1:
        return
    x, (weight, bias) = (rng.standard_normal(shape) + offset).astype(dtype), parameters(rng, dtype, shape[1], which)
    out = np.full(shape, np.nan, dtype)
    _, mean, rstd = fc.group_norm(x, groups, weight, bias, out=out, return_statistics=True)
    assert mean.shape == rstd.shape == (shape[0], groups)
    assert_sums(out, reference.group_norm(x, groups, weight, bias), dtype)
    gy = draw(rng, dtype, shape)[0]
    grads = F.group_norm_backward(gy, x, groups, weight, 1e-5, mask)
    assert_gradients(grads, reference.group_norm_backward(gy, x, groups, weight), mask, dtype)
    kept = F.group_norm_backward(gy, x, groups, weight, output_mask=mask, mean=mean, rstd=rstd)
    assert_all_same([g for g in kept if g is not None], [g for g in grads if g is not None])
    if shape[0] and x[-1:].size != groups:  # torch's rule: not a single value a group
        assert_same_bits(fc.group_norm(x[-1:], groups, weight, bias)[0], out[-1])


@pytest.mark.parametrize("groups", [3, 7])
def test_group_norm_of_many_rows_of_channels(groups, dtype, rng):
    """So many that a task begins within an image, with a group that is not the first."""
    x, (weight, bias) = rng.standard_normal((777, 21)).astype(dtype), parameters(rng, dtype, 21, (True, True))
    assert_sums(fc.group_norm(x, groups, weight, bias), reference.group_norm(x, groups, weight, bias), dtype)
    gy = rng.standard_normal(x.shape).astype(dtype)
    grads = F.group_norm_backward(gy, x, groups, weight)
    assert_gradients(grads, reference.group_norm_backward(gy, x, groups, weight), (True, True, True), dtype)


def check_layer_norm(rng, dtype, outer, inner, offset, which, mask):
    shape = (*outer, *inner)
    x, (weight, bias) = (rng.standard_normal(shape) + offset).astype(dtype), parameters(rng, dtype, inner, which)
    out = np.full(shape, np.nan, dtype)
    _, mean, rstd = fc.layer_norm(x, inner, weight, bias, out=out, return_statistics=True)
    assert mean.shape == rstd.shape == outer
    assert_sums(out, reference.layer_norm(x, inner, weight, bias), dtype)
    gy = draw(rng, dtype, shape)[0]
    grads = F.layer_norm_backward(gy, x, list(inner), weight, 1e-5, mask)
    assert_gradients(grads, reference.layer_norm_backward(gy, x, inner, weight), mask, dtype)
    kept = F.layer_norm_backward(gy, x, inner, weight, output_mask=mask, mean=mean, rstd=rstd)
    assert_all_same([g for g in kept if g is not None], [g for g in grads if g is not None])
    if outer and outer[0]:
        assert_same_bits(fc.layer_norm(x[-1], inner, weight, bias), out[-1])


@settings(max_examples=250)
@given(
    st.lists(st.integers(0, 6), max_size=2), st.lists(st.integers(1, 20), min_size=1, max_size=3), DTYPES, OFFSETS,
    st.tuples(st.booleans(), st.booleans()), MASKS, SEEDS,
)  # fmt: skip
def test_layer_norm(outer, inner, dtype, offset, which, mask, seed):
    check_layer_norm(np.random.default_rng(seed), dtype, tuple(outer), tuple(inner), offset, which, mask)


@pytest.mark.parametrize(
    "outer, inner",
    [((3,), (20_001,)), ((2, 2), (5, 41, 43)), ((1001,), (67,)), ((), (40_001,)), ((300,), (1031,))],
    ids=str,
)
def test_layer_norm_of_long_rows(outer, inner, dtype, rng):
    check_layer_norm(rng, dtype, outer, inner, 5, (True, True), (True, True, True))


@settings(max_examples=150)
@given(
    st.tuples(st.integers(0, 3), st.integers(1, 40), st.integers(1, 40)), st.lists(st.integers(1, 5), max_size=2),
    st.integers(1, 12), st.sampled_from([1e-4, 0.7, 3]), st.sampled_from([0.75, 0.5, 1, 1.3, 0.2, 0, -0.5]),
    st.sampled_from([1.0, 2, 0.1]), DTYPES, SEEDS,
)  # fmt: skip
def test_local_response_norm(leading, more, size, alpha, beta, k, dtype, seed):
    rng = np.random.default_rng(seed)
    x, gy = draw(rng, dtype, (*leading, *more), (*leading, *more))
    out = np.full(x.shape, np.nan, dtype)
    fc.local_response_norm(x, size, alpha, beta, k, out=out)
    assert_sums(out, reference.local_response_norm(x, size, alpha, beta, k), dtype)
    grad = F.local_response_norm_backward(gy, x, size, alpha, beta, k)
    assert_sums(grad, reference.local_response_norm_backward(gy, x, size, alpha, beta, k), dtype)
    if len(x):
        assert_same_bits(fc.local_response_norm(x[-1:], size, alpha, beta, k)[0], out[-1])
        assert_same_bits(F.local_response_norm_backward(gy[-1:], x[-1:], size, alpha, beta, k)[0], grad[-1])


@pytest.mark.parametrize("beta", [0.75, 2.0, 1.7])
def test_local_response_norm_of_strange_divisors(beta, dtype):
    x = np.array([0.0, 1.0, -2.0, 3.0, np.inf, np.nan, 1e-30, 1e30]).astype(dtype).reshape(1, 1, 8)
    for alpha, k in ((-1.0, 1.0), (1.0, 0.0), (0.0, -2.0), (1.0, 1e30), (-1.0, 4.0)):
        with np.errstate(all="ignore"):
            expected = x / (dtype(k) + x * x * dtype(alpha)) ** dtype(beta)
        np.testing.assert_allclose(fc.local_response_norm(x, 1, alpha, beta, k), expected, rtol=1e-4)


def operators(dtype, rng):
    """name: (the results as a tuple of arrays, of a slice of the batch; which of them are per image)"""
    x, gy = draw(rng, dtype, (7, 36, 57, 61), (7, 36, 57, 61))
    few, few_gy = draw(rng, dtype, (6, 3, 301, 303), (6, 3, 301, 303))
    flat, flat_gy = draw(rng, dtype, (4099, 259), (4099, 259))
    w, b, v = draw(rng, dtype, 259, 259, 259)
    v = np.abs(v) + dtype(0.5)
    wide, wide_b = draw(rng, dtype, (36, 57, 61), (36, 57, 61))

    def train(x, gy):
        mean, var = np.zeros(x.shape[1], dtype), np.ones(x.shape[1], dtype)
        y = fc.batch_norm(x, mean, var, w[: x.shape[1]], b[: x.shape[1]], True)
        return y, mean, var, *F.batch_norm_backward(gy, x, None, None, w[: x.shape[1]], True)

    def infer(x, gy):
        C = x.shape[1]
        y = fc.batch_norm(x, b[:C], v[:C], w[:C], b[:C])
        return y, *F.batch_norm_backward(gy, x, b[:C], v[:C], w[:C])

    def rows(x, gy):
        return fc.layer_norm(x, (259,), w, b), *F.layer_norm_backward(gy, x, (259,), w)

    def images(x, gy):
        return fc.layer_norm(x, x.shape[1:], wide, wide_b), *F.layer_norm_backward(gy, x, x.shape[1:], wide)

    def groups(x, gy):
        return fc.group_norm(x, 3, w[: x.shape[1]], b[: x.shape[1]]), *F.group_norm_backward(gy, x, 3, w[: x.shape[1]])

    def flat_groups(x, gy):
        return fc.group_norm(x, 7, w, b), *F.group_norm_backward(gy, x, 7, w)

    def response(x, gy):
        return fc.local_response_norm(x, 5), F.local_response_norm_backward(gy, x, 5)

    return {
        "batch_norm, training": (train, x, gy, ()),
        "batch_norm, training, few channels": (train, few, few_gy, ()),
        "batch_norm, training, flat": (train, flat, flat_gy, ()),
        "batch_norm": (infer, x, gy, (0, 1)),
        "batch_norm, few channels": (infer, few, few_gy, (0, 1)),
        "batch_norm, flat": (infer, flat, flat_gy, (0, 1)),
        "layer_norm": (rows, flat, flat_gy, (0, 1)),
        "layer_norm, whole images": (images, x, gy, (0, 1)),
        "group_norm": (groups, x, gy, (0, 1)),
        "group_norm, flat": (flat_groups, flat, flat_gy, (0, 1)),
        "local_response_norm": (response, x, gy, (0, 1)),
    }


@pytest.mark.parametrize("name", list(operators(np.float32, np.random.default_rng(0))))
def test_threads_and_batches(name, dtype, rng, threads):
    compute, x, gy, by_image = operators(dtype, rng)[name]
    expected = compute(x, gy)
    for count in COUNTS:
        threads(count)
        assert_all_same(compute(x, gy), expected)
    alone = compute(x[-1:], gy[-1:]) if by_image else ()
    for place in by_image:
        assert_same_bits(alone[place][0], expected[place][-1])
    if name != "layer_norm, whole images":  # any strides
        assert_all_same(compute(np.asfortranarray(x[:2]), np.asfortranarray(gy[:2])), compute(x[:2], gy[:2]))


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_non_finite_values_stay_in_their_set(special, dtype, rng):
    x = rng.standard_normal((4, 6, 5)).astype(dtype)
    x[1, 2, 3] = special
    mean, var = np.zeros(6, dtype), np.ones(6, dtype)
    y = fc.batch_norm(x, mean, var, training=True)
    np.testing.assert_array_equal(np.isnan(y).any(axis=(0, 2)), np.arange(6) == 2)
    np.testing.assert_array_equal(mean[2], special)
    assert np.isnan(var[2]) and np.isfinite(np.delete(var, 2)).all()
    y = fc.group_norm(x, 3)
    assert np.isnan(y[1, 2:4]).all() and np.isnan(y).sum() == 10
    y = fc.layer_norm(x, (5,))
    assert np.isnan(y[1, 2]).all() and np.isnan(y).sum() == 5
    y = fc.batch_norm(x, np.zeros(6, dtype), np.ones(6, dtype))
    assert (~np.isfinite(y)).sum() == 1


@pytest.mark.parametrize("size", [1, 3, 16, 77, 5000])
def test_large_numbers_do_not_overflow(size, dtype, rng):
    scale = np.finfo(dtype).max / 64 if dtype == np.float32 else 1e150
    x = rng.standard_normal((2, 3, size)).astype(dtype)
    expected = reference.layer_norm(x, (3, size), eps=0.0).value
    np.testing.assert_allclose(fc.layer_norm(x * dtype(scale), (3, size), eps=0.0), expected, rtol=1e-4, atol=1e-5)
    y = fc.batch_norm(x * dtype(scale), None, None, training=True)
    np.testing.assert_allclose(y, fc.batch_norm(x, None, None, training=True, eps=1e-38), rtol=1e-3, atol=1e-4)


def test_running_statistics_with_strides_and_momentum(dtype, rng):
    x = rng.standard_normal((5, 4, 3)).astype(dtype)
    plain = np.zeros(4, dtype), np.ones(4, dtype)
    fc.batch_norm(x, *plain, training=True, momentum=1)
    strided = np.zeros(8, dtype)[::2], np.ones(8, dtype)[::-2]
    fc.batch_norm(x, *strided, training=True, momentum=1)
    for one, other in zip(plain, strided, strict=True):
        assert_same_bits(one, other.copy())
    np.testing.assert_allclose(plain[1], x.var(axis=(0, 2), ddof=1), rtol=1e-5)
    kept = plain[0].copy()
    fc.batch_norm(x[:0], *plain, training=True)
    fc.batch_norm(x, *plain, training=True, momentum=0.0)
    fc.batch_norm(x, *plain)
    assert_same_bits(plain[0], kept)


X, V, U = np.ones((2, 6, 4), np.float32), np.zeros(6, np.float32), np.ones(6, np.float32)
READ_ONLY = V.copy()
READ_ONLY.flags.writeable = False
BATCH = dict(input=X, running_mean=V, running_var=U, weight=U, bias=V, training=True, momentum=0.1, eps=1e-5)
LAYER = dict(input=X, normalized_shape=(6, 4), weight=X[0], bias=X[0], eps=1e-5)
GROUP = dict(input=X, num_groups=3, weight=U, bias=V, eps=1e-5)
RESPONSE = dict(input=X, size=3, alpha=1e-4, beta=0.75, k=1.0)
WRONG = [
    *[
        ("batch_norm", BATCH, argument, value)
        for argument, value in [
            ("input", X[0, 0]), ("input", X[0, 0, 0]), ("input", X[:1, :, :1]), ("input", X[:1, :, 0]),
            ("input", X.astype(int)),
            ("running_mean", None), ("running_var", None), ("running_mean", V[:5]), ("running_var", U[:, None]),
            ("running_mean", V[None]), ("running_mean", V.astype(np.float64)), ("running_mean", READ_ONLY),
            ("weight", U[:2]),
            ("weight", U.astype(np.float64)), ("bias", V[:3]), ("training", 1), ("training", None), ("momentum", None),
            ("momentum", "1"), ("eps", 0), ("eps", -1e-5), ("eps", "1"), ("eps", None),
        ]
    ],
    ("batch_norm", BATCH | dict(training=False), "running_mean", None),
    ("batch_norm", BATCH | dict(training=False), "running_var", None),
    ("batch_norm", BATCH | dict(training=False), "eps", -1e-5),
    *[
        ("layer_norm", LAYER, argument, value)
        for argument, value in [
            ("normalized_shape", 4), ("normalized_shape", ()), ("normalized_shape", (6,)),
            ("normalized_shape", (1, 2, 6, 4)),
            ("normalized_shape", (6, 4.0)), ("normalized_shape", (6, True)), ("normalized_shape", None), ("weight", U),
            ("bias", X[0].T), ("bias", X[0].astype(np.float64)), ("eps", "a"), ("eps", None), ("input", np.float32(1)),
        ]
    ],
    *[
        ("group_norm", GROUP, argument, value)
        for argument, value in [
            ("input", V), ("input", np.float32(1)), ("num_groups", 4), ("num_groups", 0), ("num_groups", -1),
            ("num_groups", 3.0), ("num_groups", True), ("weight", U[:3]), ("weight", U[:, None]), ("bias", U[:, None]),
            ("eps", "1"),
        ]
    ],
    ("group_norm", GROUP | dict(num_groups=6), "input", X[:1, :, :1]),
    *[
        ("local_response_norm", RESPONSE, argument, value)
        for argument, value in [
            ("input", X[0]), ("size", 0), ("size", -1), ("size", 3.0), ("size", True), ("alpha", "1"), ("beta", None),
            ("k", [1.0]),
        ]
    ],
]  # fmt: skip


@pytest.mark.parametrize("operator, valid, argument, value", WRONG, ids=lambda each: repr(each)[:40].replace("\n", " "))
def test_wrong_arguments(operator, valid, argument, value):
    with pytest.raises((ValueError, TypeError)) as caught:
        getattr(F, operator)(**(valid | {argument: value}))
    assert argument in str(caught.value) or "running" in argument
    backward = {k: v for k, v in valid.items() if k not in ("bias", "momentum")} | {"grad_output": X}
    if argument in backward and not (valid.get("training") and argument.startswith("running")):
        with pytest.raises((ValueError, TypeError)):
            getattr(F, operator + "_backward")(**(backward | {argument: value}))


@pytest.mark.parametrize("operator, valid, argument, value", WRONG, ids=lambda each: repr(each)[:40].replace("\n", " "))
def test_torch_refuses_the_same(operator, valid, argument, value):
    torch = pytest.importorskip("torch")
    if value is READ_ONLY:
        pytest.skip("torch has no such arrays")
    given = valid | {argument: value}
    given = {k: torch.from_numpy(v.copy()) if isinstance(v, np.ndarray) else v for k, v in given.items()}
    if isinstance(value, np.float32):
        given[argument] = torch.tensor(1.0)
    with pytest.raises((ValueError, TypeError, RuntimeError, IndexError, ZeroDivisionError)):
        getattr(torch.nn.functional, operator)(**given)


def test_wrong_statistics():
    mean = np.zeros(6)
    for wrong in (dict(mean=mean), dict(rstd=mean), dict(mean=mean, rstd=mean[:5]), dict(mean=V, rstd=V)):
        with pytest.raises((ValueError, TypeError), match="mean|rstd"):
            F.batch_norm_backward(X, X, None, None, training=True, **wrong)


@settings(max_examples=200)
@given(batches(), st.integers(1, 4), st.booleans(), st.booleans(), SEEDS)
def test_torch_agrees(shape, groups, training, with_weight, seed):
    torch = pytest.importorskip("torch")
    T = torch.nn.functional
    rng = np.random.default_rng(seed)
    shape = (shape[0], shape[1] * groups, *shape[2:])
    if not np.prod(shape) // shape[1] > 1:
        return
    x, gy, w, b = draw(rng, np.float64, shape, shape, shape[1], shape[1])
    v = rng.random(shape[1]) + 0.5

    def compare(theirs, mine, backward):
        theirs, tx, tw, tb = theirs
        np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=1e-9, atol=1e-11)
        theirs.backward(torch.from_numpy(gy))
        for grad, tensor in zip(backward, (tx, tw, tb), strict=False):
            if tensor is not None:
                scale = np.abs(tensor.grad.numpy()).max(initial=1)
                np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=1e-9, atol=1e-11 * scale)

    def tensors():
        tx = torch.from_numpy(x).clone().requires_grad_()
        return tx, *[torch.from_numpy(a).clone().requires_grad_() if with_weight else None for a in (w, b)]

    weight, bias = (w, b) if with_weight else (None, None)
    tx, tw, tb = tensors()
    theirs = torch.from_numpy(b.copy()), torch.from_numpy(v.copy())
    mine = b.copy(), v.copy()
    y = fc.batch_norm(x, *mine, weight, bias, training, 0.3, 1e-3)
    ty = T.batch_norm(tx, *theirs, tw, tb, training, 0.3, 1e-3)
    for one, other in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-12, atol=1e-14)
    compare((ty, tx, tw, tb), y, F.batch_norm_backward(gy, x, *mine, weight, training, 1e-3))
    tx, tw, tb = tensors()
    ty = T.group_norm(tx, groups, tw, tb, 1e-3)
    y = fc.group_norm(x, groups, weight, bias, 1e-3)
    compare((ty, tx, tw, tb), y, F.group_norm_backward(gy, x, groups, weight, 1e-3))
    inner = shape[-1:]
    w, b = draw(rng, np.float64, inner, inner)
    weight, bias = (w, b) if with_weight else (None, None)
    tx, tw, tb = tensors()
    ty = T.layer_norm(tx, inner, tw, tb, 1e-3)
    y = fc.layer_norm(x, inner, weight, bias, 1e-3)
    compare((ty, tx, tw, tb), y, F.layer_norm_backward(gy, x, inner, weight, 1e-3))
    if len(shape) > 2:
        tx = tensors()[0]
        for options in ((groups,), (5, 0.5, 1.3, 0.7)):
            tx.grad = None
            ty = T.local_response_norm(tx, *options)
            grad = F.local_response_norm_backward(gy, x, *options)
            compare((ty, tx if x.size else None, None, None), fc.local_response_norm(x, *options), (grad,))
