from numpy import ndarray

def local_forward(
    input: ndarray,
    weight: ndarray,
    bias: ndarray | None,
    output: ndarray,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dil_h: int,
    dil_w: int,
    groups: int,
) -> None: ...
def local_backward_input(
    grad_output: ndarray,
    weight: ndarray,
    grad_input: ndarray,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dil_h: int,
    dil_w: int,
    groups: int,
) -> None: ...
def local_backward_weight(
    grad_output: ndarray,
    input: ndarray,
    grad_weight: ndarray,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dil_h: int,
    dil_w: int,
    groups: int,
) -> None: ...
def local_backward_bias(grad_output: ndarray, grad_bias: ndarray) -> None: ...
