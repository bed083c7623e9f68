"""Networks with the images of a batch in the lanes: against the layers, whatever the batch and the threads."""

import numpy as np
import pytest
from tolerance import assert_same_bits

import fastconv as fc
from fastconv import functional as F
from fastconv import nn, settings
from fastconv.plan import lanes
from fastconv.plan.compile import leaves

NETWORKS = {
    "book": (fc.models.lenet("book", seed=1), (1, 28, 28)),
    "relu": (fc.models.lenet("relu", seed=1), (1, 28, 28)),
    "strides, dilation, overlapping windows": (
        nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2, padding=1),
            nn.Tanh(),
            nn.MaxPool2d(3, 1, 1),
            nn.Conv2d(5, 7, (3, 2), dilation=(2, 1), padding=(3, 1), stride=(1, 2)),
            nn.ReLU(),
            nn.AvgPool2d(3, 2, 1, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(7 * 7 * 3, 4),
            seed=2,
        ),
        (3, 20, 17),
    ),
    "no bias, an activation of its own, padding beyond the kernel": (
        nn.Sequential(
            nn.Conv2d(2, 3, 2, padding=2, bias=False),
            nn.AvgPool2d(2, count_include_pad=False),
            nn.Sigmoid(),
            nn.Conv2d(3, 9, 3, padding="same"),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(9 * 4 * 5, 11, bias=False),
            nn.ReLU(),
            nn.Linear(11, 3),
            seed=3,
        ),
        (2, 6, 8),
    ),
    "windows apart, divided by a number of the caller's": (
        nn.Sequential(
            nn.Conv2d(1, 4, 3),
            nn.Sigmoid(),
            nn.AvgPool2d(2, 3, divisor_override=3),
            nn.MaxPool2d((1, 2), (2, 2)),
            nn.Flatten(),
            nn.Linear(4 * 2 * 2, 5),
            seed=4,
        ),
        (1, 13, 14),
    ),
}


@pytest.fixture(params=NETWORKS, ids=str)
def network(request):
    net, shape = NETWORKS[request.param]
    return net.train(), shape


def described(net, shape):
    operations = lanes.describe([layer for _, layer in leaves(net)], shape)
    assert operations is not None
    return operations


def of_dtype(net, dtype):
    """The network with its weights in this dtype."""
    if dtype == np.float32:
        return net
    import copy

    twin = copy.deepcopy(net)
    for _, layer in leaves(twin):
        if isinstance(layer, nn.Parametric):
            layer._arrays = {key: array.astype(dtype) for key, array in layer.parameters().items()}
            layer.dtype = np.dtype(dtype)
    return twin.train()


@pytest.mark.parametrize("count", [5, 8, 16, 33])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_plan_gives_the_layers_bits(network, count, dtype, rng, monkeypatch):
    net, shape = of_dtype(network[0], dtype), network[1]
    x = rng.standard_normal((count, *shape)).astype(dtype)
    fc.allow_winograd(False)
    try:
        plan = fc.compile(net, shape, batch=count)
        expected = net(x)
    finally:
        fc.allow_winograd(True)
    assert plan._in_lanes is not None
    np.testing.assert_array_equal(plan(x), expected)
    for image in (0, count - 1):  # alone, by the other way
        np.testing.assert_array_equal(plan(x[image]), expected[image])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse_loss"])
@pytest.mark.parametrize("count", [1, 9, 40])
def test_a_step_gives_the_layers_gradients(network, count, loss, dtype, rng):
    net, shape = of_dtype(network[0], dtype), network[1]
    x = rng.standard_normal((count, *shape)).astype(dtype)
    logits = net(x)
    labels = rng.integers(0, logits.shape[1], count)
    if loss == "cross_entropy":
        expected, slope = F.cross_entropy(logits, labels), F.cross_entropy_backward(np.ones((), dtype), logits, labels)
    else:
        target = np.eye(logits.shape[1], dtype=dtype)[labels]
        expected, slope = F.mse_loss(logits, target), F.mse_loss_backward(np.ones((), dtype), logits, target)
    net.backward(slope, need_input_grad=False)
    wanted = {key: array.copy() for key, array in net.gradients().items()}

    order = rng.permutation(count)
    network = lanes.LaneNetwork(described(net, shape), shape, np.dtype(dtype), train=True)
    for array in net.gradients().values():
        array[...] = np.nan
    value, right = network.step(x, labels, order, count, 1.0, 0.0, (0, 0), loss == "mse_loss")
    eps = float(np.finfo(dtype).eps)
    assert value == pytest.approx(float(expected), rel=50 * eps)
    assert right == np.count_nonzero(logits.argmax(axis=1) == labels)
    for key, array in net.gradients().items():
        scale = np.abs(wanted[key]).max()
        np.testing.assert_allclose(array, wanted[key], rtol=0, atol=200 * eps * max(scale, 1e-3), err_msg=key)


def test_the_same_bits_at_any_number_of_threads(network, rng):
    net, shape = network
    x, labels = rng.standard_normal((203, *shape)).astype(np.float32), rng.integers(0, 3, 203)
    seen = []
    for threads in (1, 2, 3, 7):
        fc.set_num_threads(threads)
        machine = lanes.LaneNetwork(described(net, shape), shape, np.dtype(np.float32), train=True)
        for _ in range(2):  # again in the memory of the first
            result = machine.step(x, labels, None, 203, 1.0, 0.0, (0, 0), False)
        gradients = b"".join(array.tobytes() for array in net.gradients().values())
        seen.append((result, gradients, fc.compile(net, shape, batch=203)(x).tobytes()))
    fc.set_num_threads(0)
    assert seen[1:] == seen[:-1]


@pytest.mark.parametrize("moved", [(0, 0), (2, -3), (-1, 0), (0, 1), (30, 0), (0, -40)])
def test_bytes_are_gathered_normalised_and_moved(moved, rng):
    net = fc.models.lenet("relu", seed=0).train()
    images = rng.integers(0, 256, (50, 1, 28, 28), np.uint8)
    labels, order = rng.integers(0, 10, 50), rng.integers(0, 50, 21)
    machine = lanes.LaneNetwork(described(net, (1, 28, 28)), (1, 28, 28), np.dtype(np.float32), train=True)
    value, _ = machine.step(images, labels, order, 21, 1 / (255 * 0.4), 0.7, moved, False)
    raw = np.zeros((21, 1, 28, 28), np.uint8)
    down, right = moved
    for y in range(28):
        for x in range(28):
            if 0 <= y - down < 28 and 0 <= x - right < 28:
                raw[:, 0, y, x] = images[order, 0, y - down, x - right]
    logits = net(raw.astype(np.float32) * np.float32(1 / (255 * 0.4)) - np.float32(0.7))
    assert value == pytest.approx(float(F.cross_entropy(logits, labels[order])), rel=1e-5)


def test_a_label_that_is_no_class_is_refused(rng):
    net = fc.models.lenet("relu", seed=0)
    images = rng.integers(0, 256, (20, 1, 28, 28), np.uint8)
    for wrong in (-1, 10):
        labels = np.zeros(20, np.int64)
        labels[7] = wrong
        with pytest.raises(ValueError, match="labels"):
            fc.training.evaluate(net, fc.training.Split(images, labels))
        with pytest.raises(ValueError, match="labels"):
            fc.training.fit(net, ((images, labels),) * 2, optimizer=fc.training.SGD(net, 0.1), epochs=1, batch_size=20)


@pytest.mark.parametrize(
    "net, shape",
    [
        (nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.MaxPool2d(2)), (3, 20, 20)),  # vectors of channels do as well
        (nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.MaxPool2d(2)), (4, 20, 20)),
        (nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)), (8,)),
        (nn.Sequential(nn.Conv2d(8, 16, 3), nn.ReLU()), (8, 28, 28)),  # a single operation, and no small one
        (nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()), (1, 300, 300)),  # beyond a cache
    ],
    ids=str,
)
def test_other_networks_go_layer_by_layer(net, shape):
    assert lanes.describe([layer for _, layer in leaves(net)], shape) is None


SMALL = {  # with many registers most of them filter their rows by Winograd's algorithm
    "LeNet's second": (nn.Conv2d(6, 16, 5, seed=0), (6, 14, 14)),
    "rows that end within a tile": (nn.Conv2d(6, 16, 5, padding=2, seed=0), (6, 14, 13)),
    "the same by tiles of four": (nn.Conv2d(4, 16, 3, padding=1, seed=0), (4, 20, 23)),
    "no bias, two vectors of outputs": (nn.Conv2d(3, 30, 5, padding=2, bias=False, seed=0), (3, 11, 9)),
    "one row of taps": (nn.Conv2d(5, 16, (1, 5), padding=(0, 1), seed=0), (5, 6, 11)),
    "few rows of many taps": (nn.Conv2d(6, 14, (2, 5), padding=(1, 4), seed=0), (6, 5, 7)),
    "a single channel": (nn.Conv2d(1, 8, 3, seed=0), (1, 18, 18)),
    "strides": (nn.Conv2d(4, 8, 3, stride=2, seed=0), (4, 17, 17)),
}


def in_its_own_dataflow(conv, shape, x):
    """Image by image and not in the lanes, by the dataflow that a plan of one image chooses."""
    return fc.compile(conv, shape, batch=len(x), dataflow=fc.compile(conv, shape).steps[0].dataflow)(x)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Identity, nn.Tanh])
def test_a_small_convolution_alone(name, activation, rng):
    """Its images go into the lanes where there are some; same bits alone, in a batch, at any thread count."""
    conv, shape = SMALL[name]
    plan = fc.compile(nn.Sequential(conv, activation()), shape, batch=37)
    assert plan._in_lanes is not None
    x = rng.standard_normal((37, *shape), np.float32)
    expected = in_its_own_dataflow(conv, shape, x)
    expected = expected if activation is nn.Identity else getattr(F, activation.__name__.lower())(expected)
    for threads in (1, 3):
        fc.set_num_threads(threads)
        assert_same_bits(plan(x), expected)
        assert_same_bits(plan(x[4]), expected[4])
    fc.set_num_threads(0)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_not_finite_stays_in_its_image(name, rng):
    """As a direct sum puts it; images that share its vectors keep their bits."""
    conv, shape = SMALL[name]
    plan = fc.compile(conv, shape, batch=19)
    x = rng.standard_normal((19, *shape), np.float32)
    clean = plan(x)
    x[3, 0, 2, 2], x[11, -1, -1, -1], x[12, 0, 0, 3] = np.inf, np.nan, 3e38
    direct = fc.compile(conv, shape, batch=19, dataflow="rows")(x)
    result = plan(x)
    others = [n for n in range(19) if n not in (3, 11, 12)]
    assert_same_bits(result[others], clean[others])
    for image in (3, 11):
        np.testing.assert_array_equal(result[image], direct[image])
    for image in (3, 11, 12):
        assert_same_bits(result[image], plan(x[image]))


def test_rows_are_filtered_where_registers_are_many():
    chosen = [fc.compile(conv, shape).steps[0].dataflow for conv, shape in SMALL.values()]
    assert fc.compile(SMALL["strides"][0], (4, 17, 17)).steps[0].dataflow not in ("lines2", "lines4")
    if settings.config()["isa"] == "avx512":
        assert {"lines2", "lines4"} < set(chosen)
