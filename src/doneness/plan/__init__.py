"""What a run will need and take: memory, tokens, time, and advice on its numbers. Never loads torch."""

from doneness.plan.advice import Proposal, advise, recommended_rate
from doneness.plan.budget import Budget, budget
from doneness.plan.memory import Memory, Setup, estimate_memory
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
    "advise",
    "budget",
    "estimate_memory",
    "estimate_time",
    "recommended_rate",
]
