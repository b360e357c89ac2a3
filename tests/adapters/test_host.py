"""This machine as a row, and its GPUs as NVML tells them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from parts.gitrepo import context
from quarterdeck_adapters.base import SourceConfig
from quarterdeck_adapters.host import sample as sampling
from quarterdeck_adapters.host.adapter import HostSource, discover
from quarterdeck_adapters.host.details import host_sections, size
from quarterdeck_adapters.host.gpu import Nvml
from quarterdeck_adapters.host.sample import Disk, Sample, cpu_percent, rate, significant, steady_rate
from quarterdeck_config.schema import Threshold
from quarterdeck_lifecycle.errors import Malformed, NotFound, Unavailable, Unsupported
from quarterdeck_lifecycle.kinds import Gpu, Host
from quarterdeck_lifecycle.ports import Describes, Source
from quarterdeck_lifecycle.records import Ref, Status


def _source(tmp_path: Path, nvml: Nvml | None = None, **config: Any) -> HostSource:
    return HostSource(SourceConfig(name="host", system="host", **config), context(tmp_path), nvml=nvml)


async def _host(made: HostSource) -> Host:
    (row,) = (await made.list("host")).rows
    assert isinstance(row, Host)
    return row


async def test_this_machine(tmp_path: Path) -> None:
    made = _source(tmp_path)
    assert isinstance(made, Source)
    assert isinstance(made, Describes)
    row = await _host(made)
    assert row.ref == Ref("host", "host", socket.gethostname())
    assert row.cpu_percent is not None
    assert 0 <= row.cpu_percent <= 100
    assert row.cpu_percent == int(row.cpu_percent)
    assert row.cores == os.cpu_count()
    assert row.memory_total == psutil.virtual_memory().total
    assert 0 < (row.memory or 0) < row.memory_total
    assert "/" in row.disks
    assert row.booted_at == psutil.boot_time()
    assert row.rx_s is not None
    assert len(row.load) == 3
    again = await _host(made)
    assert len(again.history) == 2
    assert made.interval("host", [again]) == 5


async def test_the_history_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = _source(tmp_path)
    for _ in range(65):
        row = await _host(made)
    assert len(row.history) == 60


def _sample(**changes: Any) -> Sample:
    facts: dict[str, Any] = {
        "at": 10.0, "busy": 100.0, "total": 400.0, "cores": 2, "load": (0.04, 0.1, 0.2), "memory": 1234567,
        "memory_total": 2000000, "swap": 0, "disks": (Disk("/", "/dev/a", "ext4", 100, 50, 50, 50.4),),
        "received": 1000, "sent": 2_000_000, "booted_at": 5.0,
    }  # fmt: skip
    return Sample(**{**facts, **changes})


async def test_what_hardly_moves_looks_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [
        _sample(),
        _sample(at=15.0, busy=101.0, total=410.0, received=1400),
        _sample(at=20.0, busy=102.04, total=420.0, received=1400, memory=1234999, load=(0.03, 0.08, 0.2)),
    ]
    monkeypatch.setattr("quarterdeck_adapters.host.adapter.take", lambda: samples.pop(0))
    monkeypatch.setattr("quarterdeck_adapters.host.adapter.FIRST_S", 0)
    made = _source(tmp_path)
    first, second = await _host(made), await _host(made)
    assert (first.cpu_percent, first.memory, first.disks, first.rx_s, first.tx_s) == (10.0, 1230000, {"/": 50.0}, 0, 0)
    assert first.load == second.load == (0.0, 0.1, 0.2)
    assert first.memory == second.memory
    assert second.history == (10.0, 10.0)


async def test_a_full_disk_and_full_memory_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = (Disk("/", "/dev/a", "ext4", 100, 50, 50, 50), Disk("/data", "/dev/b", "xfs", 100, 93, 7, 93.2))
    monkeypatch.setattr("quarterdeck_adapters.host.adapter.take", lambda: _sample(memory=1_950_000, disks=full))
    row = await _host(_source(tmp_path))
    assert (row.status, row.state) == (Status.LOOK, "disk /data 93 % full")
    assert row.note == "disk /data 93 % full; memory 98 % used"
    assert row.cpu_percent is None
    limits = {"disk": Threshold(max=95), "memory": Threshold(max=99)}
    row = await _host(_source(tmp_path, thresholds=limits))
    assert (row.status, row.state, row.note) == (Status.OK, "up", "")


def test_counters_that_began_anew_are_no_rate() -> None:
    before, now = _sample(), _sample(at=12.0, received=5, sent=4_000_000)
    assert rate(before, now, "received") is None
    assert rate(before, now, "sent") == 1_000_000
    assert rate(now, now, "sent") is None
    assert cpu_percent(before, before) is None
    assert cpu_percent(before, _sample(busy=200.0, total=401.0)) == 100.0
    assert [significant(value, 3) for value in (0, 1234567, 0.0012345)] == [0, 1230000, 0.00123]
    assert [steady_rate(value) for value in (None, 9_999, 123_456)] == [None, 0.0, 120_000]


def test_disks_are_real_and_counted_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def part(device: str, mountpoint: str, fstype: str = "ext4") -> SimpleNamespace:
        return SimpleNamespace(device=device, mountpoint=mountpoint, fstype=fstype)

    (tmp_path / "data").mkdir()
    (tmp_path / "hosts").touch()
    found = [
        part("/dev/a", str(tmp_path / "data")), part("/dev/a", str(tmp_path)), part("/dev/b", str(tmp_path / "hosts")),
        part("/dev/loop1", str(tmp_path / "data"), "squashfs"), part("/dev/c", str(tmp_path / "gone")),
    ]  # fmt: skip
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: found)
    assert [disk.mountpoint for disk in sampling.disks()] == ["/", str(tmp_path)]


async def test_a_machine_that_cannot_be_read_is_an_error_for_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise PermissionError("/proc/stat")

    monkeypatch.setattr("quarterdeck_adapters.host.adapter.take", broken)
    with pytest.raises(Unavailable, match="reading the counters: PermissionError"):
        await _source(tmp_path).list("host")
    with pytest.raises(Unsupported):
        await _source(tmp_path).list("disk")


async def test_the_details_name_this_process_and_hide_its_secrets(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import sys; sys.stdin.read()", "--password=canary-5512", stdin=asyncio.subprocess.PIPE
    )
    made = _source(tmp_path)
    try:
        row = await _host(made)
        sections = {section.title: section for section in await made.describe(row.ref)}
    finally:
        child.kill()
        await child.wait()
    assert {"CPU", "Memory", "Disks", "Network", "System"} <= set(sections)
    assert len(sections["CPU"].table) <= 31
    assert any(cells[0] == "lo" for cells in sections["Network"].table)
    assert sections["Disks"].table[1][0] == "/"
    assert "canary-5512" not in str(sections)
    with pytest.raises(NotFound):
        await made.describe(Ref("host", "host", "another"))
    with pytest.raises(NotFound):
        await made.describe(Ref("host", "gpu", "none"))


def test_masked_arguments_stay_recognisable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quarterdeck_adapters.host.details.MOST", 10_000)
    rows = {row[0]: row for section in host_sections(()) for row in section.table if section.title == "Memory"}
    assert str(os.getpid()) in rows
    assert rows[str(os.getpid())][3] != "0 B"
    assert [size(value) for value in (None, 0, 999, 1500, 123_456_789)] == ["-", "0 B", "999 B", "1.5 KB", "123 MB"]


class FakeNvml:
    """What pynvml offers, for two GPUs, one of which tells little (no GPU can be had where these tests run)."""

    NVML_TEMPERATURE_GPU = 0

    class NVMLError(Exception):
        pass

    def __init__(self) -> None:
        self.open = 0
        self.lost = False

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        if self.lost:
            raise self.NVMLError("GPU is lost")
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:
        return int(uuid[-1])

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}"

    def nvmlDeviceGetName(self, handle: int) -> str | bytes:
        return "NVIDIA H100" if handle == 0 else b"Old \x1b[31mcard"

    def _only_first(self, handle: int, value: Any) -> Any:
        if handle:
            raise self.NVMLError("Not Supported")
        return value

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return self._only_first(handle, SimpleNamespace(gpu=71, memory=3))

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return self._only_first(handle, SimpleNamespace(used=42_345_678_901, total=85_899_345_920))

    def nvmlDeviceGetTemperature(self, handle: int, _sensor: int) -> Any:
        return self._only_first(handle, 91)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> Any:
        return self._only_first(handle, 348_765)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> Any:
        return [
            SimpleNamespace(pid=os.getpid(), usedGpuMemory=1_500_000_000),
            SimpleNamespace(pid=2**22 + 1, usedGpuMemory=None),
        ]


async def test_gpus_as_rows(tmp_path: Path) -> None:
    api = FakeNvml()
    made = _source(tmp_path, Nvml("host", lambda _name: api))
    first, second = (await made.list("gpu")).rows
    assert isinstance(first, Gpu)
    assert (first.ref, first.name, first.status, first.state) == (
        Ref("host", "gpu", "GPU-0"),
        "NVIDIA H100",
        Status.LOOK,
        "hot",
    )
    assert (first.use_percent, first.memory, first.temperature_c, first.power_w) == (71, 42_300_000_000, 91, 350)
    assert isinstance(second, Gpu)
    assert (second.name, second.use_percent, second.memory, second.status) == ("Old ␛card", None, None, Status.IDLE)
    processes, facts = await made.describe(first.ref)
    assert processes.table[1][:2] == (str(os.getpid()), "1.5 GB")
    assert processes.table[2][2] == "?"
    assert facts.fields[0] == ("name", "NVIDIA H100")
    assert made.interval("gpu", [first]) == 5
    api.lost = True
    with pytest.raises(Malformed, match="GPU is lost"):
        await made.list("gpu")
    assert api.open == 0
    assert any("GPU is lost" in warning for warning in (await made.probe()).warnings)
    api.lost = False
    assert len((await made.list("gpu")).rows) == 2
    await made.close()
    assert api.open == 0


async def test_no_gpu_is_no_error(tmp_path: Path) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    made = _source(tmp_path, Nvml("host", absent))
    assert (await made.list("gpu")).rows == []
    assert made.interval("gpu", []) == 300
    probe = await made.probe()
    assert probe.identity == socket.gethostname()
    assert "nvidia-ml-py is not installed" in probe.warnings[0]
    await made.close()


async def test_a_package_without_a_driver_says_so(tmp_path: Path) -> None:
    made = _source(tmp_path)
    if (await made.list("gpu")).rows:
        pytest.skip("this machine has a GPU and its driver")
    assert (await made.probe()).warnings[0].startswith("no GPU is shown: ")


async def test_it_is_always_found(tmp_path: Path) -> None:
    (found,) = await discover(context(tmp_path))
    assert (found.source.system, found.answered) == ("host", True)
    assert await discover(context(tmp_path, sources=(SourceConfig(name="here", system="host"),))) == ()


def test_the_libraries_are_imported_when_they_are_needed() -> None:
    asked = (
        "import sys, quarterdeck_adapters.host, quarterdeck_adapters.git;"
        "print([name for name in ('psutil', 'pynvml', 'git') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
