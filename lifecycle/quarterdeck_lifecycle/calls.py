"""Every call that an adapter makes, in a bounded ring: what was asked of whom, how long it took, how it ended.

Recording costs a tuple. What is shown is redacted and cleaned by `shown`, when somebody looks.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Self

from quarterdeck_config.redact import redact
from quarterdeck_lifecycle.text import clean

KEPT = 2000
LONGEST = 400
_USERINFO = re.compile(r"(?<=://)[^/@\s]{1,512}@")


class Call(NamedTuple):
    """One call. `at` in epoch seconds, `ms` until the answer began (of a program: until it ended), `status` the HTTP
    status or exit code, or the name of what went wrong."""

    number: int
    at: float
    source: str
    method: str
    target: str
    ms: float
    status: str

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than an HTTP status below 400 or an exit code of 0."""
        if not self.status.isdigit():
            return True
        return int(self.status) >= 400 if self.method.isupper() else self.status != "0"


class CallLog:
    """The last calls; safe to add to from every thread."""

    def __init__(self, kept: int = KEPT) -> None:
        self._ring: deque[Call] = deque(maxlen=kept)
        self.count = 0
        self.listeners: list[Callable[[Call], None]] = []

    def add(self, source: str, method: str, target: str, began: float, status: object) -> None:
        """Keep a call that began at `began` (of `time.monotonic`) and has just ended."""
        self.count += 1
        ms = (time.monotonic() - began) * 1000
        call = Call(self.count, time.time(), source, method, target[:LONGEST], ms, str(status))
        self._ring.append(call)
        for tell in self.listeners:
            tell(call)

    def call(self, source: str, method: str, target: str) -> _Running:
        """Keep what happens inside `with`: set its `status`; one that raises has the name of what it raised."""
        return _Running(self, source, method, target)

    def newest(self) -> list[Call]:
        """The kept calls, newest first."""
        return list(self._ring)[::-1]


class _Running:
    """A call under way."""

    __slots__ = ("_began", "_log", "_method", "_source", "_target", "status")

    def __init__(self, log: CallLog, source: str, method: str, target: str) -> None:
        self._log, self._source, self._method, self._target = log, source, method, target
        self._began = time.monotonic()
        self.status: object = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        status = self.status if kind is None else kind.__name__
        self._log.add(self._source, self._method, self._target, self._began, status)


def shown(call: Call) -> Call:
    """The call fit to be shown: without credentials, and without what no terminal should see."""
    target = clean(redact(_USERINFO.sub("***@", call.target)), LONGEST)
    return call._replace(target=target, source=clean(call.source), status=clean(redact(call.status), 80))


CALLS = CallLog()
"""The program's own."""
