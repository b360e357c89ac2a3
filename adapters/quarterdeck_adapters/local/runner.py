"""The runner of one local run: `python -I -m quarterdeck_adapters.local.runner FOLDER`, started by `launching`.

It leaves its parent at once, holds the lock `runner` of the run's folder as long as it lives, does the steps one after
the other and writes the journal. It does not end with the terminal: hang-up and interrupt are passed over. SIGTERM
ends the step that runs, and the run.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quarterdeck_adapters.local import identity, locks
from quarterdeck_adapters.local.heads import head_of
from quarterdeck_adapters.local.journal import Journal, read_spec
from quarterdeck_adapters.local.model import BUSY, CANCEL, LINKS, RUNNER, Event, Spec
from quarterdeck_adapters.local.stepping import BoundedLog, Ended, run_step

TURN_S = 0.5
"""How often a run that waits looks whether its turn has come, in seconds."""
LINKS_LIMIT, LINKS_MOST = 64 * 1024, 50
LINK_KINDS = frozenset({"image", "digest", "model", "version", "training_run", "commit", "address"})


class Stopping:
    """SIGTERM as something that can be waited for. `force` is set by a second one, or where the wish says so."""

    def __init__(self, folder: Path) -> None:
        self.asked = self.force = False
        self._wish = folder / CANCEL
        self._inside, outside = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(outside, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._terminate)
        # Handlers, not SIG_IGN: what is ignored stays ignored in every program that is started.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda _number, _frame: None)

    def _terminate(self, _number: int, _frame: object) -> None:
        self.force = self.force or self.asked or self.wish().endswith("\nforce")
        self.asked = True

    def wish(self) -> str:
        """Who asked for the end; empty when nobody here did."""
        try:
            return self._wish.read_text("utf-8", "replace")[:500].strip()
        except OSError:
            return ""

    def drain(self) -> None:
        """Take what woke the wait."""
        with suppress(BlockingIOError):
            while os.read(self._inside, 512):
                pass

    def fileno(self) -> int:
        """What becomes readable when a signal came."""
        return self._inside


def main(argv: list[str] | None = None) -> int:
    """Take the lock, and let a child that belongs to nobody keep it and do the work."""
    folder = Path((sys.argv[1:] if argv is None else argv)[0])
    lock = locks.hold(folder, RUNNER)
    if lock is None:
        print("this run has a runner already", file=sys.stderr)
        return 1
    if os.fork() == 0:
        code = 70
        try:
            code = work(folder)
        except BaseException as error:
            print(f"the runner failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return 0


def work(folder: Path) -> int:
    """Do the run. Answers 0 when every step ended well, else 1."""
    stop, journal = Stopping(folder), Journal(folder)
    spec = read_spec(folder)
    pid = os.getpid()
    journal.add(Event(what="begun", at=time.time(), pid=pid, start=identity.started(pid), host=identity.host(),
                      boot=identity.boot()))  # fmt: skip
    with _turn(folder.parent, journal, stop) as waited:
        moved = _moved(spec) if waited else ""
        state, why = ("refused", moved) if moved else _steps(spec, folder, journal, stop)
    if journal.lost:
        why = f"{why}; {journal.lost} lines of the journal could not be written".removeprefix("; ")
    journal.add(Event(what="done", at=time.time(), state=state, why=why))
    return int(state != "success")


@contextmanager
def _turn(pipeline: Path, journal: Journal, stop: Stopping) -> Iterator[bool]:
    """Hold the pipeline's lock once no other run of it is under way; answers whether that was waited for.

    Nothing is held when the run is to end before its turn has come.
    """
    waited = False
    while (handle := locks.hold(pipeline, BUSY, 0.0)) is None and not stop.asked:
        if not waited:
            journal.add(Event(what="waits", at=time.time(), why="another run of this pipeline is under way"))
        waited = True
        select.select([stop.fileno()], [], [], TURN_S)
        stop.drain()
    try:
        yield waited
    finally:
        if handle is not None:
            os.close(handle)


def _moved(spec: Spec) -> str:
    """Why a run that waited is not the one that was asked for any more."""
    tree = spec.tree
    now = head_of(tree.git_dir, tree.common_dir)[1] if tree.git_dir else ""
    if now and tree.head and now != tree.head:
        return f"while it waited, what is checked out moved from {tree.head[:10]} to {now[:10]}"
    return ""


def _steps(spec: Spec, folder: Path, journal: Journal, stop: Stopping) -> tuple[str, str]:
    """Do the steps until one fails; answers how the run ended, and why."""
    said = 0
    for at in range(spec.begin, len(spec.steps)):
        step = spec.steps[at]
        if stop.asked:
            return "cancelled", _asked_by(stop)
        log = BoundedLog(folder / log_name(at), spec.log_limit)

        def begun(pid: int, start: str, at: int = at) -> None:
            journal.add(Event(what="step", at=time.time(), step=at, pid=pid, start=start))

        facts = {"QUARTERDECK_STEP": step.name, "QUARTERDECK_LINKS": str(folder / LINKS)}
        ended = run_step(step, os.environ | facts, log, stop, spec.grace_s, begun)
        log.close(_last_word(ended))
        for kind, value in _told(folder)[said:]:
            journal.add(Event(what="told", at=time.time(), step=at, link=kind, why=value))
            said += 1
        journal.add(Event(what="ended", at=time.time(), step=at, state=ended.state, code=ended.code, why=ended.why))
        if ended.state == "cancelled":
            return "cancelled", _asked_by(stop)
        if ended.state == "timed out":
            return "timed out", f"{step.name}: not finished within {step.timeout_s:g} s"
        if ended.state != "success":
            return "failure", f"{step.name}: {ended.why}"
    return "success", ""


def log_name(step: int) -> str:
    """The file of a step's log."""
    return f"step-{step:03}.log"


def _last_word(ended: Ended) -> str:
    if ended.state == "success":
        return ""
    return f"[quarterdeck] {ended.state}{f': {ended.why}' if ended.why else ''}"


def _asked_by(stop: Stopping) -> str:
    who = stop.wish().partition("\n")[0]
    return f"by {who}" if who else "SIGTERM from outside: a logout or a shutdown, or somebody by hand"


def _told(folder: Path) -> list[tuple[str, str]]:
    """What the steps wrote into $QUARTERDECK_LINKS: `kind=value`, one a line, as far as it is understood."""
    try:
        with (folder / LINKS).open("rb") as file:
            text = file.read(LINKS_LIMIT).decode("utf-8", "replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        kind, sep, value = line.partition("=")
        if sep and kind.strip() in LINK_KINDS and value.strip():
            found.append((kind.strip(), value.strip()[:500]))
    return found[:LINKS_MOST]


if __name__ == "__main__":
    sys.exit(main())
