"""What releases show: services, which are what a release changes, and the operations that changed them."""

from __future__ import annotations

from typing import ClassVar

from quarterdeck_lifecycle.records import Record


class Service(Record, frozen=True, kw_only=True):
    """A service in one environment. `running` is the identity that its targets report, by its short form.

    `readiness` says what it could be put back to and where that is ready (`✓v40 3/3 hosts`), or why it is not.
    `deployable` is empty when a release may be tried, else the reason. `op` is the operation that runs on it now,
    `proven` the short identity of the put-back offered, `revision` the running one's number (0: not known).
    """

    kind: ClassVar[str] = "service"
    pane: ClassVar[str] = "containers"
    watched: ClassVar[tuple[str, ...]] = ("running",)
    announced: ClassVar[bool] = False

    service: str
    image: str = ""
    running: str = ""
    revision: int = 0
    since: float | None = None
    by: str = ""
    readiness: str = ""
    ready: bool = False
    proven: str = ""
    targets: tuple[str, ...] = ()
    model: str = ""
    op: str = ""
    frozen: str = ""
    offered: bool = False
    deployable: str = ""

    @property
    def counts(self) -> bool:
        """No: its targets do."""
        return False


class Operation(Record, frozen=True, kw_only=True):
    """One release, running or ended. Times are epoch seconds, `deadline_s` seconds of the step that runs.

    `user` is the operating system's, `actor` with what was claimed. `step` is the name of the step under way, the
    `place`th of `steps`; `said` is the last that it told, at `said_at`. `waits` is set while another user's approval
    is awaited, `alive` while its runner is.
    """

    kind: ClassVar[str] = "operation"
    pane: ClassVar[str] = ""
    watched: ClassVar[tuple[str, ...]] = ()
    announced: ClassVar[bool] = False

    op: str
    verb: str
    service: str
    step: str = ""
    place: int = 0
    steps: int = 0
    began_at: float | None = None
    ended_at: float | None = None
    step_at: float | None = None
    deadline_s: float = 0.0
    said: str = ""
    said_at: float | None = None
    result: str = ""
    actor: str = ""
    user: str = ""
    host: str = ""
    reason: str = ""
    to: str = ""
    back: str = ""
    revision: int = 0
    waits: bool = False
    alive: bool = False

    @property
    def counts(self) -> bool:
        """While it runs or waits, and when it is stuck."""
        return self.result in ("", "STUCK")
