from numpy import ndarray

from fastconv.kernels.prepared import Prepared

class Dense(Prepared):
    def __init__(self, weight: ndarray, bias: ndarray | None, rows: int, relu: bool) -> None: ...
