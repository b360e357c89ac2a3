"""From MLflow's JSON to records. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from quarterdeck_adapters.mlflow.primary import Latest, Primary, latest, of_run
from quarterdeck_adapters.mlflow.signature import Signature
from quarterdeck_adapters.mlflow.values import Json, epoch, pairs, rows, section, text, whole, without_user
from quarterdeck_lifecycle.kinds import ModelVersion, RegisteredModel
from quarterdeck_lifecycle.records import Link, LinkKind, Ref, Status

CHAMPION = "champion"
PROMPT_TAG = "mlflow.prompt.is_prompt"
COMMIT_TAG = "mlflow.source.git.commit"
_TAGGED: tuple[tuple[LinkKind, tuple[str, ...]], ...] = (
    ("digest", ("quarterdeck.digest", "image.digest", "image_digest", "org.opencontainers.image.digest")),
    ("image", ("quarterdeck.image", "image", "image_name")),
    ("service", ("quarterdeck.service",)),
    ("environment", ("quarterdeck.env",)),
)
_SHA = re.compile(r"[0-9a-f]{7,64}")


def model_name(raw: Json) -> str:
    """A model's name, exactly as the server sent it."""
    return text(raw.get("name"))


def aliases(raw: Json) -> dict[str, str]:
    """Alias -> version of a registered model."""
    found = ((text(a.get("alias")), text(a.get("version"))) for a in rows(raw, "aliases"))
    return {alias: version for alias, version in sorted(found) if alias and version}


def newest_version(raw: Json) -> str:
    """The highest of `latest_versions`, which holds one for each stage."""
    numbers = [whole(each.get("version")) for each in rows(raw, "latest_versions")]
    return str(max((n for n in numbers if n is not None), default=""))


def is_prompt(raw: Json) -> bool:
    """Whether it is a prompt, which MLflow keeps in the same tables as models."""
    return pairs(raw, "tags").get(PROMPT_TAG, "").lower() == "true"


def model_ref(source: str, name: str) -> Ref:
    """The identity of a registered model."""
    return Ref(source, "model", name)


def version_ref(source: str, name: str, version: str) -> Ref:
    """The identity of a version: `NAME/VERSION`; MLflow allows no slash in a model's name."""
    return Ref(source, "version", f"{name}/{version}")


def split_version(ref: Ref) -> tuple[str, str]:
    """Model and version number of a version's ref. Raises ValueError."""
    name, slash, version = ref.id.rpartition("/")
    if not slash or not name or not version:
        raise ValueError(f"not NAME/VERSION: {ref.id}")
    return name, version


def model(raw: Json, source: str, environment: str, base: str, chosen: Primary) -> RegisteredModel:
    """A registered model."""
    name = model_name(raw)
    return RegisteredModel(
        ref=model_ref(source, name),
        name=name,
        status=Status.OK if aliases(raw) else Status.IDLE,
        state="in use" if aliases(raw) else "no alias",
        updated_at=epoch(raw.get("last_updated_timestamp")),
        environment=environment,
        url=f"{base}/#/models/{quote(name, safe='')}",
        aliases=aliases(raw),
        latest_version=newest_version(raw),
        description=text(raw.get("description")),
        tags=pairs(raw, "tags"),
        created_at=epoch(raw.get("creation_timestamp")),
        primary_metric=f"{chosen.name} ({chosen.direction})" if chosen.direction else chosen.name,
        links=(Link(kind="model", value=name, evidence="MLflow's model registry"),),
    )


def metrics_of(raw: Json, run: Json | None) -> dict[str, Latest]:
    """The metrics of a version: its own where the server sends them, else its run's."""
    own = latest([*rows(raw, "model_metrics"), *rows(raw, "metrics")])
    return own or (of_run(run) if run is not None else {})


def run_trouble(run: Json | None, missing: bool) -> str:
    """What is wrong with the run that a version came from; empty when it is there, unread, or never was."""
    if missing:
        return "run missing"
    return "run deleted" if text(section(run, "info").get("lifecycle_stage")) == "deleted" else ""


def version(
    raw: Json,
    *,
    source: str,
    environment: str,
    base: str,
    named: tuple[str, ...],
    chosen: Primary,
    run: Json | None,
    run_missing: bool,
    champion: Latest | None,
    is_champion: bool,
    signature: Signature | None,
    differs: tuple[str, ...],
    served_by: str,
    newest: bool,
) -> ModelVersion:
    """A version of a model; `run` is None when it is missing or unread, `champion` is the champion's primary metric."""
    name, number = model_name(raw), text(raw.get("version"))
    state = text(raw.get("status")) or "READY"
    metric = metrics_of(raw, run).get(chosen.name) if chosen.name else None
    value = metric.value if metric else None
    notes = [run_trouble(run, run_missing)]
    if state == "FAILED_REGISTRATION":
        notes.append(text(raw.get("status_message")) or "registration failed")
    if metric is not None and not math.isfinite(metric.value):
        notes.append(f"{chosen.name} is {number_word(metric.value)}")
    if differs:
        notes.append(f"signature differs from {CHAMPION}")
    notes = [note for note in notes if note]
    return ModelVersion(
        ref=version_ref(source, name, number),
        name=f"{name} v{number}",
        status=_version_status(state, bool(notes) and (bool(named) or newest)),
        state=state,
        updated_at=epoch(raw.get("last_updated_timestamp")),
        environment=environment,
        url=f"{base}/#/models/{quote(name, safe='')}/versions/{quote(number, safe='')}",
        note="; ".join(notes),
        links=version_links(raw, run, name, number),
        model=name,
        version=number,
        aliases=named,
        run_id=text(raw.get("run_id")),
        model_source=without_user(text(raw.get("source"))),
        stage=text(raw.get("current_stage")).removeprefix("None"),
        tags=pairs(raw, "tags"),
        metric_name=chosen.name,
        metric=value,
        delta=None if is_champion or champion is None else chosen.gain(value, champion.value),
        served_by=served_by,
        signature=str(signature) if signature is not None else "",
        created_at=epoch(raw.get("creation_timestamp")),
    )


def _version_status(state: str, trouble: bool) -> Status:
    if state == "FAILED_REGISTRATION":
        return Status.BAD
    if state == "PENDING_REGISTRATION":
        return Status.WAITING
    return Status.LOOK if trouble else Status.OK


def version_links(raw: Json, run: Json | None, name: str, number: str) -> tuple[Link, ...]:
    """What ties a version to the rest: its model, run, commit, and the marks in its tags."""
    found = [
        Link(kind="model", value=name, evidence="MLflow's model registry"),
        Link(kind="version", value=f"{name}/{number}", evidence="MLflow's model registry"),
    ]
    if run_id := text(raw.get("run_id")):
        found.append(Link(kind="training_run", value=run_id, evidence="run_id of the model version"))
    tags = pairs(raw, "tags")
    found += tagged(tags, "version tag")
    if run is not None:
        found += run_tagged(pairs(section(run, "data"), "tags"), "run tag")
    return unique(found)


def run_tagged(tags: Mapping[str, str], where: str) -> list[Link]:
    """The links of a run's tags: commit, repository and branch of its source, and our marks."""
    found = tagged(tags, where)
    if address := without_user(tags.get("mlflow.source.git.repoURL", "")):
        found.append(Link(kind="repository", value=address, evidence=f"{where} mlflow.source.git.repoURL"))
    if branch := tags.get("mlflow.source.git.branch", ""):
        found.append(Link(kind="branch", value=branch, evidence=f"{where} mlflow.source.git.branch"))
    return found


def tagged(tags: Mapping[str, str], where: str) -> list[Link]:
    """The links that tags state."""
    found = []
    if _SHA.fullmatch(commit := tags.get(COMMIT_TAG, "").strip().lower()):
        found.append(Link(kind="commit", value=commit, evidence=f"{where} {COMMIT_TAG}"))
    for kind, names in _TAGGED:
        found += [
            Link(kind=kind, value=without_user(tags[key]), evidence=f"{where} {key}") for key in names if tags.get(key)
        ]
    return found


def unique(links: Iterable[Link]) -> tuple[Link, ...]:
    """Each fact once, with its first evidence."""
    found: dict[tuple[str, str], Link] = {}
    for link in links:
        found.setdefault((link.kind, link.value), link)
    return tuple(found.values())


def number_word(value: float) -> str:
    """NaN and the infinities as MLflow writes them, a number short."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return f"{value:.6g}"
