"""Which kind of behaviour a row of the table is, for those that do not say so themselves."""

from __future__ import annotations

from doneness.runs.probes import Behaviour

GROUPS = ("task", "honesty", "safety", "form", "memory", "own")
_OLD = {
    "knowledge": "task",
    "emergency": "safety",
    "refusal_invented": "honesty",
    "refusal_unknown": "honesty",
    "false_premise": "honesty",
    "over_refusal": "safety",
    "length": "form",
    "repetition": "form",
    "overconfidence": "honesty",
}


def group_of(behaviour: Behaviour) -> str:
    """One of GROUPS: what it says, else what it was before behaviours said so, else one of the user's own."""
    said = behaviour.group or _OLD.get(behaviour.name, "own")
    return said if said in GROUPS else "own"
