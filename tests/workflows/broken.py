"""Data sets, models and recipes that are broken, each in one way, and what the one line about it must hold."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOOD = [{"prompt": f"What is {k} and {k}?", "completion": f"It is {2 * k}."} for k in range(12)]
PAIRS = [{"prompt": f"Say {k}.", "chosen": f"{k}", "rejected": f"no {k}"} for k in range(12)]


@dataclass(frozen=True)
class Broken:
    """One way to be broken.

    Attributes:
        name: what is broken, for the page.
        make: writes the files into a folder and gives the overrides of the recipe.
        words: what the line must hold in English: what, where, what to do.
        model: it takes the tiny model, and torch with it.
        theirs: what stands in brackets is a library's, whose words change from version to version.
    """

    name: str
    make: Callable[[Path], Sequence[str]]
    words: tuple[str, ...]
    model: bool = False
    theirs: bool = False


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def rows(name: str, content: bytes, *overrides: str) -> Callable[[Path], Sequence[str]]:
    """A training file of that content, and nothing else wrong."""

    def make(folder: Path) -> Sequence[str]:
        (folder / name).write_bytes(content)
        return (f"data.train={name}", *overrides)

    return make


def among(bad: Any, *overrides: str) -> Callable[[Path], Sequence[str]]:
    """Good rows with this one as the fourth."""
    return rows("rows.jsonl", lines(*GOOD[:3], bad, *GOOD[3:]), *overrides)


def good(*overrides: str) -> Callable[[Path], Sequence[str]]:
    """Good rows; what is wrong stands in the recipe."""
    return rows("rows.jsonl", lines(*GOOD), *overrides)


def recipe(text: str) -> Callable[[Path], Sequence[str]]:
    """A recipe file of that text."""

    def make(folder: Path) -> Sequence[str]:
        (folder / "recipe.toml").write_text(text, encoding="utf-8")
        return good()(folder)

    return make


def registry(entry: dict[str, Any], asked: str) -> Callable[[Path], Sequence[str]]:
    """A registry with one entry, of which `asked` is wanted."""

    def make(folder: Path) -> Sequence[str]:
        (folder / "dataset_info.json").write_text(json.dumps({"medical": entry}), encoding="utf-8")
        (folder / "rows.jsonl").write_bytes(lines(*GOOD))
        return (f"data.train=dataset_info.json#{asked}",)

    return make


def both(train: bytes, judged: bytes) -> Callable[[Path], Sequence[str]]:
    """Training and evaluation rows."""

    def make(folder: Path) -> Sequence[str]:
        (folder / "eval.jsonl").write_bytes(judged)
        return (*rows("rows.jsonl", train)(folder), "data.eval=eval.jsonl")

    return make


def chat(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in turns]}


def hollow(folder: Path) -> Sequence[str]:
    (folder / "data").mkdir()
    return ["data.train=data"]


def unwritten(folder: Path) -> Sequence[str]:
    (folder / "recipe.toml").unlink()
    return ()


def wordless(place: Path) -> None:
    for file in place.glob("*token*"):
        file.unlink()


CALL = {"role": "assistant", "content": "", "tool_calls": "{not json"}
FILES = [
    Broken("no such file", lambda folder: ["data.train=rows.jsonl"], ("rows.jsonl: no such file", "Check the path")),
    Broken("empty file", rows("rows.jsonl", b""), ("rows.jsonl", "holds no rows", "Write one JSON object a line")),
    Broken("blank lines alone", rows("rows.jsonl", b"\n \n\n"), ("rows.jsonl", "holds no rows", "Write one")),
    Broken(
        "JSON cut off in a line",
        rows("rows.jsonl", lines(*GOOD)[:-20]),
        ("rows.jsonl, line 12", "not JSON", "whole"),
        theirs=True,
    ),
    Broken(
        "JSON array cut off",
        rows("rows.json", json.dumps(GOOD).encode()[:-30]),
        ("rows.json, line", "not JSON", "array"),
        theirs=True,
    ),
    Broken(
        "GBK instead of UTF-8",
        rows("rows.jsonl", lines({"prompt": "问", "completion": "答"}).decode().encode("gbk")),
        ("rows.jsonl, line 1", "not UTF-8", "iconv -f GB18030"),
    ),
    Broken(
        "UTF-16",
        rows("rows.jsonl", lines(*GOOD).decode().encode("utf-16")),
        ("rows.jsonl", "UTF-16", "iconv -f UTF-16"),
    ),
    Broken(
        "bytes of a picture",
        rows("rows.jsonl", b"\x89PNG\r\n\x1a\n" + bytes(range(128, 256))),
        ("rows.jsonl", "binary data", ".parquet"),
    ),
    Broken(
        "spreadsheet called CSV",
        rows("rows.csv", b"PK\x03\x04" + bytes(60)),
        ("rows.csv", "binary data", "save a spreadsheet as CSV"),
    ),
    Broken(
        "NUL bytes",
        rows("rows.jsonl", lines(*GOOD) + b"\0" * 64 + b"\n"),
        ("rows.jsonl, line 13", "not JSON"),
        theirs=True,
    ),
    Broken("table with a header alone", rows("rows.csv", b"prompt,completion\n"), ("rows.csv", "holds no rows")),
    Broken(
        "ragged table",
        rows("rows.csv", b"prompt,completion\na,b\nc,d,e\n"),
        ("rows.csv", "3 cells", "2 columns", "quote"),
    ),
    Broken(
        "column named twice",
        rows("rows.csv", b"prompt,completion,prompt\na,b,c\n"),
        ("rows.csv, line 1", "two columns are called prompt", "rename"),
    ),
    Broken(
        "damaged gzip",
        rows("rows.jsonl.gz", gzip.compress(lines(*GOOD))[:-12]),
        ("rows.jsonl.gz", "cannot be read", "again"),
        theirs=True,
    ),
    Broken(
        "damaged Parquet",
        rows("rows.parquet", b"PAR1" + b"x" * 90),
        ("rows.parquet", "cannot be read", "again"),
        theirs=True,
    ),
    Broken(
        "folder without data",
        hollow,
        ("data: no data file", ".jsonl"),
    ),
]
ROWS = [
    Broken(
        "rows of different forms",
        among({"text": "No question here."}),
        ("rows.jsonl, row 4", '"text" alone', "pretrain"),
    ),
    Broken(
        "all answers empty",
        rows("rows.jsonl", lines(*({**row, "completion": ""} for row in GOOD))),
        ("rows.jsonl, row 1", "no answer", "11 rows like it", 'on_empty = "skip"'),
    ),
    Broken("a list instead of an object", among(["a", "b"]), ("rows.jsonl, row 4", "not a JSON object", "prompt")),
    Broken(
        "an object as the answer",
        among({"prompt": "a", "completion": {"b": "c"}}),
        ("rows.jsonl, row 4", '"completion" has to be text'),
    ),
    Broken(
        "unknown columns",
        among({"anfrage": "a", "antwort": "b"}),
        ("rows.jsonl, row 4", "shape not known", "anfrage", "accepted"),
    ),
    Broken(
        "conversation that ends with a question",
        among(chat(("user", "a"), ("assistant", "b"), ("user", "c"))),
        ("rows.jsonl, row 4", "ends with the user's turn", "on_empty"),
    ),
    Broken(
        "conversation that begins with an answer",
        among(chat(("assistant", "a"), ("user", "b"), ("assistant", "c"))),
        ("rows.jsonl, row 4", "begins with the assistant's turn", "on_empty"),
    ),
    Broken(
        "system message alone",
        among(chat(("system", "a"))),
        ("rows.jsonl, row 4", "ends with a turn of system", "on_empty"),
    ),
    Broken(
        "unknown role",
        among(chat(("doctor", "a"), ("assistant", "b"))),
        ("rows.jsonl, row 4", 'role "doctor"', "accepted are"),
    ),
    Broken(
        "tool call that cannot be read",
        among({"messages": [{"role": "user", "content": "a"}, CALL]}),
        ("rows.jsonl, row 4", "tool_calls", "JSON"),
    ),
    Broken(
        "pictures",
        among({"prompt": "a", "completion": "b", "images": ["a.png"]}),
        ("rows.jsonl, row 4", "images", "only text", "leave"),
    ),
    Broken(
        "pairs for supervised fine-tuning",
        rows("rows.jsonl", lines(*PAIRS)),
        ("rows.jsonl, row 1", "preference pair", "run.stage"),
    ),
    Broken("questions for dpo", good("run.stage=dpo"), ("rows.jsonl, row 1", "no chosen", "data.columns")),
    Broken(
        "chosen and rejected the same",
        rows("rows.jsonl", lines(*PAIRS[:3], {**PAIRS[3], "rejected": "3"}), "run.stage=dpo"),
        ("rows.jsonl, row 4", "the same", "nothing to prefer"),
    ),
    Broken(
        "kto with good answers alone",
        rows("rows.jsonl", lines(*({**r, "label": True} for r in GOOD)), "run.stage=kto"),
        ("rows.jsonl", "all 12 answers", "good and bad"),
    ),
    Broken(
        "kto label that is no truth value",
        rows("rows.jsonl", lines(*({**r, "label": "perhaps"} for r in GOOD)), "run.stage=kto"),
        ("rows.jsonl, row 1", "true or false", "perhaps", "data.columns"),
    ),
    Broken(
        "evaluation on the training file",
        good("data.eval=rows.jsonl"),
        ("data.eval is the training file", "hold rows out"),
    ),
    Broken(
        "evaluation rows that are trained on",
        both(lines(*GOOD), lines(*GOOD[2:])),
        ("eval.jsonl", "10 of 10", "training questions", "hold other rows out"),
    ),
    Broken(
        "a column that is not there",
        good("data.columns=prompt=question"),
        ("rows.jsonl, row 1", "data.columns", "keys: prompt"),
    ),
    Broken("a column that is not known", good("data.columns=frage=prompt"), ("data.columns", "frage=prompt", "known:")),
    Broken(
        "data set not in the registry",
        registry({"file_name": "rows.jsonl"}, "medicine"),
        ("no data set medicine", "it has: medical"),
    ),
    Broken(
        "data set of another hub", registry({"ms_hub_url": "a/b"}, "medical"), ("medical", "ms_hub_url", "download it")
    ),
    Broken(
        "registry whose file is gone",
        registry({"file_name": "gone.json"}, "medical"),
        ("gone.json: no such file", "file_name"),
    ),
    Broken(
        "too long, and refused",
        good("data.max_length=40", "data.on_long=refuse"),
        ("row 1 (line 1)", "data.max_length is 40", "raise it"),
        model=True,
    ),
    Broken(
        "max_length shorter than the chat markup",
        good("data.max_length=8"),
        ("row 1", "the prompt alone has", "data.max_length is 8", "raise it"),
        model=True,
    ),
]
RECIPES = [
    Broken("no training file", lambda folder: [], ("no training file", "data.train")),
    Broken(
        "unknown key",
        good("optimizer.learning_rat=1e-4"),
        ("unknown key optimizer.learning_rat", "did you mean optimizer.learning_rate"),
    ),
    Broken("unknown section", good("optimiser.learning_rate=1e-4"), ("unknown section", "did you mean optimizer")),
    Broken(
        "text where a number belongs", good("schedule.epochs=three"), ("schedule.epochs = 'three'", "must be a number")
    ),
    Broken(
        "TOML with a fault", recipe("[run]\nseed = \n"), ("recipe.toml", "not readable as TOML", "line 2"), theirs=True
    ),
    Broken(
        "learning rate below zero",
        good("optimizer.learning_rate=-1e-4"),
        ("optimizer.learning_rate = -0.0001", "must be above 0"),
    ),
    Broken(
        "batch that micro_batch does not divide",
        good("optimizer.batch_size=10"),
        ("batch_size = 10", "multiple of optimizer.micro_batch = 4"),
    ),
    Broken(
        "full with an adapter",
        good("method.kind=full", "method.adapter=a"),
        ("method.adapter", "set method.kind to lora"),
    ),
    Broken(
        "preference settings for sft",
        good("preference.beta=0.2"),
        ("[preference]", "run.stage is sft", "leave the section out"),
    ),
    Broken(
        "recipe that is not there",
        unwritten,
        ("recipe.toml", "no such file", "doneness demo"),
    ),
]


def prepared(each: Broken, folder: Path, model: Path | None) -> list[str]:
    """The command that runs the broken case, whose files are written."""
    place = '[run]\nfolder = "run"\n[model]\npath = "m"\ndevice = "cpu"\n[data]\nhold_out = "none"\n'
    (folder / "recipe.toml").write_text(place, encoding="utf-8")
    if each.model and model is not None:
        shutil.copytree(model, folder / "m")
    return ["train", "recipe.toml", *each.make(folder)]


def masked(each: Broken, line: str) -> str:
    """The line as the page has it: of a library's words the brackets alone."""
    return re.sub(r"[(].*[)]", "(…)", re.sub(r"（.*）", "（…）", line)) if each.theirs else line
