"""The networks: their layers, sizes, seeds, and the table of names."""

import numpy as np
import pytest
from tolerance import assert_same_bits

import fastconv as fc
from fastconv import models, nn

LENET_SHAPES = {
    "0.weight": (6, 1, 5, 5), "0.bias": (6,),
    "3.weight": (16, 6, 5, 5), "3.bias": (16,),
    "7.weight": (120, 400), "7.bias": (120,),
    "9.weight": (84, 120), "9.bias": (84,),
    "11.weight": (10, 84), "11.bias": (10,),
}  # fmt: skip


@pytest.mark.parametrize(
    "variant, activation, pool", [("book", nn.Sigmoid, nn.AvgPool2d), ("relu", nn.ReLU, nn.MaxPool2d)]
)
def test_lenet(variant, activation, pool):
    net = models.lenet(variant)
    assert isinstance(net, nn.Sequential)
    assert net.parameter_shapes() == LENET_SHAPES
    kinds = [nn.Conv2d, activation, pool] * 2 + [nn.Flatten] + [nn.Linear, activation] * 2 + [nn.Linear]
    assert [type(layer) for layer in net] == kinds
    assert net.output_shape((1, 28, 28)) == (10,)


def test_lenet_is_relu_where_nothing_is_said():
    assert repr(models.lenet()) == repr(models.lenet("relu"))


def test_mlp():
    net = models.mlp()
    assert [type(layer) for layer in net] == [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear]
    assert net.parameter_shapes() == {"1.weight": (256, 784), "1.bias": (256,), "3.weight": (10, 256), "3.bias": (10,)}


@pytest.mark.parametrize("name", ["lenet", "mlp"])
def test_runs_forward_and_backward(name, dtype, rng):
    net = models.build(name, seed=1, dtype=dtype)
    x = rng.standard_normal((3, 1, 28, 28)).astype(dtype)
    y = net(x)
    assert y.shape == (3, 10) and y.dtype == dtype and np.isfinite(y).all()
    gx = net.backward(np.ones_like(y))
    assert gx.shape == x.shape and gx.dtype == dtype
    assert all(np.isfinite(g).all() and g.any() for g in net.gradients().values())


def test_names_and_build():
    assert models.names() == ["lenet", "mlp", "alexnet", "vgg11", "nin", "resnet18"]
    for name in models.names():
        assert repr(models.build(name)) == repr(getattr(models, name)())
    assert repr(models.build("lenet", variant="book")) == repr(models.lenet("book"))
    assert models.build("mlp", num_classes=7).output_shape((1, 28, 28)) == (7,)
    assert models.lenet(num_classes=3).output_shape((1, 28, 28)) == (3,)


@pytest.mark.parametrize("name", ["lenet", "mlp"])
def test_seeds(name):
    one, same, other = (models.build(name, seed=seed).state_dict() for seed in (3, 3, 4))
    for key, value in one.items():
        assert_same_bits(value, same[key])
        assert (value != other[key]).any()
    weights = [value.ravel()[:100] for key, value in one.items() if key.endswith("weight")]
    assert all((a[: len(b)] != b[: len(a)]).any() for a, b in zip(weights, weights[1:], strict=False))


def test_the_books_variant_draws_xavier():
    """The two differ by more than a bound: (6 / (fan in + fan out)) ** 0.5 against fan in ** -0.5."""
    weight = models.lenet("book", seed=0).parameters()["7.weight"]
    assert np.abs(weight).max() > 400**-0.5
    assert np.abs(weight).max() <= (6 / 520) ** 0.5 * (1 + 1e-6)
    torchs = models.lenet("book", seed=0, init="torch").parameters()["7.weight"]
    assert np.abs(torchs).max() <= 400**-0.5 * (1 + 1e-6)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: models.build("resnet99"), "lenet.*resnet99"),
        (lambda: models.build(3), "3"),
        (lambda: models.lenet("sigmoid"), "variant.*sigmoid"),
        (lambda: models.lenet(num_classes=0), "num_classes.*0|out_features.*0"),
        (lambda: models.mlp(num_classes=2.5), "num_classes.*2.5|out_features.*2.5"),
        (lambda: models.lenet(init="ones"), "init.*ones"),
    ],
)
def test_wrong_arguments(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_a_network_learns(rng):
    """Some steps on images of two clear kinds: the loss falls to a fraction."""
    net = models.lenet("relu", seed=0)
    target = np.arange(16) % 2
    x = rng.standard_normal((16, 1, 28, 28), np.float32)
    x[target == 1, :, :14] += 2
    losses = []
    for _ in range(30):
        y = net(x)
        losses.append(float(fc.cross_entropy(y, target)))
        net.backward(fc.functional.cross_entropy_backward(np.float32(1), y, target))
        for key, value in net.parameters().items():
            value -= np.float32(0.1) * net.gradients()[key]
    assert losses[-1] < 0.5 * losses[0]
