from numpy import ndarray

from fastconv.kernels.prepared import Prepared

def conv2d_forward(
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
    dataflow: str | None = None,
) -> None: ...
def conv2d_backward_input(
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
    bias: ndarray | None = None,
    dataflow: str | None = None,
) -> None: ...
def conv2d_backward_weight(
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
    dataflow: str | None = None,
) -> None: ...
def conv_backward_bias(grad_output: ndarray, grad_bias: ndarray) -> None: ...

class Convolution(Prepared):
    dataflow: str
    def __init__(
        self,
        weight: ndarray,
        bias: ndarray | None,
        H: int,
        W: int,
        OH: int,
        OW: int,
        stride_h: int,
        stride_w: int,
        pad_h: int,
        pad_w: int,
        dil_h: int,
        dil_w: int,
        groups: int,
        relu: bool = False,
        dataflow: str | None = None,
        as_lanes: bool = False,
    ) -> None: ...

def conv2d_dataflow(
    weight: ndarray,
    H: int,
    W: int,
    OH: int,
    OW: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dil_h: int,
    dil_w: int,
    groups: int,
    of: str = "output",
) -> tuple[str, list[str]]: ...
