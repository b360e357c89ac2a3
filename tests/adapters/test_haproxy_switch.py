"""Servers come and go behind a real haproxy while it serves: no request fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from adapters.proxyrig import SOURCE, OpenHaproxy, backends, driver
from parts.haproxy import CHECKED, SLOTS
from parts.traffic import Traffic
from quarterdeck_adapters.proxy import Proxy, wait_healthy, wait_idle
from quarterdeck_lifecycle.errors import Timeout
from quarterdeck_lifecycle.permit import permit


async def quiet(_: str) -> None:
    """Say nothing."""


@pytest.mark.parametrize("slots", [(), (SLOTS,)], ids=["added", "slots"])
@pytest.mark.parametrize("keep_alive", [False, True], ids=["close", "keep-alive"])
async def test_a_switch_fails_no_request(open_haproxy: OpenHaproxy, slots: tuple[str, ...], keep_alive: bool) -> None:
    async with backends("one", "two") as (old, new):
        haproxy = open_haproxy({"app": [*CHECKED, *slots, f"server web {old.address} check"]})
        proxy = driver(haproxy)
        async with Traffic(haproxy.url("app"), keep_alive=keep_alive) as traffic:
            await traffic.passed()
            with permit(SOURCE):
                name = await proxy.add("web-2", new.address)
                await wait_healthy(proxy, name)
                await traffic.passed()
                assert set(traffic.versions) == {"one"}, "it waits without traffic"
                await proxy.ready(name)
                await traffic.saw("two")
                await proxy.drain("web")
                await traffic.only("two")
                assert await wait_idle(proxy, "web", quiet) == 0
                await proxy.remove("web")
            await traffic.only("two")
        report = traffic.report()
        assert report.failed == ()
        assert report.ok == report.sent
        assert name == ("slot1" if slots else "web-2")
        assert await proxy.find(old.address) is None


async def test_a_long_request_on_the_old_one_ends_well(open_haproxy: OpenHaproxy) -> None:
    async with backends("one", "two") as (old, new):
        haproxy = open_haproxy({"app": [*CHECKED, f"server web {old.address} check"]})
        proxy, said = driver(haproxy), []

        async def say(line: str) -> None:
            said.append(line)
            old.release.set()

        async with Traffic(haproxy.url("app"), slow="/slow") as traffic:
            new.release.set()
            await old.asked.wait()
            with permit(SOURCE):
                await proxy.add("web-2", new.address)
                await wait_healthy(proxy, "web-2")
                await proxy.ready("web-2")
                await proxy.drain("web")
                await traffic.only("two")
                assert await proxy.sessions("web") == 1
                assert await wait_idle(proxy, "web", say) == 0
                await proxy.remove("web")
        assert said == ["web: 1 in progress"]
        assert traffic.report().failed == ()


async def test_a_drain_that_is_too_long_says_what_is_left_and_ends_it(open_haproxy: OpenHaproxy) -> None:
    async with backends("one", "two") as (old, new):
        haproxy = open_haproxy({"app": [*CHECKED, f"server web {old.address} check"]})
        proxy = driver(haproxy, drain=0.1)
        with permit(SOURCE):
            await proxy.add("web-2", new.address)
            await wait_healthy(proxy, "web-2")
            async with Traffic(haproxy.url("app"), concurrency=0) as traffic:
                await proxy.ready("web-2")
                await proxy.drain("web")
                async with Traffic(haproxy.url("app", "/slow"), concurrency=1) as held:
                    await new.asked.wait()
                    await proxy.ready("web")
                    await proxy.drain("web-2")
                    assert await wait_idle(proxy, "web-2", quiet) == 1
                    assert await traffic.one("/") == "one"
                    await proxy.remove("web-2")
                    old.release.set()
        assert [each.reason for each in held.failed][:1] == ["502"]
        assert await proxy.find(new.address) is None


@pytest.mark.parametrize("slots", [(), (SLOTS,)], ids=["added", "slots"])
async def test_a_server_that_does_not_listen_yet_gets_nothing(
    open_haproxy: OpenHaproxy, slots: tuple[str, ...]
) -> None:
    async with backends("one", "two") as (old, new):
        port = new.port
        await new.server.stop()
        haproxy = open_haproxy({"app": [*CHECKED, *slots, f"server web {old.address} check"]})
        proxy = driver(haproxy)
        async with Traffic(haproxy.url("app")) as traffic:
            with permit(SOURCE):
                name = await proxy.add("web-2", new.address)
                with pytest.raises(Timeout, match=r"does not find .* well"):
                    await wait_healthy(proxy, name, within_s=0.5)
                await proxy.ready(name)
                await traffic.passed()
                await new.server.start_tcp(port)
                await traffic.saw("two")
        assert traffic.report().failed == ()


async def test_a_slot_does_not_inherit_the_health_of_who_was_there(open_haproxy: OpenHaproxy) -> None:
    async with backends("one", "two", "three") as (old, new, dead):
        await dead.server.stop()
        haproxy = open_haproxy({"app": [*CHECKED, SLOTS, f"server web {old.address} check"]})
        proxy = driver(haproxy)
        async with Traffic(haproxy.url("app")) as traffic:
            with permit(SOURCE):
                name = await proxy.add("web-2", new.address)
                await wait_healthy(proxy, name)
                await proxy.remove(name)
                assert await proxy.add("web-3", dead.address) == name
                assert not await proxy.healthy(name)
                await proxy.ready(name)
            await traffic.passed(40)
        assert traffic.report().failed == ()
        assert set(traffic.versions) == {"one"}


Step = Callable[[Proxy, str], Awaitable[object]]
FORWARD: list[Step] = [
    lambda proxy, address: proxy.add("web-2", address),
    lambda proxy, address: wait_healthy(proxy, address),
    lambda proxy, address: proxy.ready(address),
    lambda proxy, _: proxy.drain("web"),
    lambda proxy, _: proxy.remove("web"),
]


@pytest.mark.parametrize("done", range(len(FORWARD) + 1))
async def test_put_back_after_any_step_fails_no_request(open_haproxy: OpenHaproxy, done: int) -> None:
    """By addresses alone, as a runner does that knows nothing of the one before it."""
    async with backends("one", "two") as (old, new):
        haproxy = open_haproxy({"app": [*CHECKED, f"server web {old.address} check"]})
        async with Traffic(haproxy.url("app")) as traffic:
            await traffic.passed(5)
            with permit(SOURCE):
                for step in FORWARD[:done]:
                    await step(driver(haproxy), new.address)
                proxy = driver(haproxy)
                for _ in range(2):
                    await proxy.add("web", old.address)
                    await wait_healthy(proxy, old.address)
                    await proxy.ready(old.address)
                    await proxy.drain(new.address)
                    await wait_idle(proxy, new.address, quiet)
                    await proxy.remove(new.address)
            await traffic.only("one")
        assert traffic.report().failed == ()
        states = [(server.address, server.state) for server in (await proxy.servers()).values()]
        assert states == [(old.address, "ready")]
