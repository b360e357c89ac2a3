"""How the deck moves a model's alias: to a version, or back from it. A mixin of the deck."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from quarterdeck_lifecycle.kinds import ModelVersion
from quarterdeck_lifecycle.release.model import service_ref
from quarterdeck_lifecycle.verbs import Verb

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen

Pair = tuple[str, str]
ANOTHER = "another alias, by its name"


class Promoting:
    """Releases of a model version."""

    @property
    def _promoting(self) -> DeckScreen:
        return cast("DeckScreen", self)

    def of_version(self, verb: Verb, version: ModelVersion, pairs: list[Pair], given: dict[str, str]) -> None:
        """Move an alias to a version, or an alias that stands on it back."""
        deck = self._promoting
        back = verb.id == "service.rollback"
        names = list(version.aliases) if back else self._aliases(version)
        names = [given["alias"]] if given.get("alias") else names
        on = partial(self._alias, verb, version, pairs, given)
        if not names and back:
            deck.app.say(f"no alias stands on {version.name}: nothing is to be put back", "warning")
        elif not names:
            self._ask_alias(verb, version, on)
        elif len(names) == 1 and (back or given.get("alias")):
            on(names[0])
        else:
            choices = [(f"@{name}",) * 2 for name in names] + ([] if back else [(ANOTHER,) * 2])
            deck.app.choose(
                f"{verb.title} {version.name}: which alias?", choices,
                lambda name: self._ask_alias(verb, version, on) if name == ANOTHER else on(name),
            )  # fmt: skip

    def _ask_alias(self, verb: Verb, version: ModelVersion, on: Callable[[str], None]) -> None:
        from quarterdeck.screens.dialogs import AskDialog

        question = "which alias? One that does not exist yet is made, and removed again if it fails"
        self._promoting.app.push_screen(
            AskDialog(f"{verb.title} {version.name}", question), lambda name: None if name is None else on(name)
        )

    def _alias(self, verb: Verb, version: ModelVersion, pairs: list[Pair], given: dict[str, str], alias: str) -> None:
        """At the services that serve it, those that tell which version they serve first; else the alias alone."""
        deck = self._promoting
        alias = alias.removeprefix("@")
        services = deck.app.boot.loaded.config.services
        serving = [each for each in pairs if services[each[0]].model == f"{version.model}@{alias}"]
        serving = [each for each in serving if given.get("environment") in (None, "", each[1])]
        serving = [each for each in serving if given.get("service") in (None, "", each[0])]
        serving.sort(key=lambda each: services[each[0]].served is None)
        own = given.get("environment") or deck.app.boot.environment_of(version.ref.source)
        places = serving or [(f"{version.model}@{alias}", own)]
        title = f"{verb.title} {version.model}@{alias}: proven by which service?"
        deck.one_of(title, places, partial(self._move, verb, version, alias))

    def _aliases(self, version: ModelVersion) -> list[str]:
        """The aliases that the model has, those that do not stand on this version yet."""
        boot = self._promoting.app.boot
        rows = [row for row in boot.hub.records() if isinstance(row, ModelVersion)]
        known = {alias for row in rows if row.model == version.model for alias in row.aliases}
        named = [(each.model or "").rpartition("@") for each in boot.loaded.config.services.values()]
        known |= {alias for model, _, alias in named if model == version.model}
        return sorted((known or {"champion"}) - set(version.aliases), key=lambda alias: (alias != "champion", alias))

    def _move(self, verb: Verb, version: ModelVersion, alias: str, pair: Pair) -> None:
        deck = self._promoting
        desk = deck.app.boot.desk
        if deck.attached(service_ref(*pair)):
            return
        service = pair[0] if pair[0] in deck.app.boot.loaded.config.services else ""
        if verb.id == "service.rollback":
            self.propose_alias_back(version.model, alias, pair)
        else:
            deck.propose(
                verb.id, pair,
                lambda back: desk.plan_promote(
                    version.model, version.version, alias, pair[1], back=back, service=service
                ),
                "promote", by_alias=True,
            )  # fmt: skip

    def propose_alias_back(self, model: str, alias: str, pair: Pair, to: str = "") -> None:
        """Propose to move an alias back: to its last champion, or to the version `to`."""
        deck = self._promoting
        desk = deck.app.boot.desk
        service = pair[0] if pair[0] in deck.app.boot.loaded.config.services else ""
        deck.propose(
            "service.rollback", pair,
            lambda back: desk.plan_alias_back(model, alias, pair[1], to_revision=to, back=back, service=service),
            "put back", by_alias=True,
        )  # fmt: skip
