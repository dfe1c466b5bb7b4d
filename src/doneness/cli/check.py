"""doneness check PATH: judge a run, ours or anybody's."""

from __future__ import annotations

import argparse

from doneness.cli.console import console
from doneness.core import Verdict, tr
from doneness.diagnose import Params


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help=tr("cli.check.path"))
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=tr("cli.check.json"))
    form.add_argument("--md", action="store_true", help=tr("cli.check.md"))
    parser.add_argument("--until", type=int, metavar="STEP", help=tr("cli.check.until"))
    parser.add_argument("--gain", type=gain, metavar="0.5%", help=tr("cli.check.gain"))
    parser.add_argument("--fail-on", type=verdicts, default=(), metavar="VERDICT,…", help=tr("cli.check.fail_on"))


def gain(text: str) -> float:
    """A share from "0.5%" or "0.005"."""
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(tr("cli.check.gain_fault", text=text))
    return share


def verdicts(text: str) -> tuple[Verdict, ...]:
    """Verdicts from their names, separated by commas."""
    known = {v.value: v for v in Verdict}
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(tr("cli.check.verdict_fault", name=name, known=", ".join(known)))
    return tuple(known[name] for name in names)


def run(options: argparse.Namespace) -> int:
    """Diagnose and show; exit code 1 for a verdict of --fail-on."""
    from doneness.report import to_json, to_markdown
    from doneness.report.terminal import diagnosis_panel, runs_table
    from doneness.workflows.check import check

    params = Params(gain_share=options.gain, gain_nats=0.0) if options.gain else None
    found = check(options.path, params, options.until)
    if options.json:
        print("".join(to_json(diagnosis) for _, diagnosis in found), end="")
    elif options.md:
        print("\n".join(to_markdown(diagnosis) for _, diagnosis in found), end="")
    elif len(found) == 1:
        console().print(diagnosis_panel(*found[0]))
    else:
        console().print(runs_table(found))
    return int(any(diagnosis.verdict in options.fail_on for _, diagnosis in found))
