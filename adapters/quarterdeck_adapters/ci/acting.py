"""What the verbs of CI systems share: refuse with a reason, compare, read back until it shows."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from quarterdeck_lifecycle.errors import Conflict, Timeout, Unsupported
from quarterdeck_lifecycle.ports import Outcome, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref

SETTLE_S = (0.3, 0.7, 1.0, 2.0, 4.0, 8.0)
"""Seconds between the reads after a write: systems show what they accepted a moment later."""
T = TypeVar("T")


class CiSource(Protocol):
    """What a verb needs of its source."""

    name: str
    sleep: Callable[[float], Awaitable[None]]


S = TypeVar("S", bound=CiSource)


class CiAction(Generic[S]):
    """One verb, on records of `kind`. A subclass adds `preview`, `execute` and `verify`."""

    verb = ""
    kind = "run"

    def __init__(self, source: S) -> None:
        self.source = source

    def permitted(self, record: Record) -> str | None:
        """None when it applies to this record now, else why not: the right first, then the state."""
        if record.kind != self.kind:
            return f"not for a {record.kind}"
        return self.denied(record) or self.refusal(record)

    def denied(self, record: Record) -> str | None:  # noqa: ARG002 - for those that need it
        """Why the credential may not do it, as far as that is known; or None."""
        return None

    def refusal(self, record: Record) -> str | None:  # noqa: ARG002 - for those that need it
        """Why the state of the record forbids it, or None."""
        return None

    def checked(self, record: Record, title: str) -> None:
        """Raise Conflict when the record as read just now forbids the verb."""
        why = self.permitted(record)
        if why is not None:
            raise Conflict(f"{title} was not sent", source=self.source.name, why=why)

    def moved(self, seen: str, now: str) -> Conflict:
        """What is raised when the thing is not as the operator saw it."""
        return Conflict(
            "nothing was sent", source=self.source.name, why=f"it was {seen} and is {now} now",
            mend="look again, then decide anew",
        )  # fmt: skip

    def step(self, method: str, path: str, body: Any = None) -> Step:
        """One call as it will be sent."""
        return Step(call=f"{method} {path}", detail=json.dumps(body, ensure_ascii=False) if body else "no body")

    async def until(
        self, read: Callable[[], Awaitable[T | None]], preview: Preview, what: str, pauses: Sequence[float] = SETTLE_S
    ) -> T:
        """Read until it answers something. Raises Timeout, which leaves the outcome unknown."""
        waited = 0.0
        for pause in (*pauses, None):
            found = await read()
            if found is not None:
                return found
            if pause is not None:
                waited += pause
                await self.source.sleep(pause)
        raise Timeout(preview.title, source=self.source.name, why=f"{what} after {waited:g} s", mend="look again")


class Cannot(CiAction[S]):
    """A verb that the system has not: it is greyed, with the reason."""

    def __init__(self, source: S, verb: str, why: str, kind: str = "run") -> None:
        super().__init__(source)
        self.verb, self.kind, self.why = verb, kind, why

    def refusal(self, record: Record) -> str | None:  # noqa: ARG002 - see CiAction
        return self.why

    async def preview(self, ref: Ref, args: Mapping[str, str]) -> Preview:  # noqa: ARG002 - part of the port
        """Raises Unsupported."""
        raise Unsupported(f"{self.verb} is not sent", source=self.source.name, why=self.why)

    async def execute(self, preview: Preview) -> str:
        """Raises Unsupported."""
        raise Unsupported(f"{preview.verb} is not sent", source=self.source.name, why=self.why)

    async def verify(self, preview: Preview) -> Outcome:
        """Raises Unsupported."""
        raise Unsupported(f"{preview.verb} is not sent", source=self.source.name, why=self.why)
