"""Carrying out one case: a release by the real command, what befalls it, and what must hold afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from crash.arena import Arena, Seen, Watch, finish
from crash.cases import Case
from parts.deckworld import COMMAND
from parts.process import DEADLINE, wait_until
from parts.pty import Pty
from quarterdeck.releasing.locks import held
from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck_lifecycle.actor import Actor
from quarterdeck_lifecycle.ledger import Ledger
from quarterdeck_lifecycle.release.model import Event
from quarterdeck_lifecycle.state import StateDB

LOOK_S = 0.002
SETTLED = ("SUCCEEDED", "ROLLED_BACK", "FAILED")
CALM_S = 120.0


@dataclass
class Outcome:
    """What came of a case: `wrong` is empty when it survived."""

    case: str
    result: str = ""
    wrong: list[str] = field(default_factory=list)
    struck: bool = False
    """Whether the fault came in time: a step may be over before anything can befall it."""
    recovered: bool = False
    sent: int = 0
    failed: int = 0
    gap_s: float = 0.0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As a line of the results."""
        return asdict(self)


class Follower:
    """Reads an operation's log as it grows."""

    def __init__(self, folder: OpFolder) -> None:
        self._path, self._at, self._rest = folder.path / "log", 0, b""

    def more(self) -> list[Event]:
        """The events since the last look."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                data = file.read()
        except FileNotFoundError:
            return []
        self._at += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [msgspec.json.decode(line, type=Event) for line in lines if line.strip()]


def carry_out(arena: Arena, case: Case) -> Outcome:
    """One case. Never raises for what a release does wrong: that is told in the outcome."""
    told, began = Outcome(case.id), time.monotonic()
    (before,) = arena.serving()
    to, old = arena.other(), before
    known = {folder.op for folder in arena.operations()}
    with arena.watch() as watch:
        try:
            _release(arena, case, told, known)
            _judge(arena, told, watch, to, old)
        except (AssertionError, TimeoutError, RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
            told.wrong.append(f"{type(error).__name__}: {error}")
        finally:
            arena.mend()
    told.seconds = round(time.monotonic() - began, 2)
    return told


def _release(arena: Arena, case: Case, told: Outcome, known: set[str]) -> None:
    argv = [*COMMAND, *arena.command(case.kind)]
    log = arena.home / "deck.out"
    with contextlib.ExitStack() as stack:
        if case.fault == "hangup":
            pty = stack.enter_context(Pty(argv, env=arena.env, home=arena.home, cwd=arena.home))
            hang_up = pty.hangup
            deck = pty.pid
        else:
            with log.open("wb") as out:
                child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=arena.env,
                                         cwd=arena.home, start_new_session=True)  # fmt: skip
            stack.callback(finish, child)
            hang_up, deck = None, child.pid  # type: ignore[assignment]
        folder = wait_until(lambda: _new(arena, known), f"an operation ({log.read_text() if log.exists() else ''})")
        told.struck = _strike(arena, case, folder, deck, hang_up)
        _wait(folder)
        told.result = _result(folder)
        if not told.result or told.result == "STUCK":
            told.recovered = True
            again = arena.run("recover", *([folder.op] if told.result == "STUCK" else []))
            if again.code:
                told.wrong.append(f"recover ended with {again.code}: {again.out.strip()} {again.err.strip()}")
            told.result = _result(folder)
        if told.result not in SETTLED:
            told.wrong.append(f"ended {told.result or 'without a result'}")


def _new(arena: Arena, known: set[str]) -> OpFolder | None:
    return next((each for each in arena.operations() if each.op not in known and (each.path / "log").exists()), None)


def _strike(arena: Arena, case: Case, folder: OpFolder, deck: int, hang_up: Any) -> bool:
    """Wait for the moment, and do it. False when the operation ended first."""
    follower, wanted, end = (
        Follower(folder),
        "intent" if case.when == "inside" else "outcome",
        time.monotonic() + CALM_S,
    )
    while time.monotonic() < end:
        for event in follower.more():
            if event.result:
                return False
            if event.phase == wanted and event.step.startswith(f"{case.step + 1:02d} "):
                time.sleep(case.delay_s)
                return _befall(arena, case, folder, deck, hang_up)
        time.sleep(LOOK_S)
    raise TimeoutError(f"{case.id}: the step never came")


def _befall(arena: Arena, case: Case, folder: OpFolder, deck: int, hang_up: Any) -> bool:
    if case.fault in ("reset", "silent"):
        arena.cut(case.fault)
        threading.Timer(case.cut_s, arena.mend).start()
        return True
    if case.fault == "hangup":
        hang_up()
        return True
    if case.fault == "deck":
        os.kill(deck, signal.SIGKILL)
        return True
    locks = {"worker": ("worker",), "supervisor": ("supervisor",), "both": ("supervisor", "worker")}[case.fault]
    struck = [_kill(folder, lock) for lock in locks]
    return all(struck)


def _kill(folder: OpFolder, lock: str) -> bool:
    if not held(folder.path, lock):
        return False
    try:
        os.kill(int((folder.path / lock).read_text() or 0), signal.SIGKILL)
    except (ProcessLookupError, ValueError):
        return False
    return True


def _wait(folder: OpFolder) -> None:
    wait_until(lambda: not folder.alive(), f"the runners of {folder.op} to end", CALM_S)


def _result(folder: OpFolder) -> str:
    return next((event.result for event in reversed(folder.events()) if event.result), "")


def _judge(arena: Arena, told: Outcome, watch: Watch, to: str, old: str) -> None:
    arena.mend()
    wanted = to if told.result == "SUCCEEDED" else old
    try:
        wait_until(lambda: arena.serving() == {wanted}, "the right version", DEADLINE / 6)
    except TimeoutError:
        told.wrong.append(f"{told.result}, and {sorted(arena.serving())} serve, not {wanted}")
    seen: Seen = watch.seen()
    told.sent, told.failed, told.gap_s = seen.sent, seen.failed, seen.gap_s
    if seen.failed and not arena.drops:
        told.wrong.append(f"{seen.failed} of {seen.sent} requests failed: {seen.why}")
    told.wrong += arena.left()
    told.wrong += asyncio.run(_ledger(arena))
    before = arena.snapshot()
    again = arena.run("recover")
    if again.code or "nothing to recover" not in again.out:
        told.wrong.append(
            f"a second recovery had something to do: {again.code} {again.out.strip()} {again.err.strip()}"
        )
    if arena.snapshot() != before:
        told.wrong.append("a second recovery changed something")


async def _ledger(arena: Arena) -> list[str]:
    db = StateDB(arena.state)
    try:
        ledger = Ledger(db, Actor("crash", "local", "here"), lambda text: text)
        verified = await ledger.verify()
        told = [] if verified.ok else [f"the ledger breaks at row {verified.first_bad_seq}: {verified.reason}"]
        return told + [f"row {row.seq}: {row.step} was begun and has no outcome" for row in await ledger.open_intents()]
    finally:
        db.close()
