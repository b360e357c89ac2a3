"""Real git repositories, written fast: one `git fast-import` for each bare origin and one for its working copy."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quarterdeck_demo.story.records import Commit, Person

Files = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class CommitPlan:
    """A commit to be made. `where`: both, origin (and fetched), unfetched (origin alone) or local (not pushed)."""

    branch: str
    message: str
    author: Person
    at: float
    files: Files
    start: str = "main"
    """The branch or tag that a branch's first commit grows from."""
    merge: str = ""
    where: str = "both"
    tag: str = ""


@dataclass(frozen=True, slots=True)
class RepositoryPlan:
    """A repository to be made; `dirty` is written over the checkout, `staged` is added to the index too."""

    slug: str
    commits: Sequence[CommitPlan]
    user: Person
    pulls: Mapping[int, str] = field(default_factory=dict)
    """Pull request number to head branch."""
    dirty: Files = field(default_factory=dict)
    staged: Files = field(default_factory=dict)
    stash: tuple[str, Files] | None = None
    worktree: str = ""
    """A branch checked out in `NAME-BRANCH` beside the working copy."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made; `commits` holds every commit, those of the working copy too."""

    path: Path
    origin: Path
    branches: dict[str, str]
    tags: dict[str, str]
    commits: dict[str, Commit]


def make_repository(plan: RepositoryPlan, folder: Path) -> Made:
    """Make `folder/origin/OWNER/NAME.git` and `folder/src/NAME`; raises `RuntimeError` with git's words."""
    name = plan.slug.partition("/")[2]
    origin, path = folder / "origin" / f"{plan.slug}.git", folder / "src" / name
    marks = _parents(plan.commits)
    everywhere = {"both", "origin", "unfetched"}
    heads = _heads(plan.commits, everywhere)
    origin.mkdir(parents=True)
    git(origin, "init", "--quiet", "--template=", "--bare", "--initial-branch=main")
    resets = {f"refs/heads/{branch}": mark for branch, mark in heads.items()}
    resets |= {f"refs/pull/{number}/head": heads[branch] for number, branch in plan.pulls.items()}
    tags = {f"refs/tags/{c.tag}": number for number, c in enumerate(plan.commits, 1) if c.tag}
    shas = _import(origin, plan.commits, marks, everywhere, resets | tags)
    path.mkdir(parents=True)
    git(path, "init", "--quiet", "--template=", "--initial-branch=main")
    known = {"both", "origin"}
    resets = {f"refs/remotes/origin/{b}": mark for b, mark in _heads(plan.commits, known).items()}
    resets["refs/heads/main"] = _heads(plan.commits, {"both", "local"})["main"]
    if plan.worktree:
        resets[f"refs/heads/{plan.worktree}"] = heads[plan.worktree]
    shas |= _import(path, plan.commits, marks, known | {"local"}, resets | tags)
    _configure(path, folder, plan)
    _dress(path, plan)
    commits = {
        shas[number]: Commit(shas[number], c.message, c.author, float(int(c.at)), tuple(shas[p] for p in marks[number]))
        for number, c in enumerate(plan.commits, 1)
    }
    return Made(
        path,
        origin,
        {branch: shas[mark] for branch, mark in heads.items()},
        {c.tag: shas[number] for number, c in enumerate(plan.commits, 1) if c.tag},
        commits,
    )


def git(folder: Path, *arguments: str, stdin: bytes = b"", at: float | None = None) -> str:
    """Run git without the user's configuration or prompts; `at` dates what it makes."""
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    if at is not None:
        env["GIT_AUTHOR_DATE"] = env["GIT_COMMITTER_DATE"] = f"@{int(at)} +0000"
    done = subprocess.run(["git", *arguments], cwd=folder, env=env, input=stdin, capture_output=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"git {arguments[0]} failed in {folder}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="surrogateescape")


def _parents(commits: Sequence[CommitPlan]) -> dict[int, list[int]]:
    """The marks of each commit's parents; a local commit grows from the last one that both sides have."""
    last: dict[tuple[str, str], int] = {}
    parents: dict[int, list[int]] = {}

    def tip(branch: str, side: str) -> int | None:
        return last.get((branch, side)) or last.get((branch, "both"))

    for number, commit in enumerate(commits, 1):
        side = {"unfetched": "origin"}.get(commit.where, commit.where)
        first = tip(commit.branch, side) or tip(commit.start, side)
        second = tip(commit.merge, "both") if commit.merge else None
        parents[number] = [mark for mark in (first, second) if mark]
        last[commit.branch, side] = number
        if commit.tag:
            last[commit.tag, "both"] = number
    return parents


def _heads(commits: Sequence[CommitPlan], where: set[str]) -> dict[str, int]:
    return {c.branch: number for number, c in enumerate(commits, 1) if c.where in where}


def _import(
    folder: Path,
    commits: Sequence[CommitPlan],
    parents: Mapping[int, Sequence[int]],
    where: set[str],
    refs: Mapping[str, int],
) -> dict[int, str]:
    parts: list[bytes] = []
    for number, commit in enumerate(commits, 1):
        if commit.where not in where:
            continue
        who = f"{commit.author.name} <{commit.author.email}> {int(commit.at)} +0000"
        parts.append(b"commit refs/import\nmark :%d\n" % number)
        parts.append(f"author {who}\ncommitter {who}\n".encode() + _data(commit.message))
        for verb, mark in zip((b"from", b"merge"), parents[number], strict=False):
            parts.append(b"%s :%d\n" % (verb, mark))
        if not parents[number] and number > 1:
            raise ValueError(f"{commit.message!r} has no parent")
        for file, text in commit.files.items():
            if text is None:
                parts.append(f"D {file}\n".encode())
            else:
                mode = "100755" if text.startswith("#!") else "100644"
                parts.append(f"M {mode} inline {file}\n".encode() + _data(text))
    parts += [f"reset {ref}\nfrom :{mark}\n\n".encode() for ref, mark in refs.items()]
    parts.append(b"reset refs/import\nfrom " + b"0" * 40 + b"\n\ndone\n")
    # One pack: of few objects git would make a file each, by a process of its own.
    packed = ("-c", "fastimport.unpackLimit=1")
    git(folder, *packed, "fast-import", "--quiet", "--done", "--export-marks=marks", stdin=b"".join(parts))
    marks = next(p for p in (folder / "marks", folder / ".git" / "marks") if p.exists())
    shas = {int(m[1:]): sha for m, sha in (line.split() for line in marks.read_text().splitlines())}
    marks.unlink()
    return shas


def _data(text: str) -> bytes:
    raw = text.encode()
    return b"data %d\n%s\n" % (len(raw), raw)


def _configure(path: Path, folder: Path, plan: RepositoryPlan) -> None:
    # The remote has the forge's address, as an engineer's clone has; insteadOf sends git to the bare repository.
    config = f"""\
[remote "origin"]
\turl = https://github.com/{plan.slug}.git
\tfetch = +refs/heads/*:refs/remotes/origin/*
[url "{folder / "origin"}/"]
\tinsteadOf = https://github.com/
[branch "main"]
\tremote = origin
\tmerge = refs/heads/main
[user]
\tname = {plan.user.name}
\temail = {plan.user.email}
[gc]
\tauto = 0
"""
    with (path / ".git" / "config").open("a", encoding="utf-8") as file:
        file.write(config)


def _dress(path: Path, plan: RepositoryPlan) -> None:
    at = max(commit.at for commit in plan.commits)
    git(path, "reset", "--hard", "--quiet", "HEAD")
    if plan.stash:
        message, files = plan.stash
        _write(path, files)
        git(path, "stash", "push", "--quiet", "--message", message, at=at)
    if plan.worktree:
        beside = path.parent / f"{path.name}-{plan.worktree.replace('/', '-')}"
        git(path, "worktree", "add", "--quiet", str(beside), plan.worktree)
    if plan.staged:
        _write(path, plan.staged)
        git(path, "add", "--", *plan.staged)
    _write(path, plan.dirty)


def _write(path: Path, files: Files) -> None:
    for name, text in files.items():
        target = path / name
        if text is None:
            target.unlink()
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
