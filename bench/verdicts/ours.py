"""Our own rules by name. Add a setting: one line in FACTORIES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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


Factory = Callable[[], Asked | EvidenceRule]
FACTORIES: dict[str, Factory] = {
    "diagnosis": Asked,
    "evidence": EvidenceRule,
    "evidence, gain 1 %": lambda: EvidenceRule(Params(gain_share=0.01, gain_nats=0.0)),
    "evidence, gain 1 %, 70 % sure": lambda: EvidenceRule(Params(gain_share=0.01, gain_nats=0.0, sure=0.7)),
    "evidence, gain 1 %, 80 % sure": lambda: EvidenceRule(Params(gain_share=0.01, gain_nats=0.0, sure=0.8)),
    "evidence, gain 0": lambda: EvidenceRule(Params(gain_share=0.0, gain_nats=0.0)),
}


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
