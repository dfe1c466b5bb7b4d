from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.config import Recipe
from doneness.core import Action, DonenessError, StopDecision, Verdict, say
from doneness.models import LoadedModel, load_model
from doneness.probe import Asking, Probe
from doneness.probe.behaviours import MEASURES
from doneness.probe.measure import Measure
from doneness.runs import Recorder, Run, read
from doneness.runs.panels import Scores, panels_of, to_record
from doneness.runs.probes import Behaviour
from doneness.stopping import StopRule
from doneness.stopping.rules import BehaviourRule
from doneness.train.asking import Sharing
from doneness.train.loop import TrainResult, train
from doneness.train.method import apply_method
from doneness.workflows.panel import LivePanel, asker_of
from doneness.workflows.rows import encode_recipe_rows, read_recipe_rows
from tests.train.conftest import Quiet

Make = Callable[..., Recipe]
GUARD = Behaviour("knowledge", "higher", "share", 0.05, guard=True)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Costly:
    """Takes so many seconds each time."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds, self.allowed = clock, seconds, list[float]()

    def ask(self, model: Any, step: int, seconds: float) -> Mapping[str, Any] | None:
        self.allowed.append(seconds)
        if len(self.allowed) > 1 and self.seconds > seconds:
            return None
        self.clock.now += self.seconds
        return {"panel": to_record([Scores(GUARD, True, {"q": 1.0})])}


@settings(max_examples=40, deadline=None)
@given(
    share=st.floats(0.01, 0.5),
    cost=st.floats(0.1, 50.0),
    stretches=st.lists(st.floats(0.5, 100.0), min_size=1, max_size=12),
)
def test_asking_keeps_within_its_share_of_the_time(
    tmp_path_factory: pytest.TempPathFactory, share: float, cost: float, stretches: list[float]
) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path_factory.mktemp("run"))
    asker = Costly(clock, cost)
    for step, seconds in enumerate(stretches):
        clock.now += seconds
        # Made anew each time, as a resumed run does: what was spent is in the journal.
        Sharing(asker, share, recorder, clock)(None, step, clock.now)
        spent = sum(r["seconds"] for r in recorder.records)
        assert spent <= max(share * clock.now, cost) + 1e-3 * len(stretches)
        assert all(left > 0 for left in asker.allowed)
    recorder.close()


def test_a_step_is_asked_once(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(tmp_path)
    sharing = Sharing(Costly(clock, 1.0), 0.5, recorder, clock)
    for _ in range(3):
        clock.now += 100
        sharing(None, 7, clock.now)
    assert [r["step"] for r in recorder.records] == [7]
    recorder.close()


class Falling:
    """Questions that the model knows until a step, and no longer from then on."""

    def __init__(self, until: int) -> None:
        self.until = until
        self.modes: list[bool] = []

    def ask(self, model: Any, step: int, seconds: float) -> Mapping[str, Any] | None:
        self.modes.append(bool(model.training))
        right = 38 if step < self.until else 2
        return {"panel": to_record([Scores(GUARD, True, {f"q{i}": float(i < right) for i in range(40)})])}


class LossFalls:
    """A rule that sees nothing wrong."""

    name = "contented"

    def decide(self, run: Run) -> StopDecision:
        return StopDecision(
            Action.CONTINUE, Verdict.LEARNING, say("stopping.none_yet", step=run.last_step), (), run.last_step
        )


def trained(recipe: Recipe, rule: StopRule, asker: Any) -> TrainResult:
    loaded: LoadedModel = load_model(recipe.model.path, device="cpu")
    loaded = replace(loaded, model=apply_method(loaded.model, recipe.method, recipe.run.seed))
    rows = encode_recipe_rows(loaded.tokenizer, read_recipe_rows(recipe), recipe.data)
    asker = asker(loaded.tokenizer) if callable(asker) else asker
    return train(recipe, rows, loaded, rule, Quiet(), asker)


@pytest.mark.model
def test_behaviour_that_goes_off_ends_the_run_while_loss_falls(make_recipe: Make) -> None:
    recipe = make_recipe("off", "stopping.on_stop=stop", "probes.share=0.5")
    result = trained(recipe, BehaviourRule(LossFalls()), Falling(4))
    assert (result.ending, result.step) == ("stopped", 4)
    assert result.decision is not None
    assert result.decision.recommended_step == 2
    run = read(recipe.run.folder)[0]
    assert run.evals is not None
    assert run.evals.value[-1] < run.evals.value[0]
    assert [p.step for p in panels_of(run)] == [1, 2, 4]
    assert BehaviourRule(LossFalls()).decide(run.until(2)).action is Action.CONTINUE
    assert BehaviourRule(LossFalls()).decide(run) == result.decision  # on the stored run, as in training


PROBES = [Probe(f"q{i}", "knowledge", f"What colour is {i}?", "red", (("red",),)) for i in range(6)]


def live(tokenizer: Any, clock: Clock | None = None) -> LivePanel:
    more = {} if clock is None else {"clock": clock}
    return LivePanel(tokenizer, PROBES, Asking(max_new_tokens=4, batch_size=2), MEASURES, **more)


@pytest.mark.model
def test_asking_changes_nothing_in_the_training(make_recipe: Make) -> None:
    rates = "method.dropout=0.1"
    asked, plain = make_recipe("asked", "probes.share=0.5", rates), make_recipe("plain", rates)
    trained(asked, LossFalls(), live)
    trained(plain, LossFalls(), None)
    mine, theirs = read(asked.run.folder)[0], read(plain.run.folder)[0]
    assert len(panels_of(mine)) > 1 and not panels_of(theirs)
    assert mine.train is not None and theirs.train is not None
    assert mine.train.value.tolist() == theirs.train.value.tolist()
    assert mine.evals is not None and theirs.evals is not None
    assert mine.evals.value.tolist() == theirs.evals.value.tolist()
    by_name = panels_of(mine)[0].scores
    assert set(by_name["knowledge"].of) <= {p.id for p in PROBES}
    assert by_name["length"].mean == 4.0


@pytest.mark.model
def test_a_panel_is_asked_as_far_as_its_time_goes(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    loaded = load_model(str(tiny_model), device="cpu")
    panel = live(loaded.tokenizer, clock)
    sizes: list[int] = []
    whole = LivePanel._batch

    def counted(self: LivePanel, model: Any, step: int, batch: Any) -> Any:
        clock.now += 2.0  # a second a question
        sizes.append(len(batch))
        return whole(self, model, step, batch)

    monkeypatch.setattr(LivePanel, "_batch", counted)
    first = panel.ask(loaded.model, 1, 4.5)
    assert first is not None and first["questions"] == 4
    assert panel.ask(loaded.model, 2, 5.5) is None  # six questions take six seconds
    assert sizes == [2, 2]
    second = panel.ask(loaded.model, 3, 6.0)
    assert second is not None and second["questions"] == 6
    assert set(first["panel"][0]["scores"]) < set(second["panel"][0]["scores"])


@pytest.mark.model
def test_a_behaviour_that_fails_ends_no_training_and_unscored_questions_cost_too(tiny_model: Path) -> None:
    def fails(probe: Probe, answer: object) -> float:
        raise DonenessError("mine.py:Mine at q0: ZeroDivisionError")

    mine = Measure(Behaviour("mine", "higher", "share", 0.05, False), fails)
    loaded = load_model(str(tiny_model), device="cpu")
    lines: list[str] = []
    asking = Asking(max_new_tokens=4, batch_size=2)
    panel = LivePanel(loaded.tokenizer, PROBES[:2], asking, [mine], told=lambda line: lines.append(line.text("en")))
    for step in (1, 2):
        noted = panel.ask(loaded.model, step, 1000.0)
        assert noted is not None and (noted["panel"], noted["questions"]) == ([], 2)
    assert len(lines) == 1 and "mine" in lines[0] and "ZeroDivisionError" in lines[0]


@pytest.mark.model
def test_who_asks_is_told_by_the_recipe(make_recipe: Make, tmp_path: Path, tiny_model: Path) -> None:
    tokenizer = load_model(str(tiny_model), device="cpu").tokenizer
    suite = tmp_path / "suite.jsonl"
    suite.write_text('{"id": "a", "behaviour": "invented", "prompt": "What is redium?"}\n')
    for changes, asks in (
        ((f"probes.suite={suite}",), True),
        ((f"probes.suite={suite}", "probes.share=0.0"), False),
        ((f"probes.suite={suite}", "stopping.enabled=false"), False),
        ((), False),
    ):
        assert (asker_of(make_recipe("run", *changes), tokenizer, lambda line: None) is not None) is asks
