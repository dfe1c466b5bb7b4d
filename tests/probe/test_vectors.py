"""Embeddings are made once, also from one process to the next, and a cache that cannot be used costs only time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from doneness.probe import vectors


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    vectors._base.cache_clear()
    yield tmp_path / "doneness" / "vectors.sqlite"
    close()


def close() -> None:
    base = vectors._base()
    if base is not None:
        base.close()
    vectors._base.cache_clear()


def embedder(made: list[str]) -> object:
    def embed(text: str) -> vectors.Vector:
        made.append(text)
        return np.full(384, len(text), dtype=np.float32)

    return embed


def test_a_text_is_embedded_once(cache: Path) -> None:
    made: list[str] = []
    for _ in range(2):
        found = vectors._kept("e5 1", "gout", embedder(made))  # type: ignore[arg-type]
        assert found.shape == (384,)
        assert found[0] == 4
        close()  # as another process would begin
    assert made == ["gout"]
    vectors._kept("e5 2", "gout", embedder(made))  # type: ignore[arg-type]
    vectors._kept("e5 1", "uric acid", embedder(made))  # type: ignore[arg-type]
    assert made == ["gout", "gout", "uric acid"]  # another embedder's are not taken


def test_a_cache_that_is_none_only_costs_time(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_bytes(b"no database at all, but long enough to be looked at as one" * 20)
    made: list[str] = []
    for _ in range(2):
        assert vectors._kept("e5", "gout", embedder(made))[0] == 4  # type: ignore[arg-type]
    assert made == ["gout", "gout"]


def test_no_more_are_kept_than_there_is_room_for(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_MOST", 2)
    made: list[str] = []
    for text in ("a", "b", "c", "a", "c"):
        vectors._kept("e5", text, embedder(made))  # type: ignore[arg-type]
    assert made == ["a", "b", "c", "c"]


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    vectors._base.cache_clear()
    made: list[str] = []
    assert vectors._kept("e5 1", "gout", embedder(made)).shape == (384,)  # type: ignore[arg-type]
    assert made == ["gout"]
    vectors._base.cache_clear()
