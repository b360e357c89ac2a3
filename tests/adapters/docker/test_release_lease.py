"""The lease on a container: taken by one, beaten, lost, evicted; on the practice engine and on a real one."""

from __future__ import annotations

import asyncio
import threading

import msgspec
import pytest

from quarterdeck_adapters.docker.release.lease import ContainerLease
from quarterdeck_adapters.docker.release.naming import lease_name
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.ports import Holder, Lease, LeaseLost, LeaseTaken

from .boxcase import holder
from .conftest import Rig, make_source

NAME = "qd-lease-shop-prod.app"


def lease_of(rig: Rig, target: str = "app", **settings: str) -> Lease:
    return rig.source.target("container", target, settings).lease


async def test_it_is_a_container_that_is_never_started(rig: Rig) -> None:
    rig.subject.image("test/box:1", changes=('CMD ["sh", "-c", "sleep 1000"]', "VOLUME /data"))
    rig.subject.run("app", "sleep 1000")
    lease = lease_of(rig)
    assert await lease.read() is None
    volumes = len(rig.subject.api.volumes()["Volumes"] or [])
    with pytest.raises(Refused):
        await lease.acquire(holder())
    with permit("local"):
        held = await lease.acquire(holder(change='{"a": "b"}', lease_s=7.5))
    assert (held.op, held.owner, held.host, held.lease_s, held.beat) == ("op-1", "ada", "bastion", 7.5, 0)
    found = rig.subject.api.inspect_container(NAME)
    assert found["State"]["Status"] == "created"
    assert len(rig.subject.api.volumes()["Volumes"] or []) == volumes, "the image's volume was made for it"
    assert await lease.read() == held
    assert await lease_of(rig).read() == held, "who does not know the service finds it by the target"
    with permit("local"):
        for beat in (1, 2, 3):
            held = await lease.beat(held)
            assert held.beat == beat
            seen = await lease.read()
            assert seen is not None
            assert seen == held
        await lease.check(held)
        again = await lease_of(rig).acquire(holder())
        assert (again.id, again.beat, again.change) == (held.id, 3, '{"a": "b"}')
        await lease.release(held)
        await lease.release(held)
    assert await lease.read() is None
    assert not rig.source.target("container", "app", {}).fence


async def test_another_operation_is_told_who_holds_it(rig: Rig) -> None:
    rig.subject.run("app", "sleep 1000")
    mine, theirs = lease_of(rig), lease_of(rig)
    with permit("local"):
        held = await mine.acquire(holder())
        with pytest.raises(LeaseTaken, match="op-1 by ada on bastion since 2026-01-02") as raised:
            await theirs.acquire(holder("op-2"))
        assert raised.value.holder == held
        with pytest.raises(LeaseLost):
            await theirs.beat(holder("op-2", id=held.id))
        await theirs.release(holder("op-2", id="0" * 64))
        await mine.check(held)
        await mine.release(held)
        with pytest.raises(LeaseLost, match="gone"):
            await mine.check(held)
        with pytest.raises(LeaseLost):
            await mine.beat(held)
        other = await theirs.acquire(holder("op-2"))
        with pytest.raises(LeaseLost, match="op-2 by ada"):
            await mine.check(held)
        await mine.release(held)
        await theirs.check(other)


async def test_only_the_lease_that_was_read_is_evicted(rig: Rig) -> None:
    rig.subject.run("app", "sleep 1000")
    lease, other = lease_of(rig), lease_of(rig)
    with permit("local"):
        held = await lease.acquire(holder())
        await lease.beat(held)
        with pytest.raises(LeaseTaken):
            await other.evict(held)
        seen = await other.read()
        assert seen is not None
        await other.evict(seen)
        assert await other.read() is None
        await other.evict(seen)
        new = await other.acquire(holder("op-2"))
        with pytest.raises(LeaseTaken, match="op-2"):
            await lease.evict(seen)
        await other.check(new)


async def test_a_restart_of_the_engine_starts_no_lease(rig: Rig) -> None:
    rig.subject.run("app", "sleep 1000")
    lease = lease_of(rig)
    with permit("local"):
        held = await lease.beat(await lease.acquire(holder()))
    rig.crash()
    assert rig.subject.state(NAME)["Status"] == "created"
    assert await lease_of(rig).read() == held


async def test_a_stranger_under_the_name_is_no_lease(rig: Rig) -> None:
    rig.subject.run("app", "sleep 1000")
    rig.subject.run(NAME, "sleep 1000", start=False)
    lease = lease_of(rig, service="shop", environment="prod")
    with pytest.raises(Conflict, match="is no lease"):
        await lease.read()
    with permit("local"), pytest.raises(Conflict, match="is no lease"):
        await lease.acquire(holder())
    with permit("local"), pytest.raises(NotFound):
        await lease_of(rig, "gone").acquire(holder())


async def test_of_many_at_once_exactly_one_has_it(rig: Rig) -> None:
    """Threads with sources of their own, let go at a barrier, several rounds."""
    rig.subject.run("app", "sleep 1000")
    many, rounds = 4, 6
    barrier = threading.Barrier(many)
    won: list[list[Holder]] = [[] for _ in range(rounds)]
    told: list[Exception] = []

    async def run(number: int) -> None:
        source = make_source(rig.subject.url)
        lease = source.target("container", "app", {}).lease
        await lease.read()
        for turn in range(rounds):
            barrier.wait(30)
            try:
                with permit("local"):
                    held = await lease.acquire(holder(f"op-{number}"))
            except LeaseTaken as error:
                told.append(error)
                held = None
            if held is not None:
                won[turn].append(held)
            barrier.wait(30)
            if held is not None:
                with permit("local"):
                    await lease.release(held)
        await source.close()

    threads = [threading.Thread(target=asyncio.run, args=(run(number),)) for number in range(many)]
    for thread in threads:
        thread.start()
    await asyncio.get_running_loop().run_in_executor(None, lambda: [thread.join(120) for thread in threads])
    assert [len(each) for each in won] == [1] * rounds
    assert len(told) == rounds * (many - 1)
    assert all("by ada on bastion since" in str(error) for error in told)


async def test_odd_names_do_not_clash(rig: Rig) -> None:
    rig.subject.run("app", "sleep 1000")
    odd = ["a b", "a_b", "$(id)", "--help", "x\ny", "é" * 200, "a/b", "a\\b", "..", "shop"]
    with permit("local"):
        held = [await lease_of(rig).acquire(holder(f"op-{n}", service=name)) for n, name in enumerate(odd)]
    assert len({each.id for each in held}) == len(odd)
    lease = lease_of(rig, service="$(id)", environment="prod")
    seen = await lease.read()
    assert seen is not None
    assert (seen.op, seen.service) == ("op-2", "$(id)")


def test_no_two_targets_share_the_name_of_a_lease() -> None:
    triples = [
        ("a", "b", "c"), ("a-b", "c", "d"), ("a", "b-c", "d"), ("a", "b.c", "d"), ("a.b", "c", "d"), ("a", "b", "c.d"),
        ("a-b", "c.d", "e"), ("a", "b", "c-d.e"), ("a-b.c-d", "e", "f"), ("", "", "x"), ("a" * 150, "b", "c"),
    ]  # fmt: skip
    names = {lease_name(*triple) for triple in triples}
    assert len(names) == len(triples)
    assert lease_name("fraud-api", "prod", "fraud-api-1") == "qd-lease-fraud-api-prod.fraud-api-1"
    for name in names:
        assert len(name) < 300
        assert name.startswith("qd-lease-")


def test_what_two_believe_to_hold_is_said() -> None:
    lease = make_source("unix:///nowhere.sock").target("container", "app", {}).lease
    assert isinstance(lease, ContainerLease)
    assert not lease.advisory
    assert "may still arrive" in lease.window
    assert msgspec.structs.fields(Holder)
