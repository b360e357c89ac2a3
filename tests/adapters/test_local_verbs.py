"""What is started and ended on this machine: previewed, compared, refused with the reason. No step runs here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapters.localrig import Rig, at, begun, done, ended, step, whole
from parts.gitrepo import commit, git, repository
from parts.operating import Bench
from quarterdeck_adapters.local import locks, starting
from quarterdeck_adapters.local.book import Book
from quarterdeck_adapters.local.launching import step_env
from quarterdeck_adapters.local.model import BUSY, RUNNER, Spec
from quarterdeck_config.schema import Config, LocalPipeline, SecretRef, Source, Webhook
from quarterdeck_lifecycle.errors import Conflict, Refused, ToolMissing
from quarterdeck_lifecycle.permit import permit

CHECK = LocalPipeline(steps=(step("one", "true", "a b"), step("two", timeout=90.0)), inputs={"EPOCHS": "3"})


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path, {"check": CHECK})


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Spec]:
    """What would have been started; nothing is."""
    made: list[Spec] = []

    def launch(book: Book, spec: Spec, *_: object) -> Spec:
        made.append(book.make(spec))
        return made[-1]

    monkeypatch.setattr(starting, "launch", launch)
    return made


async def refusals(rig: Rig, name: str) -> dict[str, str | None]:
    row = (await rig.runs())[name]
    return {verb: action.permitted(row) for verb, action in rig.source.actions.items() if verb.startswith("run.")}


async def test_each_verb_says_why_it_does_not_apply(rig: Rig) -> None:
    rig.past("check", whole(1))
    rig.past("check", [begun(), at(0, 0), ended(0, 1, "failure", 1), done(1, "failure")])
    alive = locks.hold(rig.past("check", [begun(), at(0, 0)]), RUNNER)
    assert alive is not None
    try:
        gate = "a local pipeline waits for nobody"
        assert await refusals(rig, "check") == {
            "run.trigger": None, "run.rerun": "it is no run: T starts one", "run.approve": gate, "run.reject": gate,
            "run.rerun_failed": "it is no run: T starts one", "run.cancel": "it is not running: ready",
        }  # fmt: skip
        good, bad, moving = [await refusals(rig, f"check #{number}") for number in (1, 2, 3)]
        assert (good["run.rerun"], good["run.rerun_failed"]) == (None, "it ended as success: nothing failed")
        assert (bad["run.rerun"], bad["run.rerun_failed"], bad["run.cancel"]) == (
            None, None, "it is not running: failure",
        )  # fmt: skip
        assert (moving["run.rerun"], moving["run.cancel"]) == ("it is running", None)
        assert rig.source.interval("run", list((await rig.runs()).values())) == 1.0
    finally:
        os.close(alive)


async def test_the_preview_says_all_that_would_run_where_and_for_how_long(rig: Rig) -> None:
    bench = Bench(rig.source, rig.folder / "s")
    preview = await bench.preview("run.trigger", rig.ref("check", 0), inputs="EPOCHS=5")
    assert [(each.call, each.detail) for each in preview.steps] == [
        ("one: true 'a b'", f"in {rig.folder}, at most 60 s"), ("two: true", f"in {rig.folder}, at most 90 s"),
    ]  # fmt: skip
    assert preview.impact == ("outside any repository", "outlives your SSH link and this terminal")
    assert not rig.book.path.exists()


async def test_inputs_are_variables_and_the_commit_is_written_down(tmp_path: Path, launched: list[Spec]) -> None:
    repository(tmp_path)
    rig = Rig(tmp_path, {"check": CHECK})
    bench = Bench(rig.source, tmp_path.parent / f"{tmp_path.name}-s")
    sha = git(tmp_path, "rev-parse", "HEAD")
    preview = await bench.preview("run.trigger", rig.ref("check", 0), inputs="EPOCHS='5 6'")
    assert (preview.impact[0], preview.warnings) == (f"{tmp_path.name} on main at {sha[:10]}, as it is on the disk", ())
    (tmp_path / "new").write_text("x")
    with permit("here"), pytest.raises(Conflict, match="the work tree changed since the preview"):
        await rig.source.actions["run.trigger"].execute(preview)
    preview = await bench.preview("run.trigger", rig.ref("check", 0), inputs="EPOCHS='5 6'")
    assert preview.warnings == ("1 file differs from the commit: what runs is not what was committed",)
    with permit("here"):
        assert await rig.source.actions["run.trigger"].execute(preview) == "run #1 was started"
    spec = launched[0]
    assert (spec.added, spec.tree.head, spec.tree.branch, spec.tree.dirty) == ({"EPOCHS": "5 6"}, sha, "main", 1)
    assert (await rig.runs())["check"].branch == "main"


async def test_only_what_is_checked_out_can_be_run(tmp_path: Path) -> None:
    repository(tmp_path)
    rig = Rig(tmp_path, {"check": CHECK})
    trigger = rig.source.actions["run.trigger"]
    with pytest.raises(Refused, match="a local pipeline runs what is there"):
        await trigger.preview(rig.ref("check", 0), {"ref": "other"})
    for ref in ("main", "HEAD", "", git(tmp_path, "rev-parse", "HEAD")[:9]):
        await trigger.preview(rig.ref("check", 0), {"ref": ref})


async def test_it_is_refused_before_anything_is_made(rig: Rig) -> None:
    bench, ready = Bench(rig.source, rig.folder / "s"), rig.ref("check", 0)
    with pytest.raises(Refused, match="takes no input SHELL"):
        await bench.preview("run.trigger", ready, inputs="SHELL=x")
    missing = Rig(rig.folder, {"check": LocalPipeline(steps=(step("one", "no-such-program"),))})
    with pytest.raises(ToolMissing, match="no-such-program is not installed"):
        await missing.source.actions["run.trigger"].preview(ready, {})
    rig.past("check", whole(1))
    busy = locks.hold(rig.book.path / rig.ref("check", 1).id.partition("/")[0], BUSY)
    assert busy is not None
    try:
        assert (await bench.preview("run.trigger", ready)).warnings == (starting.BUSY,)
    finally:
        os.close(busy)
    preview = await bench.preview("run.trigger", ready)
    with pytest.raises(Refused, match="no permitted operation is in progress"):
        await rig.source.actions["run.trigger"].execute(preview)
    assert rig.book.numbers(rig.ref("check", 1).id.partition("/")[0]) == [1]


async def test_a_pipeline_that_changed_since_is_not_started(tmp_path: Path) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text(".PHONY: all\nall:\n\techo one\n")
    rig = Rig(tmp_path, {"m": LocalPipeline(makefile=str(tmp_path))})
    row = (await rig.runs())["m:all"]
    preview = await rig.source.actions["run.trigger"].preview(row.ref, {})
    assert "$ all: echo one" in preview.impact
    makefile.write_text(".PHONY: all\nall:\n\trm -rf /\n")
    with permit("here"), pytest.raises(Conflict, match="the pipeline changed since the preview"):
        await rig.source.actions["run.trigger"].execute(preview)


async def test_run_again_from_the_failed_step_on(rig: Rig, launched: list[Spec]) -> None:
    events = [begun(), at(0, 0), ended(0, 1), at(1, 1), ended(1, 2, "failure", 1), done(2, "failure")]
    rig.past("check", events, added={"EPOCHS": "9"})
    again = rig.source.actions["run.rerun_failed"]
    preview = await again.preview(rig.ref("check", 1), {})
    assert [each.call for each in preview.steps] == ["two: true"]
    assert preview.warnings == ("#1 was of aaaaaaaaaa, this is of what is here now", "not run again: one")
    with permit("here"):
        await again.execute(preview)
    assert (launched[0].begin, launched[0].after, launched[0].added) == (1, 1, {"EPOCHS": "9"})
    rig.past("check", events, steps=("one", "other"))
    with pytest.raises(Conflict, match="the pipeline has other steps now"):
        await again.preview(rig.ref("check", 3), {})


async def test_what_make_was_given_is_given_again(tmp_path: Path, launched: list[Spec]) -> None:
    (tmp_path / "Makefile").write_text("X ?= 1\n.PHONY: all\nall:\n\techo $(X)\n")
    rig = Rig(tmp_path, {"m": LocalPipeline(makefile=str(tmp_path))})
    ref = (await rig.runs())["m:all"].ref
    trigger, again = rig.source.actions["run.trigger"], rig.source.actions["run.rerun"]
    with permit("here"):
        await trigger.execute(await trigger.preview(ref, {"inputs": "X='$5 6'"}))
        first = rig.book.folder(launched[0].key, 1)
        (first / "journal").write_text('{"what":"done","at":1,"state":"success"}\n')
        await again.execute(await again.preview(rig.ref("m:all", 1), {}))
    assert [spec.steps[0].argv[-2:] for spec in launched] == [("all", "X=$$5 6")] * 2
    assert [spec.added for spec in launched] == [{}, {}]


async def test_a_runner_that_is_another_process_now_is_not_ended(rig: Rig) -> None:
    """Its lock is held, and its number is ours: the start time tells that it is not the one."""
    folder = rig.past("check", [begun(pid=os.getpid(), start="1"), at(0, 0)])
    alive = locks.hold(folder, RUNNER)
    assert alive is not None
    try:
        cancel = rig.source.actions["run.cancel"]
        preview = await cancel.preview(rig.ref("check", 1), {})
        assert preview.steps[0].call == "TERM, and KILL after 10 s, to the group of one (pid 999998)"
        with permit("here"), pytest.raises(Conflict, match=f"pid {os.getpid()} is not the runner that began it"):
            await cancel.execute(preview)
    finally:
        os.close(alive)


async def test_a_run_that_ended_since_the_preview_is_not_cancelled(rig: Rig) -> None:
    alive = locks.hold(rig.past("check", [begun(), at(0, 0)]), RUNNER)
    assert alive is not None
    cancel = rig.source.actions["run.cancel"]
    try:
        preview = await cancel.preview(rig.ref("check", 1), {})
    finally:
        os.close(alive)
    with permit("here"), pytest.raises(Conflict, match="it is not running: lost"):
        await cancel.execute(preview)


def test_steps_get_the_operators_environment_without_the_decks_credentials() -> None:
    config = Config(
        sources=(Source(name="a", system="github", token=SecretRef(env="GH"), password=SecretRef(file="/x")),),
        webhooks={"w": Webhook(url="https://x", token=SecretRef(env="HOOK"))},
    )  # fmt: skip
    given = {"GH": "1", "HOOK": "2", "MAKEFLAGS": "-j", "PATH": "/bin", "AWS_PROFILE": "dev"}
    assert step_env(given, config) == {"PATH": "/bin", "AWS_PROFILE": "dev"}


async def test_a_commit_in_between_is_a_conflict(tmp_path: Path) -> None:
    repository(tmp_path)
    rig = Rig(tmp_path, {"check": CHECK})
    trigger = rig.source.actions["run.trigger"]
    preview = await trigger.preview(rig.ref("check", 0), {"ref": "main"})
    commit(tmp_path, text="two\n")
    with permit("here"), pytest.raises(Conflict, match="the work tree changed"):
        await trigger.execute(preview)
