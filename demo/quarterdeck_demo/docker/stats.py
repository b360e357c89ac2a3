"""Statistics as cgroup v1 and v2 hosts give them; shapes recorded from engine 20.10.24 and from the API's page.

https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Container/operation/ContainerStats
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from quarterdeck_demo.docker import tick
from quarterdeck_demo.docker.state import Container, Json, Usage
from quarterdeck_demo.docker.wire import NANO, ZERO_TIME, rfc3339
from quarterdeck_demo.docker.world import World

CPUS = 4
HOST_MEMORY = 16_622_301_184
BOOT_S = 40 * 86_400.0
UNLIMITED_V1 = 9_223_372_036_854_771_712

_BLKIO = ("io_service_bytes", "io_serviced", "io_queue", "io_service_time", "io_wait_time", "io_merged", "io_time")
_EMPTY_CPU: Json = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}


def sample(container: Container, at: float, cgroup: int, before: float | None = None) -> Json:
    """One item; without `before` there is no previous sample, without a process all is zero."""
    item: Json = {"read": ZERO_TIME, "preread": ZERO_TIME, "pids_stats": {}, "blkio_stats": _blkio(None, cgroup)}
    item |= {"num_procs": 0, "storage_stats": {}, "cpu_stats": _EMPTY_CPU, "precpu_stats": _EMPTY_CPU}
    if not container.alive:
        return item | {"memory_stats": {}, "name": f"/{container.name}", "id": container.id}
    usage = container.life.usage(container.run, at)
    item |= {
        "read": rfc3339(at),
        "pids_stats": {"current": usage.pids} | ({"limit": 18446744073709551615} if cgroup == 2 else {}),
        "blkio_stats": _blkio(usage, cgroup),
        "cpu_stats": _cpu(usage, at, cgroup),
    }
    if before is not None:
        item["preread"] = rfc3339(before)
        item["precpu_stats"] = _cpu(container.life.usage(container.run, before), before, cgroup)
    item["memory_stats"] = _memory(usage, container.host_config["Memory"], cgroup)
    item |= {"name": f"/{container.name}", "id": container.id}
    networks = {f"eth{n}": _net(usage) for n, _ in enumerate(container.endpoints)}
    if networks and container.host_config["NetworkMode"] not in ("host", "none"):
        item["networks"] = networks
    return item


async def stream(world: World, container: Container, cgroup: int, interval: float) -> AsyncIterator[bytes]:
    """An item every `interval` seconds until the container is removed; the first has no previous sample."""
    epoch, before = world.epoch, None
    due = world.now
    while not container.gone and world.epoch == epoch:
        now = world.now
        if now < due:
            await world.wait(min(interval, 0.2))
            continue
        tick.advance(world)
        yield json.dumps(sample(container, now, cgroup, before)).encode() + b"\n"
        before = now if container.alive else None
        due = now + interval


def _cpu(usage: Usage, at: float, cgroup: int) -> Json:
    kernel = usage.cpu_ns // 4
    cpu: Json = {"total_usage": usage.cpu_ns}
    if cgroup == 1:
        share = usage.cpu_ns // CPUS
        cpu["percpu_usage"] = [usage.cpu_ns - share * (CPUS - 1), *[share] * (CPUS - 1)]
    cpu |= {"usage_in_kernelmode": kernel, "usage_in_usermode": usage.cpu_ns - kernel}
    return {
        "cpu_usage": cpu,
        "system_cpu_usage": round((at % (400 * 86_400) + BOOT_S) * CPUS * 100) * (NANO // 100),
        "online_cpus": CPUS,
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    }


def _memory(usage: Usage, limit: int, cgroup: int) -> Json:
    anonymous = usage.memory - usage.cache
    top = limit or HOST_MEMORY
    if cgroup == 2:
        stats = {
            "active_anon": 4096, "active_file": usage.cache // 2, "anon": anonymous, "anon_thp": 0,
            "file": usage.cache, "file_dirty": 0, "file_mapped": 0, "file_writeback": 0, "inactive_anon": anonymous,
            "inactive_file": usage.cache - usage.cache // 2, "kernel_stack": 16_384 * usage.pids, "pgactivate": 0,
            "pgdeactivate": 0, "pgfault": 9_000, "pglazyfree": 0, "pglazyfreed": 0, "pgmajfault": 3, "pgrefill": 0,
            "pgscan": 0, "pgsteal": 0, "shmem": 0, "slab": 512_000, "slab_reclaimable": 300_000,
            "slab_unreclaimable": 212_000, "sock": 0, "thp_collapse_alloc": 0, "thp_fault_alloc": 0, "unevictable": 0,
            "workingset_activate": 0, "workingset_nodereclaim": 0, "workingset_refault": 0,
        }  # fmt: skip
        return {"usage": usage.memory, "stats": stats, "limit": top}
    own = {
        "active_anon": 8192, "active_file": usage.cache, "cache": usage.cache, "dirty": 0,
        "inactive_anon": anonymous, "inactive_file": 0, "mapped_file": 0, "pgfault": 2084, "pgmajfault": 0,
        "pgpgin": 1588, "pgpgout": 1560, "rss": anonymous, "rss_huge": 0, "unevictable": 0, "writeback": 0,
    }  # fmt: skip
    stats = {**own, **{f"total_{key}": value for key, value in own.items()}}
    stats |= {
        "hierarchical_memory_limit": limit or UNLIMITED_V1,
        "hierarchical_memsw_limit": 2 * limit or UNLIMITED_V1,
    }
    return {"usage": usage.memory, "max_usage": usage.memory + 3_000_000, "stats": stats, "limit": top}


def _blkio(usage: Usage | None, cgroup: int) -> Json:
    empty: list[Json] | None = None if usage is None or cgroup == 2 else []
    stats: Json = {f"{name}_recursive": empty for name in _BLKIO} | {"sectors_recursive": empty}
    if usage is not None and (usage.read or usage.written):
        pairs = (("Read", "read", usage.read), ("Write", "write", usage.written))
        stats["io_service_bytes_recursive"] = [
            {"major": 259, "minor": 0, "op": one if cgroup == 1 else two, "value": value} for one, two, value in pairs
        ]
    return stats


def _net(usage: Usage) -> Json:
    return {
        "rx_bytes": usage.received, "rx_packets": usage.received // 400, "rx_errors": 0, "rx_dropped": 0,
        "tx_bytes": usage.sent, "tx_packets": usage.sent // 500, "tx_errors": 0, "tx_dropped": 0,
    }  # fmt: skip
