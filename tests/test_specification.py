"""Networks on a line: what they become, and where they do not parse."""

import pytest

import fastconv as fc
from fastconv import models, nn


def kinds(text, shape=(1, 28, 28)):
    return [type(layer).__name__ for layer in models.parse(text, shape)]


def test_layers_and_their_options():
    net = models.parse(
        "conv 6 5 pad 2; maxpool 3 stride 2 pad 1 ceil; conv 8 3x1 stride 2x1 groups 2 nobias", (1, 28, 28)
    )
    first, pool, last = net
    assert (first.in_channels, first.out_channels, first.kernel_size, first.padding) == (1, 6, (5, 5), (2, 2))
    assert (pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode) == ((3, 3), (2, 2), (1, 1), True)
    assert (last.in_channels, last.groups, last.stride, last.kernel_size) == (6, 2, (2, 1), (3, 1))
    assert "bias" not in last.parameter_shapes()


def test_a_map_is_flattened_before_a_dense_layer():
    assert kinds("dense 10; relu; dense 2") == ["Flatten", "Linear", "ReLU", "Linear"]
    assert kinds("flatten; dense 10") == ["Flatten", "Linear"]
    assert kinds("dense 3", (7,)) == ["Linear"]


def test_branches_and_repeats():
    net = models.parse(
        "conv 8 3 pad same; residual (conv 8 3 pad 1; relu; conv 8 3 pad 1) (conv 8 1); "
        "concat (conv 2 1) (maxpool 3 stride 1 pad 1; conv 3 1); repeat 3 (conv 4 3; relu)",
        (1, 28, 28),
    )
    assert [type(layer).__name__ for layer in net] == ["Conv2d", "Residual", "Concat", *["Conv2d", "ReLU"] * 3]
    assert net.output_shape((1, 28, 28)) == (4, 22, 22)
    assert net[2].output_shape((8, 28, 28)) == (5, 28, 28)


def test_semicolons_may_stand_anywhere_between():
    assert kinds(" ; relu;; tanh ;") == ["ReLU", "Tanh"]


def test_sizes_may_be_of_any_length():
    net = models.parse("conv 3 3 pad 1; dense 7", (10**12, 10**12, 10**12))
    total = fc.count(net, (10**12, 10**12, 10**12)).total
    assert total.parameters == 27 * 10**12 + 3 + 7 * (3 * 10**24 + 1)


def test_weights_follow_a_seed():
    one, same = (models.parse("conv 2 3; dense 3", (1, 6, 6), seed=3, init="xavier").state_dict() for _ in range(2))
    assert all((value == same[key]).all() for key, value in one.items())
    assert not models.parse("conv 2 3", (1, 6, 6), init="xavier").state_dict()["0.bias"].any()


@pytest.mark.parametrize(
    "text, column, token",
    [
        ("", 1, "end"),
        (" ; ", 4, "end"),
        ("cnv 6 5", 1, "cnv"),
        ("relu; Conv 6 5", 7, "Conv"),
        ("conv", 5, "end"),
        ("conv 6", 7, "end"),
        ("conv six 5", 6, "six"),
        ("conv 6 -5", 8, "-5"),
        ("conv 6 5x5x5", 8, "5x5x5"),
        ("conv 6 5 padd 2", 10, "padd"),
        ("conv 6 5 pad", 13, "end"),
        ("conv 6 5 pad 2 pad 3", 16, "pad"),
        ("conv 6 5 relu", 10, "relu"),
        ("relu 5", 6, "5"),
        ("relu; )", 7, ")"),
        ("residual relu", 10, "relu"),
        ("residual (relu", 15, "end"),
        ("repeat x (relu)", 8, "x"),
        ("repeat 0 (relu)", 8, "0"),
        ("repeat 3 (conv 4 11)", 11, "conv"),
        ("dense 10; conv 6 5", 11, "conv"),
        ("conv 6 29", 1, "conv"),
        ("conv 0 3", 1, "conv"),
        ("conv 6 5 groups 4", 1, "conv"),
        ("maxpool 2 stride 0", 1, "maxpool"),
        ("residual (conv 3 3)", 1, "residual"),
        ("concat (conv 3 1) (conv 3 3)", 1, "concat"),
        ("conv 6 " + 41 * "9", 8, 41 * "9"),
        (60 * "residual (" + "relu" + 60 * ")", 510, "("),
        ("repeat 10000 (repeat 10000 (relu))", 29, "relu"),
    ],
)
def test_what_does_not_parse(text, column, token):
    with pytest.raises(models.SpecificationError) as caught:
        models.parse(text, (1, 28, 28))
    message = str(caught.value)
    assert message.startswith(f"column {column}, {token!r}: ") and "\n" not in message
    assert isinstance(caught.value, ValueError)


def test_only_strings():
    with pytest.raises(TypeError, match="text"):
        models.parse(nn.ReLU(), (3,))
