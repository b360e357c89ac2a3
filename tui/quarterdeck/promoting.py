"""How the deck moves a model's alias: to a version, or back from it. A mixin of the deck."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from quarterdeck_lifecycle.kinds import ModelVersion
from quarterdeck_lifecycle.release.model import service_ref
from quarterdeck_lifecycle.verbs import Verb

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen

Pair = tuple[str, str]


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
        if not names:
            deck.app.say(f"no alias stands on {version.name}: nothing is to be put back", "warning")
            return
        services = deck.app.boot.loaded.config.services

        def on(alias: str) -> None:
            serving = [each for each in pairs if services[each[0]].model == f"{version.model}@{alias}"]
            serving = [each for each in serving if given.get("environment") in (None, "", each[1])]
            own = given.get("environment") or deck.app.boot.environment_of(version.ref.source)
            places = [*serving] or [(f"{version.model}@{alias}", own)]
            title = f"{verb.title} {version.model}@{alias}: where?"
            deck.one_of(title, places, partial(self._move, verb, version, alias))

        if len(names) == 1:
            on(names[0])
        else:
            deck.app.choose(f"{verb.title} {version.name}: which alias?", [(f"@{name}", name) for name in names], on)

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
        if verb.id == "service.rollback":
            deck.propose(
                verb.id, pair, lambda _back: desk.plan_alias_back(version.model, alias, pair[1]), "put back"
            )
        else:
            deck.propose(
                verb.id, pair,
                lambda back: desk.plan_promote(version.model, version.version, alias, pair[1], back=back), "promote",
            )  # fmt: skip
