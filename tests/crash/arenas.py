"""Every arena there is, by name."""

from __future__ import annotations

from crash.arena import Arena
from crash.containers import StartFirst, StopStart

ARENAS: dict[str, type[Arena]] = {arena.name: arena for arena in (StopStart, StartFirst)}
