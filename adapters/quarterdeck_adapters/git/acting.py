"""What can be done to a repository, by the verb's id, and what all of it shares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

import msgspec

from quarterdeck_adapters.git.command import Git, Opened
from quarterdeck_adapters.git.faults import complaint
from quarterdeck_adapters.git.mapping import WorkTree, parse_log, parse_status
from quarterdeck_adapters.git.reading import LOG, STATUS, remote_name
from quarterdeck_lifecycle.errors import Conflict, Refused, Unsupported
from quarterdeck_lifecycle.kinds import Repository
from quarterdeck_lifecycle.ports import Action, Preview, Step
from quarterdeck_lifecycle.records import Record, Ref, Status

WRITE_S = 110.0
NETWORK_S = 20.0
LISTED = 20


class Owner(Protocol):
    """The source that the actions belong to."""

    name: str
    git: Git

    async def open(self, ref: Ref) -> Opened:
        """The repository of a ref. Raises QuarterdeckError."""

    async def read(self, ref: Ref) -> Repository:
        """The repository's record as it is now. Raises QuarterdeckError."""


class Token(msgspec.Struct, frozen=True):
    """What the operator saw: HEAD, the branch, its upstream's commit and, where files are touched, what differs."""

    head: str
    branch: str
    upstream: str
    files: str = ""
    target: str = ""
    """The commit that is acted with, where it is another than HEAD; compared by the verb itself."""


class Seen(msgspec.Struct, frozen=True):
    """A repository as it was read for a preview."""

    opened: Opened
    record: Repository
    tree: WorkTree
    token: Token


class GitAction:
    """One verb on a repository: read, say what would be run, compare, run, read back."""

    verb = ""
    touches_files = False
    needs_branch = False

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.git = owner.git

    def permitted(self, record: Record) -> str | None:
        """The reason that it does not apply to this repository now, or None."""
        if not isinstance(record, Repository):
            return "not a repository"
        busy = bool(record.operation or record.conflicts)
        if record.status is Status.UNKNOWN or (record.status is Status.BAD and not busy):
            return f"the repository is in trouble: {record.state}"
        if self.touches_files and record.state == "bare":
            return "a bare repository has no work tree"
        if self.touches_files and busy:
            return f"{record.operation or 'conflicts'} first: finish or abort it in a shell"
        if self.needs_branch and not record.branch:
            return "HEAD is detached: switch to a branch first"
        return None

    async def see(self, ref: Ref) -> Seen:
        """The repository now. Raises Conflict when the verb does not apply to it."""
        if ref.kind != "repository":
            raise Unsupported(f"{self.verb} is for repositories", source=self.owner.name)
        opened, record = await self.owner.open(ref), await self.owner.read(ref)
        why = self.permitted(record)
        if why:
            raise Conflict(f"{self.verb} on {record.name}", source=self.owner.name, why=why)
        tree, files = WorkTree(head=record.head, branch=record.branch), ""
        if self.touches_files:
            status = await self.git.run(opened, *STATUS, "--untracked-files=no")
            tree = parse_status(status.stdout)
            shown = "\0".join(f"{entry.letters} {entry.path}" for entry in tree.entries)
            files = hashlib.sha256(shown.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return Seen(opened, record, tree, Token(record.head, record.branch, record.upstream_head, files))

    async def compare(self, preview: Preview) -> Opened:
        """The repository again, right before the write. Raises Conflict when it is not what the operator saw."""
        seen = await self.see(preview.ref)
        token = preview.token
        if not isinstance(token, Token) or msgspec.structs.replace(token, target="") != seen.token:
            raise Conflict(
                f"{self.verb} was not run", source=self.owner.name, why="the repository moved since it was looked at",
                mend="look again",
            )  # fmt: skip
        return seen.opened

    def remote(self, opened: Opened, branch: str) -> str:
        """The remote to talk to. Raises Refused without one."""
        name = remote_name(opened, branch)
        if not name:
            mend = "git remote add origin ADDRESS, in a shell"
            raise Refused(f"{opened.path} has no remote", source=self.owner.name, mend=mend)
        return name

    def step(self, opened: Opened, *args: str) -> Step:
        """A step of a preview: the very command that will be run."""
        return Step(call=self.git.line(opened, *args))

    async def write(self, opened: Opened, *args: str) -> str:
        """Run a command that writes, once. What git said is the answer. Raises QuarterdeckError."""
        ended = await self.git.run(opened, *args, deadline=WRITE_S)
        return complaint(ended.stderr or ended.stdout, limit=1).strip()

    async def commits(self, opened: Opened, span: str) -> tuple[str, ...]:
        """The newest commits of a range, a line each, for a preview's impact."""
        ended = await self.git.run(opened, *LOG, f"-{LISTED + 1}", span, "--")
        found = [f"{one.sha[:10]} {one.subject}" for one in parse_log(ended.stdout)]
        return (*found[:LISTED], "and more") if len(found) > LISTED else tuple(found)

    async def sha(self, opened: Opened, name: str) -> str:
        """The commit that a full ref name stands for, or an empty string."""
        asked = ("rev-parse", "--verify", "-q", "--end-of-options", f"{name}^{{commit}}")
        return (await self.git.text(opened, *asked, codes=(0, 1, 128))).strip()

    async def sha_there(self, opened: Opened, remote: str, *refs: str) -> dict[str, str]:
        """What full ref names stand for at a remote. Raises QuarterdeckError."""
        program = self.git.far_end(opened, remote, "upload")
        ended = await self.git.run(opened, "ls-remote", "-q", *program, "--", remote, *refs, deadline=NETWORK_S)
        lines = ended.stdout.decode("utf-8", "surrogateescape").splitlines()
        return {ref: sha for sha, _, ref in (line.partition("\t") for line in lines) if ref in refs}

    async def valid(self, opened: Opened, full: str, what: str) -> None:
        """Check a ref's name as git does (git-check-ref-format(1)). Raises Refused."""
        name = full.split("/", 2)[-1]
        ok = name and not name.startswith("-") and "@{" not in name and name.isprintable()
        ended = await self.git.run(opened, "check-ref-format", full, codes=(0, 1)) if ok else None
        if ended is None or ended.code:
            raise Refused(f"{name!r} is no name for a {what}", source=self.owner.name, mend="see git check-ref-format")


def actions(owner: Owner) -> Mapping[str, Action]:
    """Every action on repositories, by the verb's id."""
    from quarterdeck_adapters.git.refs import CheckOut, Switch, Tag
    from quarterdeck_adapters.git.sync import Fetch, Pull, Push

    made: tuple[type[GitAction], ...] = (Fetch, Pull, Push, Switch, Tag, CheckOut)
    return {kind.verb: kind(owner) for kind in made}  # type: ignore[misc]
