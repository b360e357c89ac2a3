"""Where a failed run failed: the first failing step, its last lines, and the lines that speak of an error. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.text import LineGate, LogLine

LAST = 40
ERRORS = 12
WIDTH = 400
TITLE = "Failure"
_ERROR = re.compile(
    r"\b(?:error|fatal|failed|failure|exception|traceback|panic(?:ked)?|assert(?:ion)?error|segmentation fault"
    r"|undefined reference|no such file|permission denied|command not found|out of memory|oom-?killed)\b"
    r"|\b\w+(?:Error|Exception)\b|^E\s{2,}|^FAILED\b|^npm ERR!|^\s*✗",
    re.IGNORECASE,
)
_NO_ERROR = re.compile(
    r"\b(?:0|no|without) (?:errors?|failures?|failed)\b|\b(?:errors?|failures?|failed)\s*[:=]\s*0\b", re.IGNORECASE
)


class Found(NamedTuple):
    """What a log says of a failure: `errors` are (number of the line from 1, its text), `last` the lines at its end."""

    lines: int
    errors: tuple[tuple[int, str], ...]
    last: tuple[str, ...]


def speaks_of_error(line: str) -> bool:
    """Whether a line of a log, without escape sequences, tells of an error."""
    return bool(_ERROR.search(line)) and not _NO_ERROR.search(line)


def read(lines: Iterable[LogLine | str]) -> Found:
    """What the lines of a log say. The last error lines are kept: what ended the step stands at its end."""
    errors: deque[tuple[int, str]] = deque(maxlen=ERRORS)
    last: deque[str] = deque(maxlen=LAST)
    count = 0
    for line in lines:
        text = (line if isinstance(line, str) else line.text)[:WIDTH]
        count += 1
        last.append(text)
        if speaks_of_error(text):
            errors.append((count, text))
    return Found(count, tuple(errors), tuple(last))


def read_bytes(log: bytes) -> Found:
    """As `read`, for the bytes of a log."""
    gate = LineGate()
    return read([*gate.feed(log), *gate.flush()])


def section(job: str, step: str, found: Found | None, why: str = "") -> Section:
    """The tab: which job and step failed, the error lines, the last lines. `why` is said where no log was read."""
    head = [f"{job} failed{f' at step {step}' if step else ''}"]
    if found is None or not found.lines:
        return Section(title=TITLE, shape="text", text="\n".join(head), note=why or "the log has no line")
    parts = list(head)
    if found.errors:
        parts += ["", "error lines:", *(f"{number:>6}  {text}" for number, text in found.errors)]
    parts += ["", f"last {len(found.last)} of {found.lines:,} lines:", *found.last]
    return Section(title=TITLE, shape="text", text="\n".join(parts), note=why)
