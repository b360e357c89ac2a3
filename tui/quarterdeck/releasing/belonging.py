"""Whose service a row is: a container that is a target, an image or tag of its repository, a version of its model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.errors import NotFound, Refused, Unsupported
from quarterdeck_lifecycle.kinds import Container, Image, ModelVersion, Service, Tag
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.release.model import service_ref

Pair = tuple[str, str]
"""A service, and one of its environments."""


def targets_named(config: Config) -> dict[Pair, list[Pair]]:
    """By (source, name) of every target of the config: the services that it belongs to."""
    found: dict[Pair, list[Pair]] = {}
    for name, service in config.services.items():
        for environment, placement in service.environments.items():
            for target in placement.targets:
                found.setdefault((target.source, target.name), []).append((name, environment))
    return found


def services_of(config: Config, record: Record | None) -> list[Pair]:
    """The services, each in an environment, that a row belongs to; empty for one of none."""
    if isinstance(record, Service):
        return [] if record.offered else [(record.service, record.environment)]
    if isinstance(record, Container):
        return targets_named(config).get((record.ref.source, record.name), [])
    pairs = [(name, environment) for name, known in config.services.items() for environment in known.environments]
    if isinstance(record, ModelVersion):
        return [each for each in pairs if (config.services[each[0]].model or "").rpartition("@")[0] == record.model]
    names: Sequence[str] = ()
    if isinstance(record, Tag):
        names = [f"{record.registry}/{record.repository}", record.repository]
    elif isinstance(record, Image):
        names = [repository_of(tag) for tag in record.tags or (record.name,)]
    return [each for each in pairs if same_image(config.services[each[0]].image or "", names)]


def repository_of(reference: str) -> str:
    """An image reference without its tag and digest."""
    head, slash, last = reference.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def same_image(image: str, names: Sequence[str]) -> bool:
    """Whether one of the repositories is the image's; one without its registry counts too."""
    wanted = repository_of(image)
    return any(name and (wanted == name or wanted.endswith(f"/{name}")) for name in names)


def tags_by_digest(records: Iterable[Record]) -> dict[str, str]:
    """What registries and engines call a digest: of several tags the shortest, `latest` last of all."""
    names: dict[str, set[str]] = {}
    for record in records:
        if isinstance(record, Tag) and record.digest:
            names.setdefault(record.digest, set()).add(f"{record.repository.rpartition('/')[2]}:{record.tag}")
        elif isinstance(record, Image):
            tags = {tag.rpartition("/")[2] for tag in record.tags if ":" in tag.rpartition("/")[2]}
            for digest in (each.partition("@")[2] for each in record.digests):
                names.setdefault(digest, set()).update(tags)
    return {digest: min(found, key=lambda tag: (tag.endswith(":latest"), len(tag), tag)) for digest, found in
            names.items() if found}  # fmt: skip


def adopted(config: Config, verb: str, record: Record | None, args: Mapping[str, str]) -> Ref:
    """The service that a verb on another system's row is meant for. Raises NotFound, Refused, Unsupported."""
    if record is None:
        raise NotFound("it is gone")
    found = services_of(config, record)
    for place, name in enumerate(("service", "environment")):
        if args.get(name):
            found = [each for each in found if each[place] == args[name]]
    if not found:
        mend = "add it under services: in quarterdeck.yaml"
        raise Unsupported(f"{record.name} belongs to no service of the config", mend=mend)
    if len(found) > 1:
        names = ", ".join(f"{name} in {environment}" for name, environment in found)
        raise Refused(f"{record.name} belongs to several services: {names}", mend=f"{verb} one of them")
    return service_ref(*found[0])
