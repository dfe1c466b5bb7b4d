"""doneness sanity --law: what loss so many parameters and tokens should reach."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

import numpy as np
from rich.text import Text

from doneness.cli.console import console, print_json
from doneness.core import RecipeError, tr
from doneness.sanity.scaling import BESIROGLU, REFERENCE_BYTES, Expected, count_of, expected

# A fall of so many nats shows in a training curve.
_SEEN = 0.02
# Parameters and tokens of the runs that the law was fitted to (arXiv 2203.15556).
_SIZES, _SEEN_TOKENS = (70e6, 16e9), (5e9, 500e9)


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
    parameters, tokens = (_count(text) for text in (options.parameters, options.tokens))
    loss = options.loss
    if options.recipe:
        told = _of_run(options.recipe)
        parameters, tokens, loss = (
            given or known for given, known in zip((parameters, tokens, loss), told, strict=True)
        )
    if not parameters or not tokens:
        raise RecipeError([tr("cli.sanity.law_needs")])
    try:
        found = expected(parameters, tokens, options.bytes_per_token, options.annealed)
    except ValueError:
        raise RecipeError([tr("cli.sanity.bad_count", text=str(options.bytes_per_token))]) from None
    if options.json:
        shown = {"parameters": parameters, "tokens": tokens, "loss": loss, "law": BESIROGLU.name}
        shown |= {"word": found.word(loss) if loss is not None else None, "expected": asdict(found)}
        print_json(json.dumps(shown, ensure_ascii=False, indent=2) + "\n")
        return 0
    out = console()
    for number, line in enumerate(_lines(found, parameters, tokens, loss, options.bytes_per_token)):
        out.print(Text(line, style="bold" if number == 0 else ""))
    return 0


def _lines(
    found: Expected, parameters: float, tokens: float, loss: float | None, bytes_per_token: float | None
) -> list[str]:
    numbers = {"parameters": parameters / 1e9, "tokens": tokens / 1e9, **asdict(found)}
    lines = [tr("sanity.law.expected", **numbers)]
    if loss is not None:
        lines.insert(0, tr(f"sanity.law.{found.word(loss)}", measured=loss, **numbers))
    if not (_SIZES[0] <= parameters <= _SIZES[1] and _SEEN_TOKENS[0] <= tokens <= _SEEN_TOKENS[1]):
        lines.insert(0, tr("sanity.law.beyond"))
    lines.append(tr("sanity.law.parts", **numbers))
    lines.append(tr("sanity.law.pace" if found.next_tenth < _SEEN else "sanity.law.pace_seen", **numbers))
    said = "bytes" if bytes_per_token else "no_bytes"
    lines.append(tr(f"sanity.law.{said}", given=bytes_per_token or 0.0, reference=REFERENCE_BYTES))
    lines.append(tr("sanity.law.source", law=BESIROGLU.name))
    return lines


def _of_run(path: str) -> tuple[float | None, float | None, float | None]:
    """Parameters, tokens seen and loss of a run, as far as its log tells."""
    from doneness.runs import read

    run = read(path)[0]
    series = run.evals if run.evals is not None and len(run.evals) else run.train
    if series is None or not len(series):
        raise RecipeError([tr("cli.sanity.no_loss", path=path)])
    last = series.value[np.isfinite(series.value)][-50:] if series is run.train else series.value[-1:]
    tokens = float(series.tokens[-1])
    return run.number("total_parameters"), tokens if np.isfinite(tokens) and tokens else None, float(np.median(last))


def _count(text: str) -> float | None:
    if not text:
        return None
    try:
        return count_of(text)
    except ValueError:
        raise RecipeError([tr("cli.sanity.bad_count", text=text)]) from None
