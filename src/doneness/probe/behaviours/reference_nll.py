"""Loss on the references of the task.

What it finds: whether the wanted answers became likelier, with far less noise than any score of answers. How: NLL
in nats per token of the reference after the prompt, averaged over questions. Rows asked for a recital are left out:
training rows would show what is known by heart as a gain.
Source: likelihood has a better signal-to-noise ratio than accuracy (Heineman et al., 2025).
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

_NOT_HELD_OUT = ("text", "recite", "recite_held_out")


def _score(probe: Probe, answer: Answer) -> float | None:
    if probe.sort in _NOT_HELD_OUT or answer.nll is None or not answer.nll_tokens:
        return None
    return answer.nll / answer.nll_tokens


MEASURE = Measure(
    Behaviour("reference_nll", "lower", "nats", 0.01, guard=False, group="task"), _score, binary=False, needs=("nll",)
)
