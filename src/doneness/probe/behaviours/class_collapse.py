"""Everything the same class.

What it finds: collapse to the majority. How: share of rows put into the class that is chosen most often − the share
of rows that truly are of it; 0 is as often as it should be.
Source: Japkowicz & Stephen, 2002 (class imbalance).
"""

from __future__ import annotations

from doneness.probe.classes import classified, collapse
from doneness.probe.measure import Measure
from doneness.runs.probes import Behaviour

MEASURE = Measure(
    Behaviour("class_collapse", "lower", "ratio", 0.1, guard=False, group="task"),
    lambda probe, answer: None,
    binary=False,
    row=classified,
    statistic=collapse,
    needs=(),
)
