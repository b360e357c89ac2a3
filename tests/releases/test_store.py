"""Operations in the state: one at a time on a service, a first result that stays, four eyes, freezes that are kept."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from quarterdeck_lifecycle.actor import Actor, op_id
from quarterdeck_lifecycle.errors import NotFound, Refused
from quarterdeck_lifecycle.release.freezing import blocking
from quarterdeck_lifecycle.release.model import Identity, Plan
from quarterdeck_lifecycle.release.store import Running, Store
from quarterdeck_lifecycle.state import StateDB

ANA = Actor(user="ana", origin="203.0.113.7", host="bastion")
BEN = Actor(user="ben", origin="local", host="bastion", claim="ana")
OLD = Identity(kind="image", name="team/fraud-api", digest="sha256:aa")
NEW = Identity(kind="image", name="team/fraud-api", digest="sha256:bb")


class Time:
    """A clock that is set by hand."""

    now = 1_795_412_000.0

    def __call__(self) -> float:
        return self.now


def plan(service: str = "fraud-api", *, approval: bool = False, reason: str = "release 1.42") -> Plan:
    return Plan(
        op=op_id(), kind="deploy", service=service, environment="prod", actor="ana", origin="local", host="bastion",
        reason=reason, at="2026-11-23T09:00:00.000000Z", to=NEW, back=OLD, approval=approval,
    )  # fmt: skip


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def store(tmp_path: Path, clock: Time) -> AsyncIterator[Store]:
    db = StateDB(tmp_path / "state")
    yield Store(db, redact=lambda text: text.replace("ghp_abc", "‹secret›"), now=clock)
    assert await db.aclose()


async def test_a_plan_is_kept_whole_and_its_reason_is_redacted(store: Store) -> None:
    made = plan(reason="why ghp_abc\x1b[2J")
    await store.begin(made, ANA, '{"cwd": "/srv"}')
    row = await store.operation(made.op[:20])
    assert row.decoded() == made
    assert (row.state, row.user, row.reason, row.context) == ("running", "ana", "why ‹secret›␛", '{"cwd": "/srv"}')
    assert [r.op for r in await store.operations()] == [made.op]


async def test_one_operation_at_a_time_on_a_service(store: Store) -> None:
    first, second, other = plan(), plan(), plan("etl")
    results = await asyncio.gather(*(store.begin(p, ANA) for p in (first, second, other)), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), Running, type(None)]
    assert isinstance(results[1], Running)
    assert results[1].op == first.op
    assert f"quarterdeck attach {first.op}" in str(results[1])
    assert "ana on bastion since" in str(results[1])
    assert await store.finish(first.op, "SUCCEEDED", "")
    await store.begin(second, ANA)


async def test_the_first_result_stays(store: Store) -> None:
    made = plan()
    await store.begin(made, ANA)
    assert await store.finish(made.op, "ROLLED_BACK", "the gate failed")
    assert not await store.finish(made.op, "SUCCEEDED", "late")
    await store.progress(made.op, "running")
    row = await store.operation(made.op)
    assert (row.state, row.result, row.message) == ("ended", "ROLLED_BACK", "the gate failed")
    assert await store.unended() == []
    assert not await store.reopen(made.op)


async def test_what_is_stuck_can_be_opened_again_unless_another_runs(store: Store) -> None:
    stuck, later = plan(), plan()
    await store.begin(stuck, ANA)
    await store.finish(stuck.op, "STUCK", "both are down")
    await store.begin(later, ANA)
    with pytest.raises(Running) as raised:
        await store.reopen(stuck.op)
    assert raised.value.op == later.op
    await store.finish(later.op, "FAILED", "")
    assert await store.reopen(stuck.op)
    assert [row.op for row in await store.unended()] == [stuck.op]


async def test_an_operation_is_named_by_a_unique_beginning(store: Store) -> None:
    first = msgspec.structs.replace(plan("a"), op="0193-1")
    second = msgspec.structs.replace(plan("b"), op="0193-12")
    for made in (first, second):
        await store.begin(made, ANA)
    assert (await store.operation("0193-1")).op == "0193-1"
    assert (await store.operation("0193-12")).op == "0193-12"
    for wrong in ("0193", "", "x", "%", "0193_1"):
        with pytest.raises(NotFound):
            await store.operation(wrong)


async def test_asks_are_read_once_in_order(store: Store) -> None:
    made = plan()
    await store.begin(made, ANA)
    await store.ask(made.op, "extend", ANA)
    await store.ask(made.op, "abort", BEN, "wrong tag ghp_abc")
    asked = await store.asks(made.op)
    said = [(a.ask, a.actor, a.why) for a in asked]
    assert said == [("extend", "ana", ""), ("abort", "ben (says ana)", "wrong tag ‹secret›")]
    assert await store.asks(made.op, asked[-1].seq) == []
    await store.finish(made.op, "ABORTED", "")
    with pytest.raises(Refused, match="has ended"):
        await store.ask(made.op, "abort", ANA)


async def test_approval_is_anothers_for_this_plan_and_for_half_an_hour(store: Store, clock: Time) -> None:
    made = plan(approval=True)
    await store.begin(made, ANA)
    row = await store.operation(made.op)
    assert row.state == "waiting"
    with pytest.raises(Refused, match="four eyes"):
        await store.approve(row, made.digest(), ANA)
    await store.approve(row, made.digest(), BEN, "seen")
    assert await store.approved(made.op, made.digest(), "ana") == "ben (says ana)"
    assert await store.approved(made.op, made.digest(), "ben") == ""
    changed = msgspec.structs.replace(made, to=OLD)
    assert await store.approved(made.op, changed.digest(), "ana") == ""
    clock.now += 1799
    assert await store.approved(made.op, made.digest(), "ana")
    clock.now += 2
    assert await store.approved(made.op, made.digest(), "ana") == ""
    await store.finish(made.op, "REFUSED", "nobody approved")
    with pytest.raises(Refused, match="has ended"):
        await store.approve(await store.operation(made.op), made.digest(), BEN)


async def test_a_freeze_is_its_makers_alone_and_may_expire(store: Store, clock: Time) -> None:
    with pytest.raises(ValueError, match="reason"):
        await store.freeze("fraud-api", "prod", ANA, "  ")
    await store.freeze("fraud-api", "prod", ANA, "black friday ghp_abc")
    await store.freeze("fraud-api", "prod", BEN, "me too", until=clock.now + 60)
    held = await store.freezes()
    assert [freeze.user for freeze in held] == ["ana", "ben"]
    assert "black friday ‹secret›" in str(held[0])
    with pytest.raises(Refused, match="stays frozen"):
        await store.unfreeze("fraud-api", "prod", Actor(user="eve", origin="local", host="x"))
    assert len(await store.freezes()) == 2
    with pytest.raises(Refused, match="only ben"):
        await store.unfreeze("fraud-api", "prod", ANA)
    clock.now += 61
    assert await store.freezes() == []
    with pytest.raises(NotFound):
        await store.unfreeze("fraud-api", "prod", ANA)


async def test_the_one_who_froze_may_roll_back(store: Store) -> None:
    mine = [await store.freeze("fraud-api", "prod", ANA, "night")]
    assert blocking(mine, "rollback", "ana") is None
    assert blocking(mine, "deploy", "ana") == mine[0]
    assert blocking(mine, "rollback", "ben") == mine[0]
    assert blocking([], "deploy", "ben") is None
