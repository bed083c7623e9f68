"""Residual and Concat, and the operators behind them: values, gradients, keys, errors; blocks of real networks."""

import numpy as np
import pytest
from tolerance import assert_same_bits

import fastconv as fc
import fastconv.functional as F
from fastconv import nn

REFUSED = (ValueError, TypeError)


# ---- add, cat -------------------------------------------------------------------------------------------------------


def test_add(dtype, rng, threads):
    for shape in ((), (3,), (2, 3, 5, 7), (0, 4), (3, 50_001)):
        x, y = rng.standard_normal((2, *shape)).astype(dtype)
        for count in (1, 3):
            threads(count)
            assert_same_bits(F.add(x, y), np.asarray(x + y))
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 1.0], dtype)
    assert_same_bits(F.add(x, x[::-1]), x + x[::-1])


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_cat_and_back(dim, dtype, rng, threads):
    shapes = [[3, 4, 5] for _ in range(4)]
    for shape, length in zip(shapes, (1, 0, 7, 2), strict=True):
        shape[dim] = length
    parts = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    whole = np.concatenate(parts, dim)
    assert_same_bits(F.cat(parts, dim), whole)
    assert_same_bits(
        F.cat([part.transpose(2, 1, 0) for part in parts], {0: 2, 1: 1, 2: 0, -1: 0}[dim]),
        np.ascontiguousarray(whole.transpose(2, 1, 0)),
    )
    threads(2)
    for part, back in zip(parts, F.cat_backward(whole, [part.shape[dim] for part in parts], dim), strict=True):
        assert_same_bits(back, part)
    large = [rng.standard_normal((3, 2, 40_001)).astype(dtype), rng.standard_normal((3, 1, 40_001)).astype(dtype)]
    assert_same_bits(F.cat(large, 1), np.concatenate(large, 1))


ONES = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: F.add(ONES, ONES[:1]), "other.*(1, 3)"),
        (lambda: F.add(ONES, ONES.astype(np.float64)), "other.*float64"),
        (lambda: F.cat([]), "tensors"),
        (lambda: F.cat(ONES), "tensors.*tuple"),
        (lambda: F.cat([ONES, ONES[0]]), r"tensors\[1\]"),
        (lambda: F.cat([ONES, ONES[:, :2]]), r"tensors\[1\].*\(2, 2\)"),
        (lambda: F.cat([ONES, ONES.astype(np.float64)]), r"tensors\[1\].*float64"),
        (lambda: F.cat([ONES], 2), "dim.*2"),
        (lambda: F.cat([ONES], 1.0), "dim.*1.0"),
        (lambda: F.cat([np.float32(1)]), r"tensors\[0\]"),
        (lambda: F.cat_backward(ONES, (1, 1), 1), "sizes.*3|sizes.*add up"),
        (lambda: F.cat_backward(ONES, (4, -1), 1), r"sizes\[1\].*-1"),
        (lambda: F.cat_backward(ONES, 3, 1), "sizes"),
    ],
)
def test_wrong_arguments(call, words):
    with pytest.raises(REFUSED, match=words):
        call()


# ---- containers -----------------------------------------------------------------------------------------------------


def basic_block(dtype=np.float32, seed=0):
    """Of a residual network, with a strided shortcut."""
    return nn.Sequential(
        nn.Residual(
            nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False, dtype=dtype),
            nn.Tanh(),
            nn.Conv2d(6, 6, 3, padding=1, dtype=dtype),
            shortcut=nn.Conv2d(4, 6, 1, stride=2, dtype=dtype),
        ),
        nn.ReLU(),
        nn.Residual(nn.Conv2d(6, 6, 3, padding=1, dtype=dtype), nn.Sigmoid()),
        seed=seed,
    )


def inception_block(dtype=np.float32, seed=0):
    return nn.Concat(
        nn.Conv2d(4, 3, 1, dtype=dtype),
        nn.Sequential(nn.Conv2d(4, 2, 1, dtype=dtype), nn.Tanh(), nn.Conv2d(2, 5, 3, padding=1, dtype=dtype)),
        nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(4, 2, 1, dtype=dtype)),
        seed=seed,
    )


BLOCKS = {
    "basic": (basic_block, (4, 9, 8), (6, 5, 4)),
    "inception": (inception_block, (4, 9, 8), (10, 9, 8)),
    "concat in residual": (
        lambda dtype=np.float32, seed=0: nn.Residual(
            inception_block(dtype, seed), nn.Conv2d(10, 4, 1, dtype=dtype), seed=seed
        ),
        (4, 9, 8),
        (4, 9, 8),
    ),
    "features": (
        lambda dtype=np.float32, seed=0: nn.Concat(
            nn.Linear(12, 3, dtype=dtype), nn.Residual(nn.Linear(12, 12, dtype=dtype)), seed=seed
        ),
        (12,),
        (15,),
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_backward_is_the_gradient(name, rng):
    """Along one random direction of the input and of each parameter, in float64."""
    build, input_shape, output_shape = BLOCKS[name]
    block = build(np.float64)
    assert block.output_shape(input_shape) == output_shape
    x = rng.permutation(2 * int(np.prod(input_shape))).reshape(2, *input_shape) / 100.0 - 1.003
    gy = rng.standard_normal((2, *output_shape))
    assert block(x).shape == gy.shape
    gx = block.backward(gy)
    gradients = {key: value.copy() for key, value in block.gradients().items()}
    assert list(gradients) == list(block.parameters()) == list(block.parameter_shapes())
    block(x)
    assert block.backward(gy, need_input_grad=False) is None
    for key, value in block.gradients().items():
        assert_same_bits(value, gradients[key])
    for key, array in (block.parameters() | {"input": x}).items():
        direction = rng.standard_normal(array.shape)
        kept, sides = array.copy(), []
        for step in (1e-6, -1e-6):
            array[...] = kept + step * direction
            sides.append(float((block(x) * gy).sum()))
        array[...] = kept
        expected = (sides[0] - sides[1]) / 2e-6
        gradient = gx if key == "input" else gradients[key]
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-6), key


def test_residual_is_the_sum(dtype, rng):
    main, shortcut = nn.Conv2d(3, 3, 3, padding=1, seed=1, dtype=dtype), nn.Conv2d(3, 3, 1, seed=2, dtype=dtype)
    x, gy = rng.standard_normal((2, 2, 3, 6, 7)).astype(dtype)
    assert_same_bits(nn.Residual(main)(x), main(x) + x)
    block = nn.Residual(main, shortcut=shortcut)
    assert_same_bits(block(x), main(x) + shortcut(x))
    assert_same_bits(block.backward(gy), main.backward(gy) + shortcut.backward(gy))


def test_concat_is_side_by_side(dtype, rng):
    branches = [nn.Conv2d(3, n, 1, seed=n, dtype=dtype) for n in (2, 5)]
    x = rng.standard_normal((2, 3, 6, 7)).astype(dtype)
    for dim, axis in ((1, 1), (-3, 1)):
        assert_same_bits(nn.Concat(*branches, dim=dim)(x), np.concatenate([each(x) for each in branches], axis))
    rows = [nn.AvgPool2d(2), nn.AvgPool2d((3, 2))]
    assert nn.Concat(*rows, dim=2)(x).shape == (2, 3, 5, 3)


def test_keys_seeds_modes_and_states(rng):
    block = basic_block()
    assert list(block.state_dict()) == [
        *("0.main.0.weight", "0.main.2.weight", "0.main.2.bias", "0.shortcut.weight", "0.shortcut.bias"),
        *("2.main.0.weight", "2.main.0.bias"),
    ]
    assert list(inception_block().parameter_shapes())[2:4] == ["1.0.weight", "1.0.bias"]
    for key, value in basic_block().state_dict().items():
        assert_same_bits(value, block.state_dict()[key])
    weights = basic_block(seed=1).state_dict()
    assert all((weights[key] != value).any() for key, value in block.state_dict().items())
    assert (block.state_dict()["0.shortcut.bias"] != block.state_dict()["2.main.0.bias"]).any()
    block.load_state_dict(weights)
    x = rng.standard_normal((1, 4, 9, 8), np.float32)
    assert_same_bits(block(x), basic_block(seed=1)(x))
    block.eval()
    assert not any(layer.training for layer in (block[0], block[0].main[0], block[0].shortcut))
    block(x)
    with pytest.raises(ValueError, match="eval"):
        block.backward(np.zeros((1, 6, 5, 4), np.float32))


def test_repr():
    assert repr(nn.Residual(nn.ReLU(), shortcut=nn.Tanh())) == (
        "Residual(\n  (main): Sequential(\n    (0): ReLU()\n  )\n  (shortcut): Tanh()\n)"
    )
    assert repr(nn.Concat(nn.ReLU(), nn.Tanh())) == "Concat(\n  (0): ReLU()\n  (1): Tanh()\n)"


SHARED = nn.Conv2d(4, 4, 1)


class Doubling(nn.ReLU):
    def forward(self, x):
        return x + x


class DoublingBlock(nn.Residual):
    def forward(self, x):
        return x + x


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: nn.Residual("relu"), r"main\[0\].*str"),
        (lambda: nn.Residual(nn.ReLU(), shortcut=1), "shortcut.*int"),
        (lambda: nn.Concat(), "branches"),
        (lambda: nn.Concat(nn.ReLU(), None), r"branches\[1\].*None"),
        (lambda: nn.Concat(nn.ReLU(), dim=1.5), "dim.*1.5"),
        (lambda: nn.Residual(nn.Conv2d(4, 6, 1)).output_shape((4, 3, 3)), r"shortcut.*\(4, 3, 3\).*\(6, 3, 3\).*main"),
        (lambda: nn.Residual(nn.Conv2d(4, 6, 1))(np.ones((1, 4, 3, 3), np.float32)), r"shortcut.*\(1, 4.*\(1, 6.*main"),
        (lambda: nn.Concat(nn.ReLU(), nn.MaxPool2d(2)).output_shape((4, 6, 6)), r"branches\[1\].*\(1, 4, 3, 3\)"),
        (lambda: nn.Concat(nn.ReLU(), nn.MaxPool2d(2))(np.ones((1, 4, 6, 6), np.float32)), r"branches\[1\]"),
        (lambda: nn.Concat(nn.ReLU(), dim=0).output_shape((4,)), "dim.*batch"),
        (lambda: nn.Concat(nn.ReLU(), dim=2).output_shape((4,)), "dim.*2"),
        (lambda: nn.Residual(SHARED, shortcut=SHARED).backward(np.ones((1, 4, 1, 1), np.float32)), "twice"),
        (lambda: nn.Concat(SHARED, SHARED).backward(np.ones((1, 8, 1, 1), np.float32)), "twice"),
        (lambda: nn.Concat(nn.ReLU(), nn.ReLU()).backward(np.ones((1, 8), np.float32)), "forward"),
        (lambda: fc.compile(nn.Residual(nn.Concat(Doubling())), (4,)), "Doubling.*cannot compute"),
        (lambda: fc.compile(DoublingBlock(nn.ReLU()), (4,)), "DoublingBlock(?s:.*)cannot compute"),
        (lambda: fc.compile(nn.Sequential(nn.Residual(nn.ReLU()), nn.Conv2d(4, 6, 1)), (4,)), "layer 1"),
        (
            lambda: fc.compile(
                nn.Sequential(nn.Linear(4, 4), nn.Residual(nn.Concat(nn.Linear(4, 4, dtype=np.float64)))), (4,)
            ),
            "layer 1.main.0.0 Linear has dtype float64",
        ),
    ],
)
def test_wrong_blocks(call, words):
    with pytest.raises(REFUSED, match=words):
        call()


def test_counts_go_through_branches():
    report = fc.count(basic_block(), (4, 9, 8))
    assert [row.name for row in report.layers] == [
        *("0.main.0", "0.main.1", "0.main.2", "0.shortcut", "1", "2.main.0", "2.main.1"),
    ]
    conv = [6 * 4 * 9, 6 * 6 * 9 + 6, 6 * 4 + 6, 6 * 6 * 9 + 6]
    assert report.total.parameters == sum(conv)
    assert report.total.macs == 20 * (6 * 4 * 9 + 6 * 6 * 9 + 6 * 4 + 6 * 6 * 9)
    report = fc.count(inception_block(), (4, 9, 8))
    assert report.layers[-1].name == "2.1" and report.layers[0].output_shape == (3, 9, 8)
    with pytest.raises(ValueError, match=r"layer 0 \(Residual\).*shortcut"):
        fc.count(nn.Sequential(nn.Residual(nn.Conv2d(4, 6, 1))), (4, 9, 8))


def test_a_plan_of_blocks(dtype, rng, direct):
    """What waits for a branch keeps a region of the arena; all blocks share three."""

    def block():
        main = nn.Conv2d(4, 4, 3, padding=1, dtype=dtype), nn.BatchNorm2d(4, dtype=dtype), nn.ReLU()
        return nn.Residual(*main, nn.Conv2d(4, 4, 3, padding=1, dtype=dtype)), nn.ReLU()

    net = nn.Sequential(*block(), *block(), *block(), nn.Concat(nn.Identity(), nn.AvgPool2d(3, 1, 1)), seed=0)
    plan = fc.compile(net, (4, 16, 16), batch=2, fold=False)
    assert plan.memory == 3 * 2 * 4 * 16 * 16 * np.dtype(dtype).itemsize
    names = [step.name for step in plan.steps]
    assert names[:4] == ["0.main.0 Conv2d", "0.main.1 BatchNorm2d", "0.main.2 ReLU", "0.main.3 Conv2d"]
    assert names[4:6] == ["0 Residual", "1 ReLU"] and names[-3:] == ["6.0 Identity", "6.1 AvgPool2d", "6 Concat"]
    assert plan.steps[4].input_shape == plan.steps[4].output_shape == (4, 16, 16)
    assert all(name in str(plan) for name in names)
    x = rng.standard_normal((2, 4, 16, 16)).astype(dtype)
    net.eval()
    assert_same_bits(plan(x), net(x))
    assert_same_bits(plan(x[1]), net(x)[1])
    assert sum(step.macs for step in plan.steps) == fc.count(net, (4, 16, 16)).total.macs
    strided = nn.Residual(nn.Conv2d(4, 6, 3, 2, 1, dtype=dtype), shortcut=nn.Conv2d(4, 6, 1, 2, dtype=dtype))
    assert_same_bits(fc.compile(strided, (4, 9, 8), batch=2, dataflow=None)(x[:, :, :9, :8]), strided(x[:, :, :9, :8]))
    with pytest.raises(ValueError, match="one convolution, got 2"):
        fc.compile(strided, (4, 9, 8), dataflow="panels")


@pytest.mark.parametrize("name", ["basic", "inception"])
def test_torch_agrees(name, dtype, rng):
    torch = pytest.importorskip("torch")
    build, input_shape, output_shape = BLOCKS[name]
    block = build(dtype)
    x, gy = rng.standard_normal((3, *input_shape)).astype(dtype), rng.standard_normal((3, *output_shape)).astype(dtype)
    t = {key: torch.from_numpy(value).requires_grad_() for key, value in (block.state_dict() | {"x": x}).items()}
    conv, p = torch.nn.functional.conv2d, t.get
    if name == "basic":
        main = conv(
            conv(t["x"], p("0.main.0.weight"), None, 2, 1).tanh(), p("0.main.2.weight"), p("0.main.2.bias"), 1, 1
        )
        y = (main + conv(t["x"], p("0.shortcut.weight"), p("0.shortcut.bias"), 2)).relu()
        y = conv(y, p("2.main.0.weight"), p("2.main.0.bias"), 1, 1).sigmoid() + y
    else:
        second = conv(t["x"], p("1.0.weight"), p("1.0.bias")).tanh()
        pooled = torch.nn.functional.max_pool2d(t["x"], 3, 1, 1)
        parts = [
            conv(t["x"], p("0.weight"), p("0.bias")),
            conv(second, p("1.2.weight"), p("1.2.bias"), 1, 1),
            conv(pooled, p("2.1.weight"), p("2.1.bias")),
        ]
        y = torch.cat(parts, 1)
    y.backward(torch.from_numpy(gy))
    tolerance = 500 * np.finfo(dtype).eps
    np.testing.assert_allclose(block(x), y.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(block.backward(gy), t["x"].grad.numpy(), rtol=0, atol=tolerance)
    for key, value in block.gradients().items():
        np.testing.assert_allclose(value, t[key].grad.numpy(), rtol=0, atol=10 * tolerance)
