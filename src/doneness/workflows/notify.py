"""Telling others of a verdict: a request to a web address, a command of the user's."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from doneness.core import tr
from doneness.core.text import printable
from doneness.workflows.watch import Look

_WAIT = 10.0  # seconds, for an answer and for a command to end
_TRIES = 2


def is_web_address(url: str) -> bool:
    """Whether it is one that a request may go to: http or https, with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def post(url: str, look: Look) -> str | None:
    """POST the verdict as JSON: run, verdict, headline, step, action. Tried twice.

    Returns:
        None where it was taken, else why not, in one line.
    """
    found = look.diagnosis
    body = {
        "run": look.run.name,
        "verdict": found.verdict.value,
        "headline": str(found.headline),
        "step": found.last_step,
        "action": found.action.value,
    }
    request = urllib.request.Request(
        url, json.dumps(body, ensure_ascii=False).encode(), {"Content-Type": "application/json; charset=utf-8"}
    )
    reason = ""
    for _ in range(_TRIES):
        try:
            with urllib.request.urlopen(request, timeout=_WAIT):
                return None
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code}"
            error.close()
        except (OSError, ValueError) as error:
            reason = str(getattr(error, "reason", None) or error)
    return tr("workflows.watch.webhook", host=urlsplit(url).hostname or "-", reason=printable(reason))


def run_command(command: str, look: Look) -> str | None:
    """Run a command in a shell, told of the verdict by DONENESS_* in its environment.

    It is not waited for longer than ten seconds; then it goes on beside us. What it prints goes to
    standard error.

    Returns:
        None where it went well or still runs, else why not, in one line.
    """
    found = look.diagnosis
    told = {
        "DONENESS_RUN": str(look.run.path or look.run.name),
        "DONENESS_VERDICT": found.verdict.value,
        "DONENESS_STEP": str(found.last_step),
        "DONENESS_ACTION": found.action.value,
        "DONENESS_KEEP": "" if found.recommended_step is None else str(found.recommended_step),
    }
    # The shell is the point: the command is the user's own, written on the same command line as ours.
    going = subprocess.Popen(command, shell=True, env=os.environ | told, stdin=subprocess.DEVNULL, stdout=2)
    try:
        code = going.wait(_WAIT)
    except subprocess.TimeoutExpired:
        return None
    return tr("workflows.watch.command", command=printable(command), code=code) if code else None
