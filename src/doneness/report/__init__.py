"""Shows a run and its diagnosis: figure, HTML, terminal, JSON, Markdown."""

from doneness.report.as_json import to_json
from doneness.report.as_markdown import to_markdown
from doneness.report.build import Extras, build
from doneness.report.figure import figure
from doneness.report.html import render
from doneness.report.view import ReportView

__all__ = ["Extras", "ReportView", "build", "figure", "render", "to_json", "to_markdown"]
