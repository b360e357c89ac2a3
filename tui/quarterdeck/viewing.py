"""What the deck shows, taken down, applied, saved under names, and brought back where it was left."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from quarterdeck.narrowing import Narrowing
from quarterdeck.panes.rows import Filter, RowMaker
from quarterdeck.views.catalog import TABS
from quarterdeck.views.fmt import duration
from quarterdeck.views.model import View
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.records import PANES
from quarterdeck_lifecycle.viewbook import HOUR_S, PLAIN, Book, DeckView, Left, ViewBook, bounded, problem

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp
    from quarterdeck.panes.pane import Pane
    from quarterdeck_config.schema import View as ConfigView


class Viewing(Narrowing):
    """One deck's views. `remembers` False: the last view neither comes back nor is kept."""

    def __init__(self, app: QuarterdeckApp, remembers: bool = True) -> None:
        self._app = app
        boot = app.boot
        own = boot.loaded.project.parent if boot.loaded.project else boot.cwd
        folder, self._project = boot.views_at or (boot.state.path.parent, os.path.realpath(own))
        self._book = ViewBook(folder)
        self._remembers = remembers
        self._panes: list[Pane] = []
        self.saved: dict[str, DeckView] = {}
        self.name = ""
        """The view that was picked; an empty string for none."""
        self.window = HOUR_S
        """Seconds that charts show."""
        self._left: Left | None = None

    # the deck's beginning and end

    def begin(self, panes: list[Pane]) -> None:
        """Bring back how the deck was left in this project, before it is painted first."""
        self._panes = panes
        self.declare()
        for pane in panes:
            pane.named = self.title
        try:
            book = self._book.read()
        except QuarterdeckError as error:
            self._remembers = False
            self._app.call_after_refresh(self._app.say, str(error), "warning")
            return
        self.saved, self._left = book.views, book.left.get(self._project)
        if self._remembers and self._left is not None:
            self.name = self._left.name if self._left.name in self.views() else ""
            self.apply(self._left.view)

    def declare(self) -> None:
        """Take over the environments that the config names."""
        self._app.boot.hub.shown.declare(self._app.boot.loaded.config.environments)

    async def keep(self) -> None:
        """Keep how the deck is left, where that is another view than it was."""
        view = bounded(self.capture())
        before = (self._left.view, self._left.name) if self._left is not None else (PLAIN, "")
        if not self._panes or not self._remembers or before == (view, self.name):
            return
        left = Left(view=view, at=self._app.now(), name=self.name)
        with suppress(QuarterdeckError):
            await self._change(lambda book: book.left_at(self._project, left))

    async def _change(self, edit: Callable[[Book], Book]) -> None:
        """Off the loop, on the thread of the state: what was asked for is done also on the way out."""
        book = await self._app.boot.state.run(lambda _: self._book.change(edit))
        self.saved = book.views

    # what is shown

    def capture(self) -> DeckView:
        """What the deck shows now."""
        deck = self._app.deck
        tabs, filters, orders, hidden = {}, {}, {}, {}
        for pane in self._panes:
            if pane.tab:
                tabs[pane.pane] = pane.view.kind
            for maker in pane.makers.values():
                kind, first = maker.view.kind, next(iter(maker.view.orders))
                if maker.filter:
                    filters[kind] = maker.filter.text
                if maker.order != first or maker.reverse:
                    orders[kind] = f"{'-' if maker.reverse else ''}{maker.order}"
                if maker.hidden:
                    hidden[kind] = tuple(sorted(maker.hidden))
        return DeckView(
            environments=tuple(sorted(self._app.boot.hub.shown.chosen)), pane=deck.focused_pane, zoomed=deck.zoomed,
            tabs=tabs, filters=filters, orders=orders, hidden=hidden, window=self.window,
        )  # fmt: skip

    def apply(self, view: DeckView) -> None:
        """Show that; what it names and the deck does not have is left out."""
        deck, shown = self._app.deck, self._app.boot.hub.shown
        shown.choose(view.environments)
        self.window = view.window
        deck.zoomed = view.zoomed
        for pane in self._panes:
            for maker in pane.makers.values():
                _set_up(maker, view)
            kinds = [each.kind for each in pane.views]
            wanted = view.tabs.get(pane.pane, kinds[0])
            tab = kinds.index(wanted) if wanted in kinds else 0
            if tab != pane.tab:
                pane.choose_tab(tab)
            else:
                pane.narrow()
        deck.focus_pane(view.pane if view.pane in PANES else deck.focused_pane)

    def title(self) -> str:
        """The name of the view that is shown, with a star where it was changed since."""
        known = self.views().get(self.name)
        if known is None:
            return ""
        return self.name if known[0] == self.capture() else f"{self.name}*"

    # environments and columns

    # views by name

    def views(self) -> dict[str, tuple[DeckView, str]]:
        """Every view with where it is from. Of one name the config's counts: its text is what the operator wrote."""
        given = self._app.boot.loaded.config.views
        found = {name: (view, "yours") for name, view in self.saved.items()}
        found |= {name: (of_config(view), "config") for name, view in given.items()}
        return dict(sorted(found.items()))

    def use(self, name: str) -> None:
        """Show a view; an empty name is the plain deck."""
        found = self.views().get(name)
        if name and found is None:
            known = ", ".join(self.views()) or "none yet"
            self._app.say(f"no view {name}: {known}; :view save {name} would keep what is shown now", "warning")
            return
        self.name = name
        self.apply(found[0] if found else PLAIN)
        self._app.say(f"view {name}" if name else "the plain deck")

    def save(self, name: str) -> None:
        """Keep what is shown under a name."""
        wrong = problem(name)
        if name in self._app.boot.loaded.config.views:
            wrong = f"{name} is a view of the config, which is yours to write: save under another name"
        if wrong:
            self._app.say(f"not saved: {wrong}", "warning")
            return
        self._app.work(self._save(name, self.capture()), "saving the view")

    async def _save(self, name: str, view: DeckView) -> None:
        known = name in self.saved
        await self._change(lambda book: book.saved(name, view))
        self.name = name
        self._app.say(f"view {name} {'replaced' if known else 'saved'}: {words(view)}")
        self._app.deck.refresh_all()

    def delete(self, name: str) -> None:
        """Forget a saved view; what is shown stays."""
        if name in self.saved:
            self._app.work(self._delete(name), "deleting the view")
        elif name in self.views():
            self._app.say(f"{name} is a view of the config: delete it there", "warning")
        else:
            self._app.say(f"no view {name or 'without a name'}", "warning")

    async def _delete(self, name: str) -> None:
        await self._change(lambda book: book.deleted(name))
        self.name = "" if self.name == name else self.name
        self._app.say(f"view {name} deleted; what is shown stays until another is picked")
        self._app.deck.refresh_all()

    def command(self, verb: str, given: list[str]) -> None:
        """What stands behind `:view` (save NAME, delete NAME, reset, or a name) and `:environments` (names, or all)."""
        if verb == "environments":
            self._command_environments([name for word in given for name in word.split(",") if name])
            return
        first, rest = given[0], " ".join(given[1:])
        if first == "save":
            self.save(rest)
        elif first == "delete":
            self.delete(rest)
        elif first == "reset":
            self.use("")
        else:
            self.use(" ".join(given))

    def pick(self) -> None:
        """A list of all views."""
        from quarterdeck.screens.views import ViewsDialog

        rows = [("", "plain", words(PLAIN))]
        rows += [(name, where, words(view)) for name, (view, where) in self.views().items()]
        self._app.push_screen(ViewsDialog(rows, self.name), lambda name: None if name is None else self.use(name))


def _set_up(maker: RowMaker, view: DeckView) -> None:
    kind, orders = maker.view.kind, maker.view.orders
    maker.filter = Filter(view.filters.get(kind, ""))
    order = view.orders.get(kind, "")
    maker.reverse = order.startswith("-") and order[1:] in orders
    maker.order = order.removeprefix("-") if order.removeprefix("-") in orders else next(iter(orders))
    maker.hidden = frozenset(view.hidden.get(kind, ())) & {column.key for column in maker.columns if column.title}


def of_config(view: ConfigView) -> DeckView:
    """A view of the config: what it says of a pane is said of the tab that it has on top."""
    tops = {pane: _top(pane, view.tabs.get(pane, "")) for pane in PANES}  # type: ignore[call-overload]
    return DeckView(
        environments=tuple(sorted(view.environments)),
        pane=view.pane or PLAIN.pane,
        zoomed=view.zoom,
        tabs={pane: top.kind for pane, top in tops.items() if top is not TABS[pane][0]},
        filters={tops[pane].kind: text for pane, text in view.filter.items()},
        orders={tops[pane].kind: order for pane, order in view.sort.items() if order != next(iter(tops[pane].orders))},
        hidden={tops[pane].kind: tuple(sorted(_columns(tops[pane], keys))) for pane, keys in view.hide.items()},
        window=view.window or HOUR_S,
    )


def _top(pane: str, wanted: str) -> View:
    named = wanted.casefold()
    return next((each for each in TABS[pane] if named in (each.kind, each.title.casefold())), TABS[pane][0])


def _columns(view: View, names: Iterable[str]) -> Iterator[str]:
    given = {name.casefold() for name in names}
    return (c.key for c in view.columns if c.title and {c.key.casefold(), c.title.casefold()} & given)


def words(view: DeckView) -> str:
    """What a view shows, in a line."""
    parts = [view.pane + (" alone" if view.zoomed else "")]
    parts.insert(0, f"@{','.join(view.environments)}" if view.environments else "all environments")
    parts += [f"{kind} /{text}" for kind, text in view.filters.items()]
    parts += [f"{kind} by {order.removeprefix('-')}{' reversed' if order[:1] == '-' else ''}"
              for kind, order in view.orders.items()]
    parts += [f"without {', '.join(keys)}" for keys in view.hidden.values()]
    parts += [f"charts of {duration(view.window)}"] if view.window != HOUR_S else []
    return " · ".join(parts)
