"""What needs the operator, made of the hub's snapshots: made anew only where rows are others, or the minute is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from quarterdeck_lifecycle.feed import Snapshot
from quarterdeck_lifecycle.mutebook import MuteBook
from quarterdeck_lifecycle.mutes import NOTHING, Mute, Sorted, sort
from quarterdeck_lifecycle.need import Me, Need
from quarterdeck_lifecycle.needrows import of_rows
from quarterdeck_lifecycle.needs import of_sources, ordered
from quarterdeck_lifecycle.policy import Place
from quarterdeck_lifecycle.ports import KnowsMe
from quarterdeck_lifecycle.records import State
from quarterdeck_lifecycle.state import StateError

if TYPE_CHECKING:
    from quarterdeck.boot import Boot

Feed = tuple[str, str]


class Needing:
    """Keeps what was made of each feed; the same rows are not looked at twice in a minute."""

    def __init__(self, boot: Boot) -> None:
        self._boot = boot
        self._book = MuteBook(boot.state, boot.actor.user)
        self._mutes: dict[str, Mute] = {}
        self._version = 0
        self._stamp: object = None
        self._logins: Mapping[str, str] = {}
        self._made: dict[Feed, tuple[Sequence[object], list[Need]]] = {}
        self._now = NOTHING

    def current(self) -> Sorted:
        """What needs the operator now, without what is muted; no system is asked."""
        boot = self._boot
        minute = int(boot.now() // 60)
        stamp = (boot.hub.generation, minute, self._version, len(boot.failed), id(boot.loaded))
        if stamp != self._stamp:
            again = self._stamp is None or (minute, id(boot.loaded)) != (self._stamp[1], self._stamp[4])  # type: ignore[index]
            self._stamp = stamp
            self._now = self._make(again)
        return self._now

    def me(self) -> Me:
        """Who the operator is, here and to each source that has accounts."""
        boot = self._boot
        logins = {name: source.me for name, source in boot.hub.sources.items() if isinstance(source, KnowsMe)}
        guarded = boot.policy.guarded
        return Me(user=boot.actor.user, logins=logins, guarded=lambda source, at: guarded(Place(source, at)))

    def _make(self, again: bool) -> Sorted:
        boot, me, now = self._boot, self.me(), self._boot.now()
        if again or me.logins != self._logins:
            self._made.clear()
            self._logins = me.logins
        snapshots = boot.hub.snapshots()
        found = [need for snap in snapshots for need in self._of(snap, me, now)]
        found += of_sources(snapshots, me, now, boot.failed)
        fresh = {(snap.source, snap.kind) for snap in snapshots if snap.state is State.FRESH and not snap.partial}
        return sort(ordered(found), self._mutes, now, fresh)

    def _of(self, snap: Snapshot, me: Me, now: float) -> list[Need]:
        key = snap.source, snap.kind
        known = self._made.get(key)
        if known is None or known[0] is not snap.rows:
            known = self._made[key] = (snap.rows, of_rows(snap.kind, snap.rows, me, now))
        return known[1]

    # mutes

    async def read(self) -> bool:
        """Read the mutes, other decks' too, and take away those that ended; whether any is another than before."""
        with suppress(StateError):
            if ended := self.current().ended:
                await self._book.remove(ended)
            found = await self._book.read()
            if found != self._mutes:
                self._take(found)
                return True
        return False

    async def mute(self, need: Need, seconds: float | None) -> None:
        """Mute a need for so long; None: until it changes. Raises StateError."""
        made = Mute.of(need, self._boot.now(), seconds)
        await self._book.add(made)
        self._take(self._mutes | {made.key: made})

    async def unmute(self, mute: Mute) -> None:
        """Tell of it again. Raises StateError."""
        await self._book.remove([mute])
        self._take({key: each for key, each in self._mutes.items() if each != mute})

    def _take(self, mutes: dict[str, Mute]) -> None:
        self._mutes = mutes
        self._version += 1
