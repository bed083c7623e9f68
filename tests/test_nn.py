"""Layers: what they compute, what they keep, their parameters, initialisation, and the errors of each."""

import numpy as np
import pytest
from tolerance import assert_same_bits

import fastconv as fc
import fastconv.functional as F
from fastconv import nn

REFUSED = (ValueError, TypeError)


def every_layer(dtype=np.float32):
    """(layer, input shape without the batch, output shape without the batch, the function it stands for)"""
    conv = nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=1, groups=2, seed=1, dtype=dtype)
    linear = nn.Linear(12, 5, seed=2, dtype=dtype)
    p = conv.parameters()
    q = linear.parameters()
    return {
        "Conv2d": (conv, (4, 9, 8), (6, 5, 7), lambda x: fc.conv2d(x, p["weight"], p["bias"], (2, 1), (1, 0), 1, 2)),
        "MaxPool2d": (nn.MaxPool2d(3, 2, 1), (4, 9, 8), (4, 5, 4), lambda x: fc.max_pool2d(x, 3, 2, 1)),
        "AvgPool2d": (nn.AvgPool2d(2), (4, 9, 8), (4, 4, 4), lambda x: fc.avg_pool2d(x, 2)),
        "Linear": (linear, (12,), (5,), lambda x: fc.linear(x, q["weight"], q["bias"])),
        "Flatten": (nn.Flatten(), (4, 9, 8), (288,), lambda x: x.reshape(len(x), 288)),
        "ReLU": (nn.ReLU(), (4, 9, 8), (4, 9, 8), fc.relu),
        "Sigmoid": (nn.Sigmoid(), (4, 9, 8), (4, 9, 8), fc.sigmoid),
        "Tanh": (nn.Tanh(), (4, 9, 8), (4, 9, 8), fc.tanh),
    }


LAYERS = tuple(every_layer())


@pytest.mark.parametrize("name", LAYERS)
def test_forward_is_the_function(name, dtype, rng):
    layer, input_shape, output_shape, function = every_layer(dtype)[name]
    assert isinstance(layer, nn.Layer)
    assert layer.output_shape(input_shape) == output_shape
    for batch in (0, 1, 3):
        x = rng.standard_normal((batch, *input_shape)).astype(dtype)
        before = x.copy()
        y = layer(x)
        assert y.shape == (batch, *output_shape)
        assert_same_bits(y, function(x))
        assert_same_bits(layer.forward(x), y)
        assert_same_bits(x, before)


@pytest.mark.parametrize("name", LAYERS)
def test_backward_is_the_gradient(name, rng):
    """Along one random direction of the input and of each parameter, in float64."""
    layer, input_shape, output_shape, _ = every_layer(np.float64)[name]
    x = rng.permutation(2 * int(np.prod(input_shape))).reshape(2, *input_shape) / 100.0 - 1.003
    gy = rng.standard_normal((2, *output_shape))
    layer(x)
    gx = layer.backward(gy)
    assert gx.shape == x.shape and gx.dtype == np.float64
    gradients = {key: value.copy() for key, value in layer.gradients().items()} | {"input": gx}
    for key, array in (layer.parameters() | {"input": x}).items():
        direction = rng.standard_normal(array.shape)
        kept, sides = array.copy(), []
        for step in (1e-5, -1e-5):
            array[...] = kept + step * direction
            sides.append(float((layer(x) * gy).sum()))
        array[...] = kept
        expected = (sides[0] - sides[1]) / 2e-5
        assert float((gradients[key] * direction).sum()) == pytest.approx(expected, rel=1e-6, abs=1e-7), key


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_have_the_keys_of_parameters_and_overwrite(name, dtype, rng):
    layer, input_shape, output_shape, _ = every_layer(dtype)[name]
    x = rng.standard_normal((2, *input_shape)).astype(dtype)
    gy = rng.standard_normal((2, *output_shape)).astype(dtype)
    results = []
    for _ in range(2):
        layer(x)
        layer.backward(gy)
        results.append({key: value.copy() for key, value in layer.gradients().items()})
    assert list(results[0]) == list(layer.parameters()) == list(layer.parameter_shapes())
    for key, shape in layer.parameter_shapes().items():
        assert layer.parameters()[key].shape == shape == results[0][key].shape
        assert layer.parameters()[key].dtype == dtype == results[0][key].dtype
        assert_same_bits(results[0][key], results[1][key])


@pytest.mark.parametrize("name", LAYERS)
def test_eval_keeps_nothing_for_backward(name, rng):
    layer, input_shape, output_shape, _ = every_layer()[name]
    x = rng.standard_normal((2, *input_shape), np.float32)
    assert layer.training is True
    layer(x)
    layer.eval()
    assert layer.training is False
    layer(x)
    with pytest.raises((*REFUSED, RuntimeError)):
        layer.backward(np.zeros((2, *output_shape), np.float32))
    layer.train()
    assert layer.training is True
    layer(x)
    layer.backward(np.zeros((2, *output_shape), np.float32))


@pytest.mark.parametrize("name", LAYERS)
def test_backward_needs_a_forward_and_its_shape(name, rng):
    layer, input_shape, output_shape, _ = every_layer()[name]
    with pytest.raises((*REFUSED, RuntimeError)):
        layer.backward(np.zeros((2, *output_shape), np.float32))
    layer(rng.standard_normal((2, *input_shape), np.float32))
    with pytest.raises(REFUSED, match="grad_output"):
        layer.backward(np.zeros((3, *output_shape), np.float32))


def test_constructor_arguments_are_attributes():
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=(1, 0), dilation=2, groups=2, bias=False)
    assert (conv.in_channels, conv.out_channels, conv.groups) == (4, 6, 2)
    assert (conv.kernel_size, conv.stride, conv.padding, conv.dilation) == ((3, 3), (2, 2), (1, 0), (2, 2))
    assert list(conv.parameter_shapes()) == ["weight"]
    linear = nn.Linear(3, 4)
    assert (linear.in_features, linear.out_features) == (3, 4)


@pytest.mark.parametrize(
    "layer, text",
    [
        (nn.Conv2d(1, 6, 5, padding=2), "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))"),
        (nn.Conv2d(6, 16, 5), "Conv2d(6, 16, kernel_size=(5, 5), stride=(1, 1))"),
        (
            nn.Conv2d(4, 8, (3, 1), stride=2, dilation=2, groups=2, bias=False),
            "Conv2d(4, 8, kernel_size=(3, 1), stride=(2, 2), dilation=(2, 2), groups=2, bias=False)",
        ),
        (nn.Conv2d(4, 8, 3, padding="same"), "Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=same)"),
        (nn.Linear(400, 120), "Linear(in_features=400, out_features=120, bias=True)"),
        (nn.MaxPool2d(2), "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
        (nn.AvgPool2d(2, 2), "AvgPool2d(kernel_size=2, stride=2, padding=0)"),
        (nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
        (nn.ReLU(), "ReLU()"),
        (nn.Sigmoid(), "Sigmoid()"),
        (nn.Tanh(), "Tanh()"),
        (
            nn.Sequential(nn.ReLU(), nn.Linear(2, 3)),
            "Sequential(\n  (0): ReLU()\n  (1): Linear(in_features=2, out_features=3, bias=True)\n)",
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_repr_is_torchs(layer, text):
    assert repr(layer) == text
    torch = pytest.importorskip("torch")
    assert (
        repr(eval(text.replace("padding=same", "padding='same'"), vars(torch.nn))) == text if "\n" not in text else True
    )


# ---- initialisation ---------------------------------------------------------------------------------------------


def test_torchs_initialisation(dtype):
    """Uniform within one over the square root of the fan-in, weights and biases."""
    conv, linear = nn.Conv2d(16, 64, 5, groups=2, seed=3, dtype=dtype), nn.Linear(400, 300, seed=3, dtype=dtype)
    for layer, fan_in in ((conv, 8 * 25), (linear, 400)):
        bound = fan_in**-0.5
        weight, bias = layer.parameters()["weight"], layer.parameters()["bias"]
        assert 0.99 * bound < np.abs(weight).max() <= bound * (1 + 1e-6)
        assert 0.8 * bound < np.abs(bias).max() <= bound * (1 + 1e-6)
        assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.02)
        assert abs(weight.mean()) < 0.02 * bound


def test_xavier_initialisation(dtype):
    conv = nn.Conv2d(16, 32, 5, init="xavier", seed=3, dtype=dtype)
    linear = nn.Linear(400, 300, init="xavier", seed=3, dtype=dtype)
    for layer, fans in ((conv, (16 + 32) * 25), (linear, 700)):
        bound = (6 / fans) ** 0.5
        weight = layer.parameters()["weight"]
        assert 0.99 * bound < np.abs(weight).max() <= bound * (1 + 1e-6)
        assert weight.std() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_seeds():
    first, same, other = (nn.Linear(20, 30, seed=seed).parameters()["weight"] for seed in (1, 1, 2))
    assert_same_bits(first, same)
    assert (first != other).any()
    assert (nn.Linear(20, 30).parameters()["weight"] != nn.Linear(20, 30).parameters()["weight"]).any()


def test_parameters_are_live_and_drawn_once():
    linear = nn.Linear(2, 3)
    weight = linear.parameters()["weight"]
    assert linear.parameters()["weight"] is weight
    weight[...] = 0
    linear.parameters()["bias"][...] = 5
    np.testing.assert_array_equal(linear(np.ones((1, 2), np.float32)), np.full((1, 3), 5, np.float32))


def test_nothing_is_drawn_before_it_is_needed():
    """A terabyte of weights has shapes, a repr, an output shape; only using it would need the memory."""
    linear = nn.Linear(10**6, 10**6)
    assert linear.parameter_shapes() == {"weight": (10**6, 10**6), "bias": (10**6,)}
    assert linear.output_shape((10**6,)) == (10**6,)
    assert "1000000" in repr(linear)


# ---- networks ---------------------------------------------------------------------------------------------------


def small(dtype=np.float32, seed=0):
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, seed=seed, dtype=dtype),
        nn.Sequential(nn.Tanh(), nn.MaxPool2d(2)),
        nn.Flatten(),
        nn.Linear(27, 4, seed=seed + 1, dtype=dtype),
    )


KEYS = ["0.weight", "0.bias", "3.weight", "3.bias"]


def test_sequential_is_its_layers_one_after_another(dtype, rng):
    net = small(dtype)
    x, gy = rng.standard_normal((5, 2, 6, 6)).astype(dtype), rng.standard_normal((5, 4)).astype(dtype)
    y = x
    for layer in net:
        y = layer(y)
    assert_same_bits(net(x), y)
    gx = net.backward(gy)
    expected = gy
    for layer in reversed(list(small_with_forward(net, x))):
        expected = layer.backward(expected)
    assert_same_bits(gx, expected)
    assert net.output_shape((2, 6, 6)) == (4,)


def small_with_forward(net, x):
    for layer in net:
        x = layer(x)
    return net


def test_sequential_is_a_sequence():
    net = small()
    assert len(net) == 4
    assert isinstance(net[0], nn.Conv2d) and net[-1] is net[3]
    assert [type(layer).__name__ for layer in net] == ["Conv2d", "Sequential", "Flatten", "Linear"]
    with pytest.raises(IndexError):
        net[4]


def test_keys_are_torchs():
    net = small()
    assert list(net.parameters()) == list(net.parameter_shapes()) == list(net.state_dict()) == KEYS
    nested = nn.Sequential(nn.Sequential(nn.Linear(2, 3)), nn.Linear(3, 1, bias=False))
    assert list(nested.parameters()) == ["0.0.weight", "0.0.bias", "1.weight"]


def test_train_and_eval_reach_every_layer():
    net = small()
    net.eval()
    assert not any(layer.training for layer in (net, *net, *net[1]))
    net.train()
    assert all(layer.training for layer in (net, *net, *net[1]))


def test_a_layer_that_stands_twice_refuses_backward(rng):
    shared = nn.Linear(4, 4)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    y = net(rng.standard_normal((2, 4), np.float32))
    assert y.shape == (2, 4)
    with pytest.raises((*REFUSED, RuntimeError)):
        net.backward(np.ones_like(y))


def test_empty_sequential_is_the_identity(rng):
    net = nn.Sequential()
    x = rng.standard_normal((2, 3), np.float32)
    np.testing.assert_array_equal(net(x), x)
    assert net.parameters() == {} and net.output_shape((3,)) == (3,)


# ---- state ------------------------------------------------------------------------------------------------------


def test_state_goes_round(dtype, rng):
    net, other = small(dtype, seed=0), small(dtype, seed=7)
    x = rng.standard_normal((2, 2, 6, 6)).astype(dtype)
    state = net.state_dict()
    other.load_state_dict(state)
    assert_same_bits(other(x), net(x))
    for key, value in state.items():
        assert not np.shares_memory(value, net.parameters()[key])
        assert not np.shares_memory(value, other.parameters()[key])
        value[...] = 0  # a copy: nobody notices
    assert_same_bits(other(x), net(x))


def test_loading_keeps_the_live_arrays():
    """Optimizers hold the arrays that parameters() gave out."""
    net = small()
    before = net.parameters()
    net.load_state_dict(small(seed=9).state_dict())
    assert all(net.parameters()[key] is value for key, value in before.items())


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda state: state.pop("0.bias"), "0.bias"),
        (lambda state: state.update({"9.weight": np.zeros(3, np.float32)}), "9.weight"),
        (lambda state: state.update({"3.weight": np.zeros((4, 26), np.float32)}), r"3.weight.*\(4, 26\)"),
        (lambda state: state.update({"3.weight": np.zeros((27, 4), np.float32)}), r"3.weight.*\(27, 4\)"),
        (lambda state: state.update({"3.weight": "weights"}), "3.weight"),
    ],
)
def test_a_wrong_state_is_refused_whole(spoil, words):
    net = small()
    before = net.state_dict()
    state = small(seed=5).state_dict()
    spoil(state)
    with pytest.raises(REFUSED, match=words):
        net.load_state_dict(state)
    for key, value in before.items():
        assert_same_bits(net.parameters()[key], value)


# ---- errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: nn.Conv2d(0, 6, 3), "in_channels.*0"),
        (lambda: nn.Conv2d(3, -6, 3), "out_channels.*-6"),
        (lambda: nn.Conv2d(3.0, 6, 3), "in_channels.*3.0"),
        (lambda: nn.Conv2d(3, True, 3), "out_channels.*True"),
        (lambda: nn.Conv2d(3, 6, 0), "kernel_size.*0"),
        (lambda: nn.Conv2d(3, 6, (3, 3, 3)), "kernel_size"),
        (lambda: nn.Conv2d(3, 6, 1.5), "kernel_size.*1.5"),
        (lambda: nn.Conv2d(3, 6, 3, stride=0), "stride.*0"),
        (lambda: nn.Conv2d(3, 6, 3, padding=-1), "padding.*-1"),
        (lambda: nn.Conv2d(3, 6, 3, padding="full"), "padding.*full"),
        (lambda: nn.Conv2d(3, 6, 3, stride=2, padding="same"), "same"),
        (lambda: nn.Conv2d(3, 6, 3, dilation=0), "dilation.*0"),
        (lambda: nn.Conv2d(3, 6, 3, groups=2), "in_channels.*3.*groups.*2"),
        (lambda: nn.Conv2d(4, 6, 3, groups=4), "out_channels.*6.*groups.*4"),
        (lambda: nn.Conv2d(4, 6, 3, groups=0), "groups.*0"),
        (lambda: nn.Conv2d(4, 6, 3, init="ones"), "init.*ones"),
        (lambda: nn.Conv2d(4, 6, 3, dtype=np.int32), "dtype.*int32"),
        (lambda: nn.Conv2d(4, 6, 3, dtype=np.float16), "dtype.*float16"),
        (lambda: nn.Linear(0, 3), "in_features.*0"),
        (lambda: nn.Linear(3, 2.0), "out_features.*2.0"),
        (lambda: nn.Linear(3, 2, init="he"), "init.*he"),
        (lambda: nn.MaxPool2d(0), "kernel_size.*0"),
        (lambda: nn.MaxPool2d(2, padding=2), "padding.*2"),
        (lambda: nn.MaxPool2d(2, stride=-1), "stride.*-1"),
        (lambda: nn.AvgPool2d(2, divisor_override=0), "divisor_override.*0"),
        (lambda: nn.Sequential(nn.ReLU(), "relu"), "layer.*1.*str"),
        (lambda: nn.Sequential(None), "layer.*0.*None"),
        (lambda: nn.Sequential(nn.ReLU), "layer.*0.*type"),
        (lambda: nn.Flatten(1.5), "start_dim.*1.5"),
    ],
)
def test_wrong_constructions(build, words):
    with pytest.raises(REFUSED, match=words):
        build()


@pytest.mark.parametrize(
    "layer, input_shape",
    [
        (nn.Conv2d(3, 6, 3), (4, 8, 8)),
        (nn.Conv2d(3, 6, 3), (3, 2, 8)),
        (nn.Conv2d(3, 6, 3), (8, 8)),
        (nn.MaxPool2d(3), (2, 2, 2)),
        (nn.AvgPool2d(3), (5,)),
        (nn.Linear(3, 6), (4,)),
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), (3, 5)),
    ],
    ids=str,
)
def test_shapes_that_a_layer_does_not_take(layer, input_shape):
    with pytest.raises(REFUSED, match=r"\d"):
        layer.output_shape(input_shape)
    with pytest.raises(REFUSED, match=r"\d"):
        layer(np.zeros((2, *input_shape), np.float32))


def test_input_of_another_dtype_is_refused():
    with pytest.raises(REFUSED, match="float64"):
        nn.Linear(3, 2)(np.zeros((1, 3)))


# ---- a second opinion -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["book", "relu"])
def test_torch_loads_the_state_and_agrees(variant, dtype, rng):
    torch = pytest.importorskip("torch")
    net = fc.models.lenet(variant, seed=4, dtype=dtype)
    theirs = torch.nn.Sequential(*(eval(repr(layer), vars(torch.nn)) for layer in net))
    theirs = theirs.to(torch.from_numpy(np.zeros(1, dtype)).dtype)
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in net.state_dict().items()})
    x, target = rng.standard_normal((6, 1, 28, 28)).astype(dtype), rng.integers(0, 10, 6)
    tensor = torch.from_numpy(x).requires_grad_()
    loss = torch.nn.functional.cross_entropy(theirs(tensor), torch.from_numpy(target))
    loss.backward()
    y = net(x)
    tolerance = 500 * np.finfo(dtype).eps
    np.testing.assert_allclose(y, theirs(tensor).detach().numpy(), rtol=tolerance, atol=tolerance)
    gx = net.backward(F.cross_entropy_backward(np.asarray(1, dtype), y, target))
    np.testing.assert_allclose(gx, tensor.grad.numpy(), rtol=0, atol=tolerance)
    for key, parameter in theirs.named_parameters():
        np.testing.assert_allclose(net.gradients()[key], parameter.grad.numpy(), rtol=0, atol=tolerance)
