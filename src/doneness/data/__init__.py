"""Rows of data: reading, near-duplicates, templates, subsets. No torch."""

from doneness.data.eval_size import advised_rows, detectable
from doneness.data.grade import result_of, same_result
from doneness.data.held_out import HeldOut, hold_out, reduced
from doneness.data.near_duplicates import near_pairs, normalise, shingles, similarity
from doneness.data.preferences import Kept, KtoRow, PreferenceRow, read_kto, read_preferences
from doneness.data.prompts import PromptRow, read_prompts
from doneness.data.rows import Row, Rows, Turn, read_rows
from doneness.data.select import stratified
from doneness.data.sources import Reading
from doneness.data.spans import Span, deciding, parse_spans, refuse_absent
from doneness.data.templates import Template, follows, largest_template, skeletons
from doneness.data.texts import TextRow, read_texts

__all__ = [
    "HeldOut",
    "Kept",
    "KtoRow",
    "PreferenceRow",
    "PromptRow",
    "Reading",
    "Row",
    "Rows",
    "Span",
    "Template",
    "TextRow",
    "Turn",
    "advised_rows",
    "deciding",
    "detectable",
    "follows",
    "hold_out",
    "largest_template",
    "near_pairs",
    "normalise",
    "parse_spans",
    "read_kto",
    "read_preferences",
    "read_prompts",
    "read_rows",
    "read_texts",
    "reduced",
    "refuse_absent",
    "result_of",
    "same_result",
    "shingles",
    "similarity",
    "skeletons",
    "stratified",
]
