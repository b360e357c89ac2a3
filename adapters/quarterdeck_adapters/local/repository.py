"""The repository that a run is of: its commit, its branch, and what in it differs. Git is asked disarmed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.git.command import Git, remote_urls
from quarterdeck_adapters.git.finding import nearest
from quarterdeck_adapters.git.mapping import parse_status
from quarterdeck_adapters.git.reading import STATUS, remote_name
from quarterdeck_adapters.git.urls import normalised
from quarterdeck_adapters.local.model import Tree


class Repositories:
    """Reads the state of working copies."""

    def __init__(self, source: str, env: Mapping[str, str], deadline: float) -> None:
        self._git = Git(source, env, deadline)
        self._source, self._deadline = source, deadline

    async def tree(self, folder: str) -> Tree:
        """The repository that `folder` is in, as it is now; an empty one outside any. Raises QuarterdeckError."""
        path = await call(
            lambda: nearest(folder) if os.path.isdir(folder) else "", deadline=self._deadline, source=self._source,
            what="looking for its repository",
        )  # fmt: skip
        if not path:
            return Tree()
        repo = await self._git.open(path)
        ended = await self._git.run(repo, *STATUS, "--untracked-files=normal")
        status = parse_status(ended.stdout)
        remote = remote_name(repo, status.branch)
        facts = (status.head, status.branch, *(f"{entry.letters} {entry.path}" for entry in status.entries))
        return Tree(
            path=path, name=os.path.basename(path), head=status.head, branch=status.branch, dirty=len(status.entries),
            git_dir=repo.git_dir, common_dir=repo.common_dir,
            remote=normalised(remote_urls(repo, remote)[0]) if remote else "",
            digest=hashlib.sha256("\0".join(facts).encode("utf-8", "surrogateescape")).hexdigest(),
        )  # fmt: skip
