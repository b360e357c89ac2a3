"""How values read in a cell. Ages come in steps, so that a row that does not change is not painted."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from quarterdeck.widgets.cells import UNICODE, Cell
from quarterdeck_lifecycle.records import Status

STEPS = (
    (15, "now"), (60, "<1m"), (300, "1m"), (900, "5m"), (3600, "15m"), (3 * 3600, "1h"), (6 * 3600, "3h"),
    (12 * 3600, "6h"), (86400, "12h"),
)  # fmt: skip

GLYPHS = {
    Status.BAD: UNICODE.bad,
    Status.LOOK: UNICODE.look,
    Status.WAITING: UNICODE.waits,
    Status.RUNNING: UNICODE.running,
    Status.QUEUED: UNICODE.queued,
    Status.UNKNOWN: UNICODE.unknown,
    Status.OK: UNICODE.ok,
    Status.IDLE: "·",
}

STYLES = {
    Status.BAD: "bad",
    Status.LOOK: "warn",
    Status.WAITING: "warn",
    Status.RUNNING: "info",
    Status.QUEUED: "dim",
    Status.UNKNOWN: "dim",
    Status.OK: "ok",
    Status.IDLE: "dim",
}


def glyph(status: Status) -> Cell:
    """The sign of a status in its colour; a word always stands beside it in another cell."""
    return Cell(GLYPHS[status], STYLES[status])


def age(at: float | None, now: float) -> str:
    """Seconds since `at` in steps: now, 1m, 5m, 15m, 1h, ... then whole days; a future instant reads `now`."""
    if at is None:
        return "-"
    seconds = now - at
    for limit, word in STEPS:
        if seconds < limit:
            return word
    return f"{int(seconds // 86400)}d"


def clock(at: float | None, now: float) -> str:
    """The time of day in UTC, or the date when it is not today's."""
    if at is None:
        return "-"
    when = datetime.fromtimestamp(at, UTC)
    if abs(now - at) < 20 * 3600:
        return when.strftime("%H:%M")
    return when.strftime("%b %d")


def stamp(at: float | None) -> str:
    """Date and time in UTC, to the second."""
    return "-" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def day_time(at: float | None, now: float, *, seconds: bool = False) -> str:
    """Month, day and time in UTC, in 11 cells or with `seconds` in 14; of another year the date."""
    words = stamp(at)
    if at is None or words[:4] != stamp(now)[:4]:
        return words[:10]
    return words[5 : 19 if seconds else 16]


def duration(seconds: float | None) -> str:
    """0:07, 4m02, 1h05, 3d."""
    if seconds is None or seconds < 0:
        return "-"
    whole = int(seconds)
    if whole < 60:
        return f"0:{whole:02}"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}"
    if whole < 2 * 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}"
    return f"{whole // 86400}d"


def against(seconds: float | None, median: float | None) -> str:
    """How much longer than the median: +0:11, -0:04."""
    if seconds is None or median is None:
        return "-"
    apart = duration(abs(seconds - median))
    return ("+" if seconds >= median or apart == duration(0) else "-") + apart


def size(count: float | None) -> str:
    """Bytes in powers of 1024: 812, 4.1K, 1.9G."""
    if count is None:
        return "-"
    value = float(count)
    for unit in ("", "K", "M", "G", "T"):
        if value < 1000 or unit == "T":
            return f"{value:.0f}{unit}" if not unit or value >= 100 else f"{value:.1f}{unit}"
        value /= 1024
    return "-"


def number(value: float | str | None, digits: int = 3) -> str:
    """A metric's value: three significant digits, NaN and infinity as words."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    magnitude = abs(value)
    if magnitude >= 1e6 or 0 < magnitude < 1e-3:
        return f"{value:.2e}"
    if magnitude >= 100 or value == int(value):
        return f"{value:,.0f}"
    if magnitude < 1:
        return f"{value:.{digits}f}".replace("0.", ".", 1)
    return f"{value:.{digits}g}"


def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign."""
    if value is None:
        return "-"
    return f"{'+' if value >= 0 else '-'}{number(abs(value), digits)}"


def short(identity: str, length: int = 7) -> str:
    """The beginning of a sha or digest, without its algorithm."""
    return identity.rpartition(":")[2][:length]


def one_line(text: str) -> str:
    """The first line, for a cell."""
    return text.splitlines()[0] if text else ""
