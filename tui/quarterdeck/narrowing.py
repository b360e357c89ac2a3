"""Which environments and columns the deck shows, chosen by `@` and `|`. A mixin of `Viewing`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from quarterdeck.views.model import counted
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp
    from quarterdeck.panes.pane import Pane
    from quarterdeck_lifecycle.hub import Hub


class Narrowing:
    """Rows and columns left out of panes; feeds, verbs and the ledger know them all the same."""

    _app: QuarterdeckApp
    _panes: list[Pane]

    def choose_environments(self, names: Iterable[str]) -> None:
        """Show these; all that are known means every one, also those to come."""
        shown, wanted = self._app.boot.hub.shown, set(names)
        shown.choose(() if wanted >= set(shown.known) else wanted)
        for pane in self._panes:
            pane.narrow()
        self._app.deck.refresh_bars()
        self._app.deck.live.follow()

    def reveal(self, ref: Ref) -> None:
        """Show the environment of a row too, if it is not shown, and say so."""
        hub = self._app.boot.hub
        record = hub.find(ref)
        place = hub.shown.environment(record) if record is not None else ""
        if not hub.shown.keeps(place):
            self.choose_environments({*hub.shown.chosen, place})
            self._app.say(f"{place} is shown too")

    def _command_environments(self, names: list[str]) -> None:
        known = self._app.boot.hub.shown.known
        unknown = [name for name in names if name not in known and name != "all"]
        if unknown:
            self._app.say(f"no environment {unknown[0]} is known here: {', '.join(known) or 'none'}", "warning")
        else:
            self.choose_environments(known if "all" in names else names)

    def pick_environments(self) -> None:
        """A list of the environments, with how each is doing."""
        from quarterdeck.screens.several import Item, SeveralDialog

        app, shown = self._app, self._app.boot.hub.shown
        names = tuple(dict.fromkeys((*shown.known, *sorted(shown.chosen))))
        if not names:
            app.say("no environment is known here: name some under environments: in the config", "warning")
            return
        lines = environment_lines(app.boot.hub)
        items = [Item(name, name, lines.get(name, "not known here now"), self._style(name)) for name in names]
        app.push_screen(
            SeveralDialog("environments shown in every pane", items, shown.chosen or names),
            lambda taken: None if taken is None else self.choose_environments(taken),
        )

    def _style(self, name: str) -> str:
        colour = self._app.colours.get(name)
        return f"env:{colour}" if colour else ""

    def pick_columns(self, pane: Pane) -> None:
        """A list of the columns of a pane's tab."""
        from quarterdeck.screens.several import Item, SeveralDialog

        maker = pane.maker
        items = [Item(c.key, c.title, "" if c.key == c.title.lower() else c.key) for c in maker.columns if c.title]
        keys = [item.key for item in items]

        def chosen(taken: tuple[str, ...] | None) -> None:
            if taken is not None:
                pane.choose_columns(frozenset(keys) - set(taken))

        title = f"columns of {pane.view.title.lower()}; those that do not fit stay away"
        self._app.push_screen(SeveralDialog(title, items, set(keys) - maker.hidden, alone=False), chosen)


def environment_lines(hub: Hub) -> dict[str, str]:
    """For each known environment how many rows it has, how many are not fine, and which of its sources fail."""
    rows: dict[str, list[Record]] = {name: [] for name in hub.shown.known}
    for record in hub.records():
        if place := hub.shown.environment(record):
            rows.setdefault(place, []).append(record)
    failing = {error.source: error.word for error in hub.trouble()}
    lines = {}
    for name, records in rows.items():
        mine = [source.name for source in hub.sources.values() if source.environment == name]
        dead = [f"✗ {source} {failing[source]}" for source in mine if source in failing]
        lines[name] = "  ".join(filter(None, (f"{len(records)} rows", counted(records), *dead)))
    return lines
