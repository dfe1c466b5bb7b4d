"""One file per stopping rule."""

from doneness.stopping.rules.behaviour import BehaviourRule
from doneness.stopping.rules.evidence import EvidenceRule
from doneness.stopping.rules.patience import PatienceRule

__all__ = ["BehaviourRule", "EvidenceRule", "PatienceRule"]
