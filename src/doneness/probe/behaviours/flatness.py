"""How much the loss rises when the weights are shaken.

What it finds: a solution that holds only exactly where it is. How: mean rise of the loss on the task's references,
in nats a token, under random noise on the trained weights (`models.perturb`), one question beside another. Of adapters
nothing of the base model was trained, so checkpoints are held against each other alone. Whether flat minima generalise
better is disputed, so it never vetoes.
Source: Keskar et al., ICLR 2017; Neyshabur et al., NeurIPS 2017; against it Dinh et al., ICML 2017.
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    if not answer.shaken or answer.nll is None or not answer.nll_tokens:
        return None
    return (sum(answer.shaken) / len(answer.shaken) - answer.nll) / answer.nll_tokens


MEASURE = Measure(
    Behaviour("flatness", "lower", "nats", 0.05, guard=False, group="memory"),
    _score,
    binary=False,
    needs=("nll", "shaken"),
)
