"""Watches: what somebody wants to be told of a row, and when that has happened. Pure, and without any clock.

A watch keeps facts of its row as they were seen last. A later record, or its absence, is compared with them: `hear`
answers what is to be told, if anything, and the facts to go on from. What matters of each kind is in `watchrules`.
"""

from __future__ import annotations

from typing import NamedTuple

from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.records import Gated, Record, Ref, State
from quarterdeck_lifecycle.text import clean_line
from quarterdeck_lifecycle.watchrules import (
    AIMS,
    ANYTHING,
    LISTED_WHILE_ACTIVE,
    NOT_HEALTHY,
    RULES,
    Told,
    facts_of,
    other_rule,
)

WATCHES = (
    """
    CREATE TABLE watches (
        id TEXT PRIMARY KEY,
        user TEXT NOT NULL,
        project TEXT NOT NULL,
        ref TEXT NOT NULL,
        name TEXT NOT NULL,
        environment TEXT NOT NULL,
        facts TEXT NOT NULL,
        at REAL NOT NULL,
        ended_at REAL,
        heard TEXT NOT NULL DEFAULT '',
        good INTEGER
    )
    """,
    "CREATE UNIQUE INDEX watches_one ON watches (user, project, ref) WHERE ended_at IS NULL",
    "CREATE INDEX watches_ended ON watches (user, project, ended_at)",
)
"""The table of watches, a step of `schema.MIGRATIONS`. `user` is the operating system's, `project` a folder: the same
name of a source means another one elsewhere."""

UNSEEN = "unseen"


class Watch(Gated, frozen=True, kw_only=True):
    """One watch. `facts` are of its row as it was seen last; times are epoch seconds and only shown.

    `ended_at` is set once it heard what it was for; `heard` says what that was, `good` whether it was well.
    """

    id: str
    ref: Ref
    name: str
    at: float
    environment: str = ""
    facts: dict[str, str] = {}
    ended_at: float | None = None
    heard: str = ""
    good: bool | None = None

    @property
    def title(self) -> str:
        """What it watches, in one line."""
        return clean_line(f"{self.environment} {self.name}".strip(), 200)

    @property
    def aim(self) -> str:
        """What it waits for, in words."""
        if self.ref.kind == "container" and self.facts.get("phase") == "healthy":
            return NOT_HEALTHY
        return AIMS.get(self.ref.kind, ANYTHING)


class Heard(NamedTuple):
    """What came of a look: what is to be told (None: nothing) and the facts to go on from."""

    told: Told | None
    facts: dict[str, str]


def begun(id: str, record: Record, at: float) -> Watch:
    """A watch of a row as it is now."""
    facts = dict(facts_of(record))
    return Watch(id=id, ref=record.ref, name=record.name, environment=record.environment, at=at, facts=facts)


def hear(watch: Watch, record: Record | None, namesake: Record | None = None) -> Heard:
    """Compare a later record with what was seen last. None: the row is not there, said by a whole listing.

    `namesake` is another row of its name, such as the container that took its place.
    """
    facts = {key: value for key, value in watch.facts.items() if key != UNSEEN}
    if record is None and watch.ref.kind not in LISTED_WHILE_ACTIVE:
        text = "is not there any more"
        if namesake is not None:
            text = f"was replaced: another of its name is {namesake.state}"
        return Heard(Told("gone", text, None, final=True), facts)
    told, facts = RULES.get(watch.ref.kind, other_rule)(facts, record)
    if told is None and UNSEEN in watch.facts:
        told = Told("seen", f"is seen again: {record.state if record is not None else 'not listed'}", None)
    return Heard(told, facts)


def unseen(watch: Watch, why: str) -> Heard:
    """It cannot be seen whether something happened: told once for each time that it begins."""
    if UNSEEN in watch.facts:
        return Heard(None, watch.facts)
    told = Told(UNSEEN, f"cannot be seen now, and stays watched: {clean_line(why, 200)}", False)
    return Heard(told, {**watch.facts, UNSEEN: "yes"})


class View(NamedTuple):
    """What a snapshot says of one row: the record, that it is gone, or why that cannot be known.

    `lasting`: no answer is to be expected, so there is nothing to wait for until it is told.
    """

    record: Record | None
    gone: bool = False
    why: str = ""
    lasting: bool = False


def look(snapshot: Snapshot | None, ref: Ref, record: Record | None) -> View:
    """What a source's newest answer says of a row; `record` is the one that it holds of it, if any.

    Absence is believed only from a whole listing.
    """
    if snapshot is None:
        return View(None, why=f"{ref.source} is not among the sources now")
    if snapshot.state in (State.AUTH, State.UNSUPPORTED):
        return View(None, why=str(snapshot.error or snapshot.state), lasting=True)
    if snapshot.state is not State.FRESH:
        return View(None, why=str(snapshot.error or f"{ref.source} has not answered yet"))
    if record is not None:
        return View(record)
    whole = not snapshot.partial and snapshot.total in (None, len(snapshot.rows))
    return View(None, gone=True) if whole else View(None, why=f"{ref.source} lists only some of its rows")

