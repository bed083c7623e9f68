"""PReLU and its gradients, with a weight for each channel and with one."""

import numpy as np
import pytest
import reference
from tolerance import assert_close, assert_same_bits, assert_sums

import fastconv as fc
import fastconv.functional as F

# The shape of the input, and of the weight.
SHAPES = [
    ((), (1,)),
    ((), ()),
    ((5,), (1,)),
    ((3, 4), (4,)),
    ((3, 4), (1,)),
    ((2, 3, 5), (3,)),
    ((2, 3, 5, 7), (3,)),
    ((2, 3, 5, 7), ()),
    ((1, 1, 40_000), (1,)),
    ((2, 2, 40_000), (2,)),
    ((700, 33), (33,)),
    ((0, 3), (3,)),
    ((2, 0, 3), (0,)),
    ((2, 1, 3), (1,)),
]


@pytest.mark.parametrize("shape, weights", SHAPES, ids=str)
def test_prelu(shape, weights, dtype, rng, threads):
    x, gy = (np.asarray(rng.standard_normal(shape), dtype) for _ in range(2))
    w = np.asarray(rng.standard_normal(weights), dtype)
    if x.size > 3:
        x.flat[:3] = 0, -0.0, 1e-30
    assert_close(fc.prelu(x, w), reference.prelu(x, w), dtype, ulps=1)
    gx, gw = F.prelu_backward(gy, x, w)
    grad_input, grad_weight, magnitude = reference.prelu_backward(gy, x, w)
    assert_close(gx, grad_input, dtype, ulps=1)
    terms = x.size // max(w.size, 1)
    assert_sums(gw, reference.Sum(grad_weight, magnitude, terms), dtype)
    assert F.prelu_backward(gy, x, w, (False, False)) == (None, None)
    assert_same_bits(F.prelu_backward(gy, x, w, (True, False))[0], gx)
    for count in (1, 2, 3, 7):
        threads(count)
        assert_same_bits(F.prelu_backward(gy, x, w, (False, True))[1], gw)
        assert_same_bits(F.prelu_backward(gy, x, w)[0], gx)


def test_prelu_of_an_image_alone_and_in_a_batch(dtype, rng, threads):
    x, w = rng.standard_normal((7, 13, 171, 53)).astype(dtype), rng.standard_normal(13).astype(dtype)
    threads(3)
    assert_same_bits(fc.prelu(x[4:5], w)[0], fc.prelu(x, w)[4])
    assert_same_bits(fc.prelu(x[:, :, ::-2], w), fc.prelu(x[:, :, ::-2].copy(), w))


@pytest.mark.parametrize(
    "shape, weights", [((2, 3), (2,)), ((3,), (3,)), ((2, 3), (3, 1)), ((2, 3), (1, 1)), ((2, 3), (0,))], ids=str
)
def test_prelu_weights_that_do_not_fit(shape, weights, dtype):
    x, w = np.zeros(shape, dtype), np.zeros(weights, dtype)
    with pytest.raises(ValueError, match="weight"):
        fc.prelu(x, w)
    with pytest.raises(ValueError, match="weight"):
        F.prelu_backward(x, x, w)


def test_prelu_not_a_number(dtype):
    x = np.array([[np.nan, np.inf, -np.inf, -1.0]], dtype)
    w = np.array([1.0, 2.0, 3.0, np.inf], dtype)
    np.testing.assert_array_equal(fc.prelu(x, w), np.array([[np.nan, np.inf, -np.inf, -np.inf]], dtype))


@pytest.mark.parametrize("shape, weights", SHAPES, ids=str)
def test_torch_agrees(shape, weights, dtype, rng):
    torch = pytest.importorskip("torch")
    x, w = (np.asarray(rng.standard_normal(each), dtype) for each in (shape, weights))
    tensor, slope = (torch.from_numpy(each.copy()).requires_grad_() for each in (x, w))
    theirs = torch.nn.functional.prelu(tensor, slope)
    theirs.backward(torch.from_numpy(np.ones_like(x)))
    np.testing.assert_array_equal(fc.prelu(x, w), theirs.detach().numpy())
    gx, gw = F.prelu_backward(np.ones_like(x), x, w)
    np.testing.assert_array_equal(gx, tensor.grad.numpy())
    np.testing.assert_allclose(gw, slope.grad.numpy(), rtol=0, atol=np.finfo(dtype).eps * 8 * x.size)
