"""What a network has learned and sees, as a picture (matplotlib): first filters, and the feature maps of an image."""

from pathlib import Path

import numpy as np

from fastconv import nn
from fastconv.plan.compile import leaves
from fastconv.training.curve import GRID, TEXT, TRAINING, VALIDATION
from fastconv.training.files import atomic_write

MOST_TILES = 32  # filters or maps of a layer that are drawn
ACROSS = 8  # of them in a row
MOST_CLASSES = 10  # likeliest classes that are drawn

# inches
TILE, GAP = 0.86, 0.09
MARGIN, HEADING, SPACE = 0.3, 0.27, 0.2
SIDE, GUTTER = 2.5, 0.45  # the column with the image, and what is between it and the maps
BAR = 0.24


def plot_features(trained, path, image=None, title=None):
    """Draw the first layer's filters and, given an image, all feature maps and the probabilities into a file.

    Args:
        trained: a Trained.
        path: the file, whose ending says the format (png, svg, pdf); it is replaced whole or not at all.
        image: uint8 (1, H, W) of the network's input shape, or None.
        title: a line above all; None: the network's and the data set's name.

    Raises:
        ImportError: no matplotlib.
        OSError: the file cannot be written.
        ValueError: an ending that matplotlib does not know.

    Example:
        >>> images = read_images("seven.png", trained.input_shape)
        >>> plot_features(trained, "seven-features.png", images[0])
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    sections = [_filters(trained)]
    if image is not None:
        sections += _maps(trained, image)
    sections = [section for section in sections if section is not None]
    side = 0.0 if image is None else SIDE + GUTTER
    width = 2 * MARGIN + side + ACROSS * (TILE + GAP) - GAP
    shown = min(trained.settings.classes, MOST_CLASSES)
    heights = [HEADING + -(-len(tiles) // ACROSS) * (TILE + GAP) - GAP + SPACE for _, tiles, _ in sections]
    least = 0.0 if image is None else 2 * HEADING + SIDE + SPACE + shown * BAR
    height = 2 * MARGIN + HEADING + SPACE + max(sum(heights) - SPACE, least)

    page = _Page(Figure(figsize=(width, height), dpi=150), width, height, Rectangle)
    page.text(MARGIN, MARGIN, title or str(trained), size=12, weight="bold")
    top = begin = MARGIN + HEADING + SPACE
    if image is not None:
        _side(page, trained, image, begin, shown)
    for (heading, tiles, colours), tall in zip(sections, heights, strict=True):
        _tiles(page, MARGIN + side, top, heading, tiles, colours)
        top += tall
    with atomic_write(path) as file:
        page.figure.savefig(file, format=Path(path).suffix[1:].lower() or "png", dpi=150)


class _Page:
    """A figure measured in inches from its upper left corner."""

    def __init__(self, figure, width, height, rectangle):
        self.figure, self._width, self._height, self.rectangle = figure, width, height, rectangle

    def text(self, x, y, text, **options):
        self.figure.text(
            x / self._width, 1 - y / self._height, text, **({"va": "top", "color": TEXT, "parse_math": False} | options)
        )

    def axes(self, x, y, width, height):
        sizes = x / self._width, 1 - (y + height) / self._height, width / self._width, height / self._height
        axes = self.figure.add_axes(sizes)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color(GRID)
        return axes


def _filters(trained):
    """(heading, tiles, colours) of the first layer with weights, where they are images."""
    shape = trained.input_shape
    for _, layer in leaves(trained.net):
        if isinstance(layer, nn.Conv2d):
            tiles, what = layer.weight.reshape(-1, *layer.kernel_size), "filters"
            break
        if isinstance(layer, nn.Linear) and layer.weight.shape[1] == np.prod(shape):
            tiles, what = layer.weight.reshape(-1, *shape[1:]), "outputs' weights"
            break
    else:
        return None
    most = float(np.abs(tiles).max()) or 1.0
    heading = _counted(f"First layer, {type(layer).__name__}", tiles, what) + "   (blue: negative, red: positive)"
    return heading, tiles[:MOST_TILES], {"cmap": "RdBu_r", "vmin": -most, "vmax": most}


def _maps(trained, image):
    """A section for each layer that gives maps; a convolution counts with the activation behind it."""
    x = trained.prepare(image[None])
    layers = [layer for _, layer in leaves(trained.net)]
    before = ""
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        x = layer(x)
        if x.ndim != 4:
            return
        name = before + type(layer).__name__
        is_pointwise = after is not None and after.output_shape(x.shape[1:]) == x.shape[1:]
        if is_pointwise:
            before = f"{name} + "
            continue
        before = ""
        tiles = x[0]
        colours = {"cmap": "viridis", "vmin": float(tiles.min()), "vmax": float(tiles.max())}
        yield _counted(name, tiles, "maps"), tiles[:MOST_TILES], colours


def _counted(name, tiles, what):
    count, size = len(tiles), f"{tiles.shape[1]} x {tiles.shape[2]}"
    shown = f"{count}" if count <= MOST_TILES else f"{MOST_TILES} of {count}"
    return f"{name}: {shown} {what}, {size}"


def _tiles(page, left, top, heading, tiles, colours):
    """One set of axes for all of them, in inches: a set for each would take seconds."""
    page.text(left, top, heading, size=9.5)
    pitch = TILE + GAP
    width, height = ACROSS * pitch - GAP, -(-len(tiles) // ACROSS) * pitch - GAP
    axes = page.axes(left, top + HEADING, width, height)
    axes.set_axis_off()
    for position, tile in enumerate(tiles):
        row, column = divmod(position, ACROSS)
        x, y = column * pitch, row * pitch
        axes.imshow(tile, interpolation="nearest", extent=(x, x + TILE, y + TILE, y), aspect="auto", **colours)
        axes.add_patch(page.rectangle((x, y), TILE, TILE, fill=False, edgecolor=GRID, clip_on=False))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def _side(page, trained, image, top, shown):
    """The image as the network gets it, and what the network thinks that it is."""
    page.text(MARGIN, top, f"Input, {image.shape[1]} x {image.shape[2]}", size=9.5)
    top += HEADING
    page.axes(MARGIN, top, SIDE, SIDE).imshow(image[0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    top += SIDE + SPACE
    probabilities = trained.probabilities(image[None])[0]
    best = int(probabilities.argmax())
    likeliest = np.sort(np.argsort(-probabilities, kind="stable")[:shown])
    names = [trained.class_name(number) for number in likeliest]
    page.text(MARGIN, top, f"Class: {trained.class_name(best)}, {100 * probabilities[best]:.1f} %", size=9.5)
    top += HEADING
    room = min(1.3, 0.15 + 0.075 * max(map(len, names)))  # for the names, left of the bars
    axes = page.axes(MARGIN + room, top, SIDE - room, shown * BAR)
    colours = [VALIDATION if number == best else TRAINING for number in likeliest]
    axes.barh(range(shown), probabilities[likeliest], color=colours, height=0.7)
    axes.set_yticks(range(shown), names, fontsize=8, color=TEXT, parse_math=False)
    axes.set_ylim(shown - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
