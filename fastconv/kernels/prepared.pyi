from numpy import ndarray

class Prepared:
    def forward(self, *arrays: ndarray) -> None: ...

class Program:
    def __init__(
        self, moves: tuple[tuple[Prepared, tuple[int, ...], int], ...], regions: tuple[ndarray, ...]
    ) -> None: ...
    def forward(self, images: int, input: ndarray, output: ndarray) -> None: ...
