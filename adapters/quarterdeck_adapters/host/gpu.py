"""GPUs through NVML (https://docs.nvidia.com/deploy/nvml-api/), where its package and the driver are there."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec

from quarterdeck_lifecycle.errors import Malformed

HINT = "pip install 'quarterdeck[gpu]'"


class GpuSample(msgspec.Struct, frozen=True):
    """A GPU at one moment: percent, bytes, degrees Celsius, watts; None for what it does not tell."""

    uuid: str
    name: str
    use_percent: float | None
    memory: int | None
    memory_total: int | None
    temperature_c: float | None
    power_w: float | None


class GpuProcess(msgspec.Struct, frozen=True):
    """A program on a GPU; `memory` in bytes, None where the driver does not say."""

    pid: int
    memory: int | None


class Nvml:
    """One session with NVML. Every method blocks, and is called on one thread at a time."""

    def __init__(self, source: str, load: Callable[[str], Any] = import_module) -> None:
        self._source = source
        self._load = load
        self._api: Any = None
        self.why_not = ""

    def open(self) -> bool:
        """Begin the session; False, with `why_not`, when there is nothing to ask."""
        if self._api is not None:
            return True
        try:
            api = self._load("pynvml")
        except ImportError:
            self.why_not = f"the package nvidia-ml-py is not installed ({HINT})"
            return False
        try:
            api.nvmlInit()
        except api.NVMLError as error:
            self.why_not = str(error)
            return False
        self._api, self.why_not = api, ""
        return True

    def close(self) -> None:
        """End the session."""
        api, self._api = self._api, None
        if api is not None:
            self._or_none(api, api.nvmlShutdown)

    def samples(self) -> list[GpuSample]:
        """Every GPU; none when there is no session. Raises Malformed when the driver stops answering."""
        if not self.open():
            return []
        api = self._api
        try:
            return [self._sample(api, api.nvmlDeviceGetHandleByIndex(n)) for n in range(api.nvmlDeviceGetCount())]
        except api.NVMLError as error:
            self.close()
            mend = "see what nvidia-smi says"
            raise Malformed("asking the GPUs", source=self._source, why=str(error), mend=mend) from error

    def _sample(self, api: Any, handle: Any) -> GpuSample:
        use = self._or_none(api, api.nvmlDeviceGetUtilizationRates, handle)
        memory = self._or_none(api, api.nvmlDeviceGetMemoryInfo, handle)
        power = self._or_none(api, api.nvmlDeviceGetPowerUsage, handle)
        heat = self._or_none(api, api.nvmlDeviceGetTemperature, handle, api.NVML_TEMPERATURE_GPU)
        return GpuSample(
            uuid=_text(api.nvmlDeviceGetUUID(handle)),
            name=_text(self._or_none(api, api.nvmlDeviceGetName, handle) or "GPU"),
            use_percent=None if use is None else float(use.gpu),
            memory=None if memory is None else int(memory.used),
            memory_total=None if memory is None else int(memory.total),
            temperature_c=None if heat is None else float(heat),
            power_w=None if power is None else power / 1000,
        )

    def processes(self, uuid: str) -> list[GpuProcess]:
        """The programs on one GPU."""
        if not self.open():
            return []
        api = self._api
        handle = self._or_none(api, api.nvmlDeviceGetHandleByUUID, uuid)
        running = self._or_none(api, api.nvmlDeviceGetComputeRunningProcesses, handle) if handle is not None else None
        return [GpuProcess(int(one.pid), one.usedGpuMemory) for one in running or ()]

    @staticmethod
    def _or_none(api: Any, ask: Callable[..., Any], *args: Any) -> Any:
        try:
            return ask(*args)
        except api.NVMLError:
            return None


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
