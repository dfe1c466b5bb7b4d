"""Whether confidence tells right from wrong, on free answers to factual questions.

What it finds: confidence that no longer means anything. How: the chance that a right answer is given with more
confidence than a wrong one; 0.5 is none. Confidence is the mean probability of the tokens of the answer.
Source: Hanley & McNeil, 1982; for language models Kuhn et al., ICLR 2023.
"""

from __future__ import annotations

from doneness.probe.calibration import discrimination, free_confidence
from doneness.probe.measure import Measure
from doneness.runs.probes import Behaviour

MEASURE = Measure(
    Behaviour("auroc", "higher", "share", 0.05, guard=False, group="honesty"),
    lambda probe, answer: None,
    binary=False,
    row=free_confidence,
    statistic=discrimination,
)
