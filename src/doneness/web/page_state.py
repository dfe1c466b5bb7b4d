"""What a page is rendered from: the same plain values that the interface hands out as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PAGES = ("runs", "run", "answers", "review", "compare", "login", "fault")


@dataclass(frozen=True)
class PageState:
    """One request for a page.

    Attributes:
        lang: "en" or "zh".
        csrf: what every change has to carry in its header.
        path: the address with its query; the switch of languages leads back to it.
        theme: "light" or "dark" as chosen by the reader, "" for what the system says.
        readonly: whether the server refuses every change.
        root: name of the folder that is served.
        logout: whether there is a token to be forgotten.
        data: what the page shows; its keys are named in the function that renders the page.
    """

    lang: str
    csrf: str
    path: str = "/"
    theme: str = ""
    readonly: bool = False
    root: str = ""
    logout: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
