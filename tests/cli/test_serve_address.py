"""What `doneness serve` prints to be opened: the name, and a number where the name may not be known."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from doneness.cli.serve import address_of, numeric_address
from doneness.web.site import Settings


def test_one_address_is_printed_as_it_was_asked_for(tmp_path: Path) -> None:
    for host, written in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("gpu1", "gpu1")):
        settings = Settings(tmp_path, host, 8631)
        assert address_of(settings) == f"http://{written}:8631/" and numeric_address(settings) == ""


def test_everywhere_is_printed_by_name_and_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(tmp_path, "0.0.0.0", 8631, names=("gpu1.lab",))
    assert address_of(settings) == "http://gpu1.lab:8631/"
    found = numeric_address(settings)
    if found:  # a machine without a network has none
        number = ipaddress.ip_address(urlsplit(found).hostname or "")
        assert not number.is_loopback and not number.is_unspecified

    class Cut:
        def __init__(self, *how: object) -> None:
            raise OSError("no network")

    monkeypatch.setattr("socket.socket", Cut)
    assert numeric_address(settings) == ""
