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
from fastconv.functional.batch_norm import batch_norm, batch_norm_backward
from fastconv.functional.conv import conv1d, conv1d_backward, conv2d, conv2d_backward
from fastconv.functional.conv_transpose import (
    conv_transpose1d,
    conv_transpose1d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
)
from fastconv.functional.fold import (
    col2im,
    col2im_backward,
    fold,
    fold_backward,
    im2col,
    im2col_backward,
    unfold,
    unfold_backward,
)
from fastconv.functional.join import add, cat, cat_backward
from fastconv.functional.linear import linear, linear_backward
from fastconv.functional.local import (
    locally_connected1d,
    locally_connected1d_backward,
    locally_connected2d,
    locally_connected2d_backward,
)
from fastconv.functional.local_response import local_response_norm, local_response_norm_backward
from fastconv.functional.loss import cross_entropy, cross_entropy_backward, mse_loss, mse_loss_backward
from fastconv.functional.norm import group_norm, group_norm_backward, layer_norm, layer_norm_backward
from fastconv.functional.pad import pad, pad_backward
from fastconv.functional.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
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
    "batch_norm",
    "batch_norm_backward",
    "cat",
    "cat_backward",
    "col2im",
    "col2im_backward",
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
    "elu",
    "elu_backward",
    "fold",
    "fold_backward",
    "gelu",
    "gelu_backward",
    "group_norm",
    "group_norm_backward",
    "im2col",
    "im2col_backward",
    "layer_norm",
    "layer_norm_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "linear",
    "linear_backward",
    "local_response_norm",
    "local_response_norm_backward",
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
    "pad",
    "pad_backward",
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
    "unfold_backward",
]
