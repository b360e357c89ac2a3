"""Live use of containers: one stream each, only for those asked for.

https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerStats
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from quarterdeck_adapters.docker.client import STREAMS, Engine
from quarterdeck_adapters.docker.mapping import epoch
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError, Unavailable
from quarterdeck_lifecycle.kinds import Stats
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.transport import Client

FOLLOWED = STREAMS - 8
MAX_SAMPLE = 4 * 1024 * 1024
AGAIN_S = (0.5, 1.0, 2.0, 5.0)
Sample = Mapping[str, Any]


def reading(ref: Ref, sample: Sample, before: Sample | None, at: float) -> Stats | None:
    """One sample as numbers; None for a container that does not run, or a first one that has no CPU time before it."""
    read, last = epoch(sample.get("read")), epoch(sample.get("preread"))
    if read is None or not (sample.get("cpu_stats") or {}).get("cpu_usage"):
        return None
    if last is None and before is None:
        return None
    earlier = epoch(before.get("read")) if before is not None else None
    seconds = read - earlier if earlier is not None else 0.0
    memory, pids = sample.get("memory_stats") or {}, (sample.get("pids_stats") or {}).get("current")
    received, sent = _traffic(sample)
    received_before, sent_before = _traffic(before) if before is not None else (None, None)
    return Stats(
        ref=ref,
        at=read or at,
        cpu_percent=cpu_percent(sample),
        memory=memory_in_use(memory),
        memory_limit=memory.get("limit"),
        rx_s=_rate(received, received_before, seconds),
        tx_s=_rate(sent, sent_before, seconds),
        pids=pids,
    )


def cpu_percent(sample: Sample) -> float | None:
    """Percent of one core, as `docker stats` reckons: 200 are two whole cores."""
    now, before = sample.get("cpu_stats") or {}, sample.get("precpu_stats") or {}
    try:
        used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
        passed = now["system_cpu_usage"] - before["system_cpu_usage"]
    except (KeyError, TypeError):
        return None
    cores = now.get("online_cpus") or len(now["cpu_usage"].get("percpu_usage") or ()) or 1
    return round(used / passed * cores * 100.0, 2) if passed > 0 and used >= 0 else None


def memory_in_use(memory: Mapping[str, Any]) -> int | None:
    """Bytes without the page cache that can be had back: `total_inactive_file` in cgroup v1, `inactive_file` in v2."""
    usage = memory.get("usage")
    if not isinstance(usage, int):
        return None
    detail = memory.get("stats") or {}
    idle = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return usage - idle if 0 <= idle < usage else usage


def _traffic(sample: Sample) -> tuple[int | None, int | None]:
    networks = sample.get("networks")
    if not networks:
        return None, None
    return sum(n.get("rx_bytes") or 0 for n in networks.values()), sum(
        n.get("tx_bytes") or 0 for n in networks.values()
    )


def _rate(now: int | None, before: int | None, seconds: float) -> float | None:
    if now is None or before is None or seconds <= 0 or now < before:
        return None
    return round((now - before) / seconds, 1)


def samples(pieces: Iterator[bytes]) -> Iterator[Sample]:
    """The JSON documents of a stats stream, one a line."""
    held = b""
    for piece in pieces:
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            if line.strip():
                found = json.loads(line)
                if isinstance(found, dict):
                    yield found
        if len(held) > MAX_SAMPLE:
            raise ValueError("a stats sample of more than 4 MiB")


async def sample(engine: Engine, refs: Sequence[Ref], now: Callable[[], float]) -> AsyncIterator[Stats]:
    """Samples of the running ones among `refs`, as they come, until all have ended. Raises QuarterdeckError.

    At most 24 are followed, so that there is room for logs. A stream that the engine's death cuts is taken up again.
    """
    queue: asyncio.Queue[Stats | QuarterdeckError | None] = asyncio.Queue(256)
    running = await _running(engine, refs)
    tasks = [asyncio.create_task(_pump(engine, ref, queue, now)) for ref in running[:FOLLOWED]]
    left = len(tasks)
    try:
        while left:
            said = await queue.get()
            if said is None:
                left -= 1
            elif isinstance(said, QuarterdeckError):
                raise said
            else:
                yield said
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _running(engine: Engine, refs: Sequence[Ref]) -> list[Ref]:
    entries = await engine.call(lambda c: c.containers(), what="looking which containers run")
    ids = {entry["Id"] for entry in entries}
    return [ref for ref in refs if ref.id in ids]


async def _pump(
    engine: Engine, ref: Ref, queue: asyncio.Queue[Stats | QuarterdeckError | None], now: Callable[[], float]
) -> None:
    failures = 0

    def start(client: Client) -> Iterator[Sample]:
        return samples(client.pieces("/containers/{0}/stats", ref.id, params={"stream": "1"}))

    while True:
        before: Sample | None = None
        try:
            async with aclosing(engine.stream(start, what="following use", ahead=4)) as batches:
                async for batch in batches:
                    for found in batch:
                        read = reading(ref, found, before, now())
                        before = found
                        if read is not None:
                            failures = 0
                            await queue.put(read)
                        elif epoch(found.get("read")) is None:
                            # A stopped container sends zeros, dated in the year 1.
                            await queue.put(None)
                            return
            if not await _running(engine, (ref,)):
                break
        except NotFound:
            break
        except Unavailable:
            failures += 1
        except QuarterdeckError as error:
            await queue.put(error)
            return
        await asyncio.sleep(AGAIN_S[min(failures, len(AGAIN_S) - 1)])
    await queue.put(None)
