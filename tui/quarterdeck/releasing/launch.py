"""Starting a runner: a process of its own session that nothing of the operator's can end by going away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from quarterdeck.releasing.opfolder import OpFolder
from quarterdeck.releasing.outliving import Host, prefix
from quarterdeck_lifecycle.errors import Unavailable

MODULE = "quarterdeck.runner_main"
START_S = 60.0
"""Until the supervisor holds its lock, in seconds."""


def launch(
    folder: OpFolder, env: Mapping[str, str], host: Host, *, cwd: Path, beat_s: float, recover: bool = False,
    python: Sequence[str] = (sys.executable, "-I"),
) -> None:  # fmt: skip
    """Start the supervisor of an operation, and return when it holds its lock. Blocks. Raises Unavailable.

    The process that is started makes a child that is nobody's, and ends: its end is what is waited for.
    """
    argv = [*python, "-m", MODULE, folder.op, "--state", str(folder.path.parent.parent)]
    argv += ["--beat", f"{beat_s:g}", *(["--recover"] if recover else [])]
    scope = prefix(host, folder.op)
    if scope:
        try:
            _spawn(folder, [*scope, *argv], env, cwd)
            return
        except Unavailable as error:
            folder.append("", "note", f"no scope of its own, so it does not outlive your last logout: {error.why}")
    _spawn(folder, argv, env, cwd)


def _spawn(folder: OpFolder, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
    try:
        output = folder.open("output", os.O_WRONLY | os.O_APPEND)
    except OSError as error:
        raise Unavailable("the runner was not started", why=f"{folder.path}: {error.strerror or error}") from error
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=dict(env), start_new_session=True,
            cwd=cwd if cwd.is_dir() else "/", close_fds=True,
        )  # fmt: skip
    except OSError as error:
        raise Unavailable("the runner was not started", why=error.strerror or str(error)) from error
    finally:
        os.close(output)
    try:
        code = child.wait(START_S)
    except subprocess.TimeoutExpired as error:
        child.kill()
        child.wait()
        raise Unavailable("the runner was not started", why=f"it said nothing within {START_S:g} s") from error
    if code != 0:
        told = last_lines(folder.path / "output", 3)
        raise Unavailable("the runner did not start", why=f"exit code {code}{f': {told}' if told else ''}")


def last_lines(path: Path, count: int) -> str:
    """The last lines of a file, in one; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return " / ".join(line.strip() for line in text.splitlines()[-count:] if line.strip())
