"""The terminal handed to another program, and taken back as it was."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from typing import Any

from textual.app import App, SuspendNotSupported

SOFT_RESET = "\x1b[!p\x1b(B\x1b[0m"
"""DECSTR, the ASCII character set, no colours: what a program may have left is undone."""
PAUSE = ("/bin/sh", "-c", 'printf "\\n[ended with %s; Enter goes back]" "$1"; read -r _', "sh")
"""A program of its own, so that the wait ends with the deck."""


async def hand_over(
    app: App[Any], argv: Sequence[str], env: Mapping[str, str], *, cwd: str | PathLike[str] | None = None,
    pause: bool = False,
) -> int:  # fmt: skip
    """Run a program in the operator's terminal while the deck goes on listening; answers its exit code.

    `pause` keeps what it printed in sight until Enter. Ctrl-C is the program's. If the deck ends first, the program
    is told to. Raises OSError when the program cannot be started or the terminal cannot be handed over.
    """
    failed: BaseException | None = None
    code = 0
    try:
        # Textual takes the terminal back only where nothing is raised inside.
        with app.suspend(), app.batch_update(), _interrupts_are_the_childs():
            try:
                code = await _run(argv, env, cwd)
                if pause:
                    await _run([*PAUSE, str(code)], env, None)
            except BaseException as error:
                failed = error
            _reset()
    except SuspendNotSupported:
        raise OSError("this terminal cannot be handed over") from None
    if failed is not None:
        raise failed
    return code


async def _run(argv: Sequence[str], env: Mapping[str, str], cwd: str | PathLike[str] | None) -> int:
    process = await asyncio.create_subprocess_exec(*argv, env=env, cwd=cwd)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.terminate()
        raise


@contextmanager
def _interrupts_are_the_childs() -> Iterator[None]:
    """A handler that does nothing, not SIG_IGN: that one a child would inherit."""
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)


def _reset() -> None:
    stream = sys.__stderr__
    if stream is not None and stream.isatty():
        stream.write(SOFT_RESET)
        stream.flush()
