from __future__ import annotations

import errno
from pathlib import Path

import pytest

from doneness.core import DonenessError, MissingExtraError, RecipeError, StorageError, disk_faults, speaking
from doneness.core.text import printable
from doneness.runs.atomic import write_text


def test_an_error_is_one_line() -> None:
    assert "\n" not in str(DonenessError("a\nb\r\nc"))


def test_an_error_obeys_no_escape_sequence() -> None:
    assert str(DonenessError("run \x1b[31mred\x9b\x7f")) == "run ␛[31mred\ufffd␡"


def test_what_is_printable_stays() -> None:
    assert printable("火候 ± é\n\tα") == "火候 ± é\n\tα"
    printable("half \ud83d of a pair").encode()


def test_all_faults_are_named() -> None:
    error = RecipeError(["first", "second"], where="r.toml")
    assert str(error) == "r.toml (2 faults): first; second"
    assert error.exit_code == 2
    assert str(RecipeError(["only"])) == "recipe: only"


def test_errors_speak_the_readers_language() -> None:
    with speaking("zh"):
        assert "配方（2 处错误）" in str(RecipeError(["甲", "乙"]))
        assert "没有安装 torch" in str(MissingExtraError("torch", "train"))
        with pytest.raises(StorageError, match="无法写入"), disk_faults("x"):
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "fault",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_a_storage_error(fault: Exception) -> None:
    with pytest.raises(StorageError, match="No space left"), disk_faults("x"):
        raise fault


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Error while serializing: I/O error: No such file or directory (os error 2)", "No such file"),
        ("Parent directory runs/x does not exist.", "does not exist"),
    ],
)
def test_what_a_library_wrapped_keeps_its_reason(text: str, reason: str) -> None:
    with pytest.raises(StorageError, match=reason), disk_faults("x"):
        raise RuntimeError(text)


def test_a_place_that_cannot_be_is_named_with_the_systems_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for place, reason in (
        (tmp_path / "folder", "directory"),
        (tmp_path / "file" / "x.html", f"(File exists|Not a directory): {tmp_path / 'file'}"),
        (tmp_path / "file" / "below" / "x.html", "File exists|Not a directory"),
        (tmp_path / ("n" * 300), "too long"),
    ):
        with pytest.raises(StorageError, match=reason) as caught:
            write_text(place, "text")
        assert str(place) in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_folder_that_vanished_is_a_storage_error(tmp_path: Path) -> None:
    place = tmp_path / "gone" / "file"
    with pytest.raises(StorageError, match="No such file"), disk_faults(place):
        place.open("w")


def test_other_errors_pass_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), disk_faults("x"):
        raise FileNotFoundError(errno.ENOENT, "gone")
    with pytest.raises(ZeroDivisionError), disk_faults("x"):
        raise ZeroDivisionError


def test_a_missing_file_elsewhere_is_not_blamed_on_the_place_written_to(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(FileNotFoundError), disk_faults(tmp_path / "runs" / "run"):
        (tmp_path / "model" / "config.json").open()
