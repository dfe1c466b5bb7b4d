"""LLaMA-Factory's dataset_info.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from doneness.config.places import moved, place_of
from doneness.core import DataError
from doneness.data import Reading, read_kto, read_preferences, read_rows, read_texts

SHARED = Path(__file__).parents[3] / "shared"
TALK = [{"from": "human", "value": "Gout?"}, {"from": "gpt", "value": "It hurts."}]


def registry(folder: Path, entries: dict[str, Any], **files: Any) -> Path:
    for name, rows in files.items():
        (folder / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")
    path = folder / "dataset_info.json"
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def read(path: Path, names: str, **how: Any) -> Any:
    return read_rows(f"{path}#{names}", reading=Reading(**how))


def test_names_of_columns_and_roles(tmp_path: Path) -> None:
    entries = {
        "plain": {"file_name": "plain.json"},
        "named": {"file_name": "named.json", "columns": {"prompt": "q", "response": "a", "system": "s"}},
        "talk": {"file_name": "talk.json", "formatting": "sharegpt"},
        "open": {
            "file_name": "open.json",
            "formatting": "sharegpt",
            "columns": {"messages": "msgs"},
            "tags": {"role_tag": "who", "content_tag": "what", "user_tag": "U", "assistant_tag": "A"},
        },
    }
    path = registry(
        tmp_path, entries,
        plain=[{"instruction": "Gout?", "input": "In toes.", "output": "It hurts."}],
        named=[{"q": "Gout?", "a": "It hurts.", "s": "Be kind.", "output": "not this"}],
        talk=[{"conversations": TALK}],
        open=[{"msgs": [{"who": "U", "what": "Gout?"}, {"who": "A", "what": "It hurts."}]}],
    )  # fmt: skip
    assert [(t.role, t.content) for t in read(path, "plain").rows[0].turns] == [
        ("user", "Gout?\nIn toes."), ("assistant", "It hurts.")
    ]  # fmt: skip
    assert [t.content for t in read(path, "named").rows[0].turns] == ["Be kind.", "Gout?", "It hurts."]
    both = read(path, "talk,open")
    assert [(row.source, row.id, row.prompt, row.answer) for row in both] == [
        ("talk", "talk:1", "Gout?", "It hurts."),
        ("open", "open:1", "Gout?", "It hurts."),
    ]


def test_a_part_of_a_set(tmp_path: Path) -> None:
    rows = [{"instruction": f"q{i}", "output": f"a{i}"} for i in range(20)]
    path = registry(
        tmp_path,
        {"few": {"file_name": "few.json", "num_samples": 5}, "more": {"file_name": "few.json", "num_samples": 30}},
        few=rows,
    )  # fmt: skip
    few = read(path, "few", seed=1)
    assert len({row.answer for row in few}) == 5
    assert [row.answer for row in few] == [row.answer for row in read(path, "few", seed=1)]
    assert [row.answer for row in few] != [row.answer for row in read(path, "few", seed=2)]
    more = read(path, "more")
    assert (len(more), len({row.answer for row in more}), len({row.id for row in more})) == (30, 20, 30)
    assert len(read(path, "few,more", first=3)) == 6


def test_pairs_verdicts_and_texts(tmp_path: Path) -> None:
    entries = {
        "pairs": {"file_name": "pairs.json", "ranking": True,
                  "columns": {"prompt": "instruction", "chosen": "good", "rejected": "bad"}},
        "talks": {"file_name": "talks.json", "ranking": True, "formatting": "sharegpt",
                  "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}},
        "kto": {"file_name": "kto.json", "columns": {"prompt": "q", "response": "a", "kto_tag": "ok"}},
        "texts": {"file_name": "texts.json", "columns": {"prompt": "text"}},
    }  # fmt: skip
    path = registry(
        tmp_path, entries,
        pairs=[{"instruction": "Gout?", "good": "It hurts.", "bad": "No."}],
        talks=[{"conversations": TALK[:1], "chosen": TALK[1], "rejected": {"from": "gpt", "value": "No."}}],
        kto=[{"q": "Gout?", "a": "It hurts.", "ok": True}, {"q": "Gout?", "a": "No.", "ok": False}],
        texts=[{"text": "Gout hurts."}],
    )  # fmt: skip
    for name in ("pairs", "talks"):
        row = read_preferences(f"{path}#{name}").rows[0]
        assert (row.prompt, row.chosen[0].content, row.rejected[0].content) == ("Gout?", "It hurts.", "No.")
    assert [row.desirable for row in read_kto(f"{path}#kto").rows] == [True, False]
    assert read_texts(f"{path}#texts").rows[0].text == "Gout hurts."
    with pytest.raises(DataError, match="preference pair"):
        read(path, "pairs")


def test_a_folder_beside_the_registry(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name in ("a", "b"):
        (tmp_path / "set" / f"{name}.json").write_text('[{"instruction": "q", "output": "a"}]', encoding="utf-8")
    rows = read(registry(tmp_path, {"x": {"file_name": "set"}}), "x")
    assert [row.id for row in rows] == ["1", "1#1"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"ms_hub_url": "a/b"}, "by ms_hub_url alone"),
        ({"script_url": "a"}, "by script_url alone"),
        ({"file_name": "none.json"}, "none.json: no such file"),
        ({"file_name": "x.json", "formatting": "csv"}, 'formatting "csv"'),
        ({"file_name": "x.json", "formating": "sharegpt"}, 'a key "formating", which LLaMA-Factory does not know'),
        ({"file_name": "x.json", "columns": {"prompt": "q", "response": "a"}}, 'no column "q" for prompt'),
        ({"file_name": "x.json", "formatting": "sharegpt"}, 'no column "conversations" for messages'),
    ],
)
def test_entries_that_cannot_be_used_say_why(tmp_path: Path, entry: dict[str, Any], said: str) -> None:
    path = registry(tmp_path, {"x": entry}, x=[{"instruction": "q", "output": "a"}])
    with pytest.raises(DataError) as fault:
        read(path, "x")
    assert said in str(fault.value)


def test_names_that_are_not_there(tmp_path: Path) -> None:
    path = registry(tmp_path, {"alpaca_en": {"file_name": "x.json"}, "identity": {"file_name": "x.json"}})
    with pytest.raises(DataError, match="no data set alpaca_eng in it; it has: alpaca_en"):
        read(path, "alpaca_eng")
    with pytest.raises(DataError, match="say which"):
        read_rows(path)
    path.write_text("[1]", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as a registry"):
        read(path, "a")


def test_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = registry(
        tmp_path, {"x": {"hf_hub_url": "owner/set", "file_name": "no.json", "subset": "en", "split": "test"}}
    )
    asked: list[Any] = []

    def load_dataset(*args: Any, **kwargs: Any) -> list[dict[str, str]]:
        asked.append((args, kwargs))
        return [{"instruction": "q", "output": "a"}]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert read(path, "x").rows[0].answer == "a"
    assert asked == [(("owner/set",), {"name": "en", "data_dir": None, "split": "test"})]

    def unreachable(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=unreachable))
    with pytest.raises(
        DataError, match=r"x: cannot be had from the hub as owner/set \(no route to host\); download it"
    ):
        read(path, "x")


def test_places() -> None:
    assert place_of("data/dataset_info.json#a,b") == ("data/dataset_info.json", "a,b")
    assert place_of("data/train#1.jsonl") == ("data/train#1.jsonl", "")
    assert moved("data/dataset_info.json#a", "/x/i.json") == "/x/i.json#a"
    assert moved("a.jsonl", "/x/a.jsonl") == "/x/a.jsonl"


@pytest.mark.skipif(
    not (SHARED / "data" / "formats").is_dir(), reason="the collected data sets are not on this machine"
)
def test_their_own_registry(tmp_path: Path) -> None:
    folder = SHARED / "data" / "formats"
    told = json.loads((folder / "llamafactory_dataset_info.json").read_text(encoding="utf-8"))
    for entry in told.values():
        if "file_name" in entry:
            entry["file_name"] = str(folder / f"llamafactory_{entry['file_name']}")
    path = registry(tmp_path, told)
    assert len(read(path, "identity,alpaca_en_demo,glaive_toolcall_en_demo")) == 91 + 999 + 300
    talk = read(path, "glaive_toolcall_en_demo").rows[0]
    assert talk.tools[0]["function"]["name"] == "search_recipes"
    assert talk.turns[3].more["tool_calls"][0]["function"]["arguments"]["ingredients"][0] == "chicken"
    assert talk.turns[4].more == {"role": "tool"}
    assert (len(read_texts(f"{path}#wiki_demo,c4_demo")), len(read_texts(f"{path}#wiki_demo"))) == (330, 30)
