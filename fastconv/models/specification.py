"""Networks written on a line: "conv 6 5 pad 2; sigmoid; avgpool 2; ..."."""

import re
from typing import NamedTuple

import numpy as np

from fastconv import _arguments as args
from fastconv import nn

_LONGEST_SHOWN = 60  # characters of a word, in an error
_MOST_LAYERS, _DEEPEST = 10_000, 50  # of a line that somebody means
_TOKEN = re.compile(r"[;()]|[^\s;()]+")
_SIZE = re.compile(r"\d{1,40}(?:x\d{1,40})?")


class SpecificationError(ValueError):
    """What does not parse, with its column (from 1) and the token there."""


class _Token(NamedTuple):
    text: str
    column: int

    def error(self, message) -> SpecificationError:
        text = self.text if len(self.text) <= _LONGEST_SHOWN else self.text[:_LONGEST_SHOWN] + "..."
        return SpecificationError(f"column {self.column}, {text!r}: {message}")


def parse(text, input_shape, *, init="torch", seed=None, dtype=np.float32):
    """The network that a line describes. Layers are separated by semicolons; channels and features in follow from the
    input's shape. Nothing is drawn yet.

    ::

        conv OUT SIZE       with: stride S, pad P (or same), dilation D, groups G, nobias
        local OUT SIZE      the same, with weights of its own for each pixel
        maxpool SIZE        with: stride S, pad P, dilation D, ceil
        avgpool SIZE        with: stride S, pad P, ceil
        globalavgpool       one pixel a channel
        dense OUT           with: nobias; a map is flattened first
        relu, sigmoid, tanh, relu6, elu, gelu, silu, softmax, batchnorm, flatten, dropout [P]
        residual ( ... )    with: ( ... ) for the shortcut
        concat ( ... ) ( ... )
        repeat N ( ... )

    Sizes are "5" or "3x5".

    Args:
        text: the line.
        input_shape: (C, H, W), or (features,).
        init, dtype: as the layers take them.
        seed: an integer for the same weights every time, or None.

    Returns:
        An nn.Sequential.

    Raises:
        SpecificationError: a ValueError that names the column and the token.

    Example:
        >>> net = parse("conv 6 5 pad 2; sigmoid; avgpool 2; dense 10", (1, 28, 28))
        >>> net.output_shape((1, 28, 28))
        (10,)

    Source: none; the words are those of "Dive into Deep Learning", chapter 7
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {type(text).__name__}")
    parser = _Parser(text, {"init": init, "dtype": dtype})
    with args.without_limits():
        layers, _ = parser.sequence(args.shape(tuple(input_shape), "input_shape", None, 1), "")
        if not layers:
            raise parser.next.error("expected a layer")
        return nn.Sequential(*layers, seed=seed)


class _Parser:
    """The tokens, and the place that has been reached."""

    def __init__(self, text, drawn):
        self._tokens = [_Token(match[0], match.start() + 1) for match in _TOKEN.finditer(text)]
        self._tokens.append(_Token("", len(text) + 1))  # the end
        self._at = self._made = self._depth = 0
        self.drawn = drawn

    @property
    def next(self) -> _Token:
        token = self._tokens[self._at]
        return token if token.text else _Token("end", token.column)

    @property
    def _ended(self) -> bool:
        return not self._tokens[self._at].text

    def take(self) -> _Token:
        token = self.next
        self._at += not self._ended
        return token

    def taken(self, text) -> bool:
        """Whether the next token is this one, which is then passed."""
        found = not self._ended and self.next.text == text
        self._at += found
        return found

    def size(self, what):
        """An integer or a pair."""
        token = self.next
        if self._ended or not _SIZE.fullmatch(token.text):
            raise token.error(f"expected {what}, an integer or two as in 3x5")
        self._at += 1
        numbers = tuple(map(int, token.text.split("x")))
        return numbers[0] if len(numbers) == 1 else numbers

    def integer(self, what):
        token = self.next
        if self._ended or not token.text.isdecimal() or len(token.text) > 40:
            raise token.error(f"expected {what}, an integer")
        self._at += 1
        return int(token.text)

    def options(self, sizes, flags=()):
        """The options that follow, in any order, each once: those with a size, and those without."""
        found = {}
        while not self._ended and self.next.text not in (";", ")", "("):
            token = self.take()
            if token.text in found:
                raise token.error("stands twice")
            if token.text in flags:
                found[token.text] = True
            elif token.text == "pad" and "same" in flags and self.taken("same"):
                found["pad"] = "same"
            elif token.text in sizes:
                found[token.text] = self.size(f"the {token.text}")
            else:
                known = [*sizes, *(flag for flag in flags if flag != "same")]
                raise token.error(f"expected ';' or one of {', '.join(known)}" if known else "expected ';'")
        return found

    def sequence(self, shape, closing):
        """(layers, the shape behind them) up to the closing token; "" is the end of the text."""
        layers = []
        while True:
            while self.taken(";"):
                pass
            if self._ended or self.next.text == ")":
                break
            for layer in self._layer(shape):
                layers.append(layer)
                shape = layer.output_shape(shape)
            if not self._ended and self.next.text not in (";", ")"):
                raise self.next.error("expected ';'")
        if not closing and not self._ended:
            raise self.next.error("closes nothing")
        if closing and not self.taken(closing):
            raise self.next.error(f"expected {closing!r}")
        return layers, shape

    def block(self, shape, what):
        """The layers between brackets, and the shape behind them."""
        token = self.next
        if not self.taken("("):
            raise token.error(f"expected '(' and {what}")
        if self._depth == _DEEPEST:
            raise token.error(f"brackets stand in more than {_DEEPEST} others")
        self._depth += 1
        found = self.sequence(shape, ")")
        self._depth -= 1
        return found

    def again(self, count, shape):
        """The layers between brackets `count` times, each time behind those before."""
        start, layers = self._at, []
        for _ in range(count):
            self._at = start
            here, shape = self.block(shape, "what is repeated")
            layers += here
        return layers

    def _layer(self, shape):
        token = self.take()
        self._made += 1
        if self._made > _MOST_LAYERS:
            raise token.error(f"there are more than {_MOST_LAYERS:,} layers")
        if token.text not in WORDS:
            raise token.error(f"unknown layer; expected one of {', '.join(WORDS)}")
        try:
            layers = WORDS[token.text](self, shape)
            for layer in layers:
                shape = layer.output_shape(shape)
        except SpecificationError:
            raise
        except (TypeError, ValueError) as error:
            raise token.error(f"{error}; it stands behind a shape of {'x'.join(map(str, shape))}") from None
        return layers


def _image(shape, what):
    if len(shape) != 3:
        raise ValueError(f"{what} wants an image of channels, rows and columns")
    return shape


def _windows(parser):
    out, size = parser.integer("the channels out"), parser.size("the window")
    found = parser.options(("stride", "pad", "dilation", "groups"), ("nobias", "same"))
    groups = found.get("groups", 1)
    options = found.get("stride", 1), found.get("pad", 0), found.get("dilation", 1), groups, "nobias" not in found
    return out, size, options


def _conv(parser, shape):
    out, size, options = _windows(parser)
    return [nn.Conv2d(_image(shape, "conv")[0], out, size, *options, **parser.drawn)]


def _local(parser, shape):
    out, size, options = _windows(parser)
    C, *pixels = _image(shape, "local")
    return [nn.LocallyConnected2d(C, out, size, tuple(pixels), *options, **parser.drawn)]


def _max_pool(parser, shape):
    size = parser.size("the window")
    found = parser.options(("stride", "pad", "dilation"), ("ceil",))
    options = found.get("stride"), found.get("pad", 0), found.get("dilation", 1)
    return [nn.MaxPool2d(size, *options, ceil_mode="ceil" in found)]


def _avg_pool(parser, shape):
    size = parser.size("the window")
    found = parser.options(("stride", "pad"), ("ceil",))
    return [nn.AvgPool2d(size, found.get("stride"), found.get("pad", 0), "ceil" in found)]


def _dense(parser, shape):
    out = parser.integer("the features out")
    found = parser.options((), ("nobias",))
    flat = [nn.Flatten()] if len(shape) > 1 else []
    features = flat[0].output_shape(shape)[0] if flat else shape[0]
    return [*flat, nn.Linear(features, out, "nobias" not in found, **parser.drawn)]


def _batch_norm(parser, shape):
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    return [kind(shape[0], dtype=parser.drawn["dtype"])]


def _dropout(parser, shape):
    token = parser.next
    try:
        p = float(token.text)
    except ValueError:
        return [nn.Dropout()]
    parser.take()
    return [nn.Dropout(p)]


def _residual(parser, shape):
    main, _ = parser.block(shape, "the branch")
    shortcut = parser.block(shape, "the shortcut")[0] if parser.next.text == "(" else None
    if shortcut is not None:
        shortcut = shortcut[0] if len(shortcut) == 1 else nn.Sequential(*shortcut)
    return [nn.Residual(*main, shortcut=shortcut)]


def _concat(parser, shape):
    branches = [parser.block(shape, "a branch")[0]]
    while parser.next.text == "(":
        branches.append(parser.block(shape, "a branch")[0])
    return [nn.Concat(*(layers[0] if len(layers) == 1 else nn.Sequential(*layers) for layers in branches))]


def _repeat(parser, shape):
    token = parser.next
    count = parser.integer("how often")
    if not 1 <= count <= _MOST_LAYERS:
        raise token.error(f"expected 1 to {_MOST_LAYERS:,}")
    return parser.again(count, shape)


def _plain(kind, *arguments):
    return lambda parser, shape: [kind(*arguments)]


WORDS = {
    "conv": _conv,
    "local": _local,
    "maxpool": _max_pool,
    "avgpool": _avg_pool,
    "globalavgpool": _plain(nn.AdaptiveAvgPool2d, 1),
    "dense": _dense,
    "linear": _dense,
    "batchnorm": _batch_norm,
    "dropout": _dropout,
    "flatten": _plain(nn.Flatten),
    "relu": _plain(nn.ReLU),
    "sigmoid": _plain(nn.Sigmoid),
    "tanh": _plain(nn.Tanh),
    "relu6": _plain(nn.ReLU6),
    "elu": _plain(nn.ELU),
    "gelu": _plain(nn.GELU),
    "silu": _plain(nn.SiLU),
    "softmax": _plain(nn.Softmax, 1),
    "residual": _residual,
    "concat": _concat,
    "repeat": _repeat,
}
