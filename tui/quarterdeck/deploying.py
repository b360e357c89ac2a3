"""How the deck releases: whose service a row is, what to put on it, the dialog, the runner. A mixin of the deck."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from quarterdeck.lookingback import LookingBack
from quarterdeck.promoting import Promoting
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.kinds import Image, ModelVersion, Service, Tag
from quarterdeck_lifecycle.policy import Place
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.release.model import SERVICES, Plan, service_ref
from quarterdeck_lifecycle.verbs import Verb

if TYPE_CHECKING:
    from quarterdeck.deck import DeckScreen
    from quarterdeck.releasing.servicesource import ServiceSource
    from quarterdeck.views.asked import Asked

FLOWS = ("service.deploy", "service.rollback", "version.promote")
NO_SERVICES = "no service is configured here: add it under services: in quarterdeck.yaml"
Pair = tuple[str, str]


class Deploying(Promoting, LookingBack):
    """Releases of the row under the cursor."""

    @property
    def _releasing(self) -> DeckScreen:
        return cast("DeckScreen", self)

    @property
    def services(self) -> ServiceSource | None:
        """The source of services, once there is one."""
        from quarterdeck.releasing.servicesource import ServiceSource

        found = self._releasing.app.boot.hub.sources.get(SERVICES)
        return found if isinstance(found, ServiceSource) else None

    def release_why_not(self, record: Record | None) -> str:
        """Why a release cannot begin at this row; empty when it may be tried."""
        boot = self._releasing.app.boot
        if record is None:
            return "it is gone"
        if boot.policy.read_only:
            return "the deck was started with --read-only"
        if isinstance(record, Service) and record.deployable:
            return record.deployable
        if isinstance(record, ModelVersion):
            return ""
        if self.services is None:
            return NO_SERVICES
        return "" if self._pairs(record) else f"{record.name} belongs to no service of the config"

    def _pairs(self, record: Record | None) -> list[Pair]:
        from quarterdeck.releasing.belonging import services_of

        return services_of(self._releasing.app.boot.loaded.config, record)

    def release(self, verb: Verb, given: dict[str, str] | None = None) -> None:
        """Begin: find the service, attach where an operation runs on it, else ask and propose."""
        deck, given = self._releasing, dict(given or {})
        refs = deck.refs
        record = deck.app.boot.hub.find(refs[0]) if refs else None
        why_not = self.release_why_not(record) if refs else "no row is under the cursor"
        if why_not or record is None:
            deck.app.say(f"{verb.title}: {why_not}", "warning")
            return
        if len(refs) > 1:
            deck.app.say(f"{verb.title} works on one row at a time", "warning")
            return
        pairs = self._pairs(record)
        if isinstance(record, ModelVersion):
            self.of_version(verb, record, pairs, given)
            return
        pairs = [each for each in pairs if given.get("environment") in (None, "", each[1])]
        pairs = [each for each in pairs if given.get("service") in (None, "", each[0])]
        if not pairs:
            deck.app.say(f"{verb.title}: {record.name} is of no such service or environment", "warning")
            return
        self.one_of(f"{verb.title} {record.name}: on which service?", pairs, partial(self._on, verb, record, given))

    def one_of(self, title: str, pairs: list[Pair], then: Callable[[Pair], None]) -> None:
        """Go on with the only one, or with the one that is chosen."""
        if len(pairs) == 1:
            then(pairs[0])
            return
        choices = [(f"{service} in {environment}",) * 2 for service, environment in pairs]
        by_words = dict(zip((words for words, _ in choices), pairs, strict=True))
        self._releasing.app.choose(title, choices, lambda words: then(by_words[words]))

    def _on(self, verb: Verb, record: Record, given: dict[str, str], pair: Pair) -> None:
        if not self.attached(service_ref(*pair)):
            if verb.id == "service.rollback":
                self.back(pair, given.get("to", ""), offer="to" not in given)
            elif wanted := given.get("to") or _wanted(record, self._image(pair[0])):
                self._deploy(pair, wanted)
            else:
                self._pick(pair)

    def attached(self, ref: Ref) -> bool:
        """Show the operation that runs on a service instead of starting another; False when none is known to run."""
        from quarterdeck.screens.operation import OperationScreen

        deck, services = self._releasing, self.services
        op = services.running(ref) if services is not None else ""
        if op:
            deck.app.say("a release of it runs already: attached")
            deck.app.push_screen(OperationScreen(deck.app.boot, op))
        return bool(op)

    def _image(self, service: str) -> str:
        return self._releasing.app.boot.loaded.config.services[service].image or ""

    # what to put on it

    def _pick(self, pair: Pair) -> None:
        from quarterdeck.releasing.belonging import services_of
        from quarterdeck.screens.pick import PickDialog

        deck = self._releasing
        boot = deck.app.boot
        known = [row for row in boot.hub.records() if isinstance(row, (Tag, Image))]
        mine: list[Tag | Image] = [row for row in known if pair in services_of(boot.loaded.config, row)]
        tags = {row.digest for row in mine if isinstance(row, Tag)}
        mine = [row for row in mine if isinstance(row, Tag) or not tags & {d.partition("@")[2] for d in row.digests}]
        mine.sort(key=lambda row: -(row.created_at or 0.0))
        service = boot.hub.find(service_ref(*pair))
        running = service.running if isinstance(service, Service) else ""
        dialog = PickDialog(f"deploy to {pair[0]} in {pair[1]}: what?", mine, running, deck.app.now())
        deck.app.push_screen(dialog, lambda wanted: None if wanted is None else self._deploy(pair, wanted))

    def _deploy(self, pair: Pair, wanted: str) -> None:
        desk = self._releasing.app.boot.desk
        self.propose("service.deploy", pair, lambda back: desk.plan(*pair, wanted, back=back), "deploy")

    # what to go back to

    def propose_back(self, ref: Ref, to: str) -> None:
        """Propose to put a service back to a revision."""
        service, _, environment = ref.id.rpartition("@")
        if not self.attached(ref):
            self.back((service, environment), to, offer=False)

    def back(self, pair: Pair, to: str, *, offer: bool) -> None:
        """Offer what it could go back to, the last proven first; Enter or y takes it."""
        from quarterdeck.releasing.belonging import tags_by_digest
        from quarterdeck.releasing.standing import best
        from quarterdeck.screens.back import BackDialog

        deck, services = self._releasing, self.services
        points = services.choices.get(service_ref(*pair), []) if services is not None else []
        desk = deck.app.boot.desk

        def chosen(value: str | None) -> None:
            if value is not None:
                self.propose(
                    "service.rollback", pair,
                    lambda back: desk.plan(*pair, "", kind="rollback", to_revision=value, back=back), "put back",
                )  # fmt: skip

        if not offer or best(points) is None:
            chosen(to)
        else:
            tags = tags_by_digest(deck.app.boot.hub.records())
            deck.app.push_screen(BackDialog(f"{pair[0]} in {pair[1]}", points, deck.app.now(), tags), chosen)

    # the dialog

    def propose(
        self, verb_id: str, pair: Pair, make: Callable[[str], object], word: str, *, by_alias: bool = False
    ) -> None:
        """Open the dialog of a release; `make` plans it with the put-back that was chosen. `by_alias`: what changes
        is where the alias of its model stands, not its image."""
        from quarterdeck.releasing.proposal import Make, Proposal
        from quarterdeck.screens.deploy import DeployDialog
        from quarterdeck.views.plan import Known

        deck = self._releasing
        boot = deck.app.boot
        verb = boot.registry.get(verb_id)
        assert verb is not None
        proposal = Proposal(boot, verb_id, cast("Make", make))
        service = boot.hub.find(service_ref(*pair))
        known = Known(service=service if isinstance(service, Service) else None)
        dialog = DeployDialog(self._asked(verb, pair, word, by_alias), proposal, known, deck.app)

        def answered(reason: str | None) -> None:
            if reason is not None and dialog.plan is not None:
                deck.app.work(self._start(proposal, dialog.plan, reason), f"start of {word} {pair[0]}")

        deck.app.push_screen(dialog, answered)

    def _asked(self, verb: Verb, pair: Pair, word: str, by_alias: bool) -> Asked:
        """What is known before there is a plan: whether the name is typed, and what is shut."""
        from quarterdeck.releasing.standing import called, value_of
        from quarterdeck.views.asked import CURRENT, Asked, back_options

        boot, services = self._releasing.app.boot, self.services
        config = boot.loaded.config.services.get(pair[0])
        placement = config.environments.get(pair[1]) if config is not None else None
        sources = [target.source for target in placement.targets] if placement is not None else []
        if by_alias:
            sources += [source.name for source in boot.hub.sources.values() if source.system == "mlflow"]
        places = [Place(source, pair[1]) for source in dict.fromkeys(sources)]
        access = [boot.policy.access(place) for place in places]
        closed = next((each.why for each in access if not each.open), "")
        shut = closed if closed and ": W " not in closed else ""
        points = services.choices.get(service_ref(*pair), []) if services is not None else []
        backs = [
            (called(point), CURRENT if point.current else value_of(point), point.proven) for point in points
            if point.ready and (point.identity.kind == "model" or not by_alias)
        ]  # fmt: skip
        return Asked(
            verb=verb, service=pair[0], environment=pair[1], word=word,
            guarded=any(map(boot.policy.guarded, places)), closed=closed, shut=shut, backs=back_options(backs),
        )  # fmt: skip

    async def _start(self, proposal: object, plan: Plan, reason: str) -> None:
        from quarterdeck.releasing.proposal import Proposal
        from quarterdeck.screens.operation import OperationScreen
        from quarterdeck_lifecycle.release.store import Running

        deck = self._releasing
        assert isinstance(proposal, Proposal)
        pressed = deck.app.keys_pressed
        try:
            op = await proposal.start(plan, reason)
        except Running as other:
            deck.app.say(f"{other.what}: attached to its operation", "warning")
            op = other.op
        except QuarterdeckError as error:
            deck.app.say(f"not started: {error}", "error")
            return
        deck.app.boot.hub.poke(SERVICES)
        if deck.app.keys_pressed == pressed and deck.app.screen is deck:
            deck.app.push_screen(OperationScreen(deck.app.boot, op))
        else:
            deck.app.say(f"{plan.kind} {plan.service}: operation {op[-4:]} runs, 9 shows it")


def _wanted(record: Record, image: str) -> str:
    """What a row itself says is to be deployed: a tag's digest, an image's; empty where it has to be asked."""
    if isinstance(record, Tag):
        return record.digest or record.tag
    if isinstance(record, Image):
        mine = [digest.partition("@")[2] for digest in record.digests if digest.partition("@")[0] == image]
        named = [tag.rpartition(":")[2] for tag in record.tags if tag.rpartition(":")[0] == image]
        return next(iter([*mine, *named]), "")
    return ""
