"""The learning curve as a picture (matplotlib)."""

from fastconv.training.files import atomic_write

TRAINING, VALIDATION, GRID, TEXT = "#2b6cb0", "#dd6b20", "#e2e8f0", "#2d3748"


def plot_history(history, path, title="Learning curve"):
    """Draw loss and accuracy over the epochs into a PNG file.

    ``history``: a list of EpochResult, not empty. ``path`` is replaced whole or not at all. Raises ImportError without
    matplotlib.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(title, color=TEXT, fontsize=12, fontweight="bold")
    loss, accuracy = figure.subplots(1, 2)
    _panel(loss, history, "loss", 1.0, "loss", "{:.3f}")
    _panel(accuracy, history, "accuracy", 100.0, "accuracy (%)", "{:.1f} %")
    loss.set_ylim(bottom=0)
    accuracy.set_ylim(top=min(accuracy.get_ylim()[1], 101.0))
    accuracy.legend(*accuracy.get_legend_handles_labels(), loc="lower right", frameon=False, labelcolor=TEXT)
    with atomic_write(path) as file:
        canvas.print_png(file)


def _panel(axes, history, quantity, scale, label, form):
    epochs = [result.epoch for result in history]
    marker = "o" if len(epochs) <= 30 else None
    series = [
        (name, colour, [getattr(result, f"{name}_{quantity}") for result in history])
        for name, colour in (("train", TRAINING), ("validation", VALIDATION))
    ]
    series = [
        (name, colour, [value * scale for value in values]) for name, colour, values in series if None not in values
    ]
    for name, colour, values in series:
        axes.plot(
            epochs,
            values,
            color=colour,
            marker=marker,
            markersize=3.5,
            linewidth=1.8,
            label={"train": "training"}.get(name, name),
        )
    name, colour, values = series[-1]
    last = form.format(values[-1])
    axes.set_title(
        f"{quantity}: {last} in {'validation' if name == 'validation' else 'training'}",
        loc="left",
        fontsize=10,
        color=TEXT,
    )
    axes.set_xlabel("epoch", color=TEXT)
    axes.set_ylabel(label, color=TEXT)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if len(epochs) == 1:
        axes.set_xlim(0.5, 1.5)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(colors=TEXT, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#a0aec0")
