"""LLaMA-Factory's dataset_info.json: what its entries name, and rows under our names.

| key | meaning |
|---|---|
| file_name | a file or folder beside the registry |
| hf_hub_url, subset, folder, split | a data set on the Hugging Face hub |
| formatting | alpaca (as it is left out), sharegpt or openai |
| ranking | rows are pairs: chosen and rejected |
| columns, tags | names of columns, and of roles in messages |
| num_samples | draw so many rows; more than there are repeats some |
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doneness.core import DataError, say, tr
from doneness.data.said import Fault, decoded

NAME = "dataset_info.json"

_ALPACA = {"prompt": "instruction", "query": "input", "response": "output"}
_SHAREGPT = {"messages": "conversations"}
_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
_ROLES = {
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function_call",
    "system_tag": "system",
}
_KEYS = (
    "file_name", "hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name", "formatting", "ranking",
    "subset", "split", "folder", "num_samples", "columns", "tags",
)  # fmt: skip
_ELSEWHERE = ("ms_hub_url", "om_hub_url", "script_url", "cloud_file_name")
_MEDIA = ("images", "videos", "audios")


@dataclass(frozen=True)
class Entry:
    """One data set of a registry.

    Attributes:
        name: its name there.
        file: where its rows lie; None for one on the hub.
        hub: its name on the hub, with `subset`, `folder` and `split` as `datasets.load_dataset` wants them.
        formatting: alpaca, sharegpt or openai.
        ranking: rows are pairs.
        columns, tags: LLaMA-Factory's names → the file's.
        samples: how many rows to draw; 0 takes all.
    """

    name: str
    file: Path | None
    hub: str = ""
    subset: str | None = None
    folder: str | None = None
    split: str = "train"
    formatting: str = "alpaca"
    ranking: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    samples: int = 0


def read_registry(path: Path, names: str) -> tuple[Entry, ...]:
    """The entries that `names` asks for, in its order; separated by commas.

    Raises:
        DataError: the registry cannot be read, a name is not in it, or an entry cannot be used here.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(tr("data.registry.unreadable", path=str(path), error=str(error))) from None
    if not isinstance(told, dict) or not all(isinstance(each, dict) for each in told.values()):
        raise DataError(tr("data.registry.unreadable", path=str(path), error=type(told).__name__))
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise DataError(tr("data.registry.which", path=str(path), known=_some(told)))
    for name in wanted:
        if name not in told:
            near = difflib.get_close_matches(name, told, n=3, cutoff=0.5)
            raise DataError(tr("data.registry.absent", path=str(path), name=name, known=", ".join(near) or _some(told)))
    return tuple(_entry(path, name, told[name]) for name in dict.fromkeys(wanted))


def converted(item: Mapping[str, Any], entry: Entry) -> Mapping[str, Any]:
    """A row under our names.

    Raises:
        Fault: a column or a role is missing.
    """
    columns = entry.columns
    found = {key: value for key, value in item.items() if key not in columns.values()}
    for key in _MEDIA:
        if key in columns:
            found[key] = item.get(columns[key])
    for key in ("system", "tools"):
        found[key] = item.get(columns[key]) if key in columns else None
    tagged = columns.get("kto_tag")
    if tagged:
        found["kto_tag"] = item.get(tagged)
    pair = ("chosen", "rejected") if entry.ranking else ()
    if entry.formatting == "alpaca":
        found |= _alpaca(item, columns, pair)
    else:
        found["messages"] = _messages(_column(item, columns, "messages"), entry)
        for key in pair:
            told = decoded(_column(item, columns, key))
            found[key] = _messages([told], entry) if isinstance(told, Mapping) else told
    return {key: value for key, value in found.items() if value is not None}


def _alpaca(item: Mapping[str, Any], columns: Mapping[str, str], pair: tuple[str, ...]) -> dict[str, Any]:
    history = item.get(columns["history"]) if "history" in columns else None
    found = {"instruction": _column(item, columns, "prompt"), "history": history}
    found["input"] = item.get(columns["query"]) if "query" in columns else None
    if pair:
        return {**found, **{key: _column(item, columns, key) for key in pair}}
    if "response" not in columns:
        # Of such rows LLaMA-Factory trains the prompt alone, in pretraining.
        return {"text": found["instruction"], "history": None, "input": None}
    return {**found, "output": _column(item, columns, "response")}


def _messages(items: Any, entry: Entry) -> list[Any]:
    """Messages with their roles in our words."""
    items = decoded(items)
    if not isinstance(items, list):
        raise Fault(say("data.not_list", field=entry.columns.get("messages", "-"), type=type(items).__name__))
    roles = {entry.tags[tag]: role for tag, role in _ROLES.items()}
    found: list[Any] = []
    for item in items:
        if not isinstance(item, Mapping):
            raise Fault(say("data.not_list", field=entry.columns["messages"], type=type(item).__name__))
        role = str(item.get(entry.tags["role_tag"], ""))
        if role not in roles:
            name = entry.columns.get("messages", "-")
            raise Fault(say("data.unknown_role", field=name, role=role, roles=", ".join(roles)))
        rest = {key: value for key, value in item.items() if key not in ("from", "value", "role", "content")}
        found.append({**rest, "role": roles[role], "content": item.get(entry.tags["content_tag"])})
    return found


def _column(item: Mapping[str, Any], columns: Mapping[str, str], key: str) -> Any:
    theirs = columns.get(key)
    if theirs is None or theirs not in item:
        keys = ", ".join(map(str, list(item)[:12])) or "-"
        raise Fault(say("data.registry.column", name=key, theirs=theirs or "-", keys=keys))
    return item[theirs]


def _entry(path: Path, name: str, told: Mapping[str, Any]) -> Entry:
    hub = told.get("hf_hub_url")
    if not hub and "file_name" not in told:
        other = next((key for key in _ELSEWHERE if key in told), "-")
        raise DataError(tr("data.registry.elsewhere", path=str(path), name=name, where=other))
    for key in told:
        # Keys of its own are let be, as there; one that is nearly known is meant to be that one.
        near = difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.75)
        if key not in _KEYS and near:
            raise DataError(tr("data.registry.key", path=str(path), name=name, field=key, near=near[0]))
    formatting = told.get("formatting", "alpaca")
    if formatting not in ("alpaca", "sharegpt", "openai"):
        raise DataError(tr("data.registry.formatting", path=str(path), name=name, formatting=formatting))
    usual = {} if "columns" in told else _ALPACA if formatting == "alpaca" else _SHAREGPT
    return Entry(
        name=name,
        file=None if hub else path.parent / str(told["file_name"]),
        hub=str(hub or ""),
        subset=told.get("subset"),
        folder=told.get("folder"),
        split=told.get("split", "train"),
        formatting=formatting,
        ranking=bool(told.get("ranking", False)),
        columns={key: str(value) for key, value in (told.get("columns") or usual).items() if value},
        tags=_TAGS | {key: str(value) for key, value in told.get("tags", {}).items()},
        samples=int(told.get("num_samples") or 0),
    )


def _some(names: Mapping[str, Any]) -> str:
    found = list(names)
    return ", ".join(found[:12]) + (", …" if len(found) > 12 else "")
