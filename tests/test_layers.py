"""Every layer beside torch's of the same name (where torch is installed), and by itself: shapes, gradients, states."""

import copy
import inspect
import re

import numpy as np
import pytest
from tolerance import assert_same_bits

import fastconv as fc
from fastconv import nn

pytestmark = pytest.mark.usefixtures("direct")

# name: (the layer for a dtype, the input's shape without the batch). repr() builds torch's layer, so it is tested too.
LAYERS = {
    "Conv1d": (lambda d: nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, dtype=d), (4, 17)),
    "Conv1d, same": (lambda d: nn.Conv1d(3, 2, 4, padding="same", bias=False, dtype=d), (3, 9)),
    "Conv2d": (lambda d: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), groups=2, dtype=d), (4, 9, 8)),
    "Conv2d, reflect": (lambda d: nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode="reflect", dtype=d), (2, 7, 6)),
    "Conv2d, replicate": (
        lambda d: nn.Conv2d(2, 3, (4, 3), padding="same", padding_mode="replicate", dtype=d),
        (2, 7, 6),
    ),
    "Conv1d, circular": (lambda d: nn.Conv1d(2, 3, 3, padding=2, padding_mode="circular", dtype=d), (2, 7)),
    "Conv3d": (lambda d: nn.Conv3d(2, 4, (3, 2, 1), stride=(1, 2, 1), padding=(1, 0, 1), dtype=d), (2, 4, 6, 5)),
    "ConvTranspose1d": (
        lambda d: nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dtype=d),
        (4, 7),
    ),
    "ConvTranspose2d": (lambda d: nn.ConvTranspose2d(3, 4, (3, 2), stride=(2, 3), dilation=2, dtype=d), (3, 5, 4)),
    "ConvTranspose3d": (lambda d: nn.ConvTranspose3d(2, 3, 2, stride=2, bias=False, dtype=d), (2, 3, 4, 2)),
    "LocallyConnected1d": (
        lambda d: nn.LocallyConnected1d(4, 6, 3, 11, stride=2, padding=1, groups=2, dtype=d),
        (4, 11),
    ),
    "LocallyConnected2d": (lambda d: nn.LocallyConnected2d(2, 5, (3, 2), (6, 7), dilation=2, dtype=d), (2, 6, 7)),
    "LocallyConnected2d, same": (
        lambda d: nn.LocallyConnected2d(2, 3, 3, 5, padding="same", bias=False, dtype=d),
        (2, 5, 5),
    ),
    "Linear": (lambda d: nn.Linear(12, 5, dtype=d), (12,)),
    "MaxPool1d": (lambda d: nn.MaxPool1d(3, 2, 1, dilation=1, ceil_mode=True), (4, 12)),
    "MaxPool2d": (lambda d: nn.MaxPool2d(3, 2, 1), (4, 9, 8)),
    "MaxPool3d": (lambda d: nn.MaxPool3d((2, 3, 1), padding=(1, 0, 0)), (3, 5, 7, 6)),
    "AvgPool1d": (lambda d: nn.AvgPool1d(3, 2, 1), (4, 12)),
    "AvgPool2d": (lambda d: nn.AvgPool2d(2), (4, 9, 8)),
    "AvgPool3d": (lambda d: nn.AvgPool3d(3, (2, 1, 2), 1), (3, 5, 7, 6)),
    "AdaptiveMaxPool1d": (lambda d: nn.AdaptiveMaxPool1d(5), (3, 12)),
    "AdaptiveMaxPool2d": (lambda d: nn.AdaptiveMaxPool2d((3, 4)), (3, 7, 9)),
    "AdaptiveMaxPool3d": (lambda d: nn.AdaptiveMaxPool3d((2, None, 3)), (2, 4, 5, 6)),
    "AdaptiveAvgPool1d": (lambda d: nn.AdaptiveAvgPool1d(5), (3, 12)),
    "AdaptiveAvgPool2d": (lambda d: nn.AdaptiveAvgPool2d(1), (3, 7, 9)),
    "AdaptiveAvgPool3d": (lambda d: nn.AdaptiveAvgPool3d((2, None, 3)), (2, 4, 5, 6)),
    "BatchNorm1d": (lambda d: nn.BatchNorm1d(5, dtype=d), (5,)),
    "BatchNorm1d, signals": (lambda d: nn.BatchNorm1d(5, momentum=None, dtype=d), (5, 7)),
    "BatchNorm2d": (lambda d: nn.BatchNorm2d(4, eps=1e-3, momentum=0.3, dtype=d), (4, 6, 5)),
    "BatchNorm2d, plain": (
        lambda d: nn.BatchNorm2d(4, affine=False, track_running_stats=False, dtype=d),
        (4, 6, 5),
    ),
    "BatchNorm2d, no bias": (lambda d: nn.BatchNorm2d(4, bias=False, dtype=d), (4, 6, 5)),
    "BatchNorm3d": (lambda d: nn.BatchNorm3d(3, affine=False, dtype=d), (3, 2, 4, 5)),
    "LayerNorm": (lambda d: nn.LayerNorm((4, 6), dtype=d), (3, 4, 6)),
    "LayerNorm, plain": (lambda d: nn.LayerNorm(6, eps=1e-3, elementwise_affine=False, dtype=d), (6,)),
    "LayerNorm, no bias": (lambda d: nn.LayerNorm(6, bias=False, dtype=d), (3, 6)),
    "GroupNorm, no bias": (lambda d: nn.GroupNorm(3, 6, bias=False, dtype=d), (6, 5)),
    "GroupNorm": (lambda d: nn.GroupNorm(2, 6, dtype=d), (6, 5, 4)),
    "GroupNorm, plain": (lambda d: nn.GroupNorm(3, 6, affine=False, dtype=d), (6, 5)),
    "LocalResponseNorm": (lambda d: nn.LocalResponseNorm(3, 0.5, 0.6, 1.5), (6, 5, 4)),
    "Dropout, never": (lambda d: nn.Dropout(0.0), (3, 4)),
    "ReLU": (lambda d: nn.ReLU(), (3, 7)),
    "ReLU6": (lambda d: nn.ReLU6(), (3, 7)),
    "LeakyReLU": (lambda d: nn.LeakyReLU(0.2), (3, 7)),
    "PReLU": (lambda d: nn.PReLU(dtype=d), (3, 7)),
    "PReLU, channels": (lambda d: nn.PReLU(3, 0.1, dtype=d), (3, 7, 2)),
    "ELU": (lambda d: nn.ELU(0.7), (3, 7)),
    "GELU": (lambda d: nn.GELU(), (3, 7)),
    "GELU, tanh": (lambda d: nn.GELU("tanh"), (3, 7)),
    "SiLU": (lambda d: nn.SiLU(), (3, 7)),
    "Sigmoid": (lambda d: nn.Sigmoid(), (3, 7)),
    "Tanh": (lambda d: nn.Tanh(), (3, 7)),
    "Softmax": (lambda d: nn.Softmax(dim=-1), (3, 7)),
    "LogSoftmax": (lambda d: nn.LogSoftmax(dim=1), (3, 7)),
    "Flatten": (lambda d: nn.Flatten(), (3, 4, 5)),
    "Unflatten": (lambda d: nn.Unflatten(1, (3, 2)), (6, 5)),
    "Unfold": (lambda d: nn.Unfold((3, 2), dilation=(1, 2), padding=1, stride=(2, 1)), (2, 7, 6)),
    "Fold": (lambda d: nn.Fold((7, 6), 3, padding=1, stride=2), (18, 12)),
    "Identity": (lambda d: nn.Identity(), (3, 4)),
    "ConstantPad1d": (lambda d: nn.ConstantPad1d((2, -1), 0.5), (3, 7)),
    "ConstantPad2d": (lambda d: nn.ConstantPad2d(1, -1.5), (3, 5, 4)),
    "ConstantPad3d": (lambda d: nn.ConstantPad3d((0, 1, 2, 0, -1, 1), 2.0), (2, 3, 4, 5)),
    "ZeroPad1d": (lambda d: nn.ZeroPad1d(2), (3, 7)),
    "ZeroPad2d": (lambda d: nn.ZeroPad2d((1, 2, 0, 3)), (3, 5, 4)),
    "ZeroPad3d": (lambda d: nn.ZeroPad3d(1), (2, 3, 4, 5)),
    "ReflectionPad1d": (lambda d: nn.ReflectionPad1d((3, 1)), (3, 7)),
    "ReflectionPad2d": (lambda d: nn.ReflectionPad2d((1, 2, 0, 3)), (3, 5, 4)),
    "ReflectionPad3d": (lambda d: nn.ReflectionPad3d(1), (2, 3, 4, 5)),
    "ReplicationPad1d": (lambda d: nn.ReplicationPad1d((3, 1)), (3, 7)),
    "ReplicationPad2d": (lambda d: nn.ReplicationPad2d((1, 2, 0, 3)), (3, 5, 4)),
    "ReplicationPad3d": (lambda d: nn.ReplicationPad3d(2), (2, 3, 4, 5)),
    "CircularPad1d": (lambda d: nn.CircularPad1d((3, 1)), (3, 7)),
    "CircularPad2d": (lambda d: nn.CircularPad2d((1, 2, 0, 3)), (3, 5, 4)),
    "CircularPad3d": (lambda d: nn.CircularPad3d(1), (2, 3, 4, 5)),
}
BATCH = 3


def build(name, dtype):
    make, input_shape = LAYERS[name]
    return make(dtype), input_shape


def varied(rng, layer):
    """Weights that are neither one nor zero."""
    for array in layer.parameters().values():
        array += 0.3 * rng.standard_normal(array.shape)
    return layer


def apart(rng, shape):
    """Values that differ by more than a numeric derivative's step: no maximum changes hands."""
    return rng.permutation(int(np.prod(shape))).reshape(shape) / 50.0 - 1.003


@pytest.mark.parametrize("name", LAYERS)
def test_shapes_copies_and_modes(name, dtype, rng):
    layer, input_shape = build(name, dtype)
    assert isinstance(layer, nn.Layer) and repr(layer).startswith(name.split(",")[0] + "(")
    output_shape = layer.output_shape(input_shape)
    for batch in (0, 1, BATCH):
        if batch < 2 and isinstance(layer, nn.BatchNorm1d) or batch == 0 and "BatchNorm" in name:
            continue  # torch refuses one value a channel
        x = rng.standard_normal((batch, *input_shape)).astype(dtype)
        before = x.copy()
        y = layer(x)
        assert y.shape == (batch, *output_shape) and y.dtype == dtype
        assert_same_bits(x, before)
        gx = layer.backward(np.ones_like(y))
        assert gx.shape == x.shape and gx.dtype == dtype
    copied = copy.deepcopy(layer.eval())
    assert_same_bits(copied(x), layer(x))
    with pytest.raises(ValueError, match="eval"):
        layer.backward(np.ones((BATCH, *output_shape), dtype))
    with pytest.raises(ValueError):
        layer.train().backward(np.ones((BATCH, *output_shape), dtype))
    layer(x)
    with pytest.raises((ValueError, TypeError), match="grad_output"):
        layer.backward(np.ones((BATCH + 1, *output_shape), dtype))
    assert layer.backward(np.ones((BATCH, *output_shape), dtype), need_input_grad=False) is None


@pytest.mark.parametrize("name", LAYERS)
def test_backward_is_the_gradient(name, rng):
    """Along one random direction of the input and of each parameter, in float64."""
    layer, input_shape = build(name, np.float64)
    varied(rng, layer)
    x = apart(rng, (BATCH, *input_shape))
    gy = rng.standard_normal((BATCH, *layer.output_shape(input_shape)))
    layer(x)
    gx = layer.backward(gy)
    gradients = {key: value.copy() for key, value in layer.gradients().items()} if layer.parameters() else {}
    assert list(gradients) == list(layer.parameters()) == list(layer.parameter_shapes())
    for key, array in (layer.parameters() | {"input": x}).items():
        assert key == "input" or gradients[key].shape == array.shape == layer.parameter_shapes()[key]
        direction = rng.standard_normal(array.shape)
        kept, sides = array.copy(), []
        for step in (1e-6, -1e-6):
            array[...] = kept + step * direction
            sides.append(float((layer(x) * gy).sum()))
        array[...] = kept
        gradient = gx if key == "input" else gradients[key]
        expected = (sides[0] - sides[1]) / 2e-6
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-6), key


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", [name for name in LAYERS if not name.startswith("LocallyConnected")])
def test_torch_has_the_same_layer(name, dtype, rng):
    torch = pytest.importorskip("torch")
    layer, input_shape = build(name, dtype)
    varied(rng, layer)
    text = repr(layer)
    for word in ("same", "reflect", "replicate", "circular"):
        text = text.replace(f"padding={word}", f"padding={word!r}").replace(f"mode={word}", f"mode={word!r}")
    try:
        theirs = eval(text, vars(torch.nn))
    except TypeError:  # torch's normalisations of before 2.13 have no bias=
        theirs = eval(re.sub(", bias=True", "", text), vars(torch.nn))
    theirs = theirs.to(torch.from_numpy(np.zeros(1, dtype)).dtype)
    assert repr(theirs) in (repr(layer), re.sub(", bias=True", "", repr(layer)))
    state = layer.state_dict()
    assert list(theirs.state_dict()) == list(state)
    assert [tuple(each.shape) for each in theirs.state_dict().values()] == [each.shape for each in state.values()]
    theirs.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in state.items()})
    tolerance = 200 * np.finfo(dtype).eps
    for _ in range(2):  # running statistics move
        x = apart(rng, (BATCH, *input_shape)).astype(dtype)
        tensor = torch.from_numpy(x).requires_grad_()
        expected = theirs(tensor)
        y = layer(x)
        np.testing.assert_allclose(y, expected.detach().numpy(), rtol=tolerance, atol=tolerance)
        gy = rng.standard_normal(y.shape).astype(dtype)
        theirs.zero_grad()
        expected.backward(torch.from_numpy(gy))
        np.testing.assert_allclose(layer.backward(gy), tensor.grad.numpy(), rtol=tolerance, atol=4 * tolerance)
        for key, parameter in theirs.named_parameters():
            np.testing.assert_allclose(
                layer.gradients()[key], parameter.grad.numpy(), rtol=tolerance, atol=8 * tolerance
            )
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(layer.state_dict()[key], value.numpy(), rtol=tolerance, atol=tolerance)
    with torch.no_grad():
        expected = theirs.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(layer.eval()(x), expected, rtol=tolerance, atol=tolerance)
    layer.load_state_dict(theirs.state_dict())  # tensors, as they come


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_is_counted_and_compiled(name, rng):
    layer, input_shape = build(name, np.float32)
    report = fc.count(layer, input_shape)
    assert report.total.parameters == sum(array.size for array in layer.parameters().values())
    assert report.layers[0].output_shape == layer.output_shape(input_shape)
    x = rng.standard_normal((BATCH, *input_shape), np.float32)
    varied(rng, layer)
    if layer.buffers():
        layer(x)  # running statistics that are not those of the start
    plan = fc.compile(layer, input_shape, batch=BATCH, dtype=np.float32)
    layer.eval()
    assert sum(step.macs for step in plan.steps) == report.total.macs
    for images in (x, x[:1], x[:0]):
        if name == "BatchNorm2d, plain" and not len(images):
            continue
        assert_same_bits(plan(images), layer(images))
    for array in layer.parameters().values():  # a plan keeps its own
        array[...] = np.nan
    assert np.isfinite(plan(x)).all()


NOT_IN_TORCH = {"Concat", "Layer", "LocallyConnected1d", "LocallyConnected2d", "Parametric", "Residual"}


def positional(function):
    parameters = list(inspect.signature(function).parameters.values())[1:]
    taken = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    return [(each.name, each.default) for each in taken if each.name not in ("device", "dtype")]


@pytest.mark.parametrize("name", sorted(set(nn.__all__) - NOT_IN_TORCH - {"Identity", "Sequential", "Sigmoid", "Tanh"}))
def test_arguments_are_torchs(name):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    assert positional(ours.__init__) == positional(theirs.__init__)
    rest = {key for key, each in inspect.signature(ours).parameters.items() if each.kind is each.KEYWORD_ONLY}
    assert rest <= {"bias", "dtype", "init", "seed"}
    names = [name for name, _ in positional(theirs.forward)][1:]
    assert [name for name, _ in positional(ours.forward)][1:] == names  # indices, output_size


def test_every_layer_is_tested_here():
    tested = {name.split(",")[0] for name in LAYERS} | {"MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"}
    assert set(nn.__all__) - tested == {"Concat", "Layer", "Parametric", "Residual", "Sequential"}
    for name in tested:
        assert "Example:" in getattr(nn, name).__doc__ and "Source:" in getattr(nn, name).__doc__


def networks(dtype):
    """Of what a plan prepares, in place and not, between each other."""
    return {
        "image": (
            nn.Sequential(
                nn.Conv2d(3, 6, 3, padding=1, seed=0, dtype=dtype),
                nn.BatchNorm2d(6, dtype=dtype),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Dropout(),
                nn.Unflatten(1, (2, 3)),
                nn.BatchNorm3d(2, dtype=dtype),
                nn.Flatten(1, 2),
                nn.Conv2d(6, 4, 1, padding=1, padding_mode="reflect", seed=1, dtype=dtype),
                nn.ReLU(),
                nn.BatchNorm2d(4, dtype=dtype),
                nn.PReLU(4, dtype=dtype),
                nn.AdaptiveAvgPool2d(2),
                nn.Flatten(),
                nn.Linear(16, 8, seed=2, dtype=dtype),
                nn.BatchNorm1d(8, dtype=dtype),
                nn.GELU(),
                nn.LogSoftmax(1),
            ),
            (3, 10, 9),
        ),
        "signal": (
            nn.Sequential(
                nn.BatchNorm1d(2, affine=False, dtype=dtype),
                nn.Conv1d(2, 4, 5, stride=2, seed=0, dtype=dtype),
                nn.BatchNorm1d(4, dtype=dtype),
                nn.LeakyReLU(),
                nn.ConvTranspose1d(4, 2, 3, seed=1, dtype=dtype),
                nn.SiLU(),
                nn.GroupNorm(1, 2, dtype=dtype),
                nn.ELU(),
                nn.Identity(),
            ),
            (2, 21),
        ),
        "dense": (
            nn.Sequential(
                nn.Linear(6, 8, seed=0, dtype=dtype), nn.BatchNorm1d(8, dtype=dtype), nn.ReLU6(), nn.Softmax(-1)
            ),
            (6,),
        ),
    }


@pytest.mark.parametrize("name", networks(np.float32))
def test_networks_of_these_layers(name, dtype, rng):
    net, shape = networks(dtype)[name]
    for _ in range(3):  # statistics that are not those of the start
        net(rng.standard_normal((5, *shape)).astype(dtype) + 0.5)
    gradient = net.backward(rng.standard_normal((5, *net.output_shape(shape))).astype(dtype))
    assert gradient.shape == (5, *shape) and list(net.gradients()) == list(net.parameters())
    x = rng.standard_normal((5, *shape)).astype(dtype)
    plan = fc.compile(net, shape, batch=5, fold=False)
    net.eval()
    for images in (x, x[:2], x[4:]):
        assert_same_bits(plan(images), net(images))
    assert sum(step.macs for step in plan.steps) == fc.count(net, shape).total.macs


def test_dropout_costs_a_plan_nothing(dtype, rng):
    net = fc.models.lenet("relu", seed=0, dtype=dtype)
    with_dropout = nn.Sequential(*net[:3], nn.Dropout(), *net[3:8], nn.Identity(), nn.Dropout(), *net[8:]).eval()
    x = rng.standard_normal((9, 1, 28, 28)).astype(dtype)
    plan, plain = (fc.compile(each, (1, 28, 28), batch=9) for each in (with_dropout, net))
    assert plan.memory == plain.memory
    assert_same_bits(plan(x), plain(x))
    assert_same_bits(plan(x[:2]), plain(x[:2]))
    assert_same_bits(plan(x), with_dropout(x))


def test_what_layers_cost():
    convolution = fc.count(nn.LocallyConnected2d(1, 6, 5, 28, padding=2), (1, 28, 28)).total
    found = convolution.parameters, convolution.macs, convolution.dense_parameters
    assert found == (122_304, 117_600, 3_692_640)
    assert fc.count(nn.LocallyConnected2d(6, 16, 5, 14), (6, 14, 14)).total.parameters == 241_600
    assert fc.count(nn.Conv3d(2, 4, 3), (2, 5, 5, 5)).total.macs == 27 * 4 * 27 * 2
    assert fc.count(nn.ConvTranspose2d(4, 6, 3, groups=2), (4, 5, 5)).total.macs == 100 * 3 * 9
    for layer, parameters, macs in ((nn.BatchNorm2d(4), 8, 100), (nn.MaxUnpool2d(2), 0, 0)):
        total = fc.count(layer, (4, 5, 5)).total
        assert (total.parameters, total.macs, total.dense_parameters) == (parameters, macs, parameters)


def test_batch_norm_buffers_are_state_but_no_parameters(dtype, rng):
    net = nn.Sequential(nn.Conv2d(2, 3, 3, seed=0, dtype=dtype), nn.BatchNorm2d(3, dtype=dtype), nn.ReLU())
    keys = ["1.running_mean", "1.running_var", "1.num_batches_tracked"]
    assert list(net.parameters()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert list(net.buffers()) == keys
    assert list(net.state_dict()) == [*net.parameters(), *keys]
    x = rng.standard_normal((4, 2, 6, 6)).astype(dtype)
    y = net(x)
    net.backward(np.ones_like(y))
    assert list(net.gradients()) == list(net.parameters())
    assert net.state_dict()["1.num_batches_tracked"] == 1
    assert net[1].running_mean is net.buffers()["1.running_mean"] and net[1].running_mean.any()
    other = nn.Sequential(nn.Conv2d(2, 3, 3, seed=5, dtype=dtype), nn.BatchNorm2d(3, dtype=dtype), nn.ReLU())
    live = other.buffers()
    other.load_state_dict(net.state_dict())
    assert all(other.buffers()[key] is value for key, value in live.items())
    assert_same_bits(other.eval()(x), net.eval()(x))
    assert net.state_dict()["1.num_batches_tracked"] == 1  # eval leaves it
    for spoil in (
        {"1.running_var": np.ones(4, dtype)},
        {"1.num_batches_tracked": np.zeros((), np.float32)},
        {"1.running_mean": None},
    ):
        state = net.state_dict() | spoil
        with pytest.raises((ValueError, TypeError), match=next(iter(spoil))):
            net.load_state_dict(state)
    state = net.state_dict()
    del state["1.running_mean"]
    with pytest.raises(ValueError, match="missing.*running_mean"):
        net.load_state_dict(state)


# Those that take an input without the batch: the others see a batch in it, as torch does.
ALONE = [name for name in LAYERS if re.match("Conv|Local.*ted|.*Pool|.*Pad|Linear|.*Unf|Fold|.*LU|Identity|Sigm", name)]


@pytest.mark.parametrize("name", [name for name in ALONE if "channels" not in name and "Unflatten" not in name])
def test_inputs_without_a_batch(name, dtype, rng):
    layer, input_shape = build(name, dtype)
    x = rng.standard_normal(input_shape).astype(dtype)
    y = layer(x[None])
    gy = rng.standard_normal(y.shape).astype(dtype)
    gx = layer.backward(gy)
    assert_same_bits(layer(x), y[0])
    assert_same_bits(layer.backward(gy[0]), gx[0])


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unpooling_follows_indices(rank, dtype, rng):
    kinds = [getattr(nn, f"{kind}{rank}d") for kind in ("MaxPool", "AdaptiveMaxPool", "MaxUnpool")]
    pool, adaptive, unpool = kinds[0](2, return_indices=True), kinds[1](3, True), kinds[2](2)
    x = apart(rng, (2, 3, *(7, 6, 9)[:rank])).astype(dtype)
    y, indices = pool(x)
    assert indices.dtype == np.int64 and indices.shape == y.shape
    assert unpool.output_shape(pool.output_shape(x.shape[1:])) == (3, *(6, 6, 8)[:rank])
    back = unpool(y, indices, output_size=x.shape)
    assert back.shape == x.shape
    np.testing.assert_array_equal(back[back != 0], x[back != 0])
    assert np.count_nonzero(back) == np.count_nonzero(y)
    gradient = rng.standard_normal(x.shape).astype(dtype)
    through = unpool.backward(gradient)
    np.testing.assert_array_equal(
        through,
        gradient.reshape(2, 3, -1)[np.ix_([0, 1], [0, 1, 2])][
            np.arange(2)[:, None, None], np.arange(3)[:, None], indices.reshape(2, 3, -1)
        ].reshape(y.shape),
    )
    np.testing.assert_array_equal(pool.backward(through) != 0, back != 0)
    for layer in (pool, adaptive):
        y, indices = layer(x)
        layer.eval()
        for one, other in zip(layer(x), (y, indices), strict=True):
            np.testing.assert_array_equal(one, other)
        with pytest.raises(TypeError, match="return_indices"):
            fc.compile(layer, x.shape[1:])
    with pytest.raises(TypeError, match="MaxUnpool"):
        fc.compile(unpool, (3, *(4,) * rank))
    with pytest.raises(ValueError, match="eval"):
        unpool.eval().backward(gradient)
    with pytest.raises(TypeError, match="indices"):
        unpool(y, y)
    with pytest.raises(ValueError, match="output_size"):
        unpool(*kinds[0](2, return_indices=True)(x), output_size=(2,) * rank)


def test_transposed_convolutions_of_a_size(dtype, rng):
    layer = nn.ConvTranspose2d(2, 3, 3, stride=(2, 3), padding=1, seed=0, dtype=dtype)
    x = rng.standard_normal((2, 2, 4, 5)).astype(dtype)
    assert layer(x).shape[2:] == (7, 13)
    same = nn.ConvTranspose2d(2, 3, 3, stride=(2, 3), padding=1, output_padding=(1, 2), seed=0, dtype=dtype)
    for size in ((8, 15), (2, 3, 8, 15)):
        assert_same_bits(layer(x, output_size=size), same(x))
    gy = rng.standard_normal(same(x).shape).astype(dtype)
    assert_same_bits(layer.backward(gy), same.backward(gy))
    assert_same_bits(layer(x[0], (8, 15)), same(x[0]))
    for size in ((6, 13), (9, 13), (7,), (7, 13.0), 7):
        with pytest.raises((ValueError, TypeError), match="output_size"):
            layer(x, size)


def test_dropout(dtype, rng):
    x = rng.standard_normal((40, 50)).astype(dtype) + 5
    layer = nn.Dropout(0.25, seed=3)
    y = layer(x)
    kept = y != 0
    assert 0.65 < kept.mean() < 0.85
    np.testing.assert_allclose(y[kept], x[kept] / 0.75, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(layer.backward(np.ones_like(y)) != 0, kept)
    again = nn.Dropout(0.25, seed=3)
    assert_same_bits(again(x), y)
    second = layer(x)
    assert ((second != 0) != kept).any()  # another draw
    layer.rewind(1)
    assert_same_bits(layer(x), second)
    layer.rewind()
    assert_same_bits(layer(x), y)
    layer.eval()(x)
    assert_same_bits(layer.train()(x), second)  # a forward in eval mode draws nothing
    assert_same_bits(layer.eval()(x), x)
    net = nn.Sequential(nn.Dropout(), nn.Dropout(), seed=1)
    same = nn.Sequential(nn.Dropout(), nn.Dropout(), seed=1)
    assert_same_bits(net(x), same(x))
    assert ((net[0](x) != 0) != (net[1](x) != 0)).any()
    for each in (net, same):
        each.rewind(7)
    assert_same_bits(net(x), same(x))
    assert_same_bits(nn.Dropout(0)(x), x)
    assert not nn.Dropout(1)(x).any()


@pytest.mark.parametrize(
    "construct, words",
    [
        (lambda: nn.Conv1d(3, 4, (3, 3)), "kernel_size"),
        (lambda: nn.Conv3d(3, 4, 3, padding_mode="mirror"), "padding_mode.*mirror"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, output_padding=-1), "output_padding.*-1"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, groups=2), "groups.*2"),
        (lambda: nn.LocallyConnected2d(3, 4, 5, 3), "kernel_size|covers"),
        (lambda: nn.LocallyConnected2d(3, 4, 5, (8, 0)), "input_size.*0"),
        (lambda: nn.ConvTranspose1d(3, 4, 3, padding_mode="reflect"), "padding_mode.*reflect"),
        (lambda: nn.MaxPool1d(2, padding=2), "padding.*2"),
        (lambda: nn.MaxPool2d(2, 2, 0, 1, 1), "return_indices.*1"),
        (lambda: nn.AdaptiveMaxPool2d(2, 1), "return_indices.*1"),
        (lambda: nn.MaxUnpool2d(0), "kernel_size.*0"),
        (lambda: nn.MaxUnpool3d(2, padding=-1), "padding.*-1"),
        (lambda: nn.Unfold((3, 3, 3)), "kernel_size.*3, 3, 3"),
        (lambda: nn.Unfold(3, padding=(1,)), "padding.*1"),
        (lambda: nn.Fold((4, 0), 3), "output_size.*0"),
        (lambda: nn.Fold(4, 3, stride=1.5), "stride.*1.5"),
        (lambda: nn.AvgPool3d(2, divisor_override=0), "divisor_override"),
        (lambda: nn.AdaptiveAvgPool2d((1, 2, 3)), "output_size"),
        (lambda: nn.AdaptiveAvgPool2d(1.5), "output_size.*1.5"),
        (lambda: nn.BatchNorm2d(0), "num_features.*0"),
        (lambda: nn.BatchNorm2d(4, momentum="no"), "momentum.*no"),
        (lambda: nn.BatchNorm2d(4, affine=1), "affine.*1"),
        (lambda: nn.BatchNorm1d(4, bias=0), "bias.*0"),
        (lambda: nn.GroupNorm(3, 4), "num_groups.*3"),
        (lambda: nn.LayerNorm((4, 0)), "normalized_shape.*0"),
        (lambda: nn.LocalResponseNorm(0), "size.*0"),
        (lambda: nn.Dropout(1.5), "p.*1.5"),
        (lambda: nn.Dropout(0.5, inplace=True), "inplace"),
        (lambda: nn.ReLU(inplace=True), "inplace"),
        (lambda: nn.LeakyReLU("a"), "negative_slope.*a"),
        (lambda: nn.PReLU(0), "num_parameters.*0"),
        (lambda: nn.GELU("fast"), "approximate.*fast"),
        (lambda: nn.Softmax(1.0), "dim.*1.0"),
        (lambda: nn.Unflatten(1, (2, -2)), "unflattened_size.*-2"),
        (lambda: nn.ZeroPad2d((1, 2)), "padding.*1, 2"),
        (lambda: nn.ReflectionPad1d(1.0), "padding.*1.0"),
        (lambda: nn.ConstantPad1d(1, "x"), "value.*x"),
    ],
)
def test_wrong_constructions(construct, words):
    with pytest.raises((ValueError, TypeError), match=words):
        construct()


@pytest.mark.parametrize(
    "layer, input_shape",
    [
        (nn.Conv1d(3, 4, 3), (3, 2)),
        (nn.Conv3d(3, 4, 3), (3, 8, 8)),
        (nn.ConvTranspose2d(3, 4, 3), (2, 5, 5)),
        (nn.LocallyConnected2d(3, 4, 3, 8), (3, 8, 7)),
        (nn.MaxPool3d(3), (2, 4, 4, 2)),
        (nn.AdaptiveAvgPool2d(2), (2, 4, 5, 6)),
        (nn.Unfold(3), (2, 2, 3)),
        (nn.Fold(4, 3), (18, 5)),
        (nn.BatchNorm1d(4), (4, 5, 6)),
        (nn.BatchNorm2d(4), (3, 5, 6)),
        (nn.BatchNorm3d(4), (4, 5, 6)),
        (nn.GroupNorm(2, 4), (6, 5)),
        (nn.LayerNorm((4, 5)), (5, 4)),
        (nn.PReLU(3), (4, 2)),
        (nn.Unflatten(1, (2, 3)), (7,)),
        (nn.ReflectionPad2d(4), (3, 4, 5)),
        (nn.Softmax(3), (4, 5)),
    ],
    ids=str,
)
def test_shapes_that_a_layer_does_not_take(layer, input_shape):
    with pytest.raises((ValueError, TypeError), match=r"\d"):
        layer.output_shape(input_shape)
    with pytest.raises((ValueError, TypeError), match=r"\d"):
        layer(np.zeros((2, *input_shape), np.float32))
