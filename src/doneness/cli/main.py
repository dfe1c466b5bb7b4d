"""The command line: find the command, run it, turn faults into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

from doneness import __version__
from doneness.cli import (
    align,
    audit,
    chat,
    check,
    choose,
    compare,
    demo,
    export,
    figure,
    pairs,
    plan,
    preview,
    probe,
    prune,
    recipes,
    replay,
    report,
    review,
    sanity,
    scaling,
    serve,
    train,
    watch,
)
from doneness.cli.console import lenient
from doneness.cli.foreign import set_apart
from doneness.core import LANGUAGES, DonenessError, launched, speaking, tr

# In the order in which a person needs them: this is the table of contents.
_COMMANDS = (
    *(
        demo,
        audit,
        preview,
        plan,
        sanity,
        train,
        recipes,
        watch,
        serve,
        check,
        compare,
        scaling,
        replay,
        probe,
        choose,
        chat,
        review,
        pairs,
        align,
        export,
        prune,
        report,
        figure,
    ),
)

OK, FAULT, INTERRUPTED = 0, 2, 130
_DEBUG = "DONENESS_DEBUG"


class _Parser(argparse.ArgumentParser):
    """An argument parser whose faults are one line too."""

    def error(self, message: str) -> NoReturn:
        fault = tr("cli.usage_fault", message=message, program=self.prog) + "\n"
        self.exit(FAULT, fault if launched.speaks() else None)


def entry() -> None:
    """The console script."""
    code = main()
    if code == OK:
        launched.part()
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when done, 1 when the command's own judgement is negative, 2 for a fault of the input,
        130 after Ctrl-C.
    """
    lenient(sys.stdout, sys.stderr)
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not sys.warnoptions:
        # What our libraries say to developers is no concern of a user.
        warnings.simplefilter("ignore")
    with speaking(_language(arguments)):
        try:
            options = build_parser().parse_args(set_apart(arguments))
            with speaking(options.lang):
                return int(options.run(options))
        except SystemExit as leaving:
            return leaving.code if isinstance(leaving.code, int) else FAULT
        except DonenessError as error:
            if launched.speaks():
                print(error, file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            if launched.rank() == 0:
                print(tr("cli.interrupted"), file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            # The reader (head, less) went away; what it wanted it has.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        except Exception as error:
            if os.environ.get(_DEBUG) == "1":
                raise
            # A traceback would end with exit code 1, which means that a run was judged.
            message = " ".join(str(error).split()) or "-"
            if launched.speaks():
                print(tr("cli.defect", kind=type(error).__name__, message=message), file=sys.stderr)
            return FAULT


def build_parser() -> argparse.ArgumentParser:
    """All commands, described in the reader's language."""
    parser = _Parser(
        prog="doneness",
        description=tr("cli.description"),
        epilog=tr("cli.epilog"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"doneness {__version__}")
    parser.add_argument("--lang", choices=LANGUAGES, default=None, help=tr("cli.lang"))
    commands = parser.add_subparsers(
        title=tr("cli.commands"), metavar=tr("cli.command"), required=True, parser_class=_Parser
    )
    for command in _COMMANDS:
        name = command.__name__.rpartition(".")[2]
        sub = commands.add_parser(
            name,
            help=tr(f"cli.{name}.help"),
            description=tr(f"cli.{name}.description"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--lang", choices=LANGUAGES, default=argparse.SUPPRESS, help=tr("cli.lang"))
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return parser


def _language(arguments: Sequence[str]) -> str | None:
    """The language asked for, known before parsing so that help and faults are in it too."""
    for here, following in pairwise([*arguments, ""]):
        if here.startswith("--lang="):
            here, following = "--lang", here.removeprefix("--lang=")
        if here == "--lang" and following in LANGUAGES:
            return following
    return None
