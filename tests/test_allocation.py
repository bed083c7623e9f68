"""Every allocation fails once, the first of a call, then the second, and so on: each time the call ends in a
MemoryError, nothing is lost, and the next call gives the bits that it gave before.

A library of ours stands before the system's malloc and the drivers' own allocator: failing_malloc.c.
"""

import os
import platform

import compiled
import process
import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or "LD_PRELOAD" in os.environ, reason="needs to stand before glibc's malloc"
)

# The drivers take their memory from fastconv.kernels.runtime, by a pointer that it hands to modules imported later.
START = """
import ctypes, gc, importlib.util, sys, types

shim = ctypes.CDLL(None)
shim.fail_at.argtypes = [ctypes.c_long, ctypes.c_size_t]
shim.failed.restype = shim.live_bytes.restype = ctypes.c_long
shim.stand_before.argtypes = [ctypes.c_void_p]
api = ctypes.pythonapi
api.PyCapsule_GetName.argtypes, api.PyCapsule_GetName.restype = [ctypes.py_object], ctypes.c_char_p
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_GetPointer.restype = ctypes.c_void_p
api.PyCapsule_New.argtypes, api.PyCapsule_New.restype = [ctypes.c_void_p] * 3, ctypes.py_object

bare = types.ModuleType("fastconv")
bare.__path__ = importlib.util.find_spec("fastconv").submodule_search_locations
sys.modules["fastconv"] = bare
from fastconv.kernels import runtime
del sys.modules["fastconv"]
capsule = runtime.__pyx_capi__["allocate"]
signature = ctypes.create_string_buffer(api.PyCapsule_GetName(capsule))
shim.stand_before(api.PyCapsule_GetPointer(capsule, signature.value))
runtime.__pyx_capi__["allocate"] = api.PyCapsule_New(
    ctypes.cast(shim.failing_allocate, ctypes.c_void_p), ctypes.addressof(signature), None
)

import numpy as np
import fastconv as fc
import fastconv.functional as F
from operators import call, many, samples

assert fc.__version__
fc.set_num_threads(THREADS)
rng = np.random.default_rng(0)
failures = []
tried = 0

def new(*shape):
    return rng.standard_normal(shape, np.float32)

def fail_each(name, work, least):
    'How many allocations there were: the n-th fails in the n-th call.'
    n, result = 1, None
    while True:
        raised = result = None
        shim.fail_at(n, least)
        try:
            result = work()
        except BaseException as error:
            raised = error
        if not shim.failed():
            return n - 1
        if not isinstance(raised, MemoryError):
            failures.append(f"{name}, allocation {n}: {raised!r} instead of MemoryError")
        n += 1

def check(name, work, least=1):
    global tried
    expected = [each.tobytes() for each in many(work())]
    for _ in range(6):  # what a leak costs, it costs each time
        gc.collect()
        before = shim.live_bytes()
        tried += fail_each(name, work, least)
        gc.collect()
        grown = shim.live_bytes() - before
        if grown <= 0:
            break
    else:
        failures.append(f"{name}: {grown} bytes lost")
    if [each.tobytes() for each in many(work())] != expected:
        failures.append(f"{name}: another result afterwards")
"""

OPERATORS = """
for dtype in (np.float32, np.float64):
    for name, arguments in samples(dtype).items():
        check(name, lambda: call(name, arguments))
"""

# Large enough for several threads and for each dataflow's working memory.
LARGE = """
SHAPES = {
    "3x3": ((2, 64, 40, 40), (64, 64, 3, 3), dict(padding=1)),
    "5x5": ((2, 32, 30, 30), (64, 32, 5, 5), dict(padding=2)),
    "11x11": ((2, 3, 64, 64), (64, 3, 11, 11), dict(stride=4)),
    "7x7": ((2, 3, 64, 64), (64, 3, 7, 7), dict(stride=2, padding=3)),
    "1x1": ((2, 64, 40, 40), (64, 64, 1, 1), {}),
    "1x5": ((1, 40, 3, 2000), (64, 40, 1, 5), {}),
    "dilated": ((2, 32, 40, 40), (32, 32, 3, 3), dict(dilation=2)),
    "grouped": ((2, 64, 40, 40), (64, 16, 3, 3), dict(padding=1, groups=4)),
    "depthwise": ((2, 64, 60, 60), (64, 1, 3, 3), dict(padding=1, groups=64)),
    "one channel": ((1, 1, 400, 400), (1, 1, 5, 5), {}),
    "LeNet conv2": ((67, 6, 14, 14), (16, 6, 5, 5), {}),
}
for name, (input_shape, weight_shape, options) in SHAPES.items():
    for dtype in (np.float32, np.float64):
        x, w = new(*input_shape).astype(dtype), new(*weight_shape).astype(dtype)
        y = fc.conv2d(x, w, **options)
        check(name, lambda: fc.conv2d(x, w, **options))
        turned = x.copy().transpose(0, 1, 3, 2).copy().transpose(0, 1, 3, 2)  # the same numbers, not contiguous
        check(name + ", turned", lambda: fc.conv2d(turned, w, **options))
        for mask in ((True, False, False), (False, True, False), (False, False, True)):
            check(f"{name}, gradient {mask}", lambda: F.conv2d_backward(y, x, w, **options, output_mask=mask))
volume, filters, turned = new(2, 16, 12, 20, 20), new(32, 16, 3, 3, 3), new(16, 32, 4, 4)
images, matrix = new(4, 16, 40, 40), new(500, 40)
check("conv3d", lambda: F.conv3d(volume, filters, padding=1))
check("conv_transpose2d", lambda: F.conv_transpose2d(images, turned, stride=2, padding=1))
check("unfold", lambda: fc.unfold(images, 3))
check("batch_norm", lambda: F.batch_norm(images, None, None, None, None, True))
check("layer_norm", lambda: F.layer_norm_backward(images, images, (40, 40)))
check("linear", lambda: fc.linear(images, matrix))
check("cross_entropy", lambda: F.cross_entropy_backward(1.0, images, images))
"""

NETWORKS = """
def compiled(net, x):
    def work():
        kept["plan"] = fc.compile(net, x.shape[1:], batch=len(x))
        return kept["plan"](x)
    return work

def trained(net, x):
    def work():
        net.train()
        net.rewind()
        y = net(x)
        return (y, net.backward(y), *net.gradients().values())
    return work

nn, kept = fc.nn, {}
images = new(20, 1, 28, 28)
block = nn.Residual(nn.Conv2d(16, 16, 3, padding=1), nn.Dropout(0.2), nn.Conv2d(16, 16, 3, padding=1))
convolution = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()
net = nn.Sequential(*convolution, block, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6400, 7), seed=0)
for name, net, x in (
    ("book", fc.models.lenet("book", seed=0), images),
    ("relu", fc.models.lenet("relu", seed=0), images),
    ("residual", net.eval(), new(4, 3, 40, 40)),
):
    check(f"compile {name}", compiled(net, x))
    for count in (1, 3, len(x)):
        check(f"plan {name}", lambda: kept["plan"](x[:count]))
    kept.clear()
    check(f"inference {name}", lambda: net.eval()(x))
    if name != "residual":  # whose running statistics follow each call
        check(f"training {name}", trained(net, x))
check("weights", lambda: tuple(fc.models.lenet(seed=0).parameters().values()))

def fitted(optimizer, **options):
    def work():
        net = fc.models.lenet("relu", seed=0)
        fc.training.fit(net, (pair, pair), optimizer=optimizer(net, **options), epochs=1, batch_size=33, seed=1)
        return tuple(net.parameters().values())
    return work

pair = rng.integers(0, 256, (100, 1, 28, 28)).astype(np.uint8), np.arange(100) % 10
check("fit, SGD", fitted(fc.training.SGD, lr=0.01, momentum=0.9), 64)  # of a lock's few bytes NumPy says what it likes
check("fit, Adam", fitted(fc.training.Adam, lr=0.01), 64)
image, small = new(20, 30), new(5, 5)
check("correlate2d", lambda: fc.signal.correlate2d(image, small))
check("convolve", lambda: fc.signal.convolve(image, small))

def save():
    fc.training.save_checkpoint("run.npz", net, optimizer, fc.training.State(), {})
    return net[0].weight

def restore():
    fc.training.Checkpoint("run.npz").restore(net, optimizer)
    return net[0].weight

net = fc.models.lenet("relu", seed=0)
optimizer = fc.training.Adam(net, 0.01)
for work in (save, restore):  # likewise of the buffers that NumPy and zipfile make for themselves
    check(work.__name__, work, 4096)
"""

END = """
assert not failures, "\\n".join(failures)
assert tried >= LEAST, f"only {tried} allocations failed"
print(tried)
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    return compiled.library("failing_malloc.c", tmp_path_factory.mktemp("shim"))


@pytest.mark.parametrize(
    "threads, work, least",
    [(1, OPERATORS, 500), (2, LARGE, 400), (1, LARGE, 400), (2, NETWORKS, 300)],
    ids=["operators", "large, two threads", "large, one thread", "networks"],
)
def test_every_allocation_fails_once(shim, tmp_path, threads, work, least):
    script = (
        f"import os\nos.chdir({str(tmp_path)!r})\n"
        + START.replace("THREADS", str(threads))
        + work
        + END.replace("LEAST", str(least))
    )
    process.check(script, env={"LD_PRELOAD": str(shim), "PYTHONPATH": process.path()}, seconds=120)
