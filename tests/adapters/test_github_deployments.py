"""Deployments of GitHub: what each environment has, their states within the budget, their tabs, deploying again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.ghrig import API, Bench, Rig, rig
from parts.practice import practice_story
from quarterdeck_adapters.github import deployment_mapping as mapped
from quarterdeck_adapters.github import deployments
from quarterdeck_adapters.github.deployment_mapping import Told
from quarterdeck_adapters.github.describe_deployment import environment_section, statuses_section
from quarterdeck_adapters.github.mapping import Home
from quarterdeck_demo.faults import Status as Answer
from quarterdeck_demo.github.progress import LiveRun
from quarterdeck_demo.hostile import HOSTILE
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.story import Story
from quarterdeck_demo.story.records import Job as Plan
from quarterdeck_demo.story.records import Run as Planned
from quarterdeck_demo.story.records import Step
from quarterdeck_lifecycle.errors import Conflict, Forbidden
from quarterdeck_lifecycle.kinds import Deployment
from quarterdeck_lifecycle.records import Ref, Status

HOME = Home("gh", "", "github.com", "octocat/example")
SHA = "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d"
# https://docs.github.com/en/rest/deployments/deployments?apiVersion=2022-11-28#get-a-deployment
DEPLOYMENT: dict[str, Any] = {
    "id": 1, "sha": SHA, "ref": "topic-branch", "task": "deploy", "payload": {}, "environment": "staging",
    "description": "Deploy request from hubot", "creator": {"login": "octocat", "html_url": "https://github.com/octocat"},
    "created_at": "2012-07-20T01:19:13Z", "updated_at": "2012-07-20T01:19:13Z",
}  # fmt: skip
# https://docs.github.com/en/rest/deployments/statuses?apiVersion=2022-11-28#list-deployment-statuses
STATUS: dict[str, Any] = {
    "id": 1, "state": "success", "creator": {"login": "octocat"}, "description": "Deployment finished successfully.",
    "environment": "production", "target_url": "https://example.com/deployment/42/output",
    "created_at": "2012-07-20T01:19:13Z", "environment_url": "", "log_url": "https://example.com/deployment/42/output",
}  # fmt: skip
BY_RUN, BY_HAND, OLD, WAITS = 990009711, 611, 990009511, 990009811


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


@pytest.fixture
async def bench(hub: Rig, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(hub.source(), tmp_path / "state")
    yield made
    await made.db.aclose()


def ref(id: int) -> Ref:
    return Ref("gh", "deployment", f"{API}/{id}")


def row_of(rows: Any, id: int) -> Deployment:
    return next(row for row in rows if isinstance(row, Deployment) and row.ref == ref(id))


def test_a_deployment_as_documented() -> None:
    last = mapped.told([STATUS], HOME.slug)
    row = mapped.record(DEPLOYMENT, HOME, last, current=True)
    assert (row.state, row.status, row.target, row.actor) == ("success", Status.OK, "staging", "octocat")
    assert (row.branch, row.head, row.note) == ("topic-branch", SHA, "Deployment finished successfully.")
    assert (row.link("repository"), row.link("commit")) == ("github.com/octocat/example", SHA)
    assert (row.run, row.url) == ("", "https://example.com/deployment/42/output")
    assert mapped.record(DEPLOYMENT, HOME, last).status is Status.IDLE
    facts = {**DEPLOYMENT, "ref": SHA, "payload": '{"image": "reg/x:1", "digest": "sha256:1", "run_id": "77"}'}
    tied = mapped.record(facts, HOME, Told("failure"))
    assert (tied.link("image"), tied.link("digest"), tied.link("run")) == ("reg/x:1", "sha256:1", "octocat/example/77")
    assert (tied.branch, tied.status) == ("", Status.BAD)
    assert mapped.record(facts, HOME, Told("failure"), superseded=True).status is Status.IDLE


@pytest.mark.parametrize(
    ("page", "run", "job"),
    [
        ("https://github.com/octocat/example/actions/runs/12/job/34", 12, 34),
        ("https://ghe.corp/Octocat/Example/actions/runs/12", 12, 0),
        ("https://github.com/octocat/example/actions/runs/12/attempts/2", 12, 0),
        ("https://github.com/octocat/example/runs/34?check_suite_focus=true", 0, 34),
        ("https://github.com/octocat/other/actions/runs/12", 0, 0), ("https://[", 0, 0), ("", 0, 0),
        ("https://github.com/octocat/example/actions/runs/../../x", 0, 0),
    ],
)  # fmt: skip
def test_the_run_is_read_from_the_page_that_a_status_names(page: str, run: int, job: int) -> None:
    assert mapped.page_ids(page, HOME.slug) == (run, job)
    assert mapped.told([{**STATUS, "log_url": page}], HOME.slug)[4:] == (run, job)


def test_the_newest_status_speaks_and_an_older_one_may_name_the_run() -> None:
    page = "https://github.com/octocat/example/actions/runs/12/job/34"
    old = {**STATUS, "id": 1, "state": "in_progress", "log_url": page, "created_at": "2012-07-20T01:00:00Z"}
    new = {**STATUS, "id": 2, "state": "inactive", "log_url": "", "target_url": "", "created_at": "2012-07-20T02:00Z"}
    found = mapped.told([old, new], HOME.slug)
    assert (found.state, found.run, found.job, found.page) == ("inactive", 12, 34, page)
    assert mapped.told({"message": "odd"}, HOME.slug) == Told()


def test_what_is_not_known_stands_before_the_current_one() -> None:
    def made(id: int, place: str = "prod") -> dict[str, Any]:
        return {"id": id, "environment": place, "created_at": f"2012-07-20T01:00:{id:02}Z"}

    rows = [made(1), made(2), made(3), made(4, "dev")]
    good, bad = Told("success"), Told("failure")
    assert mapped.currents(rows, {1: good, 2: good, 3: bad, 4: good}) == {"prod": 2, "dev": 4}
    assert mapped.currents(rows, {1: good, 3: bad}) == {}


def test_hostile_words_are_shown_as_words() -> None:
    for text in HOSTILE:
        odd = {**DEPLOYMENT, "environment": text, "ref": text, "description": text, "creator": {"login": text}}
        said = {**STATUS, "state": text, "description": text, "log_url": text, "target_url": text}
        row = mapped.record(odd, HOME, mapped.told([said], HOME.slug))
        assert all(part.isprintable() for part in (row.name, row.target, row.state, row.note, row.actor, row.url))
    assert mapped.record({"id": "x", "payload": "[" * 70_000}, HOME, Told()).state == "no status"


async def test_each_environment_shows_what_it_has_what_waits_and_who_may_say_so(hub: Rig) -> None:
    source = hub.source()
    listing = await source.list("deployment")
    waits, by_hand, by_run = (row_of(listing.rows, id) for id in (WAITS, BY_HAND, BY_RUN))
    assert (waits.status, waits.state, waits.note) == (Status.WAITING, "waiting", "approval: prod by oper-a or op2")
    assert (waits.waits_for_me, waits.run, waits.current) == (True, f"{API}/9900098", False)
    assert (by_hand.current, by_hand.status, by_hand.branch, by_hand.run) == (True, Status.OK, "v41", "")
    assert (by_run.current, by_run.status, by_run.run) == (False, Status.IDLE, f"{API}/9900097")
    assert {row.target for row in listing.rows if isinstance(row, Deployment) and row.current} == {
        "prod", "staging", "dev",
    }  # fmt: skip
    assert source.interval("deployment", listing.rows) == 60
    assert source.interval("deployment", [replace(waits, status=Status.RUNNING)]) == 15


async def test_states_are_asked_for_a_few_at_a_time_and_once(hub: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployments, "LOOKUPS", 4)
    source = hub.source(repos=(API,))
    first = await source.list("deployment")
    assert len(hub.asked("/statuses")) == 4
    # The newest of prod, staging and dev, and one more of prod; a state that is not read is no state.
    assert [row.ref for row in first.rows] == [ref(WAITS), ref(BY_HAND), ref(610), ref(607)]
    assert first.partial == "3 deployments whose states are not read yet"
    again = await source.list("deployment")
    assert (len(again.rows), again.partial) == (7, "")
    second = again.rows
    used, asked = hub.github.state.token.used, len(hub.asked("/statuses"))
    assert (await source.list("deployment")).rows == second
    # Only what is under way is asked again, and costs nothing while it stays as it is.
    assert hub.asked("/statuses")[asked:] == [f"/repos/{API}/deployments/{WAITS}/statuses"]
    assert hub.github.state.token.used == used


async def test_without_much_of_the_limit_left_no_state_is_asked_for(hub: Rig) -> None:
    hub.github.state.token.used = 4950
    source = hub.source()
    await source.list("run")
    listing = await source.list("deployment")
    assert hub.asked("/statuses") == []
    assert "our share" in listing.partial
    assert listing.rows == []
    assert "9 deployments whose states are not read yet" in listing.partial


async def test_a_repository_that_fails_keeps_its_rows(hub: Rig) -> None:
    source = hub.source()
    before = await source.list("deployment")
    hub.faults.add(Answer(code=502), path=f"{API}/deployments")
    after = await source.list("deployment")
    assert after.rows == before.rows
    assert after.partial.startswith(f"{API}: down")
    hub.faults.clear()
    hub.faults.add(Answer(code=403, body={"message": "Resource not accessible by personal access token"}))
    with pytest.raises(Forbidden):
        await source.list("deployment")


async def test_states_that_cannot_be_read_are_told_and_asked_for_again(hub: Rig) -> None:
    source = hub.source()
    hub.faults.add(Answer(code=502), path="/statuses")
    listing = await source.list("deployment")
    assert (listing.rows, listing.partial) == (
        [], "states of deployments: down: injected fault; 9 deployments whose states are not read yet",
    )  # fmt: skip
    hub.faults.clear()
    assert (await source.list("deployment")).partial == ""


async def test_one_that_vanishes_after_the_listing_is_not_told_as_trouble(hub: Rig) -> None:
    hub.faults.add(Answer(code=404, body={"message": "Not Found"}), path=f"/{BY_HAND}/statuses")
    listing = await hub.source().list("deployment")
    assert listing.partial == "1 deployments whose states are not read yet"
    assert BY_RUN in {int(row.ref.id.rpartition("/")[2]) for row in listing.rows}
    assert not [row for row in listing.rows if isinstance(row, Deployment) and row.target == "prod" and row.current]


async def test_the_tabs_of_a_deployment(hub: Rig) -> None:
    source = hub.source()
    tabs = {each.title: each for each in await source.describe(ref(BY_RUN))}
    assert list(tabs) == ["Overview", "Statuses", "Environment", "Commit"]
    assert [row[0] for row in tabs["Statuses"].table] == ["STATE", "success", "in progress", "pending"]
    assert tabs["Environment"].table[1:] == (
        ("required reviewers", "oper-a or op2"), ("branch policy", "protected branches"),
    )  # fmt: skip
    assert dict(tabs["Overview"].fields)["made by run"] == f"{API}/9900097"
    by_hand = dict((await source.describe(ref(BY_HAND)))[0].fields)
    assert by_hand["made by run"].startswith("not told")


def test_rules_of_an_environment_in_words() -> None:
    # https://docs.github.com/en/rest/deployments/environments?apiVersion=2022-11-28#get-an-environment
    team = {"type": "Team", "reviewer": {"name": "Justice League"}}
    rules = [
        {"type": "wait_timer", "wait_timer": 30},
        {"type": "required_reviewers", "prevent_self_review": True, "reviewers": [team]}, {"type": "branch_policy"},
        {"type": "custom_gate"},
    ]  # fmt: skip
    table = environment_section({"protection_rules": rules}).table
    assert [row[1] for row in table[1:]] == [
        "30 min", "Justice League, never the one who began it", "branches that its page names", "an app's word",
    ]  # fmt: skip
    assert environment_section({}).note == "it asks for nothing"
    assert statuses_section([]).note == "nobody has said how it went"


async def test_deploying_again_re_runs_the_job_that_made_it(hub: Rig, bench: Bench) -> None:
    preview = await bench.preview("deployment.redeploy", ref(BY_RUN))
    assert [step.call for step in preview.steps] == [f"POST /repos/{API}/actions/jobs/{BY_RUN}/rerun"]
    assert preview.impact[0] == "job deploy of deploy-prod #97, and the jobs that need it"
    assert preview.before.startswith("prod had last: main at ")
    result = await bench.operator.perform(preview)
    assert (result.result, result.message[:20]) == ("SUCCEEDED", "attempt 2 is waiting")
    rows = (await bench.source.list("deployment")).rows
    again = next(row for row in rows if isinstance(row, Deployment) and row.run == f"{API}/9900097")
    assert isinstance(preview.record, Deployment)
    assert (again.state, again.head) == ("waiting", preview.record.head)
    with pytest.raises(Conflict, match="its run is waiting"):
        await bench.preview("deployment.redeploy", ref(BY_RUN))


async def test_what_was_deployed_by_another_program_says_so(hub: Rig, bench: Bench) -> None:
    with pytest.raises(Conflict, match="name a run, and no run of 932692add0 went on when it was made"):
        await bench.preview("deployment.redeploy", ref(BY_HAND))
    with pytest.raises(Conflict, match="more than 30 days old"):
        await bench.preview("deployment.redeploy", ref(OLD))
    with pytest.raises(Conflict, match="it is waiting: only what has ended"):
        await bench.preview("deployment.redeploy", ref(WAITS))


async def test_a_run_may_be_told_by_its_commit_and_time_alone_which_is_a_warning(hub: Rig, bench: Bench) -> None:
    async def app(request: Request) -> Response:
        if "/deployments/" in request.path and request.path.endswith("/statuses"):
            return json_response([{**STATUS, "state": "success"}])
        return await hub.github.handler(request)

    hub.app = app
    with pytest.raises(Conflict, match="which of 2 jobs of its run deployed is not told"):
        await bench.preview("deployment.redeploy", ref(BY_RUN))
    at, people = hub.story.now - 7200, hub.story.people
    job, sha = Plan("ship", (Step("Go", 5),), environment="canary"), hub.story.repositories[API].tags["v38"]
    run = Planned(9_900_600, 600, API, 7101, "one job", "main", sha, "workflow_dispatch", people["op2"], at, at, (job,))
    live = hub.github.state.runs[run.id] = LiveRun.of(run)
    live.decide("canary", approved=True, at=at + 10, login="op2", comment="")
    preview = await bench.preview("deployment.redeploy", ref(990060010))
    assert preview.warnings == ("that deploy-prod #600 made it is only told by its commit and time",)
    assert preview.steps[0].call.endswith("/actions/jobs/990060010/rerun")


async def test_somebody_elses_deployment_in_between_is_seen(hub: Rig, bench: Bench) -> None:
    preview = await bench.preview("deployment.redeploy", ref(BY_RUN))
    story = hub.story
    timeline = list(story.timeline.entries)
    try:
        story.timeline.deployed(hub.clock() + 1, "fraud-api", "prod", "v42", broken=False)
        hub.clock.move(2)
        result = await bench.operator.perform(preview)
    finally:
        story.timeline.entries[:] = timeline
    assert (result.result, type(result.error)) == ("FAILED", Conflict)
    assert hub.asked("/rerun", "POST") == []
