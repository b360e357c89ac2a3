"""What the mutations share: read, compare, send once, read back."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.acting import SETTLE_S, CiAction
from quarterdeck_adapters.github.api import Api
from quarterdeck_adapters.github.places import Place
from quarterdeck_lifecycle.errors import Unsupported
from quarterdeck_lifecycle.kinds import Deployment, Job, PullRequest, Run
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.github.adapter import GithubSource  # noqa: F401 - named in the base's parameter

__all__ = ["SETTLE_S", "GithubAction"]


class GithubAction(CiAction["GithubSource"]):
    """One verb."""

    @property
    def api(self) -> Api:
        """The calls of the source."""
        return self.source.api

    def denied(self, record: Record) -> str | None:
        """Why the token may not do it in the record's repository, or None."""
        if not isinstance(record, Run | PullRequest | Job | Deployment):
            return f"not for a {record.kind}"
        return self.source.rights.denied(self.verb, "/".join(record.ref.id.split("/")[:2]))

    def place(self, ref: Ref) -> Place:
        """What the ref names. Raises NotFound, Unsupported."""
        if ref.kind != self.kind:
            raise Unsupported(f"{self.verb} is not for a {ref.kind}", source=self.source.name)
        return self.source.place(ref)

    def command(self, *words: str, place: Place) -> str:
        """The same with GitHub's own program."""
        host = self.source.host
        where = place.slug if host == "github.com" else f"{host}/{place.slug}"
        return shlex.join(["gh", *words, "-R", where])
