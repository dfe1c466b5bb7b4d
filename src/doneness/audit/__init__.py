"""Checks on data sets before a run: leaks, repeats, templates, damage, and what makes models invent."""

from doneness.audit.auditor import Auditor
from doneness.audit.params import AuditParams
from doneness.audit.subject import DataSets, Fit, Judged, Known, Question
from doneness.audit.suite import CHECKS, audit, worst

__all__ = ["CHECKS", "AuditParams", "Auditor", "DataSets", "Fit", "Judged", "Known", "Question", "audit", "worst"]
