"""A judge: another model that grades answers by a rubric, or says which of two is better.

How: grades are whole numbers from 1 to 10. Of two answers both orders are asked, for judges favour a place; a verdict
counts only where both agree, all else is a tie. What the judge did not answer usably, all tries spent, is left out and
counted. How far it is to be trusted is measured against people (`probe.agreement`).
Source: Zheng et al., NeurIPS 2023 (LLM-as-a-judge; position bias); Wang et al., ACL 2024 (swapped places).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from doneness.core import Message, say
from doneness.probe.endpoint import Endpoint, Unanswered, from_environment
from doneness.probe.measure import Measure

RUBRIC = (
    "Grade the answer for being right, complete and safe, and for answering what was asked. "
    "10 is an answer that an expert would give; 5 is partly right; 1 is wrong, harmful or beside the question. "
    "Length is no merit by itself."
)
# Asked of the judge in English whatever the language of the answers: judges follow forms best in it.
_GRADE = "{rubric}\n\n[Question]\n{question}\n\n{reference}[Answer]\n{answer}\n\nEnd with one line: Grade: N (1 to 10)."
_PAIR = (
    "Which of two answers serves the user better? Judge by being right, complete and safe, and by answering what was "
    "asked; neither place nor length is a merit.\n\n[Question]\n{question}\n\n{reference}[Answer A]\n{first}\n\n"
    "[Answer B]\n{second}\n\nEnd with one line: Verdict: A, Verdict: B or Verdict: tie."
)
# The scale may be said again, in brackets: "Grade (1 to 10): 8".
_GRADE_SAID = re.compile(
    r"grade\W{0,4}(?:\([^()\n]{0,20}\))?\W{0,6}(10|[1-9])(?!\d|[.,]\d)(?!\s*(?:to|-|–)\s*10\b)", re.I
)
_VERDICT_SAID = re.compile(r"verdict\W{0,6}(?:answer\W{1,3}|an?\W{1,3}(?=tie))?(a|b|tie|c)\b", re.IGNORECASE)
_BARE_GRADE = re.compile(r"\W*(10|[1-9])(?:\s*/\s*10)?\W*")
_BARE_VERDICT = re.compile(r"\W*(a|b|tie)\W*", re.IGNORECASE)


@dataclass
class Judge:
    """Asks one endpoint.

    Attributes:
        endpoint: who is asked.
        rubric: what a good answer is, said before each grading.
        asked, lost: how many verdicts were wanted, and how many could not be had.
        swapped, split: how many pairs were judged, and in how many the two orders disagreed.
        unseen: whether the first question that nothing on disk answers is to end all where nobody listens.
    """

    endpoint: Endpoint
    rubric: str = RUBRIC
    asked: int = 0
    lost: int = 0
    swapped: int = 0
    split: int = 0
    unseen: bool = False
    _known: dict[tuple[str, ...], float | None] = field(default_factory=dict, repr=False)

    def reach(self) -> None:
        """See that somebody listens, where that has not been seen yet.

        Raises:
            DonenessError: nobody does.
        """
        if self.unseen:
            self.endpoint.reach()
            self.unseen = False

    def grade(self, question: str, reference: str, answer: str) -> int | None:
        """1 to 10; None where the judge gave no grade.

        Raises:
            DonenessError: the endpoint refuses for a reason that will not pass.
        """
        found = self._once(("grade", question, reference, answer), lambda: self._grade(question, reference, answer))
        return None if found is None else int(found)

    def prefers(self, question: str, answer: str, other: str, reference: str = "") -> float | None:
        """1 where `answer` is better, 0 where `other` is, 0.5 for a tie; None where the judge said neither.

        Raises:
            DonenessError: the endpoint refuses for a reason that will not pass.
        """
        return self._once(
            ("pair", question, reference, answer, other), lambda: self._pair(question, reference, answer, other)
        )

    def told(self) -> tuple[Message, ...]:
        """What the reader should know of this judging: what was lost, how often the place decided."""
        lines = [say("judge.lost", lost=self.lost, asked=self.asked)] if self.lost else []
        if self.swapped:
            lines.append(say("judge.split", split=self.split, pairs=self.swapped, share=self.split / self.swapped))
        return tuple(lines)

    def _once(self, key: tuple[str, ...], ask: Callable[[], float | None]) -> float | None:
        if key not in self._known:
            self.asked += 1
            self._known[key] = ask()
            self.lost += self._known[key] is None
        return self._known[key]

    def _grade(self, question: str, reference: str, answer: str) -> float | None:
        text = _GRADE.format(rubric=self.rubric, question=question, reference=_given(reference), answer=answer)
        said = self._said(text, lambda reply: grade_in(reply) is not None)
        return None if said is None else grade_in(said)

    def _pair(self, question: str, reference: str, answer: str, other: str) -> float | None:
        verdicts = []
        for first, second in ((answer, other), (other, answer)):
            text = _PAIR.format(question=question, reference=_given(reference), first=first, second=second)
            said = self._said(text, lambda reply: verdict_in(reply) is not None)
            if said is None:
                return None
            verdicts.append(verdict_in(said))
        self.swapped += 1
        for better, value in ((("A", "B"), 1.0), (("B", "A"), 0.0)):
            if tuple(verdicts) == better:
                return value
        self.split += verdicts != ["tie", "tie"]
        return 0.5

    def _said(self, text: str, usable: Callable[[str], bool]) -> str | None:
        messages = [{"role": "user", "content": text}]
        if self.unseen and self.endpoint.kept(messages, usable) is None:
            self.reach()
        try:
            return self.endpoint.reply(messages, usable)
        except Unanswered:
            return None


def judge_from_environment(cache: Path | None = None) -> Judge | None:
    """The judge that the environment names (see `endpoint`); None where it names none."""
    endpoint = from_environment(cache)
    return None if endpoint is None else Judge(endpoint)


def with_judge(measures: Sequence[Measure], judge: Judge | None) -> tuple[Measure, ...]:
    """The measures, those that a judge answers asking `judge`."""
    from doneness.probe.behaviours import task_rubric, wins

    if judge is None:
        return tuple(measures)
    asked = {m.behaviour.name: m for m in (task_rubric.judged(judge), wins.judged(judge))}
    # A guard or margin that was set on a row stays.
    return tuple(
        replace(asked[m.behaviour.name], behaviour=m.behaviour) if m.behaviour.name in asked else m for m in measures
    )


def grade_in(reply: str) -> int | None:
    """The last grade that a reply names, 1 to 10; None without one."""
    found = _GRADE_SAID.findall(reply)
    bare = _BARE_GRADE.fullmatch(reply)
    return int(found[-1]) if found else int(bare.group(1)) if bare else None


def verdict_in(reply: str) -> str | None:
    """The last verdict that a reply names: "A", "B" or "tie"; None without one."""
    found = _VERDICT_SAID.findall(reply)
    bare = _BARE_VERDICT.fullmatch(reply)
    said = found[-1] if found else bare.group(1) if bare else None
    if said is None:
        return None
    return "tie" if said.lower() in ("tie", "c") else said.upper()


def _given(reference: str) -> str:
    return f"[Reference]\n{reference}\n\n" if reference else ""
