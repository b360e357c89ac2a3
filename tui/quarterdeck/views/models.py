"""Models, their versions, training runs and endpoints as rows."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.views.fmt import age, glyph, number, one_line, signed
from quarterdeck.views.model import Look, View, by_name, counted, newest_first, trouble_first, worst
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck.widgets.plot import spark
from quarterdeck_lifecycle.kinds import Endpoint, ModelVersion, RegisteredModel, TrainingRun
from quarterdeck_lifecycle.records import TROUBLE

VERSION_COLUMNS = (
    Column("status", "", 1),
    Column("model", "MODEL", 14, flex=1, min_width=8),
    Column("version", "VER", 4),
    Column("alias", "ALIAS", 12, flex=1, min_width=11),
    Column("metric", "METRIC", 7, "right"),
    Column("delta", "Δchamp", 6, "right", priority=2),
    Column("served", "SERVED BY (seen)", 22, flex=3, min_width=16, priority=1),
    Column("when", "AGE", 4, "right", priority=2),
    Column("note", "NOTE", 16, flex=2, min_width=6, priority=3),
)


def version_row(version: ModelVersion, look: Look) -> Row:
    """One version of a model."""
    served = one_line(version.served_by) or look.served.get((version.model, version.version), "")
    better = version.delta is not None and version.delta > 0
    return Row(
        version.ref,
        (
            glyph(version.status),
            Cell(version.model),
            Cell(f"v{version.version}"),
            Cell(" ".join(f"@{alias}" for alias in version.aliases), "accent"),
            Cell(number(version.metric)),
            Cell(signed(version.delta), "ok" if better else "dim"),
            Cell(served or "-", "" if "✓" in served else "dim"),
            Cell(age(version.created_at, look.now), "dim"),
            Cell(one_line(version.note), "dim"),
        ),
    )


def version_order(version: ModelVersion) -> tuple[int, str, int]:
    """What an alias stands on first, since that is what serves; then by model, the newest first."""
    number_of = int(version.version) if version.version.isdigit() else 0
    return 0 if version.aliases else 1, version.model, -number_of


def version_line(versions: Sequence[ModelVersion], look: Look) -> str:
    """The collapsed pane: the champions, and what is in trouble."""
    if not versions:
        return "no model version"
    first = next((v for v in sorted(versions, key=version_order) if v.aliases), min(versions, key=version_order))
    aliases = " ".join(f"@{alias}" for alias in first.aliases)
    served = f"{first.served_by}" if first.served_by else ""
    parts = (f"{first.model} {aliases} v{first.version} {served}".strip(), counted(versions))
    return " · ".join(part for part in parts if part)


MODEL_COLUMNS = (
    Column("status", "", 1),
    Column("name", "MODEL", 22, flex=2, min_width=10),
    Column("latest", "LATEST", 6),
    Column("aliases", "ALIASES", 30, flex=3, min_width=10),
    Column("metric", "PRIMARY METRIC", 16, flex=1, min_width=6, priority=2),
    Column("when", "AGE", 4, "right", priority=1),
    Column("note", "DESCRIPTION", 24, flex=2, min_width=8, priority=3),
)


def model_row(model: RegisteredModel, look: Look) -> Row:
    """One registered model."""
    aliases = " ".join(f"@{alias} v{version}" for alias, version in sorted(model.aliases.items()))
    return Row(
        model.ref,
        (
            glyph(model.status),
            Cell(model.name),
            Cell(f"v{model.latest_version}" if model.latest_version else "-"),
            Cell(aliases or "-", "accent" if aliases else "dim"),
            Cell(model.primary_metric or "not configured", "" if model.primary_metric else "dim"),
            Cell(age(model.updated_at, look.now), "dim"),
            Cell(one_line(model.note or model.description), "dim"),
        ),
    )


def model_line(models: Sequence[RegisteredModel], look: Look) -> str:
    """The collapsed pane when models are on top."""
    first = worst(models)
    return "no model" if first is None else f"{len(models)} models · {first.name} v{first.latest_version}"


RUN_COLUMNS = (
    Column("status", "", 1),
    Column("name", "RUN", 18, flex=2, min_width=10),
    Column("experiment", "EXPERIMENT", 14, flex=1, min_width=6, priority=3),
    Column("state", "STATE", 10),
    Column("metric", "METRIC", 10, flex=1, min_width=6, priority=1),
    Column("value", "VALUE", 7, "right"),
    Column("history", "HISTORY", 12, priority=2),
    Column("step", "STEP", 7, "right", priority=1),
    Column("rate", "STEP/S", 6, "right", priority=4),
    Column("when", "BEGAN", 5, "right", priority=3),
    Column("note", "NOTE", 16, flex=2, min_width=6, priority=2),
)


def training_row(run: TrainingRun, look: Look) -> Row:
    """One training run with its live metric."""
    return Row(
        run.ref,
        (
            glyph(run.status),
            Cell(run.name),
            Cell(run.experiment, "dim"),
            Cell(run.state),
            Cell(run.metric_name, "dim"),
            Cell(number(run.metric), "bad" if run.metric is not None and run.metric != run.metric else ""),
            Cell(spark(run.history, 12), "info"),
            Cell("-" if run.step is None else f"{run.step:,}"),
            Cell(number(run.rate), "dim"),
            Cell(age(run.started_at, look.now), "dim"),
            Cell(one_line(run.note), "dim"),
        ),
    )


def training_line(runs: Sequence[TrainingRun], look: Look) -> str:
    """The collapsed pane when training runs are on top."""
    first = worst(runs)
    if first is None:
        return "no training run"
    return " · ".join(p for p in (f"{first.name} {first.metric_name} {number(first.metric)}", counted(runs)) if p)


ENDPOINT_COLUMNS = (
    Column("status", "", 1),
    Column("environment", "CTX", 6, flex=1, min_width=4, priority=2),
    Column("name", "ENDPOINT", 20, flex=2, min_width=10),
    Column("model", "MODEL", 12, flex=1, min_width=6),
    Column("served", "SERVES", 8),
    Column("proof", "HOW IT IS KNOWN", 34, flex=3, min_width=10),
    Column("address", "ADDRESS", 20, flex=1, min_width=8, priority=1),
)


def endpoint_row(endpoint: Endpoint, look: Look) -> Row:
    """One thing that serves a model."""
    return Row(
        endpoint.ref,
        (
            glyph(endpoint.status),
            Cell(endpoint.environment or endpoint.ref.source, "dim"),
            Cell(endpoint.name),
            Cell(endpoint.model),
            Cell(f"v{endpoint.served}" if endpoint.served else "unproven", "" if endpoint.served else "warn"),
            Cell(one_line(endpoint.proof or endpoint.note), "dim"),
            Cell(endpoint.address, "dim"),
        ),
    )


def endpoint_line(endpoints: Sequence[Endpoint], look: Look) -> str:
    """The collapsed pane when endpoints are on top."""
    first = worst(endpoints)
    return "no endpoint" if first is None else f"{first.name} {first.model} {first.served or 'unproven'}"


def by_trouble_then_newest(run: TrainingRun) -> tuple[int, float]:
    """Trouble first, then the newest."""
    return TROUBLE[run.status], -(run.started_at or 0.0)


VIEWS = (
    View("version", "Models", VERSION_COLUMNS, version_row, {"alias": version_order, "newest": newest_first,
         "metric": lambda v: -(v.metric or 0.0)}, version_line),
    View("model", "Registered", MODEL_COLUMNS, model_row, {"name": by_name, "newest": newest_first}, model_line),
    View("training_run", "Runs", RUN_COLUMNS, training_row, {"trouble": by_trouble_then_newest, "name": by_name},
         training_line),
    View("endpoint", "Endpoints", ENDPOINT_COLUMNS, endpoint_row, {"trouble": trouble_first, "name": by_name},
         endpoint_line),
)  # fmt: skip
