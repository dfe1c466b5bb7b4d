"""How training itself is doing: gradients, updates, adapters, noise, pace, memory, and loss spikes.

Measures alone, no judgement: our own trainer and the callback for other people's use the same ones.
Nothing here loads torch before a model is handed in.
"""

from doneness.health.kinds import KINDS, kind_of, layer_of
from doneness.health.noise import NoiseScale, Shares, raw_noise
from doneness.health.pace import Pace, peak_memory
from doneness.health.spikes import Spike, SpikeRule, spike_record
from doneness.health.watch import EVERY, HealthWatch

__all__ = [
    "EVERY",
    "KINDS",
    "HealthWatch",
    "NoiseScale",
    "Pace",
    "Shares",
    "Spike",
    "SpikeRule",
    "kind_of",
    "layer_of",
    "peak_memory",
    "raw_noise",
    "spike_record",
]
