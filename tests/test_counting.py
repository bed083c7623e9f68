"""Counts against numbers found by hand, and the four views of a report."""

import csv
import dataclasses
import io
import json
import time
import tracemalloc

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn

LENET = [
    # name, type, output shape, parameters, MACs, as dense
    ("0", "Conv2d", (6, 28, 28), 156, 117_600, 3_692_640),
    ("1", "Sigmoid", (6, 28, 28), 0, 0, 0),
    ("2", "AvgPool2d", (6, 14, 14), 0, 0, 0),
    ("3", "Conv2d", (16, 10, 10), 2_416, 240_000, 1_883_200),
    ("4", "Sigmoid", (16, 10, 10), 0, 0, 0),
    ("5", "AvgPool2d", (16, 5, 5), 0, 0, 0),
    ("6", "Flatten", (400,), 0, 0, 0),
    ("7", "Linear", (120,), 48_120, 48_000, 48_120),
    ("8", "Sigmoid", (120,), 0, 0, 0),
    ("9", "Linear", (84,), 10_164, 10_080, 10_164),
    ("10", "Sigmoid", (84,), 0, 0, 0),
    ("11", "Linear", (10,), 850, 840, 850),
]


INTEGERS = (
    *("parameters", "macs", "dense_parameters", "untied_parameters", "invariant_parameters", "dense_macs", "flops"),
    *("training_macs", "training_flops", "activation_bytes", "training_bytes", "workspace_bytes", "column_bytes"),
    "moved_bytes",
)
COUNTS = ["parameters", "macs", "dense_parameters"]


def lenet():
    return fc.count(fc.models.lenet("book"), (1, 28, 28), model="lenet")


def test_lenet():
    report = lenet()
    assert [dataclasses.astuple(row)[:6] for row in report.layers] == LENET
    assert dataclasses.astuple(report.total)[:3] == (61_706, 416_520, 5_634_974)
    assert (report.model, report.input_shape) == ("lenet", (1, 28, 28))
    other = fc.count(fc.models.lenet("relu"), [1, 28, 28])
    # The indices that maxima keep for their gradient: 8 bytes for each output of both poolings.
    kept = dataclasses.replace(report.total, training_bytes=0, training_peak_bytes=0)
    assert dataclasses.replace(other.total, training_bytes=0, training_peak_bytes=0) == kept
    assert other.total.training_bytes - report.total.training_bytes == 8 * (6 * 14 * 14 + 16 * 5 * 5)


def test_mlp():
    assert dataclasses.astuple(fc.count(fc.models.mlp(), (1, 28, 28)).total)[:3] == (203_530, 203_264, 203_530)


@pytest.mark.parametrize(
    "layer, shape, parameters, macs, dense",
    [
        # weights 8*4*3*3, biases 8; 8*6*6 outputs of 4*3*3 products; 4*8*8 = 256 in, 8*6*6 = 288 out
        (nn.Conv2d(4, 8, 3), (4, 8, 8), 296, 10_368, 256 * 288 + 288),
        (nn.Conv2d(4, 8, 3, bias=False), (4, 8, 8), 288, 10_368, 256 * 288),
        (nn.Conv2d(4, 8, 3, groups=2), (4, 8, 8), 152, 5_184, 256 * 288 + 288),
        (nn.Conv2d(4, 8, 3, groups=4), (4, 8, 8), 80, 2_592, 256 * 288 + 288),
        (nn.Conv2d(4, 8, 3, padding="same"), (4, 8, 8), 296, 512 * 36, 256 * 512 + 512),
        (nn.Conv2d(4, 8, (1, 3), stride=(2, 1), padding=(0, 1)), (4, 8, 8), 104, 8 * 4 * 8 * 12, 256 * 256 + 256),
        (nn.Conv2d(4, 8, 3, dilation=2), (4, 8, 8), 296, 8 * 16 * 36, 256 * 128 + 128),
        (nn.Linear(7, 5), (7,), 40, 35, 40),
        (nn.Linear(7, 5, bias=False), (7,), 35, 35, 35),
        (nn.MaxPool2d(2), (4, 8, 8), 0, 0, 0),
        (nn.Tanh(), (4,), 0, 0, 0),
    ],
    ids=str,
)
def test_one_layer(layer, shape, parameters, macs, dense):
    report = fc.count(layer, shape)
    (row,) = report.layers
    assert (row.name, row.type) == ("0", type(layer).__name__)
    assert (row.parameters, row.macs, row.dense_parameters) == (parameters, macs, dense)
    assert dataclasses.astuple(report.total)[:3] == (parameters, macs, dense)
    assert all(type(getattr(row, key)) is int for key in INTEGERS)


def test_nested_containers_keep_the_names_of_the_state():
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), nn.Sequential(nn.Sequential(nn.Flatten())), nn.Linear(72, 3)
    )
    rows = fc.count(net, (1, 8, 8)).layers
    assert [row.name for row in rows] == ["0.0", "0.1", "1.0.0", "2"]
    assert sum(row.parameters for row in rows) == sum(value.size for value in net.parameters().values())


def test_shared_layers_count_their_parameters_once():
    shared = nn.Conv2d(4, 4, 3, padding=1)
    report = fc.count(nn.Sequential(shared, nn.ReLU(), shared, nn.MaxPool2d(2), shared), (4, 8, 8))
    assert [row.parameters for row in report.layers] == [148, 0, 0, 0, 0]
    assert [row.macs for row in report.layers] == [9_216, 0, 9_216, 0, 2_304]
    # One dense layer serves both 8x8 maps, but not the 4x4 map.
    assert [row.dense_parameters for row in report.layers] == [256 * 256 + 256, 0, 0, 0, 64 * 64 + 64]
    linear = nn.Linear(5, 5)
    assert dataclasses.astuple(fc.count(nn.Sequential(linear, linear), (5,)).total)[:3] == (30, 50, 30)


def test_numbers_beyond_every_machine_integer_are_exact():
    side = 10**6
    report = fc.count(nn.Conv2d(3, 5, 3, padding=1), (3, side, side))
    assert report.total.parameters == 140
    assert report.total.macs == 5 * side**2 * 27
    assert report.total.dense_parameters == 15 * side**4 + 5 * side**2 > 2**63
    assert json.loads(report.json())["total"]["dense_parameters"] == 15 * side**4 + 5 * side**2
    assert f"{15 * side**4 + 5 * side**2:,}" in report.table()
    assert fc.count(nn.Linear(10**6, 10**6), (10**6,)).total.parameters == 10**12 + 10**6


def test_nothing_is_allocated_and_it_is_fast():
    net = nn.Sequential(*(nn.Conv2d(4096, 4096, 3, padding=1) for _ in range(100)))
    started = time.perf_counter()
    assert fc.count(net, (4096, 512, 512)).total.parameters == 100 * (4096 * 4096 * 9 + 4096)
    assert time.perf_counter() - started < 0.5  # fifteen gigabytes of weights and one of image took none of it


# ---- memory and fields ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, batch", [("lenet", 64), ("resnet18", 2), ("nin", 1)])
def test_the_peak_is_what_a_forward_allocates(name, batch, rng):
    """In inference to a thousandth; in training it is a bound that is not far away."""
    shape = fc.models.INPUT_SHAPES[name]
    net = fc.models.build(name, seed=0)
    x = rng.random((batch, *shape), np.float32)
    total = fc.count(net, shape, batch).total
    net.eval()(x)
    allocated = traced(lambda: net(x))
    assert total.peak_bytes <= allocated < 1.01 * total.peak_bytes + 20_000
    y = net.train()(x)
    net.backward(np.ones_like(y), need_input_grad=False)  # gradients of parameters, which stay
    held = sum(array.nbytes for array in net.gradients().values())
    net.eval().train()

    def step():
        net.backward(np.ones_like(net(x)), need_input_grad=False)

    assert 0.6 * total.training_peak_bytes < traced(step) < total.training_peak_bytes + held + 20_000


def traced(call):
    """The most bytes that a call holds of NumPy's and Python's memory."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_branches_by_hand():
    """What waits for a sum or a join counts while it waits."""
    net = nn.Residual(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
    assert fc.count(net, (4, 5, 5)).total.peak_bytes == 3 * 400  # x waits, beside the ReLU's input and output
    shortcut = nn.Residual(nn.Conv2d(4, 8, 1), shortcut=nn.Conv2d(4, 8, 1))
    assert fc.count(shortcut, (4, 5, 5)).total.peak_bytes == 400 + 3 * 800  # x, both branches, the sum
    joined = nn.Concat(nn.Conv2d(4, 8, 1), nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 1))
    assert fc.count(joined, (4, 5, 5)).total.peak_bytes == 400 + 2 * 1200


WINDOWED = [
    (nn.Conv2d(1, 2, (3, 2), stride=(2, 1), dilation=(1, 3), padding=1), (1, 20, 21)),
    (nn.LocallyConnected2d(1, 2, 3, (20, 21), padding=2), (1, 20, 21)),
    (nn.AvgPool2d((3, 4), (2, 3), 1), (1, 20, 21)),
    (nn.AdaptiveAvgPool2d((5, 7)), (1, 20, 21)),
    (nn.AdaptiveAvgPool2d(3), (1, 20, 21)),
    (nn.ConvTranspose2d(1, 2, 5, stride=2, padding=1), (1, 9, 8)),
    (nn.ConvTranspose2d(1, 2, 3, stride=(1, 3), dilation=2, output_padding=(0, 1)), (1, 9, 8)),
    (nn.ZeroPad2d((1, 2, 3, 4)), (1, 9, 8)),
    (nn.GroupNorm(1, 1), (1, 9, 8)),
    (nn.LayerNorm((1, 9, 8)), (1, 9, 8)),
    (nn.Linear(8, 5), (1, 9, 8)),
    (nn.Sequential(nn.Flatten(), nn.Linear(72, 3)), (1, 9, 8)),
]


@pytest.mark.parametrize("layer, shape", WINDOWED, ids=str)
@pytest.mark.parametrize("behind", [False, True])
def test_fields_are_what_gradients_say(layer, shape, behind, rng):
    """The pixels that the gradient of one output reaches: the widest of all outputs is the field."""
    net = layer
    if behind:  # something else stands before it
        shape = (1, 2 * shape[1], 2 * shape[2])
        net = nn.Sequential(
            nn.Conv2d(1, 1, 3, stride=2, padding=1), *(layer if type(layer) is nn.Sequential else [layer])
        )
    field = fc.count(net, shape).layers[-1].receptive_field
    x = rng.random((1, *shape), np.float32) + 0.5
    y = net(x)
    widest = [0, 0]
    for place in np.ndindex(*y.shape[1:]):
        gradient = np.zeros_like(y)
        gradient[0][place] = 1
        net(x)
        touched = net.backward(gradient)[0, 0] != 0
        for axis in (0, 1):
            pixels = np.flatnonzero(touched.any(axis=1 - axis))
            widest[axis] = max(widest[axis], pixels[-1] - pixels[0] + 1 if len(pixels) else 0)
    assert tuple(widest) == field


# ---- views ------------------------------------------------------------------------------------------------------


def test_json():
    """The keys of the first form, and more."""
    found = json.loads(lenet().json())
    keys = ["name", "type", "output_shape", *COUNTS]
    assert list(found) == ["model", "input_shape", "batch", "dtype", "layers", "total"]
    assert found["model"] == "lenet" and found["input_shape"] == [1, 28, 28]
    assert all(list(row)[:6] == keys and not {"seconds", "roofline_seconds"} & row.keys() for row in found["layers"])
    assert [found["layers"][0][key] for key in keys] == ["0", "Conv2d", [6, 28, 28], 156, 117_600, 3_692_640]
    assert [found["total"][key] for key in COUNTS] == [61_706, 416_520, 5_634_974]
    assert all(type(row[key]) is int for row in found["layers"] for key in INTEGERS)
    assert found["layers"][3]["receptive_field"] == [14, 14] and found["layers"][3]["effective_stride"] == [2, 2]


def test_csv():
    rows = list(csv.DictReader(io.StringIO(lenet().csv())))
    assert list(rows[0])[:6] == ["name", "type", "output_shape", *COUNTS] and len(rows) == 13
    assert list(rows[0].values())[:6] == ["0", "Conv2d", "6x28x28", "156", "117600", "3692640"]
    assert [rows[-1][key] for key in ("name", *COUNTS)] == ["total", "61706", "416520", "5634974"]
    assert rows[5]["receptive_field"] == "16x16" and rows[11]["effective_stride"] == ""


def test_markdown():
    lines = lenet().markdown().splitlines()
    assert lines[0].startswith("| layer | output | parameters | MACs | as dense | share |")
    assert lines[2].startswith("| 0 Conv2d | 6x28x28 | 156 | 117,600 | 3,692,640 | 28.2 % |")
    assert lines[-1].startswith("| **total** |  | **61,706** | **416,520** | **5,634,974** |")
    assert len(lines) == 15 and len({line.count("|") for line in lines}) == 1


TABLE = """\
lenet, input 1x28x28
layer             output        parameters             MACs           as dense
------------------------------------------------------------------------------
0      Conv2d     6x28x28      156          117,600 117.6 k  3,692,640   3.7 M
1      Sigmoid    6x28x28        0                0                  0
2      AvgPool2d  6x14x14        0                0                  0
3      Conv2d     16x10x10   2,416   2.4 k  240,000 240.0 k  1,883,200   1.9 M
4      Sigmoid    16x10x10       0                0                  0
5      AvgPool2d  16x5x5         0                0                  0
6      Flatten    400            0                0                  0
7      Linear     120       48,120  48.1 k   48,000  48.0 k     48,120  48.1 k
8      Sigmoid    120            0                0                  0
9      Linear     84        10,164  10.2 k   10,080  10.1 k     10,164  10.2 k
10     Sigmoid    84             0                0                  0
11     Linear     10           850              840                850
------------------------------------------------------------------------------
total                       61,706  61.7 k  416,520 416.5 k  5,634,974   5.6 M

layer              share            FLOPs     MACs, training  activations
"""


def test_table():
    assert lenet().table().startswith(TABLE)
    assert str(lenet()) == lenet().table()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize(
    "net, shape",
    [
        (nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3)), (3, 224, 224)),
        (nn.Conv2d(3, 512, 3, padding=1), (3, 10**6, 10**6)),
        (nn.Conv2d(3, 512, 3, padding=1), (3, 10**12, 10**12)),
        (nn.Sequential(nn.Sequential(nn.Sequential(nn.Conv2d(64, 64, 3)))), (64, 4096, 4096)),
        (nn.Linear(10**12, 10**12), (10**12,)),
        (nn.Sequential(), (1,)),
        (nn.ReLU(), (1,)),
    ],
    ids=str,
)
def test_tables_fit_a_terminal(net, shape, width):
    report = fc.count(net, shape)
    text = report.table(width)
    assert max(map(len, text.splitlines())) <= width
    for total in dataclasses.astuple(report.total)[:3]:
        assert f"{total:,}" in text
    assert text.isascii()


def test_readable_units():
    from fastconv.counting.numbers import readable

    expected = {
        0: "0", 999: "999", 1000: "1.0 k", 61_706: "61.7 k", 416_520: "416.5 k", 999_949: "999.9 k", 999_950: "1.0 M",
        3_692_640: "3.7 M", 10**9: "1.0 G", 10**12: "1.0 T", 10**15: "1.0 P", 10**18: "1.0 E", 2**63: "9.2 E",
        10**21: "1.0e21", 999_960 * 10**18: "1.0e24", 15 * 10**24: "1.5e25", 10**400: "1.0e400",
    }  # fmt: skip
    assert {value: readable(value) for value in expected} == expected


# ---- errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape",
    [(), (1, 0, 28), (1, 28, -28), (1, 28.0, 28), (True, 28, 28), "1x28x28", 28, None, (1, "28", 28), (float("nan"),)],
    ids=repr,
)
def test_wrong_input_shapes(shape):
    with pytest.raises((ValueError, TypeError), match="input_shape"):
        fc.count(fc.models.lenet(), shape)


@pytest.mark.parametrize("shape", [(3, 28, 28), (1, 32, 32), (784,), (1, 4, 4)])
def test_shapes_that_the_network_does_not_take(shape):
    """The message names the layer at which it goes wrong."""
    with pytest.raises(ValueError, match=r"layer \d+ \((Conv2d|Linear)\)"):
        fc.count(fc.models.lenet(), shape)


class Unknown(nn.Layer):
    def output_shape(self, input_shape):
        return input_shape


@pytest.mark.parametrize("net", [nn.Sequential(nn.ReLU(), Unknown()), Unknown(), 3, None, "lenet"], ids=str)
def test_unknown_layers_are_refused(net):
    name = "Unknown" if isinstance(net, nn.Layer) else type(net).__name__
    with pytest.raises(TypeError, match=rf"{name}.*Conv2d"):
        fc.count(net, (1, 28, 28))


def test_a_rule_of_ones_own():
    class Doubled(nn.ReLU):
        pass

    assert fc.count(Doubled(), (4,)).total.macs == 0  # a subclass counts as what it is made from

    @fc.counting.cost.register(Doubled)
    def _(layer, input_shape, output_shape):
        return fc.counting.Cost(macs=2 * output_shape[0], dense_parameters=5)

    assert dataclasses.astuple(fc.count(Doubled(), (4,)).total)[:3] == (0, 8, 5)


def test_a_report_does_not_change():
    report = lenet()
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.model = "other"
    assert hash(report) == hash(lenet())
