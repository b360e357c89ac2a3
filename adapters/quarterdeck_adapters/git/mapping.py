"""Git's answers as facts. Pure.

`git status --porcelain=v2 -z`: https://git-scm.com/docs/git-status#_porcelain_format_version_2
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from quarterdeck_lifecycle.records import Status

LOG_FORMAT = "%H%x00%an%x00%ct%x00%D%x00%s"
_ENTRY_FIELDS = {"1": 8, "2": 9, "u": 10}


class Entry(msgspec.Struct, frozen=True):
    """A file that differs: two letters as `git status --short` shows them, and its path."""

    letters: str
    path: str


class WorkTree(msgspec.Struct, frozen=True):
    """What `git status` said. `ahead` and `behind` are None without a (known) upstream."""

    head: str = ""
    branch: str = ""
    upstream: str = ""
    ahead: int | None = None
    behind: int | None = None
    stashes: int = 0
    entries: tuple[Entry, ...] = ()

    def count(self, which: str) -> int:
        """How many files are `staged`, `changed`, `untracked` or in `conflict`."""
        tests = {
            "staged": lambda e: e.letters[0] not in ".?u" and "U" not in e.letters,
            "changed": lambda e: e.letters[1] not in ".?u" and "U" not in e.letters,
            "untracked": lambda e: e.letters == "??",
            "conflict": lambda e: e.letters[0] == "u",
        }
        return sum(map(tests[which], self.entries))


class Logged(msgspec.Struct, frozen=True):
    """One commit of a log; `at` in epoch seconds, `refs` as full names."""

    sha: str
    author: str = ""
    at: float | None = None
    refs: tuple[str, ...] = ()
    subject: str = ""

    @property
    def tags(self) -> list[str]:
        """The names of the tags on it."""
        return [ref.removeprefix("tag: refs/tags/") for ref in self.refs if ref.startswith("tag: refs/tags/")]


def parse_status(answer: bytes) -> WorkTree:
    """`status --porcelain=v2 --branch --show-stash -z` as facts; a last entry that was cut is left out."""
    parts = iter(answer.decode("utf-8", "surrogateescape").split("\0")[:-1])
    facts: dict[str, str] = {}
    entries: list[Entry] = []
    for part in parts:
        mark, _, rest = part.partition(" ")
        if mark == "#":
            key, _, value = rest.partition(" ")
            facts[key] = value
        elif mark == "?":
            entries.append(Entry("??", rest))
        elif mark in _ENTRY_FIELDS:
            fields = part.split(" ", _ENTRY_FIELDS[mark])
            if mark == "2":
                next(parts, "")
            entries.append(Entry("u" + fields[1][1:] if mark == "u" else fields[1], fields[-1]))
    counts = facts.get("branch.ab", "").split()
    branch, head = facts.get("branch.head", ""), facts.get("branch.oid", "")
    return WorkTree(
        head="" if head == "(initial)" else head,
        branch="" if branch.startswith("(") else branch,
        upstream=facts.get("branch.upstream", ""),
        ahead=int(counts[0]) if len(counts) == 2 else None,
        behind=-int(counts[1]) if len(counts) == 2 else None,
        stashes=int(facts.get("stash", "0") or 0),
        entries=tuple(entries),
    )


def parse_log(answer: bytes) -> Iterator[Logged]:
    """The commits of `log -z --format=tformat:LOG_FORMAT --decorate=full`."""
    parts = answer.decode("utf-8", "surrogateescape").split("\0")
    for at in range(0, len(parts) - 4, 5):
        sha, author, when, refs, subject = parts[at : at + 5]
        yield Logged(
            sha, author, float(when) if when.isdigit() else None, tuple(filter(None, refs.split(", "))), subject
        )


def judge(tree: WorkTree, operation: str) -> tuple[Status, str]:
    """A readable repository's status and state, the worst first."""
    if tree.count("conflict"):
        return Status.BAD, "conflicts"
    if operation:
        return Status.BAD if operation == "rebasing" else Status.LOOK, operation
    if tree.ahead and tree.behind:
        return Status.LOOK, "diverged"
    if tree.behind:
        return Status.LOOK, f"behind {tree.behind}"
    if tree.entries:
        return Status.LOOK, "dirty"
    if tree.ahead:
        return Status.LOOK, f"ahead {tree.ahead}"
    return Status.OK, "clean" if tree.head else "no commits"


def unique_names(paths: Sequence[str]) -> dict[str, str]:
    """A short name for each path: its folder's, with as many folders above as make it the only one."""
    depth = dict.fromkeys(paths, 1)
    while True:
        names = {path: "/".join(path.strip("/").split("/")[-depth[path] :]) or "/" for path in paths}
        taken: dict[str, list[str]] = {}
        for path, name in names.items():
            taken.setdefault(name, []).append(path)
        clashing = [p for same in taken.values() if len(same) > 1 for p in same if depth[p] < p.count("/")]
        if not clashing:
            return names
        for path in clashing:
            depth[path] += 1
