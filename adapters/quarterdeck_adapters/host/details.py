"""The tabs of a host and of a GPU. Everything here blocks, and is called on a thread."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from quarterdeck_adapters.host.gpu import GpuProcess, GpuSample
from quarterdeck_adapters.host.sample import disks
from quarterdeck_config.secrets import mask_args
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import utc

MOST = 30
BETWEEN_S = 0.3
_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")

Table = tuple[tuple[str, ...], ...]


def host_sections(secret_names: Sequence[str]) -> list[Section]:
    """Processes by CPU and by memory, Disks, Network, Sensors (where there are some) and System."""
    by_cpu, by_memory = _processes(secret_names)
    header = ("pid", "user", "cpu %", "memory", "command")
    sections = [
        Section(title="CPU", shape="table", table=(header, *by_cpu), note=f"percent of one core over {BETWEEN_S:g} s"),
        Section(title="Memory", shape="table", table=(header, *by_memory), note=_memory()),
        Section(title="Disks", shape="table", table=_disks()),
        Section(title="Network", shape="table", table=_network()),
    ]
    sensors = _sensors()
    if len(sensors) > 1:
        sections.append(Section(title="Sensors", shape="table", table=sensors))
    return [*sections, Section(title="System", fields=_system())]


def gpu_sections(sample: GpuSample, processes: Iterable[GpuProcess]) -> list[Section]:
    """The programs on a GPU, and its own facts."""
    import psutil

    rows = [("pid", "memory", "command")]
    for process in processes:
        name = "?"
        with suppress(psutil.Error):
            name = psutil.Process(process.pid).name()
        rows.append((str(process.pid), size(process.memory), name))
    facts = (
        ("name", sample.name),
        ("uuid", sample.uuid),
        ("memory", f"{size(sample.memory)} of {size(sample.memory_total)}"),
    )
    return [
        Section(
            title="Processes", shape="table", table=tuple(rows), note="" if len(rows) > 1 else "no program is on it"
        ),
        Section(title="Facts", fields=facts),
    ]


def size(count: float | None) -> str:
    """Bytes for people, in steps of 1,000."""
    if count is None:
        return "-"
    step = 0
    while count >= 1000 and step < len(_UNITS) - 1:
        count, step = count / 1000, step + 1
    return f"{count:.0f} {_UNITS[step]}" if count >= 100 or step == 0 else f"{count:.1f} {_UNITS[step]}"


def _processes(secret_names: Sequence[str]) -> tuple[Table, Table]:
    import psutil

    before = {
        p.pid: (p.info["create_time"], _seconds(p.info)) for p in psutil.process_iter(["create_time", "cpu_times"])
    }
    started = time.monotonic()
    time.sleep(BETWEEN_S)
    found: list[tuple[float, int, psutil.Process, dict[str, Any]]] = []
    for process in psutil.process_iter(["create_time", "cpu_times", "memory_info", "username", "name"]):
        info: dict[str, Any] = process.info
        known = before.get(process.pid)
        used = _seconds(info) - known[1] if known is not None and known[0] == info["create_time"] else 0.0
        memory = info["memory_info"].rss if info["memory_info"] else 0
        found.append((max(0.0, 100 * used / (time.monotonic() - started)), memory, process, info))

    def row(cpu: float, memory: int, process: psutil.Process, info: dict[str, Any]) -> tuple[str, ...]:
        command = str(info["name"] or "")
        with suppress(psutil.Error):
            command = " ".join(mask_args(process.cmdline(), secret_names)) or f"[{command}]"
        return (str(process.pid), str(info["username"] or "?"), f"{cpu:.0f}", size(memory), command[:300])

    by_cpu = sorted(found, key=lambda one: (-one[0], -one[1]))[:MOST]
    by_memory = sorted(found, key=lambda one: -one[1])[:MOST]
    return tuple(row(*one) for one in by_cpu), tuple(row(*one) for one in by_memory)


def _seconds(info: dict[str, Any]) -> float:
    times = info["cpu_times"]
    return float(times.user + times.system) if times else 0.0


def _memory() -> str:
    import psutil

    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    used = memory.total - memory.available
    return f"{size(used)} of {size(memory.total)} used, swap {size(swap.used)} of {size(swap.total)}"


def _disks() -> Table:
    rows = [("mounted on", "device", "type", "size", "used", "free", "%")]
    rows += [
        (d.mountpoint, d.device, d.fstype, size(d.total), size(d.used), size(d.free), f"{d.percent:.0f}")
        for d in disks()
    ]
    return tuple(rows)


def _network() -> Table:
    import psutil

    states, counters = psutil.net_if_stats(), psutil.net_io_counters(pernic=True)
    rows: list[tuple[str, ...]] = [("interface", "state", "addresses", "received", "sent", "errors", "dropped")]
    for name, addresses in sorted(psutil.net_if_addrs().items()):
        state, count = states.get(name), counters.get(name)
        shown = ", ".join(a.address for a in addresses if a.family.name in ("AF_INET", "AF_INET6"))
        word = "up" if state and state.isup else "down"
        speed = f" {state.speed} Mb/s" if state and state.speed else ""
        numbers = ["-"] * 4
        if count is not None:
            lost = (count.errin + count.errout, count.dropin + count.dropout)
            numbers = [size(count.bytes_recv), size(count.bytes_sent), *map(str, lost)]
        rows.append((name, word + speed, shown, *numbers))
    return tuple(rows)


def _sensors() -> Table:
    import psutil

    rows = [("sensor", "reading", "high", "critical")]
    for chip, temperatures in getattr(psutil, "sensors_temperatures", dict)().items():
        rows += [
            (f"{chip} {one.label}".strip(), f"{one.current:.0f} °C", _degrees(one.high), _degrees(one.critical))
            for one in temperatures
        ]
    for chip, fans in getattr(psutil, "sensors_fans", dict)().items():
        rows += [(f"{chip} {fan.label}".strip(), f"{fan.current} rpm", "", "") for fan in fans]
    battery = getattr(psutil, "sensors_battery", lambda: None)()
    if battery is not None:
        rows.append(("battery", f"{battery.percent:.0f} %", "", "plugged in" if battery.power_plugged else ""))
    return tuple(rows)


def _degrees(value: float | None) -> str:
    return f"{value:.0f} °C" if value else ""


def _system() -> tuple[tuple[str, str], ...]:
    import platform

    import psutil

    cores = psutil.cpu_count(logical=False)
    return (
        ("system", platform.platform()),
        ("machine", platform.machine()),
        ("processors", f"{psutil.cpu_count()}{f' ({cores} cores)' if cores else ''}"),
        ("load", " ".join(f"{value:.2f}" for value in psutil.getloadavg())),
        ("per processor %", " ".join(f"{value:.0f}" for value in psutil.cpu_percent(interval=0.1, percpu=True))),
        ("booted", utc(psutil.boot_time()) or ""),
        ("users", ", ".join(sorted({user.name for user in psutil.users()}))),
    )
