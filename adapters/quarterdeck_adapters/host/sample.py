"""What the machine's counters say, once, and what two such samples say together."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress

import msgspec

_NOT_DISKS = frozenset({"squashfs", "iso9660", "udf", "erofs", "cramfs"})
_LOOPBACK = ("lo",)


class Disk(msgspec.Struct, frozen=True):
    """A mounted filesystem; sizes in bytes, `percent` as df(1) counts it."""

    mountpoint: str
    device: str
    fstype: str
    total: int
    used: int
    free: int
    percent: float


class Sample(msgspec.Struct, frozen=True):
    """The counters at one moment: CPU seconds, bytes, `at` in seconds of a clock that only goes forward."""

    at: float
    busy: float
    total: float
    cores: int
    load: tuple[float, ...]
    memory: int
    memory_total: int
    swap: int
    disks: tuple[Disk, ...]
    received: int
    sent: int
    booted_at: float


def take() -> Sample:
    """Read the counters. Blocks for a few milliseconds."""
    import psutil

    cpu = psutil.cpu_times()
    resting = cpu.idle + getattr(cpu, "iowait", 0.0)
    # guest time is part of user time already
    total = sum(cpu) - getattr(cpu, "guest", 0.0) - getattr(cpu, "guest_nice", 0.0)
    memory = psutil.virtual_memory()
    received = sent = 0
    for name, net in psutil.net_io_counters(pernic=True).items():
        if name not in _LOOPBACK:
            received += net.bytes_recv
            sent += net.bytes_sent
    return Sample(
        at=time.monotonic(),
        busy=total - resting,
        total=total,
        cores=psutil.cpu_count() or 1,
        load=psutil.getloadavg(),
        memory=memory.total - memory.available,
        memory_total=memory.total,
        swap=psutil.swap_memory().used,
        disks=tuple(disks()),
        received=received,
        sent=sent,
        booted_at=psutil.boot_time(),
    )


def disks() -> list[Disk]:
    """The real filesystems: of a device mounted in several places the shortest; no network, no image, no file.

    The root is always among them, also where it is an overlay.
    """
    import psutil

    found: dict[str, Disk] = {}
    mounted = sorted(psutil.disk_partitions(all=False), key=lambda part: len(part.mountpoint))
    places = [(part.device, part.mountpoint, part.fstype) for part in mounted]
    if not any(mountpoint == "/" for _, mountpoint, _ in places):
        places.insert(0, ("", "/", ""))
    for device, mountpoint, fstype in places:
        if fstype in _NOT_DISKS or (device and device in found) or not os.path.isdir(mountpoint):
            continue
        with suppress(OSError):
            use = psutil.disk_usage(mountpoint)
            if use.total:
                found[device or mountpoint] = Disk(
                    mountpoint, device, fstype, use.total, use.used, use.free, use.percent
                )
    return list(found.values())


def cpu_percent(before: Sample, now: Sample) -> float | None:
    """Use of all cores between two samples, 0 to 100; None when no time passed."""
    total = now.total - before.total
    return min(100.0, max(0.0, 100.0 * (now.busy - before.busy) / total)) if total > 0 else None


def rate(before: Sample, now: Sample, field: str) -> float | None:
    """Bytes a second of `received` or `sent`; None when no time passed or the counter began anew."""
    passed = now.at - before.at
    moved: int = getattr(now, field) - getattr(before, field)
    return moved / passed if passed > 0 and moved >= 0 else None


def significant(value: float, digits: int) -> float:
    """The value with so many significant digits, so that what hardly moves looks the same."""
    return float(f"{value:.{digits}g}")


def steady_rate(value: float | None) -> float | None:
    """A rate fit for a row: two significant digits, and nothing for what a resting machine chatters."""
    return None if value is None else 0.0 if value < 10_000 else significant(value, 2)


def worst(disks: Iterable[Disk]) -> Disk | None:
    """The fullest disk."""
    return max(disks, key=lambda disk: disk.percent, default=None)
