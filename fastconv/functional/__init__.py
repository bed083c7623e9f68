"""The operators: arrays in, arrays out, under torch.nn.functional's names, positions and semantics.

Every check and every allocation that a user sees happens here; the compiled kernels below validate nothing. Arrays are
float32 or float64 (all of a call alike), any strides, read-only allowed; whatever speaks DLPack on the CPU or the
buffer protocol is taken. Inputs are never written. Results are new C-contiguous arrays, or `out=` where there is one.

Backward functions take the gradient of the output first, then what the forward was given or returned that they need,
then the forward's options.
"""

from fastconv.functional.activation import (
    gelu,
    gelu_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    tanh,
    tanh_backward,
)
from fastconv.functional.conv import conv1d, conv1d_backward, conv2d, conv2d_backward
from fastconv.functional.conv_transpose import (
    conv_transpose1d,
    conv_transpose1d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
)
from fastconv.functional.cross_entropy import cross_entropy, cross_entropy_backward, nll_loss, nll_loss_backward
from fastconv.functional.dropout import dropout, dropout_backward
from fastconv.functional.fold import col2im, fold, im2col, unfold
from fastconv.functional.join import add, cat, cat_backward
from fastconv.functional.linear import linear, linear_backward
from fastconv.functional.local import (
    locally_connected1d,
    locally_connected1d_backward,
    locally_connected2d,
    locally_connected2d_backward,
)
from fastconv.functional.loss import mse_loss, mse_loss_backward
from fastconv.functional.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from fastconv.functional.prelu import prelu, prelu_backward
from fastconv.functional.rectifier import (
    elu,
    elu_backward,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu6,
    relu6_backward,
    relu_backward,
)
from fastconv.functional.softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

__all__ = [
    "add",
    "avg_pool2d",
    "avg_pool2d_backward",
    "cat",
    "cat_backward",
    "col2im",
    "conv1d",
    "conv1d_backward",
    "conv2d",
    "conv2d_backward",
    "conv_transpose1d",
    "conv_transpose1d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "dropout",
    "dropout_backward",
    "elu",
    "elu_backward",
    "fold",
    "gelu",
    "gelu_backward",
    "im2col",
    "leaky_relu",
    "leaky_relu_backward",
    "linear",
    "linear_backward",
    "locally_connected1d",
    "locally_connected1d_backward",
    "locally_connected2d",
    "locally_connected2d_backward",
    "log_softmax",
    "log_softmax_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "mse_loss",
    "mse_loss_backward",
    "nll_loss",
    "nll_loss_backward",
    "prelu",
    "prelu_backward",
    "relu",
    "relu6",
    "relu6_backward",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softmax",
    "softmax_backward",
    "tanh",
    "tanh_backward",
    "unfold",
]
