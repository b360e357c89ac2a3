"""The tabs of a tag. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from quarterdeck_adapters.registry.client import Manifest
from quarterdeck_adapters.registry.content import Detail, Json, child, entries, moment, section, text
from quarterdeck_config.secrets import mask_args, mask_mapping, redact
from quarterdeck_lifecycle.kinds import Tag
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import utc

MOST_LINES = 500
MOST_MANIFEST = 256 * 1024


def size(count: int | None) -> str:
    """Bytes as people read them, in powers of 1000."""
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} B" if unit == "B" else f"{value:.3g} {unit}"


def describe(row: Tag, detail: Detail, manifest: Manifest, config: Json) -> list[Section]:
    """The tabs of a tag; `config` is that of the image that speaks for it."""
    return [
        overview(row, detail, config),
        Section(title="Labels", fields=tuple(sorted(mask_mapping(row.labels).items()))),
        *layers(detail),
        *platforms(detail),
        *history(config),
        document(manifest),
    ]


def overview(row: Tag, detail: Detail, config: Json) -> Section:
    """What it is, and what it runs."""
    settings = section(config.get("config"))
    ports = ", ".join(sorted(section(settings.get("ExposedPorts"))))
    fields = (
        ("image", f"{row.registry}/{row.name}"), ("digest", row.digest), ("type", detail.kind),
        ("media type", row.media_type), ("compressed size", size(detail.size)),
        ("platforms", " ".join(detail.platforms)), ("created", utc(detail.created_at) or ""),
        ("commit", row.link("commit")), ("source", row.link("repository")), ("version", row.link("version")),
        ("entrypoint", command(settings.get("Entrypoint"))), ("command", command(settings.get("Cmd"))),
        ("user", text(settings.get("User"))), ("ports", ports), ("note", row.note),
    )  # fmt: skip
    return Section(title="Overview", fields=tuple((name, value) for name, value in fields if value))


def command(value: Any) -> str:
    """An argv as one line, secrets masked."""
    return " ".join(mask_args([each for each in value if isinstance(each, str)])) if isinstance(value, list) else ""


def layers(detail: Detail) -> list[Section]:
    """Each layer with its compressed size."""
    if not detail.layers:
        return []
    lines = tuple((one.digest, size(one.size), one.media_type) for one in detail.layers[:MOST_LINES])
    return [Section(title="Layers", shape="table", table=(("DIGEST", "SIZE", "TYPE"), *lines))]


def platforms(detail: Detail) -> list[Section]:
    """Each entry of an index."""
    if not detail.children:
        return []
    lines = tuple((one.platform, one.digest, one.media_type) for one in detail.children[:MOST_LINES])
    return [Section(title="Platforms", shape="table", table=(("PLATFORM", "DIGEST", "TYPE"), *lines))]


def history(config: Json) -> list[Section]:
    """How the image was built, the oldest step first."""
    steps = entries(config.get("history"))
    if not steps:
        return []
    lines = tuple(
        (utc(moment(step.get("created"))) or "", step_text(step), "no layer" if step.get("empty_layer") is True else "")
        for step in steps[:MOST_LINES]
    )
    return [Section(title="History", shape="table", table=(("CREATED", "BY", ""), *lines))]


def step_text(step: Json) -> str:
    """The command of a build step; build arguments that look secret are masked."""
    return " ".join(mask_args(text(step.get("created_by")).split(" ")))


def document(manifest: Manifest) -> Section:
    """The manifest as it is stored."""
    try:
        body: Sequence[int] | str = msgspec.json.format(manifest.data, indent=2).decode("utf-8", "replace")
    except msgspec.DecodeError:
        body = manifest.data.decode("utf-8", "replace")
    shown = redact(str(body)[:MOST_MANIFEST])
    cut = f"the first {MOST_MANIFEST >> 10} KiB" if len(body) > MOST_MANIFEST else ""
    return Section(title="Manifest", shape="json", text=shown, note=cut)


def config_digest(manifest: Json) -> str:
    """The digest of an image's configuration."""
    return child(section(manifest.get("config"))).digest
