"""The console script. Without a word the deck opens at once, and the grammar of the command line is not imported;
neither is it for the line of a status bar."""

from __future__ import annotations

import gc
import os
import sys

LINE = frozenset({"status", "--line", "--watch", "--json"})


def main() -> None:
    """Run what the command line asks for."""
    try:
        words = sys.argv[1:]
        if words[:1] == ["status"] and "--line" in words and LINE.issuperset(words):
            from quarterdeck.statusline import main as line

            sys.exit(line(words))
        if not words and "_QUARTERDECK_COMPLETE" not in os.environ:
            from quarterdeck.commands.deck import open_deck

            sys.exit(open_deck())
        # A command is done before there is garbage worth a look through all that it imported.
        gc.set_threshold(20_000, 20, 50)
        from quarterdeck.grammar import cli

        cli(prog_name="quarterdeck")
    except BrokenPipeError:
        sys.exit(141)


if __name__ == "__main__":
    main()
