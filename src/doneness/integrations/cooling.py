"""Lowers the learning rate of somebody else's schedule: along a line to zero, where the run ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from doneness.models import require
from doneness.stopping.cooldown import Cooldown


class Lowered:
    """A schedule's function with a cooldown.

    Its state is that of the function inside, so that a checkpoint holds the plan alone; the journal knows the cooldown.
    """

    __slots__ = ("cooldown", "planned")

    def __init__(self, planned: Callable[[int], float], cooldown: Cooldown) -> None:
        self.planned, self.cooldown = planned, cooldown

    def __call__(self, step: int) -> float:
        """The rate relative to its peak after `step` steps."""
        return self.cooldown.lowered(self.planned)(step)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """What torch writes into a checkpoint of a function that is an object."""
        return vars(self.planned)


class Schedule:
    """The learning rate of one training.

    Attributes:
        able: whether it is a function of the steps done alone, which can be put into another: torch's LambdaLR.
        step: of the run, now.
    """

    def __init__(self, scheduler: Any, step: int, engine: bool = False) -> None:
        """Look at it; nothing is changed.

        Args:
            scheduler: of the trainer.
            step: of the run, now.
            engine: whether somebody else (DeepSpeed) steps it.
        """
        self._scheduler, self.step = scheduler, step
        self._planned: list[Any] | None = None
        self.able = not engine and isinstance(scheduler, require("torch").optim.lr_scheduler.LambdaLR)
        self.kind = "DeepSpeed" if engine else type(scheduler).__name__ if scheduler is not None else "this schedule"

    @property
    def rate(self) -> float | None:
        """Of the next step; None where it cannot be told."""
        return float(self._scheduler.get_last_lr()[0]) if self.able else None

    def lower(self, cooldown: Cooldown, step: int, rate: float | None = None) -> None:
        """Put a cooldown over it, by steps of the run; what the rate was it knows."""
        # It may have counted less than the run: mixed precision leaves steps out.
        shift = int(self._scheduler.last_epoch) - step
        own = Cooldown(cooldown.start + shift, cooldown.end + shift)
        self._planned = list(self._scheduler.lr_lambdas)
        self._scheduler.lr_lambdas = [Lowered(each, own) for each in self._planned]

    def turn(self, step: int) -> None:
        """Nothing to do: whoever steps it asks it."""

    def let_go(self) -> None:
        """Leave it as it was."""
        if self._planned is not None:
            self._scheduler.lr_lambdas, self._planned = self._planned, None


class Fixed:
    """A learning rate that nothing changes: set by hand, step by step.

    Attributes:
        able: always.
        kind: of the optimizer.
    """

    def __init__(self, optimizer: Any) -> None:
        self.able, self.kind = True, type(optimizer).__name__
        self._optimizer = optimizer
        self._cooldown: Cooldown | None = None
        self._rates: list[float] = []

    @property
    def rate(self) -> float:
        """Of the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    def lower(self, cooldown: Cooldown, step: int, rate: float | None = None) -> None:
        """Lower it from here on.

        Args:
            cooldown: by steps of the run.
            step: of the run, now.
            rate: what the first group's rate was where it began; by default what it is.
        """
        held = [float(group["lr"]) for group in self._optimizer.param_groups]
        scale = 1.0 if rate is None or not held[0] else rate / held[0]
        self._rates, self._cooldown = [each * scale for each in held], cooldown
        self.turn(step)

    def turn(self, step: int) -> None:
        """Set what it is after `step` steps."""
        if self._cooldown is not None:
            for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * self._cooldown.factor(step)

    def let_go(self) -> None:
        """Leave it as it was."""
        if self._cooldown is not None:
            for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate
        self._cooldown = None
