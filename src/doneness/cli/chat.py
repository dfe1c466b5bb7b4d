"""doneness chat RUN: one question, the answers of several checkpoints beside each other."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from doneness.cli.chat_view import columns, plain
from doneness.cli.console import console
from doneness.core import DonenessError, tr

if TYPE_CHECKING:
    from doneness.workflows.chat import Chat


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="RUN", help=tr("cli.probe.folder"))
    parser.add_argument("--steps", metavar="STEP,…", help=tr("cli.chat.steps"))
    parser.add_argument("--base", metavar="MODEL", default="", help=tr("cli.probe.base"))
    parser.add_argument("--system", help=tr("cli.chat.system"))
    parser.add_argument("--max-new-tokens", type=int, default=256, metavar="N", help=tr("cli.probe.max_new_tokens"))
    parser.add_argument("--keep", type=Path, metavar="FILE", help=tr("cli.chat.keep"))


def run(options: argparse.Namespace) -> int:
    """Ask until there is nothing more to ask."""
    from doneness.workflows.chat import chat_with, kept_file, usual_steps
    from doneness.workflows.subject import parse_steps, subject_of

    if options.max_new_tokens < 1:
        raise DonenessError(tr("cli.probe.too_low", name="max-new-tokens", low=1))
    subject = subject_of(Path(options.folder), options.base)
    steps = parse_steps(options.steps, subject) if options.steps is not None else usual_steps(subject)
    chat = chat_with(subject, steps, options.system, options.max_new_tokens)
    place = options.keep or kept_file(subject)
    out = console()
    asked = sys.stdin.isatty() and out.is_terminal
    if asked:
        out.print(Text(tr("cli.chat.hello", steps=", ".join(map(_name, steps))), style="dim"))
    for line in _lines(out, asked):
        if not _turn(out, chat, line, place):
            break
    return 0


def _lines(out: Console, asked: bool) -> Iterator[str]:
    """What is typed or piped in, line by line."""
    if not asked:
        yield from (line.rstrip("\r\n") for line in sys.stdin)
        return
    while True:
        try:
            yield out.input("> ", markup=False)
        except EOFError:
            out.print()
            return


def _turn(out: Console, chat: Chat, line: str, place: Path) -> bool:
    """One line of the user's; whether to go on."""
    word, _, rest = line.strip().partition(" ")
    if word in (":quit", ":q", ":exit"):
        return False
    if word == ":new":
        chat.begin_anew()
        out.print(Text(tr("cli.chat.anew"), style="dim"))
    elif word == ":keep":
        _keep(out, chat, rest, place)
    elif word.startswith(":"):
        out.print(Text(tr("cli.chat.commands")))
    elif line.strip():
        _answers(out, chat, line.strip())
    return True


def _answers(out: Console, chat: Chat, question: str) -> None:
    if out.is_terminal:
        with out.status("") as status:
            found = chat.ask(question, lambda step: status.update(tr("cli.chat.answering", step=_name(step))))
        out.print(columns([(_name(step), answer) for step, answer in found.items()], out.width))
    else:
        found = chat.ask(question)
        # Not by rich, which makes spaces of tabs.
        out.file.write(plain(question, [(_name(step), answer) for step, answer in found.items()]) + "\n")


def _keep(out: Console, chat: Chat, rest: str, place: Path) -> None:
    """`:keep`, `:keep SORT`, or `:keep SORT what a right answer holds`."""
    sort, _, answer = rest.strip().partition(" ")
    try:
        name = chat.keep(place, sort, answer.strip())
    except DonenessError as error:
        # A slip of the finger ends no conversation.
        out.print(Text(str(error)))
        return
    asked = {"id": name, "path": str(place), "question": chat.asked[0]}
    more = len(chat.asked) - 1
    said = tr("cli.chat.kept_turns", **asked, more=more) if more else tr("cli.chat.kept", **asked)
    out.print(Text(said, style="dim"), soft_wrap=True)


def _name(step: int) -> str:
    return tr("cli.probe.asking", step=step) if step else tr("cli.probe.asking_base")
