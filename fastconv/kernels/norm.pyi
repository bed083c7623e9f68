from numpy import ndarray

def batch_norm_train(
    input: ndarray, weight: ndarray | None, bias: ndarray | None,
    running_mean: ndarray | None, running_var: ndarray | None, momentum: float, eps: float,
    output: ndarray | None, mean: ndarray, inverse: ndarray,
) -> None: ...
def batch_norm_running(
    running_mean: ndarray, running_var: ndarray, eps: float, mean: ndarray, inverse: ndarray
) -> None: ...
def batch_norm_apply(
    input: ndarray, weight: ndarray | None, bias: ndarray | None, mean: ndarray, inverse: ndarray, output: ndarray
) -> None: ...
