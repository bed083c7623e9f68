"""Every number that the calculator is held to, found by hand or in "Dive into Deep Learning"."""

import pytest

import fastconv as fc
from fastconv import counting, nn

# network: input shape, parameters, MACs (None: the book says none; a number of digits: how far it says them)
NETWORKS = {
    "lenet": ((1, 28, 28), 61_706, 416_520),
    "mlp": ((1, 28, 28), 203_530, 203_264),
}

LENET_LAYERS = {  # name: parameters, untied, dense, MACs
    "0": (156, 122_304, 3_692_640, 117_600),
    "3": (2_416, 241_600, 1_883_200, 240_000),
    "7": (48_120, 48_120, 48_120, 48_000),
    "9": (10_164, 10_164, 10_164, 10_080),
    "11": (850, 850, 850, 840),
}

LADDER = {  # step: parameters, the book's, MACs, bytes
    "dense, 1,000 units": (10**9, 10**9, 10**9, 4 * 10**9),
    "dense": (10**12, 10**12, 10**12, 4 * 10**12),
    "translation invariant": (3_996_001, 4 * 10**6, 10**12, 4 * 3_996_001),
    "locally connected": (441 * 10**6, 4 * 10**8, 441 * 10**6, 4 * 441 * 10**6),
    "convolution": (441, 400, 441 * 10**6, 4 * 441),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    shape, parameters, macs = NETWORKS[name]
    total = fc.count(fc.models.build(name), shape).total
    assert total.parameters == parameters and total.macs == macs and total.flops == 2 * macs
    assert fc.models.INPUT_SHAPES[name] == shape


@pytest.mark.parametrize("variant", ["book", "relu"])
def test_lenet(variant):
    report = fc.count(fc.models.lenet(variant), (1, 28, 28))
    rows = {
        row.name: (row.parameters, row.untied_parameters, row.dense_parameters, row.macs)
        for row in report.layers
        if row.parameters
    }
    assert rows == LENET_LAYERS
    assert report.total.dense_parameters == 5_634_974
    assert report.total.untied_parameters == 122_304 + 241_600 + 48_120 + 10_164 + 850
    # Forward, the gradient of the weights, and that of the input but for the first layer's.
    assert report.total.training_macs == 3 * 416_520 - 117_600
    seen = {row.name: (row.receptive_field, row.effective_stride) for row in report.layers}
    assert seen["0"] == ((5, 5), (1, 1)) and seen["2"] == ((6, 6), (2, 2)) and seen["3"] == ((14, 14), (2, 2))
    assert seen["5"] == ((16, 16), (4, 4)) and seen["7"] == ((28, 28), None)


def test_lenets_memory():
    """By hand, in float32, for 256 images: conv 1 and its activation at the peak; in training all of it stays."""
    total = fc.count(fc.models.lenet("book"), (1, 28, 28), batch=256).total
    maps = [6 * 28 * 28, 6 * 28 * 28, 6 * 14 * 14, 16 * 100, 16 * 100, 400, 120, 120, 84, 84, 10]
    assert total.parameter_bytes == 4 * 61_706
    assert total.activation_bytes == 256 * 4 * sum(maps)
    assert total.peak_bytes == 256 * 4 * 2 * 6 * 28 * 28
    assert total.training_peak_bytes == 256 * 4 * (28 * 28 + sum(maps) + 2 * 6 * 28 * 28)


def test_lenet_beside_the_mlp():
    mlp = counting.compare(fc.models.lenet(), (1, 28, 28)).mlp
    assert (mlp.name, mlp.parameters, mlp.macs) == ("784-256-10", 203_530, 203_264)
    assert (round(mlp.parameter_ratio, 2), round(mlp.mac_ratio, 2)) == (0.30, 2.05)


def test_the_books_ladder():
    ladder = counting.ladder()
    assert {row.step: (row.parameters, row.book, row.macs, row.bytes) for row in ladder.rows} == LADDER
    assert ladder.inside == 436_392_100
    for row in ladder.rows:  # the formulas are Python
        assert eval(row.formula) == row.parameters and eval(row.book_formula) == row.book


def test_a_dense_layer_of_a_trillion_weights():
    assert fc.count(nn.Linear(10**6, 10**6, bias=False), (10**6,)).total.parameters == 10**12


def test_lenet_on_a_line():
    line = (
        "conv 6 5 pad 2; sigmoid; avgpool 2; conv 16 5; sigmoid; avgpool 2; "
        "dense 120; sigmoid; dense 84; sigmoid; dense 10"
    )
    net = fc.models.parse(line, (1, 28, 28))
    assert repr(net) == repr(fc.models.lenet("book"))
    assert fc.count(net, (1, 28, 28)).total.parameters == 61_706
