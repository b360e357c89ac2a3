"""Where aliases were before, as far as this program saw them move. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from quarterdeck_lifecycle.served import AliasMove

MOST = 1000


class Moves:
    """The last move of each alias that was seen since the start."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, str]] = {}
        self._moves: dict[tuple[str, str], AliasMove] = {}

    def observe(self, models: Mapping[str, Mapping[str, str]], now: float) -> None:
        """Compare the aliases of all models (name -> alias -> version) with those seen last."""
        for name, aliases in models.items():
            before = self._seen.get(name)
            if before is not None:
                for alias, target in aliases.items():
                    if before.get(alias, "") != target:
                        self._moves[name, alias] = AliasMove(before.get(alias, ""), now)
            self._seen[name] = dict(aliases)
        while len(self._moves) > MOST:
            self._moves.pop(next(iter(self._moves)))

    def last(self, name: str, alias: str) -> AliasMove | None:
        """The last move that was seen."""
        return self._moves.get((name, alias))
