"""Shows a run and its diagnosis: figure, HTML, terminal, JSON, Markdown."""

from doneness.report.as_json import check_json, schema, to_json
from doneness.report.as_markdown import to_markdown
from doneness.report.build import Extras, build
from doneness.report.figure import figure
from doneness.report.html import render
from doneness.report.overview import Overview, render_overview
from doneness.report.view import ReportView

__all__ = [
    "Extras",
    "Overview",
    "ReportView",
    "build",
    "check_json",
    "figure",
    "render",
    "render_overview",
    "schema",
    "to_json",
    "to_markdown",
]
