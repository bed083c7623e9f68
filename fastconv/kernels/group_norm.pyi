from numpy import ndarray

def group_norm_forward(
    input: ndarray, weight: ndarray | None, bias: ndarray | None, groups: int, eps: float,
    output: ndarray, mean: ndarray, inverse: ndarray,
) -> None: ...
def group_norm_backward(
    grad_output: ndarray, input: ndarray, weight: ndarray | None, groups: int, mean: ndarray, inverse: ndarray,
    grad_input: ndarray | None, grad_weight: ndarray | None, grad_bias: ndarray | None,
) -> None: ...
