"""What the tabs of CI details share, and how their rows stand and page. A tab that cannot be read spoils no other."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from quarterdeck_adapters.ci.values import epoch, text
from quarterdeck_lifecycle.errors import AuthFailed, NotFound, QuarterdeckError
from quarterdeck_lifecycle.kinds import Job
from quarterdeck_lifecycle.ports import Listing, Section
from quarterdeck_lifecycle.records import Record, Status, utc

S = TypeVar("S")
PAGE = 100
_ORDER = (Status.BAD, Status.LOOK, Status.WAITING, Status.RUNNING, Status.QUEUED)


async def tab(title: str, work: Awaitable[S]) -> S | Section:
    """A tab, or why it cannot be read. Raises AuthFailed, which is of the whole source."""
    try:
        return await work
    except AuthFailed:
        raise
    except QuarterdeckError as error:
        gone = isinstance(error, NotFound)
        return Section(title=title, shape="text", note="none here" if gone else f"not read: {error.short}")


def fields(pairs: Sequence[tuple[str, object]], title: str = "Overview", note: str = "") -> Section:
    """A tab of names and values, without those that have none."""
    kept = tuple((name, text(value)) for name, value in pairs if value not in (None, "", "-"))
    return Section(title=title, fields=kept, note=note)


def when(value: object) -> str:
    """A time of the API (ISO 8601) for people."""
    return utc(epoch(value)) or "-"


def took(seconds: object) -> str:
    """A duration in seconds for people; a dash for what is none."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def trouble_order(job: Job) -> int:
    """What failed first, then what goes on, then the rest as the system lists it."""
    return _ORDER.index(job.status) if job.status in _ORDER else len(_ORDER)


def paged(found: Sequence[Record], page: str) -> tuple[Listing, str]:
    """A hundred rows from where the page's token says, and the token of the next page or an empty string."""
    start = int(page) if page.isascii() and page.isdigit() else 0
    end = start + PAGE
    return Listing(rows=found[start:end], total=len(found)), str(end) if end < len(found) else ""
