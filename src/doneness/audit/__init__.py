"""Checks on data sets before a run: leaks, repeats, templates, damage."""

from doneness.audit.subject import AuditParams, DataSets
from doneness.audit.suite import CHECKS, audit, worst

__all__ = ["CHECKS", "AuditParams", "DataSets", "audit", "worst"]
