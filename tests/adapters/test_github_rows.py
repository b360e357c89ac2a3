"""What the GitHub adapter lists, opens and describes, against the practice server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from adapters.ghrig import API, MODEL, Rig, pull_of, rig, run_of
from parts.practice import practice_story
from quarterdeck_demo.faults import Status as Answer
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import AuthFailed, NotFound, Unsupported
from quarterdeck_lifecycle.kinds import Job
from quarterdeck_lifecycle.ports import Acts, Describes, Drills, KnowsMe, Source, TailsLogs
from quarterdeck_lifecycle.records import Ref, Status


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


async def test_it_satisfies_the_ports(hub: Rig) -> None:
    source = hub.source()
    for port in (Source, Describes, Drills, TailsLogs, Acts):
        assert isinstance(source, port)


async def test_runs_say_how_they_are_where_they_are_and_what_they_belong_to(hub: Rig) -> None:
    listing = await hub.source().list("run")
    failed = run_of(listing.rows, 1841)
    assert (failed.status, failed.state, failed.note) == (Status.BAD, "failure", "unit-tests / Run pytest")
    assert (failed.name, failed.repository, failed.branch) == ("fraud-api ci #1841", API, "main")
    assert failed.ref.id == f"{API}/{hub.run_id(1841)}"
    assert failed.duration_s == (failed.finished_at or 0) - (failed.started_at or 0) > 60
    assert failed.median_s == pytest.approx(204.5)
    assert failed.link("commit") == failed.head
    assert failed.link("repository") == f"github.com/{API}"
    running = run_of(listing.rows, 773)
    assert (running.status, running.where, running.duration_s) == (Status.RUNNING, "unit-tests / Run pytest", None)
    waiting = run_of(listing.rows, 98, "deploy-prod")
    assert (waiting.status, waiting.note) == (Status.WAITING, "approval: prod by oper-a or op2")
    queued = run_of(listing.rows, 213)
    assert (queued.status, queued.where) == (Status.QUEUED, "lint waits for a runner (ubuntu-24.04)")
    assert run_of(listing.rows, 1712).link("pull_request") == "412"
    assert listing.total is not None
    assert listing.total > len(listing.rows)
    assert listing.budget is not None
    assert listing.budget.limit == 5000
    assert listing.partial == ""


async def test_rows_say_what_waits_for_the_accounts_own_word_and_which_branch_is_the_default(hub: Rig) -> None:
    source = hub.source()
    assert isinstance(source, KnowsMe)
    assert source.me == ""
    assert run_of((await source.list("run")).rows, 98, "deploy-prod").default_branch == ""
    pulls = (await source.list("pull_request")).rows
    assert source.me in pull_of(pulls, 412).asked
    assert source.me == "oper-a"
    assert pull_of(pulls, 405).asked == ()
    runs = (await source.list("run")).rows
    waiting, failed = run_of(runs, 98, "deploy-prod"), run_of(runs, 1841)
    assert (waiting.waits_for_me, failed.waits_for_me) == (True, False)
    assert (waiting.default_branch, failed.default_branch) == ("main", "main")


async def test_a_run_goes_on_and_its_row_with_it(hub: Rig) -> None:
    source = hub.source()
    run_of((await source.list("run")).rows, 773)
    hub.clock.move(400)
    ended = run_of((await source.list("run")).rows, 773)
    assert (ended.state, ended.where, ended.note) == ("success", "", "")
    assert ended.duration_s is not None


async def test_pull_requests_show_checks_reviews_and_whether_they_merge(hub: Rig) -> None:
    source = hub.source()
    await source.list("pull_request")
    rows = (await source.list("pull_request")).rows
    fix = pull_of(rows, 412)
    assert (fix.status, fix.note, fix.review) == (Status.LOOK, "your review is asked for", "review required")
    assert (fix.checks, fix.mergeable) == ({"passed": 3}, "clean")
    assert (fix.title, fix.author, fix.branch, fix.base) == ("fix: a null amount is not zero", "dara-n",
                                                             "fix/null-amount", "main")  # fmt: skip
    cache = pull_of(rows, 409)
    assert (cache.status, cache.note) == (Status.BAD, "failed: unit-tests")
    assert cache.checks == {"passed": 1, "failed": 1, "skipped": 1}
    assert (pull_of(rows, 405).status, pull_of(rows, 405).review) == (Status.OK, "approved")
    assert (pull_of(rows, 398).status, pull_of(rows, 398).state) == (Status.IDLE, "draft")
    train = pull_of(rows, 31)
    assert (train.status, train.checks) == (Status.RUNNING, {"running": 1})


async def test_a_failed_run_opens_on_its_failure(hub: Rig) -> None:
    source = hub.source()
    listing, more = await source.children(Ref("gh", "run", f"{API}/{hub.run_id(1841)}"))
    jobs = [row for row in listing.rows if isinstance(row, Job)]
    assert [(job.name, job.status) for job in jobs] == [
        ("unit-tests", Status.BAD), ("lint", Status.OK), ("build-image", Status.IDLE),
    ]  # fmt: skip
    assert jobs[0].note == "Run pytest"
    assert ("Run pytest", "failure", "bad") in [step[:3] for step in jobs[0].steps]
    assert jobs[0].runner == "GitHub Actions 11"
    assert more == ""


async def test_the_checks_of_a_pull_request_are_jobs_whose_logs_open(hub: Rig) -> None:
    source = hub.source()
    listing, _ = await source.children(Ref("gh", "pull_request", f"{API}/409"))
    first = listing.rows[0]
    assert (first.name, first.status) == ("unit-tests", Status.BAD)
    sections = await source.describe(first.ref)
    assert [each.title for each in sections] == ["Failure", "Steps", "Overview"]
    assert ("4", "Run pytest", "failure") in [row[:3] for row in sections[1].table]


async def test_tabs_of_a_run_a_job_and_a_pull_request(hub: Rig) -> None:
    source = hub.source()
    run = {s.title: s for s in await source.describe(Ref("gh", "run", f"{API}/{hub.run_id(1841)}"))}
    assert list(run) == ["Failure", "Overview", "Jobs and steps", "Artefacts", "Commit"]
    assert dict(run["Overview"].fields)["state"] == "failure"
    assert run["Jobs and steps"].table[1][:2] == ("unit-tests", "failure")
    (kept,) = run["Artefacts"].table[1:]
    assert (kept[:2], kept[3] > kept[2], kept[4][:7]) == (("test-report", "47.1 KiB"), True, "sha256:")
    oldest = [each for each in hub.story.runs if each.repository == API][-1]
    old = {s.title: s for s in await source.describe(Ref("gh", "run", f"{oldest.repository}/{oldest.id}"))}
    assert {row[1] for row in old["Artefacts"].table[1:]} == {"expired"}
    assert "Author: Dara Nolan" in run["Commit"].text
    pull = {s.title: s for s in await source.describe(Ref("gh", "pull_request", f"{API}/412"))}
    assert list(pull) == ["Overview", "Checks", "Reviews", "Files", "Commits"]
    assert pull["Files"].text.startswith("diff --git a/app/amount.py b/app/amount.py\n--- a/app/amount.py\n")
    assert "+    if amount is None:" in pull["Files"].text
    assert pull["Reviews"].note == "nobody has reviewed it"
    assert pull["Commits"].table[1][3] == "fix: a null amount is not zero"


async def test_a_tab_that_cannot_be_read_spoils_no_other(hub: Rig) -> None:
    hub.faults.add(Answer(code=500), path="/files$")
    pull = {s.title: s for s in await hub.source().describe(Ref("gh", "pull_request", f"{API}/412"))}
    assert pull["Files"].note.startswith("not read: down")
    assert len(pull["Commits"].table) == 2


async def test_what_is_not_of_this_source_is_not_asked_for(hub: Rig) -> None:
    source = hub.source()
    for ref in (
        Ref("gh", "run", "other/repo/1"), Ref("gh", "run", f"{API}/../../x"), Ref("gh", "run", f"{API}/1/2"),
        Ref("gh", "job", f"{API}/1"), Ref("other", "run", f"{API}/1"),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            await source.describe(ref)
    assert hub.asked() == []


async def test_a_run_that_vanished_is_not_found(hub: Rig) -> None:
    source = hub.source()
    await source.list("run")
    del hub.github.state.runs[hub.run_id(1841)]
    with pytest.raises(NotFound, match="gone, or the token may not see it"):
        await source.describe(Ref("gh", "run", f"{API}/{hub.run_id(1841)}"))
    assert not [row for row in (await source.list("run")).rows if getattr(row, "number", "") == "1841"]


async def test_probe_says_who_and_what_may_be_done(hub: Rig) -> None:
    found = await hub.source().probe()
    assert found.identity.startswith("oper-a at 127.0.0.1")
    assert set(found.can) == {
        "run.rerun", "run.rerun_failed", "run.cancel", "run.trigger", "run.approve", "run.reject", "job.rerun",
        "deployment.approve", "deployment.reject", "deployment.redeploy", "pull_request.approve", "pull_request.merge",
    }  # fmt: skip
    assert set(found.can.values()) == {None}


async def test_without_a_token_it_reads_what_all_may_read_and_says_so(hub: Rig) -> None:
    source = hub.source(token=None, repos=("acme/dashboards", MODEL))
    found = await source.probe()
    assert "no token" in found.warnings[0]
    assert "no token" in (found.can["run.cancel"] or "")
    listing = await source.list("run")
    assert {row.ref.id.rpartition("/")[0] for row in listing.rows} == {"acme/dashboards"}
    assert f"{MODEL}: 404" in listing.partial
    assert hub.asked("/jobs") == []
    assert source.actions["run.rerun"].permitted(listing.rows[0]) == found.can["run.rerun"]


async def test_credentials_false_sends_none(hub: Rig) -> None:
    source = hub.source(credentials=False, repos=("acme/dashboards",))
    await source.list("run")
    assert all("authorization" not in seen.headers for seen in hub.server.requests)


async def test_the_token_is_looked_up_when_it_is_used_and_again_when_it_was_refused(hub: Rig) -> None:
    source = hub.source()
    good, hub.token = hub.token, "ghp_expired"
    with pytest.raises(AuthFailed, match="gh auth login"):
        await source.list("run")
    hub.token = good
    assert (await source.list("run")).rows


async def test_a_source_without_repositories_says_what_to_add(hub: Rig) -> None:
    for repos in ((), ("not-a-slug", "a/../b", "a/..")):
        with pytest.raises(Unsupported, match="add repos"):
            await hub.source(repos=repos).list("run")
    assert hub.source(repos=("ACME/fraud-api", API)).slugs == ["ACME/fraud-api"]
