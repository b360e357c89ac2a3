"""Old and new beside each other: behind a real haproxy no request fails; by an alias alone that is not promised."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from parts.haproxy import CHECKED, Haproxy
from parts.traffic import Traffic
from quarterdeck_adapters.docker.release.container import ContainerTarget
from quarterdeck_lifecycle.errors import Conflict, Refused
from quarterdeck_lifecycle.release.model import ProbeRule

from .boxcase import Box
from .conftest import make_source

SERVER = """CMD ["sh", "-c", "echo v$BUILD > /srv/index.html; httpd -f -p 8080 -h /srv & trap 'exit 0' TERM; wait"]"""
MOST = 30


class Shop:
    """`app` behind a haproxy."""

    def __init__(self, box: Box, open_haproxy: Callable[..., Haproxy]) -> None:
        self.box = box
        for tag in ("1", "2"):
            box.image(tag, SERVER, f"ENV BUILD={tag}", keep=True)
        self.old = box.start(HostConfig={"PortBindings": {}})
        self.first = self.address()
        self.haproxy = open_haproxy({"app": [*CHECKED, f"server configured {self.first} check"]})
        self.url = self.haproxy.url("app")
        proxy = {"kind": "haproxy", "socket": self.haproxy.socket, "backend": "app", "port": 8080, "drain": 5.0}
        self.target = box.target(proxy=json.dumps(proxy))

    def address(self, name: str = "app") -> str:
        return f"{self.box.inspect(name)['NetworkSettings']['Networks']['test-net']['IPAddress']}:8080"

    async def served(self) -> set[str]:
        """Which versions answer now, over some requests."""
        traffic = Traffic(self.url, concurrency=2)
        async with traffic:
            await traffic.passed(20)
        report = traffic.report()
        assert not report.failed, report
        return set(report.versions)


@pytest.fixture
def shop(box: Box, open_haproxy: Callable[..., Haproxy]) -> Shop:
    return Shop(box, open_haproxy)


@pytest.mark.real("docker.io", "busybox-static", "docker-registry", "haproxy")
@pytest.mark.parametrize("bare_rig", ["real"], indirect=True)
async def test_behind_a_proxy_no_request_fails(shop: Shop) -> None:
    box, target = shop.box, shop.target
    draft = await box.draft(target, "2")
    names = [step.name for step in draft.steps]
    assert (draft.change.mode, draft.gap_s) == ("start-first", 0.0)
    assert names == ["pull", "create", "start", "gate", "route", "drain", "gate", "stop", "prune"]
    assert [step.through for step in draft.steps if step.name == "gate"] == ["direct", "traffic"]
    proxy = next(check for check in draft.checks if check.name == "proxy")
    assert (proxy.ok, "configured" in proxy.said) == (True, True)
    traffic = Traffic(shop.url)
    async with traffic:
        for step in draft.steps:
            if step.phase != "gate":
                await box.do(target, draft.change, step)
                await target.do(draft.change, step, box.say)  # again, without a permit
            if step.name == "start":
                assert set(box.running()) == {"app", "app-qd-new-op-1"}
                assert await target.endpoint(draft.change, "direct") == shop.address("app-qd-new-op-1")
                assert await target.endpoint(draft.change, "traffic") == ""
            await traffic.passed(10)
    report = traffic.report()
    assert (report.failed, list(report.versions), report.last) == ((), ["v1", "v2"], "v2")
    assert box.names() == ["app", "app-qd-kept-op-1"]
    assert box.running() == ["app"]
    assert box.inspect()["HostConfig"]["RestartPolicy"]["Name"] == "always"

    async with Traffic(shop.url) as traffic:
        await box.put_back(target, draft.change)
        await traffic.passed(10)
    assert (traffic.report().failed, traffic.report().last) == ((), "v1")
    box.as_before(shop.old)
    assert "v2" not in await shop.served()


@pytest.mark.real("docker.io", "busybox-static", "docker-registry", "haproxy")
@pytest.mark.parametrize("bare_rig", ["real"], indirect=True)
async def test_dead_before_any_write_behind_a_proxy(shop: Shop) -> None:
    """No request fails, whichever write was the last, on the way and on the way back."""
    box, target = shop.box, shop.target
    async with Traffic(shop.url, concurrency=1) as traffic:
        for write in range(0, MOST, 2):
            draft = await box.draft(target, "2", op=f"op-{write}")
            killed = await box.stopped_at(target, box.release(target, draft), write)
            await box.stopped_at(target, box.put_back(target, draft.change), write % 5)
            await box.put_back(target, draft.change)
            box.as_before(shop.old)
            await target.put_back(draft.change, box.say)
            if not killed:
                break
    assert (killed, write > 8) == (False, True)
    assert traffic.report().failed == ()
    assert await shop.served() == {"v1"}


@pytest.mark.real("docker.io", "busybox-static", "docker-registry", "haproxy")
@pytest.mark.parametrize("bare_rig", ["real"], indirect=True)
async def test_the_old_one_is_not_let_go_before_the_new_one_serves(shop: Shop) -> None:
    box, target = shop.box, shop.target
    draft = await box.draft(target, "2")
    steps = {step.name: step for step in draft.steps}
    await box.release(target, draft, "create")
    with pytest.raises(Conflict, match="does not run"):
        await box.do(target, draft.change, steps["stop"])
    await box.do(target, draft.change, steps["start"])
    with pytest.raises(Conflict, match="does not send traffic"):
        await box.do(target, draft.change, steps["drain"])
    assert "v1" in await shop.served()
    await box.put_back(target, draft.change)
    box.as_before(shop.old)


@pytest.mark.real("docker.io", "busybox-static", "docker-registry", "haproxy")
@pytest.mark.parametrize("bare_rig", ["real"], indirect=True)
async def test_a_proxy_that_routes_elsewhere_stops_the_plan(shop: Shop) -> None:
    shop.haproxy.command("set server app/configured addr 127.0.0.1 port 9")
    draft = await shop.box.draft(shop.target, "2")
    assert [check.said for check in draft.checks if check.ok is False] == [
        f"the proxy sends no traffic to {shop.first}"
    ]
    shop.haproxy.stop()
    draft = await shop.box.draft(shop.target, "2")
    assert any(check.name == "proxy" and check.ok is False for check in draft.checks)


async def test_an_alias_alone_is_an_overlap(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    aliases = {"EndpointsConfig": {"test-net": {"Aliases": ["shop"]}}}
    old = box.start(HostConfig={"PortBindings": {}}, NetworkingConfig=aliases)
    target = box.target()
    draft = await box.draft(target, "2", probe=ProbeRule(http="http://shop:8080/"))
    assert (draft.change.mode, draft.gap_s) == ("overlap", None)
    assert [step.name for step in draft.steps] == ["pull", "create", "start", "gate", "stop", "prune"]
    assert any("0 is not promised" in text for text in draft.warnings)
    await box.release(target, draft, "start")
    assert box.running() == ["app", "app-qd-new-op-1"]
    address = box.inspect("app-qd-new-op-1")["NetworkSettings"]["Networks"]["test-net"]
    assert "shop" in address["Aliases"]
    assert await target.endpoint(draft.change, "direct") == f"{address['IPAddress']}:8080"
    await box.release(target, draft)
    assert (box.running(), box.names()) == (["app"], ["app", "app-qd-kept-op-1"])
    await box.put_back(target, draft.change)
    box.as_before(old)


@pytest.mark.parametrize("bare_rig", ["practice"], indirect=True)
async def test_dead_before_any_write_of_an_overlap(box: Box) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    aliases = {"EndpointsConfig": {"test-net": {"Aliases": ["shop"]}}}
    old, target = box.start(HostConfig={"PortBindings": {}}, NetworkingConfig=aliases), box.target()
    for write in range(MOST):
        for again in range(MOST):
            draft = await box.draft(target, "2", op=f"op-{write}-{again}")
            killed = await box.stopped_at(target, box.release(target, draft), write)
            assert box.running(), "something serves at every moment"
            twice = await box.stopped_at(target, box.put_back(target, draft.change), again)
            assert box.running()
            await box.put_back(target, draft.change)
            box.as_before(old)
            if not twice:
                break
        if not killed:
            break
    assert (killed, write > 5) == (False, True)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"HostConfig": {"NetworkMode": "host", "PortBindings": {}}, "NetworkingConfig": {}}, "host's network"),
        ({}, "host port 127.0.0.1:"),
        ({"Hostname": "fixed", "HostConfig": {"PortBindings": {}}}, "hostname fixed"),
        ({"MacAddress": "02:42:ac:11:00:99", "HostConfig": {"PortBindings": {}}}, "MAC address"),
        ({"HostConfig": {"PortBindings": {}, "Binds": ["data:/data"]}}, "both would write to data"),
        ({"HostConfig": {"PortBindings": {}}, "NetworkingConfig": {}}, "no network alias"),
    ],
)
async def test_what_two_cannot_share_is_stopped_first_and_not_on_another_machine(
    box: Box, body: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.image("1", keep=True)
    box.image("2", keep=True)
    box.start(**{"NetworkingConfig": {"EndpointsConfig": {"test-net": {"Aliases": ["shop"]}}}, **body})
    target = box.target()
    draft = await box.draft(target, "2")
    assert draft.change.mode == "stop-start"
    assert why in draft.warnings[0]
    endpoint = type(box.source.engine().endpoint)
    monkeypatch.setattr(endpoint, "local", property(lambda self: False))
    with pytest.raises(Refused, match="if the link to it died") as raised:
        await box.draft(target, "2")
    assert why in raised.value.why


def test_an_engine_over_ssh_is_another_machine() -> None:
    target = make_source("ssh://somebody@127.0.0.1").target("container", "app", {})
    assert isinstance(target, ContainerTarget)
    assert not target.calls.engine.endpoint.local
