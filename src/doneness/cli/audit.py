"""doneness audit TRAIN [--eval EVAL]: is this data fit to train on?"""

from __future__ import annotations

import argparse
import json

from doneness.cli.console import console, print_json
from doneness.core import Status, tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("train", help=tr("cli.audit.train"))
    parser.add_argument("--eval", dest="held_out", help=tr("cli.audit.eval"))
    parser.add_argument("--suite", help=tr("cli.audit.suite"))
    parser.add_argument("--epochs", type=float, default=1.0, help=tr("cli.audit.epochs"))
    parser.add_argument("--json", action="store_true", help=tr("cli.audit.json"))


def run(options: argparse.Namespace) -> int:
    """Audit and show; exit code 1 when something would make the run's numbers lie."""
    from doneness.audit import AuditParams
    from doneness.report.terminal import findings_table
    from doneness.workflows.audit import audit_files

    params = AuditParams(epochs=options.epochs)
    audited = audit_files(options.train, options.held_out, options.suite, params)
    if options.json:
        findings = [finding.to_dict() for finding in audited.findings]
        shown = {"worst": audited.worst.value, "findings": findings}
        print_json(json.dumps(shown, ensure_ascii=False, indent=2) + "\n")
    else:
        out = console()
        held_out = len(audited.eval.rows) if audited.eval else 0
        out.print(tr("cli.audit.rows", train=len(audited.train.rows), eval=held_out))
        out.print(findings_table(audited.findings))
    return int(audited.worst in (Status.FAIL, Status.ERROR))
