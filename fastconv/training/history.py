"""What a run has done so far: plain numbers, and exactly what it takes to go on."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class EpochResult:
    """Figures of one epoch. Training loss and accuracy are means over the epoch, while the weights were changing.

    The validation's are None without validation data. ``images_per_second`` counts training alone.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    images_per_second: float

    def as_dict(self):
        """The fields by name, in order."""
        return dataclasses.asdict(self)


@dataclasses.dataclass
class State:
    """Where a run stands: ``epoch`` epochs are finished, then ``step`` steps of the next one, in which the sum of the
    losses, the number of right answers and the seconds are those of the images seen so far."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seconds: float = 0.0
    history: list[EpochResult] = dataclasses.field(default_factory=list)

    def begin_epoch(self, epoch):
        self.epoch, self.step, self.loss_sum, self.correct, self.seconds = epoch, 0, 0.0, 0, 0.0

    def as_dict(self):
        """For JSON, which keeps floats exactly."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values):
        """The opposite of ``as_dict``. ValueError if a field is missing, unknown or of another type."""
        names = {"epoch": int, "step": int, "loss_sum": float, "correct": int, "seconds": float, "history": list}
        if not isinstance(values, dict) or values.keys() != names.keys():
            raise ValueError("state: other fields than expected")
        for name, kind in names.items():
            if type(values[name]) is not kind or (kind is int and values[name] < 0):
                raise ValueError(f"state: {name} is {values[name]!r}")
        if len(values["history"]) != values["epoch"]:
            raise ValueError(f"state: {len(values['history'])} results of {values['epoch']} epochs")
        return cls(**(values | {"history": [_result(entry, i) for i, entry in enumerate(values["history"], 1)]}))


def _result(entry, epoch):
    names = [field.name for field in dataclasses.fields(EpochResult)]
    is_valid = (
        isinstance(entry, dict)
        and list(entry) == names
        and entry["epoch"] == epoch
        and all(
            type(value) in (int, float) or (value is None and name.startswith("validation"))
            for name, value in entry.items()
        )
    )
    if not is_valid:
        raise ValueError(f"state: the result of epoch {epoch} is {entry!r:.80}")
    return EpochResult(**entry)
