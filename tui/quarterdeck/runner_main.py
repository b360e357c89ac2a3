"""The runner of one operation: `python -I -m quarterdeck.runner_main OP --state FOLDER [--recover] [--worker]`.

Started by `releasing.launch`. It leaves its parent at once and becomes the supervisor: a small process that holds the
lock `supervisor`, starts the worker, and when the worker ends without a result starts another one that recovers, at
once, and again after pauses. The worker holds the lock `worker` and does everything else. Neither ends with the
terminal: hang-up and interrupt are ignored; SIGTERM asks the operation to abort.

What this module imports, the supervisor carries.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time

RECOVERIES = 3
SETTLED = 0
"""The worker's exit code once a result is written; any other asks for a recovery."""
BUSY = 75
"""The worker's exit code when another worker holds the lock."""


def main(argv: list[str] | None = None) -> int:
    """Read the command line and become what it says."""
    arguments = sys.argv[1:] if argv is None else argv
    op, flags = arguments[0], arguments[1:]
    state = flags[flags.index("--state") + 1]
    beat = float(flags[flags.index("--beat") + 1]) if "--beat" in flags else 5.0
    recover = "--recover" in flags
    for name in (signal.SIGHUP, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    if "--worker" in flags:
        # Of what is imported nothing is garbage. The worker turns it on once it is ready for its lease.
        gc.disable()
        from pathlib import Path

        from quarterdeck.releasing.runner import work

        return work(op, Path(state), recover=recover)
    return _leave(op, state, beat, recover)


def _leave(op: str, state: str, beat: float, recover: bool) -> int:
    """Take the lock, and let a child that belongs to nobody keep it."""
    from quarterdeck.releasing.locks import hold, sign

    lock = hold(os.path.join(state, "ops", op), "supervisor")
    if lock is None:
        print(f"operation {op} has a supervisor already", file=sys.stderr)
        return 0
    if os.fork() == 0:
        code = 70
        try:
            sign(lock)
            code = supervise(op, state, beat, recover)
        finally:
            os._exit(code)
    return 0


def supervise(op: str, state: str, beat: float, recover: bool) -> int:
    """Hold the worker until it has settled the operation."""
    worker = 0

    def terminate(_signal: int, _frame: object) -> None:
        if worker:
            os.kill(worker, signal.SIGTERM)

    signal.signal(signal.SIGTERM, terminate)
    argv = [sys.executable, "-I", "-m", "quarterdeck.runner_main", op, "--state", state, "--worker"]
    nothing = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    code = 1
    for attempt in range(RECOVERIES + 1):
        if attempt:
            recover = True
            time.sleep(beat * (attempt - 1) * attempt)
        asked = [*argv, *(["--recover"] if recover else [])]
        worker = child = os.posix_spawn(sys.executable, asked, os.environ, file_actions=nothing)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it is told of no signal once its number may be another's
        worker = 0
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code in (SETTLED, BUSY):
            break
        print(f"the worker ended with {code}", file=sys.stderr, flush=True)
    return code if code >= 0 else 128 - code


def _end(code: int) -> None:
    """End without taking apart what was imported, which costs as much as a step of a release."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    _end(main())
