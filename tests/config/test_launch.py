"""The launch files that are shipped: accelerate reads each, and the command finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from doneness.cli.main import main
from doneness.config.launch import launch_file, launch_names
from doneness.core import launched


@pytest.mark.model
@pytest.mark.parametrize("name", launch_names())
def test_accelerate_reads_each_file(name: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    found = load_config_from_file(str(launch_file(name)))
    kinds = {"ddp": "MULTI_GPU", "fsdp": "FSDP", "zero": "DEEPSPEED"}
    assert found.distributed_type.value == next(kind for begin, kind in kinds.items() if name.startswith(begin))
    if name.startswith("zero"):
        assert found.deepspeed_config["zero_stage"] == int(name[4])
        away = found.deepspeed_config["offload_optimizer_device"]
        assert (away == "cpu") == name.endswith("-offload")
    if name.startswith("fsdp2"):
        assert found.fsdp_config["fsdp_version"] == 2
        assert found.fsdp_config["fsdp_offload_params"] == name.endswith("-offload")
        # Without it a checkpoint would be no folder that others can load.
        assert found.fsdp_config["fsdp_state_dict_type"] == "FULL_STATE_DICT"


def test_the_command_lists_them_and_says_where_one_lies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in launch_names())
    # On one line, however narrow the output: broken inside $(…) it would be two commands.
    assert '--config_file "$(doneness recipes fsdp2)" --num_processes 8 -m doneness train recipe.toml' in listed
    assert main(["recipes", "zero3"]) == 0
    assert Path(capsys.readouterr().out.strip()) == launch_file("zero3")
    files = {path.stem for path in launch_file("ddp").parent.glob("*.yaml")}
    assert files == set(launch_names())
    assert main(["recipes", "zero9"]) == 2
    assert "zero9: no launch file" in capsys.readouterr().err


def test_of_several_processes_one_speaks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert (launched.processes(), launched.rank(), launched.speaks()) == (1, 0, True)
    for name, value in {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert (launched.processes(), launched.rank(), launched.local_processes()) == (4, 3, 2)
    assert main(["recipes", "zero9"]) == 2
    assert main(["recipes"]) == 0
    assert main(["train"]) == 2
    assert capsys.readouterr() == ("", "")
    # The first of another machine tells what that machine lacks.
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert main(["recipes", "zero9"]) == 2
    assert "zero9" in capsys.readouterr().err
