"""The files that the pages load: style sheet, modules, and plotly.js out of its own package.

Each is served under an address that holds `VERSION`, so that a browser may keep it for ever; modules import one
another by relative address and so keep to one version.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources, util
from pathlib import Path

from doneness.report.html import asset as report_asset
from doneness.report.palette import COLOURS, css

PLOTLY = "plotly.min.js"
_MEDIA = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    media: str


@cache
def find_asset(name: str) -> Asset | None:
    """The file of that name, or None; there are no others than those shipped."""
    if name == PLOTLY:
        path = _plotly()
        return Asset(path.read_bytes(), _MEDIA[".js"]) if path else None
    if name == "app.css":
        return Asset(_style().encode(), _MEDIA[".css"])
    shipped = {file.name: file for file in (resources.files("doneness.web") / "static").iterdir() if file.is_file()}
    media = _MEDIA.get(Path(name).suffix)
    return Asset(shipped[name].read_bytes(), media) if name in shipped and media else None


@cache
def version() -> str:
    """A short hash of all that is shipped: it changes when a file does."""
    found = hashlib.sha256(_style().encode())
    folder = resources.files("doneness.web") / "static"
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        found.update(file.name.encode() + file.read_bytes())
    path = _plotly()
    found.update(str(path.stat().st_size).encode() if path else b"")
    return found.hexdigest()[:12]


def address(name: str) -> str:
    """Where a page loads the file from."""
    return f"/static/{version()}/{name}"


@cache
def _plotly() -> Path | None:
    """Found, not imported: importing plotly takes longer than everything else here."""
    found = util.find_spec("plotly")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / "package_data" / PLOTLY
    return path if path.is_file() else None


@cache
def _style() -> str:
    """Colours, then the report's own sheet, then what only the live pages have."""
    own = (resources.files("doneness.web") / "static" / "app.css").read_text(encoding="utf-8")
    return "\n".join((css(), _themes(), report_asset("report.css"), own))


def _themes() -> str:
    """The switch: a theme that the reader chose goes before the system's; paper is always light."""
    light, dark = ("".join(f"--{role}:{pair[k]};" for role, pair in COLOURS.items()) for k in (0, 1))
    return (
        f'@media screen{{:root[data-theme="light"]{{color-scheme:light;{light}}}'
        f':root[data-theme="dark"]{{color-scheme:dark;{dark}}}}}'
    )
