"""Whole releases of a Swarm service by the release engine: kept, rolled back, and put back by another host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from parts.registry import Registry
from parts.swarm import Swarm
from parts.swarmprobe import HEALTH, SERVE, Traffic
from quarterdeck_adapters.docker.release.swarm import SwarmTarget
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.release.engine import Engine
from quarterdeck_lifecycle.release.model import GateRule, Pace, Plan, ProbeRule
from quarterdeck_lifecycle.release.planning import Request, make_plan
from releases.memoryports import (
    Book,
    MemoryAnnouncer,
    MemoryControl,
    MemoryHooks,
    MemoryJournal,
    MemoryMeasures,
    MemoryProber,
)
from releases.memoryworld import Process, World

from .conftest import until
from .swarmcase import Case

pytestmark = [pytest.mark.real("docker.io", "busybox-static", "docker-registry"), pytest.mark.xdist_group("swarm")]


class Clock:
    """The machine's."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)


@pytest.fixture
async def case(swarm: Swarm, registry: Registry) -> AsyncIterator[Case]:
    async with Case(swarm, registry) as made:
        yield made


async def planned(case: Case, wanted: str, op: str, **fields: Any) -> Plan:
    asked: dict[str, Any] = {
        "kind": "deploy", "op": op, "service": "shop", "environment": "prod", "wanted": wanted, "reason": "test",
        "actor": "ana", "origin": "local", "host": "bastion", "at": "2026-11-23T09:00:00Z",
        "image": f"{case.registry.address}/team/app", "probe": ProbeRule(engine=True, interval_s=0.1),
        "gate": GateRule(passes=2, within_s=10, soak_s=0.5, failures=2), "pace": Pace(beat_s=0.2, lease_s=1.0),
    }  # fmt: skip
    return await make_plan(Request(**{**asked, **fields}), [case.target()])


def engine(case: Case, plan: Plan, book: Book) -> Engine:
    process = Process(World())
    targets: Mapping[str, SwarmTarget] = {"local/web": case.target()}
    return Engine(
        plan, targets, journal=MemoryJournal(process, book), control=MemoryControl(), prober=MemoryProber(process),
        measures=MemoryMeasures(process), hooks=MemoryHooks(process), announcer=MemoryAnnouncer(), clock=Clock(),
    )  # fmt: skip


async def test_a_release_is_kept_and_a_rollback_goes_back(case: Case) -> None:
    one, two = (case.image(f"web-{tag}", command=SERVE) for tag in "12")
    case.swarm.service("web", one, networks=[case.swarm.overlay], health=HEALTH)
    book = Book()
    plan = await planned(case, "web-2", "op-2")
    assert [step.name for step in plan.steps] == [
        "lease", "preflight", "pull-check", "retain", "update", "gate", "soak", "verify", "prune", "release",
    ]  # fmt: skip
    assert plan.gap_s == 0
    with Traffic(case.swarm, one, "web") as traffic:
        ended = await engine(case, plan, book).run()
        print(ended.message, traffic.stop())
    assert (ended.result, traffic.failed) == ("SUCCEEDED", [])
    assert case.only(two)
    assert [row.step for row in book.rows if row.phase == "outcome"] == [step.id for step in plan.steps]
    with pytest.raises(Refused, match="nothing to do"):
        await planned(case, "web-2", "op-3")
    plan = await planned(case, "", "op-3", kind="rollback")
    ended = await engine(case, plan, Book()).run()
    assert ended.result == "SUCCEEDED"
    assert case.only(one)
    names = [config["Spec"]["Name"] for config in case.swarm.api.configs()]
    assert not [name for name in names if name.startswith("qd-lease")]


async def test_a_release_that_fails_is_rolled_back_and_says_why(case: Case) -> None:
    one = case.image("1")
    case.broken()
    case.swarm.service("web", one, replicas=2, monitor_s=1.0)
    before = case.swarm.spec("web")
    book = Book()
    plan = await planned(case, "broken", "op-2", probe=ProbeRule())
    ended = await engine(case, plan, book).run()
    assert ended.result == "ROLLED_BACK", ended
    assert "non-zero exit (3)" in ended.message
    assert "no MODEL_PATH is set" in str(book.kept)
    assert case.swarm.spec("web") == before
    assert case.swarm.api.configs() == []
    again = await engine(case, plan, book).recover()
    assert again.result == "ROLLED_BACK"
    assert case.swarm.spec("web") == before


async def test_another_host_puts_back_what_a_dead_one_had_begun(case: Case) -> None:
    one = case.image("1")
    case.image("2")
    case.swarm.service("web", one, replicas=2)
    before = case.swarm.spec("web")
    plan, later = [await planned(case, "2", op, probe=ProbeRule()) for op in ("op-2", "op-3")]
    first = asyncio.create_task(engine(case, plan, Book()).run())

    async def begun() -> bool:
        return (await case.target().state()).op == "op-2"

    await until(begun, "the first one to write")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await case.target().lease.read() is not None
    ended = await engine(case, later, Book()).run()
    assert ended.result == "REFUSED", ended
    assert "op-2" in ended.message
    assert case.only(one)
    assert case.swarm.spec("web") == before
    assert case.swarm.api.configs() == []
