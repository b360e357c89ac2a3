"""The tabs of one thing's detail."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.mlflow import signature
from quarterdeck_adapters.mlflow.api import together
from quarterdeck_adapters.mlflow.mapping import number_word
from quarterdeck_adapters.mlflow.primary import Latest, of_run
from quarterdeck_adapters.mlflow.runs import tags_of
from quarterdeck_adapters.mlflow.sources import run_id
from quarterdeck_adapters.mlflow.values import Json, epoch, pairs, rows, section, text, whole, without_user
from quarterdeck_config.secrets import mask_mapping
from quarterdeck_lifecycle.errors import AuthFailed, NotFound, QuarterdeckError, RateLimited, Unsupported
from quarterdeck_lifecycle.kinds import ModelVersion
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Ref, utc

if TYPE_CHECKING:
    from quarterdeck_adapters.mlflow.adapter import MlflowSource

Table = tuple[tuple[str, ...], ...]
VERSIONS = 50
MEASURED = 30
SAMPLE = 320
FILES = 200
MODELS_OF_A_RUN = 5


async def describe(source: MlflowSource, ref: Ref) -> Sequence[Section]:
    """Everything the server says of one thing, secrets masked. Raises NotFound, QuarterdeckError."""
    if ref.kind == "model":
        return await _model(source, ref.id)
    if ref.kind == "version":
        return await _version(source, *source.split(ref))
    if ref.kind == "training_run":
        run = await source.origins.one(ref.id)
        if run is None:
            raise NotFound(f"run {ref.id}", source=source.name, why="there is no such run")
        return await _run(source, run)
    if ref.kind == "endpoint":
        return await _endpoint(source, ref)
    raise Unsupported(f"no detail of a {ref.kind}", source=source.name)


async def _model(source: MlflowSource, name: str) -> list[Section]:
    registry = source.registry
    raw = await registry.read_model(name)
    listing, more = await registry.page(name, "")
    row = registry.model_row(raw)
    table: list[tuple[str, ...]] = [
        ("version", "aliases", "status", row.primary_metric or "metric", "delta", "created")
    ]
    for version in listing.rows[:VERSIONS]:
        if isinstance(version, ModelVersion):
            cells = (_number(version.metric), "" if version.delta is None else f"{version.delta:+.4g}")
            named = " ".join(f"@{alias}" for alias in version.aliases)
            table.append((f"v{version.version}", named, version.state, *cells, utc(version.created_at) or ""))
    overview = {
        "name": name, "description": row.description, "newest version": row.latest_version,
        "primary metric": row.primary_metric or "none: name it under models: in the config, or by a tag",
        "created": utc(row.created_at), "changed": utc(row.updated_at), "address": row.url,
    }  # fmt: skip
    cut = len(listing.rows) > VERSIONS or more
    return [
        Section(title="Overview", fields=fields(overview)),
        Section(title="Aliases", fields=tuple((f"@{alias}", f"v{number}") for alias, number in row.aliases.items())),
        Section(title="Tags", fields=tagged(row.tags)),
        Section(title="Versions", shape="table", table=tuple(table), note=f"the newest {VERSIONS}" if cut else ""),
    ]


async def _version(source: MlflowSource, name: str, number: str) -> list[Section]:
    registry = source.registry
    raw, model = await registry.read_version(name, number), await registry.read_model(name)
    found, _ = await registry.rows([raw], {name: model})
    row = found[0]
    run = await source.origins.one(row.run_id) if row.run_id else None
    overview = {
        "model": name, "version": number, "aliases": ", ".join(f"@{alias}" for alias in row.aliases),
        "status": f"{row.state} {text(raw.get('status_message'))}".strip(), "note": row.note,
        "stage": row.stage, "description": text(raw.get("description")), "served by": row.served_by,
        "created": utc(row.created_at), "changed": utc(row.updated_at), "by": text(raw.get("user_id")),
        "source": row.model_source, "address": row.url,
    }  # fmt: skip
    sections = [Section(title="Overview", fields=fields(overview)), Section(title="Tags", fields=tagged(row.tags))]
    if run is not None:
        sections.append(_metrics(of_run(run)))
        sections.append(Section(title="Params", fields=tagged(pairs(section(run, "data"), "params"))))
    sections.append(await _signature(source, name, number))
    if run is None:
        why = f"run {row.run_id} is gone" if row.run_id else "the version names no run"
        sections.append(Section(title="Source run", fields=(("run", why),)))
        return sections
    sections.append(Section(title="Source run", fields=_run_fields(run)))
    sections.append(_inputs(run))
    return sections


async def _signature(source: MlflowSource, name: str, number: str) -> Section:
    try:
        found = await signature.fetch(source.api, name, number)
    except (AuthFailed, RateLimited):
        raise
    except QuarterdeckError as error:
        return Section(title="Signature", fields=(("unreadable", error.short),))
    if found is None:
        return Section(title="Signature", fields=(("none", "the version has no MLmodel file"),))
    table = [
        ("part", "name", "type", "required"),
        *((f.part, f.name, f.type, "" if f.optional else "yes") for f in found.fields),
    ]
    note = f"loaded by {', '.join(found.flavours)}; MLflow {found.mlflow_version}".strip("; ")
    return Section(title="Signature", shape="table", table=tuple(table), note=note)


async def _run(source: MlflowSource, run: Json) -> list[Section]:
    id, metrics = run_id(run), of_run(run)
    row = await source.runs.row(run)
    overview = {
        **dict(_run_fields(run)), "experiment": row.experiment, "note": row.note,
        "shown metric": row.metric_name, "steps a second": _number(row.rate), "address": row.url,
    }  # fmt: skip
    shown = sorted(metrics.values(), key=lambda m: m.name)
    samples = await together(source.runs.histories.sampled(id, m.name, SAMPLE) for m in shown[:MEASURED])
    table = [("metric", "last", "min", "max", "step")]
    for metric, sample in zip(shown[:MEASURED], samples, strict=True):
        values = [p.value for p in sample if math.isfinite(p.value)]
        ends = (_number(min(values)), _number(max(values))) if values else ("", "")
        table.append((metric.name, number_word(metric.value), *ends, f"{metric.step:,}"))
    table += [(m.name, number_word(m.value), "", "", f"{m.step:,}") for m in shown[MEASURED:]]
    note = f"min and max of at most {SAMPLE} points, of the first {MEASURED} metrics"
    sections = [
        Section(title="Overview", fields=fields(overview)),
        Section(title="Metrics", shape="table", table=tuple(table), note=note),
        Section(title="Params", fields=tagged(pairs(section(run, "data"), "params"))),
        Section(title="Tags", fields=tagged(tags_of(run))),
        _inputs(run),
    ]
    sections.append(await _artifacts(source, run))
    return sections


async def _artifacts(source: MlflowSource, run: Json) -> Section:
    """The files at the top of the run and, since MLflow 3 keeps them apart, of its logged models."""
    table = [("path", "size")]
    models = [text(each.get("model_id")) for each in rows(section(run, "outputs"), "model_outputs")]
    try:
        found = [("", await source.api.get("artifacts/list", run_id=run_id(run)))]
        for model in [m for m in models if m.replace("-", "").isalnum()][:MODELS_OF_A_RUN]:
            listed = await source.api.get(f"logged-models/{model}/artifacts/directories")
            found.append((f"models/{model}/", listed))
    except (AuthFailed, RateLimited):
        raise
    except QuarterdeckError as error:
        return Section(title="Artifacts", fields=(("unreadable", error.short),))
    for prefix, listed in found:
        for each in rows(listed, "files")[:FILES]:
            size = whole(each.get("file_size"))
            folder = each.get("is_dir") is True
            table.append(
                (f"{prefix}{text(each.get('path'))}{'/' if folder else ''}", "" if size is None else f"{size:,} B")
            )
    root = without_user(text(found[0][1].get("root_uri")))
    return Section(title="Artifacts", shape="table", table=tuple(table), note=f"{root}; listed, never loaded")


async def _endpoint(source: MlflowSource, ref: Ref) -> list[Section]:
    for row in await source.endpoints.list():
        if row.ref == ref:
            overview = {
                "service": row.service, "environment": row.environment, "model": row.model,
                "serves": f"v{row.served}" if row.served else "unproven", "how it is known": row.proof,
                "note": row.note, "asked at": row.url or "nowhere",
            }  # fmt: skip
            order = (
                ("1", "a field of its HTTP answer: served: {http, field}"),
                ("2", "an info metric in Prometheus: served: {source, query, label}"),
                ("3", "the repository index of the Open Inference Protocol V2"),
                ("4", "env or labels of its container, marked declared"),
            )
            return [
                Section(title="Overview", fields=fields(overview)),
                Section(title="Proofs", fields=order, note="the first that speaks counts; otherwise unproven"),
            ]
    raise NotFound(f"endpoint {ref.id}", source=source.name, why="no service of the config has this name and a model")


def _metrics(metrics: Mapping[str, Latest]) -> Section:
    listed = sorted(metrics.values(), key=lambda m: m.name)
    table: Table = (("metric", "value", "step"), *((m.name, number_word(m.value), f"{m.step:,}") for m in listed))
    return Section(title="Metrics", shape="table", table=table)


def _run_fields(run: Json) -> tuple[tuple[str, str], ...]:
    info, tags = section(run, "info"), tags_of(run)
    return fields(
        {
            "run": run_id(run), "name": text(info.get("run_name")) or tags.get("mlflow.runName", ""),
            "state": text(info.get("status")).lower(), "by": text(info.get("user_id")) or tags.get("mlflow.user", ""),
            "began": utc(epoch(info.get("start_time"))),
            "ended": utc(epoch(info.get("end_time"))),
            "program": tags.get("mlflow.source.name", ""), "commit": tags.get("mlflow.source.git.commit", ""),
            "repository": without_user(tags.get("mlflow.source.git.repoURL", "")),
            "deleted": "yes" if text(info.get("lifecycle_stage")) == "deleted" else "",
        }
    )  # fmt: skip


def _inputs(run: Json) -> Section:
    table = [("dataset", "digest", "used for", "from")]
    for each in rows(section(run, "inputs"), "dataset_inputs"):
        data = section(each, "dataset")
        used = pairs(each, "tags").get("mlflow.data.context", "")
        table.append((text(data.get("name")), text(data.get("digest")), used, text(data.get("source_type"))))
    return Section(title="Inputs", shape="table", table=tuple(table))


def _number(value: float | None) -> str:
    return "" if value is None else number_word(value)


def fields(values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Those that say something, as text."""
    return tuple((name, str(value)) for name, value in values.items() if value not in (None, ""))


def tagged(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Tags or params in order; what looks secret is masked."""
    return tuple(sorted(mask_mapping(values).items()))
