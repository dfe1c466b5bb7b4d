"""One file per stopping rule."""

from doneness.stopping.rules.evidence import EvidenceRule
from doneness.stopping.rules.patience import PatienceRule

__all__ = ["EvidenceRule", "PatienceRule"]
