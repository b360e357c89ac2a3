"""Traffic at a URL while something happens to what serves it: every request is counted, and every failure has a reason.

In a test: `async with Traffic(url) as traffic: ...`, then `traffic.report()`. From another process, so that neither
disturbs the other: `with TrafficProcess(url, folder) as probe: ...`, then `probe.report()`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from parts.httplink import Broken, Link
from parts.needs import ROOT
from parts.process import Part, Process, clean_env

DEADLINE = 60.0


@dataclass(frozen=True)
class Failure:
    """One request that failed: `at` in seconds after the start, `took` in seconds. Reasons: refused, reset, closed
    (before an answer), cut (inside one), timeout, garbled, or the status."""

    at: float
    took: float
    reason: str
    path: str


@dataclass(frozen=True)
class Report:
    """What came of all requests. `versions` counts the first lines of the answers, in the order of first sight;
    `longest_gap` is the longest time in seconds without an answer that was well."""

    sent: int
    ok: int
    failed: tuple[Failure, ...]
    versions: dict[str, int]
    last: str
    longest_gap: float
    seconds: float

    @property
    def reasons(self) -> dict[str, int]:
        """How often each reason came."""
        return {
            reason: [each.reason for each in self.failed].count(reason) for reason in {f.reason for f in self.failed}
        }


@dataclass
class Traffic:
    """`concurrency` clients that send GET, wait for the whole answer and go on after `pause` seconds.

    `keep_alive` sends all requests of a client over one connection as long as the server lets it. `slow` is a path
    that one more client asks for; what it gets counts like the rest but not for the gap. `limit` is a request's
    time-out in seconds.
    """

    url: str
    concurrency: int = 3
    keep_alive: bool = False
    slow: str = ""
    pause: float = 0.005
    limit: float = 30.0
    sent: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    failed: list[Failure] = field(default_factory=list)
    last: str = ""
    _ok_at: list[float] = field(default_factory=list)
    _slow_ok: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _started: float = 0.0
    _ended: float = 0.0
    _stopping: bool = False

    async def __aenter__(self) -> Self:
        self._started = time.monotonic()
        path = _path(self.url)
        self._tasks = [asyncio.create_task(self._client(path)) for _ in range(self.concurrency)]
        if self.slow:
            self._tasks.append(asyncio.create_task(self._client(self.slow)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Send no more, and wait for the answers to what was sent."""
        self._stopping = True
        await asyncio.gather(*self._tasks)
        self._ended = self._ended or time.monotonic()

    async def passed(self, count: int = 20) -> None:
        """Wait until `count` more requests were answered well. Raises TimeoutError."""
        goal = len(self._ok_at) + count
        await self.until(lambda: len(self._ok_at) >= goal, f"{count} more answers")

    async def saw(self, version: str) -> None:
        """Wait until an answer has this first line. Raises TimeoutError."""
        await self.until(lambda: version in self.versions, f"an answer of {version}")

    async def only(self, version: str, count: int = 20) -> None:
        """Wait until `count` answers in a row had this first line. Raises TimeoutError."""

        def others() -> int:
            return sum(number for name, number in self.versions.items() if name != version)

        async with asyncio.timeout(DEADLINE):
            while True:
                before, goal = others(), self.versions.get(version, 0) + count
                await self.until(lambda: self.versions.get(version, 0) >= goal, f"{count} answers of {version}")  # noqa: B023
                if others() == before:
                    return

    async def one(self, path: str) -> str:
        """One request, counted with the others. Answers the first line, raises ConnectionError with the reason."""
        async with Link(self.url, self.limit) as link:
            came = await self._ask(link, path, gap=False)
            if isinstance(came, Failure):
                raise ConnectionError(came.reason)
            return came

    def report(self) -> Report:
        """What came until now, or until the stop."""
        end = self._ended or time.monotonic()
        times = [self._started, *sorted(self._ok_at), end]
        gap = max((after - before for before, after in itertools.pairwise(times)), default=0.0)
        return Report(
            self.sent, len(self._ok_at) + self._slow_ok, tuple(self.failed), dict(self.versions), self.last, gap,
            end - self._started,
        )  # fmt: skip

    async def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait until it is so. Raises TimeoutError with `what` and the report."""
        try:
            async with asyncio.timeout(DEADLINE):
                while True:
                    if true():
                        return
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise TimeoutError(f"waited {DEADLINE:g} s for {what}: {self.report()}") from None

    async def _client(self, path: str) -> None:
        async with Link(self.url, self.limit) as link:
            while not self._stopping:
                await self._ask(link, path, gap=path != self.slow)
                if not self.keep_alive:
                    await link.close()
                await asyncio.sleep(self.pause)

    async def _ask(self, link: Link, path: str, *, gap: bool) -> str | Failure:
        self.sent += 1
        began = time.monotonic()
        try:
            status, body = await link.get(path)
            reason = "" if status == 200 else str(status)
        except Broken as error:
            reason, body = error.reason, b""
        if reason:
            await link.close()
            failure = Failure(began - self._started, time.monotonic() - began, reason, path)
            self.failed.append(failure)
            return failure
        version = body.decode("utf-8", "replace").partition("\n")[0].strip()
        if gap:
            self._ok_at.append(time.monotonic())
        else:
            self._slow_ok += 1
        self.versions[version] = self.versions.get(version, 0) + 1
        self.last = version
        return version


class TrafficProcess(Part):
    """The same in a process of its own; `report` ends it."""

    def __init__(self, url: str, folder: Path, **options: Any) -> None:
        self._answers, self._ready = folder / "traffic.json", folder / "traffic.ready"
        settings = json.dumps({"url": url, **options})
        argv = [sys.executable, "-m", "parts.traffic", settings, str(self._answers), str(self._ready)]
        env = clean_env(folder, {"PYTHONPATH": str(ROOT / "tests")})
        self.process = Process(argv, folder / "traffic.log", env)

    def start(self) -> None:
        """Start sending; the first answer is there when this returns."""
        self.process.start()
        self.process.wait_ready(self._ready.exists, "its first request was done")

    def report(self) -> Report:
        """Stop sending and tell what came."""
        self.stop()
        told = json.loads(self._answers.read_text())
        failed = tuple(Failure(**each) for each in told.pop("failed"))
        return Report(failed=failed, **told)


def _path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


async def _serve(settings: dict[str, Any], answers: Path, ready: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Traffic(**settings) as traffic:
        await traffic.until(lambda: bool(traffic.versions or traffic.failed), "a first request")
        ready.touch()
        await stop.wait()
    answers.write_text(json.dumps(asdict(traffic.report())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Send requests until SIGTERM, then write what came of them.")
    for name in ("settings", "answers", "ready"):
        parser.add_argument(name)
    given = parser.parse_args()
    asyncio.run(_serve(json.loads(given.settings), Path(given.answers), Path(given.ready)))
