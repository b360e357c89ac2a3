"""Every fault of the practice world on the GitHub adapter: what is said, what is kept, what is not sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from adapters.ghrig import API, MODEL, Bench, Rig, rig
from parts.practice import practice_story
from quarterdeck_demo.faults import (
    AnyFault,
    BlackHole,
    ClockSkew,
    Drip,
    DuplicatePages,
    Hostile,
    Html,
    Reset,
    Status,
    TokenLoop,
    Truncate,
)
from quarterdeck_demo.messages import Request, Response, json_response
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle import errors
from quarterdeck_lifecycle.feed import Feed
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.ports import LogOptions
from quarterdeck_lifecycle.records import Record, Ref, State, row_json

SECONDARY = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with practice_story() as made:
        yield made


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


FAULTS: list[tuple[AnyFault, type[errors.QuarterdeckError], str]] = [
    (Status(code=401, body={"message": "Bad credentials"}), errors.AuthFailed, "Bad credentials.*gh auth login"),
    (
        Status(code=403, body={"message": "Resource not accessible by personal access token"},
               headers={"X-Accepted-GitHub-Permissions": "actions=read"}),
        errors.Forbidden, r"give the token actions=read",
    ),
    (
        Status(code=403, body={"message": "Resource protected by organization SAML enforcement."},
               headers={"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso?x=1"}),
        errors.Forbidden, r"authorize the token for the organisation: https://github.com/orgs/acme/sso",
    ),
    (Status(code=404, body={"message": "Not Found"}), errors.NotFound, "GitHub answers 404 for both"),
    (Status(code=410, body={"message": "Gone"}), errors.NotFound, "Gone"),
    (
        Status(code=422, body={"message": "Validation Failed", "errors": [
            {"resource": "Run", "field": "status", "code": "invalid"}, "and a text"]}),
        errors.Conflict, "Validation Failed: status invalid; and a text",
    ),
    (Status(code=429, retry_after=17), errors.RateLimited, "rate_share"),
    (Status(code=500), errors.Unavailable, "injected fault"),
    (Status(code=503), errors.Unavailable, "injected fault"),
    (Html(), errors.Malformed, "https://HOST/api/v3"),
    (Html(code=502), errors.Unavailable, "a page of HTML"),
    (Truncate(), errors.Malformed, "not JSON"),
    (Truncate(framed=False), errors.Unavailable, "127.0.0.1"),
    (Reset(), errors.Unavailable, "127.0.0.1"),
    (Status(code=200, body={"message": "odd"}), errors.Malformed, "list"),
    (Status(code=200, body=[1, 2]), errors.Malformed, "check that this is GitHub's API"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "words"), FAULTS, ids=lambda x: type(x).__name__ if x else "")
async def test_a_fault_is_said_in_words_and_the_last_good_rows_stay(
    hub: Rig, fault: AnyFault, kind: type[errors.QuarterdeckError], words: str
) -> None:
    source = hub.source()
    board = Hub([source], now=hub.clock)
    for name in ("run", "pull_request"):
        feed = Feed(source, name, lambda old, new: None, board.busy, now=hub.clock)
        before = await feed.once()
        assert before.state is State.FRESH
        source.api.http._etags.clear()  # a 304 has no body to be spoiled
        hub.faults.add(fault, path=f"/repos/.*{'/actions/runs$' if name == 'run' else '/pulls$'}")
        now = await feed.once()
        if name == "pull_request" and isinstance(fault, Status) and fault.body == [1, 2]:
            assert (now.state, now.rows) == (State.FRESH, ())
            continue
        assert now.state is (State.AUTH if kind is errors.AuthFailed else State.STALE)
        assert [row.ref for row in now.rows] == [row.ref for row in before.rows]
        assert type(now.error) is kind
        assert re.search(words, str(now.error), re.DOTALL)
        assert str(now.error).startswith("gh: ")
        hub.faults.clear()
        hub.clock.move(3600)
        source.api.credential.forget()


async def test_a_black_hole_ends_at_its_deadline(hub: Rig) -> None:
    hub.faults.add(BlackHole())
    with pytest.raises(errors.Timeout, match=r"within 0\.2 s"):
        await hub.source(deadline=0.2).list("run")
    with pytest.raises(errors.Timeout):
        await hub.source(deadline=0.2).probe()


async def test_a_slow_drip_ends_at_its_deadline(hub: Rig) -> None:
    hub.faults.add(Drip(chunk=1, interval=0.05))
    with pytest.raises(errors.Timeout, match="no whole answer"):
        await hub.source(deadline=0.2).list("run")


async def test_one_repository_s_trouble_keeps_its_rows_and_spoils_no_other(hub: Rig) -> None:
    source = hub.source()
    before = await source.list("run")
    hub.faults.add(Status(code=500), path=f"/repos/{MODEL}/actions/runs$")
    after = await source.list("run")
    assert {row.ref for row in after.rows} == {row.ref for row in before.rows}
    assert after.partial == f"{MODEL}: down: injected fault"
    assert after.total is None


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Status(code=403, body=SECONDARY, retry_after=30), 30.0),
        (Status(code=403, body=SECONDARY), 60.0),
        (Status(code=429), 60.0),
        (Status(code=429, retry_after=formatdate(1_795_412_000 + 45, usegmt=True)), 45.0),
        (Status(code=429, retry_after=999_999), 3600.0),
        (
            Status(code=403, body={"message": "API rate limit exceeded for user ID 4101."}, headers={
                "X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "5000",
                "X-RateLimit-Reset": str(1_795_412_000 + 700)}),
            700.0,
        ),
    ],
)  # fmt: skip
async def test_a_limit_closes_the_source_for_as_long_as_it_says(hub: Rig, answer: Status, seconds: float) -> None:
    source = hub.source()
    hub.faults.add(answer, count=1)
    with pytest.raises(errors.RateLimited) as caught:
        await source.list("run")
    assert caught.value.retry_after == pytest.approx(seconds, abs=1)
    sent = len(hub.server.requests)
    for call in (source.list("run"), source.describe(Ref("gh", "pull_request", f"{API}/412")), source.probe()):
        with pytest.raises(errors.RateLimited, match="not sent, as GitHub asked for a pause"):
            await call
    assert len(hub.server.requests) == sent
    hub.clock.move(seconds + 1)
    assert (await source.list("run")).rows


async def test_the_reset_is_read_by_the_server_s_clock(hub: Rig) -> None:
    source = hub.source()
    hub.github.state.token.used = 5000
    hub.github.state.token.reset_at = hub.clock() + 100
    hub.faults.add(ClockSkew(seconds=-900))
    with pytest.raises(errors.RateLimited) as caught:
        await source.list("run")
    assert caught.value.retry_after == pytest.approx(1000, abs=1)


async def test_a_limit_that_hits_a_verb_sends_nothing_more(hub: Rig, tmp_path: Path) -> None:
    bench = Bench(hub.source(), tmp_path / "state")
    try:
        ref = Ref("gh", "run", f"{API}/{hub.run_id(1840)}")
        preview = await bench.preview("run.rerun", ref)
        hub.faults.add(Status(code=403, body=SECONDARY, retry_after=20), method="POST")
        result = await bench.operator.perform(preview)
        assert (result.result, type(result.error)) == ("FAILED", errors.RateLimited)
        assert len(hub.asked(method="POST")) == 1
    finally:
        await bench.db.aclose()


async def test_pages_that_overlap_or_go_in_circles_end_and_show_each_row_once(hub: Rig) -> None:
    source = hub.source()
    ref = Ref("gh", "run", f"{API}/{hub.run_id(1841)}")
    for fault in (DuplicatePages(), TokenLoop()):
        hub.faults.clear()
        hub.faults.add(fault)
        for kind in source.kinds:
            rows = (await source.list(kind)).rows
            rows = (await source.list(kind)).rows
            assert len({row.ref for row in rows}) == len(rows) > 4
        jobs = (await source.children(ref))[0].rows
        assert [job.name for job in jobs] == ["unit-tests", "lint", "build-image"]


async def test_pages_that_never_end_are_left_when_they_repeat(hub: Rig) -> None:
    async def app(request: Request) -> Response:
        if request.path.endswith("/jobs"):
            ended = {"status": "completed", "conclusion": "success"}
            rows = [{"id": n, "name": f"job {n}", **ended} for n in range(1, 101)]
            return json_response({"total_count": 10_000, "jobs": rows})
        return await hub.github.handler(request)

    hub.app = app
    listing, more = await hub.source().children(Ref("gh", "run", f"{API}/{hub.run_id(1841)}"))
    assert (len(listing.rows), more) == (100, "")
    assert len(hub.asked("/jobs")) == 2


def texts(value: object) -> Iterator[str]:
    """Every string inside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(key)
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


@pytest.mark.parametrize("everything", [False, True])
async def test_hostile_strings_in_every_field_reach_nothing(hub: Rig, everything: bool) -> None:
    source = hub.source()
    bad = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u061c]")
    refs = [
        Ref("gh", "run", f"{API}/{hub.run_id(1841)}"), Ref("gh", "pull_request", f"{API}/412"),
        Ref("gh", "job", f"{API}/{hub.run_id(1841)}/{hub.run_id(1841)}11"),
    ]  # fmt: skip
    hub.faults.add(Hostile(everything=everything))
    found: list[str] = []
    rows: list[Record] = []
    for kind in source.kinds:
        rows += (await source.list(kind)).rows
    for ref in refs[:2]:
        rows += (await source.children(ref))[0].rows
    assert len(rows) > 100
    for row in rows:
        found += texts(row_json(row))
    for ref in refs:
        for section in await source.describe(ref):
            found += [section.title, section.text, section.note, *texts(section.fields), *texts(section.table)]
    async for batch in source.logs(refs[::2], LogOptions(follow=False)):
        found += [batch.notice, *(line.text for line in batch.lines)]
    if not everything:
        for verb, ref in (("run.rerun", refs[0]), ("run.trigger", refs[0]), ("pull_request.merge", refs[1])):
            preview = await source.actions[verb].preview(ref, {"ref": "main", "method": "squash"})
            found += [preview.title, preview.command, preview.before, preview.after, *preview.impact, *preview.warnings]
            found += [text for step in preview.steps for text in (step.call, step.detail)]
    assert not [text for text in found if bad.search(text)]


async def test_a_secret_is_in_no_error_and_no_row(hub: Rig) -> None:
    source = hub.source()
    hub.faults.add(Status(code=500), path="/pulls$")
    said = [str(await source.probe())]
    for kind in source.kinds:
        try:
            said += [str(row) for row in (await source.list(kind)).rows]
        except errors.QuarterdeckError as error:
            said.append(str(error))
    assert len(said) > 100
    assert not [text for text in said if hub.token in text]
