"""What every operator must compute: slow, obvious, in float64. Imports nothing of fastconv, on purpose.

A file a family. Functions that sum many products return a Sum: the value, and the sum of the products' magnitudes,
from which tolerance.py derives the error that a correct kernel may make. The others return arrays.

Convolution and pooling loop over output pixels and look at one window at a time; a window is
(N, ..., KH, KW) of the padded image. Axes: n batch, g group, o output channel of the group, c input channel of the
group, kh, kw taps.
"""

from reference.columns import (
    fold,
    unfold,
)
from reference.common import (
    Sum,
    pair,
)
from reference.conv import (
    conv2d,
    conv2d_backward_bias,
    conv2d_backward_input,
    conv2d_backward_weight,
    conv_output_extent,
    conv_padding,
)
from reference.conv_nd import (
    conv,
    conv_backward_bias,
    conv_backward_input,
    conv_backward_weight,
    conv_transpose,
    conv_transpose_backward_input,
    conv_transpose_backward_weight,
)
from reference.dense import (
    linear,
    linear_backward,
    matmul,
)
from reference.local import (
    locally_connected1d,
    locally_connected1d_backward_input,
    locally_connected1d_backward_weight,
    locally_connected2d,
    locally_connected2d_backward_bias,
    locally_connected2d_backward_input,
    locally_connected2d_backward_weight,
)
from reference.pointwise import (
    cross_entropy,
    cross_entropy_backward,
    elu,
    elu_backward,
    gelu,
    gelu_backward,
    leaky_relu,
    leaky_relu_backward,
    log_softmax,
    log_softmax_backward,
    mse_loss,
    mse_loss_backward,
    relu,
    relu6,
    relu6_backward,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    softmax,
    softmax_backward,
    tanh,
    tanh_backward,
)
from reference.pool import (
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    pool_output_extent,
)

__all__ = [
    "Sum",
    "avg_pool2d",
    "avg_pool2d_backward",
    "conv",
    "conv2d",
    "conv2d_backward_bias",
    "conv2d_backward_input",
    "conv2d_backward_weight",
    "conv_backward_bias",
    "conv_backward_input",
    "conv_backward_weight",
    "conv_output_extent",
    "conv_padding",
    "conv_transpose",
    "conv_transpose_backward_input",
    "conv_transpose_backward_weight",
    "cross_entropy",
    "cross_entropy_backward",
    "elu",
    "elu_backward",
    "fold",
    "gelu",
    "gelu_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "linear",
    "linear_backward",
    "locally_connected1d",
    "locally_connected1d_backward_input",
    "locally_connected1d_backward_weight",
    "locally_connected2d",
    "locally_connected2d_backward_bias",
    "locally_connected2d_backward_input",
    "locally_connected2d_backward_weight",
    "log_softmax",
    "log_softmax_backward",
    "matmul",
    "max_pool2d",
    "max_pool2d_backward",
    "mse_loss",
    "mse_loss_backward",
    "pair",
    "pool_output_extent",
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
