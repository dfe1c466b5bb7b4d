"""Right classes, rare ones counting as much as frequent ones.

What it finds: rare classes given up for frequent ones. How: macro-F1, the mean over classes of 2 tp / (2 tp + fp +
fn).
Source: Yang & Liu, SIGIR 1999.
"""

from __future__ import annotations

from doneness.probe.classes import classified, macro_f1
from doneness.probe.measure import Measure
from doneness.runs.probes import Behaviour

MEASURE = Measure(
    Behaviour("class_f1", "higher", "share", 0.02, guard=False, group="task", goal=True),
    lambda probe, answer: None,
    binary=False,
    row=classified,
    statistic=macro_f1,
    needs=(),
)
