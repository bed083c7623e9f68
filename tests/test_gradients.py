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
