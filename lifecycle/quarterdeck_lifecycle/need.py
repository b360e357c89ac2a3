"""What a need of the operator is, what it hurts, and who the operator is. Times are epoch seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum

import msgspec

from quarterdeck_lifecycle.policy import looks_live
from quarterdeck_lifecycle.records import Ref, Status

SOURCE = "source"
"""The kind of the ref of a source that is itself the trouble; its id is the kind of rows that it owes."""


class Harm(IntEnum):
    """What a need hurts, the worst first; `HARM_WORDS` says each."""

    STUCK = 0
    SERVING = 1
    BLIND = 2
    DELIVERY = 3
    WAITING = 4
    ELSEWHERE = 5
    WARNING = 6
    LEARNING = 7
    NOTICE = 8


HARM_WORDS: Mapping[Harm, str] = {
    Harm.STUCK: "a release is stuck, or lost its runner",
    Harm.SERVING: "alerts fire; containers out of memory, restarting, unhealthy",
    Harm.BLIND: "a refused credential; a source dark for 5 minutes; a broken repository",
    Harm.DELIVERY: "the newest run of a workflow failed on the default branch",
    Harm.WAITING: "somebody waits for you: approvals, reviews",
    Harm.ELSEWHERE: "as 2 where nothing is protected; failed runs of yours of 7 days",
    Harm.WARNING: "alerts of severity warning",
    Harm.LEARNING: "training runs that stalled or became NaN",
    Harm.NOTICE: "frozen services; alerts of severity info or none",
}
"""In the order of `Harm`, whose numbers the help counts from 1."""


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: the user of the operating system, and who that is to each source (by the source's name).

    `guarded(source, environment)` tells whether a place is protected or looks live.
    """

    user: str = ""
    logins: Mapping[str, str] = {}
    guarded: Callable[[str, str], bool] = lambda source, environment: looks_live(source, environment)

    def is_me(self, source: str, name: str) -> bool:
        """Whether a name that a source told is the operator's there."""
        login = self.logins.get(source, "")
        return bool(login) and login.lower() == name.lower()


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that needs the operator.

    `ref` is the row it is about, `key` the trouble (a later failed run of the same workflow and branch is the same
    one). `status` gives sign and colour, `word` the state, `text` the name, `why` a sentence, `mark` what must stay
    the same for a mute until it changes. `grade` orders within a harm, 0 is the worst.
    """

    ref: Ref
    key: str
    status: Status
    word: str
    text: str
    harm: Harm
    guarded: bool = False
    grade: int = 0
    since: float | None = None
    environment: str = ""
    why: str = ""
    mark: str = ""

    @property
    def level(self) -> tuple[int, int, int]:
        """How bad it is; less is worse."""
        return int(self.harm), int(not self.guarded), self.grade
