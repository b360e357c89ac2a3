"""What failed opens on its failure, of a log no more than its end is kept; what holds a run; what one may be given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from adapters.ghrig import API, MODEL, Rig, rig, run_of
from parts.practice import practice_story
from quarterdeck_adapters.github import failure
from quarterdeck_adapters.github.parameters import declared_parameters
from quarterdeck_adapters.github.places import Place
from quarterdeck_adapters.github.queueing import PLAIN, told
from quarterdeck_adapters.github.workflow_file import check_inputs, declared
from quarterdeck_demo.faults import Status
from quarterdeck_demo.hostile import HOSTILE
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.errors import Refused, Unavailable, Unsupported
from quarterdeck_lifecycle.ports import Section, TakesParameters
from quarterdeck_lifecycle.records import Ref

TRAIN = Ref("gh", "run", f"{MODEL}/9900212")


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


def failed_run(hub: Rig) -> Ref:
    return Ref("gh", "run", f"{API}/{hub.run_id(1841)}")


async def first(hub: Rig, ref: Ref) -> Section:
    return (await hub.source().describe(ref))[0]


class Storage:
    """Answers for the storage of the logs: `body` as the job's log, by ranges or not."""

    def __init__(self, hub: Rig, body: bytes, *, ranges: bool = True, sized: bool = True) -> None:
        self.hub, self.body, self.ranges, self.sized = hub, body, ranges, sized
        self.asked: list[str] = []
        hub.app = self.answer

    async def answer(self, request: Request) -> Response:
        if "/_logs/" not in request.path:
            return await self.hub.github.handler(request)
        self.asked.append(request.header("range"))
        start = request.header("range").removeprefix("bytes=").rstrip("-")
        if start and self.ranges:
            return Response(206, {"Content-Range": f"bytes {start}-*/*"}, self.body[int(start) :])
        if self.sized:
            return Response(200, {}, self.body)
        return Response(200, {}, self._pieces())

    async def _pieces(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.body), 65_536):
            yield self.body[start : start + 65_536]


def long_log(hub: Rig, count: int) -> bytes:
    """Lines within the failing step of run 1841, the last of them an error."""
    job = next(run for run in hub.story.runs if run.number == 1841)
    at = (job.started_at or 0) + 60
    stamp = f"{failure_time(at)}.0000000Z"
    lines = [f"{stamp} line {number} of many that pass by" for number in range(count)]
    return ("\n".join([*lines, f"{stamp} ##[error]the last word"]) + "\n").encode()


def failure_time(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


async def test_a_failed_run_and_its_job_open_on_the_first_failing_step(hub: Rig) -> None:
    run = await first(hub, failed_run(hub))
    lines = run.text.splitlines()
    assert (run.title, lines[0]) == ("Failure", "unit-tests failed at step Run pytest")
    assert any(line.endswith("FAILED tests/test_amount.py::test_null_amount - assert 412 == 0") for line in lines)
    assert lines[-1] == "Error: Process completed with exit code 1."
    # What other steps said is not of the failure.
    assert "Successfully installed" not in run.text
    assert run.note == ""
    job = await first(hub, Ref("gh", "job", f"{failed_run(hub).id}/{hub.run_id(1841) * 100 + 11}"))
    assert job.text == run.text
    well = await hub.source().describe(Ref("gh", "run", f"{API}/{hub.run_id(1840)}"))
    assert [each.title for each in well] == ["Overview", "Jobs and steps", "Artefacts", "Commit"]


async def test_of_a_long_log_only_the_end_is_fetched_where_the_storage_gives_ranges(hub: Rig) -> None:
    body = long_log(hub, 20_000)
    storage = Storage(hub, body)
    tab = await first(hub, failed_run(hub))
    assert storage.asked == ["", f"bytes={len(body) - failure.TAIL}-"]
    assert tab.text.splitlines()[-1] == "Error: the last word"
    assert "line 0 of many" not in tab.text
    assert tab.note == "of the last 64 KiB of its log"
    # One request of the API; the storage's own are not charged.
    assert len(hub.asked("/logs")) == 1


@pytest.mark.parametrize("sized", [True, False])
async def test_without_ranges_the_log_passes_by_and_its_end_is_kept(hub: Rig, *, sized: bool) -> None:
    Storage(hub, long_log(hub, 20_000), ranges=False, sized=sized)
    tab = await first(hub, failed_run(hub))
    assert tab.text.splitlines()[-1] == "Error: the last word"
    assert tab.note == "of the last 64 KiB of its log"


async def test_a_log_without_end_is_let_go(hub: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure, "MOST", 200_000)
    Storage(hub, long_log(hub, 5_000), sized=False)
    source = hub.source()
    place = Place(API, hub.run_id(1841), hub.run_id(1841) * 100 + 11)
    with pytest.raises(Unavailable, match="its storage gives no part of it"):
        await failure.tail(source, place)
    tab = await first(hub, failed_run(hub))
    assert tab.text == "unit-tests failed at step Run pytest"
    assert tab.note.startswith("its log was not read")


async def test_a_failure_whose_log_is_gone_still_says_where(hub: Rig) -> None:
    hub.faults.add(Status(code=404, body={"message": "Not Found"}), path="/logs$")
    tab = await first(hub, failed_run(hub))
    assert tab.text == "unit-tests failed at step Run pytest"
    assert tab.note.startswith("its log was not read")
    hub.faults.clear()
    hub.faults.add(Status(code=502), path="/jobs$")
    tabs = {each.title: each for each in await hub.source().describe(failed_run(hub))}
    assert tabs["Failure"].note.startswith("not read: down")
    assert tabs["Overview"].fields


async def test_hostile_lines_are_shown_as_text(hub: Rig) -> None:
    Storage(hub, "\n".join(f"error {text}" for text in HOSTILE).encode("utf-8", "surrogatepass"))
    tab = await first(hub, failed_run(hub))
    assert all(line.isprintable() for line in tab.text.splitlines())


def test_lines_of_a_step_are_told_by_their_time() -> None:
    step = {"name": "x", "started_at": "2026-01-01T00:00:10Z", "completed_at": "2026-01-01T00:00:20Z"}
    log = b"\n".join(b"2026-01-01T00:00:%02d.5Z at %d" % (second, second) for second in (5, 10, 15, 20, 25))
    lines, short = failure.of_step(log, step)
    assert ([line.text for line in lines], short) == (["at 10", "at 15", "at 20"], False)
    late, short = failure.of_step(log.partition(b"\n")[2], step)
    assert (len(late), short) == (3, True)
    none, short = failure.of_step(b"no time\n", step)
    assert ([line.text for line in none], short) == (["no time"], True)


async def train(hub: Rig) -> None:
    """Another run of train, while one holds the group."""
    flow = hub.github.state.workflow(MODEL, "7102")
    assert flow is not None
    head = hub.story.repositories[MODEL].head
    hub.github.state.start(flow, branch="main", sha=head, event="workflow_dispatch", title="train", login="op2")


async def test_a_run_that_its_group_holds_says_what_is_ahead(hub: Rig) -> None:
    await train(hub)
    source = hub.source()
    row = run_of((await source.list("run")).rows, 213, "train")
    assert (row.state, row.where) == ("queued", row.queued_for)
    assert row.queued_for == "concurrency group train-gpu behind #212 train runs"
    tabs = {each.title: each for each in await source.describe(row.ref)}
    assert dict(tabs["Overview"].fields)["waits for"] == row.queued_for
    used = hub.github.state.token.used
    await source.list("run")
    assert hub.github.state.token.used == used
    hub.clock.move(4000)
    after = run_of((await source.list("run")).rows, 213, "train")
    assert after.queued_for == "train waits for a runner (gpu)"


@pytest.mark.parametrize(("file", "said"), [(200, "concurrency group train-gpu"), (404, "concurrency group, or")])
async def test_a_server_that_knows_no_groups_leaves_the_file_s_word(hub: Rig, file: int, said: str) -> None:
    await train(hub)
    hub.faults.add(Status(code=404, body={"message": "Not Found"}), path="/concurrency_groups")
    if file == 404:
        hub.faults.add(Status(code=404, body={"message": "Not Found"}), path="/contents/")
    assert said in run_of((await hub.source().list("run")).rows, 213, "train").queued_for


def test_what_is_ahead_in_words() -> None:
    ahead = [{"run_id": n, "run_name": "ci", "status": "pending" if n else "in_progress"} for n in range(5)]
    behind = "ci (0) runs, #7 ci waits too, ci (2) waits too and 2 more"
    assert told("g", ahead, {1: "#7 ci"}) == f"concurrency group g behind {behind}"
    assert told("g\x1b[2J", [], {}).isprintable()
    assert told("g", [], {}) == "concurrency group g"
    assert "concurrency" in PLAIN


FILE = """
on:
  workflow_dispatch:
    inputs:
      level: {type: choice, options: [info, debug], default: info, description: how much to say}
      dry: {type: boolean, default: true}
      loud: {type: boolean}
      where: {type: environment, required: true}
      count: {type: number, default: 3}
      nonce: {}
concurrency: deploy-${{ github.ref }}
"""


def wants(text: str) -> Any:
    import base64

    return declared({"content": base64.b64encode(text.encode()).decode()})


def test_inputs_of_a_file_are_parameters_with_their_choices_and_defaults() -> None:
    found = wants(FILE)
    assert found.group == "deploy-${{ github.ref }}"
    made = {each.name: each for each in declared_parameters(found.inputs, ["prod", "staging"])}
    assert list(made) == ["level", "dry", "loud", "where", "count"]
    assert (made["level"].choices, made["level"].default, made["level"].title) == (
        ("info", "debug"), "info", "how much to say",
    )  # fmt: skip
    assert (made["dry"].default, made["loud"].default, made["dry"].choices) == ("true", "false", ("true", "false"))
    assert (made["where"].required, made["where"].choices) == (True, ("prod", "staging"))
    assert made["count"].default == "3"
    check_inputs({"where": "prod", "dry": "false"}, found, "gh")
    with pytest.raises(Refused, match="dry is one of true, false"):
        check_inputs({"where": "prod", "dry": "maybe"}, found, "gh")
    assert wants("on: push\nconcurrency: {group: one}\n").group == "one"
    assert wants("on: push\nconcurrency: [1]\n").group == ""


async def test_what_a_new_run_may_be_given_is_read_from_the_workflow_s_file(hub: Rig) -> None:
    source = hub.source()
    assert isinstance(source, TakesParameters)
    (branch,) = await source.parameters(TRAIN)
    assert (branch.name, branch.choices, branch.default) == ("branch", ("main", "retrain-nov"), "main")
    (version,) = await source.parameters(Ref("gh", "run", f"{API}/9900098"))
    assert (version.name, version.required) == ("version", True)
    hub.faults.add(Status(code=404, body={"message": "Not Found"}), path="/contents/")
    with pytest.raises(Unsupported, match="the inputs of train are not known"):
        await source.parameters(TRAIN)
    with pytest.raises(Unsupported, match="a job is not started"):
        await source.parameters(Ref("gh", "job", f"{API}/1/2"))
