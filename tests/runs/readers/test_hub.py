"""Against a small server that answers as the Hub does; each test speaks to it from a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import reader_logs as logs

from doneness.core import MissingExtraError, UnreadableError, speaking
from doneness.runs import read
from doneness.runs.readers import hub
from doneness.runs.readers.hub_files import LARGEST_TABLE, Listed, select
from doneness.workflows.report import write_report

SHA = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = b"\0" * 2000
FILES = {
    "README.md": b"# a model",
    "adapter_config.json": b'{"task_type": "CAUSAL_LM", "r": 8, "base_model_name_or_path": "a/base"}',
    "adapter_model.safetensors": WEIGHTS,
    "training_args.bin": b"\x80\x04pickle",
    "checkpoint-10/trainer_state.json": logs.state(logs.rows(10)).encode(),
    "checkpoint-10/adapter_model.safetensors": WEIGHTS,
    "checkpoint-10/optimizer.pt": WEIGHTS,
    "checkpoint-30/trainer_state.json": logs.state(logs.rows(30)).encode(),
    "checkpoint-30/adapter_model.bin": WEIGHTS,
    "checkpoint-30/rng_state.pth": WEIGHTS,
    "other/metrics.csv": b"step,loss\n1,2\n2,1\n",
}


class Handler(BaseHTTPRequestHandler):
    seen: list[str]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.seen.append(path)
        parts = path.split("/")
        owner, name = (parts[2:4] if parts[0] == "api" else parts[:2]) if len(parts) > 3 else ("", "")
        if (owner, name) not in (("me", "run"), ("me", "gated"), ("me", "bare")):
            self.reply(401 if name == "private" else 404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
        elif parts[0] == "api" and "tree" in parts:
            self.reply(200, self.tree(name), {"Content-Type": "application/json"}, body)
        elif parts[0] == "api" and parts[4:5] == ["revision"] and parts[5] not in ("main", SHA, "v1"):
            self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
        elif parts[0] == "api":
            info = {"id": f"{owner}/{name}", "modelId": f"{owner}/{name}", "sha": SHA, "siblings": [], "tags": []}
            self.reply(200, json.dumps(info).encode(), {"Content-Type": "application/json"}, body)
        elif name == "gated":
            self.reply(401, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "restricted"}, body)
        else:
            content = FILES["/".join(parts[4:])]
            etag = hashlib.sha1(content).hexdigest()
            self.reply(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": SHA}, body)

    def tree(self, name: str) -> bytes:
        names = ["README.md", "model.safetensors"] if name == "bare" else list(FILES)
        folders = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": "other"}]
        sizes = [(n, len(FILES.get(n, WEIGHTS))) for n in names]
        files = [{"type": "file", "oid": "1" * 40, "size": size, "path": path} for path, size in sizes]
        return json.dumps(folders + files).encode()

    def reply(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served() -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []
    handler = type("Handler", (Handler,), {"seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join()


def run(home: Path, endpoint: str, *command: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING")) and "proxy" not in k.lower()}
    env = kept | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, *command], env=env, cwd=home, capture_output=True, text=True, timeout=300, check=False
    )


TELL = """
import json, sys, doneness
for address in sys.argv[1:]:
    try:
        for r in doneness.read(address):
            kept = [(c.step, c.path, c.exists) for c in r.checkpoints]
            print(json.dumps([r.name, r.kind, r.last_step, kept, r.meta.get("model"), r.notes]))
    except doneness.core.DonenessError as error:
        print(json.dumps(str(error)))
"""


def test_the_logs_of_a_repository_and_nothing_else(tmp_path: Path, served: tuple[str, list[str]]) -> None:
    endpoint, seen = served
    addresses = ("hf://me/run", "hf:/me/run@v1/checkpoint-10", "hf://me/run/other/metrics.csv")
    out = run(tmp_path, endpoint, "-c", TELL, *addresses)
    told = [json.loads(line) for line in out.stdout.splitlines()]
    kept = [[10, None, True], [30, None, True]]
    assert told == [
        ["me/run", "hf_trainer", 30, kept, "a/base", []],
        ["metrics", "csv", 2, [], None, []],
        ["me/run/checkpoint-10", "hf_trainer", 10, kept, "a/base", []],
        ["metrics", "csv", 2, [], None, []],
    ], out.stderr
    asked = {path.split(f"{SHA}/", 1)[1] for path in seen if "/resolve/" in path}
    assert asked == {
        "adapter_config.json",
        "checkpoint-10/trainer_state.json",
        "checkpoint-30/trainer_state.json",
        "other/metrics.csv",
    }


def test_what_goes_wrong_is_one_line(tmp_path: Path, served: tuple[str, list[str]]) -> None:
    endpoint, _ = served
    names = ("me/gone", "me/private", "me/gated", "me/run@nowhere", "me/bare", "me/run/nofolder")
    out = run(tmp_path, endpoint, "-c", TELL, *(f"hf://{name}" for name in names))
    told = [json.loads(line) for line in out.stdout.splitlines()]
    missing, no_log = "no such repository", "no training log"
    expected = (missing, missing, "restricted", "no such revision", no_log, no_log)
    assert len(told) == len(names), out.stderr
    for name, part, line in zip(names, expected, told, strict=True):
        assert line.startswith(f"hf://{name}: ")
        assert part in line
        assert "\n" not in line


def test_without_a_network_it_says_so(tmp_path: Path) -> None:
    out = run(tmp_path, "http://127.0.0.1:9", "-c", TELL, "hf://me/run")
    assert "the Hub could not be read" in json.loads(out.stdout), out.stderr


def test_offline_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UnreadableError, match="HF_HUB_OFFLINE is set"):
        read("hf://me/run")


def test_the_report_of_a_repository_is_written_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = read(logs.put(tmp_path / "log" / "trainer_state.json", logs.state(logs.rows(30))))
    monkeypatch.setattr("doneness.workflows.report.read", lambda *_: local)
    monkeypatch.chdir(tmp_path)
    assert write_report("hf://me/run") == Path("report.html")
    assert (tmp_path / "report.html").is_file()
    assert not (tmp_path / "hf:").exists()


def test_the_command_line_takes_an_address(tmp_path: Path, served: tuple[str, list[str]]) -> None:
    out = run(tmp_path, served[0], "-m", "doneness", "check", "hf://me/run/checkpoint-30")
    assert out.returncode == 0, out.stderr
    assert "me/run" in out.stdout
    assert out.stderr == ""


def test_without_the_library_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"doneness\[hub\]"):
        read("hf://me/run")


@pytest.mark.parametrize("text", ["hf://", "hf://owner", "hf:/owner/", "hf://o/n/../..", "hf://o wner/n", "hf://../n"])
def test_an_address_without_owner_and_name(text: str) -> None:
    assert hub.is_address(text)
    for language in ("en", "zh"):
        with speaking(language), pytest.raises(UnreadableError, match="hf://owner/name"):
            hub.parse(text)


def test_addresses() -> None:
    assert hub.parse("hf://a/b") == hub.parse(Path("hf://a/b")) == hub.Address("a/b")
    full = hub.Address("a/b", "refs/pr/1", "c/d")
    assert hub.parse("hf://a/b@refs%2Fpr%2F1/c/d/") == full
    assert str(full) == "hf://a/b@refs/pr/1/c/d"
    assert hub.parse("hf://datasets/a/b").kind == "dataset"
    assert str(hub.parse("hf://datasets/a/b")) == "hf://datasets/a/b"
    assert not hub.is_address("runs/hf:/a/b")


def test_what_is_chosen_of_many_files() -> None:
    names = (
        "model-00001-of-00002.safetensors", "pytorch_model.bin", "tokenizer.json", "README.md", "training_args.bin",
        "vocab.txt", "evals/step-00000010.npz", "../trainer_state.json", "/trainer_state.json", "scheduler.pt",
    )  # fmt: skip
    assert select(Listed(name, 10) for name in names).chosen == []
    kept = (
        "trainer_log.jsonl", "runs/Jan/events.out.tfevents.1.host.0", "wandb/run-1-a/run-a.wandb", "train.log",
        "v0/logging.jsonl", "loss_history.json", "training_args.yaml",
    )  # fmt: skip
    assert {f.path for f in select(Listed(name, 10) for name in kept).chosen} == set(kept)
    states = [Listed(f"checkpoint-{n}/trainer_state.json", 60_000_000) for n in range(20)]
    some = select([*states, Listed("big.csv", LARGEST_TABLE + 1), Listed("log.csv", 5)])
    assert [f.path for f in some.chosen[:2]] == ["log.csv", "checkpoint-19/trainer_state.json"]
    assert len(some.chosen) == 9
    assert Listed("big.csv", LARGEST_TABLE + 1) in some.too_large
    ours = select([Listed("journal.jsonl", 5), Listed("evals/step-00000010.npz", 5)])
    assert len(ours.chosen) == 2
