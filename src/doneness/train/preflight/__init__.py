"""Before the hours: what a few seconds tell of a run that is about to begin.

Every part looks at one thing and changes nothing: weights, buffers, gradients and random numbers are afterwards, bit
for bit, what they were, so that the run is the one that it would have been.
"""

from doneness.train.preflight.flight import preflight

__all__ = ["preflight"]
