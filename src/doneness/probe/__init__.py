"""Ask every checkpoint the same questions, measure what loss hides, and pick one."""

from doneness.probe.choice import barred, explain
from doneness.probe.panel import Asking, ask_all, pick_checkpoints
from doneness.probe.suite import Probe, choose_questions, load_suite
from doneness.probe.table import build_table

__all__ = [
    "Asking",
    "Probe",
    "ask_all",
    "barred",
    "build_table",
    "choose_questions",
    "explain",
    "load_suite",
    "pick_checkpoints",
]
