"""When to stop: rules that train, replay and judge logs alike."""

from doneness.stopping.budget import Budget
from doneness.stopping.outcome import Replayed, outcome
from doneness.stopping.protocol import StopRule
from doneness.stopping.replay import first_stop, replay
from doneness.stopping.rules import EvidenceRule, PatienceRule

__all__ = ["Budget", "EvidenceRule", "PatienceRule", "Replayed", "StopRule", "first_stop", "outcome", "replay"]
