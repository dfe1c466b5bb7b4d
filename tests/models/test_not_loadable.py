"""What is said of a model that cannot be loaded: a slip in a path reads like a name on the hub."""

from __future__ import annotations

import importlib.util
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


def test_attention_that_is_not_installed_is_said_with_its_package(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    if importlib.util.find_spec("flash_attn") is not None:
        pytest.skip("flash-attn is installed here")
    from doneness.core import speaking
    from doneness.models import load_model
    from doneness.testing.tiny import make_tiny_model

    folder = make_tiny_model(tmp_path / "model")
    for lang, said in (("en", "install flash-attn"), ("zh", "请安装 flash-attn")):
        with speaking(lang), pytest.raises(DonenessError) as error:
            load_model(str(folder), "float32", "cpu", more={"attn_implementation": "flash_attention_2"})
        assert said in str(error.value) and 'model.attention = "sdpa"' in str(error.value)
        assert "download" not in str(error.value) and "\n" not in str(error.value)
