"""The console script. Without a word the deck opens at once, and the grammar of the command line is not imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run what the command line asks for."""
    try:
        if len(sys.argv) == 1:
            from quarterdeck.commands.deck import open_deck

            sys.exit(open_deck())
        from quarterdeck.grammar import cli

        cli(prog_name="quarterdeck")
    except BrokenPipeError:
        sys.exit(141)


if __name__ == "__main__":
    main()
