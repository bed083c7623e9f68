"""A compiled network: what is called."""

import numpy as np

from fastconv import _arguments as args
from fastconv.plan import profile
from fastconv.plan.arena import Arena, bind, lay_out, timed
from fastconv.plan.lanes import LEAST_IMAGES

_KEPT = 32  # sizes of a batch that stay bound

_ndarray = np.ndarray
_empty = np.empty


class Plan:
    """A network prepared for inference by fastconv.compile. It holds a copy of the weights as they were then.

    Threads may share a plan. Calls of one that has an arena wait for each other; a plan of a single step has none,
    unless it has its images in the lanes.

    Attributes:
        steps: a tuple of Step: name, dataflow, input_shape, output_shape, macs, bytes.
        input_shape, output_shape: without the batch.
        batch: the largest number of images a call.
        dtype: of input and output.
        memory: bytes of the arena, which holds all intermediate tensors; with images in the lanes also of one thread's.

    Example:
        >>> plan = fc.compile(fc.nn.Conv2d(1, 6, 5, padding=2), (1, 28, 28))
        >>> plan(np.zeros((1, 28, 28), np.float32)).shape
        (6, 28, 28)
    """

    def __init__(self, title, nodes, input_shape, output_shape, batch, dtype, in_lanes=None):
        self.steps = tuple(node.step for node in nodes)
        self.input_shape = input_shape
        self.output_shape = output_shape
        self.batch = batch
        self.dtype = dtype
        self._title = title
        self._moves = lay_out(nodes)
        self._arena = Arena(self._moves, batch, dtype)
        self._in_lanes = in_lanes
        self._bound = {}  # input shape -> (run, output shape)
        self._bind((batch, *input_shape))

    @property
    def memory(self):
        return self._arena.bytes + (self._in_lanes.memory if self._in_lanes else 0)

    def __call__(self, x, out=None):
        """The network's output for `x`.

        Args:
            x: (N, *input_shape) with N at most `batch`, or input_shape; of the plan's dtype. Never written.
            out: a C-contiguous array for the result, which must not overlap x.

        Returns:
            A new array (N, *output_shape) or output_shape, or `out`.

        Raises:
            TypeError: x is no array of the plan's dtype.
            ValueError: another shape, more images than `batch`, or an `out` that does not fit.
        """
        # A LeNet layer takes microseconds: what fits is recognised by one look into a dictionary.
        if type(x) is not _ndarray or x.dtype is not self.dtype:
            x = args.floats(x, "input", self, "plan")
        bound = self._bound.get(x.shape) or self._bind(x.shape)
        run, shape = bound
        y = _empty(shape, self.dtype) if out is None else args.output(out, shape, self.dtype, x)
        run(x if x.flags.carray else args.contiguous(x), y)  # which leaves alone what may only be read
        return y

    def profile(self, x, seconds=0.5):
        """Where the time of a call goes, step by step.

        Args:
            x: as a call takes it.
            seconds: that are spent on measuring, at least.

        Returns:
            A Profile: print() shows each step's time, share and rate. Steps are timed one after the other; with images
            in the lanes on one thread, of whose time each thread has its share.

        Raises:
            What a call raises; ValueError for no images, or seconds that are not above 0.

        Example:
            >>> plan = fc.compile(fc.models.lenet(seed=0), (1, 28, 28))
            >>> [row.name for row in plan.profile(np.zeros((1, 28, 28), np.float32), 0.01).rows][:2]
            ['0 Conv2d + 1 ReLU', '2 MaxPool2d']
        """
        seconds = args.positive(seconds, "seconds")
        y = self(x)
        x = args.contiguous(args.floats(x, "input", self, "plan"))
        images = 1 if x.shape == self.input_shape else len(x)
        if not images:
            raise ValueError(f"input has shape {x.shape}, expected at least one image to profile")
        if self._in_lanes and images >= LEAST_IMAGES:
            return profile.of_lanes(self, self._in_lanes, self._title, x, y, images, seconds)
        steps = [move.step for move in self._moves]
        measure = timed(self._moves, self._arena, images, x.shape, y.shape)
        return profile.of_steps(self._title, steps, lambda: self(x, out=y), lambda: measure(x, y), images, seconds)

    def _bind(self, shape):
        """Checks the input's shape, and keeps what is to be called for it."""
        inner = self.input_shape
        if shape != inner and shape[1:] != inner:
            raise ValueError(f"input has shape {shape}, expected {('N', *inner)} or {inner}")
        unbatched = shape == inner
        images = 1 if unbatched else shape[0]
        if images > self.batch:
            raise ValueError(
                f"input has {images} images (shape {shape}), more than the plan's batch (={self.batch}): "
                f"compile with batch={images}, or call it with parts"
            )
        output_shape = self.output_shape if unbatched else (images, *self.output_shape)
        if not images:
            run = _nothing
        elif self._in_lanes and images >= LEAST_IMAGES:
            run = self._in_lanes.forward
        else:
            run = bind(self._moves, self._arena, images, shape, output_shape)
        if len(self._bound) >= _KEPT:
            self._bound.clear()
        self._bound[shape] = bound = run, output_shape
        return bound

    def __repr__(self):
        return (
            f"Plan({self._title}, input_shape={self.input_shape}, batch={self.batch}, dtype={self.dtype}, "
            f"memory={self.memory}; a copy of the weights as they were)"
        )

    def __str__(self):
        from fastconv.plan import text

        return text.table(self)


def _nothing(x, y):
    """An empty batch."""
