"""What a real haproxy keeps over a reload, what a plan says of a backend, and which servers are not a release's."""

from __future__ import annotations

import pytest

from adapters.proxyrig import SOURCE, OpenHaproxy, backends, driver
from parts.haproxy import CHECKED, PLAIN_SLOTS, SLOTS
from parts.traffic import Traffic
from quarterdeck_adapters.proxy import Server, make, wait_healthy
from quarterdeck_lifecycle.errors import Conflict, NotFound, Unsupported
from quarterdeck_lifecycle.permit import permit

DEAD = "127.0.0.1:1"


async def test_a_reload_forgets_added_servers_and_keeps_slots(open_haproxy: OpenHaproxy) -> None:
    """What the warnings say is so."""
    kinds = {"added": [], "plain": [PLAIN_SLOTS], "slots": [PLAIN_SLOTS, SLOTS]}
    async with backends("one", "two") as (old, new):
        haproxy = open_haproxy(
            {name: [*CHECKED, *lines, f"server web {old.address} check"] for name, lines in kinds.items()}
        )
        with permit(SOURCE):
            for backend in kinds:
                proxy = driver(haproxy, backend)
                name = await proxy.add("web-2", new.address)
                await wait_healthy(proxy, name)
                await proxy.ready(name)
        haproxy.save_state()
        haproxy.restart()
        assert await driver(haproxy, "added").find(new.address) is None
        assert await driver(haproxy, "plain").find(new.address) is None
        assert (await driver(haproxy, "slots").servers())["slot1"].address == new.address
        async with Traffic(haproxy.url("slots")) as traffic:
            await traffic.saw("two")
        assert traffic.report().failed == ()
        with pytest.raises(NotFound, match="reloaded"):
            await driver(haproxy, "added").healthy(new.address)
        assert "forgets servers added to added" in " ".join(await driver(haproxy, "added").warnings())
        assert "loses the addresses of plain's slots" in " ".join(await driver(haproxy, "plain").warnings())
        assert "only with server-state-file" in " ".join(await driver(haproxy, "slots").warnings())


async def test_warnings_tell_what_a_plan_must_say(open_haproxy: OpenHaproxy) -> None:
    haproxy = open_haproxy(
        {
            "bare": ["server-template slot 2 0.0.0.0:0 disabled"],
            "sticky": ["cookie SRV insert", f"server web {DEAD} cookie web"],
        }
    )
    said = {name: " ".join(await driver(haproxy, name).warnings()) for name in haproxy.ports}
    assert "have no `check`" in said["bare"]
    assert "forgets" not in said["bare"]
    assert "cookies bind clients" in said["sticky"]


async def test_what_would_stop_a_release_half_way_is_said_before(open_haproxy: OpenHaproxy) -> None:
    haproxy = open_haproxy(
        {
            "app": [f"server web {DEAD}"],
            "static": ["balance static-rr", f"server web {DEAD}"],
            "staticslots": ["balance static-rr", SLOTS],
            "secure": [f"server web {DEAD} ssl verify none"],
            "random": ["balance random(3)", f"server web {DEAD}"],
            "least": ["balance leastconn", f"server web {DEAD}"],
            "first": ["balance first", f"server web {DEAD}"],
            "ring": ["balance hdr(host)", "hash-type consistent", f"server web {DEAD}"],
            "map": ["balance hdr(host)", f"server web {DEAD}"],
        }
    )
    weak = make(SOURCE, {"kind": "haproxy", "backend": "app", "socket": haproxy.weak_socket})
    with pytest.raises(Unsupported, match="has the level operator"):
        await weak.warnings()
    for backend, why in (("static", "balances by"), ("secure", "use TLS")):
        with pytest.raises(Unsupported, match=why):
            await driver(haproxy, backend).warnings()
        with permit(SOURCE), pytest.raises(Unsupported):
            await driver(haproxy, backend).add("x", "127.0.0.1:2")
    for backend in ("app", "staticslots", "random", "least", "first", "ring"):
        assert await driver(haproxy, backend).warnings()
        with permit(SOURCE):
            await driver(haproxy, backend).add("x", "127.0.0.1:2")
    assert "hash-type consistent" in " ".join(await driver(haproxy, "map").warnings())
    with permit(SOURCE), pytest.raises(Unsupported):
        await driver(haproxy, "map").add("x", "127.0.0.1:2")


async def test_a_server_that_dns_moves_keeps_its_address(open_haproxy: OpenHaproxy) -> None:
    proxy = driver(open_haproxy({"app": ["server web localhost:1 check"]}))
    with permit(SOURCE):
        await proxy.remove("web")
        await proxy.remove("web")
        assert await proxy.add("new", "127.0.0.1:3") == "new"
    web = (await proxy.servers())["web"]
    assert web.state == "maint"
    assert web.address in ("127.0.0.1:1", "[::1]:1")


async def test_a_slot_without_checks_is_taken_as_it_is(open_haproxy: OpenHaproxy) -> None:
    async with backends("one") as (one,):
        proxy = driver(open_haproxy({"app": ["server-template slot 2 0.0.0.0:0 disabled"]}))
        with permit(SOURCE):
            name = await proxy.add("web", one.address)
            assert await proxy.healthy(name)
            assert (await proxy.servers())[name] == Server(
                name=name, address=one.address, state="drain", health="none", sessions=0
            )
            await proxy.ready(name)


async def test_a_server_that_haproxy_keeps_from_serving_is_a_conflict(open_haproxy: OpenHaproxy) -> None:
    """`track` hands the maintenance of one server down to another."""
    haproxy = open_haproxy({"app": [*CHECKED, f"server lead {DEAD} check", "server web 127.0.0.1:2 track app/lead"]})
    haproxy.command("set server app/lead state maint")
    with permit(SOURCE), pytest.raises(Conflict, match="may track another"):
        await driver(haproxy).ready("web")


async def test_a_slot_of_somebody_else_is_left_alone(open_haproxy: OpenHaproxy) -> None:
    """A server in maintenance with an address was put there by an operator."""
    haproxy = open_haproxy({"app": [*CHECKED, f"server web {DEAD} check", "server spare 127.0.0.1:2 check disabled"]})
    with permit(SOURCE):
        assert await driver(haproxy).add("new", "127.0.0.1:3") == "new"
    assert (await driver(haproxy).servers())["spare"].state == "maint"
