from numpy import ndarray

def conv3d_forward(
    input: ndarray, weight: ndarray, bias: ndarray | None, output: ndarray,
    stride_d: int, stride_h: int, stride_w: int, pad_d: int, pad_h: int, pad_w: int, dil_d: int, dil_h: int, dil_w: int,
    groups: int,
) -> None: ...
def conv3d_backward_input(
    grad_output: ndarray, weight: ndarray, grad_input: ndarray,
    stride_d: int, stride_h: int, stride_w: int, pad_d: int, pad_h: int, pad_w: int, dil_d: int, dil_h: int, dil_w: int,
    groups: int, bias: ndarray | None = None,
) -> None: ...
def conv3d_backward_weight(
    grad_output: ndarray, input: ndarray, grad_weight: ndarray,
    stride_d: int, stride_h: int, stride_w: int, pad_d: int, pad_h: int, pad_w: int, dil_d: int, dil_h: int, dil_w: int,
    groups: int,
) -> None: ...
