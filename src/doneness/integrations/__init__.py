"""The same judgement in anybody's trainer: a Monitor for hand-written loops, callbacks for transformers and Lightning.

Nothing here loads torch before it is asked for by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doneness.integrations.callback import DonenessCallback
    from doneness.integrations.lightning import lightning_callback
    from doneness.integrations.monitor import Monitor

_HOMES = {
    "DonenessCallback": "doneness.integrations.callback",
    "Monitor": "doneness.integrations.monitor",
    "lightning_callback": "doneness.integrations.lightning",
}

__all__ = ["DonenessCallback", "Monitor", "lightning_callback"]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'doneness.integrations' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
