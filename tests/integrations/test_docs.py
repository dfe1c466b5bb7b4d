from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from doneness.integrations import DonenessCallback, Monitor, lightning_callback

PAGES = Path(__file__).parents[2] / "docs" / "howto"
CALLS: dict[str, Any] = {
    "DonenessCallback": DonenessCallback,
    "Monitor": Monitor,
    "lightning_callback": lightning_callback,
}
METHODS = {"log_train", "log_eval", "log_checkpoint", "cool_down", "factor"}


def blocks(page: str, kind: str = "python") -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (PAGES / page).read_text(encoding="utf-8"), re.S)


def test_both_languages_show_the_same_code() -> None:
    assert blocks("other-trainers.md") == blocks("other-trainers.zh.md") and len(blocks("other-trainers.md")) == 6
    assert blocks("other-trainers.md", "yaml") == blocks("other-trainers.zh.md", "yaml")


@pytest.mark.parametrize("block", blocks("other-trainers.md"))
def test_what_is_shown_fits_what_there_is(block: str) -> None:
    seen = 0
    for call in (node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)):
        name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        target = CALLS.get(name) or (getattr(Monitor, name) if name in METHODS else None)
        if target is not None:
            keywords = {k.arg: None for k in call.keywords if k.arg}
            first = [None] if name in METHODS else []
            inspect.signature(target).bind(*first, *call.args, **keywords)
            seen += 1
    assert seen


def block_with(name: str) -> str:
    return next(block for block in blocks("other-trainers.md") if name in block)


def swapped(block: str, **given: str) -> str:
    """The block with its arguments changed; one that is not there any more fails."""
    for old, new in given.items():
        block, times = re.subn(rf"\b{old}=[^,)\n]+", f"{old}={new}", block)
        assert times == 1, old
    return block


@pytest.mark.model
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_what_is_shown_for_supervised_fine_tuning_runs(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    from doneness.runs import read
    from tests.integrations.conftest import ROWS

    asked: list[tuple[str, str]] = []

    def load(name: str, split: str) -> Any:
        asked.append((name, split))
        return datasets.Dataset.from_list(
            [{"messages": [*row["prompt"], *row["completion"]]} for row in ROWS[:24] for _ in range(2)]
        )

    monkeypatch.setattr(datasets, "load_dataset", load)
    small = "'out', max_steps=6, use_cpu=True, bf16=False, disable_tqdm=True, report_to='none'"
    block = swapped(
        block_with("SFTTrainer"), model=repr(str(tiny_model)), test_size="24", output_dir=small, eval_steps="2",
        save_steps="4",
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    run = read(tmp_path / "out" / "doneness")[0]
    assert asked == [("trl-lib/Capybara", "train")]
    assert [e.step for e in run.examples] == [2, 4, 6] and run.number("planned_steps") == 6
    assert 4 in [c.step for c in run.checkpoints if c.exists]
    assert run.events[-1].data["reason"] == "finished"


@pytest.mark.model
def test_what_is_shown_for_a_loop_of_your_own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from doneness.core import Action, Verdict
    from doneness.runs import read
    from tests.integrations.conftest import Planted

    class Model(torch.nn.Linear):
        def forward(self, x: Any) -> Any:  # type: ignore[override]
            return SimpleNamespace(loss=super().forward(x).square().mean())

    model = Model(2, 1)
    rule = Planted(100, Action.COOLDOWN, Verdict.CONVERGED)
    monkeypatch.setattr("doneness.integrations.monitor.EvidenceRule", lambda: rule)
    monkeypatch.chdir(tmp_path)
    given = {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "batches": [{"x": torch.ones(1, 2)}] * 300,
        "planned": lambda done: 1.0,
        "score": lambda model, rows: (torch.ones(3), [1, 1, 1], ["a", "b", "c"]),
        "held_out": None,
    }
    exec(block_with("Monitor("), given)
    run = read(tmp_path / "runs" / "mine")[0]
    # Cooled down from step 100 on, over 15 steps, and judged once more at the end.
    assert run.evals is not None and run.evals.step.tolist() == [50, 100, 115]
    rates = run.series["train/learning_rate"].value
    assert rates.tolist() == pytest.approx([0.1] * 101 + [0.1 * left / 15 for left in range(14, 0, -1)])
    assert [c.step for c in run.checkpoints if c.exists] == [50, 100, 115]
    assert run.events[-1].data["reason"] == "stopped"


def test_every_argument_is_in_the_table() -> None:
    for page in ("other-trainers.md", "other-trainers.zh.md"):
        table = (PAGES / page).read_text(encoding="utf-8").partition("| `folder` |")
        told = re.findall(r"^\| `(\w+)` \|", "".join(table[1:]).partition("\n\n")[0], re.M)
        assert told == list(inspect.signature(DonenessCallback).parameters)


def test_links_lead_somewhere() -> None:
    for page in PAGES.glob("*.md"):
        targets = [t for t in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")) if "://" not in t]
        assert targets and all((PAGES / t).exists() for t in targets)
