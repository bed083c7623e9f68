"""torch's signatures: the arguments' names in their positions, with their defaults (REQUIRED where there is none).

As torch 2.13 has them; where torch is installed, tests/test_signatures.py compares the table with it.
"""


class Required:
    def __repr__(self):
        return "REQUIRED"


REQUIRED = Required()

_CONV = dict(input=REQUIRED, weight=REQUIRED, bias=None, stride=1, padding=0, dilation=1, groups=1)
_CONV_TRANSPOSE = dict(
    input=REQUIRED, weight=REQUIRED, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
)
_MAX_POOL = dict(
    input=REQUIRED, kernel_size=REQUIRED, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
)
_AVG_POOL1D = dict(
    input=REQUIRED, kernel_size=REQUIRED, stride=None, padding=0, ceil_mode=False, count_include_pad=True
)
_AVG_POOL = dict(**_AVG_POOL1D, divisor_override=None)
_ADAPTIVE_MAX = dict(input=REQUIRED, output_size=REQUIRED, return_indices=False)
_ADAPTIVE_AVG = dict(input=REQUIRED, output_size=REQUIRED)
_UNPOOL = dict(input=REQUIRED, indices=REQUIRED, kernel_size=REQUIRED, stride=None, padding=0, output_size=None)
_INPLACE = dict(input=REQUIRED, inplace=False)
_INPUT = dict(input=REQUIRED)
# torch's softmax has _stacklevel and dtype behind dim
_SOFTMAX = dict(input=REQUIRED, dim=None, _stacklevel=3, dtype=None)
_NLL = dict(
    input=REQUIRED,
    target=REQUIRED,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
)

SIGNATURES = {
    **{f"conv{dims}d": _CONV for dims in (1, 2, 3)},
    **{f"conv_transpose{dims}d": _CONV_TRANSPOSE for dims in (1, 2, 3)},
    **{f"locally_connected{dims}d": _CONV for dims in (1, 2)},
    **{f"max_pool{dims}d": _MAX_POOL for dims in (1, 2, 3)},
    "avg_pool1d": _AVG_POOL1D,
    "avg_pool2d": _AVG_POOL,
    "avg_pool3d": _AVG_POOL,
    **{f"adaptive_max_pool{dims}d": _ADAPTIVE_MAX for dims in (1, 2, 3)},
    **{f"adaptive_avg_pool{dims}d": _ADAPTIVE_AVG for dims in (1, 2, 3)},
    **{f"max_unpool{dims}d": _UNPOOL for dims in (1, 2, 3)},
    "unfold": dict(input=REQUIRED, kernel_size=REQUIRED, dilation=1, padding=0, stride=1),
    "fold": dict(input=REQUIRED, output_size=REQUIRED, kernel_size=REQUIRED, dilation=1, padding=0, stride=1),
    "pad": dict(input=REQUIRED, pad=REQUIRED, mode="constant", value=None),
    "linear": dict(input=REQUIRED, weight=REQUIRED, bias=None),
    "relu": _INPLACE,
    "leaky_relu": dict(input=REQUIRED, negative_slope=0.01, inplace=False),
    "prelu": dict(input=REQUIRED, weight=REQUIRED),
    "relu6": _INPLACE,
    "elu": dict(input=REQUIRED, alpha=1.0, inplace=False),
    "gelu": dict(input=REQUIRED, approximate="none"),
    "silu": _INPLACE,
    "sigmoid": _INPUT,
    "tanh": _INPUT,
    "softmax": _SOFTMAX,
    "log_softmax": _SOFTMAX,
    "batch_norm": dict(
        input=REQUIRED,
        running_mean=REQUIRED,
        running_var=REQUIRED,
        weight=None,
        bias=None,
        training=False,
        momentum=0.1,
        eps=1e-5,
    ),
    "layer_norm": dict(input=REQUIRED, normalized_shape=REQUIRED, weight=None, bias=None, eps=1e-5),
    "group_norm": dict(input=REQUIRED, num_groups=REQUIRED, weight=None, bias=None, eps=1e-5),
    "local_response_norm": dict(input=REQUIRED, size=REQUIRED, alpha=1e-4, beta=0.75, k=1.0),
    "add": dict(input=REQUIRED, other=REQUIRED),
    "cat": dict(tensors=REQUIRED, dim=0),
    "dropout": dict(input=REQUIRED, p=0.5, training=True, inplace=False),
    "cross_entropy": dict(**_NLL, label_smoothing=0.0),
    "nll_loss": _NLL,
    "mse_loss": dict(input=REQUIRED, target=REQUIRED, size_average=None, reduce=None, reduction="mean", weight=None),
}

KEYWORD_ONLY = {"gelu": ("approximate",)}  # of torch's
# Not in torch.nn.functional: the first two in torch, with arguments for other dtypes and for broadcasting besides
OURS = ("add", "cat", "locally_connected1d", "locally_connected2d")
