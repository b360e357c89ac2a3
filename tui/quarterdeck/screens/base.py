"""What the full screens share: a title, a foot with keys, and leaving by Escape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from quarterdeck import keys
from quarterdeck.keynames import pretty
from quarterdeck.timing import instant_cells
from quarterdeck.widgets.bars import Bar
from quarterdeck.widgets.cells import Cell

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp
    from quarterdeck_lifecycle.verbs import Registry, Verb


class TitleBar(Bar):
    """What this screen shows."""


class FootBar(Bar):
    """The keys of this screen."""


class SubScreen(Screen[None]):
    """A screen above the deck."""

    app: QuarterdeckApp

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,q", "leave", show=False),
    ]
    foot: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._aside: list[Cell] = []
        self._leave_moment: Callable[[], None] | None = None

    def compose(self) -> ComposeResult:
        """Title, body, foot."""
        yield TitleBar(fill="─")
        yield from self.body()
        yield FootBar()

    def body(self) -> ComposeResult:
        """What stands between title and foot."""
        yield from ()

    def on_mount(self) -> None:
        """Show the title and the keys."""
        self.entitle(self._title, self._aside)
        self.show_foot()
        if self._leave_moment is None:
            self._leave_moment = self.app.moment.listen(lambda: self.entitle(self._title, self._aside))

    def on_unmount(self) -> None:
        """The deck's instant is of no interest any more."""
        if self._leave_moment is not None:
            self._leave_moment()
            self._leave_moment = None

    def show_foot(self) -> None:
        """The keys that apply now; painted only when they are others."""
        cells: list[Cell] = []
        for key, word in self.foot_keys():
            cells += [Cell(key, "accent"), Cell(f" {word}  ", "dim")]
        self.query_one(FootBar).show(cells, [Cell(" Esc", "accent"), Cell(" back", "dim")])

    def foot_keys(self) -> tuple[tuple[str, str], ...]:
        """Key and word for each thing that the foot names."""
        return self.foot

    def entitle(self, title: str, right: list[Cell] | None = None) -> None:
        """Another title; at its right end where the deck is in time, while that is not now."""
        self._title, self._aside = title, right or []
        shown = [*self._aside, *instant_cells(self.app)]
        self.query_one(TitleBar).show([Cell(f"─ {title} ", "head")], shown)

    def action_leave(self) -> None:
        """Back to where the operator was."""
        self.dismiss()


class VerbScreen(SubScreen):
    """A screen whose keys are verbs of the registry: they can be rebound, its foot shows them, `?` lists them.

    `do_<verb>` carries a verb out; verbs that have no such method here are not bound.
    """

    place: ClassVar[str] = ""
    """The name of this screen in the registry; `foot` names verbs by their ids."""

    @property
    def registry(self) -> Registry:
        """All verbs."""
        return self.app.boot.registry

    @property
    def verbs(self) -> list[Verb]:
        """What can be done here."""
        return [verb for verb in self.registry.screen(self.place) if self._handler(verb) is not None]

    def on_mount(self) -> None:
        """Bind the keys."""
        super().on_mount()
        for verb in self.verbs:
            for key in self.registry.keys(verb.id):
                binding = Binding(key, f"key('{key}')", show=False)
                self._bindings.key_to_bindings.setdefault(key, [binding])
        for key in self.registry.keys("hit.next"):
            binding = Binding(key, "live_again", show=False)
            self._bindings.key_to_bindings.setdefault(key, [binding])

    def foot_keys(self) -> tuple[tuple[str, str], ...]:
        """The keys that the verbs have now."""
        return tuple((self.key_of(id), word) for id, word in self.foot)

    def key_of(self, id: str) -> str:
        """The key of a verb as it is written on a keyboard."""
        return pretty(self.registry.keys(id))

    def action_key(self, key: str) -> None:
        """Run the verb of a key."""
        for verb in keys.choose(self.registry, self.place, key, ""):
            handler = self._handler(verb)
            if handler is not None:
                handler()
                return

    def action_live_again(self) -> None:
        """The key that the title names while the deck stands at an instant, where it has no other use."""
        self.app.moment.live()

    def do_help(self) -> None:
        """The keys that apply here."""
        from quarterdeck.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.app.boot, self.place, "", self.verbs))

    def do_mouse(self) -> None:
        """Mouse on or off."""
        self.app.toggle_mouse()

    def _handler(self, verb: Verb) -> Callable[[], None] | None:
        return getattr(self, f"do_{verb.id.replace('.', '_')}", None)
