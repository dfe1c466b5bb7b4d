"""How much the loss rises when the weights are shaken.

What it finds: a solution that holds only exactly where it is. How: mean rise of the loss on the task's references,
in nats a token, under random noise on the trained weights; measured by the engine, not answer by answer. Whether
flat minima generalise better is disputed, so it never vetoes.
Source: Keskar et al., ICLR 2017; against it Dinh et al., ICML 2017.
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.runwide import FLATNESS

# Measured on the checkpoint as a whole, so no answer has a score; the cells are handed to the table.
MEASURE = Measure(FLATNESS, lambda probe, answer: None, binary=False)
