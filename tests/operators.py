"""A call of every operator of fastconv.functional, for the tests that all of them must pass: shapes are uneven and
small, but an argument has over 2.7 KB in float64, so that a copy of it shows.

A name may stand several times, with a comma and what is special about it. An operator that is missing here is a failure
of test_arrays.py, so a new one gets its line when it is added.
"""

import numpy as np

import fastconv as fc
import fastconv.functional as F


def samples(dtype):
    """{name: keyword arguments}; each ndarray of one dimension or more among them is an argument that is an array."""
    rng = np.random.default_rng(11)

    def new(*shape):
        return rng.standard_normal(shape).astype(dtype)

    x, rows, classes = new(2, 4, 9, 10), new(55, 7), rng.integers(0, 7, 55)
    signal, turn = new(2, 4, 91), dict(stride=2, padding=1, groups=2)
    volume = new(2, 4, 5, 6, 7)
    conv = dict(stride=(2, 1), padding=1, groups=2)
    pool = dict(kernel_size=3, stride=(2, 1), padding=1)
    pooled, indices = fc.max_pool2d(x, **pool, return_indices=True)
    columns = fc.unfold(x, 3, padding=1)
    pooled_volume = new(2, 4, 8, 7, 9)
    weight = np.abs(new(7)) + dtype(0.5)
    return {
        "conv1d": dict(input=signal, weight=new(6, 2, 5), bias=new(6), **turn),
        "conv1d_backward": dict(grad_output=new(2, 6, 45), input=signal, weight=new(6, 2, 5), **turn),
        "conv2d": dict(input=x, weight=new(6, 2, 3, 3), bias=new(6), **conv),
        "conv2d, 1x1": dict(input=x, weight=new(5, 4, 1, 1), bias=new(5)),
        "conv2d, one image": dict(input=x[1], weight=new(5, 4, 3, 3), padding="same"),
        "conv2d_backward": dict(grad_output=new(2, 6, 5, 10), input=x, weight=new(6, 2, 3, 3), **conv),
        "conv3d": dict(input=volume, weight=new(6, 2, 3, 3, 3), bias=new(6), **turn),
        "conv3d, slices": dict(input=volume, weight=new(5, 4, 1, 3, 3), bias=new(5)),
        "conv3d_backward": dict(grad_output=new(2, 6, 3, 3, 4), input=volume, weight=new(6, 2, 3, 3, 3), **turn),
        "conv_transpose1d": dict(input=signal, weight=new(4, 3, 5), bias=new(6), **turn),
        "conv_transpose1d_backward": dict(grad_output=new(2, 6, 183), input=signal, weight=new(4, 3, 5), **turn),
        "conv_transpose2d": dict(input=x, weight=new(4, 3, 3, 3), bias=new(6), output_padding=(1, 0), **conv),
        "conv_transpose2d_backward": dict(grad_output=new(2, 6, 17, 10), input=x, weight=new(4, 3, 3, 3), **conv),
        "conv_transpose3d": dict(input=volume, weight=new(4, 3, 3, 3, 3), bias=new(6), output_padding=1, **turn),
        "conv_transpose3d_backward": dict(
            grad_output=new(2, 6, 9, 11, 13), input=volume, weight=new(4, 3, 3, 3, 3), **turn
        ),
        "max_pool2d": dict(input=x, **pool, return_indices=True),
        "max_pool2d, one image": dict(input=x[0], kernel_size=2),
        "max_pool2d_backward": dict(grad_output=new(*pooled.shape), indices=indices, input_shape=x.shape, **pool),
        "avg_pool2d": dict(input=x, **pool),
        "avg_pool2d_backward": dict(grad_output=new(*pooled.shape), input_shape=x.shape, **pool),
        **pooling_samples({1: signal, 2: x, 3: pooled_volume}, new),
        "unfold": dict(input=x, kernel_size=3, padding=1),
        "im2col": dict(input=x, kernel_size=2),
        "fold": dict(input=columns, output_size=(9, 10), kernel_size=3, padding=1),
        "col2im": dict(input=columns, output_size=(9, 10), kernel_size=3, padding=1),
        "linear": dict(input=new(21, 37), weight=new(13, 37), bias=new(13)),
        "linear, images": dict(input=x, weight=new(3, 10)),
        "linear_backward": dict(grad_output=new(21, 13), input=new(21, 37), weight=new(13, 37)),
        **{name: dict(input=x) for name in ("relu", "relu6", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh")},
        **{
            f"{name}_backward": dict(grad_output=new(*x.shape), input=x)
            for name in ("relu", "relu6", "leaky_relu", "elu", "gelu", "silu")
        },
        "gelu, tanh": dict(input=x, approximate="tanh"),
        "prelu": dict(input=x, weight=new(4)),
        "prelu, one weight": dict(input=x, weight=new(1)),
        "prelu_backward": dict(grad_output=new(*x.shape), input=x, weight=new(4)),
        "dropout": dict(input=x, p=0.3, seed=7),
        "dropout_backward": dict(grad_output=new(*x.shape), p=0.3, seed=7),
        "sigmoid_backward": dict(grad_output=new(*x.shape), output=fc.sigmoid(x)),
        "tanh_backward": dict(grad_output=new(*x.shape), output=fc.tanh(x)),
        "softmax": dict(input=x, dim=-1),
        "softmax, channels": dict(input=x, dim=1),
        "softmax_backward": dict(grad_output=new(*x.shape), output=fc.softmax(x, 1), dim=1),
        "log_softmax": dict(input=x, dim=-1),
        "log_softmax_backward": dict(grad_output=new(55, 7), output=fc.log_softmax(rows, -1), dim=-1),
        "cross_entropy": dict(input=rows, target=classes, weight=weight),
        "cross_entropy, probabilities": dict(input=rows, target=fc.softmax(new(55, 7), -1), reduction="none"),
        "cross_entropy_backward": dict(grad_output=dtype(1), input=rows, target=classes, weight=weight),
        "locally_connected1d": dict(input=signal, weight=new(6, 2, 5, 45), bias=new(6, 45), **turn),
        "locally_connected1d_backward": dict(
            grad_output=new(2, 6, 45), input=signal, weight=new(6, 2, 5, 45), stride=2, padding=1, groups=2
        ),
        "locally_connected2d": dict(input=x, weight=new(6, 2, 3, 3, 5, 10), bias=new(6, 5, 10), **conv),
        "locally_connected2d_backward": dict(
            grad_output=new(2, 6, 5, 10), input=x, weight=new(6, 2, 3, 3, 5, 10), **conv
        ),
        "add": dict(input=x, other=new(*x.shape)),
        "cat": dict(tensors=(x, new(2, 3, 9, 10)), dim=1),
        "cat_backward": dict(grad_output=x, sizes=(1, 3), dim=1),
        "batch_norm": dict(input=x, running_mean=new(4), running_var=weight[:4], weight=new(4), bias=new(4)),
        "batch_norm_backward": dict(
            grad_output=new(*x.shape), input=x, running_mean=new(4), running_var=weight[:4], weight=new(4)
        ),
        "layer_norm": dict(input=x, normalized_shape=(9, 10), weight=new(9, 10), bias=new(9, 10)),
        "layer_norm_backward": dict(grad_output=new(*x.shape), input=x, normalized_shape=(9, 10), weight=new(9, 10)),
        "group_norm": dict(input=x, num_groups=2, weight=new(4), bias=new(4)),
        "group_norm_backward": dict(grad_output=new(*x.shape), input=x, num_groups=2, weight=new(4)),
        "local_response_norm": dict(input=x, size=3),
        "local_response_norm_backward": dict(grad_output=new(*x.shape), input=x, size=3),
        "pad": dict(input=x, pad=(1, 2)),
        "pad, reflect": dict(input=x, pad=(1, 2, 3, 0), mode="reflect"),
        "pad_backward": dict(grad_output=new(2, 4, 9, 13), input_shape=x.shape, pad=(1, 2)),
        "unfold_backward": dict(grad_output=new(*columns.shape), input_shape=x.shape, kernel_size=3, padding=1),
        "im2col_backward": dict(grad_output=new(*columns.shape), input_shape=x.shape, kernel_size=3, padding=1),
        "fold_backward": dict(grad_output=x, output_size=(9, 10), kernel_size=3, padding=1),
        "col2im_backward": dict(grad_output=x, output_size=(9, 10), kernel_size=3, padding=1),
        "nll_loss": dict(input=rows, target=classes, weight=weight),
        "nll_loss_backward": dict(grad_output=dtype(1), input=rows, target=classes, weight=weight),
        "mse_loss": dict(input=rows, target=new(55, 7)),
        "mse_loss, weights": dict(input=x, target=new(*x.shape), weight=new(*x.shape), reduction="none"),
        "mse_loss_backward": dict(grad_output=new(55, 7), input=rows, target=new(55, 7), reduction="none"),
    }


def pooling_samples(inputs, new):
    """Of the pooling of signals and volumes, and in any dimension of the adaptive one and of max_unpool."""
    found = {}
    for dims, x in inputs.items():
        options = dict(kernel_size=3, stride=2, padding=1)
        pooled, indices = getattr(fc, f"max_pool{dims}d")(x, **options, return_indices=True)
        gradient = dict(grad_output=new(*pooled.shape))
        if dims != 2:
            found |= {
                f"max_pool{dims}d": dict(input=x, **options, return_indices=True),
                f"max_pool{dims}d_backward": gradient | dict(indices=indices, input_shape=x.shape, **options),
                f"avg_pool{dims}d": dict(input=x, **options),
                f"avg_pool{dims}d_backward": gradient | dict(input_shape=x.shape, **options),
            }
        found |= {
            f"max_unpool{dims}d": dict(input=new(*x.shape), indices=new_places(x.shape, dims), kernel_size=2),
            f"max_unpool{dims}d_backward": dict(
                grad_output=new(*x.shape[:2], *(2 * size for size in x.shape[2:])),
                indices=new_places(x.shape, dims),
                input_shape=x.shape,
                kernel_size=2,
            ),
        }
        pooled, indices = getattr(fc, f"adaptive_max_pool{dims}d")(x, outs := {1: 50, 2: 7, 3: 4}[dims], True)
        gradient = dict(grad_output=new(*pooled.shape), input_shape=x.shape)
        found |= {
            f"adaptive_max_pool{dims}d": dict(input=x, output_size=outs, return_indices=True),
            f"adaptive_max_pool{dims}d_backward": dict(indices=indices, **gradient),
            f"adaptive_avg_pool{dims}d": dict(input=x, output_size=outs),
            f"adaptive_avg_pool{dims}d_backward": gradient,
        }
    return found


def new_places(shape, dims):
    """For each of a plane's elements an index of its own in a plane of twice the size along each axis."""
    return np.broadcast_to(np.arange(np.prod(shape[2:])).reshape(shape[2:]), shape) * 2**dims


NAMES = tuple(samples(np.float32))


def call(name, arguments):
    return getattr(F, name.partition(",")[0])(**arguments)


def arrays(arguments):
    """The names of those that are arrays."""
    return [name for name, value in arguments.items() if isinstance(value, np.ndarray)]


def many(result):
    """The arrays of a result, whether it is one, a scalar or a tuple with gaps."""
    results = result if isinstance(result, tuple) else (result,)
    return [np.asarray(each) for each in results if each is not None]
