"""Loss on general text, as a multiple of the base model's.

What it finds: language forgotten. How: NLL of a text / the base model's NLL of it, averaged over texts; 1 is no
change. No guard: every training raises it a little, and hundreds of tokens show the least rise.
Source: Biderman et al., TMLR 2024.
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _against(probe: Probe, answer: Answer, base: Answer) -> float | None:
    if probe.sort != "text" or answer.nll is None or not base.nll:
        return None
    return answer.nll / base.nll


MEASURE = Measure(
    Behaviour("nll_ratio", "lower", "ratio", 0.05, guard=False, group="memory"),
    lambda probe, answer: None,
    binary=False,
    against=_against,
    needs=("nll",),
)
