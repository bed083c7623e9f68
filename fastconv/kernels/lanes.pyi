from numpy import ndarray

class Network:
    macs: int
    arena_bytes: int
    lanes: int
    def __init__(
        self,
        itemsize: int,
        input_shape: tuple[int, int, int],
        operations: list[tuple],
        gradients: list[tuple[ndarray, ndarray | None]] | None = None,
        winograd: bool = False,
    ) -> None: ...
    def pack(self) -> None: ...
    def forward(self, x: ndarray, y: ndarray) -> None: ...
    def step(
        self,
        images: ndarray,
        labels: ndarray,
        indices: ndarray | None,
        first: int,
        count: int,
        scale: float = 1,
        shift: float = 0,
        down: int = 0,
        right: int = 0,
        squared: bool = False,
        train: bool = True,
    ) -> tuple[float, int] | None: ...
    def profile(
        self, images: ndarray, labels: ndarray | None, scale: float = 1, shift: float = 0
    ) -> tuple[float, list[float], float, list[float]]: ...
