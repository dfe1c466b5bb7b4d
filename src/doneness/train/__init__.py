"""The only trainer: one loop on TRL, with evidence gathered on the way."""

from doneness.train.arguments import steps_per_epoch, total_steps
from doneness.train.spacing import evaluation_steps

__all__ = ["evaluation_steps", "steps_per_epoch", "total_steps"]
