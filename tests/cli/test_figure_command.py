from __future__ import annotations

import json
import re
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from doneness.cli.main import main
from doneness.core import Verdict
from doneness.diagnose import diagnose
from doneness.report.flat import flat
from doneness.report.palette import COLOURS
from doneness.report.sheet import Panel, panel_width, sheet
from doneness.workflows.textbook import PAIR, textbook, trained


@pytest.fixture
def output(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).normal(0, 0.1, 300)
    rows = [{"step": 10 * s, "epoch": s / 100, "loss": 1.2 + 60 / (10 * s + 40) + noise[s]} for s in range(1, 300)]
    rows += [{"step": 300 * s, "epoch": 3.0 * s, "eval_loss": 1.25 + 60 / (300 * s + 40)} for s in range(1, 10)]
    rows.sort(key=lambda row: row["step"])
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": rows, "max_steps": 3000}))
    return tmp_path


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_the_figure_says_how_it_was_drawn(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = output / "loss.svg"
    assert main(["figure", str(output), "-o", str(out), "--log", "--title", "A <run>"]) == 0
    assert capsys.readouterr().out == f"Figure: {out}\n"
    said = " ".join(t.text or "" for t in ET.parse(out).iter("{http://www.w3.org/2000/svg}text"))
    assert re.search(r"trend: local line over \d+ steps \(\d+ log rows\)", said)
    assert re.search(r"logarithmic axis [\d.]+ to [\d.]+, not from zero", said) and "A <run>" in said
    assert out.read_text().count("h0") == 299, "every raw point is drawn"


def test_half_of_a_run_is_drawn_with_the_same_window(output: Path) -> None:
    state = json.loads((output / "trainer_state.json").read_text())
    half = output / "half"
    half.mkdir()
    state["log_history"] = [row for row in state["log_history"] if row["step"] <= 1500]
    (half / "trainer_state.json").write_text(json.dumps(state))
    named = []
    for path in (output / "trainer_state.json", half):
        assert main(["figure", str(path), "-o", str(output / "x.svg")]) == 0
        named.append(re.findall(r"trend: local line over \d+ steps", (output / "x.svg").read_text()))
    assert named[0] and named[0] == named[1]


def test_a_png_has_twice_the_pixels_and_its_own_ground(output: Path) -> None:
    pytest.importorskip("resvg_py", reason="the extra `figure` is not installed")
    sizes = {}
    for name, flags in {"light": [], "dark": ["--dark", "--lang", "zh"]}.items():
        out = output / f"{name}.png"
        assert main(["figure", str(output), "-o", str(out), "--x", "epochs", "--width", "400", *flags]) == 0
        sizes[name] = size(out.read_bytes())
    assert sizes["light"][0] == sizes["dark"][0] == 800


def test_dark_colours_are_written_out(output: Path) -> None:
    out = output / "dark.svg"
    assert main(["figure", str(output), "-o", str(out), "--dark"]) == 0
    text = out.read_text()
    assert "var(" not in text and "<style" not in text
    assert f'fill="{COLOURS["paper"][1]}"' in text and COLOURS["eval-ink"][1] in text
    assert COLOURS["eval-ink"][0] not in text


def test_without_the_extra_its_name_is_said(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert main(["figure", str(output), "-o", str(output / "x.png")]) == 2
    assert "pip install 'doneness[figure]'" in capsys.readouterr().err
    assert not (output / "x.png").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["-o", "x.svg"], "--simulate textbook"),
        (["PATH", "-o", "x.jpg"], "ends in .svg or .png"),
        (["PATH", "-o", "x.svg", "--x", "tokens"], "it has: steps, epochs"),
        (["PATH", "-o", "x.svg", "--width", "12"], "320 to 4000"),
        (["PATH/gone", "-o", "x.svg"], "gone"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    output: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    assert main(["--lang", "en", "figure", *(a.replace("PATH", str(output)) for a in arguments)]) == 2
    assert word in capsys.readouterr().err


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_three_ways_are_three_panels(output: Path, lang: str) -> None:
    out = output / "ways.svg"
    assert main(["--lang", lang, "figure", str(output), "--three-ways", "-o", str(out)]) == 0
    said = "".join(t.text or "" for t in ET.parse(out).iter("{http://www.w3.org/2000/svg}text"))
    for word in {"en": ("from zero", "Zoomed", "Logarithmic"), "zh": ("从零", "放大", "对数轴")}[lang]:
        assert word in said


def test_panels_stand_side_by_side_or_stacked() -> None:
    one = '<svg viewBox="0 0 400 100"><path d="M0 0h1"/></svg>'
    wide, tall = sheet([Panel(one, "a", ("b",))] * 2, 830), sheet([Panel(one)] * 2, 400)
    boxes = [re.findall(r"translate\(([\d.]+) ([\d.]+)\)", s) for s in (wide, tall)]
    assert boxes[0][0][1] == boxes[0][1][1] and boxes[1][0][0] == boxes[1][1][0] == "0"
    assert panel_width(830, 2, 400) == 401 and panel_width(700, 2, 400) == 700
    ET.fromstring(flat(wide, dark=True))


def test_the_textbook_pair_settles_and_overfits() -> None:
    first, second = textbook()
    assert diagnose(first).verdict is Verdict.CONVERGED
    found = diagnose(second)
    assert found.verdict is Verdict.OVERFITTING and found.recommended_step is not None
    loss = second.evals
    assert loss is not None
    best = int(loss.value.argmin())
    assert 0.02 < best / len(loss) < 0.5
    late = np.diff(loss.value[best:])
    assert (late > 0).all() and late[-1] < 0.1 * late.max(), "it rises for a while and settles"
    again = trained(PAIR[1]).evals
    assert again is not None and np.array_equal(again.value, loss.value)


def test_the_pair_is_drawn_with_its_verdicts(tmp_path: Path) -> None:
    out = tmp_path / "pair.svg"
    assert main(["figure", "--simulate", "textbook", "-o", str(out)]) == 0
    said = " ".join(t.text or "" for t in ET.parse(out).iter("{http://www.w3.org/2000/svg}text"))
    assert "600 epochs: 12 weights" in said and "2,400 epochs: 812 weights" in said
    assert "Converged" in said and "Overfitting" in said
