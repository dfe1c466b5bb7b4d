"""What a run will need and take: memory, tokens, time, and advice on its numbers. Loads torch for simulating alone."""

from doneness.plan.advice import Proposal, advise
from doneness.plan.budget import Budget, budget
from doneness.plan.memory import Memory, estimate_memory
from doneness.plan.rates import recommended_rate
from doneness.plan.setup import Setup, Spread
from doneness.plan.shape import ModelShape
from doneness.plan.time import Duration, Rate, estimate_time

__all__ = [
    "Budget",
    "Duration",
    "Memory",
    "ModelShape",
    "Proposal",
    "Rate",
    "Setup",
    "Spread",
    "advise",
    "budget",
    "estimate_memory",
    "estimate_time",
    "recommended_rate",
]
