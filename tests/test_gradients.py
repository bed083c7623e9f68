"""Every backward against numerical differences of its own forward, in float64."""

from functools import partial

import numpy as np
import pytest

import fastconv as fc
import fastconv.functional as F

STEP = 1e-5


def numerical(f, at):
    """The gradient of the scalar f() by every entry of the array, which is changed in place and put back."""
    gradient = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        kept = at[place]
        at[place] = kept + STEP
        above = f()
        at[place] = kept - STEP
        below = f()
        at[place] = kept
        gradient[place] = (above - below) / (2 * STEP)
    return gradient


def assert_gradients(forward, backward, arrays, rng):
    """forward() reads the arrays; backward(grad_output) gives a gradient for each of them."""
    seed = rng.standard_normal(np.shape(forward()))

    def scalar():
        return float((np.asarray(forward()) * seed).sum())

    for array, gradient in zip(arrays, backward(seed), strict=True):
        expected = numerical(scalar, array)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7 * max(1.0, np.abs(expected).max(initial=0)))


@pytest.mark.parametrize(
    "input_shape, weight_shape, options",
    [
        ((2, 3, 5, 6), (4, 3, 3, 2), {}),
        ((1, 2, 6, 5), (3, 2, 3, 3), dict(stride=2, padding=1)),
        ((2, 2, 5, 7), (2, 2, 2, 3), dict(stride=(1, 2), padding=(2, 0), dilation=(1, 2))),
        ((1, 4, 5, 5), (6, 2, 3, 3), dict(padding="same", groups=2)),
        ((1, 3, 6, 6), (6, 1, 3, 3), dict(padding=1, groups=3)),
        ((2, 3, 4, 4), (5, 3, 1, 1), dict(stride=2)),
        ((1, 1, 4, 4), (2, 1, 2, 2), dict(padding=3, stride=3)),
    ],
    ids=str,
)
def test_conv2d(input_shape, weight_shape, options, rng):
    x, w, b = (rng.standard_normal(shape) for shape in (input_shape, weight_shape, weight_shape[:1]))
    assert_gradients(
        lambda: fc.conv2d(x, w, b, **options), lambda gy: F.conv2d_backward(gy, x, w, **options), (x, w, b), rng
    )


@pytest.mark.parametrize(
    "name, input_shape, weight_shape, options",
    [
        ("conv1d", (2, 3, 9), (4, 3, 3), dict(stride=2, padding=1)),
        ("conv1d", (4, 9), (6, 2, 2), dict(padding="same", dilation=2, groups=2)),
        ("conv1d", (2, 4, 20), (2, 4, 3), dict(stride=3, dilation=2)),
        ("conv3d", (2, 3, 4, 3, 5), (4, 3, 2, 3, 2), {}),
        (
            "conv3d",
            (1, 4, 3, 4, 5),
            (2, 2, 3, 2, 3),
            dict(stride=(2, 1, 2), padding=(1, 0, 2), dilation=(1, 2, 1), groups=2),
        ),
        ("conv3d", (2, 2, 4, 3, 3), (3, 2, 1, 3, 3), dict(padding=1)),
        ("conv3d", (2, 2, 4, 3, 3), (3, 2, 2, 1, 1), {}),
        ("conv_transpose1d", (2, 3, 5), (3, 2, 4), dict(stride=2, padding=1)),
        ("conv_transpose2d", (2, 3, 4, 3), (3, 2, 3, 3), {}),
        (
            "conv_transpose2d",
            (1, 4, 3, 4),
            (4, 1, 3, 2),
            dict(stride=(2, 3), padding=1, output_padding=(1, 2), groups=2),
        ),
        ("conv_transpose2d", (3, 4, 3), (3, 2, 2, 3), dict(padding=2, dilation=2)),
        (
            "conv_transpose3d",
            (1, 2, 3, 2, 3),
            (2, 2, 2, 3, 2),
            dict(stride=(1, 2, 2), padding=(0, 1, 1), output_padding=(0, 1, 0)),
        ),
        ("conv_transpose3d", (2, 2, 2, 3, 2), (2, 1, 3, 2, 2), dict(dilation=(1, 1, 2), groups=2)),
        ("locally_connected1d", (2, 4, 7), (4, 2, 3, 4), dict(stride=2, padding=1, groups=2)),
        ("locally_connected2d", (2, 2, 4, 5), (3, 2, 2, 3, 3, 3), {}),
        ("locally_connected2d", (2, 3, 4), (4, 1, 2, 2, 2, 3), dict(stride=2, padding=1, groups=2)),
    ],
    ids=str,
)
def test_other_convolutions(name, input_shape, weight_shape, options, rng):
    groups = options.get("groups", 1)
    outputs = weight_shape[1] * groups if "transpose" in name else weight_shape[0]
    bias_shape = (outputs, *weight_shape[2 + int(name[-2]) :]) if "locally" in name else (outputs,)
    x, w, b = (rng.standard_normal(shape) for shape in (input_shape, weight_shape, bias_shape))
    forward, backward = getattr(F, name), getattr(F, f"{name}_backward")
    gradients = partial(backward, input=x, weight=w, **options)
    assert_gradients(lambda: forward(x, w, b, **options), gradients, (x, w, b), rng)


@pytest.mark.parametrize(
    "options",
    [dict(kernel_size=2), dict(kernel_size=3, stride=2, padding=1), dict(kernel_size=(2, 3), stride=1, ceil_mode=True)],
    ids=str,
)
def test_pooling(options, rng):
    x = rng.permutation(2 * 2 * 6 * 7).reshape(2, 2, 6, 7) * 0.1  # no two values so near that a step swaps them

    def max_backward(gy):
        indices = fc.max_pool2d(x, **options, return_indices=True)[1]
        return (F.max_pool2d_backward(gy, indices, x.shape, **options),)

    assert_gradients(lambda: fc.max_pool2d(x, **options), max_backward, (x,), rng)
    for extra in (dict(), dict(count_include_pad=False), dict(divisor_override=3)):
        every = options | extra
        assert_gradients(
            lambda every=every: fc.avg_pool2d(x, **every),
            lambda gy, every=every: (F.avg_pool2d_backward(gy, x.shape, **every),),
            (x,),
            rng,
        )


@pytest.mark.parametrize("dims", [1, 3])
@pytest.mark.parametrize(
    "options", [dict(kernel_size=2), dict(kernel_size=3, stride=2, padding=1, ceil_mode=True)], ids=str
)
def test_pooling_of_signals_and_volumes(dims, options, rng):
    shape = (2, 2, *(7, 4, 5)[:dims])
    x = rng.permutation(np.prod(shape)).reshape(shape) * 0.1
    maximum, average = (getattr(F, f"{kind}_pool{dims}d") for kind in ("max", "avg"))

    def max_backward(gy):
        indices = maximum(x, **options, return_indices=True)[1]
        return (getattr(F, f"max_pool{dims}d_backward")(gy, indices, x.shape, **options),)

    def average_backward(gy):
        return (getattr(F, f"avg_pool{dims}d_backward")(gy, x.shape, **options, count_include_pad=False),)

    assert_gradients(lambda: maximum(x, **options), max_backward, (x,), rng)
    assert_gradients(lambda: average(x, **options, count_include_pad=False), average_backward, (x,), rng)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_adaptive_pooling_and_unpooling(dims, rng):
    shape, size = (2, 2, *(7, 4, 5)[:dims]), (3, 4, 2)[:dims]
    x = rng.permutation(np.prod(shape)).reshape(shape) * 0.1
    maximum, average = (getattr(F, f"adaptive_{kind}_pool{dims}d") for kind in ("max", "avg"))
    max_backward, average_backward = (getattr(F, f"adaptive_{kind}_pool{dims}d_backward") for kind in ("max", "avg"))
    indices = maximum(x, size, True)[1]
    assert_gradients(lambda: maximum(x, size), lambda gy: (max_backward(gy, indices, x.shape),), (x,), rng)
    assert_gradients(lambda: average(x, size), lambda gy: (average_backward(gy, x.shape),), (x,), rng)
    pooled, places = getattr(F, f"max_pool{dims}d")(x, 2, return_indices=True)
    unpool, unpool_backward = getattr(F, f"max_unpool{dims}d"), getattr(F, f"max_unpool{dims}d_backward")
    whole = x.shape[2:]
    assert_gradients(
        lambda: unpool(pooled, places, 2, output_size=whole),
        lambda gy: (unpool_backward(gy, places, pooled.shape, 2, output_size=whole),),
        (pooled,),
        rng,
    )


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("pad", [(2, 1), (1, 2, 3, 0), (1, -1, 0, 2, 1, 1)], ids=str)
def test_pad(mode, pad, rng):
    x = rng.standard_normal((1, 2, 4, 4, 3)[-2 - len(pad) // 2 :])
    assert_gradients(lambda: F.pad(x, pad, mode), lambda gy: (F.pad_backward(gy, x.shape, pad, mode),), (x,), rng)


@pytest.mark.parametrize("shape", [(6, 4), (3, 4, 5), (2, 4, 3, 2)], ids=str)
def test_normalisations(shape, rng):
    x, w, b = rng.standard_normal(shape), rng.standard_normal(4), rng.standard_normal(4)
    mean, variance = rng.standard_normal(4), rng.uniform(0.5, 2, 4)
    for training in (True, False):
        given = dict(running_mean=mean, running_var=variance, training=training)
        assert_gradients(
            lambda given=given: F.batch_norm(x, mean.copy(), variance.copy(), w, b, given["training"]),
            lambda gy, given=given: F.batch_norm_backward(gy, x, weight=w, **given),
            (x, w, b),
            rng,
        )
    assert_gradients(lambda: F.group_norm(x, 2, w, b), lambda gy: F.group_norm_backward(gy, x, 2, w), (x, w, b), rng)
    rows = shape[1:]
    wide, more = rng.standard_normal(rows), rng.standard_normal(rows)
    assert_gradients(
        lambda: F.layer_norm(x, rows, wide, more),
        lambda gy: F.layer_norm_backward(gy, x, rows, wide),
        (x, wide, more),
        rng,
    )
    if x.ndim > 2:
        options = dict(size=3, alpha=0.5, beta=0.75, k=2.0)
        assert_gradients(
            lambda: F.local_response_norm(x, **options),
            lambda gy: (F.local_response_norm_backward(gy, x, **options),),
            (x,),
            rng,
        )


def test_joins(rng):
    x, y = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 2, 4))
    assert_gradients(lambda: F.cat([x, y], 1), lambda gy: F.cat_backward(gy, (3, 2), 1), (x, y), rng)


def test_unfold_and_fold_are_each_others_gradient(rng):
    x = rng.standard_normal((2, 2, 5, 6))
    options = dict(kernel_size=(2, 3), dilation=(2, 1), padding=1, stride=(1, 2))
    assert_gradients(lambda: fc.unfold(x, **options), lambda gy: (fc.fold(gy, (5, 6), **options),), (x,), rng)


def test_linear(rng):
    x, w, b = rng.standard_normal((2, 3, 5)), rng.standard_normal((4, 5)), rng.standard_normal(4)
    assert_gradients(lambda: fc.linear(x, w, b), lambda gy: F.linear_backward(gy, x, w), (x, w, b), rng)


@pytest.mark.parametrize(
    "name", ["relu", "leaky_relu", "relu6", "elu", "gelu", "silu", "sigmoid", "tanh", "softmax", "log_softmax"]
)
def test_activation(name, rng):
    x = rng.standard_normal((4, 7)) * 2
    x[np.abs(x) < 0.01] = 0.5  # not on the kink
    options = {"dim": 1} if "softmax" in name else {}
    forward, backward = (partial(getattr(F, each), **options) for each in (name, f"{name}_backward"))
    takes_output = name in ("sigmoid", "tanh", "softmax", "log_softmax")
    assert_gradients(lambda: forward(x), lambda gy: (backward(gy, forward(x) if takes_output else x),), (x,), rng)


def test_prelu(rng):
    x, w = rng.standard_normal((4, 3, 5)), rng.standard_normal(3)
    assert_gradients(lambda: F.prelu(x, w), lambda gy: F.prelu_backward(gy, x, w), (x, w), rng)


def test_dropout(rng):
    x = rng.standard_normal((4, 50))
    assert_gradients(lambda: F.dropout(x, 0.3, seed=9), lambda gy: (F.dropout_backward(gy, 0.3, seed=9),), (x,), rng)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses(reduction, rng):
    x, t = rng.standard_normal((5, 4)), rng.standard_normal((5, 4))
    assert_gradients(
        lambda: fc.mse_loss(x, t, reduction=reduction),
        lambda gy: (F.mse_loss_backward(gy, x, t, reduction=reduction),),
        (x,),
        rng,
    )
    classes, probabilities = rng.integers(0, 4, 5), rng.dirichlet(np.ones(4), 5)
    classes[1] = 2
    for target, options in [
        (classes, {}),
        (classes, dict(ignore_index=2, label_smoothing=0.2, weight=rng.uniform(0.5, 2, 4))),
        (probabilities, dict(label_smoothing=0.1, weight=rng.uniform(0.5, 2, 4))),
    ]:
        options = options | dict(reduction=reduction)
        assert_gradients(
            lambda target=target, options=options: fc.cross_entropy(x, target, **options),
            lambda gy, target=target, options=options: (F.cross_entropy_backward(gy, x, target, **options),),
            (x,),
            rng,
        )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_logarithms_and_with_weights(reduction, rng):
    logs, classes, weight = rng.standard_normal((3, 4, 2)), rng.integers(0, 4, (3, 2)), rng.uniform(0.5, 2, 4)
    given = dict(target=classes, weight=weight, ignore_index=1, reduction=reduction)
    classes[0, 0] = 2
    assert_gradients(
        lambda: F.nll_loss(logs, **given), lambda gy: (F.nll_loss_backward(gy, logs, **given),), (logs,), rng
    )
    target, each = rng.standard_normal(logs.shape), rng.uniform(0.5, 2, logs.shape)
    given = dict(target=target, weight=each, reduction=reduction)
    assert_gradients(
        lambda: F.mse_loss(logs, **given), lambda gy: (F.mse_loss_backward(gy, logs, **given),), (logs,), rng
    )


@pytest.mark.parametrize(
    "build",
    [
        lambda: fc.models.lenet("book", seed=1, dtype=np.float64),
        lambda: fc.models.lenet("relu", seed=2, dtype=np.float64),
        lambda: fc.models.mlp(seed=3, dtype=np.float64),
    ],
    ids=["lenet-book", "lenet-relu", "mlp"],
)
def test_networks(build, rng):
    """The derivative along random directions of all parameters at once, and of the input."""
    net = build()
    x, target = rng.standard_normal((3, 1, 28, 28)), np.array([3, 0, 7])

    def loss():
        return float(fc.cross_entropy(net(x), target))

    grad_input = net.backward(F.cross_entropy_backward(np.asarray(1.0), net(x), target))
    gradients = {key: value.copy() for key, value in net.gradients().items()}
    arrays = net.parameters() | {"input": x}
    gradients["input"] = grad_input
    for key, array in arrays.items():
        direction = rng.standard_normal(array.shape)
        kept = array.copy()
        sides = []
        for step in (1e-6, -1e-6):
            array[...] = kept + step * direction
            sides.append(loss())
        array[...] = kept
        slope, expected = float((gradients[key] * direction).sum()), (sides[0] - sides[1]) / 2e-6
        assert slope == pytest.approx(expected, rel=1e-5, abs=1e-8), key
