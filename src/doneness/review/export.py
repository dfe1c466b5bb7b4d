"""Votes as a table for others: every vote ever cast, those that were undone or superseded marked as not counting."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from doneness.review.votes import FIRST, SECOND, Vote

_FIELDS = (
    "vote", "reviewer", "kind", "question", "left_step", "right_step", "verdict", "winner_step", "left_tags",
    "right_tags", "repeats", "token", "shown_at", "at", "counts", "prompt", "left", "right", "rewrite",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


def records(votes: Sequence[Vote]) -> list[dict[str, Any]]:
    """One object for each vote."""
    found = []
    for vote in votes:
        shown = vote.showing
        winner = {FIRST: shown.left_step, SECOND: shown.right_step}.get(vote.verdict)
        found.append(
            {
                "vote": vote.id,
                "reviewer": vote.reviewer.name,
                "kind": vote.reviewer.kind,
                "question": shown.question,
                "left_step": shown.left_step,
                "right_step": shown.right_step,
                "verdict": vote.verdict,
                "winner_step": winner,
                "left_tags": list(vote.tags[0]),
                "right_tags": list(vote.tags[1]),
                "repeats": shown.repeats,
                "token": shown.token,
                "shown_at": shown.at,
                "at": vote.at,
                "counts": vote.counts,
                "prompt": shown.prompt,
                "left": shown.left,
                "right": shown.right,
                "rewrite": vote.rewrite,
            }
        )
    return found


def as_jsonl(votes: Sequence[Vote]) -> str:
    """JSON lines, texts exactly as they were."""
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in records(votes))


def as_csv(votes: Sequence[Vote]) -> str:
    """A table with a head; a text that a spreadsheet would run as a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _FIELDS, lineterminator="\n")
    writer.writeheader()
    for each in records(votes):
        writer.writerow({name: _cell(value) for name, value in each.items()})
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return value
