"""What the deck's verbs of the trace do. A mixin of the deck."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen
    from quarterdeck.tracing.gather import Gathered
    from quarterdeck_lifecycle.records import Ref


class Tracing:
    """Handlers `do_<verb>`; everything that draws or walks is imported when it is asked for first."""

    @cached_property
    def gathered(self) -> Gathered:
        """The graph of this deck's rows, kept once somebody traced."""
        from quarterdeck.tracing.gather import Gathered

        return Gathered()

    @property
    def _traced(self) -> DeckScreen:
        return cast("DeckScreen", self)

    def do_trace(self) -> None:
        """The thread of the row under the cursor."""
        from quarterdeck.screens.trace import TraceScreen

        self._of_row(lambda ref, name: self._traced.app.push_screen(
            TraceScreen(self._traced.app.boot, self.gathered, (ref,), name)))  # fmt: skip

    def do_where(self) -> None:
        """Where the row under the cursor is."""
        from quarterdeck.screens.where import WhereScreen

        self._of_row(lambda ref, name: self._traced.app.push_screen(
            WhereScreen(self._traced.app.boot, self.gathered, (ref,), name)))  # fmt: skip

    def trace_words(self, verb: str, words: str) -> None:
        """`:trace REF` and `:where REF`."""
        self._traced.app.work(self._named(verb, words), verb)

    def _of_row(self, then: Callable[[Ref, str], object]) -> None:
        deck = self._traced
        if deck.pane.ref is None:
            deck.app.say("there is no row to trace", "warning")
        else:
            then(deck.pane.ref, deck.record.name if deck.record is not None else deck.pane.ref.id)

    async def _named(self, verb: str, words: str) -> None:
        from quarterdeck.screens.trace import TraceScreen
        from quarterdeck.screens.where import WhereScreen
        from quarterdeck.tracing import fetching, telling
        from quarterdeck_lifecycle.trace.resolve import Several

        deck = self._traced
        await self.gathered.follow(deck.app.boot.hub.snapshots())
        made = WhereScreen if verb == "where" else TraceScreen

        def show(*begin: Ref) -> None:
            deck.app.push_screen(made(deck.app.boot, self.gathered, begin, words))

        try:
            show(*await fetching.find(words, deck.app.boot, self.gathered.graph))
        except Several as error:
            choices = {str(ref): ref for ref in error.candidates}
            named = [(telling.candidate(self.gathered.graph, ref), text) for text, ref in choices.items()]
            deck.app.choose(str(error), named, lambda text: show(choices[text]))
        except LookupError as error:
            deck.app.say(f"{error}: git:REV, pr:N, image:NAME:TAG, model:NAME/VERSION, or a name", "warning")
