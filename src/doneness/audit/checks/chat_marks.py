"""AU14: chat markup inside the texts, and turns out of order."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from doneness.audit.check import DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import finding
from doneness.audit.illustrate import excerpt
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally, note
from doneness.core import Finding, Status
from doneness.data import Row

_FAIL = 0.01
_MARKS = (
    "<|im_start|>", "<|im_end|>", "<|eot_id|>", "<|start_header_id|>", "<|endoftext|>", "<|end_of_text|>", "[INST]",
    "[/INST]", "<<SYS>>", "<start_of_turn>", "<end_of_turn>", "<|user|>", "<|assistant|>", "<|system|>", "</s>",
    "<|begin_of_text|>", "<user>:", "<bot>:", "<s>[", "### Instruction:", "### Response:", "<｜Assistant｜>",
)  # fmt: skip
_SPEAKER = re.compile(
    r"^(?:Human|User|USER|Assistant|ASSISTANT|Bot|AI|Question|Answer|用户|助手|问|答|患者|医生)\s*[:：]", re.MULTILINE
)
_SLOT = re.compile(r"\{\{\s*\w[\w .]{0,30}\}\}|\{(?:instruction|input|output|question|answer|prompt|context|response)\}"
                   r"|\[(?:INSERT|YOUR|Your) [A-Za-z ]{2,30}\]|<(?:insert|INSERT) [a-z ]{2,30}>")  # fmt: skip
KINDS = ("marks", "speakers", "slots", "order")


class ChatMarks(Tally):
    """Rows with markup or turns that do not belong there, by kind."""

    def begin(self) -> None:
        """No row so far."""
        self.kinds: Counter[str] = Counter()
        self.examples: dict[str, list[Any]] = {kind: [] for kind in KINDS}

    def see(self, entry: Entry) -> None:
        """Judge one row."""
        self.n += 1
        found = _found(entry)
        for kind, text in found.items():
            self.kinds[kind] += 1
            note(self.examples[kind], {"train_row": entry.at, "kind": kind, "text": text}, 2)
        if found:
            self.flags.add(entry)


def chat_marks(subject: Subject) -> Finding:
    """Find template faults in the texts themselves.

    *What it finds*: markup of chat templates ("<|im_start|>", "[INST]", "### Response:"), several speakers written
    into one turn ("Human: … Assistant: …"), slots that nobody filled ("{question}", "[Your Name]"), and turns out of
    order: two of one role in a row, a system turn that is not the first, an empty turn.

    *How*: exact markup, and patterns for the rest. FAIL where more than 1 % of the rows hold markup.

    *Source*: markup inside a text is tokenised as special tokens by many tokenizers, so that the row holds several
    turns of which the mask knows nothing; dropoutt's T0-TMPL-001 and T0-ROLE-001.
    """
    seen = subject[ChatMarks]
    subject.flag("AU14", seen.flags.train)
    count, n = len(seen.flags.train), seen.n
    grave = seen.kinds["marks"] / n
    status = Status.FAIL if grave > _FAIL else Status.WARN if count else Status.PASS
    return finding(
        "AU14",
        status,
        {"n": n, "count": count, "share": count / n, **{kind: seen.kinds[kind] for kind in KINDS}},
        value=count / n,
        n=n,
        threshold=0.0,
        rows=subject.train.lines(seen.flags.train[:1000]),
        examples=(example for kind in KINDS for example in seen.examples[kind]),
        kinds={kind: seen.kinds[kind] for kind in KINDS},
    )


def _found(entry: Entry) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in entry.texts:
        if "|>" in text or "INST]" in text or "<" in text or "### " in text:
            mark = next((mark for mark in _MARKS if mark in text), None)
            if mark is not None:
                at = text.index(mark)
                found.setdefault("marks", excerpt(text[max(0, at - 30) : at + 60]))
        if (":" in text or "：" in text) and "\n" in text:
            speakers = _SPEAKER.findall(text)
            if len({name.rstrip(" :：") for name in speakers}) >= 2 and len(speakers) >= 3:
                found.setdefault("speakers", excerpt(text))
        if "{" in text or "[" in text or "<" in text:
            slot = _SLOT.search(text)
            if slot:
                found.setdefault("slots", excerpt(text[max(0, slot.start() - 30) : slot.end() + 30]))
    fault = _order(entry.row)
    if fault:
        found["order"] = fault
    return found


def _order(row: Row) -> str:
    """What is wrong with the order of the turns; "" for nothing."""
    turns = row.turns
    if len(turns) == 2:
        return ""
    before = ""
    for place, turn in enumerate(turns):
        role = str((turn.more or {}).get("role", turn.role))
        if role == "system" and place:
            return f"system turn at place {place + 1}"
        if role == before and role in ("user", "assistant"):
            return f"{role}, {role}"
        if not turn.content.strip() and role != "system":
            return f"empty {role} turn at place {place + 1}"
        before = role
    return ""


CHECK = DataCheck("AU14", chat_marks, tally=ChatMarks)
