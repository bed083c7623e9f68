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
    conv_transpose3d,
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
    unfold,
    unfold_input,
)

__all__ = [
    "FLOAT32",
    "FLOAT64",
    "FLOATS",
    "INT64",
    "axis",
    "bias",
    "broadcast",
    "cat",
    "cat_sizes",
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
    "conv_transpose3d",
    "divisor",
    "dtype",
    "extents",
    "flag",
    "flatten",
    "flatten_without_batch",
    "floats",
    "fold",
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
    "pair",
    "plane_indices",
    "plane_indices_error",
    "pool2d",
    "pool_padding",
    "position",
    "reduction",
    "repeats",
    "same_shape",
    "seed",
    "shape",
    "smoothing",
    "type_name",
    "unfold",
    "unfold_input",
]
