"""What the mutations share: what a record is of, the right to it, the same with GitLab's own program."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.acting import CiAction
from quarterdeck_adapters.gitlab.api import GitlabApi
from quarterdeck_adapters.gitlab.places import HOST, Place, place_of
from quarterdeck_lifecycle.errors import Unsupported
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.gitlab.adapter import GitlabSource

    Base = CiAction[GitlabSource]
else:
    Base = CiAction


class GitlabAction(Base):
    """One verb. What GitLab answers to a write is the thing as it was: it is read anew, and never believed."""

    @property
    def api(self) -> GitlabApi:
        """The calls of the source."""
        return self.source.api

    def denied(self, record: Record) -> str | None:
        """Why the token or our role may not do it, as far as that is known; or None."""
        place = place_of(record.ref, self.source.paths)
        return self.source.rights.denied(self.verb, place.path if place is not None else "")

    def place(self, ref: Ref) -> Place:
        """What the ref names. Raises NotFound, Unsupported."""
        if ref.kind != self.kind:
            raise Unsupported(f"{self.verb} is not for a {ref.kind}", source=self.source.name)
        return self.source.place(ref)

    def command(self, method: str, path: str, fields: Mapping[str, str] | None = None) -> str:
        """The same with `glab`, GitLab's own program."""
        host = () if self.api.base.startswith(HOST + "/") else ("--hostname", self.source.host)
        given = [word for key, value in (fields or {}).items() for word in ("-f", f"{key}={value}")]
        return shlex.join(["glab", "api", *host, "--method", method, path.lstrip("/"), *given])
