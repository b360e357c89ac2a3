"""What a record says that ties it to others, in one spelling. Pure: a record's facts never depend on other records.

A fact is never made up: each is a link of the record, or a field or label that its system sent, with that as evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from quarterdeck_lifecycle.kinds import (
    Commit,
    Container,
    Deployment,
    Image,
    Job,
    ModelVersion,
    Operation,
    PullRequest,
    RegisteredModel,
    Repository,
    Run,
    Service,
    Tag,
)
from quarterdeck_lifecycle.records import Record, Ref
from quarterdeck_lifecycle.release.model import MARK
from quarterdeck_lifecycle.served import declared

FactKind = Literal[
    "commit", "short", "digest", "image", "run", "pull_request", "version", "alias", "training_run", "service",
    "target", "container", "op", "tagname", "subject", "model", "branch", "repository",
]  # fmt: skip
"""`short` is a beginning of a sha, `target` a workload by its source, `op` our operation, `tagname` a tag of git or
of an image with the repository's last name, `subject` a change request that a commit's subject names."""

SHORT = 7
_HEX = re.compile(r"[0-9a-f]{7,64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NUMBERED = re.compile(r"(?:\(#(\d+)\)\s*$|^Merge pull request #(\d+) )")
_IN_TAG = re.compile(r"(?:^|[-.])(?:sha-)?([0-9a-f]{7,40})$")
_RUN_OF = re.compile(r"runs:/([0-9a-f]{32})(?:/|$)")
SWARM = "com.docker.swarm.service.name"


class Fact(NamedTuple):
    """A kind of thing, its value, and what it was read from."""

    kind: FactKind
    value: str
    evidence: str


def facts(record: Record) -> tuple[Fact, ...]:
    """Every fact of a record once, the first evidence of each."""
    found: dict[tuple[str, str], Fact] = {}
    for fact in (*_linked(record), *_own(record)):
        if fact.value:
            found.setdefault((fact.kind, fact.value), fact)
    return tuple(found.values())


def environment_of(record: Record) -> str:
    """Where it is; the target of a deployment, in the forge's own words."""
    if isinstance(record, Deployment):
        return record.environment or record.target
    return record.environment or record.link("environment")


def there(record: Record, environment: str) -> bool:
    """Whether it is in that environment; forges write `Staging` where engines write `staging`."""
    return environment_of(record).casefold() == environment.casefold()


def commit_fact(value: str, evidence: str) -> Fact | None:
    """A whole sha, or the beginning of one; None for what is neither."""
    text = value.strip().lower()
    if not _HEX.fullmatch(text):
        return None
    return Fact("commit" if len(text) in (40, 64) else "short", text, evidence)


def repository_of(address: str) -> str:
    """`host/owner/name` of any spelling of a repository's address; lower case, without user, port and `.git`."""
    text = address.strip().rstrip("/").removesuffix(".git")
    if text.startswith(("/", ".", "~")):
        return ""
    scheme, separator, rest = text.partition("://")
    if not separator:
        host, colon, path = text.partition(":")
        scp = colon and "/" not in host and not path.isdecimal()
        rest = f"{host}/{path}" if scp else text
    elif scheme == "file":
        return ""
    host, _, path = rest.rpartition("@")[2].partition("/")
    return f"{host.partition(':')[0]}/{path}".lower() if path else ""


def image_name(reference: str) -> str:
    """`host/name:tag` as registries understand a reference; empty for one by digest or id alone."""
    name = reference.partition("@")[0]
    if not name or name.startswith("sha256:") or (name != reference and ":" not in name.rpartition("/")[2]):
        return ""
    host, slash, rest = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        name = f"docker.io/{name if slash else f'library/{name}'}"
    elif host in ("index.docker.io", "registry-1.docker.io"):
        name = f"docker.io/{rest}"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def last_name(path: str) -> str:
    """The last part of a path, of a repository or of an image."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2].removesuffix(".git").lower()


def _linked(record: Record) -> Iterator[Fact]:
    repository = repository_of(record.link("repository"))
    for link in record.links:
        kind, value, evidence = link.kind, link.value, link.evidence
        if kind == "commit":
            if found := commit_fact(value, evidence):
                yield found
        elif kind == "digest":
            if _DIGEST.fullmatch(value):
                yield Fact("digest", value, evidence)
        elif kind == "image":
            yield Fact("image", image_name(value), evidence)
            digest = value.rpartition("@")[2]
            if digest != value and _DIGEST.fullmatch(digest):
                yield Fact("digest", digest, evidence)
        elif kind == "repository":
            yield Fact("repository", repository_of(value), evidence)
        elif kind == "pull_request":
            if repository and value:
                yield Fact("pull_request", f"{repository}#{value.rpartition('#')[2]}", evidence)
        elif kind == "version":
            if not isinstance(record, Tag | Image) and "/" in value:
                yield Fact("version", value, evidence)
        elif kind == "run":
            yield Fact("run", f"{record.ref.source}/{value}", evidence)
        elif kind in ("training_run", "service", "container", "model", "branch"):
            yield Fact(kind, value, evidence)
        elif kind == "tag" and isinstance(record, Repository):
            name = last_name(repository or record.ref.id)
            yield Fact("tagname", f"{name}:{value}", f"git tag {value}")


def _own(record: Record) -> Iterator[Fact]:
    found: Fact | None = None
    if isinstance(record, Run):
        yield Fact("run", f"{record.ref.source}/{record.ref.id}", "the run itself")
        found = commit_fact(record.head, "head of the run")
    elif isinstance(record, Job):
        yield Fact("run", f"{record.ref.source}/{record.run}", "run of the job")
    elif isinstance(record, PullRequest):
        found = commit_fact(record.head, "head of the change request")
        yield Fact("subject", f"{last_name(record.repository)}#{record.number}", "its number")
    elif isinstance(record, Deployment):
        if record.run:
            yield Fact("run", f"{record.ref.source}/{record.run}", "run of the deployment")
        found = commit_fact(record.head, "commit of the deployment")
    elif isinstance(record, Commit):
        found = commit_fact(record.sha, "git log")
        yield from _of_commit(record)
    elif isinstance(record, Operation):
        yield Fact("op", record.op, "the operation itself")
    elif isinstance(record, Service):
        for target in record.targets:
            yield Fact("target", target, "target of the service in the config")
    elif isinstance(record, Container):
        yield from _of_container(record)
    elif isinstance(record, Tag | Image):
        yield from _of_image(record)
    elif isinstance(record, ModelVersion):
        for alias in record.aliases:
            yield Fact("alias", f"{record.model}@{alias}", f"alias {alias}")
        if made := _RUN_OF.match(record.model_source):
            yield Fact("training_run", made[1], "source of the model version")
    elif isinstance(record, RegisteredModel):
        for alias, version in record.aliases.items():
            yield Fact("version", f"{record.name}/{version}", f"alias {alias}")
    if found is not None:
        yield found


def _of_commit(record: Commit) -> Iterator[Fact]:
    path = record.ref.id.partition("\0")[0]
    name = last_name(path)
    if named := _NUMBERED.search(record.subject):
        yield Fact("subject", f"{name}#{named[1] or named[2]}", "the commit's subject")
    for ref in record.refs:
        if ref.startswith("tag: "):
            yield Fact("tagname", f"{name}:{ref[5:]}", f"git tag {ref[5:]}")


def _of_container(record: Container) -> Iterator[Fact]:
    yield Fact("target", f"{record.ref.source}/{record.name}", "its name")
    yield Fact("container", record.name, "its name")
    for value, evidence in ((record.image_id, "the container's image id"), (record.digest, "the container's digest")):
        if _DIGEST.fullmatch(value):
            yield Fact("digest", value, evidence)
    yield Fact("image", image_name(record.image), "the image it was created from")
    yield from _marked(record.labels)
    for said in declared(record.labels, "label"):
        if said.version:
            yield Fact("version", f"{said.model}/{said.version}", f"{said.evidence} (declared)")
        elif said.alias:
            yield Fact("alias", f"{said.model}@{said.alias}", f"{said.evidence} (declared)")


def _marked(labels: Mapping[str, str]) -> Iterator[Fact]:
    """Our own marks, and Swarm's name of the service."""
    yield Fact("op", labels.get(f"{MARK}op", ""), f"label {MARK}op")
    digest = labels.get(f"{MARK}digest", "")
    if _DIGEST.fullmatch(digest):
        yield Fact("digest", digest, f"label {MARK}digest")
    yield Fact("service", labels.get(SWARM, ""), f"label {SWARM}")


def _of_image(record: Tag | Image) -> Iterator[Fact]:
    if isinstance(record, Tag):
        names = [f"{record.registry}/{record.repository}:{record.tag}"] if record.tag else []
        if _DIGEST.fullmatch(record.digest):
            yield Fact("digest", record.digest, "digest of the tag")
    else:
        names = list(record.tags)
        if _DIGEST.fullmatch(record.ref.id):
            yield Fact("digest", record.ref.id, "the image's id")
    labelled = bool(record.link("commit"))
    for name in names:
        yield Fact("image", image_name(name), "a tag of it")
        path, colon, tag = name.rpartition(":")
        if labelled or not colon or "/" in tag:
            continue
        yield Fact("tagname", f"{last_name(path)}:{tag}", f"image tag {tag}")
        if (short := _IN_TAG.search(tag)) and not short[1].isdecimal() and (said := commit_fact(short[1], "")):
            yield Fact(said.kind, said.value, f"image tag {tag} ends in it")


def bare(kind: FactKind, value: str) -> Ref:
    """The ref of a thing that no row of a source stands for: a commit, a change request that is not listed."""
    return Ref("-", kind, value)
