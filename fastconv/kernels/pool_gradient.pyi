from numpy import ndarray

def max_pool1d_backward(
    grad_output: ndarray, indices: ndarray, grad_input: ndarray, kernel: int, stride: int, pad: int, dil: int
) -> bool: ...
def max_pool2d_backward(
    grad_output: ndarray,
    indices: ndarray,
    grad_input: ndarray,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dil_h: int,
    dil_w: int,
) -> bool: ...
def avg_pool1d_backward(
    grad_output: ndarray, grad_input: ndarray, kernel: int, stride: int, pad: int, count_include_pad: bool
) -> None: ...
def avg_pool2d_backward(
    grad_output: ndarray,
    grad_input: ndarray,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    count_include_pad: bool,
    divisor_override: int,
) -> None: ...
