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


def profile_table(profile):
    """A line a step with its time, its share of all steps, and its rate."""
    total = sum(row.seconds for row in profile.rows) or 1.0
    rows = [("step", "dataflow", "time", "share", "GFLOP/s", "GB/s")]
    for row in profile.rows:
        rate, traffic = (
            f"{what / row.seconds / 1e9:.1f}" if what and row.seconds else "" for what in (row.flops, row.bytes)
        )
        rows.append((row.name, row.dataflow, _duration(row.seconds), f"{row.seconds / total:.1%}", rate, traffic))
    flops = sum(row.flops for row in profile.rows) / profile.seconds / 1e9
    rows.append(("whole call", "", _duration(profile.seconds), "", f"{flops:.1f}", ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths, left=2) for row in rows]
    for place in (1, len(lines)):
        lines.insert(place, "-" * len(lines[0]))
    below = "Times are medians; a step's is a thread's share of it."
    return "\n".join([f"{profile.title}: {profile.summary}", *lines, below])


def _duration(seconds):
    unit, scale = ("us", 1e6) if seconds < 1e-3 else ("ms", 1e3) if seconds < 1 else ("s", 1)
    return f"{seconds * scale:.3g} {unit}"


def _line(row, widths, left=3):
    words = [cell.ljust(width) for cell, width in zip(row[:left], widths[:left], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(row[left:], widths[left:], strict=True)]
    return "  ".join(words + numbers)


def _shape(shape):
    return "x".join(map(str, shape)) or "scalar"
