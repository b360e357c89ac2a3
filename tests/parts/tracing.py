"""Rows for tests of the trace: a small world of a service, its builds, its model and its signals, made by hand."""

from __future__ import annotations

import hashlib
from typing import Any

from quarterdeck_lifecycle.kinds import (
    Alert,
    Commit,
    Container,
    Deployment,
    Endpoint,
    Image,
    ModelVersion,
    Operation,
    PullRequest,
    Run,
    Series,
    Service,
    Tag,
    TrainingRun,
)
from quarterdeck_lifecycle.records import Link, Record, Ref, Status
from quarterdeck_lifecycle.trace.graph import Graph
from quarterdeck_lifecycle.trace.hops import HOP_OF, Hop
from quarterdeck_lifecycle.trace.thread import Thread, walk

REVISION = "org.opencontainers.image.revision"
HOME = "https://github.com/acme/api"


def sha(seed: object) -> str:
    """A commit's sha."""
    return hashlib.sha1(str(seed).encode(), usedforsecurity=False).hexdigest()


def digest(seed: object) -> str:
    """An image's digest."""
    return f"sha256:{hashlib.sha256(str(seed).encode()).hexdigest()}"


def link(kind: Any, value: str, evidence: str = "said") -> Link:
    """A fact."""
    return Link(kind=kind, value=value, evidence=evidence)


def commit(seed: object, subject: str = "", path: str = "/src/api", refs: tuple[str, ...] = ()) -> Commit:
    """A commit of a working copy."""
    return Commit(
        ref=Ref("git", "commit", f"{path}\0{sha(seed)}"), name=sha(seed)[:10], sha=sha(seed), subject=subject,
        refs=refs, committed_at=100.0, links=(link("commit", sha(seed), "git log"),),
    )  # fmt: skip


def pull(number: int, seed: object, home: str = HOME, title: str = "a change") -> PullRequest:
    """A change request whose head is the commit."""
    slug = home.removeprefix("https://github.com/")
    links = (link("repository", home), link("commit", sha(seed), "head"), link("pull_request", str(number)))
    return PullRequest(
        ref=Ref("gh", "pull_request", f"{slug}/{number}"), name=f"#{number}", number=number, repository=slug,
        title=title, head=sha(seed), links=links,
    )  # fmt: skip


def run(number: int, seed: object, home: str = HOME, pulls: tuple[int, ...] = (), **more: Any) -> Run:
    """A run of a pipeline on the commit."""
    slug = home.removeprefix("https://github.com/")
    links = [link("repository", home), link("commit", sha(seed), "head_sha of the run")]
    links += [link("pull_request", str(each), "pull_requests of the run") for each in pulls]
    return Run(
        ref=Ref("gh", "run", f"{slug}/{number}"), name=f"ci #{number}", system="github", repository=slug,
        number=str(number), head=sha(seed), links=tuple(links), **{"status": Status.OK, "state": "success", **more},
    )  # fmt: skip


def tag(name: str, image: object, seed: object = None, registry: str = "reg:5000", **more: Any) -> Tag:
    """A tag in a registry; `seed` is the commit of its label."""
    repository, _, word = name.partition(":")
    links = [link("image", f"{registry}/{name}"), link("digest", digest(image), "Docker-Content-Digest")]
    if seed is not None:
        links += [link("commit", sha(seed), f"label {REVISION}"), link("repository", HOME)]
    return Tag(
        ref=Ref("reg", "tag", name), name=name, registry=registry, repository=repository, tag=word,
        digest=digest(image), links=tuple(links), **more,
    )  # fmt: skip


def image(name: str, id: object, manifest: object = None, seed: object = None, source: str = "engine") -> Image:
    """An engine's image by its id, with a repository digest where `manifest` is one."""
    links = [link("digest", digest(id), "the image's id"), link("image", name)]
    if manifest is not None:
        links.append(link("digest", digest(manifest), "repository digest"))
    if seed is not None:
        links += [link("commit", sha(seed), f"label {REVISION}"), link("repository", HOME)]
    return Image(ref=Ref(source, "image", digest(id)), name=name, tags=(name,), links=tuple(links))


def box(
    name: str, id: object, env: str = "prod", *, service: str = "", manifest: object = None, seed: object = None,
    image: str = "reg:5000/team/api:v1", source: str = "engine", **more: Any,
) -> Container:  # fmt: skip
    """A container, running unless told otherwise."""
    links = [link("container", name), link("digest", digest(id), "the container's image id")]
    if manifest is not None:
        links.append(link("digest", digest(manifest), "repository digest"))
    if seed is not None:
        links += [link("commit", sha(seed), f"label {REVISION}"), link("repository", HOME)]
    if service:
        links.append(link("service", service, "label com.docker.compose.service"))
    return Container(
        ref=Ref(source, "container", f"{source}-{name}"), name=name, environment=env, service=service, image=image,
        image_id=digest(id), links=tuple(links), **{"state": "running", "status": Status.OK, **more},
    )  # fmt: skip


def service(name: str, env: str, *targets: str, **more: Any) -> Service:
    """A configured service in one environment."""
    return Service(
        ref=Ref("services", "service", f"{name}@{env}"), name=name, service=name, environment=env, targets=targets,
        links=(link("service", name, "config"), link("environment", env, "config")),
        **{"running": "v1", "state": "running", "status": Status.OK, **more},
    )  # fmt: skip


def endpoint(name: str, env: str, served: str = "", model: str = "fraud", container: str = "") -> Endpoint:
    """What serves a model."""
    links = [link("model", model, "config"), link("service", name, "config"), link("environment", env, "config")]
    if served:
        links.append(link("version", f"{model}/{served}", "label version of a metric"))
    if container:
        links.append(link("container", container, "target of the service"))
    return Endpoint(
        ref=Ref("ml", "endpoint", f"{name}@{env}"), name=name, service=name, environment=env, model=model,
        served=served, proof="label version of a metric" if served else "nothing declares it", links=tuple(links),
        state=f"serves v{served}" if served else "unproven",
    )  # fmt: skip


def version(number: str, run_id: str = "", seed: object = None, model: str = "fraud", **more: Any) -> ModelVersion:
    """A version of a model."""
    links = [link("model", model), link("version", f"{model}/{number}")]
    if run_id:
        links.append(link("training_run", run_id, "run_id of the model version"))
    if seed is not None:
        links.append(link("commit", sha(seed), "version tag mlflow.source.git.commit"))
    return ModelVersion(
        ref=Ref("ml", "version", f"{model}/{number}"), name=f"{model} v{number}", model=model, version=number,
        run_id=run_id, links=tuple(links), **more,
    )  # fmt: skip


def training(id: str, seed: object = None) -> TrainingRun:
    """A training run, with the commit of its tags."""
    links = [link("training_run", id, "MLflow's run id")]
    if seed is not None:
        links.append(link("commit", sha(seed), "run tag mlflow.source.git.commit"))
    return TrainingRun(ref=Ref("ml", "training_run", id), name=id, run_id=id, links=tuple(links))


def alert(name: str, service: str = "", env: str = "", container: str = "") -> Alert:
    """A firing alert with labels."""
    labels = (("service", service), ("environment", env), ("container", container))
    return Alert(
        ref=Ref("prom", "alert", f"{name}-{service}-{env}"), name=name, state="firing", status=Status.BAD,
        active_at=500.0, links=tuple(link(kind, value, f"label {kind}") for kind, value in labels if value),
    )  # fmt: skip


def series(name: str, service: str, env: str, points: tuple[tuple[float, float | None], ...] = ()) -> Series:
    """A series with labels."""
    return Series(
        ref=Ref("prom", "series", f"{name}-{service}-{env}"), name=name, points=points,
        links=(link("service", service, "label service"), link("environment", env, "label env")),
    )  # fmt: skip


def deployment(number: int, seed: object, env: str, run: str = "", **more: Any) -> Deployment:
    """What the forge says it put there."""
    return Deployment(
        ref=Ref("gh", "deployment", str(number)), name=f"deployment {number}", system="github", repository="acme/api",
        target=env, head=sha(seed), run=run, **{"status": Status.OK, "state": "success", **more},
    )  # fmt: skip


def operation(op: str, service: str, env: str, put: object = None, **more: Any) -> Operation:
    """One of our releases."""
    links = [link("service", service, "the operation"), link("environment", env, "the operation")]
    if put is not None:
        links.append(link("digest", digest(put), "what it put there"))
    return Operation(
        ref=Ref("services", "operation", op), name=f"deploy {service}", op=op, verb="deploy", service=service,
        environment=env, links=tuple(links), **more,
    )  # fmt: skip


def world(env: str = "prod") -> list[Record]:
    """One of everything: commit c, change 7, run 1, image i, api-1, model fraud 3 of run t trained from commit m."""
    return [
        commit("c", "fix: null (#7)"), pull(7, "c"), run(1, "c", pulls=(7,)), tag("team/api:v1", "index", "c"),
        image("reg:5000/team/api:v1", "id", "index", "c"), deployment(5, "c", env, run="acme/api/1", current=True),
        box("api-1", "id", env, service="api", manifest="index", seed="c"), service("api", env, "engine/api-1"),
        endpoint("api", env, "3", container="api-1"), version("3", "t" * 32, "m"), training("t" * 32, "m"),
        commit("m", "feat: velocity", "/src/model"), run(2, "m", "https://github.com/acme/model"),
        alert("Slow", "api", env), series("p95", "api", env, ((450.0, 1.0), (460.0, 2.0))),
    ]  # fmt: skip


def names(thread: Thread, *hops: Hop) -> dict[str, list[str]]:
    """What stands at each hop, by name."""
    found: dict[str, list[str]] = {}
    for node in thread.nodes:
        if not hops or HOP_OF[node.place] in hops:
            found.setdefault(HOP_OF[node.place].value, []).append(node.name)
    return {hop: sorted(values) for hop, values in found.items()}


def thread(records: list[Record], begin: Record | Ref) -> Thread:
    """The thread of a row among these."""
    return walk(Graph(records), begin if isinstance(begin, Ref) else begin.ref)
