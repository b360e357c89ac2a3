"""The runner of one operation: `python -I -m quarterdeck.runner_main OP --state FOLDER [--recover] [--worker]`.

Started by `releasing.launch`. It leaves its parent at once and becomes the supervisor: a small process that holds the
lock `supervisor`, starts the worker, and when the worker ends without a result starts another one that recovers, at
once, and again after pauses. The worker holds the lock `worker` and does everything else. Neither ends with the
terminal: hang-up and interrupt are ignored; SIGTERM asks the operation to abort.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

RECOVERIES = 3
SETTLED = 0
"""The worker's exit code once a result is written; any other asks for a recovery."""
BUSY = 75
"""The worker's exit code when another worker holds the lock."""


def main(argv: list[str] | None = None) -> int:
    """Read the command line and become what it says."""
    arguments = sys.argv[1:] if argv is None else argv
    op, flags = arguments[0], arguments[1:]
    state = Path(flags[flags.index("--state") + 1])
    beat = float(flags[flags.index("--beat") + 1]) if "--beat" in flags else 5.0
    recover = "--recover" in flags
    for name in (signal.SIGHUP, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    if "--worker" in flags:
        from quarterdeck.releasing.runner import work

        return work(op, state, recover=recover)
    return _leave(op, state, beat, recover)


def _leave(op: str, state: Path, beat: float, recover: bool) -> int:
    """Take the lock, and let a child that belongs to nobody keep it."""
    from quarterdeck.releasing.locks import hold, sign

    lock = hold(state / "ops" / op, "supervisor")
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


def supervise(op: str, state: Path, beat: float, recover: bool) -> int:
    """Hold the worker until it has settled the operation."""
    worker: list[subprocess.Popen[bytes]] = []

    def terminate(_signal: int, _frame: object) -> None:
        if worker and worker[-1].poll() is None:
            worker[-1].send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, terminate)
    argv = [sys.executable, "-I", "-m", "quarterdeck.runner_main", op, "--state", str(state), "--worker"]
    code = 1
    for attempt in range(RECOVERIES + 1):
        if attempt:
            recover = True
            time.sleep(beat * (attempt - 1) * attempt)
        worker.append(subprocess.Popen([*argv, *(["--recover"] if recover else [])], stdin=subprocess.DEVNULL))
        code = worker[-1].wait()
        if code in (SETTLED, BUSY):
            break
        print(f"the worker ended with {code}", file=sys.stderr, flush=True)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
