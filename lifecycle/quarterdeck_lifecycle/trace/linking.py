"""Whether two things are tied, by which fact, and whether that is a guess. Pure, and the same from both sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from quarterdeck_lifecycle.kinds import Alert, Container, Deployment, Image, ModelVersion, Rule, Series
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.served import Evidence, move_told, served_by
from quarterdeck_lifecycle.trace.facts import FactKind
from quarterdeck_lifecycle.trace.hops import Place


class Join(NamedTuple):
    """Why two things are tied: the fact in words, and whether it is only a guess."""

    evidence: str
    guess: bool = False


class Known(NamedTuple):
    """What is known of one thing: its facts as kind -> value -> evidence. `record` is None for a bare name.

    `environment` is in lower case, so that what only differs in that is one place.
    """

    ref: Ref
    record: Record | None
    environment: str
    facts: Mapping[str, Mapping[str, str]]

    def of(self, kind: FactKind) -> Mapping[str, str]:
        """The values of a kind, each with its evidence."""
        return self.facts.get(kind, {})


class Around(Protocol):
    """Who knows what else there is."""

    def whole(self, beginning: str) -> tuple[str, ...]:
        """The whole shas that begin so, of all commits that are named anywhere."""

    def placed(self, service: str, environment: str) -> bool:
        """Whether a workload of that service says that it is in that environment."""


Rule_ = Callable[[Known, Known, Around], Join | None]


def short(value: str) -> str:
    """A value as it is shown in evidence."""
    if value.startswith("sha256:"):
        return f"sha256:{value[7:19]}"
    return value[:10] if len(value) in (40, 64) and value.isalnum() else value


def told(kind: str, value: str, one: str, other: str, guess: bool = False) -> Join:
    """`commit f77a942815: label org.opencontainers.image.revision = head_sha of the run`."""
    said = one if one == other or not other else other if not one else f"{one} = {other}"
    return Join(f"{kind.replace('_', ' ')} {short(value)}: {said}", guess)


def _same(kind: FactKind) -> Rule_:
    def rule(one: Known, other: Known, _around: Around) -> Join | None:
        mine, theirs = one.of(kind), other.of(kind)
        for value in mine if len(mine) <= len(theirs) else theirs:
            if value in mine and value in theirs:
                return told(kind, value, mine[value], theirs[value])
        return None

    return rule


def by_commit(one: Known, other: Known, around: Around) -> Join | None:
    """The same sha; as a guess, a sha and the only one that begins as the other says."""
    if (found := _commit(one, other, around)) is not None:
        return found
    for mine, theirs in ((one, other), (other, one)):
        for beginning, evidence in mine.of("short").items():
            for sha, seen in theirs.of("commit").items():
                if sha.startswith(beginning) and around.whole(beginning) == (sha,):
                    return told("short sha", beginning, evidence, seen, guess=True)
    return _short(one, other, around)


_commit = _same("commit")
_short_same = _same("short")


def _short(one: Known, other: Known, around: Around) -> Join | None:
    found = _short_same(one, other, around)
    return None if found is None else Join(found.evidence, guess=True)


def _guessed(kind: FactKind, words: str) -> Rule_:
    same = _same(kind)

    def rule(one: Known, other: Known, around: Around) -> Join | None:
        found = same(one, other, around)
        return None if found is None else Join(f"{words} {found.evidence.partition(' ')[2]}", guess=True)

    return rule


def by_tagname(one: Known, other: Known, around: Around) -> Join | None:
    """A git tag and an image's tag of the same name; never where the image says its commit."""
    if "commit" in one.facts and "commit" in other.facts:
        return None
    return _tagname(one, other, around)


_tagname = _guessed("tagname", "same tag name")


def by_image_name(one: Known, other: Known, _around: Around) -> Join | None:
    """The same reference, as a guess: a tag can move. Never where both say a digest: then they are two images."""
    mine, theirs = one.of("image"), other.of("image")
    name = next((name for name in mine if name in theirs), "")
    if not name or (_manifests(one) and _manifests(other)):
        return None
    if one.ref.source == other.ref.source and _ids(one) and _ids(other) and not _ids(one) & _ids(other):
        return None
    return told("same image name", name, mine[name], theirs[name], guess=True)


def _ids(known: Known) -> set[str]:
    record = known.record
    if isinstance(record, Container):
        return {record.image_id} if record.image_id else set()
    return {record.ref.id} if isinstance(record, Image) else set()


def _manifests(known: Known) -> set[str]:
    return set(known.of("digest")) - _ids(known)


def retagged(one: Known, other: Known) -> str:
    """The image name that both use and that is another image in each; empty for none."""
    mine, theirs = one.of("image"), other.of("image")
    name = next((name for name in mine if name in theirs), "")
    apart = _manifests(one) and _manifests(other) and not set(one.of("digest")) & set(other.of("digest"))
    return name if apart else ""


def by_run(one: Known, other: Known, around: Around) -> Join | None:
    """A deployment and the run that did it; by the commit only where it does not say its run."""
    says = any(isinstance(known.record, Deployment) and known.of("run") for known in (one, other))
    return _run(one, other, around) or (None if says else by_commit(one, other, around))


_run = _same("run")


def by_service(one: Known, other: Known, around: Around) -> Join | None:
    """The same name of a service in the same environment."""
    if not one.environment or one.environment != other.environment:
        return None
    found = _service(one, other, around)
    return None if found is None else Join(f"{found.evidence}, both in {one.environment}")


_service = _same("service")
_container = _same("container")


def by_place(one: Known, other: Known, around: Around) -> Join | None:
    """A container by its name in its environment."""
    if not one.environment or one.environment != other.environment:
        return None
    found = _container(one, other, around)
    return None if found is None else Join(f"{found.evidence}, both in {one.environment}")


def by_signal(one: Known, other: Known, around: Around) -> Join | None:
    """A signal by its labels; a guess where one does not say its environment, and none of the service is there."""
    if one.environment and other.environment and one.environment != other.environment:
        return None
    found = _container(one, other, around) or _service(one, other, around)
    if found is None:
        return None
    if one.environment and other.environment:
        return Join(f"{found.evidence}, both in {one.environment}")
    signal = other if isinstance(other.record, Alert | Series | Rule) else one
    if signal.environment and any(around.placed(name, signal.environment) for name in signal.of("service")):
        return None
    who = "the workload" if signal.environment else "the signal"
    return Join(f"{found.evidence}; {who} says no environment", guess=True)


def by_commit_there(one: Known, other: Known, around: Around) -> Join | None:
    """A deployment and what runs its commit in its environment."""
    if not one.environment or one.environment != other.environment:
        return None
    if not any(isinstance(known.record, Deployment) for known in (one, other)):
        return None
    found = by_commit(one, other, around)
    return None if found is None else Join(f"{found.evidence}, both in {one.environment}", found.guess)


def by_alias(one: Known, other: Known, _around: Around) -> Join | None:
    """A workload that declares an alias, and the version that it was on when the workload started: a guess."""
    box, version = (one, other) if isinstance(other.record, ModelVersion) else (other, one)
    made = version.record
    if not isinstance(made, ModelVersion) or not isinstance(box.record, Container):
        return None
    for name, evidence in box.of("alias").items():
        model, _, alias = name.rpartition("@")
        if model != made.model or name not in version.of("alias"):
            continue
        said = Evidence("declared", "", alias, box.record.started_at, evidence)
        served = served_by([said], {alias: made.version}, {alias: move_told(alias, made.tags)})
        if served.version == made.version:
            return Join(f"version {made.model}/{made.version}: {served.proof}", guess=True)
    return None


def by_deployed(one: Known, other: Known, around: Around) -> Join | None:
    """A deployment and an image that was built from its commit."""
    deployed = isinstance(one.record, Deployment) or isinstance(other.record, Deployment)
    return by_commit(one, other, around) if deployed else None


def by_named_image(one: Known, other: Known, around: Around) -> Join | None:
    """A run that names an image by its digest; where that says a commit of its own, the run only deployed it."""
    if "commit" in one.facts and "commit" in other.facts:
        return None
    return _digest(one, other, around)


BUILT = (Place.TAG, Place.IMAGE, Place.CONTAINER, Place.SERVICE)
_digest, _version, _target, _op = _same("digest"), _same("version"), _same("target"), _same("op")
_training, _pull = _same("training_run"), _same("pull_request")
_subject = _guessed("subject", "the commit's subject names")


def _table() -> dict[tuple[Place, Place], tuple[tuple[Rule_, ...], tuple[FactKind, ...]]]:
    """For each pair of places the rules, in order, and the kinds of facts by which candidates are found."""
    sha: tuple[FactKind, ...] = ("commit", "short")
    found: dict[tuple[Place, Place], tuple[tuple[Rule_, ...], tuple[FactKind, ...]]] = {
        (Place.COMMIT, Place.CHANGE): ((by_commit, _pull, _subject), (*sha, "pull_request", "subject")),
        (Place.COMMIT, Place.RUN): ((by_commit,), sha),
        (Place.COMMIT, Place.RELEASE): ((by_commit,), sha),
        (Place.CHANGE, Place.RUN): ((_pull, by_commit), ("pull_request", *sha)),
        (Place.RUN, Place.RELEASE): ((by_run,), ("run", *sha)),
        (Place.TAG, Place.IMAGE): ((_digest, by_image_name), ("digest", "image")),
        (Place.RELEASE, Place.CONTAINER): ((_op, by_commit_there), ("op", *sha)),
        (Place.RELEASE, Place.SERVICE): ((by_service, by_commit_there), ("service", *sha)),
        (Place.RELEASE, Place.VERSION): ((_version,), ("version",)),
        (Place.CONTAINER, Place.SERVICE): ((_target,), ("target",)),
        (Place.CONTAINER, Place.ENDPOINT): ((by_place,), ("container",)),
        (Place.SERVICE, Place.ENDPOINT): ((by_service,), ("service",)),
        (Place.CONTAINER, Place.VERSION): ((_version, by_alias), ("version", "alias")),
        (Place.ENDPOINT, Place.VERSION): ((_version,), ("version",)),
        (Place.VERSION, Place.TRAINING): ((_training, _version), ("training_run", "version")),
        (Place.TRAINING_PIPELINE, Place.TRAINING_CHANGE): ((_pull, by_commit), ("pull_request", *sha)),
    }
    for place in BUILT:
        found[Place.COMMIT, place] = (by_commit, by_tagname), (*sha, "tagname")
        found[Place.CHANGE, place] = (by_commit,), sha
        found[Place.RUN, place] = (_run, by_commit), ("run", *sha)
    for place in (Place.TAG, Place.IMAGE):
        found[Place.RUN, place] = (_run, by_commit, by_named_image), ("run", *sha, "digest")
    for place in (Place.CONTAINER, Place.SERVICE):
        for image in (Place.TAG, Place.IMAGE):
            found[image, place] = (_digest, by_image_name), ("digest", "image")
    for image in (Place.TAG, Place.IMAGE):
        found[image, Place.RELEASE] = (_digest, by_image_name, by_deployed), ("digest", "image", *sha)
    for place in (Place.CONTAINER, Place.SERVICE, Place.ENDPOINT):
        found[place, Place.SIGNAL] = (by_signal,), ("container", "service")
    for place in (Place.VERSION, Place.TRAINING):
        for source in (Place.TRAINING_PIPELINE, Place.TRAINING_CHANGE, Place.TRAINING_COMMIT):
            found[place, source] = (by_commit,), sha
    for place in (Place.TRAINING_PIPELINE, Place.TRAINING_CHANGE):
        rules = (by_commit, _pull, _subject) if place is Place.TRAINING_CHANGE else (by_commit,)
        found[place, Place.TRAINING_COMMIT] = rules, (*sha, "pull_request", "subject")
    return found


TABLE = _table()
NEAR: dict[Place, dict[FactKind, frozenset[Place]]] = {}
"""For each place and kind of fact the places that such a fact may lead to."""
for (_one, _other), (_, _kinds) in TABLE.items():
    for _kind in _kinds:
        for _a, _b in ((_one, _other), (_other, _one)):
            NEAR.setdefault(_a, {}).setdefault(_kind, frozenset())
            NEAR[_a][_kind] |= {_b}


def joined(one: Known, at: Place, other: Known, to: Place, around: Around) -> Join | None:
    """Why the two are tied, None when they are not."""
    low, high = (one, other) if at < to else (other, one)
    rules, _ = TABLE.get((min(at, to), max(at, to)), ((), ()))
    found: Join | None = None
    for rule in rules:
        said = rule(low, high, around)
        if said is not None and not said.guess:
            return said
        found = found or said
    return found
