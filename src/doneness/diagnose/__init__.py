"""Judges a run: checks with their evidence, one verdict, the sweet spot and what to do next."""

from doneness.diagnose.case import Case, LossTable
from doneness.diagnose.params import Params
from doneness.diagnose.suite import CHECKS, diagnose
from doneness.diagnose.sweet_spot import Recommendation, recommend, sweet_spot

__all__ = ["CHECKS", "Case", "LossTable", "Params", "Recommendation", "diagnose", "recommend", "sweet_spot"]
