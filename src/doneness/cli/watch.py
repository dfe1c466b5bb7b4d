"""doneness watch PATH: follow a growing log of any tool, and act when it is done."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from doneness.cli.arguments import add_judging, seconds
from doneness.cli.console import console
from doneness.core import DonenessError, tr
from doneness.diagnose import Params

if TYPE_CHECKING:
    from doneness.cli.watch_panel import WatchPanel
    from doneness.workflows.watch import LogWatcher, Look

INTERRUPTED = 130
_IDLE = 4.0  # times as long as a look took
_CONFIRM, _STILL = 2.0, 3.0  # intervals without news: to take a log for over, to leave after the command
_LEAST, _MOST = 10.0, 60.0  # seconds, bounds of the latter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", metavar="PATH", help=tr("cli.watch.path"))
    parser.add_argument("--interval", type=seconds, default=5.0, metavar="5s", help=tr("cli.watch.interval"))
    parser.add_argument("--bell", action="store_true", help=tr("cli.watch.bell"))
    parser.add_argument("--webhook", type=web_address, metavar="URL", help=tr("cli.watch.webhook"))
    parser.add_argument("--on-change", metavar="CMD", help=tr("cli.watch.on_change"))
    parser.add_argument("--on-stop", metavar="CMD", help=tr("cli.watch.on_stop"))
    parser.add_argument("--until-done", action="store_true", help=tr("cli.watch.until_done"))
    parser.add_argument("--silent-after", type=seconds, metavar="30m", help=tr("cli.watch.silent_after"))
    parser.add_argument("--once", action="store_true", help=tr("cli.watch.once"))
    add_judging(parser)


def web_address(text: str) -> str:
    """An address that a request may go to."""
    from doneness.workflows.notify import is_web_address

    if not is_web_address(text):
        raise argparse.ArgumentTypeError(tr("cli.watch.webhook_fault", text=text))
    return text


def run(options: argparse.Namespace) -> int:
    """Watch until done, told to leave, or for ever; exit code 1 for a last verdict of --fail-on."""
    from doneness.cli.watch_panel import WatchPanel
    from doneness.runs.readers import files
    from doneness.workflows.watch import LogWatcher

    params = Params(gain_share=options.gain, gain_nats=0.0) if options.gain else None
    files.refuse_special(Path(options.path))
    watcher = LogWatcher(options.path, params, options.map, single=options.once)
    try:
        with WatchPanel(console(), options.path) as panel:
            why = _follow(watcher, panel, options)
        if why:
            panel.say(why)
    except KeyboardInterrupt:
        print(tr("cli.watch.interrupted"), file=sys.stderr)
        return INTERRUPTED
    last = watcher.last
    return int(last is not None and last.diagnosis.verdict in options.fail_on)


def _follow(watcher: LogWatcher, panel: WatchPanel, options: argparse.Namespace) -> str | None:
    """Look, show, tell, wait; returns why there is nothing left to wait for."""
    while True:
        began = time.monotonic()
        look = watcher.look()
        if look is not None:
            panel.show(look)
            _tell(look, panel, options)
        elif watcher.last is None:
            if options.once:
                raise DonenessError(watcher.fault or tr("runs.error.missing", path=options.path))
            fault = watcher.fault
            panel.wait(
                tr("cli.watch.nothing_yet", fault=fault) if fault else tr("cli.watch.no_file_yet", path=panel.path)
            )
        if look is None and not options.once:
            _tell_silence(watcher, panel)
            _stop_at_end(watcher, panel, options)
        why = None if options.once else _done(watcher, options, news=look is not None)
        if why or options.once:
            return why
        # A log that takes long to read is read less often: watching must not cost what training needs.
        time.sleep(max(options.interval, _IDLE * (time.monotonic() - began)))


def _done(watcher: LogWatcher, options: argparse.Namespace, news: bool) -> str | None:
    """Why there is nothing left to wait for, or None."""
    from doneness.report.numbers import duration
    from doneness.workflows.going import at_planned_end

    last = watcher.last
    if options.until_done and last is not None and at_planned_end(last.run):
        return tr("cli.watch.done", step=last.run.last_step)
    # A look may take longer than a log must rest; the command gets its turn, at a look without news, before we leave.
    if options.on_stop and last is not None and not news and _nothing_more(watcher, options):
        return tr("cli.watch.stopped", step=last.run.last_step)
    # A log that never was there is not silent; it is waited for.
    if options.silent_after and watcher.there and watcher.silent_for() >= options.silent_after:
        return tr("cli.watch.silent", time=duration(watcher.silent_for()))
    return None


def _tell_silence(watcher: LogWatcher, panel: WatchPanel) -> None:
    """A trainer that died leaves no line: say that its log has paused far longer than it used to."""
    from doneness.report.numbers import duration

    silence = watcher.silence()
    if silence is not None:
        lasting, longest = silence
        panel.say(tr("cli.watch.fell_silent", time=duration(lasting), longest=duration(longest)))


def _stop_at_end(watcher: LogWatcher, panel: WatchPanel, options: argparse.Namespace) -> None:
    """On a run that is over, or long silent, no second look confirms the first; that its log stands still does."""
    from doneness.workflows.going import finished

    if not options.on_stop:
        return
    over = watcher.last is not None and finished(watcher.last.run)
    look = watcher.stop_without_news(_CONFIRM * options.interval, over)
    if look is not None:
        _tell(look, panel, options, key="stopping_still")


def _nothing_more(watcher: LogWatcher, options: argparse.Namespace) -> bool:
    """Whether the command has run, or cannot be called for any more, and the log has come to rest."""
    from doneness.workflows.going import finished

    assert watcher.last is not None
    over, still = finished(watcher.last.run), watcher.still_for()
    if watcher.fired is None:
        return over and still >= _STILL * options.interval
    still = min(still, time.monotonic() - watcher.fired)
    return over or still >= min(max(_STILL * options.interval, _LEAST), _MOST)


def _tell(look: Look, panel: WatchPanel, options: argparse.Namespace, key: str = "stopping") -> None:
    """Bell, web address and commands; one that fails is a line on standard error, never the end of the watch."""
    from doneness.workflows.notify import post, run_command

    warnings: list[str | None] = []
    if look.changed:
        if options.bell:
            panel.console.bell()
        if options.webhook:
            warnings.append(post(options.webhook, look))
        if options.on_change:
            warnings.append(run_command(options.on_change, look))
    if look.stop and options.on_stop:
        panel.say(tr(f"cli.watch.{key}", step=look.run.last_step, command=options.on_stop))
        warnings.append(run_command(options.on_stop, look))
    for warning in warnings:
        if warning:
            print(warning, file=sys.stderr)
