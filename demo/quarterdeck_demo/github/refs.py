"""The branches and commits of a bare repository, as they are now: pushes and merges are real."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from quarterdeck_demo.repos import git
from quarterdeck_demo.story.records import Commit, Person

FORMAT = "%H%x00%an%x00%ae%x00%ct%x00%P%x00%B"


class MergeConflict(Exception):
    """The two sides change the same lines."""


class Refs:
    """One bare repository."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._commits: dict[str, Commit] = {}

    def branches(self) -> dict[str, str]:
        """Branch to commit."""
        return self._under("refs/heads/")

    def tags(self) -> dict[str, str]:
        """Tag to commit."""
        return self._under("refs/tags/")

    def _under(self, prefix: str) -> dict[str, str]:
        found: dict[str, str] = {}
        packed = self._path / "packed-refs"
        lines = packed.read_text().splitlines() if packed.exists() else []
        for line in lines:
            sha, _, ref = line.partition(" ")
            if ref.startswith(prefix):
                found[ref.removeprefix(prefix)] = sha
        root = self._path / prefix
        for file in root.rglob("*") if root.exists() else ():
            if file.is_file() and not file.name.endswith(".lock"):
                found[str(file.relative_to(root))] = file.read_text().strip()
        return dict(sorted(found.items()))

    def resolve(self, name: str) -> str | None:
        """The commit that a branch, tag, `heads/x`, `tags/x` or full sha names."""
        branches, tags = self.branches(), self.tags()
        bare = name.removeprefix("refs/")
        for known, prefix in ((branches, "heads/"), (tags, "tags/")):
            if bare.removeprefix(prefix) in known:
                return known[bare.removeprefix(prefix)]
        return name if len(name) == 40 else None

    async def commit(self, name: str) -> Commit | None:
        """A commit by name; None when there is none."""
        sha = self.resolve(name) or name
        if sha in self._commits:
            return self._commits[sha]
        found = await self.log(sha, 1)
        return found[0] if found else None

    async def file(self, sha: str, path: str) -> bytes | None:
        """The bytes of a text file at a commit; None when it holds none."""
        if not re.fullmatch("[0-9a-f]{40}", sha):
            return None
        try:
            return (await self._git("show", f"{sha}:{path}")).encode()
        except RuntimeError:
            return None

    async def log(self, start: str, count: int, skip: int = 0, since: str = "") -> list[Commit]:
        """Commits from `start` back; without those of `since`. Empty when `start` is unknown."""
        excluded = [f"^{since}"] if since else []
        arguments = ["log", "-z", f"--format={FORMAT}", f"-n{count}", f"--skip={skip}", start, *excluded, "--"]
        try:
            out = await self._git(*arguments)
        except RuntimeError:
            return []
        fields = out.split("\x00")
        commits = []
        for index in range(0, len(fields) - 5, 6):
            sha, name, mail, at, parents, message = fields[index : index + 6]
            person = Person(mail.partition("@")[0], name, mail, 0)
            commits.append(Commit(sha, message.rstrip("\n"), person, float(at), tuple(parents.split())))
        self._commits.update((commit.sha, commit) for commit in commits)
        return commits

    async def merges_cleanly(self, base: str, head: str) -> bool:
        """Whether the two commits merge without a conflict."""
        try:
            await self._git("merge-tree", "--write-tree", base, head)
        except RuntimeError:
            return False
        return True

    async def merge(self, base: str, head: str, message: str, author: Person, at: float, *, squash: bool) -> str:
        """Merge `head` into branch `base` and return the new commit; raises `MergeConflict`."""
        before = self.branches()[base]
        try:
            tree = (await self._git("merge-tree", "--write-tree", before, head)).splitlines()[0]
        except RuntimeError as error:
            raise MergeConflict(str(error)) from error
        parents = ["-p", before] if squash else ["-p", before, "-p", head]
        who = ["-c", f"user.name={author.name}", "-c", f"user.email={author.email}"]
        sha = (await self._git(*who, "commit-tree", tree, *parents, "-m", message, at=at)).strip()
        await self._git("update-ref", f"refs/heads/{base}", sha, before)
        return sha

    async def set(self, ref: str, sha: str) -> None:
        """Point a ref at a commit."""
        await self._git("update-ref", ref, sha)

    async def _git(self, *arguments: str, at: float | None = None) -> str:
        return await asyncio.to_thread(git, self._path, *arguments, at=at)
