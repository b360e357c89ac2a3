"""Live use: numbers from recorded samples of both kinds of cgroups, and streams from two engines."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from quarterdeck_adapters.docker import stats
from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.kinds import Stats
from quarterdeck_lifecycle.records import Ref

from .conftest import Rig

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text())["stats"]
REF = Ref("local", "container", "x")
# What the engine sends on cgroup v2 (https://docs.docker.com/reference/api/engine/version/v1.47/, "ContainerStats"):
# no percpu_usage, no max_usage, memory details under the kernel's v2 names.
V2: dict[str, Any] = {
    "read": "2026-11-23T06:11:15.000000000Z",
    "preread": "2026-11-23T06:11:14.000000000Z",
    "pids_stats": {"current": 3, "limit": 18446744073709551615},
    "cpu_stats": {"cpu_usage": {"total_usage": 1_500_000_000}, "system_cpu_usage": 40_000_000_000, "online_cpus": 4},
    "precpu_stats": {"cpu_usage": {"total_usage": 1_000_000_000}, "system_cpu_usage": 36_000_000_000, "online_cpus": 4},
    "memory_stats": {
        "usage": 50_000_000,
        "limit": 100_000_000,
        "stats": {"anon": 20_000_000, "file": 30_000_000, "inactive_file": 12_000_000, "active_file": 18_000_000},
    },
    "networks": {"eth0": {"rx_bytes": 100, "tx_bytes": 10}, "eth1": {"rx_bytes": 900, "tx_bytes": 90}},
}


def test_cgroup_v1_as_docker_stats_shows_it() -> None:
    first, second = RECORDED
    assert stats.reading(REF, first, None, 0.0) is None
    found = stats.reading(REF, second, first, 0.0)
    assert found is not None
    memory = second["memory_stats"]
    assert found.memory == memory["usage"] - memory["stats"]["total_inactive_file"]
    used = second["cpu_stats"]["cpu_usage"]["total_usage"] - first["cpu_stats"]["cpu_usage"]["total_usage"]
    passed = second["cpu_stats"]["system_cpu_usage"] - first["cpu_stats"]["system_cpu_usage"]
    assert found.cpu_percent == pytest.approx(used / passed * 2 * 100, abs=0.01)
    assert (found.rx_s, found.tx_s, found.pids) == (0.0, 0.0, 2)


def test_cgroup_v2() -> None:
    found = stats.reading(REF, V2, None, 0.0)
    assert found is not None
    assert (found.cpu_percent, found.memory, found.memory_limit, found.pids) == (50.0, 38_000_000, 100_000_000, 3)
    assert (found.rx_s, found.tx_s) == (None, None)
    later = {**V2, "read": "2026-11-23T06:11:17.000000000Z", "networks": {"eth0": {"rx_bytes": 5000, "tx_bytes": 300}}}
    after = stats.reading(REF, later, V2, 0.0)
    assert after is not None
    assert (after.rx_s, after.tx_s) == (2000.0, 100.0)


def test_a_stopped_container_is_no_sample() -> None:
    stopped = {"read": "0001-01-01T00:00:00Z", "preread": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {}}}
    assert stats.reading(REF, stopped, V2, 0.0) is None


def test_counters_that_began_anew_give_no_rate() -> None:
    again = {**V2, "read": "2026-11-23T06:11:16.000000000Z", "networks": {"eth0": {"rx_bytes": 5, "tx_bytes": 5}}}
    found = stats.reading(REF, again, V2, 0.0)
    assert found is not None
    assert (found.rx_s, found.tx_s) == (None, None)


async def test_only_the_running_ones_asked_for_are_sampled(rig: Rig) -> None:
    calm = "trap 'exit 0' TERM; while true; do sleep 0.05; done"
    for name in ("one", "two", "other"):
        rig.subject.run(name, calm)
    rig.subject.run("ended", "exit 0")
    rig.subject.until("ended", "exited")
    wanted = [(await rig.row(name)).ref for name in ("one", "two", "ended")]
    seen: dict[Ref, Stats] = {}
    samples = rig.source.stats(wanted)
    async with asyncio.timeout(30), aclosing(samples):  # type: ignore[type-var]
        async for sample in samples:
            seen[sample.ref] = sample
            assert rig.source.engine().open_streams == 2
            if len(seen) == 2:
                break
    assert set(seen) == set(wanted[:2])
    assert all(sample.memory and sample.cpu_percent is not None for sample in seen.values())
    assert rig.source.engine().open_streams == 0


async def test_sampling_ends_with_the_last_container(rig: Rig) -> None:
    rig.subject.run("brief", "trap 'exit 0' TERM; while true; do sleep 0.05; done")
    ref = (await rig.row("brief")).ref
    count = 0
    async with asyncio.timeout(30):
        async for _ in rig.source.stats([ref]):
            count += 1
            if count == 1:
                rig.subject.api.remove_container("brief", force=True)
    assert count >= 1
    assert [sample async for sample in rig.source.stats([ref])] == []
    with pytest.raises(NotFound):
        rig.source.stats([Ref("elsewhere", "container", "x")])
