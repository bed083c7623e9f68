"""Random arguments: the same for the same seed, of every kind that an operator must take."""

import numpy as np


class Draw:
    """A source of arguments. `small` says what an image's axes may be; tests of threads draw larger ones."""

    def __init__(self, *seed, dtype=np.float32):
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)

    def integer(self, low, high):
        """Between low and high, both included."""
        return int(self.rng.integers(low, high + 1))

    def choice(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def chance(self, probability=0.5):
        return bool(self.rng.random() < probability)

    def number(self, low, high):
        return float(self.rng.uniform(low, high))

    def sizes(self, count, low, high):
        return tuple(self.integer(low, high) for _ in range(count))

    def per_axis(self, dims, low, high):
        """An option of a layer with `dims` axes: a number for all of them, or one each, as tuple or list."""
        if self.chance():
            return self.integer(low, high)
        values = self.sizes(dims, low, high)
        return list(values) if self.chance(0.2) else values

    def batch(self, low=1, high=3):
        """The axis of the batch, or none."""
        return () if self.chance(0.25) else (self.integer(low, high),)

    def floats(self, *shape, low=None, high=None):
        """Normal or uniform numbers; now and then whole ones (so that there are ties and zeros), or far apart."""
        if low is not None:
            values = self.rng.uniform(low, high, shape)
        else:
            kind = self.integer(0, 9)
            values = self.rng.standard_normal(shape)
            if kind == 0:
                values = np.rint(values)
            elif kind == 1:
                values = values * 2.0 ** self.rng.integers(-12, 12, shape)
        return self.lay(np.asarray(values, self.dtype))

    def integers(self, low, high, shape, kinds=(np.int64, np.int64, np.int32, np.uint8)):
        """Indices between low and high, both included."""
        kind = np.int64 if low < 0 or high > 255 else self.choice(*kinds)
        return self.rng.integers(low, high + 1, shape).astype(kind)

    def lay(self, array):
        """The same values in another layout, now and then: axes in Fortran's order, gaps, backwards, read-only."""
        kind = self.integer(0, 11)
        if array.ndim == 0 or kind > 4:
            return array
        if kind == 0:
            return np.asfortranarray(array)
        if kind == 1:
            wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), 99, array.dtype)
            wide[..., ::2] = array
            return wide[..., ::2]
        if kind == 2:
            return np.ascontiguousarray(array[::-1])[::-1]
        if kind == 3:
            return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
        array = array.copy()
        array.flags.writeable = False
        return array


def per_axis(value, dims):
    """An option as one number an axis."""
    values = tuple(value) if np.ndim(value) else (value,)
    return values * dims if len(values) == 1 else values
