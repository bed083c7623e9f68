"""What moves in the image moves in a convolution's output, and not in those of layers without shared weights."""

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn
from fastconv.counting import equivariance


@pytest.fixture
def image(rng):
    return rng.standard_normal((2, 24, 21))


def wide(kind, *arguments, **options):
    return kind(*arguments, **options, dtype=np.float64, seed=0)


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (0, -1), (3, 2), (-4, 5), 2])
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_a_convolution_of_stride_1_is_equivariant(shift, padding, image):
    found = equivariance(wide(nn.Conv2d, 2, 3, 5, padding=padding), image, shift)
    assert found.error < 1e-14 and found.output_shift == found.shift and found.compared > 100
    if padding and found.shift != (0, 0):  # at the border it is not
        assert found.border_error > 0.01
    assert (found.change > 0.1) == (found.shift != (0, 0))


def test_so_are_networks_of_them(image):
    net = nn.Sequential(wide(nn.Conv2d, 2, 4, 3), nn.ReLU(), wide(nn.Conv2d, 4, 3, 3, padding=1))
    assert equivariance(net, image, (2, 1)).error < 1e-14
    block = nn.Residual(wide(nn.Conv2d, 2, 2, 3, padding=1), nn.ReLU())
    assert equivariance(block, image, 1).error < 1e-14


def test_a_stride_allows_only_its_multiples(image):
    conv = wide(nn.Conv2d, 2, 3, 3, stride=2)
    assert equivariance(conv, image, (2, -4)).error < 1e-14
    assert equivariance(conv, image, (2, -4)).output_shift == (1, -2)
    assert equivariance(conv, image, (1, 0)).error > 0.1
    for pool in (nn.MaxPool2d(2), nn.AvgPool2d(2)):
        assert equivariance(pool, image, (2, 4)).error < 1e-15
        assert equivariance(pool, image, (1, 0)).error > 0.1


def test_layers_that_share_nothing_are_not(image):
    conv = wide(nn.Conv2d, 2, 3, 3, padding=1)
    local = wide(nn.LocallyConnected2d, 2, 3, 3, (24, 21), padding=1)
    dense = wide(nn.Linear, 2 * 24 * 21, 24 * 21)
    assert equivariance(local, image, (1, 2)).error > 0.1 and equivariance(dense, image, (1, 2)).error > 0.1
    # With a convolution's weights they are: sharing is what does it.
    assert equivariance(conv.untie(image.shape), image, (1, 2)).error < 1e-14
    found = equivariance(conv.to_dense(image.shape), image, (1, 2))
    assert found.error > 0.01 and found.error == found.border_error  # nobody knows where a dense layer's borders are
    assert found.border_error == pytest.approx(equivariance(conv, image, (1, 2)).border_error)


def test_pooling_is_nearly_invariant(rng):
    """On a smooth image a shift by a pixel changes large windows' maxima and means less than the pixels themselves."""
    ramp = np.add.outer(np.arange(40.0), np.arange(40.0))[None] / 80
    image = np.sin(6 * ramp) + 0.3 * rng.random((1, 40, 40))
    changes = [
        equivariance(layer, image, (0, 1)).change for layer in (nn.ReLU(), nn.MaxPool2d(4, 1), nn.MaxPool2d(8, 1))
    ]
    assert changes[0] > changes[1] > changes[2] > 0
    means = [equivariance(nn.AvgPool2d(size, 1), image, (0, 1)).change for size in (2, 4, 8)]
    assert means[0] > means[1] > means[2] > 0


def test_the_mode_stays_and_the_image_too(image):
    net = nn.Sequential(nn.Dropout(0.5), wide(nn.Conv2d, 2, 2, 3))
    before = image.copy()
    assert equivariance(net, image, 1).error < 1e-14 and net.training
    np.testing.assert_array_equal(image, before)


def test_float32(rng):
    image = rng.random((1, 28, 28), np.float32)
    assert equivariance(fc.models.lenet(seed=0)[:3], image, 2).error < 1e-5


@pytest.mark.parametrize(
    "layer, shape, shift, words",
    [
        (3, (1, 5, 5), 1, "layer"),
        (nn.ReLU(), (5, 5), 1, "image"),
        (nn.ReLU(), (1, 5, 5), 1.5, "shift"),
        (nn.ReLU(), (1, 5, 5), (1, 2, 3), "shift"),
        (nn.ReLU(), (1, 5, 5), 7, "away from the borders"),
        (nn.Conv2d(1, 1, 5), (1, 5, 5), 1, "away from the borders"),
        (nn.Flatten(), (1, 5, 5), 1, "maps"),
        (nn.Linear(25, 7), (1, 5, 5), 1, "output_shape"),
    ],
)
def test_wrong_arguments(layer, shape, shift, words):
    with pytest.raises((TypeError, ValueError), match=words):
        equivariance(layer, np.zeros(shape, np.float32), shift)


def test_a_dense_layers_outputs_may_be_read_as_other_maps(rng):
    image = rng.standard_normal((1, 6, 6), np.float32)
    assert equivariance(nn.Linear(36, 18, seed=0), image, 2, output_shape=(2, 3, 3)).output_shift == (1, 1)
    with pytest.raises(ValueError, match="output_shape"):
        equivariance(nn.Linear(36, 18), image, 2, output_shape=(2, 3, 4))
