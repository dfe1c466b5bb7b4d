from __future__ import annotations

import errno

import pytest

from doneness.core import DonenessError, RecipeError, StorageError, disk_faults


def test_an_error_is_one_line() -> None:
    assert "\n" not in str(DonenessError("a\nb\r\nc"))


def test_all_faults_are_named() -> None:
    error = RecipeError(["first", "second"], where="r.toml")
    assert str(error) == "r.toml (2 faults): first; second"
    assert error.exit_code == 2


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


def test_other_errors_pass_through() -> None:
    with pytest.raises(FileNotFoundError), disk_faults("x"):
        raise FileNotFoundError(errno.ENOENT, "gone")
    with pytest.raises(ZeroDivisionError), disk_faults("x"):
        raise ZeroDivisionError
