"""What a job's log tells of its commands: when each began and ended, and how. Travis has no other record of them. Pure.

The markers: https://github.com/travis-ci/travis-build/tree/master/lib/travis/build/bash
"""

from __future__ import annotations

import re
from typing import NamedTuple

from quarterdeck_adapters.ci.values import shown
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.text import strip_ansi

MOST = 200
_MARK = re.compile(
    r"travis_time:start:(?P<start>[0-9a-f]+)"
    r"|travis_time:end:(?P<end>[0-9a-f]+):start=(?P<from>\d+),finish=(?P<to>\d+)"
    r"|^\$ (?P<command>.+)$"
    r'|^The command "(?P<named>.+)" (?:failed and )?exited with (?P<code>\d+)(?: during (?P<phase>\S+?))?\.?$'
    r"|^(?P<stalled>No output has been received in the last .+|The job exceeded the maximum .+)$",
    re.MULTILINE,
)


class Ran(NamedTuple):
    """A command of a job: `code` is None where the log tells none, `seconds` where it has not ended."""

    command: str
    code: int | None = None
    seconds: float | None = None

    @property
    def state(self) -> str:
        """In a word."""
        return "" if self.code is None else "passed" if self.code == 0 else f"exited with {self.code}"

    @property
    def status(self) -> Status:
        """How it is doing."""
        return Status.UNKNOWN if self.code is None else Status.BAD if self.code else Status.OK


class Told(NamedTuple):
    """The commands in order, and what ended the job where no command did."""

    ran: tuple[Ran, ...]
    why: str = ""

    @property
    def broke(self) -> str:
        """The first command that failed, else what ended the job; empty when neither is told."""
        return next((each.command for each in self.ran if each.code), self.why)


def read(log: str) -> Told:
    """The commands of a log, at most 200."""
    found: list[Ran] = []
    opened: dict[str, int] = {}
    pending, why = "", ""
    for match in _MARK.finditer(strip_ansi(log).replace("\r\n", "\n").replace("\r", "\n")):
        if match["start"]:
            pending = match["start"]
        elif match["command"] and len(found) < MOST:
            if pending:
                opened[pending] = len(found)
                pending = ""
            found.append(Ran(shown(match["command"].strip(), 200)))
        elif match["end"] and (place := opened.pop(match["end"], None)) is not None:
            took = max(0, int(match["to"]) - int(match["from"])) / 1e9
            found[place] = found[place]._replace(seconds=took)
        elif match["named"]:
            named = shown(match["named"].strip(), 200)
            place = next((n for n in range(len(found) - 1, -1, -1) if found[n].command == named), None)
            if place is not None:
                found[place] = found[place]._replace(code=int(match["code"]))
            elif len(found) < MOST:
                found.append(Ran(named, int(match["code"])))
        elif match["stalled"]:
            why = shown(match["stalled"], 200)
    # What stands before a command that told its end went well: a job ends at the first that does not.
    last = max((n for n, each in enumerate(found) if each.code is not None), default=-1)
    return Told(tuple(each if each.code is not None or n > last else each._replace(code=0)
                      for n, each in enumerate(found)), why)  # fmt: skip
