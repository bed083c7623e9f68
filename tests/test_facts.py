"""Every number that the calculator is held to, found by hand or in "Dive into Deep Learning"."""

import pytest

import fastconv as fc
from fastconv import counting, nn
from fastconv.counting.numbers import readable

# network: input shape, parameters, MACs, and how the MACs are written
NETWORKS = {
    "lenet": ((1, 28, 28), 61_706, 416_520, "416.5 k"),
    "mlp": ((1, 28, 28), 203_530, 203_264, "203.3 k"),
    "alexnet": ((1, 224, 224), 46_764_746, 938_146_176, "938.1 M"),
    "vgg11": ((1, 224, 224), 128_806_154, 7_547_232_256, "7.5 G"),
    "nin": ((1, 224, 224), 1_992_166, 762_297_352, "762.3 M"),
    "resnet18": ((1, 96, 96), 11_178_378, 319_081_472, "319.1 M"),
}
# Beside convolutions and dense layers: one a normalised element, in the stem, and in each stage's four layers.
NORMALISED = 64 * 48 * 48 + 4 * (64 * 24 * 24 + 128 * 12 * 12 + 256 * 6 * 6 + 512 * 3 * 3)

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
    shape, parameters, macs, written = NETWORKS[name]
    total = fc.count(fc.models.build(name), shape).total
    assert total.parameters == parameters and total.macs == macs and total.flops == 2 * macs
    assert readable(total.macs) == written
    assert fc.models.INPUT_SHAPES[name] == shape and fc.models.build(name).output_shape(shape) == (10,)


def test_networks_by_hand():
    """MACs of the convolutions and dense layers, from the sizes in the book's chapter 8."""
    alexnet = 96 * 54 * 54 * 121 + 256 * 26 * 26 * 96 * 25 + 12 * 12 * 9 * (256 * 384 + 384 * 384 + 384 * 256)
    assert NETWORKS["alexnet"][2] == alexnet + 6400 * 4096 + 4096 * 4096 + 40960
    sides = ((224, 1, 64), (112, 64, 128), (56, 128, 256), (56, 256, 256), (28, 256, 512), (28, 512, 512))
    sides += ((14, 512, 512), (14, 512, 512))
    vgg = sum(side * side * 9 * given * made for side, given, made in sides)
    assert NETWORKS["vgg11"][2] == vgg + 25088 * 4096 + 4096 * 4096 + 40960
    nin = 54 * 54 * 96 * (121 + 2 * 96) + 26 * 26 * 256 * (96 * 25 + 2 * 256) + 12 * 12 * 384 * (256 * 9 + 2 * 384)
    assert NETWORKS["nin"][2] == nin + 5 * 5 * 10 * (384 * 9 + 2 * 10)
    stages = 24 * 24 * 9 * 64 * 64 * 4 + sum(
        side * side * (9 * wide // 2 + 3 * 9 * wide + wide // 2) * wide
        for side, wide in ((12, 128), (6, 256), (3, 512))
    )
    assert NETWORKS["resnet18"][2] == 48 * 48 * 64 * 49 + stages + 5120 + NORMALISED


@pytest.mark.parametrize("name", NETWORKS)
def test_torch_has_as_many(name):
    """The same layers in torch, without memory for them."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    shape, parameters, macs, _ = NETWORKS[name]
    with torch.device("meta"):
        theirs = TORCH[name](torch.nn).eval()
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            assert theirs(torch.empty(1, *shape)).shape == (1, 10)
    assert sum(parameter.numel() for parameter in theirs.parameters()) == parameters
    assert counter.get_total_flops() == 2 * (macs - (NORMALISED if name == "resnet18" else 0))


def _lenet(nn):
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2, 2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10)),
    )


def _mlp(nn):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def _top(nn, features):
    wide = 4096
    return (
        *(nn.Flatten(), nn.Linear(features, wide), nn.ReLU(), nn.Dropout(), nn.Linear(wide, wide), nn.ReLU()),
        *(nn.Dropout(), nn.Linear(wide, 10)),
    )


def _alexnet(nn):
    return nn.Sequential(
        *(nn.Conv2d(1, 96, 11, 4, 1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *_top(nn, 6400),
    )


def _vgg11(nn):
    layers, given = [], 1
    for made in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool"):
        if made == "pool":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += nn.Conv2d(given, made, 3, padding=1), nn.ReLU()
            given = made
    return nn.Sequential(*layers, *_top(nn, 512 * 49))


def _nin(nn):
    def block(given, made, *options):
        return (
            *(nn.Conv2d(given, made, *options), nn.ReLU(), nn.Conv2d(made, made, 1), nn.ReLU()),
            *(nn.Conv2d(made, made, 1), nn.ReLU()),
        )

    return nn.Sequential(
        *(*block(1, 96, 11, 4, 0), nn.MaxPool2d(3, 2), *block(96, 256, 5, 1, 2), nn.MaxPool2d(3, 2)),
        *(*block(256, 384, 3, 1, 1), nn.MaxPool2d(3, 2), nn.Dropout(), *block(384, 10, 3, 1, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )


def _resnet18(nn):
    class Block(nn.Module):
        def __init__(self, given, made, stride):
            super().__init__()
            self.main = nn.Sequential(
                *(nn.Conv2d(given, made, 3, stride, 1), nn.BatchNorm2d(made), nn.ReLU()),
                *(nn.Conv2d(made, made, 3, padding=1), nn.BatchNorm2d(made)),
            )
            self.beside = nn.Conv2d(given, made, 1, stride) if given != made else nn.Identity()

        def forward(self, x):
            return (self.main(x) + self.beside(x)).relu()

    widths = (64, 64, 128, 256, 512)
    blocks = []
    for given, made in zip(widths, widths[1:], strict=False):
        blocks += Block(given, made, 1 if given == made else 2), Block(made, made, 1)
    return nn.Sequential(
        *(nn.Conv2d(1, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        *(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)),
    )


TORCH = {
    "lenet": _lenet,
    "mlp": _mlp,
    "alexnet": _alexnet,
    "vgg11": _vgg11,
    "nin": _nin,
    "resnet18": _resnet18,
}


def test_counting_is_quick_and_allocates_nothing():
    """Under 50 ms for the largest, and no memory to speak of beside its 515 MB of weights."""
    import time
    import tracemalloc

    for name in ("resnet18", "vgg11"):
        fc.count(fc.models.build(name), NETWORKS[name][0])  # imports are done
        took = []
        for _ in range(5):
            start = time.perf_counter()
            fc.count(fc.models.build(name), NETWORKS[name][0])
            took.append(time.perf_counter() - start)
        assert min(took) < 0.05
    tracemalloc.start()
    net = fc.models.build("vgg11")
    fc.count(net, (1, 224, 224), batch=256)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


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
