"""What lies between what runs and what is to run: commits and people, and migrations that a rollback does not undo."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.ports import Between, ComparesRevisions
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.release.model import Plan

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

DEADLINE_S = 15.0
MIGRATION = "migration {name} lies between: a put-back does NOT undo it"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What lies between, or `why` that cannot be told."""

    between: Between | None = None
    why: str = ""
    migrations: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """`7 commits by 3 people`, or why not."""
        if self.between is None:
            return f"n/a: {self.why}"
        parts = [counted(self.between.commits, "")] if self.between.commits or not self.between.gone else []
        if self.between.gone:
            parts.append(counted(self.between.gone, " taken back"))
        return ", ".join(parts)


def counted(commits: Sequence[object], what: str) -> str:
    """`7 commits by 3 people`."""
    people = len({getattr(commit, "author", "") for commit in commits})
    if not commits:
        return "no commit"
    plural = "s" if len(commits) > 1 else ""
    return f"{len(commits)} commit{plural}{what} by {people} {'people' if people > 1 else 'person'}"


async def between(boot: Boot, plan: Plan) -> Found:
    """Ask the source that has the service's repository. Never raises QuarterdeckError: then it says why not."""
    service = boot.loaded.config.services.get(plan.service)
    if service is None or service.repository is None:
        return Found(why="the service has no repository: in the config" if service else "no service, so no repository")
    old = plan.before.revision if plan.before is not None else ""
    if not old or not plan.to.revision:
        which = "what runs" if not old else "what comes"
        return Found(why=f"the image of {which} has no label org.opencontainers.image.revision")
    source = source_of(boot, service.repository)
    if source is None:
        return Found(why=f"{service.repository} is no repository that is known here")
    try:
        found = await boot.bounded(
            source.between(service.repository, old, plan.to.revision), DEADLINE_S, "commits between", "git"
        )
    except QuarterdeckError as error:
        return Found(why=error.what)
    names = [name for name in found.files if any(fnmatchcase(name, glob) for glob in service.migrations)]
    return Found(between=found, migrations=tuple(MIGRATION.format(name=name) for name in names[:5]))


def source_of(boot: Boot, path: str) -> ComparesRevisions | None:
    """The source that holds the repository at `path`."""
    for source in boot.hub.sources.values():
        if isinstance(source, ComparesRevisions) and boot.hub.find(Ref(source.name, "repository", path)) is not None:
            return source
    return None
