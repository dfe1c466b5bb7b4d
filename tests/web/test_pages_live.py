"""A page that is looked at while a real training runs: it follows, and its buttons reach the trainer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from doneness.testing.tiny import write_rows
from tests.web.browsing import reading
from tests.web.served import served

pytestmark = pytest.mark.model

PATIENCE = 240_000  # milliseconds: a training begins with importing torch
WORDS = ["red", "blue", "green", "black", "white", "brown", "grey", "pink"]
ROWS = [(f"What colour is {a} {b}?", f"{a}, mostly {b}.") for a in WORDS for b in WORDS]
RECIPE = """
[run]
folder = "{folder}"
threads = 1
preflight = false
[model]
path = "{model}"
device = "cpu"
[method]
rank = 4
alpha = 8
[data]
train = "{train}"
eval = "{eval}"
max_length = 64
[optimizer]
learning_rate = 5e-3
batch_size = 8
micro_batch = 8
[schedule]
epochs = 2000
kind = "constant"
[evaluation]
every = 20
[stopping]
on_stop = "note"
"""


@contextmanager
def training(root: Path, model: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of thousands of steps, so that it ends because it is told to."""
    data = root.parent / "data"
    data.mkdir()
    train, held = write_rows(data / "train.jsonl", ROWS[:40]), write_rows(data / "eval.jsonl", ROWS[40:])
    recipe = data / "recipe.toml"
    recipe.write_text(RECIPE.format(folder=root / "tiny", model=model, train=train, eval=held))
    going = subprocess.Popen(
        [sys.executable, "-m", "doneness", "train", str(recipe)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    try:
        yield going
    finally:
        if going.poll() is None:
            going.kill()
        going.communicate()


def step_of(page: Any) -> int:
    return int(page.locator("#pace .steps").inner_text().split(" of ")[0].replace(",", ""))


def test_a_page_follows_a_training_and_stops_it(browser: Any, tmp_path: Path, tiny_model: Path) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    with served(root) as server, training(root, tiny_model) as going, reading(browser, server) as reader:
        page = reader.page
        page.set_default_timeout(PATIENCE)
        # The list is empty; the run comes into it by itself.
        reader.open("/")
        assert page.locator("#none").is_visible()
        while not (root / "tiny" / "journal.jsonl").exists():
            assert going.poll() is None, going.communicate()[0]
            page.wait_for_timeout(200)
        page.wait_for_selector("#rows a")
        page.wait_for_function("() => !document.querySelector('#rows .word').textContent.match(/being/)")
        page.click("#rows a")
        page.wait_for_selector("#pace")
        reader.drawn()
        # The last step drawn; how many points there are says nothing once they are thinned.
        newest = "document.querySelector('#plot .js-plotly-plot').data[0].x.slice(-1)[0]"
        mark = page.evaluate("window.mark = Math.random()")
        first, drawn, said = step_of(page), page.evaluate(newest), page.locator("#top h1").inner_text()
        page.wait_for_function(f"() => {newest} > {drawn} + 30")
        page.wait_for_function("text => document.querySelector('#top h1').textContent !== text", arg=said)
        # Header and plot are two readings of one growing run, so each is waited for by itself.
        page.wait_for_function(
            "at => Number(document.querySelector('#pace .steps').textContent.split(' of ')[0].replace(',', '')) > at",
            arg=first + 30,
        )
        assert page.evaluate("window.mark") == mark, "without a reload"
        stops(page)
        page.wait_for_selector("#pace .s-ended", state="attached")
        assert going.wait(PATIENCE / 1000) == 0
        assert reader.faults == []
    journal = [json.loads(line) for line in (root / "tiny" / "journal.jsonl").read_text().splitlines()]
    (asked,) = [row for row in journal if row["kind"] == "request"]
    assert asked["request"] == "stop" and asked["who"] == "Ann Tester"
    last = max(row["step"] for row in journal if row["kind"] == "train")
    assert last < 10_000 and (root / "tiny" / f"checkpoint-{last}" / "adapter_model.safetensors").is_file()


def stops(page: Any) -> None:
    """Asks twice: once with a name, once more; a second Enter by accident would do nothing."""
    page.click("[data-action=stop]")
    page.fill("#who", "Ann Tester")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask-who", state="hidden")
    assert page.evaluate("document.activeElement.id") == "ask-no"
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]", state="detached")
    assert page.locator("#requests").is_hidden()
    page.click("[data-action=stop]")
    assert page.locator("#who").input_value() == "Ann Tester", "who asks is remembered"
    page.click("#ask-yes")
    page.click("#ask-yes")
    page.wait_for_selector("#requests li")
    assert "Ann Tester" in page.locator("#requests li").first.inner_text()
