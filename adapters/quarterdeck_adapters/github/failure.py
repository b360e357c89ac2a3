"""The first tab of what failed: the first failing step, the error lines, and its last lines.

Of a log no more than its end is kept: by a range of bytes where the storage of the logs gives one, else while the
whole passes by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci import failing
from quarterdeck_adapters.ci.values import Json, epoch, login, rows, shown, text, whole
from quarterdeck_adapters.github import mapping
from quarterdeck_adapters.github.loglines import JobLines
from quarterdeck_adapters.github.places import Place
from quarterdeck_lifecycle.errors import QuarterdeckError, Unavailable
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.text import LogLine

if TYPE_CHECKING:
    import httpx

    from quarterdeck_adapters.github.adapter import GithubSource

TAIL = 64 * 1024
WHOLE = 4 * TAIL
"""A log of at most so many bytes is read in one go: asking for a range would be a second request."""
MOST = 64 * 1024 * 1024
"""Bytes that may pass by where the storage gives no range."""
LATE_S = 1.5
"""Steps have whole seconds, lines have fractions."""


async def section(source: GithubSource, place: Place, jobs: Sequence[Json], *, title: str) -> Section:
    """The tab of a run or job that failed. Raises QuarterdeckError when something else than a log cannot be read."""
    failed = sorted((job for job in jobs if mapping.failed(job)), key=_ended)
    if not failed:
        why = "no job of it failed: it ended before one began; its page says why"
        return failing.section(title, "", None, why)
    job = failed[0]
    more = f"{len(failed) - 1} more of its jobs failed" if len(failed) > 1 else ""
    if not rows(job, "steps"):
        why = await _rejected(source, place)
        return failing.section(shown(job.get("name")), "", None, "; ".join(filter(None, (why, more))))
    step = next((each for each in rows(job, "steps") if mapping.failed(each)), None)
    why, found = "", None
    try:
        log, cut = await tail(source, place._replace(job=whole(job.get("id")) or 0))
        lines, short = of_step(log, step)
        found = failing.read(lines)
        if cut and short:
            why = f"of the last {TAIL >> 10} KiB of its log"
    except QuarterdeckError as error:
        why = f"its log was not read: {error.short}"
    return failing.section(shown(job.get("name")), mapping.step_of(job), found, "; ".join(filter(None, (why, more))))


def _ended(job: Json) -> tuple[float, int]:
    return epoch(job.get("completed_at")) or float("inf"), whole(job.get("id")) or 0


async def _rejected(source: GithubSource, place: Place) -> str:
    """Why a job failed that had no step: somebody rejected it, as far as the run's history tells."""
    for each in rows(await source.api.get(f"{place.run}/approvals")):
        if text(each.get("state")) == "rejected":
            places = ", ".join(shown(one.get("name")) for one in rows(each, "environments"))
            said = f": {shown(each.get('comment'))}" if text(each.get("comment")) else ""
            return f"{shown(login(each))} rejected {places}{said}"
    return "it had no step: it never began"


def of_step(log: bytes, step: Json | None) -> tuple[list[LogLine], bool]:
    """The lines of a failing step by its times, and whether its beginning is missing; all lines where none is its."""
    reading = JobLines()
    lines = [*reading.feed(log), *reading.flush()]
    start, end = (epoch(step.get(key)) if step else None for key in ("started_at", "completed_at"))
    if start is None or end is None:
        return lines, True
    mine = [line for line in lines if line.at is not None and start <= line.at < end + LATE_S]
    first = next((line.at for line in lines if line.at is not None), None)
    return mine or lines, not mine or first is None or first >= start


async def tail(source: GithubSource, place: Place) -> tuple[bytes, bool]:
    """The end of a job's log, 64 KiB of it at most, and whether more was before. Raises QuarterdeckError."""
    api = source.api
    async with api.bytes(f"{place.the_job}/logs") as response:
        size = _length(response)
        if size is None or size <= WHOLE:
            return await _end(response, source.name)
        address = str(response.url)
    # The address is the storage's own and holds for a minute; it needs no credential and counts for nothing.
    async with api.http.stream("GET", address, headers={"Range": f"bytes={size - TAIL}-"}) as response:
        if response.status_code >= 400:
            raise Unavailable("the end of the log", source=source.name, why=f"its storage said {response.status_code}")
        log, cut = await _end(response, source.name)
        return (log, cut) if cut or response.status_code != 206 else (_from_line(log), True)


def _length(response: httpx.Response) -> int | None:
    """How long the body is, as far as its headers tell; what is compressed on the way has another length."""
    size = response.headers.get("content-length", "")
    plain = response.headers.get("content-encoding", "identity") == "identity"
    return int(size) if plain and size.isascii() and size.isdigit() else None


async def _end(response: httpx.Response, source: str) -> tuple[bytes, bool]:
    """The last bytes of a body, with no more than twice of that in memory."""
    kept, passed = bytearray(), 0
    async for chunk in response.aiter_bytes(TAIL):
        kept += chunk
        passed += len(chunk)
        if passed > MOST:
            why = f"it is larger than {MOST >> 20} MiB, and its storage gives no part of it"
            raise Unavailable("the end of the log", source=source, why=why, mend="open the log itself")
        if len(kept) > 2 * TAIL:
            del kept[:-TAIL]
    if passed <= TAIL:
        return bytes(kept), False
    return _from_line(bytes(kept[-TAIL:])), True


def _from_line(log: bytes) -> bytes:
    """From the first whole line on."""
    return log.partition(b"\n")[2] or log
