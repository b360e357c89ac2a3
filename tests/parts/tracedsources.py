"""Told sources for tests of the trace: rows of several kinds, and a repository with a history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.kinds import Commit, Repository
from quarterdeck_lifecycle.ports import Between, Listing
from quarterdeck_lifecycle.records import Record, Ref
from scripted import Scripted


class Rows(Scripted):
    """Lists rows of several kinds."""

    def __init__(self, name: str, rows: Iterable[Record], environment: str = "") -> None:
        super().__init__(name, list(rows), environment=environment)
        self.kinds = tuple(sorted({row.kind for row in self.rows}))

    async def list(self, kind: str) -> Listing:
        listing = await super().list(kind)
        return Listing(rows=[row for row in listing.rows if row.kind == kind])


class Told(Rows):
    """A repository whose history is a line of commits, the newest first."""

    def __init__(self, line: Sequence[Commit]) -> None:
        head = line[0]
        work = Repository(ref=Ref("git", "repository", "/src/api"), name="api", path="/src/api", head=head.sha,
                          branch="main", links=head.links)  # fmt: skip
        super().__init__("git", [work])
        self.line = line
        self.asked: list[tuple[str, str]] = []

    async def children(self, ref: Ref, page: str = "") -> tuple[Listing, str]:
        return Listing(rows=list(self.line)), ""

    async def between(self, path: str, old: str, new: str) -> Between:
        self.asked.append((old, new))
        shas = [commit.sha for commit in self.line]
        if old not in shas or new not in shas:
            raise NotFound("no such commit", source=self.name)
        one, other = shas.index(old), shas.index(new)
        return Between(commits=tuple(self.line[other:one]), gone=tuple(self.line[one:other]))
