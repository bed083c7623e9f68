from numpy import ndarray

def pad_forward(
    input: ndarray, output: ndarray, sizes: tuple[int, ...], pads: tuple[int, ...], filling: int, value: float
) -> None: ...
def pad_backward(
    grad_output: ndarray, grad_input: ndarray, sizes: tuple[int, ...], pads: tuple[int, ...], filling: int
) -> None: ...
