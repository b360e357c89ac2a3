"""What lies between two commits: for whoever puts one in the place of the other (gitrevisions(7), "A..B")."""

from __future__ import annotations

import re

from quarterdeck_adapters.git.command import Git, Opened
from quarterdeck_adapters.git.history import DEADLINE_S, rows
from quarterdeck_adapters.git.mapping import parse_log
from quarterdeck_adapters.git.reading import LOG
from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.ports import Between

MOST = 1000
_SHA = re.compile(r"[0-9a-f]{7,64}")


async def between(git: Git, opened: Opened, old: str, new: str) -> Between:
    """The commits that come and that go, at most a thousand of each, and the files that differ. Raises NotFound."""
    for sha in (old, new):
        if not _SHA.fullmatch(sha):
            raise NotFound(f"no commit {sha[:70]}", source=git.source)
        found = await git.run(opened, "cat-file", "-t", f"{sha}^{{commit}}", codes=(0, 1, 128))
        if found.code:
            raise NotFound(f"{sha[:10]} is not in {opened.path}", source=git.source, mend="git fetch there")

    async def log(one: str, other: str) -> bytes:
        ended = await git.run(opened, *LOG, f"-{MOST}", f"{one}..{other}", "--", deadline=DEADLINE_S)
        return ended.stdout

    coming, going = await log(old, new), await log(new, old)
    names = await git.run(
        opened, "diff", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv", "-z", old, new, "--",
        deadline=DEADLINE_S,
    )  # fmt: skip
    files = names.stdout.decode("utf-8", "surrogateescape").split("\0")
    return Between(
        commits=tuple(rows(git, opened, parse_log(coming))), gone=tuple(rows(git, opened, parse_log(going))),
        files=tuple(filter(None, files)),
    )  # fmt: skip
