"""One container's log: the engine's frames as entries with their time, and where to go on after a cut.

The format of the stream: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from quarterdeck_lifecycle.text import LineGate, LogLine

OVERLAP_NS = 250_000_000
"""Entries of the two output streams may be written a little out of order: resuming reads this much again."""
HEADER = 8
STAMP = 30
PART = 16384
"""The engine cuts longer lines into parts of this many bytes, each with the same time stamp."""
REMEMBERED = 4096
MAX_FRAME = 16 * 1024 * 1024


class Entry(NamedTuple):
    """One line with its time in nanoseconds since the epoch."""

    at: int
    line: LogLine


class Frame(NamedTuple):
    """One message of a log as the engine sends it: stdout is 1, stderr 2, a TTY 0."""

    stream: int
    body: bytes


class Multiplexed:
    """Whole frames from pieces cut anywhere. What a cut connection left unfinished is never given."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, piece: bytes) -> list[Frame]:
        """The frames that this piece ends. Raises ValueError for what is no multiplexed stream."""
        held, at, found = self._held, 0, []
        held += piece
        while len(held) - at >= HEADER:
            if held[at] > 3 or held[at + 1 : at + 4] != b"\0\0\0":
                raise ValueError("no multiplexed log stream")
            start = at + HEADER
            end = start + int.from_bytes(held[at + 4 : start], "big")
            if end - start > MAX_FRAME:
                raise ValueError(f"a log frame of {end - start} bytes")
            if len(held) < end:
                break
            found.append(Frame(held[at], bytes(held[start:end])))
            at = end
        del held[:at]
        return found

    def end(self) -> list[Frame]:
        """Nothing: a stream that ended well ended with a frame."""
        return []


class Terminal:
    """The messages of a TTY's log, which has no frames: each ends with its line."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, piece: bytes) -> list[Frame]:
        """The messages that this piece ends."""
        start = len(self._held)
        self._held += piece
        end = self._held.rfind(b"\n", start) + 1
        if not end:
            return self.end() if len(self._held) > MAX_FRAME else []
        whole = bytes(self._held[:end])
        del self._held[:end]
        return [Frame(0, _joined(line + b"\n")) for line in whole.split(b"\n")[:-1]]

    def end(self) -> list[Frame]:
        """What was left without a line break when the log ended."""
        left = bytes(self._held)
        self._held.clear()
        return [Frame(0, left)] if left else []


def _joined(line: bytes) -> bytes:
    """A long TTY line without the stamps that the engine puts before each of its parts."""
    stamp, at = line[: STAMP + 1], STAMP + 1 + PART
    if not line.startswith(stamp, at):
        return line
    parts = [line[:at]]
    while line.startswith(stamp, at):
        at += len(stamp)
        parts.append(line[at : at + PART])
        at += PART
    return b"".join([*parts, line[at:]])


class Clock:
    """RFC 3339 with nanoseconds, as nanoseconds since the epoch. Remembers the last second, which most lines share."""

    def __init__(self) -> None:
        self._second = b""
        self._base = 0

    def read(self, stamp: bytes) -> int:
        """Raises ValueError for what is no time."""
        if len(stamp) == STAMP and stamp[-1:] == b"Z" and stamp[19:20] == b".":
            second = stamp[:19]
            if second != self._second:
                parsed = time.strptime(second.decode("ascii"), "%Y-%m-%dT%H:%M:%S")
                self._second, self._base = second, calendar.timegm(parsed) * 1_000_000_000
            return self._base + int(stamp[20:29])
        text = stamp.decode("ascii")
        digits = text[20:].rstrip("Z").partition("+")[0].partition("-")[0] if text[19:20] == "." else ""
        whole = text[:19] + text[19 + (len(digits) + 1 if digits else 0) :]
        return int(datetime.fromisoformat(whole).timestamp()) * 1_000_000_000 + int((digits or "0").ljust(9, "0")[:9])


class Position:
    """Where a log was read to, so that reading can go on after a cut without loss or doubles."""

    def __init__(self) -> None:
        self.newest = 0
        self.floor = 0
        self._seen: dict[tuple[int, int], int] = {}
        self._again: dict[tuple[int, int], int] = {}
        self._resumed_at = 0
        self._forget_at = REMEMBERED

    @property
    def since(self) -> int:
        """Nanoseconds since the epoch to ask from; 0 when nothing was read yet."""
        return max(self.newest - OVERLAP_NS, self.floor, 0)

    def resume(self) -> None:
        """The log will be read again from `since`: what was seen already is to be passed over, as often as seen."""
        since = self.since
        self._again = {key: count for key, count in self._seen.items() if key[0] >= since}
        self._resumed_at = self.newest

    def is_new(self, at: int, stream: int) -> bool:
        """Whether this message was not read before the cut; takes note of it."""
        key = (at, stream)
        if self._again and self._again.get(key, 0) > 0:
            self._again[key] -= 1
            return False
        # What the first read left out on purpose (its `tail`) is older than its first line.
        if at <= self.floor < self._resumed_at:
            return False
        self.floor = self.floor or at
        self._seen[key] = self._seen.get(key, 0) + 1
        if at > self.newest:
            self.newest = at
        if len(self._seen) > self._forget_at:
            self._forget()
        return True

    def missing(self) -> int:
        """How many messages that were seen are not there any more, asked once a resumed read came to new ones."""
        left, self._again = sum(self._again.values()), {}
        return left

    def _forget(self) -> None:
        oldest = self.since
        self._seen = {key: count for key, count in self._seen.items() if key[0] >= oldest}
        # Under a flood all that was seen is young: looking again at each line would take for ever.
        self._forget_at = max(REMEMBERED, 2 * len(self._seen))


class Reader:
    """Turns one container's messages into entries, across any number of connections."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.position = Position()
        self._clock = Clock()
        self._gates = {stream: LineGate(name) for stream in range(4)}
        self._last = dict.fromkeys(range(4), 0)

    def read(self, pieces: Iterator[bytes], *, tty: bool) -> Iterator[list[Entry]]:
        """Entries, those of one piece at a time; an empty list for an empty piece (the engine has answered)."""
        split = Terminal() if tty else Multiplexed()
        for piece in pieces:
            found = [entry for frame in split.feed(piece) for entry in self._take(frame)]
            if found or not piece:
                yield found
        if found := [entry for frame in split.end() for entry in self._take(frame)]:
            yield found

    def _take(self, frame: Frame) -> list[Entry]:
        stamp, _, body = frame.body.partition(b" ")
        try:
            at = self._clock.read(stamp)
        except ValueError:
            at, body = self._last[frame.stream], frame.body
        if not self.position.is_new(at, frame.stream):
            return []
        self._last[frame.stream] = at
        seconds = at / 1e9
        return [Entry(at, line._replace(at=seconds)) for line in self._gates[frame.stream].feed(body)]

    def flush(self) -> list[Entry]:
        """The unfinished lines, when the container has ended."""
        return [
            Entry(self._last[stream], line._replace(at=self._last[stream] / 1e9 or None))
            for stream, gate in self._gates.items()
            for line in gate.flush()
        ]
