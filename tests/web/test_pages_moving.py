"""Pages that follow what happens: comparing runs that go on, and answers that come while others are read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from doneness.runs import Recorder
from tests.web.browsing import reading
from tests.web.served import hold, served, write_probed, write_run


def test_a_comparison_follows_its_runs(browser: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "over")
    hold(write_run(tmp_path / "going", end=False))
    with served(tmp_path) as server, reading(browser, server) as reader:
        ids = [server.id_of(name) for name in ("over", "going")]
        page = reader.open(f"/compare?run={ids[0]}&run={ids[1]}")
        reader.drawn()
        before = page.locator("#at-table").inner_text()
        mark = page.evaluate("window.mark = Math.random()")
        page.wait_for_selector("#live:not([hidden])")
        recorder = Recorder(tmp_path / "going")
        for step in range(41, 61):
            recorder.write("train", step, loss=0.9, learning_rate=1e-4, epoch=step / 20, tokens=100 * step)
            if step % 4 == 0:
                recorder.write("eval", step, name="eval", loss=0.95, examples=50, epoch=step / 20, tokens=100 * step)
        recorder.close()
        page.wait_for_function("text => document.querySelector('#at-table').innerText !== text", arg=before)
        page.wait_for_function(
            "() => document.querySelector('#plot .js-plotly-plot').data.some(t => t.customdata?.includes(60))"
        )
        assert page.evaluate("window.mark") == mark, "without a reload"
        assert reader.faults == []


def test_who_reads_answers_is_told_of_others_and_not_interrupted(browser: Any, tmp_path: Path) -> None:
    write_probed(tmp_path / "runs" / "probed", steps=(0, 20))
    other = write_probed(tmp_path / "other", text=lambda step, q: f"{step} says otherwise of {q}")
    with served(tmp_path / "runs") as server, reading(browser, server) as reader:
        page = reader.open(f"/run/{server.id_of('probed')}/answers")
        page.wait_for_selector("#live:not([hidden])")
        assert page.locator("#newer").is_hidden()
        held = page.locator("#listed").inner_html()
        shutil.copytree(other / "probes", tmp_path / "runs" / "probed" / "probes", dirs_exist_ok=True)
        page.wait_for_selector("#newer:not([hidden])")
        assert page.locator("#listed").inner_html() == held
        page.click("#newer a")
        page.wait_for_function("() => document.querySelector('#listed').innerText.includes('says otherwise')")
        assert reader.faults == []
