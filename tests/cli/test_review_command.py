"""Blind review, pairs: by the command line, from the first vote to rows that can be trained on."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from tests.review.conftest import write_answers

from doneness.cli.main import main
from doneness.core import DonenessError
from doneness.data import read_preferences
from doneness.workflows.review import (
    export_votes,
    import_votes,
    next_pair,
    record_vote,
    status,
    undo,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Later checkpoints say more; the reviewer below prefers that."""

    def text(step: int, q: int) -> str:
        return f"answer {q} of 20 or 40" if q % 4 == 0 and step in (20, 40) else f"answer {q}" + " more" * (step // 10)

    return write_answers(tmp_path / "run", (0, 20, 40), 30, text)


def votes(run: Path, name: str, n: int, tie: int = 0) -> None:
    for k in range(n):
        shown = next_pair(run, name)
        assert shown is not None
        longer = "1" if len(shown.left) > len(shown.right) else "2"
        record_vote(run, shown.token, "tie" if tie and k % tie == 0 else longer, reviewer=name)


def typed(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(keys))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_votes_by_keyboard(
    run: Path, lang: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "1\nz\nt\nx\n1io 2l\nr\nin my\nown words\n\nb\nu\n2\nq\n")
    assert main(["--lang", lang, "review", str(run), "--name", "Ann"]) == 0
    out = capsys.readouterr().out
    # Whose answers they are is nowhere on the screen.
    asked = out[: out.rindex("--status")]
    assert "answer" in asked and not re.search(r"checkpoint|base|基座|检查点", asked)
    found = status(run)
    assert found.votes == 3
    assert main(["--lang", lang, "review", str(run), "--status"]) == 0
    assert "checkpoint-40" in capsys.readouterr().out
    # The second call goes on where the first ended, at what was shown and not voted on.
    typed(monkeypatch, "")
    assert main(["--lang", lang, "review", str(run), "--name", "Ann"]) == 0
    assert "4" in capsys.readouterr().out.splitlines()[0]


def test_tags_and_rewrites_go_with_their_vote(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    typed(monkeypatch, "x\n1io 2:l\nr\nin my\nown words\n\nb\n1\nq\n")
    assert main(["review", str(run), "--name", "Ann"]) == 0
    out = tmp_path / "votes.jsonl"
    assert main(["review", str(run), "--export", str(out)]) == 0
    first, second = (json.loads(line) for line in out.read_text().splitlines())
    assert (first["left_tags"], first["right_tags"]) == (["invented", "overconfident"], ["too_long"])
    assert (first["rewrite"], first["verdict"], first["winner_step"]) == ("in my\nown words", "bad", None)
    assert (second["left_tags"], second["rewrite"], second["winner_step"]) == ([], "", second["left_step"])


def test_what_is_shown_waits_until_it_is_voted_on(run: Path) -> None:
    first = next_pair(run, "Ann")
    assert first is not None and next_pair(run, "Ann") == first
    other = next_pair(run, "Bob")
    assert other is not None and other.token != first.token
    with pytest.raises(DonenessError):
        record_vote(run, first.token, "1", reviewer="Bob")
    record_vote(run, first.token, "1", reviewer="Ann")
    second = next_pair(run, "Ann")
    assert second is not None and second.token != first.token and second.voted == 1
    again = undo(run, "Ann")
    assert again is not None and again.token == first.token and again.voted == 0
    assert next_pair(run, "Ann") == again
    assert undo(run, "Ann") is None and undo(run, "nobody") is None


def test_the_ranking_is_found_and_settled(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    votes(run, "Ann", 45)
    found = status(run)
    assert [place.step for place in found.places] == [40, 20, 0] and found.settled.done and found.settled.best
    assert all(0 <= p.low < p.share < p.high <= 1 for p in found.places)
    assert main(["review", str(run), "--status"]) == 0
    assert "Settled at 95 %: checkpoint-40" in capsys.readouterr().out
    assert main(["review", str(run), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["places"][0]["step"] == 40 and told["settled"]["done"] is True


def test_several_reviewers_and_a_judge(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    votes(run, "Ann", 20)
    votes(run, "Bob", 30)
    while (found := status(run)).agreement.pairs < 5:
        votes(run, "Bob", 5)  # one in seven is of Ann's, by chance
    assert found.agreement.value == 1.0
    before = [place.share for place in found.places]
    out = tmp_path / "verdicts.jsonl"
    export_votes(run, out)
    judged = [json.loads(line) for line in out.read_text().splitlines()]
    for each in judged:
        each["verdict"] = {"1": "2", "2": "1"}[each["verdict"]]
    out.write_text("".join(json.dumps(each) + "\n" for each in judged))
    assert main(["review", str(run), "--import", str(out), "--judge", "some-model"]) == 0
    after = status(run)
    assert (after.judges["some-model"].value or 0) < -0.9
    # A judge's verdicts are no votes.
    assert [place.share for place in after.places] == before and after.votes == found.votes
    capsys.readouterr()
    assert main(["review", str(run), "--status"]) == 0
    assert "some-model (judge) against people: Cohen's kappa -" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line", ["{}", "no json", '{"question": "q1", "left_step": 0, "right_step": 7, "verdict": "1"}']
)
def test_a_verdict_on_nothing_is_refused(run: Path, tmp_path: Path, line: str) -> None:
    file = tmp_path / "verdicts.jsonl"
    file.write_text('{"question": "q1", "left_step": 0, "right_step": 20, "verdict": "1"}\n' + line + "\n")
    with pytest.raises(DonenessError, match="line 2"):
        import_votes(run, file, "judge")
    assert not (run / "votes.sqlite").exists()


def test_export_as_a_table(run: Path, tmp_path: Path) -> None:
    shown = next_pair(run, "Ann")
    assert shown is not None
    record_vote(run, shown.token, "1", {1: ["unsafe"]}, "=HYPERLINK(1)")
    record_vote(run, shown.token, "2")
    file = tmp_path / "votes.csv"
    assert main(["review", str(run), "--export", str(file)]) == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [(r["verdict"], r["counts"], r["left_tags"]) for r in rows] == [("1", "False", "unsafe"), ("2", "True", "")]
    assert rows[0]["rewrite"] == "'=HYPERLINK(1)", "no spreadsheet runs it"
    assert main(["review", str(run), "--export", str(tmp_path / "votes.xlsx")]) == 2
    assert not (tmp_path / "votes.xlsx").exists()


@pytest.mark.parametrize("margin", ["0", "41%", "x", "-5%"])
def test_a_margin_is_a_small_share(run: Path, margin: str) -> None:
    assert main(["review", str(run), f"--margin={margin}", "--status"]) == 2


def test_votes_become_rows_for_training(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    votes(run, "Ann", 40, tie=10)
    assert main(["pairs", str(run), "--leave", "0"]) == 0
    out = capsys.readouterr().out
    kept = read_preferences(run / "pairs.jsonl")
    assert f"{len(kept)} pairs written" in out
    assert len(kept) > 25 and all(len(r.chosen[-1].content) > len(r.rejected[-1].content) for r in kept.rows)
    # The longer answer always won, and that is said.
    assert "--match-lengths" in out
    capsys.readouterr()
    assert main(["pairs", str(run), "--leave", "0", "--match-lengths"]) == 2, "nothing is left where only length won"
    assert "to match lengths" in capsys.readouterr().err


def test_half_of_the_questions_are_kept_for_the_table(run: Path) -> None:
    votes(run, "Ann", 40)
    assert main(["pairs", str(run)]) == 0
    rows = [json.loads(line) for line in (run / "pairs.jsonl").read_text().splitlines()]
    trained = {row["question_id"] for row in rows}
    assert 5 <= len(trained) <= 15
    # The same ones every time, and none of the others.
    assert main(["pairs", str(run), "--out", str(run / "again.jsonl")]) == 0
    assert (run / "again.jsonl").read_bytes() == (run / "pairs.jsonl").read_bytes()


def test_no_votes_no_pairs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pairs", str(run)]) == 2
    assert "doneness review" in capsys.readouterr().err
    assert main(["review", str(run), "--export", "votes.csv"]) == 2
    assert main(["pairs", str(run), "--leave", "2"]) == 2
