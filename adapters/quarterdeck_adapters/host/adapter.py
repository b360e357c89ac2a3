"""The source `host`: this machine as a row, and each of its GPUs as one."""

from __future__ import annotations

import asyncio
import platform
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from quarterdeck_adapters.base import Candidate, Context, SourceConfig
from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.host import details
from quarterdeck_adapters.host.gpu import GpuSample, Nvml
from quarterdeck_adapters.host.sample import Sample, cpu_percent, rate, significant, steady_rate, take, worst
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError, Unavailable, Unsupported
from quarterdeck_lifecycle.kinds import Gpu, Host
from quarterdeck_lifecycle.ports import Listing, Probe, Section
from quarterdeck_lifecycle.records import Record, Ref, Status

T = TypeVar("T")
HISTORY = 60
DEADLINE_S = 5.0
INTERVAL_S = 5.0
NO_GPU_S = 300.0
FIRST_S = 0.2
DISK_MAX, MEMORY_MAX, GPU_HEAT_MAX = 90.0, 95.0, 90.0


async def discover(context: Context) -> Sequence[Candidate]:
    """This machine, always."""
    if any(source.system == "host" for source in context.config.sources):
        return ()
    return [Candidate(SourceConfig(name="host", system="host"), "the machine the deck runs on", True)]


class HostSource:
    """This machine. `config.thresholds` may set `disk`, `memory` (percent) and `gpu_temperature` (degrees)."""

    system = "host"
    kinds: tuple[str, ...] = ("host", "gpu")

    def __init__(self, config: SourceConfig, context: Context, *, nvml: Nvml | None = None) -> None:
        self.name = config.name
        self.environment = config.environment or ""
        self.address = ""
        self._config = config
        self._deadline = config.deadline or DEADLINE_S
        self._secret_names = context.config.secret_names
        self._host = socket.gethostname()
        self._nvml = nvml or Nvml(config.name)
        self._nvml_lock = asyncio.Lock()
        self._last: Sample | None = None
        self._history: deque[float | None] = deque(maxlen=HISTORY)
        self._gpu_history: dict[str, deque[float | None]] = {}

    async def probe(self) -> Probe:
        """The machine's system and, where no GPU is shown, the reason."""
        warnings = []
        try:
            if not await self._gpus():
                warnings.append(f"no GPU is shown: {self._nvml.why_not or 'NVML knows none'}")
        except QuarterdeckError as error:
            warnings.append(str(error))
        version = await self._call(platform.platform, "asking for its version")
        return Probe(version=version, identity=self._host, evidence="this machine", warnings=tuple(warnings))

    async def list(self, kind: str) -> Listing:
        """The host's one row, or a row for each GPU (none without NVML). Raises Unavailable."""
        if kind == "host":
            return Listing(rows=[await self._host_row()])
        if kind == "gpu":
            return Listing(rows=[self._gpu_row(sample) for sample in await self._gpus()])
        raise Unsupported(f"a host has no {kind}", source=self.name)

    def interval(self, kind: str, rows: Sequence[Record]) -> float:
        """5 s; GPUs that are not there are looked for every 5 minutes."""
        if kind == "gpu" and not rows:
            return NO_GPU_S
        return self._config.interval or INTERVAL_S

    async def describe(self, ref: Ref) -> Sequence[Section]:
        """Processes, disks, network and sensors of the host; the programs on a GPU."""
        if ref == Ref(self.name, "host", self._host):
            return await self._call(lambda: details.host_sections(self._secret_names), "describing the host")
        if ref.kind == "gpu":
            samples = {sample.uuid: sample for sample in await self._gpus()}
            if ref.id in samples:
                async with self._nvml_lock:
                    processes = await self._call(lambda: self._nvml.processes(ref.id), "asking the GPU")
                return await self._call(lambda: details.gpu_sections(samples[ref.id], processes), "describing the GPU")
        raise NotFound(f"no {ref.kind} {ref.id} here", source=self.name)

    async def close(self) -> None:
        """End the session with NVML."""
        async with self._nvml_lock:
            await self._call(self._nvml.close, "closing NVML")

    async def _host_row(self) -> Host:
        def look() -> tuple[Sample, Sample]:
            before = self._last
            if before is None:
                before = take()
                time.sleep(FIRST_S)
            return before, take()

        before, now = await self._call(look, "reading the counters")
        self._last = now
        cpu = cpu_percent(before, now)
        percent = None if cpu is None else float(round(cpu))
        self._history.append(percent)
        notes = self._notes(now)
        return Host(
            ref=Ref(self.name, "host", self._host),
            name=self._host,
            status=Status.LOOK if notes else Status.OK,
            state=notes[0] if notes else "up",
            note="; ".join(notes),
            environment=self.environment,
            cpu_percent=percent,
            cores=now.cores,
            load=tuple(round(value, 1) for value in now.load),
            memory=int(significant(now.memory, 3)),
            memory_total=now.memory_total,
            swap=int(significant(now.swap, 3)),
            disks={disk.mountpoint: float(round(disk.percent)) for disk in now.disks},
            rx_s=steady_rate(rate(before, now, "received")),
            tx_s=steady_rate(rate(before, now, "sent")),
            booted_at=now.booted_at,
            history=tuple(self._history),
        )

    def _notes(self, now: Sample) -> Sequence[str]:
        notes = []
        disk = worst(now.disks)
        if disk is not None and disk.percent >= self._limit("disk", DISK_MAX):
            notes.append(f"disk {disk.mountpoint} {disk.percent:.0f} % full")
        memory = 100.0 * now.memory / now.memory_total if now.memory_total else 0.0
        if memory >= self._limit("memory", MEMORY_MAX):
            notes.append(f"memory {memory:.0f} % used")
        return notes

    def _limit(self, name: str, default: float) -> float:
        threshold = self._config.thresholds.get(name)
        return default if threshold is None or threshold.max is None else threshold.max

    def _gpu_row(self, sample: GpuSample) -> Gpu:
        history = self._gpu_history.setdefault(sample.uuid, deque(maxlen=HISTORY))
        history.append(sample.use_percent)
        heat = sample.temperature_c
        hot = heat is not None and heat >= self._limit("gpu_temperature", GPU_HEAT_MAX)
        return Gpu(
            ref=Ref(self.name, "gpu", sample.uuid),
            name=sample.name,
            status=Status.LOOK if hot else Status.OK if sample.use_percent else Status.IDLE,
            state="hot" if hot else "busy" if sample.use_percent else "idle",
            note=f"{heat:.0f} °C" if hot else "",
            environment=self.environment,
            use_percent=sample.use_percent,
            memory=None if sample.memory is None else int(significant(sample.memory, 3)),
            memory_total=sample.memory_total,
            temperature_c=heat,
            power_w=None if sample.power_w is None else float(round(sample.power_w, -1)),
            history=tuple(history),
        )

    async def _gpus(self) -> Sequence[GpuSample]:
        async with self._nvml_lock:
            return await self._call(self._nvml.samples, "asking the GPUs")

    async def _call(self, work: Callable[[], T], what: str) -> T:
        try:
            return await call(work, deadline=self._deadline, source=self.name, what=what)
        except QuarterdeckError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise Unavailable(what, source=self.name, why=why, mend="see whether /proc can be read") from error
