"""The programs that are measured, one for each name: `python -m bench.subject NAME`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from bench import sources


def bare() -> None:
    """The reference: a Textual app with one line."""
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    from textual.app import App, ComposeResult
    from textual.widgets import Static

    class Bare(App[None]):
        ENABLE_COMMAND_PALETTE = False

        def compose(self) -> ComposeResult:
            yield Static("bare-app-painted")

    Bare().run()


def deck(given: Sequence[sources.Constant]) -> None:
    """The real deck on these sources and nothing else."""
    from quarterdeck.boot import Boot
    from quarterdeck.commands.deck import open_deck
    from quarterdeck_config.load import Loaded
    from quarterdeck_config.schema import Config

    boot = Boot(loaded=Loaded(Config()), discovery=False, title="bench")
    for source in given:
        boot.hub.add(source)
    sys.exit(open_deck(boot=boot))


def five(but: sources.Constant | None = None, count: int = 100) -> list[sources.Constant]:
    """Five panes full of constant rows, one of them exchanged."""
    made = [sources.Constant(kind, count if kind != "series" else 12) for kind in sources.MAKERS]
    return [but if but is not None and but.name == one.name else one for one in made]


def main(name: str, arguments: Sequence[str]) -> None:
    """Run one."""
    if name == "bare":
        bare()
    elif name == "idle":
        deck(five())
    elif name == "row":
        deck(five(sources.changing_row()))
    elif name == "state":
        deck(five(sources.changing_state()))
    elif name == "series":
        deck(five(sources.changing_series()))
    elif name == "rows":
        big = sources.Constant("container", int(arguments[0]), every=3600.0)
        deck(five(big))
    else:
        raise SystemExit(f"no subject {name}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
