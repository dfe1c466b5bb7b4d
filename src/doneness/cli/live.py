"""The run as it goes: a live panel in a terminal, one line per evaluation elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from doneness.core import Action, StopDecision, language, speaking, tr

_OVERTIME = "overtime/"  # before the names of rewards whose pattern took too long, in an evaluation's metrics
# Verdict words carry the meaning; the colour (Okabe–Ito) comes second.
STYLE = {
    "learning": "#0072B2",
    "converged": "#009E73",
    "overfitting": "#D55E00",
    "broken": "bold #D55E00",
    "diverged": "bold #D55E00",
    "memorising": "#CC79A7",
    "undecided": "default",
}


class LiveWatcher:
    """Shows training as it goes; implements `train.callback.Watcher`."""

    def __init__(self, console: Console) -> None:
        self.console = console
        # The panel is drawn by a thread of its own, which knows nothing of the language chosen here.
        self.lang = language()
        self.total = 0
        self.step = 0
        self.train_loss: float | None = None
        self.evals: list[tuple[int, float]] = []
        self.decision: StopDecision | None = None
        self.first_stop: StopDecision | None = None
        self.rate: float | None = None
        self.note = ""
        self._slow: set[str] = set()  # rewards whose pattern took too long, as said
        self._begun_at = (0.0, 0, 0)  # time, step, tokens at the first step seen
        self._live: Live | None = None

    def __enter__(self) -> LiveWatcher:
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._panel, console=self.console, refresh_per_second=4)
            self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, at)

    def began(self, step: int, total: int) -> None:
        """Training begins, or goes on at `step`."""
        self.step, self.total = step, total
        if step:
            self._say(tr("cli.live.resumed", step=step, total=total))

    def trained(self, record: dict[str, Any]) -> None:
        """A step was done."""
        self.step, self.train_loss, self.note = record["step"], record["loss"], ""
        now = time.monotonic()
        if not self._begun_at[0]:
            self._begun_at = (now, self.step, record["tokens"])
        elif now > self._begun_at[0]:
            self.rate = (record["tokens"] - self._begun_at[2]) / (now - self._begun_at[0])

    def scoring(self, step: int, done: int, total: int) -> None:
        """An evaluation has come this far."""
        self.note = tr("cli.live.scoring", done=done, total=total)

    def cooling(self, step: int, end: int) -> None:
        """The learning rate falls to zero from here on."""
        self.total = end
        self._say(tr("cli.live.cooling", step=step, end=end))

    def interrupted(self) -> None:
        """Ctrl-C was heard."""
        self.note = tr("cli.live.interrupting", lang=self.lang)
        self._say(self.note)

    def evaluated(self, record: dict[str, Any], decision: StopDecision | None) -> None:
        """An evaluation is done and the rule has decided."""
        self.note = ""
        self.evals.append((record["step"], record["loss"]))
        self.decision = decision
        verdict = tr(f"report.verdict.{decision.verdict.value}") if decision else "-"
        self._say(tr("cli.live.evaluated", step=record["step"], total=self.total, loss=record["loss"], verdict=verdict))
        self._say_overtime(record.get("metrics") or {})
        if decision and decision.action is not Action.CONTINUE and self.first_stop is None:
            self.first_stop = decision
            self.console.print(Text(decision.reason.text(), style=STYLE[decision.verdict.value]))

    def _say_overtime(self, metrics: Mapping[str, float]) -> None:
        """Say once that a pattern of a reward's takes too long for some answers."""
        names = [name.removeprefix(_OVERTIME) for name in metrics if name.startswith(_OVERTIME)]
        for name in (each for each in names if each not in self._slow):
            self._slow.add(name)
            count = int(metrics[_OVERTIME + name])
            self.console.print(Text(tr("cli.live.overtime", name=name, count=count), style="yellow"))

    def _say(self, line: str) -> None:
        if self._live is None:
            self.console.print(Text(line))

    def _panel(self) -> Group:
        with speaking(self.lang):
            return self._drawn()

    def _drawn(self) -> Group:
        head = Table.grid(padding=(0, 2))
        shown = Text(f"{self.step}/{self.total}")
        numbers = [tr("cli.live.train", loss=self.train_loss)] if self.train_loss is not None else []
        if self.evals:
            numbers.append(tr("cli.live.eval", loss=self.evals[-1][1], step=self.evals[-1][0]))
        if self.rate:
            numbers.append(tr("cli.live.rate", rate=self.rate))
        left = self._seconds_left()
        if left is not None:
            numbers.append(tr("cli.live.left", minutes=left / 60))
        head.add_row(shown, ProgressBar(total=max(1, self.total), completed=self.step, width=30), "  ".join(numbers))
        lines: list[Any] = [head]
        if self.note:
            lines.append(Text(self.note, style="dim"))
        if self.decision:
            word = tr(f"report.verdict.{self.decision.verdict.value}")
            lines.append(Text(word, style=f"bold {STYLE[self.decision.verdict.value]}"))
            lines.append(Text(self.decision.reason.text(), style="dim"))
        return Group(*lines)

    def _seconds_left(self) -> float | None:
        at, step, _ = self._begun_at
        if not at or self.step <= step:
            return None
        return (time.monotonic() - at) / (self.step - step) * (self.total - self.step)
