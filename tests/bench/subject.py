"""The programs that are measured, one for each name: `python -m bench.subject NAME`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bench import sources
from bench.floods import Flood, HugeLine
from quarterdeck_lifecycle.ports import Source


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


def engine(url: str) -> None:
    """The real deck on one Docker engine."""
    from quarterdeck.boot import Boot
    from quarterdeck.commands.deck import open_deck
    from quarterdeck_config.load import Loaded
    from quarterdeck_config.schema import Config
    from quarterdeck_config.schema import Source as SourceConfig

    config = Config(sources=[SourceConfig(name="engine", system="docker", url=url)])
    sys.exit(open_deck(boot=Boot(loaded=Loaded(config), discovery=False, title="bench")))


def growth(pace: float) -> None:
    """The practice world, asked `pace` times as often as it should be."""
    from quarterdeck.commands.deck import open_deck
    from quarterdeck.commands.demo import practice_world

    with practice_world(1) as (boot, _):
        add = boot.hub.add

        def hurried(source: Source) -> None:
            add(source)
            boot.hub.pace(1 / pace)

        boot.hub.add = hurried  # type: ignore[method-assign]
        code = open_deck(boot=boot)
    sys.exit(code)


def main(name: str, arguments: Sequence[str]) -> None:
    """Run one."""
    if name == "idle":
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
    elif name == "flood":
        deck(five(Flood(int(arguments[0]), float(arguments[1]))))
    elif name == "line":
        deck(five(HugeLine()))
    elif name == "engine":
        engine(arguments[0])
    elif name == "growth":
        growth(float(arguments[0]))
    else:
        raise SystemExit(f"no subject {name}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
