"""What a local run is on disk: what it was asked to do, and what happened, event by event. Imports little, as the
runner stands on it."""

from __future__ import annotations

from typing import Literal

import msgspec

SPEC, JOURNAL, RUNNER, CANCEL, OUTPUT, LINKS = "spec.json", "journal", "runner", "cancel", "output", "links"
"""The files of a run's folder: the request, the events, the lock of its runner, the wish to end it, what the runner
itself said, and what its steps tell of what they made."""
BUSY = "lock"
"""The lock of a pipeline's folder: one run of it at a time."""
GRACE_S = 10.0
"""Seconds between TERM and KILL."""
LOG_LIMIT = 64 * 1024 * 1024
"""Bytes that are kept of the log of one step."""

class StepSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One program: argv, never a shell line; `timeout_s` in seconds."""

    name: str
    argv: tuple[str, ...]
    folder: str
    timeout_s: float


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """The repository that a run is of, as it was when the run was asked for; all empty outside any.

    `dirty` counts files that differ from the commit; `digest` changes when anything of this does.
    """

    path: str = ""
    name: str = ""
    remote: str = ""
    """`github.com/acme/scorer`, as the remotes of its clones name it."""
    head: str = ""
    branch: str = ""
    dirty: int = 0
    digest: str = ""
    git_dir: str = ""
    common_dir: str = ""


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was asked to do. `begin` is the first step that is run: those before it were done by run `after`."""

    pipeline: str
    key: str
    number: int
    project: str
    """The folder of the config that named the pipeline."""
    steps: tuple[StepSpec, ...]
    tree: Tree = Tree()
    added: dict[str, str] = {}
    """Variables added to the environment of its steps: the inputs."""
    begin: int = 0
    after: int = 0
    event: str = "by hand"
    actor: str = ""
    created_at: float = 0.0
    grace_s: float = GRACE_S
    log_limit: int = LOG_LIMIT


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the journal. Times are epoch seconds.

    `begun`: a runner is there (`pid`, `start`, `host`, `boot`). `waits`: it does nothing yet, and `why`. `step`: step
    `step` began as process `pid`. `ended`: step `step` ended as `state`, with its exit `code` (negative: the signal's
    number). `told`: what a step made (`link` is its kind, `why` its value). `done`: the run ended as `state`.
    """

    what: Literal["begun", "waits", "step", "ended", "told", "done"]
    at: float
    step: int = -1
    pid: int = 0
    start: str = ""
    host: str = ""
    boot: str = ""
    state: str = ""
    code: int | None = None
    why: str = ""
    link: str = ""
