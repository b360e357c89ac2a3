"""What stands around local runs: the config's section, the source that is there by itself, the practice world's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from parts.practice import NOW
from quarterdeck.boot import Boot
from quarterdeck.localruns import Logind
from quarterdeck_adapters.base import Context
from quarterdeck_adapters.local.adapter import LocalSource
from quarterdeck_config.load import Loaded, load
from quarterdeck_config.schema import Source
from quarterdeck_demo import local
from quarterdeck_demo.story import Commit, Person
from quarterdeck_lifecycle.kinds import Run
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.records import Status

ANN = Person("ann", "Ann", "ann@acme.example", 1)


def loaded_of(folder: Path, text: str) -> Loaded:
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "quarterdeck").mkdir(exist_ok=True)
    (folder / "config" / "quarterdeck" / "config.yaml").write_text(text)
    return load(folder, env={"XDG_CONFIG_HOME": str(folder / "config")})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{steps: [{name: a, argv: [b]}], makefile: .}", "exactly one of {steps|makefile}"),
        ("{timeout: 5m}", "exactly one of {steps|makefile}"),
        ("{steps: [{name: a, argv: 'b c'}]}", "a list"),
        ("{steps: []}", "at least one item"),
    ],
)
def test_a_pipeline_is_steps_or_a_makefile(tmp_path: Path, text: str, said: str) -> None:
    loaded = loaded_of(tmp_path, f"pipelines: {{x: {text}}}")
    assert loaded.config.pipelines == {}
    assert [said in str(problem) for problem in loaded.problems] == [True]


async def test_the_source_is_there_by_itself_follows_the_config_and_outlives_the_login(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "QUARTERDECK_STATE": str(tmp_path / "s")}
    loaded_of(tmp_path, "pipelines: {x: {steps: [{name: a, argv: ['true']}]}}")
    boot = Boot(cwd=tmp_path, env=env, discovery=("local",))
    try:
        await boot.discover()
        source = boot.hub.sources["local-ci"]
        assert isinstance(source, LocalSource)
        assert isinstance(source.outliving, Logind)
        assert boot.is_local("local-ci")
        assert [row.name for row in (await source.list("run")).rows] == ["x"]
        loaded_of(tmp_path, "pipelines: {y: {steps: [{name: a, argv: ['true']}]}}")
        await boot.reload()
        assert [row.name for row in (await boot.hub.sources["local-ci"].list("run")).rows] == ["y"]
        loaded_of(tmp_path, "pipelines: {}")
        await boot.reload()
        assert "local-ci" not in boot.hub.sources
    finally:
        await boot.close()


async def test_the_practice_world_has_runs_of_before(tmp_path: Path) -> None:
    commits = {
        sha: Commit(sha, f"commit {sha[0]}", ANN, NOW - 9e6 + number, ())
        for number, sha in enumerate(f"{digit:040x}" for digit in range(30))
    }
    scorer = SimpleNamespace(name="scorer", path=tmp_path / "src" / "scorer", commits=commits)
    story: Any = SimpleNamespace(seed=1, repositories={"acme/scorer": scorer})
    local.write_runs(story, NOW, tmp_path / "local")
    made = {"sources": [local.source(tmp_path / "local")], "pipelines": local.pipelines(story)}
    loaded = loaded_of(tmp_path, yaml.safe_dump(made))
    assert loaded.problems == ()
    config: Source = loaded.config.sources[0]
    context = Context(secret=lambda ref: "", env={}, config=loaded.config, project="/")
    source = LocalSource(config, context)
    runs = [row for row in (await source.list("run")).rows if isinstance(row, Run)]
    states = [run.state for run in runs]
    assert (len(runs), states[-1], states.count("success")) == (local.RUNS + 1, "ready", local.RUNS - 4)
    assert not [run.number for run in runs if run.status is Status.BAD], "a later run of the same pipeline is well"
    assert {run.head for run in runs[:-1]} <= set(commits)
    failed = next(run for run in runs if run.state == "failure")
    assert "bad currency" in (await source.describe(failed.ref))[0].text
    lines = [line.text async for batch in source.logs([failed.ref], LogOptions()) for line in batch.lines]
    assert lines[0] == f"{failed.head[:7]} commit {failed.head[0]}"
    assert next(run for run in runs if run.state == "lost").note == "this machine was restarted during test"
