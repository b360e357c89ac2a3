"""Every arena there is, by name."""

from __future__ import annotations

from crash.alias import Alias
from crash.arena import Arena
from crash.containers import StartFirst, StopStart
from crash.swarm import Rolling

ARENAS: dict[str, type[Arena]] = {arena.name: arena for arena in (StopStart, StartFirst, Rolling, Alias)}
