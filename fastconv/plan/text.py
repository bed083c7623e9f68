"""A plan as text."""


def table(plan):
    """A line a step, with exact numbers, and what they add up to."""
    rows = [("step", "dataflow", "output", "MACs", "bytes")]
    for step in plan.steps:
        rows.append((step.name, step.dataflow, _shape(step.output_shape), f"{step.macs:,}", f"{step.bytes:,}"))
    macs, size = sum(step.macs for step in plan.steps), sum(step.bytes for step in plan.steps)
    rows.append(("total", "", "", f"{macs:,}", f"{size:,}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    for place in (1, len(lines)):
        lines.insert(place, "-" * len(lines[0]))
    title = f"Plan for images of {_shape(plan.input_shape)}, {plan.dtype}, at most {plan.batch} a call"
    below = (
        "MACs and bytes (input, weights, output) of one image.\n"
        f"Arena: {plan.memory:,} bytes. Holds a copy of the weights as they were."
    )
    return "\n".join([title, *lines, below])


def _line(row, widths):
    left = [cell.ljust(width) for cell, width in zip(row[:3], widths[:3], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(row[3:], widths[3:], strict=True)]
    return "  ".join(left + right)


def _shape(shape):
    return "x".join(map(str, shape)) or "scalar"
