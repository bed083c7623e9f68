"""What a file or a run can get wrong. Each message is one line, fit to be shown as it is."""


class DataError(ValueError):
    """A data file is missing, broken, or says something that cannot be true."""


class CheckpointError(ValueError):
    """A checkpoint is broken or belongs to another network, optimizer or data set."""


class NonFiniteLoss(ArithmeticError):
    """The loss became infinite or NaN; ``epoch`` and ``step`` (both from 1; step None: in validation) say where."""

    def __init__(self, loss, epoch, step=None):
        where = f"epoch {epoch}, step {step}" if step is not None else f"the validation after epoch {epoch}"
        super().__init__(f"the loss became {loss} in {where}; a smaller learning rate usually helps")
        self.loss, self.epoch, self.step = loss, epoch, step


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came while ``fit`` was running; the step that was under way has been finished.

    ``state`` is where it stopped: hand it to ``fit`` again, or save it, and the run goes on as if nothing had been.
    """

    def __init__(self, state):
        super().__init__(f"interrupted in epoch {state.epoch + 1} after {state.step} steps")
        self.state = state
