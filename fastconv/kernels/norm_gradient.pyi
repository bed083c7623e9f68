from numpy import ndarray

def batch_norm_backward(
    grad_output: ndarray, input: ndarray, weight: ndarray | None, mean: ndarray, inverse: ndarray, training: bool,
    grad_input: ndarray | None, grad_weight: ndarray | None, grad_bias: ndarray | None,
) -> None: ...
