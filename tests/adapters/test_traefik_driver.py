"""The Traefik driver against what Traefik's documentation says: waiting, draining by exec, errors."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from adapters.traefikrig import Container, Traefik, labelled, traefik
from quarterdeck_adapters.proxy import Proxy, make, settings_of
from quarterdeck_adapters.proxy import traefik as driver_module
from quarterdeck_adapters.proxy.base import Settings
from quarterdeck_adapters.proxy.traefik import _listed
from quarterdeck_demo.faults import AnyFault, Html, Reset, Status
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Conflict,
    Forbidden,
    Malformed,
    QuarterdeckError,
    Refused,
    Timeout,
    Unavailable,
    Unsupported,
)
from quarterdeck_lifecycle.permit import permit

SOURCE = "edge"
OLD, NEW = "172.18.0.2:8080", "172.18.0.3:8080"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come is not waited for as long as in earnest."""
    monkeypatch.setattr(driver_module, "POLL_S", 0.02)


class Old:
    """The old container, in which a program runs: it fails the healthcheck."""

    def __init__(self, container: Container, works: bool = True) -> None:
        self.container, self.works, self.ran = container, works, []

    async def run(self, argv: Sequence[str]) -> None:
        """docker exec."""
        self.ran.append(tuple(argv))
        if self.works:
            self.container.health = "unhealthy"


def driver(at: Traefik, run: object = None, backend: str = "shop", appear_s: float = 5.0, **settings: object) -> Proxy:
    """The driver of a service of this Traefik."""
    made = make(SOURCE, {"kind": "traefik", "backend": backend, "api": at.url, **settings}, run)  # type: ignore[arg-type]
    made.appear_s = appear_s  # type: ignore[attr-defined]
    return made


async def test_a_switch_waits_for_what_traefik_lists() -> None:
    old, new = labelled("172.18.0.2"), labelled("172.18.0.3", health="starting")
    async with traefik(old) as at:
        inside = Old(old)
        proxy = driver(at, inside.run, drain=3600, drain_exec=["touch", "/dev/shm/drain"])
        assert await proxy.find(OLD) == OLD
        at.containers.append(new)
        adding = asyncio.create_task(proxy.add("web-2", NEW))
        await at.looked(3)
        assert not adding.done(), "a container that is starting is not listed"
        assert not await proxy.healthy(NEW)
        new.health = "healthy"
        assert await adding == NEW
        assert await proxy.healthy(NEW)
        await proxy.ready(NEW)
        assert await proxy.sessions(OLD) == 1
        with permit(SOURCE):
            await proxy.drain(OLD)
            await proxy.drain(OLD)
        assert inside.ran == [("touch", "/dev/shm/drain")], "once"
        assert list(await proxy.servers()) == [NEW]
        assert await proxy.sessions(OLD) == 1, "it was in use until a moment ago"
        assert await driver(at, drain=0).sessions(OLD) == 0
        await proxy.remove(OLD)
        assert [method for method, *_ in at.server.requests if method != "GET"] == [], "the API is only read"


async def test_a_drain_needs_the_permit_and_a_program() -> None:
    old = labelled("172.18.0.2")
    async with traefik(old) as at:
        inside = Old(old)
        with pytest.raises(Refused, match="would write"):
            await driver(at, inside.run, drain_exec=["x"]).drain(OLD)
        with permit(SOURCE):
            with pytest.raises(Unsupported, match="no drain_exec"):
                await driver(at, inside.run).drain(OLD)
            with pytest.raises(Unsupported, match="no drain_exec"):
                await driver(at, None, drain_exec=["x"]).drain(OLD)
    assert inside.ran == []


async def test_a_drain_that_changes_nothing_is_a_timeout() -> None:
    old = labelled("172.18.0.2")
    async with traefik(old) as at:
        proxy = driver(at, Old(old, works=False).run, appear_s=0.1, drain_exec=["true"])
        with permit(SOURCE), pytest.raises(Timeout, match=r"still lists .*healthcheck"):
            await proxy.drain(OLD)


async def test_put_back_waits_until_the_old_one_is_healthy_again() -> None:
    old = labelled("172.18.0.2", health="unhealthy")
    async with traefik(old) as at:
        proxy = driver(at, appear_s=0.1, drain_exec=["x"])
        with pytest.raises(Conflict, match="undo what drain_exec did"):
            await proxy.ready(OLD)
        waiting = asyncio.create_task(driver(at).ready(OLD))
        old.health = "healthy"
        await waiting
        assert await proxy.find(OLD) == OLD


async def test_one_that_never_comes_is_a_timeout_and_one_that_is_down_is_not_well() -> None:
    async with traefik(labelled("172.18.0.2")) as at:
        with pytest.raises(Timeout, match=r"does not list 172.18.0.3:8080.*labelled"):
            await driver(at, appear_s=0.1).add("web-2", NEW)
        at.down.add(f"http://{OLD}")
        assert not await driver(at).healthy(OLD)


async def test_only_the_service_s_own_labels_count() -> None:
    async with traefik(
        labelled("172.18.0.2"), labelled("172.18.0.9", "other"), labelled("172.18.0.8", health="")
    ) as at:
        assert list(await driver(at).servers()) == [OLD, "172.18.0.8:8080"]
        assert list(await driver(at, backend="other@docker").servers()) == ["172.18.0.9:8080"]
        assert await driver(at, backend="nobody").servers() == {}


async def test_warnings_tell_what_a_plan_must_say() -> None:
    async with traefik() as at:
        said = " ".join(await driver(at, drain_exec=["x"]).warnings())
        assert "lists no servers for shop@docker" in said
        assert "30 s are waited" in said
        with pytest.raises(Unsupported, match="no drain_exec"):
            await driver(at).warnings()


async def test_a_restart_of_traefik_is_waited_for() -> None:
    async with traefik(labelled("172.18.0.3")) as at:
        port = int(at.url.rpartition(":")[2])
        await at.server.stop()
        with pytest.raises(Unavailable):
            await driver(at, appear_s=0.1).add("web-2", NEW)
        waiting = asyncio.create_task(driver(at).add("web-2", NEW))
        await asyncio.sleep(0)
        await at.server.start_tcp(port)
        assert await waiting == NEW


async def test_another_kind_of_service_is_unsupported() -> None:
    async with traefik() as at:
        with pytest.raises(Unsupported, match="weighted"):
            await driver(at, backend="weighted@file").servers()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Status(code=401), AuthFailed), (Status(code=403), Forbidden), (Status(code=500), Unavailable),
        (Html(), Malformed), (Reset(), Unavailable),
    ],
)  # fmt: skip
async def test_errors_of_the_api_are_typed(fault: AnyFault, error: type[QuarterdeckError]) -> None:
    async with traefik(labelled("172.18.0.2")) as at:
        at.server.faults.add(fault)
        with pytest.raises(error) as caught:
            await driver(at).servers()
        assert type(caught.value) is error


@pytest.mark.parametrize("body", [None, [], "x", 3])
def test_what_is_no_service_is_malformed(body: object) -> None:
    with pytest.raises(Malformed):
        _listed(body, SOURCE)


def test_servers_that_cannot_be_read_are_left_out() -> None:
    body = {
        "loadBalancer": {
            "servers": [{"url": "http://10.0.0.1"}, {"url": "https://10.0.0.2"}, {"url": "h2c://[::1]:9"}, {"url": "x"},
                        {"url": "http://example.org:80"}, {"url": "http://1.2.3.4:99999"}, 7, {}]
        }
    }  # fmt: skip
    found = _listed(body, SOURCE)
    assert list(found) == ["10.0.0.1:80", "10.0.0.2:443", "[::1]:9"]
    assert {server.health for server in found.values()} == {"unknown"}
    assert _listed({"loadBalancer": {"servers": None}}, SOURCE) == {}


@pytest.mark.parametrize("name", ["a/../b", "a b", "", "a@b@c", "a\n", "a?x=1", "a#b"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(QuarterdeckError):
        make(SOURCE, {"kind": "traefik", "backend": name, "api": "http://127.0.0.1:1"})


def test_settings_are_read_from_texts_too() -> None:
    """As the config gives them, and as a change's facts keep them."""
    texts = {"kind": "traefik", "backend": "shop", "port": "8080", "api": "http://x", "drain": "2.5",
             "drain_exec": '["touch", "/x y"]'}  # fmt: skip
    values = {**texts, "port": 8080, "drain": 2.5, "drain_exec": ("touch", "/x y"), "network": None, "socket": None}
    wanted = Settings(
        kind="traefik", backend="shop", port=8080, api="http://x", drain_s=2.5, drain_exec=("touch", "/x y")
    )
    assert settings_of(SOURCE, texts) == settings_of(SOURCE, values) == wanted
    assert settings_of(SOURCE, {"kind": "haproxy", "backend": "b", "drain": 0.0}).drain_s == 0.0
