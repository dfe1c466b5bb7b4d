"""The loop closed: probes, votes, pairs, DPO from the chosen checkpoint, probes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from tests.train.conftest import Quiet
from tests.train.conftest import make_recipe as make_recipe

from doneness.cli.main import main
from doneness.config import Recipe
from doneness.core import DonenessError
from doneness.data import read_preferences
from doneness.review import Showing, new_token, now, open_book
from doneness.runs import read, read_records
from doneness.runs.probes import load_answers, load_table
from doneness.workflows.align import Align, begin
from doneness.workflows.pairs import make_pairs
from doneness.workflows.probe import probe_run
from doneness.workflows.review import deck_of
from doneness.workflows.train import recipe_of, train_run

pytestmark = pytest.mark.model
THINGS = (
    "marsh", "pillar", "gourd", "anvil", "cello", "dune", "ember", "fjord", "glade", "harbour", "inlet", "jetty",
    "kiln", "lagoon", "mesa", "nave", "orchard", "pier",
)  # fmt: skip


def vote_on_all(run: Path, name: str = "rule") -> int:
    """Votes by a rule, of every pair that differs: the answer with more different characters is the better one.

    Better than both is to say that one cannot tell.
    """
    deck, tokens = deck_of(run), []
    with open_book(run) as book:
        who = book.reviewer(name, "simulated", 1)
        with book.writing():
            for question, row in zip(deck.questions, deck.texts, strict=True):
                for i, j in combinations(range(len(row)), 2):
                    left, right = row[i] or "", row[j] or ""
                    if left == right:
                        continue
                    steps = deck.steps[i], deck.steps[j]
                    shown = Showing(new_token(), who.id, question.id, question.prompt, *steps, left, right, None, now())
                    book.show(shown)
                    tokens.append((shown.token, "1" if len({*left}) > len({*right}) else "2"))
        for token, verdict in tokens:
            book.vote(token, verdict, {}, "I cannot tell.")
    return len(tokens)


@pytest.fixture
def trained(make_recipe: Callable[..., Recipe], tmp_path: Path) -> Path:
    suite = tmp_path / "probes.jsonl"
    asked = [
        {"id": f"{kind}-{thing}", "behaviour": "invented", "prompt": text.format(thing), "reference": "-"}
        for thing in THINGS
        for kind, text in (("a", "Who built the first {}?"), ("b", "How heavy is a {}, in stones?"))
    ]
    suite.write_text("\n".join(json.dumps(each) for each in asked) + "\n")
    # Long enough for the tiny model to say something.
    changes = ["schedule.max_steps=40", "evaluation.every=20", "evaluation.early=false", "optimizer.learning_rate=0.03"]
    changes += [f"probes.suite={suite}", "probes.max_new_tokens=6", "probes.checkpoints=2"]
    recipe = make_recipe("run", *changes)
    train_run(recipe, Quiet())
    folder = Path(recipe.run.folder)
    probe_run(folder)
    return folder


def refused_before_anything_is_made(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(DonenessError, match="nobody has voted"):
        begin(trained, Align(step=40))
    few = tmp_path / "few.jsonl"
    few.write_text('{"prompt": "Who?", "chosen": "I", "rejected": "you"}\n')
    with pytest.raises(DonenessError, match="1 pairs are too few"):
        begin(trained, Align(pairs=few, step=40))
    with pytest.raises(DonenessError, match="no recipe"):
        begin(tmp_path, Align())
    assert not list(trained.glob("export-*")) and not trained.with_name("run-dpo").exists()


def test_from_votes_to_a_model_and_its_probes(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused_before_anything_is_made(trained, tmp_path)
    vote_on_all(trained)
    made = make_pairs(trained, leave=0.4)
    changes = ["schedule.max_steps=2", "data.hold_out_share=0.2", "run.preflight=false", "optimizer.learning_rate=0.01"]
    new = trained.with_name("run-dpo")
    assert main(["align", str(trained), "--step", "40", "--dry-run", *changes]) == 0
    assert 'stage = "dpo"' in capsys.readouterr().out and not new.exists()
    assert main(["align", str(trained), "--step", "40", *changes]) == 0
    said = capsys.readouterr().out
    recipe = recipe_of(new)
    assert recipe is not None and recipe.run.stage == "dpo" and recipe.preference.beta == 0.1
    assert recipe.model.path == str(trained / "export-40-merged")
    # A part of the pairs is held out, and judged as pairs are.
    start = next(r for r in read_records(new / "journal.jsonl")[0] if r["kind"] == "start")
    assert start["meta"]["held_out"]["rows"] >= 8
    assert read(new)[0].last_step == 2
    # Nothing is asked that was trained on, and half of the suite at most was.
    trained_on = {row.prompt for row in read_preferences(made.path).rows}
    table = load_table(new)
    assert table is not None and table.steps[0] == 0 and max(table.steps) > 0
    asked = {q.prompt for q in table.questions}
    assert asked and not asked & trained_on and len(asked) + len(trained_on) == 2 * len(THINGS)
    # Before is the checkpoint that it began from.
    before, after = load_answers(trained, 40), load_answers(new, 0)
    assert before is not None and after is not None
    told = {a.id: a.text for a in before[1]}
    assert any(told.values())
    assert [a.text for a in after[1]] == [told[a.id] for a in after[1]]
    assert f"of {2 * len(THINGS)} probe questions" in said and "Before (the model it began with)" in said
    # Again: nothing is trained twice.
    assert main(["align", str(trained), "--step", "40", *changes]) == 0
    assert "finished already" in " ".join(capsys.readouterr().out.split())
    votes_that_came_since_are_not_passed_over(trained, changes, capsys)


def votes_that_came_since_are_not_passed_over(
    run: Path, changes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    suite = recipe_of(run)
    assert suite is not None
    # A suite of the overrides' is asked without what was trained on, too.
    begun = begin(run, Align(step=40, overrides=[*changes, f"probes.suite={suite.probes.suite}"]))
    assert begun.recipe.probes.suite == str((run / "align-probes" / "suite.toml").resolve())
    assert not any("newest" in line.text("en") for line in begun.lines)
    os.utime(run / "pairs.jsonl", (0, 0))
    votes = vote_on_all(run, "another")
    told = [line.text("en") for line in begin(run, Align(step=40, overrides=changes)).lines]
    assert any("newest" in line and "doneness pairs" in line for line in told) and votes
    # Made anew they are other pairs, and the run that is finished was not trained on them.
    rows = (run / "pairs.jsonl").read_text().splitlines(keepends=True)
    (run / "pairs.jsonl").write_text("".join(rows[1:]))
    capsys.readouterr()
    assert main(["align", str(run), "--step", "40", *changes]) == 2
    assert "other pairs" in " ".join(capsys.readouterr().err.split())
