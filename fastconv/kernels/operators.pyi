from numpy import ndarray

from fastconv.kernels.prepared import Prepared

class Pointwise(Prepared):
    def __init__(self, function: int, parameter: float, elements: int, itemsize: int) -> None: ...

class Pooling(Prepared):
    def __init__(
        self,
        mean: bool,
        itemsize: int,
        planes: int,
        H: int,
        W: int,
        OH: int,
        OW: int,
        kernel_h: int,
        kernel_w: int,
        stride_h: int,
        stride_w: int,
        pad_h: int,
        pad_w: int,
        dil_h: int = 1,
        dil_w: int = 1,
        count_include_pad: bool = False,
        divisor_override: int = 0,
    ) -> None: ...

class Scaling(Prepared):
    def __init__(
        self,
        itemsize: int,
        C: int,
        L: int,
        weight: ndarray | None,
        bias: ndarray | None,
        mean: ndarray,
        inverse: ndarray,
    ) -> None: ...

class Sum(Prepared):
    def __init__(self, elements: int, itemsize: int) -> None: ...
