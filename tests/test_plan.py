"""compile(): the same results as the network's, whatever the batch, the threads and the memory; and what it refuses."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import process
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerance import WINOGRAD, assert_close, assert_same_bits, assert_sums, dataflow_allowance

import fastconv as fc
from fastconv import nn
from fastconv.kernels.prepared import Prepared, Program
from fastconv.plan import arena

pytestmark = pytest.mark.usefixtures("direct")


def images(rng, n, shape, dtype):
    return rng.standard_normal((n, *shape), np.float32).astype(dtype)


def check(net, shape, rng, dtype, batch=3):
    """Every batch up to the limit, unbatched, `out=`; the input is untouched."""
    plan = fc.compile(net, shape, batch, dtype=dtype, fold=False)
    x = images(rng, batch, shape, dtype)
    kept = x.copy()
    net.eval()
    y = net(x)
    assert (
        plan.input_shape == shape and plan.output_shape == y.shape[1:] and plan.batch == batch and plan.dtype == dtype
    )
    for n in (batch, 1, batch - 1, batch):
        result = plan(x[:n])
        assert result.flags.c_contiguous and not np.may_share_memory(result, x)
        assert_same_bits(result, y[:n])
    assert_same_bits(plan(x[0]), y[0])
    out = np.full_like(y, np.nan)
    assert plan(x, out=out) is out
    assert_same_bits(out, y)
    assert_same_bits(x, kept)
    assert plan(x[:0]).shape == (0, *y.shape[1:])
    return plan, x, y


# ---- networks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["book", "relu"])
def test_lenet(variant, dtype, rng):
    net = fc.models.lenet(variant, seed=0, dtype=dtype)
    plan, x, y = check(net, (1, 28, 28), rng, dtype, batch=5)
    state = {key: value.astype(np.float64) for key, value in net.state_dict().items()}
    h = x
    for layer in net:  # and against the reference, layer by layer
        name = type(layer).__name__
        position = [each is layer for each in net].index(True)
        w, b = state.get(f"{position}.weight"), state.get(f"{position}.bias")
        if name == "Conv2d":
            h = reference.conv2d(h, w, b, padding=layer.padding).value
        elif name == "Linear":
            h = reference.linear(h, w, b).value
        elif name == "MaxPool2d":
            h = reference.max_pool2d(h, 2)[0]
        elif name == "AvgPool2d":
            h = reference.avg_pool2d(h, 2).value
        elif name == "Flatten":
            h = h.reshape(len(h), -1)
        else:
            h = getattr(reference, name.lower())(h)
    assert_close(plan(x), h, dtype, ulps=100, scale=np.abs(h).max())


def test_mlp(dtype, rng):
    check(fc.models.mlp(seed=0, dtype=dtype), (1, 28, 28), rng, dtype)


@st.composite
def networks(draw):
    """Any chain of layers and branches: (layers, input shape, dtype)."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    shape = (draw(st.integers(1, 6)), draw(st.integers(4, 12)), draw(st.integers(4, 12)))
    return draw(chains(shape, dtype, 7)), shape, dtype


@st.composite
def chains(draw, shape, dtype, length, depth=0):
    layers = []
    for seed in range(draw(st.integers(0, length))):
        choices = ["relu", "sigmoid", "tanh", "flatten", "nested", "identity", "norm", "softmax"]
        choices += ["conv", "conv", "max", "avg"] if len(shape) == 3 else []
        choices += ["residual", "residual", "concat"] if depth < 2 else []
        kind = draw(st.sampled_from([*choices, "linear"]))
        if kind == "conv":
            groups = draw(st.sampled_from([g for g in (1, 2, 3) if shape[0] % g == 0]))
            layer = nn.Conv2d(
                shape[0], groups * draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(1, 2)),
                draw(st.integers(0, 2)), 1, groups, draw(st.booleans()), seed=seed, dtype=dtype,
            )  # fmt: skip
        elif kind == "linear":
            layer = nn.Linear(shape[-1], draw(st.integers(1, 9)), draw(st.booleans()), seed=seed, dtype=dtype)
        elif kind in ("max", "avg"):
            pool = nn.MaxPool2d if kind == "max" else nn.AvgPool2d
            layer = pool(draw(st.integers(1, 3)), draw(st.integers(1, 2)), ceil_mode=draw(st.booleans()))
        elif kind == "residual":
            main = draw(chains(shape, dtype, 3, depth + 1))
            shortcut = draw(chains(shape, dtype, 2, depth + 1)) if draw(st.booleans()) else None
            layer = nn.Residual(main, shortcut=shortcut)
        elif kind == "concat":
            branches = [draw(chains(shape, dtype, 2, depth + 1)) for _ in range(draw(st.integers(1, 3)))]
            layer = nn.Concat(*branches, dim=draw(st.integers(1, len(shape))))
        elif kind == "norm":
            norms = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d}
            layer = norms[len(shape)](shape[0], dtype=dtype)
            layer.load_state_dict(
                {
                    key: np.array(seed + np.arange(value.size) % 3 + 0.5, value.dtype).reshape(value.shape)
                    for key, value in layer.state_dict().items()
                }
            )
        elif kind == "nested":
            layer = nn.Sequential(nn.Tanh(), nn.Sequential(nn.ReLU()))
        else:
            kinds = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "flatten": nn.Flatten}
            layer = (kinds | {"identity": nn.Dropout, "softmax": lambda: nn.Softmax(-1)})[kind]()
        try:
            shape = layer.output_shape(shape)
        except ValueError:  # larger than what is left of the image
            continue
        layers.append(layer)
    return nn.Sequential(*layers)


@settings(max_examples=600)
@given(networks(), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_any_chain_of_layers(network, batch, seed):
    net, shape, dtype = network
    check(net, shape, np.random.default_rng(seed), dtype, batch)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.Conv2d(3, 5, 3, padding="same", dilation=2, seed=0), (3, 9, 8)),
        (nn.Conv2d(6, 6, (3, 5), (2, 1), groups=6, bias=False, seed=0), (6, 9, 8)),
        (nn.MaxPool2d(3, 2, 1), (4, 9, 8)),
        (nn.AvgPool2d((2, 3), ceil_mode=True, count_include_pad=False, divisor_override=4), (4, 9, 8)),
        (nn.Linear(7, 5, seed=0), (7,)),
        (nn.Linear(7, 5, bias=False, seed=0), (2, 3, 7)),
        (nn.Flatten(2), (3, 4, 5)),
        (nn.Flatten(-2, -1), (3, 4, 5)),
        (nn.ReLU(), (3, 4, 5)),
        (nn.Sigmoid(), ()),
        (nn.Sequential(), (2, 3)),
        (nn.Sequential(nn.Sequential(nn.Flatten()), nn.Flatten()), (2, 3)),
        (nn.Sequential(nn.Flatten(), nn.Tanh(), nn.Sigmoid()), (2, 3)),
    ],
    ids=str,
)
def test_single_layers_need_no_arena(layer, shape, rng):
    plan, _, _ = check(layer, shape, rng, np.float32)
    assert plan.memory == 0


def test_the_same_layer_twice(rng):
    conv = nn.Conv2d(3, 3, 3, padding=1, seed=0)
    check(nn.Sequential(conv, nn.ReLU(), conv, nn.ReLU()), (3, 8, 8), rng, np.float32)


@pytest.mark.parametrize("depth", [1, 255, 256, 257, 600])
def test_a_relu_behind_a_dense_layer_is_computed_along(depth, dtype, rng):
    """Its sums come in parts, of which the last alone is compared with zero."""
    net = nn.Sequential(
        nn.Linear(depth, 70, seed=1, dtype=dtype), nn.ReLU(), nn.Linear(70, 3, seed=2, dtype=dtype), nn.ReLU()
    )
    net[0].bias[:3] = 5, -0.0, np.nan
    plan = fc.compile(net, (depth,), batch=64)
    assert [step.name for step in plan.steps] == ["0 Linear + 1 ReLU", "2 Linear + 3 ReLU"]
    first = fc.compile(nn.Sequential(net[0], net[1]), (depth,), batch=64)
    for n in (1, 4, 5, 64):
        x = images(rng, n, (depth,), dtype)
        assert_same_bits(plan(x), net(x))
        assert_same_bits(first(x), net[1](net[0](x)))
        assert not (first(x) < 0).any()


def test_winograd_stays_within_its_bound(rng):
    fc.allow_winograd(True)
    conv = nn.Conv2d(32, 48, 3, padding=1, seed=0)
    plan = fc.compile(nn.Sequential(conv, nn.ReLU()), (32, 30, 31), batch=2)
    assert plan.steps[0].dataflow in WINOGRAD
    x = images(rng, 2, (32, 30, 31), np.float32)
    expected = reference.conv2d(x, conv.weight, conv.bias, padding=1)
    expected = expected._replace(value=np.maximum(expected.value, 0))
    assert_sums(plan(x), expected, np.float32, **dataflow_allowance(plan.steps[0].dataflow, conv.weight.shape))
    assert_same_bits(plan(x[1:]), plan(x)[1:])


@pytest.mark.parametrize("name", ["panels", "rows", "winograd4", "winograd2", "lines4"])
def test_a_dataflow_by_its_name(name, rng):
    conv = nn.Conv2d(7, 9, 3, padding=1, seed=0)
    x = images(rng, 2, (7, 12, 13), np.float32)
    expected = reference.conv2d(x, conv.weight, conv.bias, padding=1)
    for net in (conv, nn.Sequential(conv), nn.Sequential(conv, nn.Sigmoid())):
        plan = fc.compile(net, (7, 12, 13), 2, dataflow=name)
        assert plan.steps[0].dataflow == name and name in str(plan)
    found = fc.compile(conv, (7, 12, 13), 2, dataflow=name)(x)
    assert_sums(found, expected, np.float32, **dataflow_allowance(name, conv.weight.shape))


# ---- what it holds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [lambda: nn.Conv2d(3, 4, 3, seed=0), lambda: nn.Linear(9, 4, seed=0)])
def test_it_holds_a_copy_of_the_weights(build, rng):
    layer = build()
    shape = (3, 9, 9)
    plan = fc.compile(layer, shape)
    x = images(rng, 1, shape, np.float32)
    before = plan(x)
    for array in layer.parameters().values():
        array += 1
    assert_same_bits(plan(x), before)
    assert (layer(x) != before).any()
    assert "copy of the weights as they were" in repr(plan) and "copy of the weights as they were" in str(plan)
    assert "copy of the weights" in fc.plan.Plan.__doc__ and "copy of the weights" in fc.compile.__doc__


def test_results_are_new_arrays(rng):
    """And nothing of a call is seen by the next one."""
    for net in (fc.models.lenet(seed=0), nn.Flatten(), nn.ReLU()):
        plan = fc.compile(net, (1, 28, 28), batch=4)
        x = np.abs(images(rng, 4, (1, 28, 28), np.float32))
        first = plan(x)
        kept = first.copy()
        first[...] = np.nan
        x_before = x.copy()
        assert_same_bits(plan(x), kept)
        assert_same_bits(x, x_before)
        plan(np.full_like(x, np.nan))
        assert_same_bits(plan(x), kept)
        assert_same_bits(plan(x[:1]), kept[:1])


def test_the_arena_holds_two_tensors(rng):
    """The largest and its neighbour, in whole cache lines; no call adds to it."""
    net = nn.Sequential(nn.Conv2d(1, 40, 5, padding=2), nn.MaxPool2d(2), nn.Conv2d(40, 16, 5), nn.ReLU(), seed=0)
    plan = fc.compile(net, (1, 28, 28), batch=10)
    assert plan.memory == 10 * (40 * 28 * 28 + 40 * 14 * 14) * 4
    odd = fc.compile(nn.Sequential(nn.Linear(3, 5, seed=0), nn.Linear(5, 7, seed=0), nn.Linear(7, 2, seed=0)), (3,), 3)
    assert odd.memory == 64 + 128
    for region in plan._arena.regions:
        assert region.ctypes.data % 64 == 0
    before = [region.ctypes.data for region in plan._arena.regions]
    for n in range(1, 11):
        plan(images(rng, n, (1, 28, 28), np.float32))
    assert [region.ctypes.data for region in plan._arena.regions] == before


def test_many_sizes_of_a_batch(rng):
    """More than it keeps bound at a time."""
    plan = fc.compile(nn.Sequential(nn.Linear(3, 5, seed=0), nn.ReLU(), nn.Linear(5, 2, seed=0)), (3,), batch=100)
    x = images(rng, 100, (3,), np.float32)
    y = plan(x)
    for n in range(1, 101):
        assert_same_bits(plan(x[:n]), y[:n])
    assert len(plan._bound) < 50


def test_what_it_shows():
    plan = fc.compile(fc.models.lenet("relu", seed=0), (1, 28, 28), batch=8)
    text = str(plan)
    for word in ("1x28x28", "float32", "at most 8", "0 Conv2d + 1 ReLU", "6 Flatten", "16x10x10", "117,600", "416,520"):
        assert word in text
    assert f"{plan.memory:,} bytes" in text
    assert sum(step.macs for step in plan.steps) == fc.count(fc.models.lenet(), (1, 28, 28)).total.macs
    conv = plan.steps[0]
    assert conv.bytes == 4 * (28 * 28 + 6 * 28 * 28 + 156) and conv.output_shape == (6, 28, 28)
    assert conv.dataflow in text
    nested = fc.compile(nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU()))), (1, 5, 5))
    assert nested.steps[0].name == "0.0 Conv2d + 0.1.0 ReLU" and len(nested.steps) == 1
    assert repr(fc.compile(nn.Conv2d(1, 2, 3), (1, 5, 5))).startswith("Plan(Conv2d(1, 2, kernel_size=(3, 3)")
    assert "Sequential of 12 layers" in repr(plan)


# ---- arrays -----------------------------------------------------------------------------------------------------


def test_any_layout_of_the_input(dtype, rng):
    plan = fc.compile(fc.models.lenet(seed=0, dtype=dtype), (1, 28, 28), batch=4)
    x = images(rng, 4, (1, 28, 28), dtype)
    y = plan(x)
    wide = np.zeros((4, 1, 28, 56), dtype)
    wide[..., ::2] = x
    bytes_ = np.zeros(x.nbytes + 1, np.uint8)
    crooked = bytes_[1:].view(dtype).reshape(x.shape)
    crooked[...] = x
    readonly = x.copy()
    readonly.flags.writeable = False
    for same in (wide[..., ::2], np.asfortranarray(x), crooked, readonly, memoryview(x), x[::-1].copy()[::-1]):
        assert_same_bits(plan(same), y)
    view = x.view(type("Sub", (np.ndarray,), {}))
    assert type(plan(view)) is np.ndarray
    assert_same_bits(plan(view), y)
    assert_same_bits(plan(x.astype(np.dtype(dtype).newbyteorder("=").str)), y)


def test_out_is_checked(rng):
    x = images(rng, 2, (3, 8, 8), np.float32)
    for net in (nn.Conv2d(3, 3, 3, padding=1, seed=0), nn.Sequential(nn.MaxPool2d(1), nn.Sigmoid(), nn.AvgPool2d(1))):
        plan = fc.compile(net, (3, 8, 8), 2)
        y = plan(x)
        with pytest.raises(ValueError, match="out has shape"):
            plan(x, out=np.empty_like(y)[:1])
        with pytest.raises(TypeError, match="out has dtype"):
            plan(x, out=y.astype(np.float64))
        with pytest.raises(ValueError, match="C-contiguous"):
            plan(x, out=np.asfortranarray(y))
        with pytest.raises(ValueError, match="overlaps"):
            plan(x, out=x)
        with pytest.raises(TypeError, match="out must be"):
            plan(x, out=[1.0])
        out = np.empty_like(y[0])
        assert plan(x[0], out=out) is out
        assert_same_bits(out, y[0])


# ---- what it refuses --------------------------------------------------------------------------------------------


def test_inputs_that_do_not_fit(rng):
    plan = fc.compile(nn.Conv2d(3, 4, 3, seed=0), (3, 8, 8), batch=2)
    x = images(rng, 3, (3, 8, 8), np.float32)
    with pytest.raises(ValueError, match=r"3 images .*batch \(=2\)"):
        plan(x)
    for wrong in (x[:2, :2], x[:2, :, :7], x[0, 0], x[None, :2], np.float32(1)):
        with pytest.raises(ValueError, match=r"input has shape .*expected \('N', 3, 8, 8\) or \(3, 8, 8\)"):
            plan(wrong)
    with pytest.raises(TypeError, match="input has dtype float64, but plan has float32"):
        plan(x[:2].astype(np.float64))
    with pytest.raises(TypeError, match="input must be float32 or float64, got dtype int64"):
        plan(np.ones((1, 3, 8, 8), np.int64))
    with pytest.raises(TypeError, match="bytes are swapped"):
        plan(x[:2].astype(">f4"))
    with pytest.raises(TypeError, match="input must be a NumPy array"):
        plan([[1.0]])
    assert plan(x[:2]).shape == (2, 4, 6, 6)


class Doubling(nn.ReLU):
    def forward(self, x):
        return 2 * x


class Renamed(nn.ReLU):
    """The same by another name."""


@pytest.mark.parametrize(
    "arguments, options, error, words",
    [
        ((np.ones(3), (3,)), {}, TypeError, "net must be a layer"),
        ((Doubling(), (3,)), {}, TypeError, "Doubling.*cannot compute.*Conv2d"),
        ((nn.Sequential(nn.Linear(3, 3), Doubling()), (3,)), {}, TypeError, "Doubling"),
        ((nn.Conv2d(3, 4, 3), (4, 8, 8)), {}, ValueError, "4 channels"),
        ((nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 9)), (3, 8, 8)), {}, ValueError, "layer 1.*kernel_size"),
        ((nn.Conv2d(3, 4, 3), (1, 3, 8, 8)), {}, ValueError, "input_shape"),
        ((nn.Conv2d(3, 4, 3), 8), {}, TypeError, "input_shape"),
        ((nn.Conv2d(3, 4, 3), (3, 8.0, 8)), {}, TypeError, "input_shape"),
        ((nn.ReLU(), (3, 0)), {}, ValueError, "input_shape"),
        ((nn.ReLU(), (3,), 0), {}, ValueError, "batch"),
        ((nn.ReLU(), (3,), True), {}, TypeError, "batch"),
        ((nn.ReLU(), (3,), 2.0), {}, TypeError, "batch"),
        ((nn.ReLU(), (3,)), dict(dtype=np.float16), TypeError, "dtype"),
        ((nn.Linear(3, 3), (3,)), dict(dtype=np.float64), TypeError, "0.*float32.*float64|Linear.*float32.*float64"),
        (
            (nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3, dtype=np.float64)), (3,)),
            {},
            TypeError,
            "layer 1 Linear has dtype float64",
        ),
        ((nn.Conv2d(3, 4, 3), (3, 8, 8)), dict(dataflow="columns"), ValueError, "dataflow.*columns.*panels"),
        ((nn.Conv2d(3, 4, 5), (3, 8, 8)), dict(dataflow="winograd4"), ValueError, "winograd4"),
        ((nn.Linear(3, 3), (3,)), dict(dataflow="rows"), ValueError, "dataflow.*one convolution, got 0"),
        ((fc.models.lenet(), (1, 28, 28)), dict(dataflow="rows"), ValueError, "dataflow.*one convolution, got 2"),
        ((nn.Conv2d(3, 4, 3), (3, 8, 8), 2**62), {}, ValueError, "2\\^63"),
    ],
)
def test_what_cannot_be_compiled(arguments, options, error, words):
    with pytest.raises(error, match=words):
        fc.compile(*arguments, **options)


def test_a_subclass_with_the_same_forward_is_taken(rng):
    check(nn.Sequential(nn.Linear(3, 4, seed=0), Renamed()), (3,), rng, np.float32)


def test_no_memory_is_an_error():
    net = nn.Sequential(nn.ReLU(), nn.MaxPool2d(1), nn.ReLU(), nn.AvgPool2d(1))
    with pytest.raises(MemoryError):
        fc.compile(net, (2**10, 2**15, 2**10), batch=2**18)


# ---- threads ----------------------------------------------------------------------------------------------------


def test_same_bits_at_any_thread_count(rng, threads, dtype):
    plan = fc.compile(fc.models.lenet(seed=0, dtype=dtype), (1, 28, 28), batch=131)
    x = images(rng, 131, (1, 28, 28), dtype)
    threads(1)
    y = plan(x)
    for count in (2, 3, 7):
        threads(count)
        assert_same_bits(plan(x), y)
        for n in (1, 64):
            assert_same_bits(plan(x[-n:]), y[-n:])


@pytest.mark.parametrize("net", [fc.models.lenet(seed=0), nn.Conv2d(1, 6, 5, seed=0)], ids=["LeNet", "one layer"])
def test_python_threads_share_a_plan(net, rng, threads):
    plan = fc.compile(net, (1, 28, 28), batch=16)
    x = images(rng, 64, (1, 28, 28), np.float32)
    threads(2)
    sizes = [1, 3, 8, 16]
    expected = [[plan(x[start : start + n]) for start in range(0, 48, 16)] for n in sizes]
    gate = threading.Barrier(4)

    def work(number):
        gate.wait(timeout=60)
        return [plan(x[start : start + sizes[number]]) for _ in range(20) for start in range(0, 48, 16)]

    with ThreadPoolExecutor(4) as pool:
        for number, results in enumerate(pool.map(work, range(4))):
            for place, y in enumerate(results):
                assert_same_bits(y, expected[number][place % 3])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_computes_though_a_thread_of_its_parent_was_computing():
    """The plan's lock is taken at the moment of the fork; in the child nobody would give it back."""
    for batch in (2, 256):  # layer by layer, and with the images in the lanes
        process.check(_FORK_WHILE_COMPUTING.replace("BATCH", str(batch)), seconds=60)


_FORK_WHILE_COMPUTING = """
import os, threading, time, warnings
import numpy as np
import fastconv as fc
warnings.simplefilter("ignore")
fc.set_num_threads(1)
plan = fc.compile(fc.models.lenet(seed=0), (1, 28, 28), batch=BATCH)
x = np.random.default_rng(0).standard_normal((BATCH, 1, 28, 28), np.float32)
owner = plan._in_lanes if BATCH > 4 else plan._arena
expected = plan(x).tobytes()
stop = False
def work():
    while not stop:
        plan(x)
worker = threading.Thread(target=work)
worker.start()
codes = []
for _ in range(20):
    while not owner.lock.locked():
        time.sleep(0)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if plan(x).tobytes() == expected else 1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
stop = True
worker.join()
assert codes == [0] * 20, codes
assert plan(x).tobytes() == expected
"""


def test_an_error_gives_the_arena_back(rng, monkeypatch):
    plan = fc.compile(fc.models.lenet(seed=0), (1, 28, 28), batch=2)
    x = images(rng, 2, (1, 28, 28), np.float32)
    y = plan(x)
    readonly = np.empty_like(y)
    readonly.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        plan(x, out=readonly)
    run = plan._bound[x.shape][0]
    with pytest.raises((TypeError, BufferError, ValueError)):
        run(x, object())  # the last step fails, the lock taken
    assert_same_bits(plan(x), y)


@pytest.fixture
def compiled_calls(monkeypatch):
    """Grows by the number of images with each call into compiled code; steps that call it themselves are an error."""
    calls = []

    class Counted:
        def __init__(self, *arguments):
            self.program = Program(*arguments)

        def forward(self, images, x, y):
            calls.append(images)
            self.program.forward(images, x, y)

    def refuse(*arguments):
        raise AssertionError("a step called by itself")

    monkeypatch.setattr(arena, "Program", Counted)
    monkeypatch.setattr(arena, "_call", refuse)
    return calls


@pytest.mark.parametrize("images", [1, 4])
@pytest.mark.parametrize("variant", ["book", "relu"])
def test_a_call_is_one_call_into_compiled_code(variant, images, rng, compiled_calls):
    plan = fc.compile(fc.models.lenet(variant, seed=0), (1, 28, 28), batch=4)
    x = rng.standard_normal((images, 1, 28, 28), np.float32)
    for _ in range(3):
        plan(x)
    assert compiled_calls == 3 * [images]


def test_so_is_one_with_branches_and_normalisation(rng, compiled_calls):
    block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, seed=0), nn.BatchNorm2d(4), nn.ReLU())
    net = nn.Sequential(nn.Conv2d(2, 4, 3, seed=1), nn.Residual(block), nn.BatchNorm2d(4), nn.MaxPool2d(2))
    plan = fc.compile(net, (2, 12, 12), batch=2)
    plan(rng.standard_normal((2, 2, 12, 12), np.float32))
    assert compiled_calls == [2]


def normalised(rng, dtype, **options):
    """A convolution and a batch normalisation whose statistics are not those of the start."""
    net = nn.Sequential(nn.Conv2d(3, 5, 3, seed=0, dtype=dtype, **options), nn.BatchNorm2d(5, dtype=dtype), nn.ReLU())
    net.load_state_dict(
        {
            key: value if key.startswith("0") else rng.uniform(0.5, 2, value.shape).astype(value.dtype)
            for key, value in net.state_dict().items()
        }
    )
    return net.eval()


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"padding": 1, "padding_mode": "reflect"}], ids=str)
def test_batch_normalisation_is_folded(options, dtype, rng):
    net = normalised(rng, dtype, **options)
    x = rng.standard_normal((4, 3, 9, 8)).astype(dtype)
    plan, unfolded = fc.compile(net, (3, 9, 8), batch=4), fc.compile(net, (3, 9, 8), batch=4, fold=False)
    assert any("Conv2d + 1 BatchNorm2d" in step.name for step in plan.steps)
    assert len(plan.steps) < len(unfolded.steps)
    assert_same_bits(unfolded(x), net(x))
    # A sum of 27 products and a bias, rounded in another order; statistics and weights are near one.
    np.testing.assert_allclose(plan(x), net(x), rtol=0, atol=64 * np.finfo(dtype).eps * 4)


def test_what_does_not_stay_finite_is_not_folded(rng):
    net = normalised(rng, np.float32)
    net[1].running_var[2] = np.inf
    net[1].weight[2] = np.inf
    plan = fc.compile(net, (3, 9, 8))
    x = rng.standard_normal((1, 3, 9, 8), np.float32)
    assert not any("BatchNorm2d" in step.name and "Conv2d" in step.name for step in plan.steps)
    assert_same_bits(plan(x), net(x))


def test_an_operator_that_is_none_does_nothing():
    Prepared().forward(np.ones((1, 2)), y := np.ones((1, 2)))
    assert (y == 1).all()
