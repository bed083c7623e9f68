"""Names, positions and defaults of arguments are torch's: what is called with positions there is called so here."""

import inspect

import pytest
from specs import OPERATORS
from specs.signatures import KEYWORD_ONLY, OURS, REQUIRED, SIGNATURES

import fastconv.functional as F

ALSO = {"im2col": "unfold", "col2im": "fold"}


@pytest.mark.parametrize("name", OPERATORS)
def test_positions_names_and_defaults(name):
    expected = SIGNATURES[ALSO.get(name, name)]
    keywords = KEYWORD_ONLY.get(name, ())
    ours = inspect.signature(getattr(F, name)).parameters.values()
    found = {each.name: REQUIRED if each.default is each.empty else each.default for each in ours}
    own = [each.name for each in ours if not _positional(each) and each.name not in keywords]
    assert set(own) <= {"out", "seed", "return_statistics"}
    assert [(key, value) for key, value in found.items() if key not in own] == list(expected.items())
    assert [each.name for each in ours if not _positional(each) and each.name not in own] == list(keywords)


@pytest.mark.parametrize("name", [f"{name}_backward" for name, each in OPERATORS.items() if each.backward is not None])
def test_backwards_take_the_gradient_first_and_then_the_forwards_options_in_their_order(name):
    ours = [each for each in inspect.signature(getattr(F, name)).parameters.values() if _positional(each)]
    forward = name.removesuffix("_backward")
    forward = SIGNATURES[ALSO.get(forward, forward)]
    assert ours[0].name == "grad_output"
    shared = [each for each in ours if each.name in forward]
    assert [each.name for each in shared] == [key for key in forward if key in {each.name for each in shared}]
    for each in shared:
        default = REQUIRED if each.default is each.empty else each.default
        assert default == forward[each.name], each.name
    own = {each.name for each in ours[1:]} - set(forward)
    assert own <= {"output", "input_shape", "indices", "output_mask", "sizes"}


@pytest.mark.parametrize("name", [name for name in SIGNATURES if name not in OURS])
def test_the_table_is_torchs(name):
    functional = pytest.importorskip("torch").nn.functional
    theirs = getattr(functional, "_" + name if name.replace("adaptive_", "").startswith("max_pool") else name)
    try:
        parameters = inspect.signature(theirs).parameters.values()
        found = {each.name: REQUIRED if each.default is each.empty else each.default for each in parameters}
    except ValueError:  # written in C++: its documentation begins with the signature
        found = _documented(theirs.__doc__)
    assert list(found.items()) == list(SIGNATURES[name].items())


def _documented(text):
    """The arguments of "name(input, stride=1) -> Tensor" as its first line has them."""
    inside = text.strip().splitlines()[0].split("(", 1)[1].rsplit(")", 1)[0]
    found = {}
    for each in inside.split(", "):
        name, _, default = each.partition("=")
        found[name.strip()] = eval(default) if default else REQUIRED
    return found


def _positional(parameter):
    return parameter.kind is not parameter.KEYWORD_ONLY
