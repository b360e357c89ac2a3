"""How the deck acts: arguments, preview, confirmation, and the operator who carries it out. A mixin of the deck."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.notifications import SeverityLevel

from quarterdeck.deploying import FLOWS
from quarterdeck.panes.lines import place_words
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.operate import READ_DEADLINE_S, deadline
from quarterdeck_lifecycle.policy import Confirm
from quarterdeck_lifecycle.ports import Preview
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.verbs import Verb

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen

MOST_IN_BULK = 50


class Doing:
    """Mutations of the rows under the cursor or marked."""

    _previewing = ""

    @property
    def _acting(self) -> DeckScreen:
        return cast("DeckScreen", self)

    def why_not(self, verb: Verb) -> str:
        """The first reason why a verb cannot act on the rows it would act on; empty when it may be tried."""
        deck = self._acting
        operator, hub = deck.app.boot.operator, deck.app.boot.hub
        if (own := deck.own_command(verb)) is not None:
            return deck.own_why_not(own, deck.record if own.scopes else None)
        if verb.id in FLOWS:
            return deck.release_why_not(deck.record)
        for ref in self.targets(verb)[:MOST_IN_BULK]:
            reason = operator.why_not(verb, ref, hub.find(ref))
            if reason:
                return reason
        return ""

    def targets(self, verb: Verb) -> list[Ref]:
        """What a verb would act on: the marked rows, else the row under the cursor."""
        deck = self._acting
        return list(dict.fromkeys(verb_ref(verb, ref, deck) for ref in deck.refs))

    def choose_verb(self, verbs: list[Verb]) -> None:
        """Several verbs on one key: a menu, with the reason where one is greyed."""
        from quarterdeck.screens.dialogs import Choice, MenuDialog

        deck = self._acting
        if not deck.refs:
            return
        choices = [Choice(verb.id, verb.title, self.why_not(verb)) for verb in verbs]
        allowed = [choice for choice in choices if not choice.why_not]
        if len(allowed) <= 1:
            deck.run_verb(next(verb for verb in verbs if verb.id == (allowed or choices)[0].id))
            return

        def chosen(id: str | None) -> None:
            if id is not None:
                deck.run_verb(next(verb for verb in verbs if verb.id == id))

        deck.app.push_screen(MenuDialog(self._called(deck.refs), choices), chosen)

    def _called(self, refs: list[Ref]) -> str:
        if len(refs) > 1:
            return f"{len(refs)} marked rows"
        record = self._acting.app.boot.hub.find(refs[0])
        return record.name if record is not None else refs[0].id

    def act(self, verb: Verb, given: dict[str, str] | None = None) -> None:
        """Start a mutation on the marked rows, or the row under the cursor; `given` arguments are not asked for."""
        from quarterdeck.screens.dialogs import ArgumentsDialog

        deck = self._acting
        if deck.table.cursor_is_ghost and not deck.table.marked:
            there = deck.pane.ref is not None and deck.app.boot.hub.find(deck.pane.ref) is not None
            why = "this row no longer matches the filter" if there else "this row is gone"
            deck.app.say(f"{why}; nothing was sent", "warning")
            return
        if verb.id in FLOWS:
            deck.release(verb, given)
            return
        refs = self.targets(verb)
        if not refs:
            return
        if deck.table.size.height < 2:
            deck.app.say("no row is visible: enlarge the terminal", "warning")
            return
        if len(refs) > 1 and not verb.bulk:
            deck.app.say(f"{verb.title} works on one row at a time", "warning")
            return
        if len(refs) > MOST_IN_BULK:
            deck.app.say(f"{len(refs)} rows are marked; at most {MOST_IN_BULK} at once", "warning")
            return
        for ref in refs:
            reason = deck.app.boot.operator.why_not(verb, ref, deck.app.boot.hub.find(ref))
            if reason:
                deck.app.say(f"{verb.title} {self._called([ref])}: {reason}", "warning")
                deck.app.work(deck.app.boot.operator.refuse(verb, ref, reason), "ledger")
                return
        if verb.id == "run.trigger" and given is None:
            from quarterdeck import starting

            if starting.ask(deck, verb, refs[0], lambda args: self.preview(verb, refs, args)):
                return
        missing = [a for a in verb.args if a.required and not (given or {}).get(a.name, a.default)]
        if missing or (given is None and any(a.ask for a in verb.args)):
            deck.app.push_screen(
                ArgumentsDialog(verb, given), lambda args: None if args is None else self.preview(verb, refs, args)
            )
        else:
            self.preview(verb, refs, {a.name: a.default for a in verb.args} | (given or {}))

    def preview(self, verb: Verb, refs: list[Ref], args: dict[str, str]) -> None:
        """Preview a mutation with all its arguments, and have it confirmed."""
        deck = self._acting
        if self._previewing:
            deck.app.say(f"the preview of {self._previewing} is under way; nothing else was begun", "warning")
            return
        self._previewing = verb.title
        deck.app.work(self._preview_and_confirm(verb, refs, args), f"preview of {verb.title}")

    async def _preview_and_confirm(self, verb: Verb, refs: list[Ref], args: dict[str, str]) -> None:
        deck, operator = self._acting, self._acting.app.boot.operator
        pressed = deck.app.keys_pressed
        previews: list[Preview] = []
        try:
            previews.extend([await operator.preview(verb, ref, args) for ref in refs])
        except QuarterdeckError as error:
            deck.app.say(str(error), "error")
            return
        finally:
            self._previewing = ""
        asked = [operator.confirmation(verb, p.ref, p.record, len(previews)) for p in previews]
        confirm = max(asked, key=("none", "key", "typed").index)
        if confirm == "none":
            await self._perform(verb, previews, "")
        elif deck.app.keys_pressed != pressed or deck.app.screen is not deck:
            # A dialog that comes late would take keys that were meant for something else.
            deck.app.say(f"the preview of {verb.title} {self._called(refs)} is ready; press its key again", "warning")
        else:
            self._confirm(verb, previews, confirm)

    def _confirm(self, verb: Verb, previews: list[Preview], confirm: Confirm) -> None:
        from quarterdeck.screens.confirm import ConfirmDialog

        deck, operator = self._acting, self._acting.app.boot.operator
        places = {place for preview in previews for place in operator.places(verb, preview.ref, preview.record)}
        where = ", ".join(sorted(map(place_words, places)))
        guarded = any(map(deck.app.boot.policy.guarded, places))
        dialog = ConfirmDialog(verb, previews, confirm, where, guarded, deck.app)
        deck.app.push_screen(
            dialog,
            lambda why: None if why is None else deck.app.work(self._perform(verb, previews, why), verb.title),
        )

    async def _perform(self, verb: Verb, previews: list[Preview], why: str) -> None:
        deck, table = self._acting, self._acting.table
        for place, preview in enumerate(previews):
            name = preview.record.name if preview.record else preview.ref.id
            deck.app.say(f"{verb.title} {name}: sent", "information")
            deck.app.begin_operation(f"{verb.title} {name}", deadline(preview) + READ_DEADLINE_S)
            try:
                result = await deck.app.boot.operator.perform(preview, why=why)
            finally:
                deck.app.end_operation()
            severity: SeverityLevel = "information" if result.result == "SUCCEEDED" else "error"
            deck.app.say(f"{verb.title} {name}: {result.result.lower()}. {result.message}", severity)
            if result.result == "SUCCEEDED":
                table.unmark(preview.ref)
            elif place + 1 < len(previews):
                rest = ", ".join(p.record.name if p.record else p.ref.id for p in previews[place + 1 :])
                deck.app.say(f"not sent: {rest}", "warning")
                return

    def do_container_shell(self) -> None:
        """A shell inside the container under the cursor."""
        deck = self._acting
        if deck.record is None:
            return
        deck.app.open_shell(deck.record)


def verb_ref(verb: Verb, ref: Ref, deck: DeckScreen) -> Ref:
    """What a verb acts on: the row, or its source or compose project for verbs of those."""
    if ref.kind in verb.applies_to:
        return ref
    if "source" in verb.applies_to:
        return Ref(ref.source, "source", ref.source)
    if "project" in verb.applies_to:
        record = deck.app.boot.hub.find(ref)
        project = getattr(record, "project", "")
        if project:
            return Ref(ref.source, "project", project)
    return ref
