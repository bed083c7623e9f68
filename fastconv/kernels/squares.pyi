from numpy import ndarray

def squares(input: ndarray, target: ndarray, weight: ndarray | None, output: ndarray) -> None: ...
def sum_squares(input: ndarray, target: ndarray, weight: ndarray | None, divisor: float) -> float: ...
def backward(
    gradient: ndarray | None,
    factor: float,
    divisor: float,
    input: ndarray,
    target: ndarray,
    weight: ndarray | None,
    grad_input: ndarray,
) -> None: ...
