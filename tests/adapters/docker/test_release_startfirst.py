"""Start-first on a real engine behind a real haproxy, under traffic: no request fails, whatever befalls a release."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from adapters.proxyrig import OpenHaproxy
from parts.engine import IDLE
from parts.engine import Engine as Docker
from parts.haproxy import SLOTS
from parts.traffic import Traffic
from quarterdeck_lifecycle.errors import Conflict, Refused
from quarterdeck_lifecycle.permit import permit

from .startfirstcase import Shop, lines

MakeShop = Callable[..., Shop]
NETWORK = "edge"


@pytest.fixture
async def open_shop(fresh_engine: Docker, open_haproxy: OpenHaproxy) -> AsyncIterator[MakeShop]:
    """A shop with `v1` running behind haproxy; more lines of its backend, and files of `v1`, may be given."""
    shops: list[Shop] = []
    fresh_engine.network(NETWORK)

    def make(*more: str, files: Mapping[str, str] | None = None) -> Shop:
        shop = Shop(fresh_engine, NETWORK)
        shops.append(shop)
        shop.build("v1", files)
        shop.behind(open_haproxy({"app": lines(shop.start("v1"), more)}))
        return shop

    yield make
    for shop in shops:
        await shop.close()


@pytest.mark.parametrize("slots", [(), (SLOTS,)], ids=["added", "slots"])
async def test_a_deploy_under_traffic_fails_no_request(open_shop: MakeShop, slots: tuple[str, ...]) -> None:
    shop = open_shop(*slots)
    shop.build("v2")
    await shop.routed()
    async with Traffic(shop.haproxy.url("app"), keep_alive=True) as traffic:
        await traffic.passed()
        ended = await shop.deploy("v2")
        assert ended.result == "SUCCEEDED", ended
        await traffic.only("v2")
    report = traffic.report()
    assert report.failed == ()
    assert list(report.versions) == ["v1", "v2"]
    servers = [server for server in (await shop.proxy().servers()).values() if server.state != "maint"]
    assert [server.address for server in servers] == [shop.address("app")]


async def test_a_long_request_on_the_old_one_ends_well(open_shop: MakeShop) -> None:
    """D10, with 2 s for its 10: the old one is stopped as soon as its last session has ended, and not before."""
    shop = open_shop()
    shop.build("v2")
    await shop.routed()
    async with Traffic(shop.haproxy.url("app"), slow="/cgi-bin/slow", pause=0.01) as traffic:
        ended = await shop.deploy("v2")
        assert ended.result == "SUCCEEDED", ended
        await traffic.only("v2")
    assert traffic.report().failed == ()
    assert "web: 1 in progress" in [text for _, _, text in shop.book.notes]


async def test_put_back_once_it_was_routed_fails_no_request(open_shop: MakeShop) -> None:
    """From after route, drain and the last step, each time by a handle that knows only the change; a second time
    without the permit: that writes nothing."""
    shop = open_shop()
    shop.build("v2")
    await shop.routed()
    first = shop.docker.api.inspect_container("app")["Id"]
    async with Traffic(shop.haproxy.url("app")) as traffic:
        plan = await shop.plan("v2")
        mine = [step for step in plan.steps if step.target and step.phase != "gate"]
        assert [step.name for step in mine] == ["pull", "create", "start", "route", "drain", "stop", "prune"]
        for count in (4, 5, 7):
            await shop.steps(plan, count)
            if count >= 5:
                await traffic.only("v2")
            with permit("local"):
                await shop.target().put_back(plan.changes[0], shop.say)
            await shop.target().put_back(plan.changes[0], shop.say)
            await traffic.only("v1")
            found = shop.docker.api.inspect_container("app")
            assert (found["Id"], found["State"]["Running"]) == (first, True)
            assert found["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
            assert len(shop.docker.api.containers(all=True)) == 1
            servers = [server for server in (await shop.proxy().servers()).values() if server.state != "maint"]
            assert [(each.address, each.state) for each in servers] == [(shop.address("app"), "ready")]
    assert traffic.report().failed == ()


async def test_a_misrouted_proxy_fails_the_gate_and_the_old_one_keeps_serving(open_shop: MakeShop) -> None:
    """D9: the container proves itself, but behind the proxy, which prefixes the path, it has nothing there."""
    shop = open_shop("http-request set-path /old%[path] if { path /proof }", files={"/www/old/proof": "well\n"})
    shop.build("v2", {"/www/proof": "well\n"})
    await shop.routed()
    first = shop.docker.api.inspect_container("app")["Id"]
    async with Traffic(shop.haproxy.url("app")) as traffic:
        ended = await shop.deploy("v2", probe="/proof")
        assert ended.result == "ROLLED_BACK", ended
        assert "404" in ended.message
        await traffic.only("v1")
    assert traffic.report().failed == ()
    assert shop.gates() == {"direct": "DONE", "traffic": "FAILED", "back": "DONE"}
    assert shop.docker.api.inspect_container("app")["Id"] == first
    assert len(shop.docker.api.containers(all=True)) == 1


async def test_a_version_that_proves_nothing_is_never_routed(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.build("v2", command=IDLE)
    await shop.routed()
    async with Traffic(shop.haproxy.url("app")) as traffic:
        ended = await shop.deploy("v2")
        assert ended.result == "ROLLED_BACK", ended
        await traffic.only("v1")
    assert traffic.report().failed == ()
    assert set(traffic.versions) == {"v1"}
    assert shop.gates() == {"direct": "FAILED", "back": "DONE"}


async def test_a_proxy_that_forgot_the_new_one_keeps_the_old_one(open_shop: MakeShop) -> None:
    """haproxy was reloaded between routing and draining: what it was told at runtime is gone."""
    shop = open_shop()
    shop.build("v2")
    await shop.routed()
    plan = await shop.plan("v2")
    await shop.steps(plan, 4)
    shop.haproxy.restart()
    await shop.routed()
    async with Traffic(shop.haproxy.url("app")) as traffic:
        with pytest.raises(Conflict, match="does not send traffic to the new one"):
            await shop.steps(plan, 5, since=4)
        with permit("local"):
            await shop.target().put_back(plan.changes[0], shop.say)
        await traffic.only("v1")
    assert traffic.report().failed == ()


async def test_what_the_proxy_cannot_do_is_said_before_anything_is_done(open_shop: MakeShop) -> None:
    shop = open_shop()
    shop.build("v2")
    before = shop.haproxy.command("show servers state app")
    for settings, why in (
        ({"backend": "app;disable frontend in-app"}, "is not sent"),
        ({"backend": "app\nshutdown sessions server app/web"}, "is not sent"),
        ({"backend": "nope"}, "no backend nope"),
        ({"port": 8081}, "sends no traffic to"),
        ({"socket": "unix:///nowhere"}, "check that haproxy runs"),
    ):
        shop.settings.update(settings)
        with pytest.raises(Refused, match=why):
            await shop.plan("v2")
        shop.settings.update(shop.given)
    assert "forgets servers added to app" in " ".join((await shop.plan("v2")).warnings)
    assert [line.split()[:5] for line in shop.haproxy.command("show servers state app").splitlines()[2:]] == [
        line.split()[:5] for line in before.splitlines()[2:]
    ]
    assert len(shop.docker.api.containers(all=True)) == 1
