"""doneness (火候): when is the training run done, which checkpoint to keep, and why.

    import doneness

    run = doneness.read("path/to/output")[0]
    found = doneness.diagnose(run)
    print(found.verdict, found.headline, found.recommended_step)

Importing it loads no torch; what needs torch loads it when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from doneness.diagnose import Params, diagnose
    from doneness.integrations.monitor import Monitor
    from doneness.runs import Run, read
    from doneness.stopping import EvidenceRule, PatienceRule, replay
    from doneness.workflows.probe import probe_run
    from doneness.workflows.report import write_report
    from doneness.workflows.train import train_run

_HOMES = {
    "EvidenceRule": "doneness.stopping",
    "Monitor": "doneness.integrations.monitor",
    "Params": "doneness.diagnose",
    "PatienceRule": "doneness.stopping",
    "Run": "doneness.runs",
    "diagnose": "doneness.diagnose",
    "probe_run": "doneness.workflows.probe",
    "read": "doneness.runs",
    "replay": "doneness.stopping",
    "train_run": "doneness.workflows.train",
    "write_report": "doneness.workflows.report",
}

__all__ = [
    "EvidenceRule",
    "Monitor",
    "Params",
    "PatienceRule",
    "Run",
    "__version__",
    "diagnose",
    "probe_run",
    "read",
    "replay",
    "train_run",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'doneness' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_HOMES[name]), name)
    # Importing doneness.diagnose puts the folder of that name here, where the function belongs.
    globals()[name] = found
    return found
