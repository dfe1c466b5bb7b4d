"""doneness scaling RUN_1GPU RUN_8GPU: is the second as much faster as it should be, and is it the same run?"""

from __future__ import annotations

import argparse
import json

from doneness.cli.console import console, print_json
from doneness.core import Status, tr

_JUDGED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("few", metavar="RUN_1GPU", help=tr("cli.scaling.few"))
    parser.add_argument("many", metavar="RUN_8GPU", help=tr("cli.scaling.many"))
    parser.add_argument("--json", action="store_true", help=tr("cli.audit.json"))


def run(options: argparse.Namespace) -> int:
    """Compare and show; exit code 1 where something is not as it should be."""
    from doneness.report.terminal import findings_table
    from doneness.workflows.scaling import scaling

    found = scaling(options.few, options.many)
    if options.json:
        told = {"processes": list(found.processes), "speed_up": found.speed, "efficiency": found.efficiency,
                "findings": [f.to_dict() for f in found.findings]}  # fmt: skip
        print_json(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    else:
        console().print(findings_table(found.findings))
    return _JUDGED if any(f.status is Status.WARN for f in found.findings) else 0
