"""How the deck looks back on releases: operations, a service's history, and the inverse of the last verb. A mixin."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from quarterdeck_lifecycle.kinds import Operation, Service
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.release.model import Plan

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen


class LookingBack:
    """What was released, and what can be taken back."""

    @property
    def _looking_back(self) -> DeckScreen:
        return cast("DeckScreen", self)

    @property
    def running(self) -> list[Operation]:
        """The operations that have not ended, as far as is known."""
        rows = (row for snap in self._looking_back.app.boot.hub.snapshots("operation") for row in snap.rows)
        return [row for row in rows if isinstance(row, Operation) and not row.result]

    def do_operations(self) -> None:
        """Releases that run and that ended."""
        from quarterdeck.screens.operations import OperationsScreen

        self._looking_back.app.push_screen(OperationsScreen(self._looking_back.app.boot))

    def do_service_history(self) -> None:
        """The releases of the service under the cursor."""
        from quarterdeck.screens.history import HistoryScreen

        deck = self._looking_back
        services = deck.services
        if isinstance(deck.record, Service) and services is not None:
            points = services.choices.get(deck.record.ref, [])
            deck.app.push_screen(HistoryScreen(deck.app.boot, deck.record, points))

    def do_undo(self) -> None:
        """The inverse of the last verb that was done from here, previewed as any other."""
        deck = self._looking_back
        last = deck.app.boot.operator.last
        if last is None or last.inverse is None:
            deck.app.say("nothing that was done from this deck can be undone: it has done nothing with an inverse")
            return
        verb = deck.app.boot.registry.get(last.inverse[0])
        if verb is None:
            return
        if verb.id == "service.rollback":
            if not deck.attached(last.ref):
                self._undo_release(last.token, last.ref)
            return
        record = deck.app.boot.hub.find(last.ref)
        reason = deck.app.boot.operator.why_not(verb, last.ref, record)
        if reason:
            deck.app.say(f"{verb.title} {record.name if record else last.ref.id}: {reason}", "warning")
            return
        deck.preview(verb, [last.ref], {argument.name: argument.default for argument in verb.args} | last.inverse[1])

    def _undo_release(self, plan: Plan, ref: Ref) -> None:
        """Put back: an alias to the version that it stood on, a service to what is chosen."""
        deck = self._looking_back
        service, _, environment = ref.id.rpartition("@")
        alias = next((change.place.name for change in plan.changes if change.place.kind == "alias"), "")
        if not alias:
            deck.back((service, environment), "", offer=True)
        elif plan.before is None:
            deck.app.say(f"{alias} was on no version before: remove the alias on its version's row")
        else:
            model, _, name = alias.rpartition("@")
            deck.propose_alias_back(model, name, (service, environment), plan.before.digest)
