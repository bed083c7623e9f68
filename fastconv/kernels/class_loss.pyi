from numpy import ndarray

def forward(
    input: ndarray,
    target: ndarray,
    weight: ndarray | None,
    losses: ndarray | None,
    has_probabilities: bool,
    outer: int,
    classes: int,
    inner: int,
    ignored: int,
    smoothing: float,
    take_softmax: bool,
    mean: bool,
) -> float | None: ...
def backward(
    gradient: ndarray | None,
    factor: float,
    mean: bool,
    input: ndarray,
    target: ndarray,
    weight: ndarray | None,
    grad_input: ndarray,
    has_probabilities: bool,
    outer: int,
    classes: int,
    inner: int,
    ignored: int,
    smoothing: float,
    take_softmax: bool,
) -> bool: ...
