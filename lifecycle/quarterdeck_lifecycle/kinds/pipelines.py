"""What the pipelines pane shows."""

from __future__ import annotations

from typing import ClassVar

from quarterdeck_lifecycle.records import Record


class PullRequest(Record, frozen=True, kw_only=True):
    """A change request of a forge. `checks` counts by outcome, as in `{"passed": 8, "failed": 1, "running": 0}`.

    `asked` are the people whose review is asked for.
    """

    kind: ClassVar[str] = "pull_request"
    pane: ClassVar[str] = "pipelines"

    number: int
    repository: str
    title: str
    author: str = ""
    branch: str = ""
    base: str = ""
    head: str = ""
    draft: bool = False
    mergeable: str = ""
    review: str = ""
    checks: dict[str, int] = {}
    created_at: float | None = None
    asked: tuple[str, ...] = ()


class Run(Record, frozen=True, kw_only=True):
    """One run of a pipeline. `duration_s` counts what has passed so far while it runs; `median_s` of past runs.

    `default_branch` is the repository's, empty when unknown; `waits_for_me` is set while the operator may approve it.
    `queued_for` says why one that has not begun still waits, in the system's words.
    """

    kind: ClassVar[str] = "run"
    pane: ClassVar[str] = "pipelines"
    watched: ClassVar[tuple[str, ...]] = ("state",)
    ages: ClassVar[bool] = True

    system: str
    repository: str
    number: str
    workflow: str = ""
    branch: str = ""
    head: str = ""
    event: str = ""
    actor: str = ""
    attempt: int = 1
    where: str = ""
    created_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    duration_s: float | None = None
    median_s: float | None = None
    default_branch: str = ""
    waits_for_me: bool = False
    queued_for: str = ""


class Job(Record, frozen=True, kw_only=True):
    """A job of a run, with its steps as (name, state, status, seconds)."""

    kind: ClassVar[str] = "job"
    pane: ClassVar[str] = "pipelines"

    run: str
    steps: tuple[tuple[str, str, str, float | None], ...] = ()
    started_at: float | None = None
    finished_at: float | None = None
    runner: str = ""
    stage: str = ""
    attempt: int = 1
    superseded: bool = False
    """A later attempt of the same job took its place."""


class Deployment(Record, frozen=True, kw_only=True):
    """What a forge or a pipeline put into one of its environments. `target` is that environment, in its own words.

    `run` is the run that did it (its ref's id); `current` is set on the one that the environment has now.
    """

    kind: ClassVar[str] = "deployment"
    pane: ClassVar[str] = "pipelines"
    watched: ClassVar[tuple[str, ...]] = ("state",)
    ages: ClassVar[bool] = True

    system: str
    repository: str
    target: str
    number: str = ""
    branch: str = ""
    head: str = ""
    actor: str = ""
    run: str = ""
    current: bool = False
    created_at: float | None = None
    waits_for_me: bool = False
