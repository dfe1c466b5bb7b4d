"""doneness serve [DIR]: the runs of a folder as live pages."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from rich.text import Text

from doneness.cli.console import console
from doneness.core import tr

if TYPE_CHECKING:
    from doneness.web.site import Settings

PORT = 8631
INTERRUPTED = 130
_EVERYWHERE = ("0.0.0.0", "::", "")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", nargs="?", default=".", metavar="DIR", help=tr("cli.serve.folder"))
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help=tr("cli.serve.host"))
    parser.add_argument("--port", type=port, default=PORT, metavar=str(PORT), help=tr("cli.serve.port"))
    parser.add_argument("--name", action="append", default=[], metavar="NAME", help=tr("cli.serve.name"))
    parser.add_argument("--read-only", action="store_true", help=tr("cli.serve.readonly"))
    parser.add_argument("--no-cache", action="store_true", help=tr("cli.serve.no_cache"))
    parser.add_argument("--open", action="store_true", help=tr("cli.serve.open"))


def port(text: str) -> int:
    """A number of a port; 0 takes a free one."""
    if not text.isascii() or not text.isdecimal() or len(text) > 5 or int(text) > 65_535:
        raise argparse.ArgumentTypeError(tr("cli.serve.port_fault", text=text))
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from doneness.workflows.serve import serve, settings_of

    settings = settings_of(
        options.folder,
        options.host,
        options.port,
        readonly=options.read_only,
        names=options.name,
        keep=not options.no_cache,
    )

    def told(listening: Settings) -> None:
        address = address_of(listening)
        console().print(Text(tr("cli.serve.listening", address=address, folder=str(listening.root))))
        numeric = numeric_address(listening)
        if numeric and numeric != address:
            console().print(Text(tr("cli.serve.numeric", address=numeric)))
        if listening.token:
            console().print(Text(tr("cli.serve.token", token=listening.token)))
        if options.open:
            import webbrowser

            webbrowser.open(address)

    code = serve(settings, told)
    if code == INTERRUPTED:
        print(tr("cli.serve.ended"), file=sys.stderr)
    return code


def address_of(settings: Settings) -> str:
    """Where to look, as a browser wants it."""
    host = settings.host
    if host in _EVERYWHERE:
        import socket

        host = settings.names[0] if settings.names else socket.gethostname()
    return _written(host, settings.port)


def numeric_address(settings: Settings) -> str:
    """The same by number, for readers whose machine does not know this one's name.

    The number is that by which this machine reaches others; empty where it reaches none, or where one address alone is
    listened on. Nothing is sent.
    """
    if settings.host not in _EVERYWHERE:
        return ""
    import socket

    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # Choosing a way for datagrams sends none. The place is one set aside for examples (RFC 5737).
            probe.connect(("192.0.2.1", 9))
            found = str(probe.getsockname()[0])
    except OSError:
        return ""
    return "" if found.startswith(("127.", "0.")) else _written(found, settings.port)


def _written(host: str, port: int) -> str:
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"http://{host}:{port}/"
