"""Keeps the form that was asked for.

What it finds: a model that no longer follows instructions about form. How: where a question asks for JSON, a
letter, a number, yes or no, one word or a list, and nothing else, the answer is that and nothing else (a code fence
round JSON is let pass).
Source: verifiable instructions as in IFEval (Zhou et al., 2023).
"""

from __future__ import annotations

import json
import re

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

_LINE = re.compile(r"^\s*(?:[-*•·]|\(?\d+[.)、]|[一二三四五六七八九十]+、)\s*\S")
_FORMS = {
    "letter": re.compile(r"\(?[A-Za-z]\)?[.。]?"),
    "number": re.compile(r"[-+−]?[$¥€£]?\d[\d,]*(?:\.\d+)?\s?(?:%|°C|°|[^\W\d]{1,12})?[.。]?"),
    "yes_no": re.compile(r"(?:yes|no|是的?|否|不是|不?对|没?有|不?能|不?会|不?可以)[.!。！]?", re.IGNORECASE),
    "one_word": re.compile(r"(?:[^\W\u3400-\u9fff]+(?:[-'’][^\W\u3400-\u9fff]+)*|[\u3400-\u9fff]{1,6})[.。!！]?"),
}
_FENCE = re.compile(r"```(?:json)?\s*\n(.*?)\n?```", re.DOTALL | re.IGNORECASE)


def keeps(text: str, wanted: str) -> bool:
    """Whether a text has the form `wanted`, one of FORMATS, and nothing besides."""
    said = text.strip()
    if wanted == "json":
        fenced = _FENCE.fullmatch(said)
        try:
            return isinstance(json.loads(fenced.group(1) if fenced else said), (dict, list))
        except (ValueError, RecursionError):
            return False
    if wanted == "list":
        lines = [line for line in said.split("\n") if line.strip()]
        return len(lines) > 1 and all(_LINE.match(line) for line in lines)
    return _FORMS[wanted].fullmatch(said) is not None


def _score(probe: Probe, answer: Answer) -> float | None:
    return float(keeps(answer.text, probe.format)) if probe.format and "answer" in probe.asks else None


MEASURE = Measure(Behaviour("format", "higher", "share", 0.05, guard=True, group="form"), _score)
