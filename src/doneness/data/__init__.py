"""Rows of supervised data: reading, near-duplicates, templates, subsets. No torch."""

from doneness.data.near_duplicates import near_pairs, normalise, shingles, similarity
from doneness.data.rows import Row, Rows, Turn, read_rows
from doneness.data.select import stratified
from doneness.data.spans import Span, deciding, parse_spans, refuse_absent
from doneness.data.templates import Template, follows, largest_template, skeletons

__all__ = [
    "Row",
    "Rows",
    "Span",
    "Template",
    "Turn",
    "deciding",
    "follows",
    "largest_template",
    "near_pairs",
    "normalise",
    "parse_spans",
    "read_rows",
    "refuse_absent",
    "shingles",
    "similarity",
    "skeletons",
    "stratified",
]
