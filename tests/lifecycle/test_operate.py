"""The way of a mutation: refused, journalled, executed once, verified; and who may write where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quarterdeck_lifecycle.errors import Conflict, QuarterdeckError, Refused, Unsupported
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.kinds import PullRequest, Repository
from quarterdeck_lifecycle.ledger import Actor, Ledger
from quarterdeck_lifecycle.operate import Operator
from quarterdeck_lifecycle.permit import permit, require
from quarterdeck_lifecycle.policy import Place, Policy, looks_live
from quarterdeck_lifecycle.records import Link, Ref, Status
from quarterdeck_lifecycle.state import StateDB
from quarterdeck_lifecycle.verbs import Registry, Risk, Verb, VerbKind, built_in
from scripted import Scripted, container

EDGE = Place("edge")
REF = Ref("local", "container", "id-a")


class Bench:
    def __init__(self, folder: Path, policy: Policy) -> None:
        self.source = Scripted(rows=[container("a")])
        self.hub = Hub([self.source])
        self.db = StateDB(folder)
        self.ledger = Ledger(self.db, Actor.current(), lambda text: text.replace("hunter2", "***"))
        self.registry = Registry(built_in())
        self.operator = Operator(self.hub, self.registry, policy, self.ledger)
        verb = self.registry.get("container.stop")
        assert verb is not None
        self.stop = verb

    async def phases(self) -> list[tuple[str, str]]:
        return [(row.phase, row.result.partition(":")[0]) for row in reversed(await self.ledger.rows())]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "state", Policy())
    yield made
    await made.db.aclose()


async def test_a_verb_is_journalled_before_and_after_and_verified(bench: Bench) -> None:
    preview = await bench.operator.preview(bench.stop, REF, {"timeout": "5"})
    assert bench.source.stop.executed == 0
    result = await bench.operator.perform(preview, why="hunter2 leaked")
    assert (result.result, bench.source.stop.executed) == ("SUCCEEDED", 1)
    assert await bench.phases() == [("intent", ""), ("outcome", "SUCCEEDED")]
    rows = await bench.ledger.rows()
    assert {row.op for row in rows} == {result.op}
    assert "hunter2" not in "".join(row.why for row in rows)
    assert (await bench.ledger.verify()).ok


async def test_a_write_that_changes_nothing_is_failed_not_done(bench: Bench) -> None:
    bench.source.stop.works = False
    result = await bench.operator.perform(await bench.operator.preview(bench.stop, REF, {"timeout": "5"}))
    assert result.result == "FAILED"
    assert (await bench.phases())[-1] == ("outcome", "FAILED")


async def test_what_moved_since_the_preview_is_not_written(bench: Bench) -> None:
    preview = await bench.operator.preview(bench.stop, REF, {"timeout": "5"})
    bench.source.replace(REF, "paused")
    result = await bench.operator.perform(preview)
    assert result.result == "FAILED"
    assert isinstance(result.error, Conflict)
    assert bench.source.stop.executed == 0


async def test_a_failed_read_back_is_unknown(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(preview: object) -> object:
        raise QuarterdeckError("reading back", why="connection lost")

    monkeypatch.setattr(bench.source.stop, "verify", lost)
    result = await bench.operator.perform(await bench.operator.preview(bench.stop, REF, {"timeout": "5"}))
    assert result.result == "UNKNOWN"
    assert "could not be read back" in result.message


async def test_a_refusal_is_in_the_ledger_and_nothing_is_sent(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state", Policy(read_only=True))
    preview = await bench.operator.preview(bench.stop, REF, {"timeout": "5"})
    result = await bench.operator.perform(preview)
    assert (result.result, bench.source.stop.executed) == ("REFUSED", 0)
    assert await bench.phases() == [("refused", "refused")]
    await bench.hub.once(1)
    assert "--read-only" in (bench.operator.why_not(bench.stop, REF, bench.hub.find(REF)) or "")
    await bench.db.aclose()


async def test_without_a_ledger_nothing_is_sent(bench: Bench, tmp_path: Path) -> None:
    preview = await bench.operator.preview(bench.stop, REF, {"timeout": "5"})
    await bench.db.aclose()
    (tmp_path / "file").write_text("")
    bench.operator.ledger = Ledger(StateDB(tmp_path / "file" / "state"), Actor.current(), str)
    result = await bench.operator.perform(preview)
    assert (result.result, bench.source.stop.executed) == ("REFUSED", 0)
    assert "ledger" in result.message


async def test_a_missing_argument_is_refused(bench: Bench) -> None:
    with pytest.raises(Refused, match="needs timeout"):
        await bench.operator.preview(bench.stop, REF, {})


async def test_our_own_change_is_by_us_with_its_operation(bench: Bench) -> None:
    result = await bench.operator.perform(await bench.operator.preview(bench.stop, REF, {"timeout": "5"}))
    by, op, actor = bench.operator.by(REF, bench.operator._now())
    assert (by, op, actor) == ("us", result.op, str(bench.ledger.actor))
    assert bench.operator.by(Ref("local", "container", "other"), bench.operator._now())[0] == "outside"


def test_the_transport_refuses_without_a_permit_for_that_very_source() -> None:
    with pytest.raises(Refused):
        require("a", "POST /x")
    with permit("b"), pytest.raises(Refused):
        require("a", "POST /x")
    with permit("a"):
        require("a", "POST /x")


@pytest.mark.parametrize(
    ("name", "live"),
    [("prod", True), ("eu-prod-1", True), ("Production", True), ("live", True), ("product", False), ("olive", False),
     ("delivery", False), ("dev", False), ("prod_eu", True)],
)  # fmt: skip
def test_names_that_look_live(name: str, live: bool) -> None:
    assert looks_live(name) is live


def test_windows_open_with_a_reason_and_close_by_themselves() -> None:
    now = [0.0]
    policy = Policy(local=lambda source: False, clock=lambda: now[0])
    assert not policy.access(EDGE).open
    with pytest.raises(ValueError, match="reason"):
        policy.open_for(EDGE, "  ")
    assert policy.open_for(EDGE, "INC-1").open
    assert not policy.access(Place("other")).open
    now[0] = 599.0
    assert policy.access(EDGE).open
    now[0] = 600.0
    assert not policy.access(EDGE).open
    assert policy.windows() == {}


def test_read_only_and_closed_sources_cannot_be_opened() -> None:
    assert not Policy(read_only=True).open_for(Place("a"), "why").open
    assert not Policy(closed=lambda source: "the config says so").open_for(Place("a"), "why").open


@pytest.mark.parametrize(
    ("risk", "environment", "count", "confirm"),
    [
        (Risk.HARMLESS, "dev", 1, "none"),
        (Risk.DISRUPTIVE, "dev", 1, "key"),
        (Risk.DISRUPTIVE, "dev", 3, "typed"),
        (Risk.DISRUPTIVE, "prod", 1, "typed"),
        (Risk.DISRUPTIVE, "gold", 1, "typed"),
        (Risk.DANGEROUS, "dev", 1, "typed"),
    ],
)
def test_the_risk_ladder(risk: Risk, environment: str, count: int, confirm: str) -> None:
    verb = Verb(id="x.y", title="y", kind=VerbKind.MUTATION, risk=risk)
    policy = Policy(protected=lambda name: name == "gold")
    assert policy.confirmation(verb, Place("engine", environment), count=count) == confirm


async def test_a_row_that_is_gone_cannot_be_acted_on(bench: Bench) -> None:
    await bench.hub.once(1)
    bench.source.rows = []
    await bench.hub.once(1)
    assert bench.operator.why_not(bench.stop, REF, bench.hub.find(REF)) == "it is gone"
    assert bench.operator.why_not(bench.stop, REF, container("a", "exited", Status.BAD)) == "it is exited"


def test_a_window_opens_one_environment_of_a_source_and_no_other() -> None:
    policy = Policy(protected=lambda name: name == "gold")
    gold, silver = Place("engine", "gold"), Place("engine", "silver")
    assert not policy.access(gold).open
    assert policy.access(silver).open
    policy.open_for(gold, "INC-1")
    assert policy.access(gold).open
    assert not policy.access(Place("other", "gold")).open


async def test_a_pull_request_is_checked_out_by_the_working_copy_of_its_repository(bench: Bench) -> None:
    pull = PullRequest(ref=Ref("gh", "pull_request", "7"), name="#7", number=7, repository="acme/x", title="t")
    link = Link(kind="repository", value="github.com/acme/x", evidence="remote origin")
    copy = Repository(ref=Ref("git", "repository", "/src/x"), name="x", path="/src/x", links=(link,))
    verb = bench.registry.get("pull_request.checkout")
    assert verb is not None
    bench.hub.add(Scripted("gh", [pull], kind="pull_request"))
    await bench.hub.once(1)
    with pytest.raises(Unsupported, match="no working copy of acme/x"):
        bench.operator.delegate(verb, pull.ref, {})
    assert "no working copy" in (bench.operator.why_not(verb, pull.ref, pull) or "")
    bench.hub.add(Scripted("git", [copy], kind="repository"))
    await bench.hub.once(1)
    found, ref, args = bench.operator.delegate(verb, pull.ref, {})
    assert (found.id, ref, args) == ("repository.checkout_pull_request", copy.ref, {"number": "7"})
