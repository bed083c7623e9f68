"""A convolution, its locally connected and its dense equivalent compute the same; the book's argument, executed."""

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn
from fastconv.kernels import runtime

LAYERS = [
    # kind, arguments, options, shape of an image
    (nn.Conv2d, (1, 6, 5), {"padding": 2}, (1, 12, 11)),
    (nn.Conv2d, (3, 4, 3), {}, (3, 7, 9)),
    (nn.Conv2d, (4, 6, (3, 2)), {"stride": (2, 3), "padding": (2, 1), "groups": 2}, (4, 9, 8)),
    (nn.Conv2d, (4, 4, 3), {"dilation": (2, 1), "padding": "same", "groups": 4, "bias": False}, (4, 8, 7)),
    (nn.Conv2d, (2, 3, 2), {"padding": "same"}, (2, 5, 5)),
    (nn.Conv2d, (2, 3, 3), {"stride": 4, "padding": 3}, (2, 2, 2)),
    (nn.Conv2d, (2, 3, 1), {"stride": 50}, (2, 4, 4)),
    (nn.Conv1d, (3, 4, 5), {"padding": 2, "stride": 2}, (3, 17)),
    (nn.Conv1d, (4, 6, 3), {"groups": 2, "dilation": 3, "padding": "same"}, (4, 10)),
]


@pytest.fixture(autouse=True)
def direct_sums():
    """Winograd's algorithm rounds more."""
    before = runtime.is_winograd_allowed()
    fc.allow_winograd(False)
    yield
    fc.allow_winograd(before)


def assert_same(found, expected, x, dense):
    """To the rounding of two sums over all inputs."""
    magnitude = np.abs(x.reshape(len(x), -1).astype(np.float64)) @ np.abs(dense.weight.astype(np.float64)).T
    if dense.bias is not None:
        magnitude += np.abs(dense.bias)
    bound = 2 * (4 + np.sqrt(dense.in_features)) * np.finfo(x.dtype).eps * magnitude.reshape(expected.shape)
    assert (np.abs(found.astype(np.float64) - expected) <= bound).all()


@pytest.mark.parametrize("kind, arguments, options, shape", LAYERS)
def test_all_three_compute_the_same(kind, arguments, options, shape, dtype, rng):
    conv = kind(*arguments, **options, seed=0, dtype=dtype)
    x = rng.standard_normal((3, *shape)).astype(dtype)
    local, dense = conv.untie(shape), conv.to_dense(shape)
    y = conv(x)
    assert type(local).__name__ == f"LocallyConnected{len(shape) - 1}d" and isinstance(dense, nn.Linear)
    assert_same(local(x), y, x, dense)
    assert_same(dense(x.reshape(3, -1)).reshape(y.shape), y, x, dense)
    again = local.to_dense()
    for key, array in dense.parameters().items():  # by way of the untied layer the same weights arrive
        assert array.flags.c_contiguous and array.dtype == dtype
        np.testing.assert_array_equal(again.parameters()[key], array)


@pytest.mark.parametrize("kind, arguments, options, shape", LAYERS)
def test_they_are_counted_as_they_are(kind, arguments, options, shape):
    conv = kind(*arguments, **options)
    row = fc.count(conv, shape).layers[0]
    numbers = row.parameters, row.untied_parameters, row.dense_parameters
    layers = conv, conv.untie(shape), conv.to_dense(shape)
    assert numbers == tuple(sum(array.size for array in layer.parameters().values()) for layer in layers)
    if row.dense_parameters > row.untied_parameters > row.parameters:
        assert fc.count(layers[1], shape).layers[0].macs == row.macs


def test_lenet_in_three_forms(rng):
    """61,706 parameters, 423,038 without sharing, 5,634,974 without locality: and the same logits."""
    net = fc.models.lenet("book", seed=0)
    x = rng.random((4, 1, 28, 28), np.float32)
    y = net(x)
    counts = []
    for form in ("untie", "to_dense"):
        layers, shape = [], (1, 28, 28)
        for layer in net:
            made = layer
            if isinstance(layer, nn.Conv2d):
                made = getattr(layer, form)(shape)
                if form == "to_dense":
                    made = nn.Sequential(nn.Flatten(), made, nn.Unflatten(1, layer.output_shape(shape)))
            layers.append(made)
            shape = layer.output_shape(shape)
        other = nn.Sequential(*layers)
        np.testing.assert_allclose(other(x), y, rtol=1e-4, atol=1e-5)
        counts.append(fc.count(other, (1, 28, 28)).total.parameters)
    assert counts == [423_038, 5_634_974]


def test_weights_are_copies(rng):
    conv = nn.Conv2d(1, 2, 3, seed=0)
    local, dense = conv.untie((1, 5, 5)), conv.to_dense((1, 5, 5))
    before = local.weight.copy(), dense.weight.copy()
    conv.weight[...] = 0
    np.testing.assert_array_equal(local.weight, before[0])
    np.testing.assert_array_equal(dense.weight, before[1])
    local.weight[0, 0, 0, 0, 0, 0] += 1  # one place, and no other
    assert (local.weight != before[0]).sum() == 1


def test_an_untied_layer_learns(rng):
    """Its backward gives each place a gradient of its own; added up they are the convolution's."""
    conv = nn.Conv2d(2, 3, 3, padding=1, seed=0, dtype=np.float64)
    local = conv.untie((2, 6, 5))
    x, gradient = rng.standard_normal((4, 2, 6, 5)), rng.standard_normal((4, 3, 6, 5))
    for layer in (conv, local):
        layer(x)
    np.testing.assert_allclose(local.backward(gradient), conv.backward(gradient), rtol=1e-12, atol=1e-12)
    for key, axes in (("weight", (4, 5)), ("bias", (1, 2))):
        untied = local.gradients()[key].sum(axis=axes)
        np.testing.assert_allclose(untied, conv.gradients()[key], rtol=1e-12, atol=1e-12)


# ---- the book's argument --------------------------------------------------------------------------------------------


def reindexed(W):
    """V[i, j, a, b] = W[i, j, i + a, j + b], zero where that is no pixel: section 7.1 of the book. a and b run from
    minus to plus the image's size less one, so V is W with other names for its entries."""
    H, width = W.shape[:2]
    V = np.zeros((H, width, 2 * H - 1, 2 * width - 1))
    for i in range(H):
        for j in range(width):
            for a in range(-i, H - i):
                for b in range(-j, width - j):
                    V[i, j, a + H - 1, b + width - 1] = W[i, j, i + a, j + b]
    return V


def test_the_books_reindexing():
    """Of a convolution made dense, V is the same at all places that see the window whole (translation invariance), and
    zero beyond the window (locality); what is left are the filter's weights."""
    H, width, D = 7, 6, 1
    conv = nn.Conv2d(1, 1, 2 * D + 1, padding=D, bias=False, seed=0, dtype=np.float64)
    W = conv.to_dense((1, H, width)).weight.reshape(H, width, H, width)
    V = reindexed(W)
    assert np.count_nonzero(V) == np.count_nonzero(W)  # entries got other names, none was lost
    far = np.ones(V.shape[2:], bool)
    far[H - 1 - D : H + D, width - 1 - D : width + D] = False
    assert not V[:, :, far].any()  # locality: |a| > D or |b| > D
    window = V[:, :, H - 1 - D : H + D, width - 1 - D : width + D]
    for i in range(D, H - D):
        for j in range(D, width - D):  # invariance: V[i, j] = V
            np.testing.assert_array_equal(window[i, j], conv.weight[0, 0])
    # Untied weights that differ are local still, but not invariant.
    local = conv.untie((1, H, width))
    local.weight[0, 0, 1, 1] += np.arange(H * width).reshape(H, width)
    V = reindexed(local.to_dense().weight.reshape(H, width, H, width))
    assert not V[:, :, far].any() and len({V[i, j, H - 1, width - 1] for i in range(H) for j in range(width)}) > 1


def test_a_window_of_one_pixel_is_an_mlp_at_each_pixel(rng):
    """The book's exercise: 1 x 1 convolutions with activations between them are an MLP over the channels."""
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 1), seed=0)
    mlp = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 4))
    mlp.load_state_dict({key: value.reshape(value.shape[:2]) for key, value in net.state_dict().items()})
    x = rng.standard_normal((2, 3, 5, 6), np.float32)
    at_each_pixel = mlp(x.transpose(0, 2, 3, 1).reshape(-1, 3)).reshape(2, 5, 6, 4).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(net(x), at_each_pixel, rtol=1e-5, atol=1e-6)
    counts = [fc.count(layer, shape).total.parameters for layer, shape in ((net, (3, 5, 6)), (mlp, (3,)))]
    assert counts[0] == counts[1]


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_the_shape_may_be_that_of_the_last_forward(rng):
    conv = nn.Conv2d(1, 2, 3)
    for method in (conv.untie, conv.to_dense):
        with pytest.raises(ValueError, match="needs input_shape"):
            method()
    for x in (np.zeros((4, 1, 6, 7), np.float32), np.zeros((1, 6, 7), np.float32)):
        conv(x)
        assert conv.untie().input_size == (6, 7) and conv.to_dense().in_features == 42


def test_more_than_two_gibibytes_are_refused():
    """By the size, before anything is allocated: 1000 x 1000 pixels to as many are 3,725 GiB."""
    conv = nn.Conv2d(1, 1, 21, padding=10)
    with pytest.raises(ValueError, match=r"to_dense.*4,000,004,000,000 bytes \(3,725.3 GiB\).*2 GiB"):
        conv.to_dense((1, 1000, 1000))
    with pytest.raises(ValueError, match=r"untie of Conv2d.*GiB"):
        nn.Conv2d(8, 8, 21, padding=10).untie((8, 1000, 1000))
    with pytest.raises(ValueError, match=r"to_dense.*GiB"):
        nn.LocallyConnected2d(1, 1, 3, 200).to_dense()
    with pytest.raises(ValueError, match=r"GiB"):
        nn.Conv2d(1, 1, 3, padding=1).to_dense((1, 10**6, 10**6))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: nn.Conv2d(1, 1, 3).untie((1, 2, 2)), "kernel_size"),
        (lambda: nn.Conv2d(1, 1, 3).to_dense((3, 9, 9)), "channels"),
        (lambda: nn.Conv2d(1, 1, 3).to_dense((9, 9)), "input_shape"),
        (lambda: nn.Conv2d(1, 1, 3).untie((1, 9.5, 9)), "input_shape"),
        (lambda: nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect").untie((1, 9, 9)), "padding_mode"),
    ],
)
def test_wrong_arguments(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()
