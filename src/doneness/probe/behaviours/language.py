"""Answers in the language of the question.

What it finds: a model that slips into the language of its training rows. How: an answer is Chinese where at least
three in ten of its words are Chinese characters (a word in Latin letters counts as one), else it is not; held
against the question's own, or against the reference's where the task is one's own (it may be to translate). Answers
below three words are left out: names and symbols are alike in all languages.
Source: language confusion (Marchisio et al., EMNLP 2024), with two scripts in place of a language detector.
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.overlap import units
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

_CHINESE = 0.3
_SHORT = 3
_OWN = ("task", "recite", "recite_held_out")


def language_of(text: str) -> str:
    """Chinese is "zh", anything in other letters "en"; nothing where there are no words."""
    said = [unit for unit in units(text) if not unit[0].isdigit()]
    if not said:
        return ""
    chinese = sum("\u3400" <= unit[0] <= "\u9fff" for unit in said)
    return "zh" if chinese >= _CHINESE * len(said) else "en"


def _score(probe: Probe, answer: Answer) -> float | None:
    if "answer" not in probe.asks or probe.format in ("letter", "number", "json"):
        return None
    own = language_of(probe.reference) if probe.sort in _OWN else ""
    asked, said = own or probe.lang or language_of(probe.prompt), language_of(answer.text)
    if asked not in ("en", "zh") or not said or len(units(answer.text)) < _SHORT:
        return None
    return float(asked == said)


MEASURE = Measure(Behaviour("language", "higher", "share", 0.05, guard=True, group="form"), _score)
