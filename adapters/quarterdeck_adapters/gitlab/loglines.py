"""Lines of a job's log: the marks of its sections become headings, times before lines become their time. Pure.

https://docs.gitlab.com/ci/jobs/job_logs/#create-custom-collapsible-sections
https://docs.gitlab.com/ci/jobs/job_logs/#view-job-log-timestamps
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from quarterdeck_lifecycle.text import LineGate, LogLine

_RAW = re.compile(
    rb"section_(start|end):(\d{1,12}):([A-Za-z0-9_.-]{1,100})(?:\[[^\]\r\n]{0,200}\])?\r?(?:\x1b\[0K)*(?:(?<=0K)\n)?"
)
LAST = b"\x1b[0;m"
"""What a runner writes behind the last line's end: it would be an empty line more."""
_MARK = re.compile("\N{SYMBOL FOR ESCAPE}?section_(start|end):(\\d{1,12}):([A-Za-z0-9_.-]{1,100})=")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z \d\d[OE][ +]?")
_TITLES = {
    "prepare_executor": "prepare executor", "prepare_script": "prepare environment", "get_sources": "get sources",
    "restore_cache": "restore cache", "download_artifacts": "download artifacts", "step_script": "script",
    "after_script": "after script", "archive_cache": "save cache", "upload_artifacts_on_success": "upload artifacts",
    "upload_artifacts_on_failure": "upload artifacts", "cleanup_file_variables": "clean up",
}  # fmt: skip


class Section(NamedTuple):
    """A part of a job, as its log tells; `seconds` is None while it goes on, or when it never ended."""

    name: str
    seconds: float | None


def title(name: str) -> str:
    """What a section is called on the screen."""
    return _TITLES.get(name, name.replace("_", " "))


def marked(data: bytes) -> bytes:
    """The marks as a line each: as they are sent, a carriage return hides them behind the line that follows."""
    return _RAW.sub(rb"section_\1:\2:\3=\n", data)


def read_line(line: LogLine) -> LogLine | None:
    """A line without its time; a section that begins becomes a heading, one that ends goes."""
    text, spans, at = line.text, line.spans, line.at
    match = _MARK.match(text)
    if match is not None:
        if match[1] == "end":
            return None
        name = title(match[3])
        return LogLine(f"▸ {name}", ((0, len(name) + 2, "bold cyan"),), line.source, float(match[2]))
    stamp = _TIME.match(text)
    if stamp is not None:
        try:
            at = datetime.fromisoformat(stamp[1]).replace(tzinfo=UTC).timestamp() + float(stamp[2] or 0)
        except ValueError:
            return line
        cut = stamp.end()
        moved = ((max(0, start - cut), end - cut, style) for start, end, style in spans)
        return LogLine(text[cut:], tuple(span for span in moved if span[1] > span[0]), line.source, at)
    return line


def sections(log: bytes) -> list[Section]:
    """The parts of a job in order, with how long each took."""
    found: dict[str, tuple[float, float | None]] = {}
    for match in _RAW.finditer(log):
        name, at = match[3].decode("ascii", "replace"), float(match[2])
        if match[1] == b"start":
            found[name] = at, None
        elif name in found:
            found[name] = found[name][0], at
    return [Section(title(name), max(0.0, end - start) if end is not None else None)
            for name, (start, end) in found.items()]  # fmt: skip


def failing(log: bytes) -> str:
    """The section in which a job failed: the one that ended last, or never, before the runner gave up."""
    head = log[: log.rfind(b"ERROR: Job failed")] if b"ERROR: Job failed" in log else log
    after = (b"cleanup_file_variables", b"upload_artifacts", b"after_script")
    names = [match[3].decode("ascii", "replace") for match in _RAW.finditer(head) if not match[3].startswith(after)]
    return title(names[-1]) if names else ""


def lines(log: bytes) -> Iterator[LogLine]:
    """The lines of a whole log."""
    gate = LineGate()
    found: Iterable[LogLine] = [*gate.feed(marked(log.removesuffix(LAST))), *gate.flush()]
    for line in found:
        made = read_line(line)
        if made is not None:
            yield made
