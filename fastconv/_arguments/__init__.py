"""Arguments of the operators: parsing, shape arithmetic, and the words of every error. A file a family.

Nothing compiled is imported here and nothing is computed on the data. The functions are called once per operator call,
and LeNet at batch 1 takes microseconds: the cheap test comes first, and an error is worded only when there is one.

Sizes are Python integers throughout, so no product can wrap; `sizes` refuses what does not fit into 64 bits before
anything is allocated.
"""

from fastconv._arguments.arrays import (
    FLOAT32,
    FLOAT64,
    FLOATS,
    INT64,
    bias,
    contiguous,
    dtype,
    floats,
    foreign,
    gradient,
    integers,
    output,
    repeats,
    same_shape,
)
from fastconv._arguments.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_padding,
    conv_transpose1d,
    conv_transpose2d,
    groups,
)
from fastconv._arguments.dense import (
    flatten,
    flatten_without_batch,
    linear,
    linear_bias,
)
from fastconv._arguments.join import (
    cat,
    cat_sizes,
)
from fastconv._arguments.local import (
    local,
    local_bias,
)
from fastconv._arguments.loss import (
    broadcast,
    class_targets,
    class_weights,
    logits,
    loss_gradient,
    loss_weights,
    reduction,
    smoothing,
)
from fastconv._arguments.norm import (
    batch_statistics,
    channel_groups,
    channels,
    elements,
    response,
    rows,
    running_statistics,
    statistics,
    vector,
)
from fastconv._arguments.numbers import (
    axis,
    choice,
    extents,
    flag,
    integer,
    mask,
    not_inplace,
    number,
    pair,
    position,
    seed,
    shape,
    type_name,
)
from fastconv._arguments.pad import pad
from fastconv._arguments.pool import (
    divisor,
    plane_indices,
    plane_indices_error,
    pool2d,
    pool_padding,
)
from fastconv._arguments.sizes import (
    check_parameters,
)
from fastconv._arguments.windows import (
    fold,
    fold_output,
    unfold,
    unfold_input,
)

__all__ = [
    "FLOAT32",
    "FLOAT64",
    "FLOATS",
    "INT64",
    "axis",
    "batch_statistics",
    "bias",
    "broadcast",
    "cat",
    "cat_sizes",
    "channel_groups",
    "channels",
    "check_parameters",
    "choice",
    "class_targets",
    "class_weights",
    "contiguous",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_padding",
    "conv_transpose1d",
    "conv_transpose2d",
    "divisor",
    "dtype",
    "elements",
    "extents",
    "flag",
    "flatten",
    "flatten_without_batch",
    "floats",
    "fold",
    "fold_output",
    "foreign",
    "gradient",
    "groups",
    "integer",
    "integers",
    "linear",
    "linear_bias",
    "local",
    "local_bias",
    "logits",
    "loss_gradient",
    "loss_weights",
    "mask",
    "not_inplace",
    "number",
    "output",
    "pad",
    "pair",
    "plane_indices",
    "plane_indices_error",
    "pool2d",
    "pool_padding",
    "position",
    "reduction",
    "repeats",
    "response",
    "rows",
    "running_statistics",
    "same_shape",
    "seed",
    "shape",
    "smoothing",
    "statistics",
    "type_name",
    "unfold",
    "unfold_input",
    "vector",
]
