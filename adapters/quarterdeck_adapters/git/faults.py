"""What git said on its standard error, as an error for people. Pure."""

from __future__ import annotations

import re

from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    Timeout,
    Unavailable,
)
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.text import clean

_USERINFO = re.compile(r"([a-z][a-z0-9+.-]*://)[^/@\s']+@", re.IGNORECASE)
_NOISE = re.compile(r"^(fatal|error|remote|hint|warning):\s*", re.MULTILINE)

_AUTH = re.compile(
    r"authentication failed|could not read (username|password)|terminal prompts disabled|permission denied \(|"
    r"host key verification failed|invalid username or|\b401\b|too many authentication failures",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(
    r"\b403\b|write access|not allowed to push|permission to .* denied|protected branch", re.IGNORECASE
)
_NETWORK = re.compile(
    r"could not resolve host|connection (refused|timed out|reset|closed)|failed to connect|network is unreachable|"
    r"no route to host|timed out|hung up unexpectedly|early eof|couldn't connect|empty reply",
    re.IGNORECASE,
)
_OVERWRITTEN = re.compile(r"would be overwritten|commit your changes or stash", re.IGNORECASE)
_DIVERGED = re.compile(r"not possible to fast-forward|diverging branches", re.IGNORECASE)
_REJECTED = re.compile(r"\[rejected\]|\[remote rejected\]|non-fast-forward|fetch first|stale info", re.IGNORECASE)
_LOCKED = re.compile(r"\.lock': file exists|another git process|cannot lock ref", re.IGNORECASE)
_IDENTITY = re.compile(r"please tell me who you are|unable to auto-detect email|empty ident name", re.IGNORECASE)
_ELSEWHERE = re.compile(r"already (checked out|used by worktree) at|refusing to fetch into", re.IGNORECASE)
_MISSING = re.compile(
    r"couldn't find remote ref|invalid reference|unknown revision|did not match any|no such remote|bad revision|"
    r"does not appear to be a git repository|repository not found|repository '.*' does not exist",
    re.IGNORECASE,
)


def without_credentials(text: str) -> str:
    """The text with what stands before `@` in urls, and whatever else looks secret, taken out."""
    return redact(_USERINFO.sub(r"\1", text))


def complaint(stderr: bytes, limit: int = 6) -> str:
    """What git said, without its prefixes, its hints and any credential; at most `limit` lines."""
    text = without_credentials(stderr[-8000:].decode("utf-8", "replace"))
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("hint:")]
    return "\n".join(_NOISE.sub("", line) for line in lines[-limit:])


def failure(what: str, stderr: bytes, *, source: str) -> QuarterdeckError:
    """The error for a git command that ended with a non-zero code."""
    said = stderr.decode("utf-8", "replace")
    why = complaint(stderr) or "git said nothing"
    if _AUTH.search(said):
        mend = "check the credential helper or the ssh key; git may not prompt here: try it once in a shell"
        return AuthFailed(what, source=source, why=why, mend=mend)
    if _OVERWRITTEN.search(said):
        return Conflict(what, source=source, why=why, mend="commit or stash the changed files")
    if _DIVERGED.search(said):
        return Conflict(what, source=source, why=why, mend="it has diverged: rebase or merge in a shell")
    if _FORBIDDEN.search(said):
        return Forbidden(what, source=source, scope="write", why=why, mend="ask for write access")
    if _REJECTED.search(said):
        return Conflict(what, source=source, why=why, mend="fetch, look at what came, then pull")
    if _ELSEWHERE.search(said):
        return Conflict(what, source=source, why=why, mend="another work tree has it checked out, or this one does")
    if _LOCKED.search(said):
        mend = "another git is at work here; if none is, remove the lock file"
        return Conflict(what, source=source, why=why, mend=mend)
    if _IDENTITY.search(said):
        return Conflict(what, source=source, why=why, mend="git config --global user.name NAME, and user.email")
    if "dubious ownership" in said:
        return Forbidden(what, source=source, why="it belongs to another user", mend=_safe_directory(said))
    if _NETWORK.search(said):
        return Unavailable(what, source=source, why=why, mend="check the network and the remote")
    if _MISSING.search(said):
        return NotFound(what, source=source, why=why, mend="check the name and the remote")
    return Malformed(what, source=source, why=why, mend="try it in a shell")


def _safe_directory(said: str) -> str:
    command = re.search(r"git config --global --add safe\.directory .*", said)
    return f"if you trust it: {command[0]}" if command else "git config --global --add safe.directory PATH"


def trouble(error: QuarterdeckError, path: str) -> tuple[Status, str, str]:
    """A repository's status, state and note when it could not be read; `path` is its own, which says nothing."""
    why = f"{error.what} {error.why}".replace(clean(path), "").lower()
    if isinstance(error, Timeout):
        return Status.UNKNOWN, "slow", error.why
    if isinstance(error, Forbidden):
        return Status.BAD, "untrusted", f"{error.why}; {error.mend}"
    if re.search(r"index file|bad index|index uses|bad signature 0x", why):
        return Status.BAD, "corrupt index", f"{error.why}; in a shell: rm .git/index && git reset"
    if re.search(r"bad object|bad ref|broken|resolve head|unable to read|missing blob|corrupt|loose object|pack", why):
        return Status.BAD, "broken", f"{error.why}; in a shell: git fsck"
    if re.search(r"bad config|config file|bad boolean|bad numeric", why):
        return Status.BAD, "broken config", error.why
    if "not a git repository" in why or isinstance(error, NotFound):
        return Status.BAD, "not a repository", error.why or error.what
    return Status.BAD, error.word, error.why or error.what
