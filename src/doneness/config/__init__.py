"""The recipe: schema, loading, overrides, writing."""

from doneness.config.load import build_recipe, dump_recipe, load_recipe
from doneness.config.methods import bits_of, unused
from doneness.config.schema import (
    CheckpointsSection,
    DataSection,
    EvaluationSection,
    HealthSection,
    MethodSection,
    ModelSection,
    OptimizerSection,
    PreferenceSection,
    ProbesSection,
    Recipe,
    ReportSection,
    RunSection,
    ScheduleSection,
    ScratchSection,
    StoppingSection,
)
from doneness.config.sections import DistillSection, GrpoSection, RewardsSection

__all__ = [
    "CheckpointsSection",
    "DataSection",
    "DistillSection",
    "EvaluationSection",
    "GrpoSection",
    "HealthSection",
    "MethodSection",
    "ModelSection",
    "OptimizerSection",
    "PreferenceSection",
    "ProbesSection",
    "Recipe",
    "ReportSection",
    "RewardsSection",
    "RunSection",
    "ScheduleSection",
    "ScratchSection",
    "StoppingSection",
    "bits_of",
    "build_recipe",
    "dump_recipe",
    "load_recipe",
    "unused",
]
