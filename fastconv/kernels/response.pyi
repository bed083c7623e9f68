from numpy import ndarray

def local_response_norm_forward(
    input: ndarray, output: ndarray, size: int, alpha: float, beta: float, k: float
) -> None: ...
def local_response_norm_backward(
    grad_output: ndarray, input: ndarray, grad_input: ndarray, size: int, alpha: float, beta: float, k: float
) -> None: ...
