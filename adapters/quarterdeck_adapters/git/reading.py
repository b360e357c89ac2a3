"""One repository as a record: `status`, one `log` and a look into its git folder."""

from __future__ import annotations

import os
from contextlib import suppress

import msgspec

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.git.command import Git, Opened, remote_urls
from quarterdeck_adapters.git.faults import trouble
from quarterdeck_adapters.git.mapping import LOG_FORMAT, Logged, WorkTree, judge, parse_log, parse_status
from quarterdeck_adapters.git.urls import normalised, shown, web
from quarterdeck_lifecycle.errors import QuarterdeckError, Timeout, ToolMissing
from quarterdeck_lifecycle.kinds import Repository
from quarterdeck_lifecycle.records import Link, Ref

LOG = ("log", "-z", f"--format=tformat:{LOG_FORMAT}", "--decorate=full", "--encoding=UTF-8", "--no-show-signature",
       "--no-color", "--no-ext-diff", "--no-textconv", "--no-mailmap")  # fmt: skip
STATUS = ("status", "--porcelain=v2", "--branch", "--show-stash", "-z", "--ahead-behind", "--no-renames",
          "--ignore-submodules=dirty")  # fmt: skip
_OPERATIONS = (
    ("rebase-merge", "rebasing"),
    ("rebase-apply", "rebasing"),
    ("MERGE_HEAD", "merging"),
    ("CHERRY_PICK_HEAD", "cherry-picking"),
    ("REVERT_HEAD", "reverting"),
    ("BISECT_LOG", "bisecting"),
)


class Look(msgspec.Struct, frozen=True):
    """What the git folder says without git: a long operation, the last fetch (epoch seconds), linked work trees."""

    operation: str = ""
    fetched_at: float | None = None
    worktrees: int = 0
    shallow: bool = False


def look_into(opened: Opened) -> Look:
    """Read the git folder. Blocks for a few system calls."""

    def there(name: str) -> bool:
        return os.path.lexists(os.path.join(opened.git_dir, name))

    fetched = None
    with suppress(OSError):
        fetched = os.stat(os.path.join(opened.git_dir, "FETCH_HEAD")).st_mtime
    worktrees = 0
    with suppress(OSError):
        worktrees = len(os.listdir(os.path.join(opened.common_dir, "worktrees")))
    return Look(
        operation=next((word for name, word in _OPERATIONS if there(name)), ""),
        fetched_at=fetched,
        worktrees=worktrees,
        shallow=os.path.isfile(os.path.join(opened.common_dir, "shallow")),
    )


class Reader:
    """Reads repositories of one source, and remembers what the last good reading of each was."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._last: dict[str, Repository] = {}
        self._slow: set[str] = set()

    async def row(self, path: str, name: str) -> Repository:
        """The repository's row. One that cannot be read keeps its last facts, with the trouble as state and note.

        Raises ToolMissing when there is no git at all.
        """
        try:
            found = await self.read(await self._git.open(path), name)
        except ToolMissing:
            raise
        except QuarterdeckError as error:
            return self.in_trouble(path, name, error)
        self._last[path] = found
        return found

    def in_trouble(self, path: str, name: str, error: QuarterdeckError) -> Repository:
        """The row of a repository that could not be read."""
        status, state, note = trouble(error, path)
        ref = Ref(self._git.source, "repository", path)
        last = self._last.get(path) or Repository(ref=ref, name=name, path=path)
        return msgspec.structs.replace(last, name=name, status=status, state=state, note=note)

    async def read(self, opened: Opened, name: str) -> Repository:
        """The repository as it is now. Raises QuarterdeckError."""
        path = opened.path
        look = await call(lambda: look_into(opened), deadline=self._git.deadline, source=self._git.source, what=path)
        tree, note = await self._tree(opened)
        head, upstream = await self._tips(opened, tree)
        status, state = judge(tree, look.operation)
        if opened.bare:
            state = "bare" if tree.head else "no commits"
        elif not tree.branch and not look.operation:
            note = note or "detached HEAD"
        if look.shallow:
            note = f"{note}; shallow clone" if note else "shallow clone"
        named = remote_name(opened, tree.branch)
        remote = remote_urls(opened, named)[0] if named else ""
        return Repository(
            ref=Ref(self._git.source, "repository", path),
            name=name,
            status=status,
            state=state,
            note=note,
            path=path,
            branch=tree.branch,
            head=tree.head,
            upstream=tree.upstream,
            upstream_head=upstream.sha,
            ahead=tree.ahead,
            behind=tree.behind,
            staged=tree.count("staged"),
            changed=tree.count("changed"),
            untracked=tree.count("untracked"),
            conflicts=tree.count("conflict"),
            stashes=tree.stashes,
            worktrees=look.worktrees,
            operation=look.operation,
            subject=head.subject,
            author=head.author,
            committed_at=head.at,
            updated_at=head.at,
            tag=head.tags[0] if head.tags else "",
            remote=shown(remote),
            fetched_at=look.fetched_at,
            url=web(remote),
            links=_links(tree, head, normalised(remote)),
        )

    async def _tree(self, opened: Opened) -> tuple[WorkTree, str]:
        if opened.bare:
            branch = await self._git.text(opened, "symbolic-ref", "-q", "--short", "HEAD", codes=(0, 1))
            head = await self._git.text(opened, "rev-parse", "--verify", "-q", "HEAD^{commit}", codes=(0, 1))
            return WorkTree(head=head, branch=branch), ""
        if opened.path not in self._slow:
            try:
                ended = await self._git.run(opened, *STATUS, "--untracked-files=normal")
                return parse_status(ended.stdout), "more files differ than are counted" if ended.truncated else ""
            except Timeout:
                self._slow.add(opened.path)
        ended = await self._git.run(opened, *STATUS, "--untracked-files=no")
        return parse_status(ended.stdout), "untracked files are not counted: it takes too long"

    async def _tips(self, opened: Opened, tree: WorkTree) -> tuple[Logged, Logged]:
        if not tree.head:
            ended = await self._git.run(opened, *LOG, "-1", codes=(0, 128))
            if ended.code and b"does not have any commits yet" not in ended.stderr:
                raise self._git.failed("reading HEAD", ended)
            return Logged(""), Logged("")
        known = tree.ahead is not None
        wanted = ("HEAD", "@{upstream}") if known else ("HEAD",)
        ended = await self._git.run(opened, *LOG, "--no-walk=unsorted", *wanted, "--")
        tips = list(parse_log(ended.stdout))
        head = tips[0] if tips else Logged(tree.head)
        return head, (tips[1] if len(tips) > 1 else head) if known else Logged("")


def remote_name(opened: Opened, branch: str) -> str:
    """The remote of the branch's upstream, else `origin`, else the only one; empty when there is none."""
    named = opened.value(f"branch.{branch}.remote")
    if named and named != ".":
        return named
    remotes = remote_names(opened)
    return "origin" if "origin" in remotes else remotes[0] if len(remotes) == 1 else ""


def remote_names(opened: Opened) -> list[str]:
    """The configured remotes, in the order of the config."""
    names = (s.key[len("remote.") : -len(".url")] for s in opened.settings if _is_remote_url(s.key))
    return list(dict.fromkeys(names))


def _is_remote_url(key: str) -> bool:
    return key.startswith("remote.") and key.endswith(".url")


def _links(tree: WorkTree, head: Logged, repository: str) -> tuple[Link, ...]:
    facts = [Link(kind="commit", value=tree.head, evidence="HEAD")] if tree.head else []
    if tree.branch:
        facts.append(Link(kind="branch", value=tree.branch, evidence="HEAD"))
    if repository:
        facts.append(Link(kind="repository", value=repository, evidence="the remote's address"))
    facts += [Link(kind="tag", value=tag, evidence="a tag on HEAD") for tag in head.tags]
    return tuple(facts)


def unread(waited: float, source: str) -> QuarterdeckError:
    """Why a row is as it was: the listing's time was over first."""
    return Timeout("reading it", source=source, why=f"not read within {waited:g} s", mend="see whether its disk hangs")
