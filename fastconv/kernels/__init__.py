"""The compiled room: drivers in Cython (loops, blocking, packing, threads) over register tiles and transforms in C.

    plan/                              prepares once; calls
      prepared                         operators that need nothing but their arrays, and a program of them: one call
      operators  dense                   those besides `conv`'s
      lanes  lane_forward  lane_backward a network with an image in each lane
    functional/                        checks and allocates; calls
      conv  conv3d                     convolution, and its gradients; `volume`: by convolutions of images
        layer  run                       a layer with its weights packed; the driver of its dataflow, run
        transposed  phases               gradients of inputs
        dataflow                         the choice
        correlation  channels            implicit im2col with pixels, or with output channels, in the lanes
        winograd  winograd_gradient      fewer multiplications: both gradients too, strided filters by their phases
          tiling  planes                   tiles of an image; planes as vectors of channels
        filters  depthwise               filters that each see one channel, and their gradients
        weight_product  weight_gradient  the gradient of the weights
      pool  pool_gradient  pool_volume pooling (`pool_plane`: what they share); adaptive_pool, unpool
      gemm  fold  join  local          dense products; windows; sums and joins; locally connected layers (`local_input`)
      elementwise  softmax             activations, dropout
      class_loss  squares  optimizer   losses, and the step that follows from their gradients
      norm  norm_gradient              batch normalisation (`batch`: what they share)
      row_norm  group_norm  response   within an image: rows, groups of channels, windows of channels
      pad                              padding and cropping of any dimensions
        slab  arrays                   what they share: padded copies of rows; pointers out of arrays
          runtime                      the table of kernels in use, the number of threads, working memory
            src/registry.def  src/kernels/*.c    the kernels, built once an instruction set and element type

Nothing here validates: every array is C-contiguous, aligned, of one dtype, and of the right shape. To add a kernel, add
one file to src/kernels, one line to src/registry.def, and its signature to runtime.pxd, for the drivers to call it.
"""

import os
import sys

if "free-threading build" in sys.version:
    raise ImportError("fastconv does not support free-threaded Python yet; import it in a Python that has the GIL")

# How long the threads of a team spin after a call, in case the next one comes soon: here about half a millisecond.
# GNU's runtime counts rounds (300,000 by itself: 3 to 10 ms of a processor's time after each call), LLVM's milliseconds
# (200 by itself).
_SPINS = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}


def _load():
    """Loads the OpenMP runtime, which reads this from the environment, once. What the user says there counts instead;
    a runtime that something else has loaded before keeps its own."""
    given = {} if {"OMP_WAIT_POLICY", *_SPINS} & os.environ.keys() else _SPINS
    os.environ.update(given)
    try:
        from fastconv.kernels import runtime

        runtime.get_num_threads()  # LLVM's reads it at the first question
    finally:
        for name in given:
            del os.environ[name]


_load()
