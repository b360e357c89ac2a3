"""The console script. Without a word the deck opens at once, and the grammar of the command line is not imported;
neither is it for the line of a status bar."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
import threading

LINE = frozenset({"status", "--line", "--watch", "--json"})


def main() -> None:
    """Run what the command line asks for."""
    _buffer()
    try:
        words = sys.argv[1:]
        if words[:1] == ["status"] and "--line" in words and LINE.issuperset(words):
            from quarterdeck.statusline import main as line

            sys.exit(line(words))
        if not words and "_QUARTERDECK_COMPLETE" not in os.environ:
            # Nothing of what starts the deck is garbage; the app turns the collector on once it is painted.
            gc.disable()
            from quarterdeck.commands.deck import open_deck

            sys.exit(open_deck())
        # A command is done before there is garbage worth a look through all that it imported.
        gc.set_threshold(20_000, 20, 50)
        from quarterdeck.grammar import cli

        try:
            cli(prog_name="quarterdeck")
        except SystemExit as end:
            _leave(end)
    except OSError as error:
        # What was not written is not tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            sys.exit(141)
        where = f": {error.filename}" if error.filename else ""
        sys.exit(f"Error: {error.strerror or error}{where}")


def _buffer() -> None:
    """Give the streams buffers, which PYTHONUNBUFFERED takes from them: what a signal keeps a write from taking is then
    written again. Without one it is lost: the rest of a frame, the rest of an answer."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and isinstance(stream.buffer, io.RawIOBase):
            made = open(  # noqa: SIM115
                stream.fileno(), "w", 1, encoding=stream.encoding, errors=stream.errors, newline="\n", closefd=False
            )
            setattr(sys, name, made)
            setattr(sys, f"__{name}__", made)


def _leave(end: SystemExit) -> None:
    """End without taking apart all that was imported, which takes longer than most commands."""
    status = end.code or 0
    if threading.active_count() > 1 or not isinstance(status, int):
        raise end
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    main()
