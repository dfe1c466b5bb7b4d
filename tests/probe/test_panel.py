from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.probe.engines import Planted
from tests.probe.panels import ASKING, PROBES, STEPS, WEIGHTS, probe, says

from doneness.core import DonenessError
from doneness.probe import Asking, Panel, Probe, Store
from doneness.probe.asking import Job, asks_of, key_of, worded
from doneness.probe.earlier import take_over
from doneness.probe.panel import Alone
from doneness.runs.probes import BASE, Answer, answers_path, load_answers, save_answers


def panel(store: Store, engine: Planted | None = None, probes: Iterable[Probe] = PROBES) -> tuple[Panel, Planted]:
    engine = engine or Planted(STEPS, says)
    return Panel(Alone(lambda: engine), tuple(probes), ASKING, store, WEIGHTS), engine


def test_everything_that_a_probe_asks_is_in_its_answer() -> None:
    asked, _ = panel(Store(None))
    assert asked.ask(STEPS)
    answers = {a.id: a for a in asked.answers()[4]}
    assert list(answers) == [p.id for p in PROBES]
    asked_as = worded(next(p for p in PROBES if p.id == "q0"), scored=False)
    assert answers["q0"] == Answer("q0", 4, "4: What is q0?", 14, 0.75, False, asked=asked_as)
    assert answers["talk"].turns == ("4: Are you sure?", "4: Really?")
    assert answers["many"].samples == tuple(f"4: What is many? {k}" for k in range(3))
    # The space before an option is part of it.
    assert (answers["pick"].options, answers["pick"].option_tokens) == ((-2.5, -3.5), (4, 6))
    assert (answers["near"].nll, answers["near"].nll_tokens, answers["near"].kl) == (8 / 5, 8, 0.04)
    assert (answers["text"].nll_tokens, answers["text"].text) == (13, "")


def test_nothing_is_asked_twice_and_one_more_costs_one_more(tmp_path: Path) -> None:
    first, engine = panel(Store(tmp_path))
    first.ask((0, 4))
    whole = len(engine.asked)
    again, other = panel(Store(tmp_path))
    again.ask((0, 4))
    assert other.asked == []
    assert again.answers((0, 4)) == first.answers((0, 4))
    again.ask(STEPS)
    assert {step for step, _, _ in other.asked} == {8}
    assert len(other.asked) == whole / 2
    more, third = panel(Store(tmp_path), probes=(*PROBES, probe("new")))
    more.ask(STEPS)
    assert sorted(third.asked) == [(step, "answer", "What is new?") for step in STEPS]


@pytest.mark.parametrize(
    "change",
    [{"prompt": "Another?"}, {"max_new_tokens": 5}],
    ids=["question", "limit"],
)
def test_what_changes_an_answer_is_asked_anew(tmp_path: Path, change: dict[str, object]) -> None:
    first, _ = panel(Store(tmp_path), probes=PROBES[:1])
    first.ask(STEPS)
    changed, engine = panel(Store(tmp_path), probes=[replace(PROBES[0], **change)])  # type: ignore[arg-type]
    changed.ask((4,))
    assert len(engine.asked) == 1
    same, engine = panel(Store(tmp_path), probes=[replace(PROBES[0], id="other", reference="-", contains=())])
    same.ask(STEPS)
    assert engine.asked == []  # how it is scored is not what is asked
    for weights in ({**WEIGHTS, 4: "trained on"}, WEIGHTS):
        engine = Planted(STEPS, says)
        Panel(Alone(lambda e=engine: e), PROBES[:1], replace(ASKING, system="Be brief."), Store(tmp_path), weights).ask(
            (4,)
        )
        assert len(engine.asked) == 1


def test_every_setting_is_in_the_key() -> None:
    one = probe(
        "q",
        asks=("answer", "samples", "options", "nll", "kl", "shaken", "turns"),
        samples=2,
        options=("a", "b"),
        then=("?",),
    )
    kinds = asks_of(one)
    assert set(kinds) == {"answer", "samples", "options", "nll", "kl", "shaken", "turns"}
    keys = {key_of("w", ask, one, ASKING, "b") for ask in kinds}
    assert len(keys) == len(kinds)

    def changes(ask: str, probe: Probe = one, asking: Asking = ASKING, base: str = "b") -> bool:
        return key_of("w", ask, probe, asking, base) != key_of("w", ask, one, ASKING, "b")

    assert changes("samples", asking=replace(ASKING, seed=1)) and changes("samples", replace(one, samples=3))
    assert changes("samples", asking=replace(ASKING, temperature=0.5))
    assert changes("options", replace(one, options=("a", "c"))) and changes("turns", replace(one, then=("!",)))
    assert changes("shaken", asking=replace(ASKING, seed=1)) and changes("shaken", replace(one, reference="x"))
    assert changes("nll", replace(one, reference="x")) and changes("kl", base="other")
    assert not changes("nll", base="other") and not changes("answer", asking=replace(ASKING, batch_size=9, seed=3))


def test_the_neighbours_answers_are_the_drafts() -> None:
    asked, engine = panel(Store(None), probes=PROBES[:4])
    asked.ask(STEPS)
    assert engine.drafts == [(0, 0), (4, 4), (8, 4)]
    jobs: list[Job] = []

    class Watched(Alone):
        def run(self, jobs_: Iterable[Job]):  # type: ignore[no-untyped-def]
            for job in jobs_:
                jobs.append(job)
                yield from super().run([job])

    engine = Planted((0, 4, 8, 12), says)
    weights = {**WEIGHTS, 12: "twelve"}
    watched = Panel(Watched(lambda: engine), PROBES[:1], ASKING, Store(None), weights)
    watched.ask((0, 12, 8, 4))
    own = {step: tuple(engine._generated(says(step, "What is q0?")).ids) for step in (0, 4, 8, 12)}
    assert [(job.step, job.drafts[0]) for job in jobs] == [(0, ()), (12, own[0]), (8, own[0]), (4, own[0])]


def test_interrupted_in_the_middle_it_goes_on_where_it_was(tmp_path: Path) -> None:
    many = [probe(f"q{i}") for i in range(20)]
    engine = Planted(STEPS, says)
    batches = 0

    def before(step: int, kind: str) -> None:
        nonlocal batches
        batches += 1
        if batches == 8:
            raise KeyboardInterrupt

    engine.before = before
    asked, _ = panel(Store(tmp_path), engine, many)
    with pytest.raises(KeyboardInterrupt):
        asked.ask(STEPS)
    answered = set(engine.asked)
    assert 20 < len(answered) < 60
    again, rest = panel(Store(tmp_path), probes=many)
    again.ask(STEPS)
    assert not answered & set(rest.asked)
    assert len(answered) + len(rest.asked) == 60
    whole, _ = panel(Store(None), probes=many)
    whole.ask(STEPS)
    assert again.answers() == whole.answers()


ASKER = """
    import sys, time
    from pathlib import Path
    from tests.probe.engines import Planted
    from tests.probe.panels import ASKING, STEPS, WEIGHTS, probe, says
    from doneness.probe import Panel, Store
    from doneness.probe.panel import Alone

    engine = Planted(STEPS, says, Path(sys.argv[2]))
    engine.before = lambda step, kind: time.sleep(float(sys.argv[3]))
    many, store = [probe(f"q{i}") for i in range(40)], Store(Path(sys.argv[1]))
    Panel(Alone(lambda: engine), many, ASKING, store, WEIGHTS).ask(STEPS)
"""


def asker(folder: Path, log: Path, pause: float) -> subprocess.Popen[bytes]:
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(ASKER), str(folder), str(log), str(pause)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def test_killed_in_the_middle_of_a_checkpoint_it_asks_the_rest_alone(tmp_path: Path) -> None:
    log = tmp_path / "asked.txt"
    store = tmp_path / "probes" / "store.jsonl"
    dying = asker(tmp_path, log, 0.05)
    deadline = time.monotonic() + 60
    while (not store.exists() or store.read_bytes().count(b"\n") < 52) and time.monotonic() < deadline:
        assert dying.poll() is None
        time.sleep(0.005)
    os.kill(dying.pid, signal.SIGKILL)
    dying.wait(60)
    kept = len(Store(tmp_path))
    assert 40 < kept < 120  # in the middle of the second checkpoint, or the third
    log.unlink()
    again, engine = panel(Store(tmp_path), probes=[probe(f"q{i}") for i in range(40)])
    again.ask(STEPS)
    assert len(engine.asked) == 120 - kept
    assert [len(each) for each in again.answers().values()] == [40, 40, 40]


def test_what_was_not_asked_is_no_empty_answer() -> None:
    both = probe("near", asks=("answer", "nll"))
    asked, _ = panel(Store(None), probes=[both, *PROBES[:2]])
    asked.ask((4,), asks=("nll",))
    assert asked.answers((4,)) == {4: []}
    assert [(a.id, a.text, a.nll_tokens) for a in asked.answers((4,), partial=True)[4]] == [("near", "", 8)]


def test_the_files_by_step_are_what_readers_look_at(tmp_path: Path) -> None:
    asked, _ = panel(Store(tmp_path))
    asked.ask((0, 8))
    asked.view(tmp_path)
    stored = load_answers(tmp_path, 8)
    assert stored is not None and stored[1] == asked.answers()[8]
    assert load_answers(tmp_path, 4) is None


def test_progress_never_runs_backwards_and_ends_whole() -> None:
    told: list[tuple[int, int, int]] = []
    engine = Planted(STEPS, says)
    asked = Panel(Alone(lambda: engine), PROBES, ASKING, Store(None), WEIGHTS, lambda *each: told.append(each))
    asked.ask(STEPS)
    for step in STEPS:
        mine = [(done, total) for s, done, total in told if s == step]
        assert [done for done, _ in mine] == sorted(done for done, _ in mine)
        assert mine[-1][0] == mine[-1][1] == sum(len(asks_of(p)) for p in PROBES)


def test_a_gpu_that_is_too_small_is_one_line() -> None:
    def full(step: int, kind: str) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    engine = Planted(STEPS, says)
    engine.before = full
    asked, _ = panel(Store(None), engine)
    with pytest.raises(DonenessError, match="batch_size"):
        asked.ask((0,))


def earlier(folder: Path, change: Callable[[dict[str, object]], None] = lambda head: None) -> Path:
    """A folder as it was written before there was a store."""
    import hashlib
    import json

    weights = folder / "checkpoint-4"
    weights.mkdir(parents=True)
    (weights / "adapter_model.safetensors").write_bytes(b"weights")
    text = json.dumps([(p.id, p.prompt) for p in PROBES[:3]], ensure_ascii=False)
    name = f"{'adapter_model.safetensors'}:{7}".encode() + b"weights"
    hashes = {0: "base", 4: hashlib.sha256(name).hexdigest()[:24]}
    for step, weights_hash in hashes.items():
        head: dict[str, object] = {
            "questions": hashlib.sha256(text.encode()).hexdigest()[:16],
            "max_new_tokens": 8,
            "system": "",
            "weights": weights_hash,
        }
        change(head)
        save_answers(folder, step, [Answer(p.id, step, "Old.", 1, 0.5, False) for p in PROBES[:3]], head)
    return weights


def test_answers_of_earlier_runs_are_taken_over(tmp_path: Path) -> None:
    place = earlier(tmp_path)
    asked, engine = panel(Store(tmp_path), probes=PROBES[:3])
    assert take_over(asked, tmp_path, {4: place}, PROBES[:3]) == 6
    asked.ask((0, 4))
    assert engine.asked == []
    assert {a.text for each in asked.answers().values() for a in each} == {"Old."}
    assert take_over(asked, tmp_path, {4: place}, PROBES[:3]) == 0


@pytest.mark.parametrize("key", ["questions", "max_new_tokens", "system", "weights"])
def test_earlier_answers_to_something_else_are_not(tmp_path: Path, key: str) -> None:
    place = earlier(tmp_path, lambda head: head.update({key: 9 if key == "max_new_tokens" else "other"}))
    asked, _ = panel(Store(tmp_path), probes=PROBES[:3])
    assert take_over(asked, tmp_path, {4: place}, PROBES[:3]) == 0
    assert answers_path(tmp_path, BASE).is_file()
