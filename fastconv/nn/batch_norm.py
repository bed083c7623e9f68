"""Batch normalisation layers."""

import numpy as np

from fastconv import _arguments as args
from fastconv import functional as F
from fastconv.nn.parametric import Affine


class _BatchNorm(Affine):
    """What all ranks share; `_ranks` are the numbers of axes that an input may have."""

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        *,
        bias=True,
        dtype=np.float32,
    ):
        self.num_features = args.integer(num_features, "num_features", 1)
        self.eps = args.number(eps, "eps")
        self.momentum = None if momentum is None else args.number(momentum, "momentum")
        self.affine = args.flag(affine, "affine")
        self.track_running_stats = args.flag(track_running_stats, "track_running_stats")
        shape = (self.num_features,)
        super().__init__(shape, self.affine, bias, dtype)
        self._buffers = {}
        if self.track_running_stats:
            self._buffers = {
                "running_mean": np.zeros(shape, self.dtype),
                "running_var": np.ones(shape, self.dtype),
                "num_batches_tracked": np.zeros((), np.int64),
            }

    @property
    def running_mean(self):
        """The live array of the means in eval mode; None where they are not tracked."""
        return self._buffers.get("running_mean")

    @property
    def running_var(self):
        """The live array of the variances in eval mode; None where they are not tracked."""
        return self._buffers.get("running_var")

    @property
    def num_batches_tracked(self):
        """How many batches moved the running statistics, as a live array; None where they are not tracked."""
        return self._buffers.get("num_batches_tracked")

    def buffers(self):
        return dict(self._buffers)

    def forward(self, x):
        x = args.floats(x, "input")
        args.ranks(x.shape, "input", self._ranks)
        args.channels_of(x.shape, 1, self.num_features, "input", "num_features")
        statistics = self.running_mean, self.running_var
        weight, bias = self.weight, self.bias
        batch = self.training or not self.track_running_stats
        if not self.training:
            self._keep()
            return F.batch_norm(x, *statistics, weight, bias, batch, 0.0, self.eps)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.track_running_stats:
            count = int(self.num_batches_tracked) + 1
            if self.momentum is None:  # the mean of all batches
                momentum = 1.0 / count
        y, mean, rstd = F.batch_norm(x, *statistics, weight, bias, True, momentum, self.eps, return_statistics=True)
        if self.track_running_stats:
            self.num_batches_tracked[...] = count
        self._keep(x, mean, rstd)
        return y

    def backward(self, grad_output, need_input_grad=True):
        x, mean, rstd = self._kept()
        mask = self._output_mask(need_input_grad)
        grad_input, *gradients = F.batch_norm_backward(
            grad_output, x, None, None, self.weight, True, self.eps, mask, mean=mean, rstd=rstd
        )
        self._keep_gradients(*gradients)
        return grad_input

    def output_shape(self, input_shape):
        """input_shape itself."""
        sizes = args.shape(input_shape, "input_shape", tuple(rank - 1 for rank in self._ranks))
        args.channels_of(sizes, 0, self.num_features, "input_shape", "num_features")
        return sizes

    def extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={'bias' in self._shapes}, track_running_stats={self.track_running_stats}"
        )

    def _owned(self):
        return super()._owned() | {key: (array.shape, array.dtype) for key, array in self._buffers.items()}

    def _live(self):
        return super()._live() | self._buffers

    def _fill(self, arrays):
        super()._fill(arrays)
        for key, array in self._buffers.items():
            array[...] = arrays[key]


class BatchNorm1d(_BatchNorm):
    """Each channel of (N, C) or (N, C, L) to mean 0 and variance 1, then times its weight plus its bias.

    In training mode mean and variance are those of the batch, and the running ones move towards them; in eval mode they
    are the running ones. The state holds weight, bias, running_mean, running_var and num_batches_tracked.

    Args:
        num_features: the number of channels.
        eps: what is added to the variance.
        momentum: the batch's share of the new running statistics; None: they are the mean over all batches.
        affine: whether there are a weight (ones at first) and a bias (zeros).
        track_running_stats: whether there are running statistics; without them eval mode takes the batch's too.
        bias: False leaves the bias out.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.batch_norm.

    Example:
        >>> BatchNorm1d(16).output_shape((16,))
        (16,)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html
    """

    _ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel of (N, C, H, W) to mean 0 and variance 1, then times its weight plus its bias.

    In training mode mean and variance are those of the batch, and the running ones move towards them; in eval mode they
    are the running ones. The state holds weight, bias, running_mean, running_var and num_batches_tracked.

    Args:
        num_features: the number of channels.
        eps: what is added to the variance.
        momentum: the batch's share of the new running statistics; None: they are the mean over all batches.
        affine: whether there are a weight (ones at first) and a bias (zeros).
        track_running_stats: whether there are running statistics; without them eval mode takes the batch's too.
        bias: False leaves the bias out.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.batch_norm.

    Example:
        >>> BatchNorm2d(16).output_shape((16, 28, 28))
        (16, 28, 28)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html
    """

    _ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Each channel of (N, C, D, H, W) to mean 0 and variance 1, then times its weight plus its bias.

    In training mode mean and variance are those of the batch, and the running ones move towards them; in eval mode they
    are the running ones. The state holds weight, bias, running_mean, running_var and num_batches_tracked.

    Args:
        num_features: the number of channels.
        eps: what is added to the variance.
        momentum: the batch's share of the new running statistics; None: they are the mean over all batches.
        affine: whether there are a weight (ones at first) and a bias (zeros).
        track_running_stats: whether there are running statistics; without them eval mode takes the batch's too.
        bias: False leaves the bias out.
        dtype: np.float32 or np.float64.

    Raises:
        TypeError, ValueError: as functional.batch_norm.

    Example:
        >>> BatchNorm3d(16).output_shape((16, 8, 28, 28))
        (16, 8, 28, 28)

    Source: https://pytorch.org/docs/stable/generated/torch.nn.BatchNorm3d.html
    """

    _ranks = (5,)
