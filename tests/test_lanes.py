"""Networks with the images of a batch in the lanes: against the layers, whatever the batch and the threads."""

import numpy as np
import pytest
from tolerance import assert_same_bits

import fastconv as fc
from fastconv import functional as F
from fastconv import nn
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
    plan = fc.compile(net, shape, batch=count)
    assert plan._in_lanes is not None
    fc.allow_winograd(False)
    try:
        expected = net(x)
    finally:
        fc.allow_winograd(True)
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


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Identity])
def test_a_small_convolution_alone(activation, rng):
    """Its images go into the lanes where there are some; the bits are those of a direct sum, alone and in a batch."""
    conv = nn.Conv2d(6, 16, 5, seed=0)
    plan = fc.compile(nn.Sequential(conv, activation()), (6, 14, 14), batch=21)
    x = rng.standard_normal((21, 6, 14, 14), np.float32)
    direct = fc.compile(conv, (6, 14, 14), batch=21, dataflow="rows")(x)
    assert plan.memory > 0
    expected = F.relu(direct) if activation is nn.ReLU else direct
    assert_same_bits(plan(x), expected)
    assert_same_bits(plan(x[4]), expected[4])
