"""doneness sanity --law: what loss so many parameters and tokens should reach."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.text import Text

from doneness.cli.console import console, print_json
from doneness.core import RecipeError, tr
from doneness.sanity.scaling import BESIROGLU, REFERENCE_BYTES, Expected, count_of, expected

if TYPE_CHECKING:
    from doneness.runs import Run

# A fall of so many nats shows in a training curve.
_SEEN = 0.02
# Parameters and tokens of the runs that the law was fitted to (arXiv 2203.15556).
_SIZES, _SEEN_TOKENS = (70e6, 16e9), (5e9, 500e9)
_FAR = 10.0  # times beyond either end: there the two fits of the law no longer agree on anything
_VOCABULARY = 32_000  # pieces of the law's tokenizer, where a run's own are not known
_LAST = 3  # train losses at the end: one that is no number may be a damaged row, so many are a broken run


def law_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--law", action="store_true", help=tr("cli.sanity.law"))
    parser.add_argument("--parameters", default="", metavar="1.1B", help=tr("cli.sanity.parameters"))
    parser.add_argument("--tokens", default="", metavar="50e6x1000", help=tr("cli.sanity.tokens"))
    parser.add_argument("--loss", type=float, default=None, help=tr("cli.sanity.loss"))
    parser.add_argument("--bytes-per-token", type=float, default=None, help=tr("cli.sanity.bytes"))
    parser.add_argument("--annealed", action="store_true", default=None, help=tr("cli.sanity.annealed"))


def law(options: argparse.Namespace) -> int:
    """Ask the law, of a run's log or of numbers given; 0 whatever it says: it is no judgement of the pipeline."""
    asked = _asked(options)
    parameters, tokens, loss = asked.parameters, asked.tokens, asked.loss
    found = _expected(asked, options)
    if options.json:
        shown: dict[str, Any] = {"parameters": parameters, "tokens": tokens, "loss": loss, "law": BESIROGLU.name}
        shown |= {"word": found.word(loss) if loss is not None else None, "expected": asdict(found)}
        print_json(json.dumps(shown, ensure_ascii=False, indent=2) + "\n")
        return 0
    out = console()
    for number, line in enumerate(_lines(found, parameters, tokens, loss, options.bytes_per_token)):
        out.print(Text(line, style="bold" if number == 0 else ""))
    return 0


class _Asked(NamedTuple):
    """What the law is asked of: counts, the loss in nats a token, and the size of the vocabulary."""

    parameters: float
    tokens: float
    loss: float | None
    vocabulary: int


def _asked(options: argparse.Namespace) -> _Asked:
    """What the options say, and of the rest what the run's log tells."""
    parameters, tokens = (_count(text) for text in (options.parameters, options.tokens))
    loss, vocabulary = options.loss, _VOCABULARY
    if loss is not None and not 0 < loss < math.inf:
        raise _refused("loss", loss=loss)
    if options.recipe:
        told = _of_run(options.recipe, loss is None)
        parameters, tokens = parameters or told[0], tokens or told[1]
        loss, vocabulary = told[2] if loss is None else loss, told[3]
    if not parameters or not tokens:
        raise RecipeError([tr("cli.sanity.law_needs")])
    return _Asked(parameters, tokens, loss, vocabulary)


def _expected(asked: _Asked, options: argparse.Namespace) -> Expected:
    """The law's answer; refused where it has none."""
    numbers = {"parameters": asked.parameters / 1e9, "tokens": asked.tokens / 1e9}
    try:
        found = expected(asked.parameters, asked.tokens, options.bytes_per_token, options.annealed)
    except ValueError:
        raise RecipeError([tr("cli.sanity.bad_count", text=str(options.bytes_per_token))]) from None
    chance = math.log(asked.vocabulary)
    if found.loss > chance:
        said = {"expected": found.loss, "chance": chance, "vocabulary": asked.vocabulary}
        raise _refused("chance", **numbers, **said)
    if not (_within(asked.parameters, _SIZES, _FAR) and _within(asked.tokens, _SEEN_TOKENS, _FAR)):
        raise _refused("far", **numbers, times=_FAR)
    return found


def _within(value: float, ends: tuple[float, float], times: float = 1.0) -> bool:
    return ends[0] / times <= value <= ends[1] * times


def _lines(
    found: Expected, parameters: float, tokens: float, loss: float | None, bytes_per_token: float | None
) -> list[str]:
    numbers = {"parameters": parameters / 1e9, "tokens": tokens / 1e9, **asdict(found)}
    lines = [tr("sanity.law.expected", **numbers)]
    if loss is not None:
        lines.insert(0, tr(f"sanity.law.{found.word(loss)}", measured=loss, **numbers))
    if not (_within(parameters, _SIZES) and _within(tokens, _SEEN_TOKENS)):
        lines.insert(0, tr("sanity.law.beyond"))
    lines.append(tr("sanity.law.parts", **numbers))
    lines.append(tr("sanity.law.pace" if found.next_tenth < _SEEN else "sanity.law.pace_seen", **numbers))
    said = "bytes" if bytes_per_token else "no_bytes"
    lines.append(tr(f"sanity.law.{said}", given=bytes_per_token or 0.0, reference=REFERENCE_BYTES))
    lines.append(tr("sanity.law.source", law=BESIROGLU.name))
    return lines


def _of_run(path: str, judged: bool) -> tuple[float | None, float | None, float, int]:
    """Parameters, tokens seen, loss and vocabulary of a run, as far as its log tells.

    Args:
        path: of the run.
        judged: whether its own loss is asked for.
    """
    from doneness.runs import read

    run = read(path)[0]
    stage, method = str(run.meta.get("stage") or ""), str(run.meta.get("method") or "")
    # Most logs of other tools say neither; of them it is taken that whoever asks knows.
    if (stage and stage != "pretrain") or (method and method not in ("full", "pretrain", "pt")):
        raise _refused("stage", path=path, stage=stage or "-", method=method or "-")
    series = run.evals if run.evals is not None and len(run.evals) else run.train
    if series is None or not len(series):
        raise RecipeError([tr("cli.sanity.no_loss", path=path)])
    if judged:
        _refuse_broken(path, run)
    finite = series.value[np.isfinite(series.value)]
    last = finite[-50:] if series is run.train else finite[-1:]
    tokens = float(series.tokens[-1])
    size = int(run.number("vocab_size") or 0)
    loss = float(np.median(last)) if last.size else math.nan
    known = tokens if np.isfinite(tokens) and tokens else None
    return run.number("total_parameters"), known, loss, size if size > 1 else _VOCABULARY


def _refused(what: str, **numbers: Any) -> RecipeError:
    return RecipeError([tr(f"sanity.fault.law_{what}", **numbers)], where="--law")


def _refuse_broken(path: str, run: Run) -> None:
    """A loss that is no number any more, or below zero, is none that a law could be held against."""
    for series, several in ((run.evals, 1), (run.train, _LAST)):
        last = series.value[-several:] if series is not None else np.zeros(0)
        if series is not None and last.size and not (np.isfinite(last) & (last > 0)).any():
            numbers = {"loss": float(last[-1]), "step": int(series.step[-1])}
            raise _refused("broken", path=path, **numbers)


def _count(text: str) -> float | None:
    if not text:
        return None
    try:
        return count_of(text)
    except ValueError:
        raise RecipeError([tr("cli.sanity.bad_count", text=text)]) from None
