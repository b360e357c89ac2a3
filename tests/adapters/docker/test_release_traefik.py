"""Start-first by labels: a real engine with its healthchecks, and Traefik as its documentation says it follows them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from adapters.traefikrig import Container, Traefik
from parts.engine import Engine as Docker
from quarterdeck_adapters.docker.release import reviving
from quarterdeck_adapters.docker.release.container import ContainerTarget
from quarterdeck_adapters.proxy import traefik as driver_module
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.model import Plan, ProbeRule
from quarterdeck_lifecycle.release.planning import Request, make_plan

from .conftest import make_source, until

REPOSITORY = "127.0.0.1:1/team/app"
LABELS = {"traefik.enable": "true", "traefik.http.services.shop.loadbalancer.server.port": "8080"}
SECOND = 1_000_000_000
CHECK = {"test": ["CMD", "test", "!", "-e", "/dev/shm/drain"], "interval": SECOND // 5, "retries": 2}


class Street:
    """`app` with Traefik's labels; the Traefik looks at the engine again and again."""

    def __init__(self, docker: Docker) -> None:
        self.docker, self.traefik = docker, Traefik()
        self.source = make_source(docker.url)
        self.api = docker.new_api()
        self.said: list[str] = []
        self.cut: set[str] = set()
        """Addresses that stopped while traffic was sent to them."""
        for tag in ("v1", "v2"):
            docker.image(f"{REPOSITORY}:{tag}", files={"/version": tag})

    def look(self) -> None:
        """What the provider sees of the engine (events, then inspect)."""
        found = [self.api.inspect_container(each["Id"]) for each in self.api.containers()]
        self.traefik.containers = [
            Container(
                each["NetworkSettings"]["Networks"]["edge"]["IPAddress"], each["Config"]["Labels"],
                (each["State"].get("Health") or {}).get("Status", ""), each["State"]["Running"],
            )
            for each in found
        ]  # fmt: skip
        routed = {url for urls in self.traefik.services.values() for url in urls}
        self.cut |= routed - {f"http://{each.ip}:8080" for each in self.traefik.containers}
        self.traefik.sync()

    async def follow(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(0.05)

    def start(self, **options: object) -> str:
        """Run v1; its id."""
        given = {"labels": LABELS, "healthcheck": CHECK, **options}
        return self.docker.run(f"{REPOSITORY}:v1", name="app", network="edge", **given)

    def target(self, **settings: object) -> ContainerTarget:
        """A handle of its own."""
        proxy = {"kind": "traefik", "backend": "shop", "port": 8080, "api": self.traefik.url, "drain": 0.1,
                 "drain_exec": ["touch", "/dev/shm/drain"], **settings}  # fmt: skip
        made = self.source.target("container", "app", {"stop_timeout": "5", "proxy": json.dumps(proxy)})
        assert isinstance(made, ContainerTarget)
        return made

    async def plan(self, **settings: object) -> Plan:
        """A deploy of v2."""
        request = Request(
            kind="deploy", op="op-1", service="shop", environment="prod", wanted="v2", reason="", actor="ada",
            origin="", host="bastion", at="2026-01-02T03:04:05Z", image=REPOSITORY, probe=ProbeRule(engine=True),
        )  # fmt: skip
        return await make_plan(request, [self.target(**settings)])

    async def steps(self, plan: Plan, until_: str) -> None:
        """Up to and with that step, gates left out."""
        for step in plan.steps:
            if step.target and step.phase != "gate":
                with permit("local"):
                    await self.target().do(plan.changes[0], step, self.say)
            if step.name == until_:
                return

    async def say(self, line: str) -> None:
        """Keep it."""
        self.said.append(line)

    async def listed(self, *ids: str) -> None:
        """Wait until exactly these containers are what Traefik sends traffic to."""

        def urls() -> set[str]:
            inspect = self.docker.api.inspect_container
            return {f"http://{inspect(id)['NetworkSettings']['Networks']['edge']['IPAddress']}:8080" for id in ids}

        async def so() -> bool:
            return set(self.traefik.services.get("shop@docker", [])) == urls()

        await until(so, "Traefik to list them")


@pytest.fixture
async def street(fresh_engine: Docker, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Street]:
    monkeypatch.setattr(driver_module, "POLL_S", 0.05)
    fresh_engine.network("edge")
    made = Street(fresh_engine)
    made.traefik.url = f"http://127.0.0.1:{await made.traefik.server.start_tcp()}"
    task = asyncio.create_task(made.follow())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await made.traefik.server.stop()
        await made.source.close()


async def test_the_new_one_is_listed_before_the_old_one_is_dropped_and_stopped(street: Street) -> None:
    first = street.start()
    await street.listed(first)
    plan = await street.plan()
    assert plan.changes[0].mode == "start-first"
    await street.steps(plan, "route")
    new = street.docker.api.inspect_container("app-qd-new-op-1")["Id"]
    await street.listed(first, new)
    await street.steps(plan, "drain")
    await street.listed(new)
    assert street.docker.api.inspect_container(first)["State"]["Running"]
    await street.steps(plan, "prune")
    await street.listed(new)
    assert not street.docker.api.inspect_container(first)["State"]["Running"]
    assert street.cut == set()


@pytest.mark.parametrize("done", ["start", "route", "drain"])
async def test_put_back_has_the_old_one_listed_for_good(street: Street, done: str) -> None:
    first = street.start()
    await street.listed(first)
    plan = await street.plan()
    await street.steps(plan, done)
    with permit("local"):
        await street.target().put_back(plan.changes[0], street.say)
    await street.target().put_back(plan.changes[0], street.say)
    assert [each["Id"] for each in street.docker.api.containers(all=True)] == [first]
    await street.listed(first)
    assert any("is restarted" in line for line in street.said) == (done == "drain")


async def test_a_drain_that_has_not_shown_yet_is_seen_by_the_next_healthcheck(street: Street) -> None:
    """The program ran and the runner died: Traefik lists the old one still, and will not for long."""
    first = street.start()
    await street.listed(first)
    plan = await street.plan()
    await street.steps(plan, "route")
    made = street.docker.api.exec_create(first, ["touch", "/dev/shm/drain"])
    street.docker.api.exec_start(made["Id"])
    with permit("local"):
        await street.target().put_back(plan.changes[0], street.say)
    assert any("is restarted" in line for line in street.said)
    await street.listed(first)
    assert street.cut == set()
    passes = street.docker.api.inspect_container(first)["State"]["Health"]
    assert passes["Status"] == "healthy"


async def test_what_traefik_cannot_be_made_to_drop_is_refused(street: Street) -> None:
    street.start(healthcheck=None)
    with pytest.raises(Refused, match="no healthcheck"):
        await street.plan()
    street.docker.api.remove_container("app", force=True)
    await street.listed(street.start())
    with pytest.raises(Refused, match="no drain_exec"):
        await street.plan(drain_exec=None)


def test_a_healthcheck_may_be_switched_off() -> None:
    for check in (None, {}, {"Test": ["NONE"]}, {"Test": []}):
        assert reviving.undrainable("traefik", {"Config": {"Healthcheck": check}})
    assert not reviving.undrainable("traefik", {"Config": {"Healthcheck": {"Test": ["CMD", "true"]}}})
    assert not reviving.undrainable("haproxy", {"Config": {}})
