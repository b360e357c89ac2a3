"""Requests against a service while it is rolled and put back, counted; on a real overlay network."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from parts.engine import IDLE
from parts.process import wait_until
from parts.registry import Registry
from parts.swarm import Swarm
from parts.swarmprobe import HEALTH, SERVE, Traffic
from quarterdeck_lifecycle.errors import Conflict

from .swarmcase import Case

pytestmark = [pytest.mark.real("docker.io", "busybox-static", "docker-registry"), pytest.mark.xdist_group("swarm")]


@pytest.fixture
async def case(swarm: Swarm, registry: Registry) -> AsyncIterator[Case]:
    async with Case(swarm, registry) as made:
        yield made


async def counted(case: Case, order: str) -> tuple[float | None, Traffic]:
    """Roll one task to another image, start-first back too, under traffic."""
    one, two = (case.image(f"web-{tag}", command=SERVE) for tag in "12")
    case.swarm.service("web", one, networks=[case.swarm.overlay], health=HEALTH, order=order)
    draft = await case.draft(two)
    with Traffic(case.swarm, one, "web") as traffic:
        await case.do(draft)
        wait_until(lambda: traffic.served["web-2"], "the new one to answer")
        if order == "start-first":
            await case.put_back(draft.change)
            assert case.only(one)
        print(traffic.stop())
    return draft.gap_s, traffic


async def test_start_first_with_a_health_check_fails_no_request(case: Case) -> None:
    gap, traffic = await counted(case, "start-first")
    assert (gap, traffic.failed) == (0.0, [])


async def test_stop_first_promises_nothing_and_leaves_requests_waiting_or_failed(case: Case) -> None:
    gap, traffic = await counted(case, "stop-first")
    assert gap is None
    # The old one is out of the name's answers for the second that it takes to end.
    assert traffic.failed or traffic.longest_s >= 1


@pytest.mark.parametrize("action", ["pause", "rollback"])
async def test_an_image_that_never_gets_well_takes_nothing_down(case: Case, action: str) -> None:
    one = case.image("web-1", command=SERVE)
    ill = case.image("ill", command=IDLE)
    case.swarm.service("web", one, networks=[case.swarm.overlay], health=HEALTH, action=action, monitor_s=1.0)
    draft = await case.draft(ill)
    with Traffic(case.swarm, one, "web") as traffic:
        with pytest.raises(Conflict, match="unhealthy"):
            await case.do(draft)
        evidence = await case.target().evidence(draft.change, "new", 50)
        await case.put_back(draft.change)
        print(traffic.stop())
    assert "health check: unhealthy" in evidence.state
    assert traffic.failed == []
    assert case.only(one)
