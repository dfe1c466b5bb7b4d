"""What the trackers themselves have kept, read back with their own code; each is skipped where it is not installed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from doneness.runs.readers.leveldb import frames

TRACKERS = ("tensorboard", "wandb", "trackio", "mlflow")
Points = dict[str, list[tuple[int, float]]]


@dataclass
class Kept:
    """One run of a tracker.

    Attributes:
        name: what the tracker calls it.
        points: (step, value) in the order kept, by name; eval/loss is called eval_loss, train/loss loss.
        alerts: (title, level), the level in capitals.
        summary: of W&B.
        ended: exit code of W&B, status of MLflow; None where the tracker knows no end.
    """

    name: str
    points: Points = field(default_factory=dict)
    alerts: list[tuple[str, str]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    ended: int | str | None = None

    def add(self, key: str, step: int, value: Any) -> None:
        name = f"eval_{key[5:]}" if key.startswith("eval/") else key.removeprefix("train/")
        self.points.setdefault(name, []).append((int(step), value))

    def steps(self, name: str) -> list[int]:
        return [step for step, _ in self.points.get(name, [])]


@dataclass
class Store:
    """A tracker on this disk: `runs(folder)` gives what it has kept since the test began, in the order begun."""

    name: str
    runs: Callable[[Path], list[Kept]]


@pytest.fixture(scope="session")
def tracker_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One place for all tests: Trackio knows one a process, and MLflow takes seconds to make a database."""
    home = tmp_path_factory.mktemp("trackers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACKIO_DIR", str(home / "trackio"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}")
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_SILENT", "true")
        patch.setenv("WANDB_CONSOLE", "off")
        yield home


@pytest.fixture
def tracker(
    request: pytest.FixtureRequest, tracker_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """The tracker named by the test's parameter."""
    name = request.param
    pytest.importorskip(name)
    if name == "tensorboard":
        yield Store(name, _tensorboard)
    elif name == "wandb":
        monkeypatch.setenv("WANDB_DIR", str(tmp_path))
        import wandb

        def finished(folder: Path | None = None) -> list[Kept]:
            if wandb.run is not None:  # the Trainer leaves it to whoever began it
                wandb.finish()
            wandb.teardown()  # its own process writes the file, and is waited for here alone
            return _wandb(tmp_path)

        yield Store(name, finished)
        finished()
    elif name == "trackio":
        import trackio

        file = Path(trackio.utils.TRACKIO_DIR) / "huggingface.db"
        before = {run.name for run in _trackio(file)}
        yield Store(name, lambda folder: [run for run in _trackio(file) if run.name not in before])
        if trackio.context_vars.current_run.get() is not None:
            trackio.finish()
    else:
        pytest.importorskip("sqlalchemy")
        import mlflow

        before = {run.info.run_id for run in mlflow.search_runs(output_format="list")}
        yield Store(name, lambda folder: _mlflow(before))
        mlflow.end_run()


def _tensorboard(folder: Path) -> list[Kept]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = []
    for place in sorted({file.parent for file in folder.rglob("events.out.tfevents.*")}):
        events = EventAccumulator(str(place), size_guidance={"scalars": 0})
        events.Reload()
        kept = Kept(place.name)
        for tag in events.Tags()["scalars"]:
            for point in events.Scalars(tag):
                kept.add(tag, point.step, point.value)
        found.append(kept)
    return found


def _wandb(home: Path) -> list[Kept]:
    from wandb.proto import wandb_internal_pb2

    found = []
    for file in sorted(home.glob("wandb/offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_ctime_ns):
        kept, steps = Kept(""), []
        for data in frames(file.read_bytes()).records:
            record = wandb_internal_pb2.Record.FromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                kept.name = record.run.display_name
            elif kind == "alert":
                kept.alerts.append((record.alert.title, record.alert.level))
            elif kind == "exit":
                kept.ended = record.exit.exit_code
            elif kind == "summary":
                kept.summary |= {_key(item): json.loads(item.value_json) for item in record.summary.update}
            elif kind == "history":
                row = {_key(item): _value(item) for item in record.history.item}
                steps.append(record.history.step.num)
                for key, value in row.items():
                    if not key.startswith("_") and key != "train/global_step":
                        kept.add(key, row["train/global_step"], value)
        # W&B drops a row whose own step is not above the last one.
        assert steps == list(range(len(steps)))
        found.append(kept)
    return found


def _key(item: Any) -> str:
    return "/".join(item.nested_key) or str(item.key)


def _value(item: Any) -> Any:
    if item.value_json:
        return json.loads(item.value_json)
    return next(value for name, value in ((f.name, v) for f, v in item.ListFields()) if "key" not in name)


def _trackio(file: Path) -> list[Kept]:
    if not file.is_file():
        return []
    found: dict[str, Kept] = {}
    with closing(sqlite3.connect(file)) as connection:
        steps: dict[str, list[int]] = {}
        for name, step, text in connection.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id"):
            row = json.loads(text)
            kept = found.setdefault(name, Kept(name))
            steps.setdefault(name, []).append(step)
            for key, value in row.items():
                if key != "train/global_step":
                    kept.add(key, row["train/global_step"], value)
        for name, title, level in connection.execute("SELECT run_name, title, level FROM alerts ORDER BY id"):
            found[name].alerts.append((title, level.upper()))
    assert all(each == list(range(len(each))) for each in steps.values())
    return list(found.values())


def _mlflow(before: set[str]) -> list[Kept]:
    import mlflow

    client, found = mlflow.MlflowClient(), []
    for run in sorted(mlflow.search_runs(output_format="list"), key=lambda run: run.info.start_time):
        if run.info.run_id in before:
            continue
        kept = Kept(run.info.run_name, ended=run.info.status)
        for key in run.data.metrics:
            for point in client.get_metric_history(run.info.run_id, key):
                kept.add(key, point.step, point.value)
        found.append(kept)
    return found
