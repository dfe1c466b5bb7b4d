from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

REPOSITORY = Path(__file__).parent.parent
SHARED = REPOSITORY.parent / "shared"


def pytest_configure() -> None:
    # How long an example takes is the machine's business, not the code's.
    settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")
    # A job in the background inherits an ignored SIGINT and hands it on: the processes started here are to be stopped.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DONENESS_LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


@pytest.fixture(scope="session")
def curves() -> Path:
    folder = SHARED / "curves" / "runs"
    if not folder.is_dir():
        pytest.skip("the collection of real training logs is not on this machine")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from doneness.testing.tiny import make_tiny_model

    torch.set_num_threads(1)
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"))
    # Every training ends with a collection, and most of what it would walk through are the libraries.
    gc.collect()
    gc.freeze()
    return folder
