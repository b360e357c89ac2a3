"""The journal of a run: one JSON object a line, appended, never rewritten; and what it says. Imports little."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from quarterdeck_adapters.local.model import JOURNAL, SPEC, Event, Spec

LIMIT = 1024 * 1024
"""Bytes of a journal that are read."""


class Journal:
    """Writes the journal of the run in `folder`. A disk that is full or fails stops nothing: `lost` counts lines."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self.lost = 0

    def add(self, event: Event) -> None:
        """Append an event; the last one of a run is on the disk when this returns."""
        line = msgspec.json.encode(event) + b"\n"
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(self._path, flags, 0o600)
        except OSError:
            self.lost += 1
            return
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            line = b"\n" + line if torn else line
            self.lost += os.write(handle, line) < len(line)
            if event.what == "done":
                os.fsync(handle)
        except OSError:
            self.lost += 1
        finally:
            os.close(handle)


def write_past(folder: Path, events: Iterable[Event]) -> None:
    """Write the journal of a run of the past, whole. Raises OSError."""
    (folder / JOURNAL).write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))


def write_spec(folder: Path, spec: Spec) -> None:
    """Write what a run is asked to do. Raises OSError."""
    handle = os.open(folder / SPEC, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(spec))


def read_spec(folder: Path) -> Spec:
    """What the run was asked to do. Raises OSError, msgspec.MsgspecError."""
    with (folder / SPEC).open("rb") as file:
        return msgspec.json.decode(file.read(LIMIT), type=Spec)


def read_events(folder: Path) -> list[Event]:
    """Every line of the journal; a torn one, and what is no event, is left out. Raises OSError; none without one."""
    try:
        with (folder / JOURNAL).open("rb") as file:
            data = file.read(LIMIT)
    except FileNotFoundError:
        return []
    return list(_events(data.splitlines()))


def _events(lines: Iterable[bytes]) -> Iterable[Event]:
    for line in lines:
        with suppress(msgspec.DecodeError, ValueError):
            yield msgspec.json.decode(line, type=Event)


class StepState(msgspec.Struct, kw_only=True):
    """What the journal says of one step. `state` is empty before it began and `running` until it ended."""

    state: str = ""
    pid: int = 0
    start: str = ""
    began: float | None = None
    ended: float | None = None
    code: int | None = None
    why: str = ""


class RunState(msgspec.Struct, kw_only=True):
    """What the journal says of a run: its runner, its steps, how it ended. `result` is empty while it has not."""

    steps: list[StepState]
    pid: int = 0
    start: str = ""
    host: str = ""
    boot: str = ""
    began: float | None = None
    ended: float | None = None
    result: str = ""
    why: str = ""
    waits: str = ""
    """Why it does nothing yet."""
    told: tuple[tuple[str, str, int], ...] = ()
    """(kind of link, its value, the step that said it)."""

    @property
    def current(self) -> int:
        """The step that runs, as far as the journal knows; -1 for none."""
        return next((at for at, step in enumerate(self.steps) if step.state == "running"), -1)

    @property
    def failed(self) -> int:
        """The first step that did not end well; -1 for none."""
        bad = ("failure", "timed out", "cancelled", "not started")
        return next((at for at, step in enumerate(self.steps) if step.state in bad), -1)


def state_of(spec: Spec, events: Iterable[Event]) -> RunState:
    """The events of a run's journal made one state. Steps that the request has not are passed over."""
    state = RunState(steps=[StepState() for _ in spec.steps])
    told: list[tuple[str, str, int]] = []
    for event in events:
        if event.what == "begun":
            state.pid, state.start, state.host, state.boot = event.pid, event.start, event.host, event.boot
            state.began = event.at
        elif event.what == "waits":
            state.waits = event.why
        elif event.what == "done":
            state.result, state.ended, state.why = event.state, event.at, event.why
        elif event.what == "told":
            told.append((event.link, event.why, event.step))
        elif 0 <= event.step < len(state.steps):
            step = state.steps[event.step]
            if event.what == "step":
                state.waits = ""
                step.state, step.began, step.pid, step.start = "running", event.at, event.pid, event.start
            else:
                step.state, step.ended, step.code, step.why = event.state, event.at, event.code, event.why
    state.told = tuple(told)
    return state
