"""How fast fastconv is, beside its peers and under the machine's roofline.

    layer    one layer: sizes, notation, cost          worker/   a process that holds one library and times it
    layers   the named layers of real networks         process   that process seen from here
    operators  a call of each operator                 run       all libraries in turns
    networks  whole networks, as others can build them  by_layer  a network's layers, timed one by one
    modes    what is timed against whom                report    the outcome as data
    sweep    random plausible layers                   text, picture, profile_picture  the outcome to look at
    machine  what it was measured on

>>> from fastconv import benchmark
>>> mode = benchmark.MODES["plain"]
>>> report = benchmark.measure([(mode, layer) for layer in benchmark.select("vgg-512*")], threads=2)
"""

from . import networks
from .layer import Layer, parse
from .layers import LAYERS, select
from .modes import DEFAULT_MODES, MODES, Mode, parse_modes
from .networks import Network
from .operators import CALLS, Call
from .report import Report, Result, Roofline, Timing, from_json
from .run import measure
from .sweep import sample

__all__ = [
    "CALLS",
    "DEFAULT_MODES",
    "LAYERS",
    "MODES",
    "Call",
    "Layer",
    "Mode",
    "Network",
    "Report",
    "Result",
    "Roofline",
    "Timing",
    "from_json",
    "measure",
    "networks",
    "parse",
    "parse_modes",
    "sample",
    "select",
]
