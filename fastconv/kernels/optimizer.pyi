from numpy import ndarray

def sgd_step(
    parameter: ndarray, gradient: ndarray, velocity: ndarray | None, rate: float, momentum: float, decay: float
) -> None: ...
def adam_step(
    parameter: ndarray,
    gradient: ndarray,
    mean: ndarray,
    square: ndarray,
    rate: float,
    beta1: float,
    beta2: float,
    scale: float,
    eps: float,
    decay: float,
) -> None: ...
