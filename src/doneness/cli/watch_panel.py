"""What `doneness watch` shows: a live panel in a terminal, a line for each change elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from doneness.cli.live import STYLE
from doneness.core import Diagnosis, language, speaking, tr
from doneness.core.text import printable
from doneness.workflows.watch import Look


class WatchPanel:
    """Shows looks as they come."""

    def __init__(self, console: Console, path: str) -> None:
        self.console = console
        self.path = printable(path)
        # The panel is drawn by a thread of its own, which knows nothing of the language chosen here.
        self.lang = language()
        self.look: Look | None = None
        self.waiting = ""
        self._at = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> WatchPanel:
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._panel, console=self.console, refresh_per_second=2)
            self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, at)

    def wait(self, text: str) -> None:
        """Nothing to see yet, and why; said once."""
        if text != self.waiting:
            self.waiting = text
            self._say(text)

    def show(self, look: Look) -> None:
        """Show a look; where piped, only one with a new evaluation or another verdict."""
        before, self.look, self._at = self.look, look, time.monotonic()
        if before is None and look.others:
            self.say(tr("cli.watch.others", run=printable(look.run.name), n=look.others))
        if before is None or look.changed or look.evaluation != before.evaluation:
            self._say(line(look))

    def say(self, text: str) -> None:
        """A line that stays, above the panel where there is one."""
        self.console.print(Text(text))

    def _say(self, text: str) -> None:
        if self._live is None:
            self.console.print(Text(text), soft_wrap=True)

    def _panel(self) -> Group:
        with speaking(self.lang):
            return self._drawn() if self.look is not None else Group(Text(self.waiting))

    def _drawn(self) -> Group:
        look = self.look
        assert look is not None
        found, run = look.diagnosis, look.run
        head = Table.grid(padding=(0, 2))
        planned = run.number("planned_steps")
        row: list[Any] = [Text(_steps(run.last_step, planned))]
        if planned:
            row.append(ProgressBar(total=max(planned, run.last_step), completed=run.last_step, width=30))
        numbers = []
        if run.train is not None and len(run.train):
            numbers.append(tr("cli.live.train", loss=float(run.train.value[-1])))
        if look.evaluation is not None:
            step, loss = look.evaluation
            numbers.append(tr("cli.live.eval", loss=loss, step=step))
        head.add_row(*row, "  ".join(numbers))
        lines: list[Any] = [head, Text(printable(run.name), style="dim"), _verdict(found)]
        if found.recommended_step is not None:
            lines.append(Text(tr("cli.watch.keep", step=found.recommended_step)))
        ago = time.monotonic() - self._at
        lines.append(
            Text(
                tr("cli.watch.ago", seconds=ago) if ago < 120 else tr("cli.watch.ago_minutes", minutes=ago / 60),
                style="dim",
            )
        )
        return Group(*lines)


def line(look: Look) -> str:
    """One look in one line."""
    found = look.diagnosis
    parts = [tr("cli.watch.step", step=_steps(look.run.last_step, look.run.number("planned_steps")))]
    if look.evaluation is not None:
        step, loss = look.evaluation
        parts.append(tr("cli.live.eval", loss=loss, step=step))
    if look.changed:
        return f"{tr('report.list_comma').join(parts)}  {_verdict(found)}"
    return tr("report.list_comma").join([*parts, tr(f"report.verdict.{found.verdict.value}")])


def _verdict(found: Diagnosis) -> Text:
    """The verdict and its sentence; most sentences begin with the verdict, which is then not said before them."""
    word, sentence = tr(f"report.verdict.{found.verdict.value}"), printable(str(found.headline))
    text = Text(sentence if word in sentence else f"{word}  {sentence}")
    text.highlight_words([word], style=f"bold {STYLE[found.verdict.value]}")
    return text


def _steps(step: int, planned: float | None) -> str:
    return f"{step:,}/{planned:,.0f}" if planned else f"{step:,}"
