from numpy import ndarray

def max_pool3d_forward(
    input: ndarray, output: ndarray, indices: ndarray | None, geometry: tuple[int, ...]
) -> None: ...
def avg_pool3d_forward(
    input: ndarray, output: ndarray, geometry: tuple[int, ...], count_include_pad: bool, divisor_override: int
) -> None: ...
def avg_pool3d_backward(
    grad_output: ndarray, grad_input: ndarray, geometry: tuple[int, ...], count_include_pad: bool, divisor_override: int
) -> None: ...
