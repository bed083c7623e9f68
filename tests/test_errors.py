"""Every wrong argument is a ValueError or TypeError that names the argument and its value."""

import re

import numpy as np
import pytest

import fastconv as fc
import fastconv.functional as F

NAN = float("nan")
BIG = 2**63


def f32(*shape):
    return np.zeros(shape, np.float32)


X, W, B = f32(2, 4, 8, 8), f32(6, 4, 3, 3), f32(6)
CONV = fc.conv2d(X, W)
POOLED, INDICES = fc.max_pool2d(X, 2, return_indices=True)
LOGITS, CLASSES = f32(3, 5), np.array([0, 1, 4])

# Operators with arguments that they take. Each case below changes one of them.
VALID = {
    "conv2d": dict(input=X, weight=W, bias=B, stride=1, padding=0, dilation=1, groups=1),
    "conv2d_backward": dict(grad_output=CONV, input=X, weight=W, stride=1, padding=0, dilation=1, groups=1),
    "max_pool2d": dict(input=X, kernel_size=2, stride=2, padding=0, dilation=1),
    "max_pool2d_backward": dict(
        grad_output=POOLED, indices=INDICES, input_shape=X.shape, kernel_size=2, stride=2, padding=0, dilation=1
    ),
    "avg_pool2d": dict(input=X, kernel_size=2, stride=2, padding=0),
    "avg_pool2d_backward": dict(grad_output=POOLED, input_shape=X.shape, kernel_size=2, stride=2, padding=0),
    "unfold": dict(input=X, kernel_size=3, dilation=1, padding=0, stride=1),
    "fold": dict(input=fc.unfold(X, 3), output_size=(8, 8), kernel_size=3, dilation=1, padding=0, stride=1),
    "linear": dict(input=LOGITS, weight=f32(7, 5), bias=f32(7)),
    "linear_backward": dict(grad_output=f32(3, 7), input=LOGITS, weight=f32(7, 5)),
    "relu": dict(input=X),
    "sigmoid": dict(input=X),
    "tanh": dict(input=X),
    "relu6": dict(input=X),
    "leaky_relu": dict(input=X, negative_slope=0.1),
    "elu": dict(input=X, alpha=1.0),
    "gelu": dict(input=X),
    "silu": dict(input=X),
    "relu_backward": dict(grad_output=X, input=X),
    "sigmoid_backward": dict(grad_output=X, output=X),
    "tanh_backward": dict(grad_output=X, output=X),
    "relu6_backward": dict(grad_output=X, input=X),
    "leaky_relu_backward": dict(grad_output=X, input=X, negative_slope=0.1),
    "elu_backward": dict(grad_output=X, input=X, alpha=1.0),
    "gelu_backward": dict(grad_output=X, input=X),
    "silu_backward": dict(grad_output=X, input=X),
    "softmax": dict(input=LOGITS, dim=1),
    "log_softmax": dict(input=LOGITS, dim=1),
    "softmax_backward": dict(grad_output=LOGITS, output=LOGITS, dim=1),
    "log_softmax_backward": dict(grad_output=LOGITS, output=LOGITS, dim=1),
    "cross_entropy": dict(input=LOGITS, target=CLASSES, label_smoothing=0.0),
    "cross_entropy_backward": dict(grad_output=np.float32(1), input=LOGITS, target=CLASSES, label_smoothing=0.0),
    "mse_loss": dict(input=LOGITS, target=LOGITS),
    "mse_loss_backward": dict(grad_output=np.float32(1), input=LOGITS, target=LOGITS),
}
FORWARD = [name for name in VALID if not name.endswith("_backward")]


def call(operator, **changed):
    return getattr(F, operator)(**(VALID[operator] | changed))


def assert_refused(operator, argument, value, shown=None, also=(), **more):
    """The call raises, and the message names the argument (or another that is as much to blame) and the value."""
    with pytest.raises((ValueError, TypeError)) as caught:
        call(operator, **{argument: value}, **more)
    message = str(caught.value)
    assert any(re.search(rf"\b{name}\b", message) for name in (argument, *also)), message
    if shown is None:
        shown = repr(value)
    message = message.replace("float64", "f8").replace("int32", "i4")
    for token in [shown] if isinstance(shown, str) else shown:
        assert token in message, message
    assert "\n" not in message


@pytest.mark.parametrize("operator", VALID)
def test_the_valid_calls_are_valid(operator):
    call(operator)


# ---- sizes ------------------------------------------------------------------------------------------------------

SIZES = {
    "stride": ["conv2d", "conv2d_backward", "max_pool2d", "max_pool2d_backward", "avg_pool2d", "avg_pool2d_backward",
               "unfold", "fold"],
    "dilation": ["conv2d", "conv2d_backward", "max_pool2d", "max_pool2d_backward", "unfold", "fold"],
    "kernel_size": ["max_pool2d", "max_pool2d_backward", "avg_pool2d", "avg_pool2d_backward", "unfold", "fold"],
    "padding": ["conv2d", "conv2d_backward", "max_pool2d", "max_pool2d_backward", "avg_pool2d", "avg_pool2d_backward",
                "unfold", "fold"],
    "groups": ["conv2d", "conv2d_backward"],
}  # fmt: skip
EVERY_SIZE = [(name, operator) for name, operators in SIZES.items() for operator in operators]


@pytest.mark.parametrize("argument, operator", EVERY_SIZE)
@pytest.mark.parametrize(
    "value",
    [1.5, 1.0, True, False, NAN, float("inf"), "2", b"2", 1j, np.float64(2), np.bool_(True), object, {}, {1, 2}],
    ids=repr,
)
def test_sizes_are_integers(argument, operator, value):
    if argument == "padding" and value == "2":
        pytest.skip("has words of its own")
    assert_refused(operator, argument, value, shown=re.sub(r"np\.\w+\((.*)\)", r"\1", repr(value)))


@pytest.mark.parametrize("argument, operator", EVERY_SIZE)
@pytest.mark.parametrize("value", [-1, (-1, 1), (1, -1), -(2**31), -BIG, np.int64(-3)], ids=repr)
def test_sizes_are_not_negative(argument, operator, value):
    if argument == "groups" and isinstance(value, tuple):
        pytest.skip("groups is one number")
    shown = re.search(r"-\d+", repr(value)).group()
    assert_refused(operator, argument, value, shown)


@pytest.mark.parametrize("argument, operator", [each for each in EVERY_SIZE if each[0] != "padding"])
@pytest.mark.parametrize("value", [0, (0, 1), (1, 0)], ids=repr)
def test_sizes_are_not_zero(argument, operator, value):
    if argument == "groups" and isinstance(value, tuple):
        pytest.skip("groups is one number")
    assert_refused(operator, argument, value, "0")


@pytest.mark.parametrize("argument, operator", EVERY_SIZE)
@pytest.mark.parametrize(
    "value, shown",
    [((1, 1, 1), "1, 1"), ([1, 2.5], "2.5"), ((True, 1), "True"), ((1, None), "None"), ([[1], [1]], "[1]")],
    ids=repr,
)
def test_sizes_are_pairs(argument, operator, value, shown):
    assert_refused(operator, argument, value, shown)


@pytest.mark.parametrize("operator", ["max_pool2d", "avg_pool2d", "unfold", "fold"])
def test_kernel_size_is_needed(operator):
    assert_refused(operator, "kernel_size", None)


@pytest.mark.parametrize("operator", ["conv2d", "unfold", "fold"])
def test_stride_none_is_for_pooling(operator):
    assert_refused(operator, "stride", None)


@pytest.mark.parametrize("value", ["full", "SAME", "", "reflect"])
@pytest.mark.parametrize("operator", ["conv2d", "conv2d_backward"])
def test_unknown_padding_words(operator, value):
    assert_refused(operator, "padding", value)


def test_same_padding_has_no_stride():
    assert_refused("conv2d", "padding", "same", also=["stride"], shown="2", stride=2)


@pytest.mark.parametrize("operator", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize("kernel, padding", [(2, 2), (3, 2), (1, 1), ((4, 2), (2, 2))])
def test_padding_over_half_the_pooling_kernel(operator, kernel, padding):
    assert_refused(operator, "padding", padding, shown="2" if kernel != 1 else "1", kernel_size=kernel)


# ---- shapes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operator, argument, shape, also",
    [
        ("conv2d", "input", (8, 8), ()),
        ("conv2d", "input", (1, 2, 4, 8, 8), ()),
        ("conv2d", "input", (), ()),
        ("conv2d", "input", (2, 5, 8, 8), ("weight",)),
        ("conv2d", "weight", (6, 4, 3), ()),
        ("conv2d", "weight", (6, 4, 3, 3, 3), ()),
        ("conv2d", "weight", (6, 3, 3, 3), ("input",)),
        ("conv2d", "weight", (6, 4, 0, 3), ("kernel_size",)),
        ("conv2d", "weight", (6, 4, 9, 3), ("kernel_size", "input")),
        ("conv2d", "weight", (6, 4, 3, 9), ("kernel_size", "input")),
        ("conv2d", "bias", (5,), ()),
        ("conv2d", "bias", (6, 1), ()),
        ("conv2d", "bias", (), ()),
        ("conv2d_backward", "grad_output", (2, 6, 7, 6), ()),
        ("conv2d_backward", "grad_output", (1, 6, 6, 6), ()),
        ("conv2d_backward", "grad_output", (2, 5, 6, 6), ()),
        ("conv2d_backward", "grad_output", (6, 6, 6), ()),
        ("conv2d_backward", "input", (2, 5, 8, 8), ("weight",)),
        ("conv2d_backward", "weight", (6, 4, 9, 9), ("kernel_size", "input")),
        ("max_pool2d", "input", (8, 8), ()),
        ("max_pool2d", "input", (1, 1, 1, 8, 8), ()),
        ("avg_pool2d", "input", (8, 8), ()),
        ("max_pool2d_backward", "grad_output", (2, 4, 4, 5), ()),
        ("max_pool2d_backward", "grad_output", (2, 4, 4), ()),
        ("avg_pool2d_backward", "grad_output", (2, 4, 4, 5), ()),
        ("unfold", "input", (8, 8), ()),
        ("fold", "input", (2, 36, 35), ()),
        ("fold", "input", (2, 35, 36), ()),
        ("fold", "input", (36,), ()),
        ("linear", "input", (3, 4), ("weight",)),
        ("linear", "input", (), ()),
        ("linear", "weight", (7, 5, 1), ()),
        ("linear", "bias", (6,), ()),
        ("linear_backward", "grad_output", (3, 6), ()),
        ("linear_backward", "grad_output", (2, 7), ()),
        ("relu_backward", "grad_output", (2, 4, 8, 7), ()),
        ("sigmoid_backward", "output", (2, 4, 8, 7), ("grad_output",)),
        ("tanh_backward", "output", (2, 4, 8, 7), ("grad_output",)),
        ("softmax_backward", "output", (3, 4), ("grad_output",)),
        ("cross_entropy", "input", (), ()),
        ("cross_entropy", "input", (4, 5), ("target",)),
        ("cross_entropy_backward", "grad_output", (3,), ()),
    ],
)
def test_wrong_shapes(operator, argument, shape, also):
    shown = () if not shape else (str(shape[-1]) if len(shape) == 1 else str(shape),)
    if also:
        shown = ()  # the message may show either of two arrays
    assert_refused(operator, argument, f32(*shape), shown=shown, also=also)


@pytest.mark.parametrize("operator", ["max_pool2d", "avg_pool2d", "unfold"])
def test_kernel_larger_than_the_padded_input(operator):
    assert_refused(operator, "kernel_size", (2, 9), shown="9")
    assert_refused(operator, "kernel_size", (9, 2), shown="9")


def test_dilated_kernel_larger_than_the_padded_input():
    for operator in ("max_pool2d", "conv2d", "unfold"):
        assert_refused(operator, "dilation", 8, shown="8", also=["kernel_size", "weight"])


@pytest.mark.parametrize("groups, weight", [(3, (6, 1, 3, 3)), (4, (6, 1, 3, 3)), (2, (6, 4, 3, 3)), (8, (8, 1, 3, 3))])
@pytest.mark.parametrize("operator", ["conv2d", "conv2d_backward"])
def test_groups_that_do_not_divide(operator, groups, weight):
    assert_refused(operator, "groups", groups, weight=f32(*weight), **({"bias": None} if operator == "conv2d" else {}))


@pytest.mark.parametrize(
    "shape",
    [
        (2, 4, 8), (2, 4, 8, 8, 8), (3, 4, 8, 8), (2, 4, 8, -8), 8, None, (2, 4, 8.0, 8), (2, 4, True, 8),
        (2, 4, 13, 8),  # a size from which no output of this shape comes
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("operator", ["max_pool2d_backward", "avg_pool2d_backward"])
def test_wrong_input_shapes(operator, shape):
    assert_refused(operator, "input_shape", shape, shown=(), also=["grad_output"])


@pytest.mark.parametrize("size", [(9, 9), (7, 8), (8, 8, 8), 0, -8, 8.0, True, None, (BIG, BIG)], ids=repr)
def test_wrong_output_sizes(size):
    assert_refused("fold", "output_size", size, shown=(), also=["input"])


@pytest.mark.parametrize("mask", [(True, True), (1, 1, 1), True, None, "abc", (True, True, True, True)], ids=repr)
@pytest.mark.parametrize("operator", ["conv2d_backward", "linear_backward"])
def test_wrong_output_masks(operator, mask):
    assert_refused(operator, "output_mask", mask, shown=())


@pytest.mark.parametrize("value", [0, 1.5, True, NAN, "2", 2**70], ids=repr)
@pytest.mark.parametrize("operator", ["avg_pool2d", "avg_pool2d_backward"])
def test_wrong_divisors(operator, value):
    assert_refused(operator, "divisor_override", value)


@pytest.mark.parametrize("value", [2, -3, 1.5, True, "1", (0, 1)], ids=repr)
@pytest.mark.parametrize("operator", ["softmax", "log_softmax", "softmax_backward", "log_softmax_backward"])
def test_wrong_dims(operator, value):
    assert_refused(operator, "dim", value)


@pytest.mark.parametrize(
    "argument, value",
    [
        ("target", np.zeros(3, np.float32)),
        ("target", np.zeros((3, 1), np.int64)),
        ("target", np.zeros((), np.int64)),
        ("target", np.zeros(3, bool)),
        ("target", "abc"),
        ("target", np.array([0, 5, 1])),
        ("weight", f32(4)),
        ("weight", np.ones(5)),
        ("weight", f32(5, 1)),
        ("label_smoothing", -0.1),
        ("label_smoothing", 1.1),
        ("label_smoothing", NAN),
        ("label_smoothing", "0"),
        ("ignore_index", 1.5),
        ("reduction", "average"),
        ("reduction", None),
    ],
    ids=str,
)
@pytest.mark.parametrize("operator", ["cross_entropy", "cross_entropy_backward"])
def test_wrong_loss_arguments(operator, argument, value):
    assert_refused(
        operator, argument, value, shown=() if isinstance(value, np.ndarray) or argument == "target" else None
    )


@pytest.mark.parametrize(
    "indices",
    [INDICES.astype(np.float32), INDICES[..., :3], INDICES[0], INDICES - 1, INDICES + 64, None],
    ids=["float", "shape", "rank", "negative", "outside", "None"],
)
def test_wrong_indices(indices):
    assert_refused("max_pool2d_backward", "indices", indices, shown=())


# ---- arrays -----------------------------------------------------------------------------------------------------

NOT_IMAGES = {
    "int64": (lambda a: a.astype(np.int64), "int64"),
    "uint8": (lambda a: a.astype(np.uint8), "uint8"),
    "bool": (lambda a: a.astype(bool), "bool"),
    "float16": (lambda a: a.astype(np.float16), "float16"),
    "longdouble": (lambda a: a.astype(np.longdouble), "float|longdouble"),
    "complex64": (lambda a: a.astype(np.complex64), "complex64"),
    "object": (lambda a: a.astype(object), "object"),
    "string": (lambda a: a.astype("U3"), "U3|str"),
    "byte-swapped": (lambda a: a.astype(np.dtype(np.float32).newbyteorder("S")), "byte|endian|>f4|<f4"),
    "None": (lambda a: None, "None"),
    "number": (lambda a: 3.5, "3.5|float"),
    "text": (lambda a: "image", "image|str"),
    "dict": (lambda a: {}, "dict|{}"),
}
ARRAYS = [
    (operator, argument)
    for operator, arguments in VALID.items()
    for argument, value in arguments.items()
    if isinstance(value, np.ndarray) and value.dtype.kind == "f"
]


@pytest.mark.parametrize("operator, argument", ARRAYS)
@pytest.mark.parametrize("kind", NOT_IMAGES)
def test_arrays_of_other_types(operator, argument, kind):
    make, shown = NOT_IMAGES[kind]
    if kind == "None" and argument == "bias":
        pytest.skip("no bias")
    if argument == "target" and kind in ("int64", "uint8"):
        pytest.skip("class indices")
    with pytest.raises((ValueError, TypeError)) as caught:
        call(operator, **{argument: make(VALID[operator][argument])})
    message = str(caught.value)
    assert re.search(rf"\b{argument}\b", message), message
    assert re.search(shown, message), message


@pytest.mark.parametrize(
    "operator, argument", [(o, a) for o, a in ARRAYS if sum(o == other for other, _ in ARRAYS) > 1]
)
def test_mixed_dtypes(operator, argument):
    with pytest.raises((ValueError, TypeError)) as caught:
        call(operator, **{argument: VALID[operator][argument].astype(np.float64)})
    assert "float64" in str(caught.value) and "float32" in str(caught.value)


# ---- out= -------------------------------------------------------------------------------------------------------

WITH_OUT = ["conv2d", "max_pool2d", "avg_pool2d", "linear", "relu", "sigmoid", "tanh", "elu", "gelu"]


def fresh(operator):
    return np.zeros_like(call(operator))


@pytest.mark.parametrize("operator", WITH_OUT)
def test_out_of_the_wrong_kind(operator):
    out = fresh(operator)
    for wrong, shown in [
        (out[..., :-1].copy(), str((*out.shape[:-1], out.shape[-1] - 1))),
        (out[None].copy(), str((1, *out.shape))),
        (out.astype(np.float64), "f8"),  # also written float64
        (out.astype(np.int32), "i4"),
        ([1, 2], "list"),
        ("out", "str"),
    ]:
        assert_refused(operator, "out", wrong, shown=shown)
    readonly = out.copy()
    readonly.flags.writeable = False
    assert_refused(operator, "out", readonly, shown=())


@pytest.mark.parametrize("operator", WITH_OUT)
def test_out_that_overlaps_an_input(operator):
    for argument, value in VALID[operator].items():
        if not isinstance(value, np.ndarray):
            continue
        shape, size = fresh(operator).shape, fresh(operator).size
        memory = np.zeros(size + value.size, np.float32)
        given = memory[: value.size].reshape(value.shape)
        for start in (0, value.size - 1):
            out = memory[start : start + size].reshape(shape)
            assert_refused(operator, "out", out, shown=(), **{argument: given})
        beside = memory[value.size :].reshape(shape)
        call(operator, **{argument: given}, out=beside)


def test_out_is_keyword_only():
    with pytest.raises(TypeError):
        fc.conv2d(X, W, B, 1, 0, 1, 1, CONV)


# ---- sizes that overflow ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [2**31, 2**40, 2**61, 2**62, 2**63 - 1, BIG, 2**64, 10**30], ids=str)
@pytest.mark.parametrize("argument, operator", EVERY_SIZE)
def test_huge_sizes_are_refused_or_right(argument, operator, value):
    """No wrap-around, no crash: a huge stride leaves one window, everything else huge cannot be."""
    try:
        result = call(operator, **{argument: value})
    except (ValueError, TypeError) as error:
        assert re.search(rf"\b({argument}|kernel_size|input|weight|grad_output|output_size|input_shape)\b", str(error))
    except MemoryError:
        assert argument == "padding"
    else:
        assert argument == "stride" and operator in ("conv2d", "max_pool2d", "avg_pool2d", "unfold")
        assert result.shape[-1] == 1


@pytest.mark.parametrize("padding", [2**31, 2**33, 2**61, 2**62], ids=str)
@pytest.mark.parametrize("operator", ["conv2d", "unfold"])
def test_output_whose_size_overflows(operator, padding):
    assert_refused(operator, "padding", padding, shown=(), also=["input", "weight", "output"])


def test_images_larger_than_memory():
    """Stride 0 makes them cheap to have; their columns and outputs are not to be had."""
    huge = np.broadcast_to(np.float32(1), (2**15, 2**15, 2**14, 2**14))
    for attempt in (
        lambda: fc.conv2d(huge, f32(1, 2**15, 1, 1)),
        lambda: fc.max_pool2d(huge, 1),
        lambda: fc.avg_pool2d(huge, 1),
        lambda: fc.unfold(huge, 3),
        lambda: fc.relu(huge),
    ):
        with pytest.raises((ValueError, MemoryError)):
            attempt()


# ---- names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operator", VALID)
def test_unknown_keywords(operator):
    with pytest.raises(TypeError):
        call(operator, strides=2)


@pytest.mark.parametrize("operator", FORWARD)
def test_nothing_at_all(operator):
    with pytest.raises(TypeError):
        getattr(F, operator)()
