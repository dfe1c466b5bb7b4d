"""Questions spread over the workers of a local cluster, one of which is killed in the middle.

Ray is large, so it is not among what development installs: pip install ray, and these run.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.probe.engines import Fatal, Planted, Refusing, Slow
from tests.probe.panels import ASKING, STEPS, WEIGHTS, probe, says

from doneness.core import DonenessError, MissingExtraError
from doneness.probe import Panel, Store
from doneness.probe.panel import Alone

try:
    import ray as _ray
except ImportError:
    _ray = None

needs_ray = pytest.mark.skipif(_ray is None, reason="Ray is not installed: pip install ray")
# What Ray and its children say to developers on their way out.
pytestmark = pytest.mark.filterwarnings("ignore")

MANY = [probe(f"q{i}", asks=("answer", "nll")) for i in range(24)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import ray

    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    env = {"env_vars": {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=env)
    yield ray
    ray.shutdown()


@needs_ray
def test_a_worker_that_is_killed_loses_and_doubles_nothing(cluster: Any, tmp_path: Path) -> None:
    from doneness.probe.ray_pool import RayPool

    traces = tmp_path / "traces"
    traces.mkdir()
    killed: list[int] = []
    pool = RayPool(partial(Slow, STEPS, says, traces), workers=2)

    def progress(step: int, done: int, total: int) -> None:
        if done > 4 and not killed:  # in the middle, while every worker has a batch
            victim = int(sorted(traces.iterdir(), key=lambda f: f.name.partition("-")[2])[-1].name.partition("-")[0])
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    asked = Panel(pool, MANY, ASKING, Store(tmp_path), WEIGHTS, progress)
    try:
        assert asked.ask(STEPS)
    finally:
        pool.close()
    assert killed
    workers = {f.name.partition("-")[0] for f in traces.iterdir()}
    assert len(workers) == 3  # two, and the one that took the dead one's place
    lines = [json.loads(line)["key"] for line in (tmp_path / "probes" / "store.jsonl").read_text().splitlines()]
    assert len(lines) == len(set(lines)) == 2 * 24 * 3
    alone = Panel(Alone(lambda: Planted(STEPS, says)), MANY, ASKING, Store(None), WEIGHTS)
    alone.ask(STEPS)
    assert asked.answers() == alone.answers()


@needs_ray
@pytest.mark.parametrize(("engine", "part"), [(Fatal, "3 workers died"), (Refusing, "checkpoint-4: damaged")])
def test_what_no_worker_can_do_is_one_line(cluster: Any, engine: Any, part: str) -> None:
    from doneness.probe.ray_pool import RayPool

    pool = RayPool(partial(engine, STEPS, says), workers=1)
    try:
        with pytest.raises(DonenessError, match=part):
            Panel(pool, MANY[:2], ASKING, Store(None), WEIGHTS).ask((4,))
    finally:
        pool.close()


@pytest.mark.skipif(_ray is not None, reason="Ray is installed")
def test_without_ray_the_extra_is_named() -> None:
    from doneness.probe.ray_pool import RayPool

    with pytest.raises(MissingExtraError, match="ray"):
        RayPool(lambda: Planted(STEPS, says))
