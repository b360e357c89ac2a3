"""What the mutations share: the place of a ref, rights, Travis's own command line, restarts that are read back."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from quarterdeck_adapters.ci.acting import CiAction
from quarterdeck_adapters.ci.values import Json, text
from quarterdeck_adapters.travis import mapping
from quarterdeck_adapters.travis.api import TravisApi
from quarterdeck_adapters.travis.places import API, Place
from quarterdeck_lifecycle.errors import Unsupported
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.travis.adapter import TravisSource

BUSY = frozenset({"received", "queued", "started", "booting"})
"""States in which Travis refuses a restart."""
REPLACED = "Travis keeps one result and one log of each: those of now are replaced"


class Seen(NamedTuple):
    """What the operator saw of a build or a job. A restart empties its times, and a new start differs."""

    state: str
    started: str
    restarted: str = ""

    def __str__(self) -> str:
        return f"{self.state}, begun {self.started}" if self.started else self.state

    @property
    def ended(self) -> bool:
        """Whether it had ended."""
        return self.state in mapping.ENDED


def seen(payload: Json) -> Seen:
    """What a build or a job is now."""
    return Seen(mapping.word(payload), text(payload.get("started_at")), text(payload.get("restarted_at")))


class TravisAction(CiAction["TravisSource"]):
    """One verb. `kind` is what it applies to."""

    source: TravisSource

    @property
    def api(self) -> TravisApi:
        """The calls of the source."""
        return self.source.api

    def place(self, ref: Ref) -> Place:
        """What the ref names. Raises NotFound, Unsupported."""
        if ref.kind != self.kind:
            raise Unsupported(f"{self.verb} is not for a {ref.kind}", source=self.source.name)
        return self.source.place(ref)

    def denied(self, record: Record) -> str | None:
        """Why @permissions forbid it, or None."""
        place = self.source.place(record.ref)
        return self.source.rights.denied(self.verb, place.slug, record.kind, place.job or place.number)

    def command(self, *words: str, place: Place) -> str:
        """The same with Travis's own program."""
        where = ["--com"] if self.api.base == API else ["--api-endpoint", self.api.base]
        return shlex.join(["travis", *words, "-r", place.slug, *where])
