"""Whole releases of a container by the release engine: kept, rolled back, put back by another host."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from quarterdeck_adapters.docker.release.container import ContainerTarget
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

from .boxcase import ENV, PORT, SERVICE, Box

WELL = ProbeRule(exec=("sh", "-c", "echo well; exit $CODE"), interval_s=0.1, timeout_s=5.0)
CRASHES = 'CMD ["sh", "-c", "echo no MODEL_PATH is set; exit 3"]'


class Clock:
    """The machine's."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)


async def planned(box: Box, wanted: str, op: str, **fields: Any) -> Plan:
    asked: dict[str, Any] = {
        "kind": "deploy", "op": op, "service": SERVICE, "environment": ENV, "wanted": wanted, "reason": "test",
        "actor": "ana", "origin": "local", "host": "bastion", "at": "2026-11-23T09:00:00Z", "image": box.repository,
        "probe": WELL, "gate": GateRule(passes=2, within_s=5, soak_s=0.3, failures=2),
        "pace": Pace(beat_s=0.2, lease_s=1.0),
    }  # fmt: skip
    return await make_plan(Request(**{**asked, **fields}), [box.target()])


def engine(box: Box, plan: Plan, book: Book, target: ContainerTarget | None = None) -> Engine:
    process = Process(World())
    return Engine(
        plan, {"local/app": target or box.target()}, journal=MemoryJournal(process, book), control=MemoryControl(),
        prober=MemoryProber(process), measures=MemoryMeasures(process), hooks=MemoryHooks(process),
        announcer=MemoryAnnouncer(), clock=Clock(),
    )  # fmt: skip


async def test_releases_are_kept_and_a_rollback_needs_no_registry(box: Box) -> None:
    first = box.image("1", "ENV CODE=0", keep=True)
    second = box.image("2", "ENV CODE=0")
    box.start()
    book, plan = Book(), await planned(box, "2", "op-2")
    ended = await engine(box, plan, book).run()
    assert ended.result == "SUCCEEDED", ended
    assert [row.step for row in book.rows if row.phase == "outcome"] == [step.id for step in plan.steps]
    assert box.names() == ["app", "app-qd-kept-op-2"]
    with pytest.raises(Refused, match="nothing to do"):
        await planned(box, "2", "op-3")
    assert (await box.target().look()).identity.digest == second  # type: ignore[union-attr]
    box.api.kill("app")
    box.off()
    plan = await planned(box, "", "op-3", kind="rollback")
    ended = await engine(box, plan, Book()).run()
    assert ended.result == "SUCCEEDED", ended
    assert (await box.target().look()).identity.digest == first  # type: ignore[union-attr]
    assert await box.target().lease.read() is None


@pytest.mark.parametrize(
    ("change", "words"), [(CRASHES, "exit code 3"), ("ENV CODE=1", "did not pass the gate")], ids=["crash", "unwell"]
)
async def test_a_release_that_fails_is_put_back_and_says_why(box: Box, change: str, words: str) -> None:
    box.image("1", "ENV CODE=0", keep=True)
    box.image("bad", change, keep=True)
    old = box.start()
    book, plan = Book(), await planned(box, "bad", "op-2")
    ended = await engine(box, plan, book).run()
    assert ended.result == "ROLLED_BACK", ended
    assert words in ended.message
    if change == CRASHES:
        assert "no MODEL_PATH is set" in str(book.kept)
    box.as_before(old)
    again = await engine(box, plan, book).recover()
    assert again.result == "ROLLED_BACK"
    box.as_before(old)


@pytest.mark.parametrize("write", [1, 2, 4, 6])
async def test_another_host_puts_back_what_a_dead_one_had_begun(box: Box, write: int) -> None:
    """The first one dies before its write of this number; nothing of it but its lease is known to the second."""
    box.image("1", "ENV CODE=0", keep=True)
    box.image("2", "ENV CODE=0", keep=True)
    old = box.start()
    plan, later = [await planned(box, "2", op) for op in ("op-2", "op-3")]
    target, count = box.target(), 0
    kill = asyncio.Event()

    async def dies(real: Any) -> None:
        nonlocal count
        if count == write:
            kill.set()
            await asyncio.Event().wait()
        count += 1
        await real()

    class Dying(ContainerTarget):
        """Its writes stop for ever at one of them, as in a process that is gone."""

    target.__class__ = Dying
    Dying.fence = property(  # type: ignore[assignment, method-assign]
        lambda self: self.calls.fence, lambda self, fence: setattr(self.calls, "fence", fence and (lambda: dies(fence)))
    )
    first = asyncio.create_task(engine(box, plan, Book(), target).run())
    async with asyncio.timeout(30):
        await kill.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert (await box.target().lease.read()).op == "op-2"  # type: ignore[union-attr]
    ended = await engine(box, later, Book()).run()
    assert ended.result == "REFUSED", ended
    assert "op-2" in ended.message
    box.as_before(old)


async def test_a_port_that_another_took_is_said_by_the_plan_or_by_the_start_and_the_old_one_serves(box: Box) -> None:
    """What is gone back to was published elsewhere; there somebody else listens now, before the plan or after it."""
    box.image("1", "ENV CODE=0", keep=True)
    box.image("2", "ENV CODE=0")
    free = {"RestartPolicy": {"Name": "no"}}
    box.start()
    for tag, op in (("2", "op-1"), ("1", "op-2")):
        ended = await engine(box, await planned(box, tag, op), Book()).run()
        assert ended.result == "SUCCEEDED", ended
    elsewhere = {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(int(PORT) + 1)}]}
    image = box.inspect()["Config"]["Image"]
    box.api.remove_container("app", force=True)
    old = box.start(Image=image, HostConfig={"PortBindings": elsewhere})
    plan = await planned(box, "", "op-3", kind="rollback")
    box.start(name="thief", HostConfig=free)
    with pytest.raises(Refused, match=f"{PORT} is held by thief"):
        await planned(box, "", "op-4", kind="rollback")
    ended = await engine(box, plan, Book()).run()
    assert ended.result == "ROLLED_BACK", ended
    assert "already allocated" in ended.message
    assert (box.inspect()["Id"], box.inspect()["State"]["Running"]) == (old, True)
    assert box.running() == ["app", "thief"]
    assert not [name for name in box.names() if "lease" in name or "-qd-new-" in name]
