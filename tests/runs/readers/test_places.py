from __future__ import annotations

import os
from pathlib import Path

import pytest
import reader_logs as logs

from doneness.core import UnreadableError, speaking
from doneness.runs import Journal, read


def test_a_tree_of_many(tmp_path: Path) -> None:
    logs.put(tmp_path / "a" / "out" / "checkpoint-5" / "trainer_state.json", logs.state(logs.rows(5)))
    logs.put(tmp_path / "a" / "out" / "checkpoint-9" / "trainer_state.json", logs.state(logs.rows(9)))
    logs.put(tmp_path / "b" / "trainer_log.jsonl", logs.lines(logs.factory_row(s) for s in (1, 2)))
    logs.put(tmp_path / "c" / "metrics.csv", "step,loss\n1,2\n2,1\n")
    logs.put(tmp_path / "c" / "config.json", '{"vocab_size": 3}')
    logs.put(tmp_path / "c" / "weights.dat", bytes(range(256)) * 9)
    logs.put(tmp_path / "c" / "optimizer.pt", "step 1: loss 2.0\n")
    logs.put(tmp_path / "c" / "empty.log", "")
    logs.put(tmp_path / ".git" / "x.log", "step 1: loss 2.0\n")
    journal = Journal(tmp_path / "d" / "journal.jsonl")
    journal.write("start", 0)
    journal.write("train", 1, loss=2.0)
    journal.close()
    assert [(r.kind, r.name, r.last_step) for r in read(tmp_path)] == [
        ("hf_trainer", "out", 9),
        ("llamafactory", "b", 2),
        ("csv", "metrics", 2),
        ("journal", "d", 1),
    ]


def test_a_damaged_log_in_a_tree_is_noted_and_hides_no_other(tmp_path: Path) -> None:
    logs.put(tmp_path / "a" / "trainer_state.json", "{")
    logs.put(tmp_path / "b" / "log.csv", "step,loss\n1,2\n")
    runs = read(tmp_path)
    assert len(runs) == 1
    assert any("1 files could not be read" in n and "trainer_state.json" in n for n in runs[0].notes)
    (tmp_path / "b" / "log.csv").unlink()
    with pytest.raises(UnreadableError, match="cut in the middle"):
        read(tmp_path)


def test_links_that_go_round_end(tmp_path: Path) -> None:
    logs.put(tmp_path / "a" / "log.csv", "step,loss\n1,2\n")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert len(read(tmp_path)) == 1
    with pytest.raises(UnreadableError):
        read(tmp_path / "self")


@pytest.mark.parametrize(
    "name", ["log.json", "trainer_state.json", "trainer_log.jsonl", "x.csv", "events.out.tfevents.1"]
)
@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git lfs pull"),
        (bytes(range(256)) * 40, ""),
        (b"\x80\x04\x95" + b"cos\nsystem\n" * 9, ""),
        (b"dear diary, the loss was great", ""),
        (b"[" * 100_000, ""),
        (b'{"log_history": [' + b'{"a":' * 100_000, ""),
        (b"\xff\xfe" + b"\x00\xd8" * 50, ""),
    ],
    ids=["empty", "lfs", "binary", "pickle", "prose", "deep", "deep-history", "surrogates"],
)
def test_what_is_no_log_gets_one_line(tmp_path: Path, name: str, content: bytes, part: str) -> None:
    path = logs.put(tmp_path / name, content)
    for language in ("en", "zh"):
        with speaking(language), pytest.raises(UnreadableError) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)
        assert part in str(caught.value) or language == "zh"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_closed_file_is_named(tmp_path: Path) -> None:
    path = logs.put(tmp_path / "log.csv", "step,loss\n1,2\n")
    path.chmod(0)
    with pytest.raises(UnreadableError, match="cannot be opened"):
        read(path)


def test_a_closed_file_is_named_whoever_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = logs.put(tmp_path / "log.csv", "step,loss\n1,2\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableError, match="cannot be opened"):
        read(path)
