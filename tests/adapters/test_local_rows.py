"""Local runs as they are on the disk, as rows: how they ended, what was lost, what ties them to the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapters.localrig import AT, SHA, Rig, at, begun, done, ended, step, whole, write_log
from parts.gitrepo import commit, git, repository
from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.local import locks
from quarterdeck_adapters.local.adapter import LocalSource
from quarterdeck_adapters.local.definitions import UNTRUSTED
from quarterdeck_adapters.local.discovery import discover
from quarterdeck_adapters.local.heads import head_of
from quarterdeck_adapters.local.journal import Journal
from quarterdeck_adapters.local.model import JOURNAL, OUTPUT, RUNNER, Event, Spec, Tree
from quarterdeck_adapters.local.runner import _moved
from quarterdeck_config.inert import inert
from quarterdeck_config.schema import Config, LocalPipeline, SecretRef
from quarterdeck_lifecycle.errors import NotFound, Refused, Unavailable, Unsupported
from quarterdeck_lifecycle.records import Ref, Status

CHECK = {"check": LocalPipeline(steps=(step("one"), step("two")))}


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path, CHECK)


async def test_a_run_that_ended_well_has_its_time_and_the_median_of_those_before(rig: Rig) -> None:
    for seconds in (10.0, 20.0, 30.0):
        rig.past("check", whole(seconds))
    rows = await rig.runs()
    run = rows["check #3"]
    assert (run.status, run.state, run.duration_s, run.median_s) == (Status.OK, "success", 30.0, 15.0)
    assert (run.system, run.number, run.workflow, run.branch, run.head) == ("local", "3", "check", "main", SHA)
    assert (run.actor, run.started_at, run.finished_at) == ("ann", AT, AT + 30)
    assert (rows["check"].state, rows["check"].status, rows["check"].where) == ("ready", Status.IDLE, "one, two")
    assert rig.source.interval("run", list(rows.values())) == 20.0


async def test_a_failed_run_says_where_and_opens_on_its_failure(rig: Rig) -> None:
    events = [begun(), at(0, 0), ended(0, 1), at(1, 1), ended(1, 4, "failure", 3, "exit code 3")]
    folder = rig.past("check", [*events, done(4, "failure", "two: exit code 3")])
    log = "fine\nE   assert 1 == 2\n" * 3 + "\n[quarterdeck] failure: exit code 3\n"
    write_log(folder, 1, log)
    run = (await rig.runs())["check #1"]
    assert (run.status, run.note, run.duration_s) == (Status.BAD, "two: exit code 3", 4.0)
    tabs = await rig.source.describe(run.ref)
    assert [tab.title for tab in tabs] == ["Failure", "Overview", "Steps", "Files", "Environment"]
    assert "check #1 failed at step two" in tabs[0].text
    assert "     2  E   assert 1 == 2" in tabs[0].text
    assert ("failure" in tabs[0].text.partition("last")[2], tabs[0].note) == (False, "exit code 3")
    job = await rig.source.describe(rig.ref("check", 1, 1))
    assert [tab.title for tab in job] == ["Failure", "Overview"]
    assert ("exit code", "3") in job[1].fields


async def test_steps_are_jobs_in_their_order_and_what_failed_comes_first(rig: Rig) -> None:
    events = [begun(), at(1, 0), ended(1, 2, "timed out", -15, "ended by signal 15")]
    rig.past("check", [*events, done(2, "timed out", "two")], begin=1, after=7, steps=("one", "two", "three"))
    jobs, more = await rig.source.children(rig.ref("check", 1))
    assert [(job.name, job.state, job.note) for job in jobs.rows] == [
        ("two", "timed out", "ended by signal 15"), ("one", "skipped", "done by #7"), ("three", "not run", ""),
    ]  # fmt: skip
    assert ([str(job.status) for job in jobs.rows], more) == (["bad", "idle", "idle"], "")
    planned, _ = await rig.source.children(rig.ref("check", 0))
    assert [(job.name, job.state) for job in planned.rows] == [("one", "not run"), ("two", "not run")]


@pytest.mark.parametrize(
    ("events", "said", "why"),
    [
        ([begun(), at(0, 0), ended(0, 1), at(1, 1)], "", "its runner (pid 999999) ended during two without a word"),
        ([begun(boot="another"), at(0, 0)], "", "this machine was restarted during one"),
        ([begun(), at(0, 0)], "MemoryError\n", "its runner (pid 999999) ended during one: MemoryError"),
        ([], "no module\n", "its runner never began: no module"),
    ],
    ids=["killed", "restarted", "said", "never began"],
)
async def test_a_runner_that_is_gone_is_lost_and_never_runs_for_ever(
    rig: Rig, events: list[Event], said: str, why: str
) -> None:
    folder = rig.past("check", events)
    (folder / OUTPUT).write_text(said)
    run = (await rig.runs())["check #1"]
    assert (run.state, run.status, run.note.startswith(why)) == ("lost", Status.BAD, True), run.note
    assert run.finished_at is not None
    assert (await rig.source.describe(run.ref))[0].title == "Failure"


async def test_that_of_another_machine_is_neither_lost_nor_ours(rig: Rig) -> None:
    rig.past("check", [begun(host="far"), at(0, 0)])
    run = (await rig.runs())["check #1"]
    assert (run.state, run.status) == ("elsewhere", Status.UNKNOWN)
    assert run.note == "runs on far: how it goes is not seen from here"
    why = rig.source.actions["run.cancel"].permitted(run)
    assert why == "it runs on another machine: cancel it there"


async def test_a_torn_journal_and_what_is_no_event_are_passed_over(rig: Rig) -> None:
    folder = rig.past("check", [begun(), at(0, 0)])
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'not json\n{"what":"step","at":1,"step":99}\n{"what":"done","at":2,"sta')
    assert (await rig.runs())["check #1"].state == "lost"


async def test_one_that_waits_for_its_turn_is_queued_and_says_why(rig: Rig) -> None:
    folder = rig.past("check", [begun(), Event(what="waits", at=AT, why="another run is under way")])
    alive = locks.hold(folder, RUNNER)
    assert alive is not None
    try:
        run = (await rig.runs())["check #1"]
        assert (run.status, run.state, run.queued_for) == (Status.QUEUED, "queued", "another run is under way")
        Journal(folder).add(at(0, 1))
        run = (await rig.runs())["check #1"]
        assert (run.state, run.queued_for, run.where) == ("running", "", "one 1/2")
    finally:
        os.close(alive)


def test_what_moved_while_a_run_waited_is_not_run(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    git(folder, "branch", "other/one")
    sha, dot = git(folder, "rev-parse", "HEAD"), str(folder / ".git")
    assert head_of(dot, dot) == ("main", sha)
    git(folder, "pack-refs", "--all")
    assert head_of(dot, dot) == ("main", sha)
    spec = Spec(pipeline="p", key="k", number=1, project="/", steps=(),
                tree=Tree(head=sha, git_dir=dot, common_dir=dot))  # fmt: skip
    assert _moved(spec) == ""
    git(folder, "checkout", "-q", "--detach")
    assert (head_of(dot, dot), _moved(spec)) == (("", sha), "")
    now = commit(folder, text="two\n")
    assert _moved(spec) == f"while it waited, what is checked out moved from {sha[:10]} to {now[:10]}"
    assert head_of(str(tmp_path / "no"), str(tmp_path)) == ("", "")


async def test_one_that_cannot_be_read_spoils_no_other(rig: Rig) -> None:
    folder = rig.past("check", whole(1))
    rig.past("check", whole(2))
    (folder / "spec.json").write_text("{")
    assert set(await rig.runs()) == {"check #2", "check"}
    with pytest.raises(Unavailable):
        await rig.source.kept(rig.ref("check", 1))


async def test_links_are_the_commit_and_what_steps_say_they_made(rig: Rig) -> None:
    told = [Event(what="told", at=AT, step=1, link="version", why="fraud/19"),
            Event(what="told", at=AT, step=0, link="digest", why="sha256:00")]  # fmt: skip
    tree = Tree(name="api", remote="github.com/acme/api", head=SHA, branch="b")
    rig.past("check", [*whole(3)[:-1], *told, done(3)], tree=tree)
    run = (await rig.runs())["check #1"]
    assert [(link.kind, link.value) for link in run.links] == [
        ("commit", SHA), ("branch", "b"), ("repository", "github.com/acme/api"), ("version", "fraud/19"),
        ("digest", "sha256:00"),
    ]  # fmt: skip
    assert (run.links[3].evidence, run.repository) == ("written by the step two", "acme/api")


async def test_hostile_names_are_shown_and_not_obeyed(rig: Rig) -> None:
    evil = "\x1b]0;owned\x07‮x"
    events = [begun(), at(0, 0), ended(0, 1, "failure", 1, evil), done(1, "failure", evil)]
    folder = rig.past("check", events, pipeline=evil, steps=(evil, evil), tree=Tree(branch=evil, name=evil), actor=evil)
    write_log(folder, 0, evil)
    run = next(row for name, row in (await rig.runs()).items() if name.endswith("#1"))
    jobs, _ = await rig.source.children(run.ref)
    texts = [run.name, run.note, run.branch, run.repository, run.actor, run.where, jobs.rows[0].name, jobs.rows[0].note]
    for tab in await rig.source.describe(run.ref):
        texts += [tab.text.replace("\n", ""), tab.note, *(word for row in (*tab.table, *tab.fields) for word in row)]
    lines, notices = await rig.log(run.ref)
    assert not [text for text in (*texts, *lines, *notices) if not text.isprintable()]


async def test_a_ref_that_is_none_of_ours_is_not_found(rig: Rig) -> None:
    rig.past("check", whole(1))
    for id in ("x/1", "../1", "x/../../1", "check", "x/1/2/3", "/1", "x/١", f"x/{10**12}"):
        with pytest.raises(NotFound):
            await rig.source.describe(Ref("here", "run", id))
    with pytest.raises(NotFound, match="no such step"):
        await rig.source.describe(rig.ref("check", 1, 9))
    with pytest.raises(Unsupported):
        await rig.source.children(rig.ref("check", 1, 0))
    with pytest.raises(Unsupported):
        await rig.source.list("deployment")


async def test_runs_that_others_could_have_written_are_not_read(rig: Rig) -> None:
    rig.past("check", whole(1))
    rig.book.path.chmod(0o770)
    assert set(await rig.runs()) == {"check"}
    with pytest.raises(NotFound, match="not ours alone"):
        await rig.source.kept(rig.ref("check", 1))


async def test_the_oldest_runs_go_and_the_newest_stays(rig: Rig) -> None:
    for _ in range(5):
        write_log(rig.past("check", whole(1)), 0, b"x" * 1000)
    key = rig.ref("check", 1).id.partition("/")[0]
    rig.book.prune(key, keep=3)
    assert rig.book.numbers(key) == [5, 4, 3]
    rig.book.prune(key, keep_bytes=10)
    assert rig.book.numbers(key) == [5]
    rig.past("check", whole(1))
    assert rig.book.numbers(key) == [6, 5]
    assert oct(os.stat(rig.book.folder(key, 6)).st_mode & 0o777) == "0o700"


async def test_it_is_there_by_itself_where_the_config_has_pipelines(rig: Rig) -> None:
    found = await discover(rig.context)
    assert [(each.source.name, each.source.system, each.evidence) for each in found] == [
        ("local-ci", "local", "pipelines of the config (1)")
    ]  # fmt: skip
    own = SourceConfig(name="x", system="local")
    for config in (Config(), Config(pipelines=CHECK, sources=(own,))):
        assert await discover(Context(secret=lambda ref: "", env={}, config=config, project="/")) == ()


async def test_pipelines_of_an_untrusted_config_are_shown_and_greyed(tmp_path: Path) -> None:
    rig = Rig(tmp_path, inert(Config(pipelines=CHECK))[0].pipelines)
    row = (await rig.runs())["check"]
    assert (row.state, row.note, row.status) == ("not trusted", UNTRUSTED, Status.IDLE)
    for verb in ("run.trigger", "run.rerun", "run.rerun_failed"):
        assert rig.source.actions[verb].permitted(row) == UNTRUSTED
    assert (await rig.source.probe()).warnings == (f"check is not run: {UNTRUSTED}",)


async def test_the_decks_own_credentials_are_not_for_steps(tmp_path: Path) -> None:
    rig = Rig(tmp_path, CHECK, sources=(SourceConfig(name="gh", system="github", token=SecretRef(env="SECRET")),))
    assert "not given to steps: SECRET" in (await rig.source.probe()).warnings


@pytest.mark.parametrize("options", [{"keep": 0}, {"keep": True}, {"folder": "here"}, {"other": 1}])
def test_options_are_checked(tmp_path: Path, options: dict[str, int | str]) -> None:
    context = Context(secret=lambda ref: "", env={}, config=Config(), project=str(tmp_path))
    with pytest.raises(Refused):
        LocalSource(SourceConfig(name="x", system="local", options=dict(options)), context)
    untrusted = SourceConfig(name="x", system="local", options={"folder": "/tmp/x"}, credentials=False)
    with pytest.raises(Refused, match="not trusted"):
        LocalSource(untrusted, context)
