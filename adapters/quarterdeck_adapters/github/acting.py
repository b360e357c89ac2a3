"""What the mutations share: read, compare, send once, read back."""

from __future__ import annotations

import json
import shlex
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from quarterdeck_adapters.github.api import Api
from quarterdeck_adapters.github.places import Place
from quarterdeck_lifecycle.errors import Conflict, Timeout, Unsupported
from quarterdeck_lifecycle.kinds import PullRequest, Run
from quarterdeck_lifecycle.ports import Preview, Step
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.github.adapter import GithubSource

SETTLE_S = (0.3, 0.7, 1.0, 2.0, 4.0, 8.0)
"""Pauses between the reads after a write: GitHub shows what it accepted a moment later."""
T = TypeVar("T")


class GithubAction:
    """One verb. `kind` is what it applies to."""

    verb = ""
    kind = "run"

    def __init__(self, source: GithubSource) -> None:
        self.source = source

    @property
    def api(self) -> Api:
        """The calls of the source."""
        return self.source.api

    def permitted(self, record: Record) -> str | None:
        """None when it applies to this record now, else why not."""
        if record.kind != self.kind or not isinstance(record, Run | PullRequest):
            return f"not for a {record.kind}"
        return self.source.rights.denied(self.verb, record.repository) or self.refusal(record)

    def refusal(self, record: Record) -> str | None:  # noqa: ARG002 - for those that need it
        """Why the state of the record forbids it, or None."""
        return None

    def place(self, ref: Ref) -> Place:
        """What the ref names. Raises NotFound, Unsupported."""
        if ref.kind != self.kind:
            raise Unsupported(f"{self.verb} is not for a {ref.kind}", source=self.source.name)
        return self.source.place(ref)

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

    def command(self, *words: str, place: Place) -> str:
        """The same with GitHub's own program."""
        host = self.source.host
        where = place.slug if host == "github.com" else f"{host}/{place.slug}"
        return shlex.join(["gh", *words, "-R", where])

    async def until(self, read: Callable[[], Awaitable[T | None]], preview: Preview, what: str) -> T:
        """Read until it answers something. Raises Timeout, which leaves the outcome unknown."""
        waited = 0.0
        for pause in (*SETTLE_S, None):
            found = await read()
            if found is not None:
                return found
            if pause is not None:
                waited += pause
                await self.source.sleep(pause)
        raise Timeout(preview.title, source=self.source.name, why=f"{what} after {waited:g} s", mend="look again")
