"""What is said of a model that cannot be loaded: a slip in a path reads like a name on the hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from doneness.core import DonenessError

transformers = pytest.importorskip("transformers")


def test_a_name_that_is_no_folder_here_is_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from doneness.models import load_tokenizer

    def refuse(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect\nto the hub")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", refuse)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DonenessError) as absent:
        load_tokenizer("runs/merged")
    assert "runs/merged: no such folder here" in str(absent.value)
    assert "\n" not in str(absent.value)
    (tmp_path / "runs" / "merged").mkdir(parents=True)
    with pytest.raises(DonenessError) as there:
        load_tokenizer("runs/merged")
    assert "no such folder" not in str(there.value)
