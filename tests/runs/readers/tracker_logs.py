"""What experiment trackers keep, written as they write it."""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from reader_logs import _message, _varint, put

Row = dict[str, Any]
BLOCK = 1 << 15


def hf_rows(last: int, evals: int = 10, first: int = 1) -> list[Row]:
    """As the Trainer's callbacks for W&B and Trackio log: evaluations are rows of their own."""
    out: list[Row] = []
    for s in range(first, last + 1):
        out.append({"train/loss": round(3 - 0.01 * s, 4), "train/epoch": s / 10, "train/global_step": s})
        if s % evals == 0:
            out.append({"eval/loss": 2.5, "eval/runtime": 1.0, "train/epoch": s / 10, "train/global_step": s})
    return out


def _item(key: str, value: Any, nested: bool) -> bytes:
    name = b"".join(_message(2, part.encode()) for part in key.split("|")) if nested else _message(1, key.encode())
    text = json.dumps(value).encode()
    return name + b"\x82\x01" + _varint(len(text)) + text


def history(row: Mapping[str, Any], step: int, nested: bool = True) -> bytes:
    items = {**row, "_runtime": 2.0 * step, "_timestamp": 1.7e9 + step}
    content = b"".join(_message(1, _item(k, v, nested)) for k, v in items.items())
    return _message(2, content + _message(2, b"\x08" + _varint(step)))


def start(run_id: str = "abc", name: str = "", **config: Any) -> bytes:
    told = b"".join(_message(1, _item(k, v, nested=False)) for k, v in config.items())
    content = _message(1, run_id.encode()) + _message(4, told) + (_message(8, name.encode()) if name else b"")
    return b"\x8a\x01" + _varint(len(content)) + content


def wandb_file(records: Iterable[bytes]) -> bytes:
    out = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, 0))
    for number, body in enumerate(records, start=1):
        data, first = b"\x08" + _varint(number) + body, True
        while first or data:
            left = BLOCK - len(out) % BLOCK
            if left < 7:
                out += bytes(left)
                continue
            piece, data = data[: left - 7], data[left - 7 :]
            kind = (1 if not data else 2) if first else (4 if not data else 3)
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + piece), len(piece), kind) + piece
            first = False
    return bytes(out)


def wandb_run(rows: Iterable[Row], run_id: str = "abc", nested: bool = True, **config: Any) -> bytes:
    body = [history(row, step, nested) for step, row in enumerate(rows)]
    return wandb_file([start(run_id, "", **config), *body])


TRACKIO = (
    "CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL, "
    "run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL, log_id TEXT, space_id TEXT)",
    "CREATE TABLE configs (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, run_name TEXT NOT NULL, "
    "config TEXT NOT NULL, created_at TEXT NOT NULL, UNIQUE(run_id))",
    "CREATE TABLE system_metrics (id INTEGER PRIMARY KEY, run_id TEXT, timestamp TEXT, run_name TEXT, metrics TEXT)",
)


def trackio(path: Path, runs: Mapping[str, list[Row]], **config: Any) -> Path:
    put(path, b"")
    with closing(sqlite3.connect(path)) as db:
        for statement in TRACKIO:
            db.execute(statement)
        trackio_rows(db, runs)
        for name in runs:
            text = json.dumps({**config, "_Username": None}).encode()
            db.execute(
                "INSERT INTO configs (run_id, run_name, config, created_at) VALUES (?, ?, ?, '')", (name, name, text)
            )
        db.commit()
    return path


def trackio_rows(db: sqlite3.Connection, runs: Mapping[str, list[Row]]) -> None:
    for name, rows in runs.items():
        for step, row in enumerate(rows):
            at = f"2026-01-01T00:{step // 60 % 60:02d}:{step % 60:02d}.5+00:00"
            cells = (name, at, name, step, json.dumps(row).encode())
            db.execute("INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)", cells)


def mlflow_run(folder: Path, metrics: Mapping[str, Iterable[tuple[int, float, int]]], **meta: str) -> Path:
    """`metrics`: (timestamp in ms, value, step) by name."""
    facts = {"run_id": folder.name, "run_name": folder.name, "lifecycle_stage": "active", "start_time": "1"} | meta
    put(folder / "meta.yaml", "".join(f"{k}: {v}\n" for k, v in facts.items()))
    for name, points in metrics.items():
        put(folder / "metrics" / name, "".join(f"{at} {value} {step}\n" for at, value, step in points))
    put(folder / "params" / "max_steps", "40")
    return folder


MLFLOW = (
    "CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL, name VARCHAR(250), status VARCHAR(9), start_time BIGINT, "
    "lifecycle_stage VARCHAR(20), experiment_id INTEGER)",
    "CREATE TABLE metrics (key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL, "
    "run_uuid VARCHAR(32) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, is_nan BOOLEAN DEFAULT '0' NOT NULL, "
    "CONSTRAINT metric_pk PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan))",
    "CREATE TABLE params (key VARCHAR(250) NOT NULL, value VARCHAR(8000) NOT NULL, run_uuid VARCHAR(32) NOT NULL)",
)
