"""Our own rules by name. Add a setting: one line in FACTORIES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from bench.verdicts.rules import Cut
from doneness.core import Action, Diagnosis
from doneness.diagnose import Params, diagnose
from doneness.runs import Run
from doneness.stopping import EvidenceRule


@dataclass(frozen=True, slots=True)
class Asked:
    """The diagnosis, asked once at a cut as a person would ask it, not followed from the start."""

    params: Params = field(default_factory=Params)

    def decide(self, run: Run) -> Diagnosis:
        """What `doneness check` says of the run as it stands."""
        return diagnose(run, self.params)


def _evidence(gain: float, sure: float) -> EvidenceRule:
    return EvidenceRule(Params(gain_share=gain, gain_nats=0.0, sure=sure))


Factory = Callable[[], Asked | EvidenceRule]
# By tolerance: the gain, how sure to be that none is left, and the share of the steps that may be run.
GRID: dict[str, tuple[float, tuple[float, ...], float]] = {
    "evidence, gain 1 %": (0.01, (0.64, 0.6, 0.67, 0.75), 0.72),
    "evidence, gain 0": (0.0, (0.64, 0.6, 0.67, 0.75), 0.84),
}


def _name(base: str, sure: float) -> str:
    return base if sure == Params().sure else f"{base}, {100 * sure:.0f} % sure"


FACTORIES: dict[str, Factory] = {
    "diagnosis": Asked,
    "evidence": EvidenceRule,
    **{
        _name(base, sure): partial(_evidence, gain, sure) for base, (gain, levels, _) in GRID.items() for sure in levels
    },
}


def settings(base: str) -> list[str]:
    """The names of a tolerance's settings."""
    return [_name(base, sure) for sure in GRID[base][1]]


@dataclass(frozen=True, slots=True)
class Said:
    """One decision: stop or cool down; the verdict; the checkpoint to keep."""

    stop: bool
    verdict: str
    keep: int | None


def decide(name: str, cut: Cut) -> Said:
    """The decision of one of our rules at a cut."""
    found = FACTORIES[name]().decide(cut.run)
    return Said(found.action is not Action.CONTINUE, found.verdict.value, found.recommended_step)
