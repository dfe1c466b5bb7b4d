"""What may be told of a verdict, and where."""

from __future__ import annotations

from doneness.workflows.notify import is_web_address


def test_only_web_addresses_are_posted_to() -> None:
    assert is_web_address("https://example.org/x") and is_web_address("http://127.0.0.1:9/")
    assert not any(map(is_web_address, ("file:///etc/passwd", "ftp://h/x", "http://", "example.org", "http://[", "")))
