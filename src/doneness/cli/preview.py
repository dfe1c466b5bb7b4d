"""doneness preview RECIPE|DATA [--model M] [--rows N]: rows as the model sees them."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from doneness.cli.console import console
from doneness.cli.foreign import read_recipe, show
from doneness.config import Recipe, build_recipe
from doneness.config.foreign import is_foreign
from doneness.core import DonenessError, Message, MissingExtraError, ModelError, tr

if TYPE_CHECKING:
    from doneness.workflows.preview import Preview, Shown

_MARKS, _PLAIN_MARKS = ("⟦", "⟧"), ("[[", "]]")
_HEAD = 65_536  # bytes
_LONGEST = 3000  # characters of a piece of text; of a longer one both ends are shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", metavar="RECIPE|DATA", help=tr("cli.preview.target"))
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help=tr("cli.overrides"))
    parser.add_argument("--model", default="", help=tr("cli.preview.model"))
    parser.add_argument("--rows", type=int, default=3, help=tr("cli.preview.rows"))


def run(options: argparse.Namespace) -> int:
    """Show the first rows."""
    from doneness.workflows.preview import preview_recipe

    if options.rows < 1:
        raise DonenessError(tr("cli.preview.few", rows=options.rows))
    recipe, lines = _recipe(options)
    show(lines)
    print_preview(console(), preview_recipe(recipe, options.rows))
    return 0


def print_preview(out: Console, preview: Preview) -> None:
    """Rows in a terminal, what carries no loss dimmed; where nobody watches it stands between marks."""
    marks = ("", "") if out.is_terminal else _marks(out)
    key = "cli.preview.dimmed" if out.is_terminal else "cli.preview.marked"
    out.print(Text(tr(key, open=marks[0], close=marks[1])))
    for line in preview.lines:
        out.print(Text(line.text()))
    for row in preview.rows:
        out.print()
        out.print(Text(_heading(row), style="bold"))
        out.print(_body(row, marks), soft_wrap=True)


def print_first_rows(recipe: Recipe) -> int:
    """The first rows on standard error, beside output that is for keeping; one line where they cannot be shown.

    Returns:
        The exit code: 2 where training would be refused for the same reason, 0 where the model alone is elsewhere.
    """
    from doneness.workflows.preview import preview_recipe

    out = Console(file=sys.stderr, highlight=False)
    try:
        print_preview(out, preview_recipe(recipe))
    except DonenessError as error:
        print(tr("cli.preview.cannot", reason=str(error)), file=sys.stderr)
        return 0 if isinstance(error, (ModelError, MissingExtraError)) else error.exit_code
    return 0


def _recipe(options: argparse.Namespace) -> tuple[Recipe, tuple[Message, ...]]:
    """The recipe named, or the usual one around a data file."""
    words = [options.target, *options.overrides]
    lines: tuple[Message, ...] = ()
    if options.target.endswith(".toml") or (is_foreign(words) and not _holds_rows(options.target)):
        recipe, lines = read_recipe(words)
    else:
        recipe = build_recipe({"data": {"train": options.target}}, options.overrides)
    if options.model:
        recipe = replace(recipe, model=replace(recipe.model, path=options.model))
    return recipe, lines


def _holds_rows(target: str) -> bool:
    """Whether a JSON file is data; those of recipes name a model."""
    if not target.endswith(".json") or not Path(target).is_file():
        return False
    with Path(target).open("rb") as handle:
        return b'"model_name_or_path"' not in handle.read(_HEAD)


def _marks(out: Console) -> tuple[str, str]:
    try:
        "".join(_MARKS).encode(out.encoding)
    except (UnicodeEncodeError, LookupError):
        return _PLAIN_MARKS
    return _MARKS


def _heading(row: Shown) -> str:
    side = tr("cli.preview.side", side=tr(f"cli.preview.{row.side}")) if row.side else ""
    key = "cli.preview.cut_row" if row.cut else "cli.preview.row"
    return tr(key, row=f"{row.id}{side}", tokens=row.tokens, targets=row.targets, cut=row.cut, lost=row.lost)


def _body(row: Shown, marks: tuple[str, str]) -> Text:
    body = Text()
    for text, learnt in row.parts:
        said = _visible(_shortened(text))
        body.append(said if learnt else f"{marks[0]}{said}{marks[1]}", style="" if learnt else "dim")
    return body


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return text[:half] + tr("cli.preview.left_out", count=len(text) - 2 * half) + text[-half:]


def _visible(text: str) -> str:
    """Text without the characters that steer a terminal."""
    return "".join(c if c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f") else "�" for c in text)
