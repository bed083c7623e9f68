"""Batches that repeat one image, as np.broadcast_to makes them: computed once."""

from fastconv import _arguments as args


def once(compute, x, results, *options):
    """compute(x, *results, *options) for the first image of `x` alone, whose results (None: not wanted) are copied."""
    compute(args.contiguous(x[:1]), *(None if each is None else each[:1] for each in results), *options)
    for each in results:
        if each is not None:
            each[1:] = each[:1]
