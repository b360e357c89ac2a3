"""How the deck acts: arguments, preview, confirmation, and the operator who carries it out. A mixin of the deck."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.notifications import SeverityLevel

from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.operate import READ_DEADLINE_S, WRITE_DEADLINE_S
from quarterdeck_lifecycle.ports import Preview
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.verbs import Verb

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen

MOST_IN_BULK = 50


class Doing:
    """Mutations of the rows under the cursor or marked."""

    @property
    def _acting(self) -> DeckScreen:
        return cast("DeckScreen", self)

    def choose_verb(self, verbs: list[Verb]) -> None:
        """Several verbs on one key: a menu, with the reason where one is greyed."""
        from quarterdeck.screens.dialogs import Choice, MenuDialog

        deck = self._acting
        ref, record = deck.pane.ref, deck.record
        if ref is None:
            return

        def why_not(verb: Verb) -> str | None:
            target = verb_ref(verb, ref, deck)
            return deck.app.boot.operator.why_not(verb, target, deck.app.boot.hub.find(target))

        choices = [
            Choice(verb.id, verb.title, why_not(verb) or "")
            for verb in verbs
        ]
        allowed = [choice for choice in choices if not choice.why_not]
        if not allowed:
            deck.app.say(f"{choices[0].title} {record.name if record else ref.id}: {choices[0].why_not}", "warning")
            return
        if len(allowed) == 1:
            self.act(next(verb for verb in verbs if verb.id == allowed[0].id))
            return

        def chosen(id: str | None) -> None:
            if id is not None:
                self.act(next(verb for verb in verbs if verb.id == id))

        deck.app.push_screen(MenuDialog(f"{record.name if record else ref.id}", choices), chosen)

    def act(self, verb: Verb, given: dict[str, str] | None = None) -> None:
        """Start a mutation on the marked rows, or the row under the cursor; `given` arguments are not asked for."""
        from quarterdeck.screens.dialogs import ArgumentsDialog

        deck = self._acting
        if deck.table.cursor_is_ghost and not deck.table.marked:
            deck.app.say("this row is gone; nothing was sent", "warning")
            return
        refs = list(dict.fromkeys(verb_ref(verb, ref, deck) for ref in deck.refs))
        if not refs:
            return
        if len(refs) > 1 and not verb.bulk:
            deck.app.say(f"{verb.title} works on one row at a time", "warning")
            return
        if len(refs) > MOST_IN_BULK:
            deck.app.say(f"{len(refs)} rows are marked; at most {MOST_IN_BULK} at once", "warning")
            return
        for ref in refs:
            record = deck.app.boot.hub.find(ref)
            reason = deck.app.boot.operator.why_not(verb, ref, record)
            if reason:
                deck.app.say(f"{verb.title} {record.name if record else ref.id}: {reason}", "warning")
                return
        missing = [a for a in verb.args if a.required and not (given or {}).get(a.name, a.default)]
        if missing or (given is None and any(a.ask for a in verb.args)):
            deck.app.push_screen(
                ArgumentsDialog(verb, given), lambda args: None if args is None else self._preview(verb, refs, args)
            )
        else:
            self._preview(verb, refs, {a.name: a.default for a in verb.args} | (given or {}))

    def _preview(self, verb: Verb, refs: list[Ref], args: dict[str, str]) -> None:
        deck = self._acting
        deck.app.work(self._preview_and_confirm(verb, refs, args), f"preview of {verb.title}")

    async def _preview_and_confirm(self, verb: Verb, refs: list[Ref], args: dict[str, str]) -> None:
        from quarterdeck.screens.confirm import ConfirmDialog

        deck, operator = self._acting, self._acting.app.boot.operator
        previews: list[Preview] = []
        for ref in refs:
            try:
                previews.append(await operator.preview(verb, ref, args))
            except QuarterdeckError as error:
                deck.app.say(str(error), "error")
                return
        first = previews[0]
        confirm = operator.confirmation(verb, first.ref, first.record, len(previews))
        if confirm == "none":
            await self._perform(verb, previews, "")
            return
        places = {operator.place(preview.ref, preview.record) for preview in previews}
        if any(operator.confirmation(verb, p.ref, p.record, len(previews)) == "typed" for p in previews):
            confirm = "typed"
        where = ", ".join(sorted(map(str, places)))
        guarded = any(map(deck.app.boot.policy.guarded, places))
        dialog = ConfirmDialog(verb, previews, confirm, where, guarded, deck.app)
        deck.app.push_screen(
            dialog,
            lambda why: None if why is None else deck.app.work(self._perform(verb, previews, why), verb.title),
        )

    async def _perform(self, verb: Verb, previews: list[Preview], why: str) -> None:
        deck = self._acting
        for preview in previews:
            name = preview.record.name if preview.record else preview.ref.id
            deck.app.say(f"{verb.title} {name}: sent", "information")
            deck.app.begin_operation(f"{verb.title} {name}", WRITE_DEADLINE_S + READ_DEADLINE_S)
            try:
                result = await deck.app.boot.operator.perform(preview, why=why)
            finally:
                deck.app.end_operation()
            severity: SeverityLevel = "information" if result.result == "SUCCEEDED" else "error"
            deck.app.say(f"{verb.title} {name}: {result.result.lower()}. {result.message}", severity)
            if result.result != "SUCCEEDED" and len(previews) > 1:
                deck.app.say("the rest was not sent", "warning")
                return
        deck.table.clear_marks()

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
