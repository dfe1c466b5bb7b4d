"""Ask every checkpoint the same questions, measure what loss hides, and pick one.

Its names are loaded when they are asked for: choosing a checkpoint needs none of what asks one.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doneness.probe.asking import Asking
    from doneness.probe.choice import explain
    from doneness.probe.panel import Panel, pick_checkpoints
    from doneness.probe.store import Store
    from doneness.probe.suite import Probe, choose_questions, load_suite
    from doneness.probe.table import build_table
    from doneness.probe.vetoes import barred

_HOMES = {
    "Asking": "asking",
    "Panel": "panel",
    "Probe": "suite",
    "Store": "store",
    "barred": "vetoes",
    "build_table": "table",
    "choose_questions": "suite",
    "explain": "choice",
    "load_suite": "suite",
    "pick_checkpoints": "panel",
}

__all__ = [
    "Asking",
    "Panel",
    "Probe",
    "Store",
    "barred",
    "build_table",
    "choose_questions",
    "explain",
    "load_suite",
    "pick_checkpoints",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'doneness.probe' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"doneness.probe.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
