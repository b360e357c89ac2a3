"""Bad input from AWS, and from the way to it: named, shown, nothing lost and nothing leaked."""

from __future__ import annotations

import ast
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import quarterdeck_adapters.codepipeline as adapter_package
import quarterdeck_demo.codepipeline as demo_package
from adapters.awsrig import (
    API,
    NIGHTLY,
    SCORER,
    TOGETHER,
    Rig,
    error,
    failed,
    only,
    read,
    rig,
    run_in,
    runs_of,
    the_story,
)
from quarterdeck_adapters.codepipeline import client, runs
from quarterdeck_demo.faults import BlackHole, ClockSkew, Drip, Hostile, Html, Huge, TokenLoop, Truncate
from quarterdeck_demo.hostile import HOSTILE
from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle.calls import CALLS, shown
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Forbidden,
    Malformed,
    NotFound,
    RateLimited,
    Timeout,
    ToolMissing,
    Unavailable,
    Unsupported,
)
from quarterdeck_lifecycle.ports import LogOptions

pytestmark = TOGETHER



@pytest.fixture
def story() -> Story:
    return the_story()


@pytest.fixture
async def hub(story: Story) -> AsyncIterator[Rig]:
    async with rig(story) as made:
        yield made


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (error("ThrottlingException", "Rate exceeded"), RateLimited, "asked again"),
        (error("UnrecognizedClientException", "invalid"), AuthFailed, "AWS_PROFILE"),
        (error("ExpiredTokenException", "The security token included in the request is expired"), AuthFailed, "sso"),
        (error("InvalidSignatureException", "Signature expired: 20261123 is earlier"), AuthFailed, "clock"),
        (error("AccessDeniedException", "not authorized to perform: codepipeline:ListPipelineExecutions on x"),
         Forbidden, "codepipeline:ListPipelineExecutions"),
        (error("InternalFailure", "", 500), Unavailable, "InternalFailure"),
        (error("PipelineNotFoundException", "gone"), NotFound, "region"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)  # fmt: skip
async def test_each_refusal_is_its_own_error_with_a_way_out(hub: Rig, spoil: Any, kind: Any, words: str) -> None:
    only(hub, "ListPipelineExecutions", spoil)
    found = await failed(hub.source(repos=(API,)).list("run"))
    assert type(found) is kind
    if kind is not RateLimited:
        assert words in str(found)


async def test_throttling_is_met_by_longer_and_longer_pauses_and_ends_with_a_good_answer(hub: Rig) -> None:
    source = hub.source(repos=(API,))
    only(hub, "ListPipelineExecutions", error("ThrottlingException", "Rate exceeded"))
    pauses = []
    for _ in range(7):
        found = await failed(source.list("run"))
        assert isinstance(found, RateLimited)
        pauses.append(found.retry_after)
        seen = len(hub.server.requests)
        assert isinstance(await failed(source.list("run")), RateLimited)
        assert len(hub.server.requests) == seen, "nothing is sent during the pause"
        hub.clock.move(found.retry_after or 0)
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    hub.app = hub.aws.handler
    assert (await source.list("run")).rows
    only(hub, "ListPipelineExecutions", error("ThrottlingException", "Rate exceeded", **{"Retry-After": "17"}))
    found = await failed(source.list("run"))
    assert isinstance(found, RateLimited)
    assert found.retry_after == 17


async def test_one_pipeline_that_fails_keeps_its_rows_and_is_told(hub: Rig) -> None:
    source = hub.source()
    before = await runs_of(source)

    async def spoil(request: Request, answer: Any) -> Response:
        if request.json()["pipelineName"] != SCORER:
            return await answer(request)  # type: ignore[no-any-return]
        return await error("InternalFailure", "", 500)(request, answer)  # type: ignore[no-any-return]

    only(hub, "ListPipelineExecutions", spoil)
    listing = await source.list("run")
    assert [row.ref for row in listing.rows] == [row.ref for row in before]
    assert listing.partial.startswith(f"{SCORER}: down")


@pytest.mark.parametrize("fault", [Html(), Truncate()], ids=["HTML", "half a JSON text"])
async def test_what_is_no_answer_is_not_taken_for_an_empty_one(hub: Rig, fault: Any) -> None:
    source = hub.source(repos=(API,))
    hub.faults.add(fault)
    found = await failed(source.list("run"))
    assert isinstance(found, Malformed)
    assert "proxy" in str(found)


async def test_an_answer_larger_than_any_of_awss_is_given_up(hub: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER", 100_000)
    source = hub.source(repos=(API,))
    assert await runs_of(source)
    hub.faults.add(Huge(size=5_000_000))
    found = await failed(source.list("run"))
    assert isinstance(found, Malformed)
    assert "larger than" in found.why


async def test_a_slow_answer_and_one_that_breaks_off_are_said(hub: Rig) -> None:
    source = hub.source(deadline=0.3, repos=(API,))
    hub.faults.add(Drip(chunk=10, interval=0.5))
    assert isinstance(await failed(source.list("run")), Timeout)
    hub.faults.clear()
    hub.faults.add(Truncate(framed=False))
    assert isinstance(await failed(source.list("run")), Unavailable)


async def test_a_black_hole_is_a_timeout(hub: Rig) -> None:
    source = hub.source(deadline=0.3)
    hub.faults.add(BlackHole())
    assert isinstance(await failed(source.list("run")), Timeout)


async def test_pages_that_move_or_lead_in_circles_give_each_row_once(
    hub: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = hub.source()
    params: dict[str, Any] = {"pipelineName": NIGHTLY, "maxResults": 40}
    key, id = "pipelineExecutionSummaries", "pipelineExecutionId"
    monkeypatch.setattr(runs, "PAGES", 3)
    asked = 0

    async def spoil(request: Request, answer: Any) -> Response:
        nonlocal asked
        asked += 1
        if asked == 2:  # a new execution moves every page by one
            newest = hub.aws.machine.executions[NIGHTLY][-1]
            hub.aws._verbs.start({"name": NIGHTLY, "variables": [{"name": "RATE", "value": "1"}]}, newest.updated + 60)
        return await answer(request)  # type: ignore[no-any-return]

    only(hub, "ListPipelineExecutions", spoil)
    found, more = await source.runs.pages("ListPipelineExecutions", key, id, **params)
    ids = [each[id] for each in found]
    assert len(ids) == len(set(ids)) == 119
    assert more
    hub.app = hub.aws.handler
    hub.faults.add(TokenLoop())
    found, more = await source.runs.pages("ListPipelineExecutions", key, id, **params)
    assert len(found) == 80
    assert not more


async def test_a_run_that_disappears_is_said_to_be_gone(hub: Rig) -> None:
    source = hub.source()
    run = run_in(await runs_of(source), NIGHTLY, "failed")
    rows = hub.aws.machine.executions[NIGHTLY]
    kept = rows.pop(next(place for place, each in enumerate(rows) if each.id == run.ref.id.partition("/")[2]))
    for work in (source.children(run.ref), source.describe(run.ref)):
        assert isinstance(await failed(work), NotFound)
    assert run.ref not in {row.ref for row in await runs_of(source)}
    rows.append(kept)


async def test_hostile_words_stay_words(hub: Rig) -> None:
    source = hub.source(repos=(API, SCORER, NIGHTLY))
    names = ("name", "stageName", "actionName", "provider", "category", "executionMode", "groupName", "streamName")
    hub.faults.add(Hostile(keep=(*names, "nextForwardToken")))
    for run in await runs_of(source):
        words = (run.name, run.note, run.where, run.branch, run.actor, run.repository, run.url, run.event)
        assert all(text.isprintable() for text in words)
        assert all(link.value.isprintable() for link in run.links)
    failure = run_in(await runs_of(source), NIGHTLY, "failed")
    for section in await source.describe(failure.ref):
        assert not any(bad in f"{section.text}{section.fields}{section.table}" for bad in ("\x1b", "\u202e", "\x9b"))
    listing, _ = await source.children(failure.ref)
    assert listing.rows
    lines, _ = await read(source.logs([listing.rows[0].ref], LogOptions()))
    assert len(lines) > 10
    assert not any(bad in line for line in lines for bad in ("\x1b", "\u202e", "\x9b"))
    hub.faults.clear()
    hub.faults.add(Hostile(strings=HOSTILE, everything=True))
    assert await runs_of(hub.source(repos=(API,))) == [], "what names no execution is no row"


async def test_a_clock_that_is_off_is_allowed_for(hub: Rig) -> None:
    source = hub.source(repos=(API,))
    hub.faults.add(ClockSkew(seconds=-7200))
    rows = await runs_of(source)
    assert source.clients.server_now == pytest.approx(hub.clock.now - 7200, abs=2)
    assert source.interval("run", rows) == 5


async def test_the_secret_key_stands_in_no_error_and_in_no_list_of_calls(hub: Rig) -> None:
    secret = hub.aws.token
    source = hub.source(repos=(API,))
    await runs_of(source)
    only(hub, "ListPipelineExecutions", error("InvalidSignatureException", "does not match"))
    found = await failed(source.list("run"))
    told = str(found) + repr(found.__cause__) + "".join(str(shown(call)) for call in CALLS.newest()[:50])
    assert "ListPipelineExecutions" in told
    assert secret not in told
    assert secret not in repr(vars(source.clients))


async def test_without_botocore_it_says_what_brings_it(hub: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    source = hub.source()
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    found = await failed(source.list("run"))
    assert isinstance(found, ToolMissing)
    assert found.mend == "pip install quarterdeck[aws]"


@pytest.mark.parametrize("package", [adapter_package, demo_package])
def test_botocore_is_imported_by_no_module_of_ours_when_it_is_loaded(package: Any) -> None:
    for path in Path(package.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.startswith(("boto3", "botocore")) for name in names), path


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"url": "http://aws.example"}, AuthFailed), ({"url": "ftp://aws.example"}, Unsupported),
        ({"options": {"regoin": "eu-west-1"}}, Unsupported), ({"options": {"region": "Europe"}}, Unsupported),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_is_refused_at_once(hub_less: Rig, config: dict[str, Any], kind: Any) -> None:
    with pytest.raises(kind):
        hub_less.source(**config)


@pytest.fixture
def hub_less(story: Story) -> Rig:
    """A rig whose server is not served."""
    return Rig(story)


async def test_no_credential_goes_where_the_config_is_not_trusted(hub: Rig) -> None:
    source = hub.source(credentials=False)
    found = await failed(source.list("run"))
    assert isinstance(found, AuthFailed)
    assert "trust" in found.mend
    assert not hub.server.requests

