"""0, -1, 2^31, 2^62, True, 1.5 and None in the place of every size, of every operator, layer, plan and count.

A result where the size is legitimate; else within a second ValueError or TypeError with an argument's name, in one
line, or MemoryError. The process that tries may have no more than 3 GB of memory.
"""

import json
import sys

import process
import pytest

START = """
import inspect, json, time, warnings
import numpy as np
import fastconv as fc
import fastconv.functional as F
from fastconv import nn
from operators import samples

try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
except (ImportError, ValueError, OSError):  # no such limit on this system
    pass
warnings.simplefilter("ignore")
VALUES = (0, -1, 2**31, 2**62, True, 1.5, None)
tried, failures = 0, []

def attempt(said, names, call, never=False):
    'One call. `names`: some of which an error must hold; `never`: whether there cannot be a result.'
    global tried
    tried += 1
    start = time.perf_counter()
    try:
        call()
        if never:
            failures.append(f"{said}: taken")
    except (ValueError, TypeError) as error:
        text = str(error)
        if "\\n" in text or not any(name in text for name in names):
            failures.append(f"{said}: {error!r} says nothing of {', '.join(names)}")
    except MemoryError:
        pass
    except BaseException as error:
        failures.append(f"{said}: {error!r}")
    if time.perf_counter() - start > 1:
        failures.append(f"{said}: {time.perf_counter() - start:.1f} s")

def forms(value, usual):
    'The value itself, and in each place of a tuple.'
    yield value
    if isinstance(usual, tuple):
        for place in range(len(usual)):
            yield tuple(value if place == each else entry for each, entry in enumerate(usual))
    elif isinstance(usual, int):
        yield from ((value,), (usual, value))

def is_no_size(value):
    return value is True or isinstance(value, float)

def end():
    print(json.dumps([tried, failures]))
"""

OPERATORS = """
SIZES = {
    "stride", "padding", "dilation", "groups", "kernel_size", "output_size", "output_padding", "num_groups", "size",
    "normalized_shape", "input_shape", "pad", "sizes", "divisor_override", "dim", "ignore_index", "seed",
}
found = set()
for name, arguments in samples(np.float32).items():
    function = getattr(F, name.partition(",")[0])
    parameters = inspect.signature(function).parameters
    for argument in SIZES & parameters.keys():
        found.add(argument)
        usual = arguments.get(argument, parameters[argument].default)
        for value in VALUES:
            for form in forms(value, usual):
                changed = arguments | {argument: form}
                names = (*parameters, "output", "column matrix")
                attempt(f"{name}({argument}={form})", names, lambda: function(**changed), is_no_size(value))
assert found == SIZES, SIZES - found
image = np.ones((5, 6), np.float32)
for name in ("correlate", "convolve"):
    for value in VALUES:
        for axes in (value, (value,), (0, value)):
            call = lambda: getattr(fc.signal, name)(image, image, axes=axes)
            attempt(f"{name}(axes={axes})", ["axes"], call, is_no_size(value))
end()
"""

LAYERS = """
ARGUMENTS = {
    **{f"{kind}{rank}d": (2, 3, 3) for kind in ("Conv", "ConvTranspose") for rank in (1, 2, 3)},
    **{f"LocallyConnected{rank}d": (2, 3, 3, 9) for rank in (1, 2)},
    **{f"BatchNorm{rank}d": (3,) for rank in (1, 2, 3)},
    "Linear": (7, 3), "LayerNorm": ((3, 4),), "GroupNorm": (2, 4), "LocalResponseNorm": (3,), "Fold": ((8, 8), 3),
    "Unfold": (3,), "Unflatten": (1, (2, 3)), "Softmax": (1,), "LogSoftmax": (1,),
}
OTHERS = {"Layer", "Parametric", "Affine", "Sequential", "Residual", "Concat", "Identity"}
kinds = {name: kind for name, kind in vars(nn).items() if isinstance(kind, type) and issubclass(kind, nn.Layer)}
for name, kind in kinds.items():
    if name in OTHERS:
        continue
    given = ARGUMENTS.get(name)
    if given is None:
        one = any(word in name for word in ("Pool", "Pad", "Unpool"))
        given = (1, 0.5) if "ConstantPad" in name else (2,) if one else ()
    bound = inspect.signature(kind).bind(*given)
    bound.apply_defaults()
    for argument, usual in bound.arguments.items():
        if isinstance(usual, bool) or not (usual is None or isinstance(usual, (int, tuple))):
            continue
        for value in VALUES:
            for form in forms(value, usual):
                def make():
                    layer = kind(**(bound.arguments | {argument: form}))
                    repr(layer), layer.parameters()
                names = (*bound.arguments, "weight", "bias", "running", "output")
                attempt(f"{name}({argument}={form})", names, make, is_no_size(value))
for value in VALUES:
    attempt(f"set_num_threads({value})", ["n must"], lambda: fc.set_num_threads(value), value != 0 or value is None)
    for name in fc.models.names():
        for argument, names in (("num_classes", ["num_classes", "out_features"]), ("seed", ["seed"])):
            call = lambda: fc.models.build(name, **{argument: value})
            attempt(f"{name}({argument}={value})", names, call, is_no_size(value))
end()
"""

NETWORKS = """
NETWORKS = {
    "lenet": (fc.models.lenet(seed=0), (1, 28, 28)),
    "convolution": (nn.Conv2d(1, 2, 3, padding=1), (1, 28, 28)),
    "pooling": (nn.Sequential(nn.MaxPool2d(2), nn.Flatten()), (1, 28, 28)),
    "adaptive pooling": (nn.AdaptiveAvgPool2d(2**31), (1, 28, 28)),
    "more of it": (nn.Sequential(nn.AdaptiveAvgPool2d(2**62), nn.ReLU()), (1, 28, 28)),
    "padding": (nn.ZeroPad2d(2**31), (1, 28, 28)),
    "branches": (nn.Concat(nn.ReLU(), nn.Residual(nn.Sigmoid())), (1, 28, 28)),
    "activation": (nn.ReLU(), (1, 28, 28)),
    "normalisation": (nn.LayerNorm((28,)), (28,)),
    "nothing": (nn.Identity(), (28,)),
}
names = ["input_shape", "input", "batch", "output"]
for name, (net, usual) in NETWORKS.items():
    for function in (fc.compile, fc.count, lambda net, shape: net.output_shape(shape)):
        for value in VALUES:
            for shape in forms(value, usual):
                attempt(f"{name} of {shape}", names, lambda: function(net, shape), is_no_size(value))
            if function in (fc.compile, fc.count):
                call = lambda: function(net, usual, batch=value)
                attempt(f"{name} by {value}", names, call, is_no_size(value))
end()
"""


@pytest.mark.parametrize("script, least", [(OPERATORS, 4000), (LAYERS, 2000), (NETWORKS, 600)], ids=range(3))
def test_any_number_in_the_place_of_a_size(script, least):
    tried, failures = json.loads(process.check(START + script, env={"PYTHONPATH": process.path()}))
    assert not failures, "\n".join(failures)
    assert tried >= least, tried
    print(f"{tried} calls", file=sys.stderr)
