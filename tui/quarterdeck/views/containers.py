"""Containers, images, volumes, networks and registry tags as rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from quarterdeck.views.fmt import age, glyph, short, size
from quarterdeck.views.model import Look, View, by_name, counted, newest_first, trouble_first, worst
from quarterdeck.widgets.cells import Cell, Column, Row
from quarterdeck_lifecycle.kinds import Container, Image, Network, Tag, Volume
from quarterdeck_lifecycle.records import TROUBLE, Record

CONTAINER_COLUMNS = (
    Column("status", "", 1),
    Column("environment", "CTX", 8, flex=1, min_width=7, priority=4),
    Column("name", "NAME", 18, flex=3, min_width=10),
    Column("state", "STATE", 14),
    Column("image", "IMAGE", 16, flex=3, min_width=8, priority=1),
    Column("cpu", "CPU%", 5, "right", priority=2),
    Column("memory", "MEM", 5, "right", priority=2),
    Column("restarts", "RST", 3, "right", priority=3),
    Column("ports", "PORTS", 12, flex=2, min_width=6, priority=5),
    Column("when", "SINCE", 5, "right", priority=3),
)


def image_name(container: Container) -> str:
    """`v41 7be2`: tag and beginning of the image's identity; the name too where the container's does not tell it."""
    name, _, tag = container.image.rpartition("/")[2].partition(":")
    if tag and name in container.name:
        return f"{tag.partition('@')[0]} {short(container.image_id or container.digest, 4)}"
    if container.image.startswith("sha256:"):
        return short(container.image, 12)
    identity = short(container.image_id or container.digest, 4)
    return f"{name}:{tag.partition('@')[0]} {identity}" if tag else f"{name} {identity}"


def container_row(box: Container, look: Look) -> Row:
    """One container; its live use when it is on the screen."""
    stats = look.stats.get(box.ref)
    cpu = "-" if stats is None or stats.cpu_percent is None else f"{stats.cpu_percent:.0f}"
    memory = "-" if stats is None else size(stats.memory)
    place = box.environment or box.ref.source
    return Row(
        box.ref,
        (
            glyph(box.status),
            Cell(place, f"env:{look.colours[place]}" if place in look.colours else "dim"),
            Cell(box.name),
            Cell(box.state),
            Cell(image_name(box), "dim"),
            Cell(cpu, "warn" if stats and (stats.cpu_percent or 0) > 90 else "dim"),
            Cell(memory, "dim"),
            Cell("-" if box.restarts is None else str(box.restarts), "warn" if box.restarts else "dim"),
            Cell(" ".join(box.ports), "dim"),
            Cell(age(box.started_at or box.created_at, look.now), "dim"),
        ),
    )


def container_order(box: Container) -> tuple[int, str, str, str]:
    """Trouble first; then compose projects stay together."""
    return TROUBLE[box.status], box.environment, box.project, box.name


def container_line(boxes: Sequence[Container], look: Look) -> str:
    """The collapsed pane."""
    first = min(boxes, key=container_order, default=None)
    if first is None:
        return "no container"
    return " · ".join(part for part in (f"{first.name} {first.state}", counted(boxes)) if part)


IMAGE_COLUMNS = (
    Column("status", "", 1),
    Column("name", "IMAGE", 40, flex=4, min_width=16),
    Column("id", "ID", 12),
    Column("size", "SIZE", 6, "right"),
    Column("used", "USED BY", 7, "right", priority=1),
    Column("when", "BUILT", 5, "right", priority=2),
)


def image_row(image: Image, look: Look) -> Row:
    """One local image."""
    used = "-" if image.containers is None else str(image.containers)
    more = f" +{len(image.tags) - 1}" if len(image.tags) > 1 else ""
    return Row(
        image.ref,
        (
            glyph(image.status),
            Cell((image.name or "<none>") + more, "" if image.tags else "dim"),
            Cell(short(image.ref.id, 12), "dim"),
            Cell(size(image.size)),
            Cell(used, "dim"),
            Cell(age(image.created_at, look.now), "dim"),
        ),
    )


VOLUME_COLUMNS = (
    Column("status", "", 1),
    Column("name", "VOLUME", 40, flex=3, min_width=16),
    Column("driver", "DRIVER", 8),
    Column("kind", "KIND", 9),
    Column("mount", "MOUNTPOINT", 30, flex=2, min_width=8, priority=1),
    Column("when", "MADE", 5, "right", priority=2),
)


def volume_row(volume: Volume, look: Look) -> Row:
    """One volume."""
    return Row(
        volume.ref,
        (
            glyph(volume.status),
            Cell(volume.name),
            Cell(volume.driver, "dim"),
            Cell("anonymous" if volume.anonymous else "named", "dim" if volume.anonymous else ""),
            Cell(volume.mountpoint, "dim"),
            Cell(age(volume.created_at, look.now), "dim"),
        ),
    )


NETWORK_COLUMNS = (
    Column("status", "", 1),
    Column("name", "NETWORK", 30, flex=2, min_width=12),
    Column("driver", "DRIVER", 8),
    Column("scope", "SCOPE", 6, priority=1),
    Column("subnets", "SUBNETS", 24, flex=1, min_width=8),
    Column("when", "MADE", 5, "right", priority=2),
)


def network_row(network: Network, look: Look) -> Row:
    """One network."""
    return Row(
        network.ref,
        (
            glyph(network.status),
            Cell(network.name),
            Cell(network.driver, "dim"),
            Cell("internal" if network.internal else network.scope, "dim"),
            Cell(" ".join(network.subnets), "dim"),
            Cell(age(network.created_at, look.now), "dim"),
        ),
    )


TAG_COLUMNS = (
    Column("status", "", 1),
    Column("registry", "REGISTRY", 14, flex=1, min_width=6, priority=3),
    Column("name", "REPOSITORY:TAG", 34, flex=3, min_width=14),
    Column("digest", "DIGEST", 12),
    Column("size", "SIZE", 6, "right", priority=1),
    Column("platforms", "PLATFORMS", 18, flex=1, min_width=6, priority=4),
    Column("commit", "COMMIT", 7, priority=2),
    Column("when", "BUILT", 5, "right", priority=2),
)


def tag_row(tag: Tag, look: Look) -> Row:
    """One tag of a registry."""
    return Row(
        tag.ref,
        (
            glyph(tag.status),
            Cell(tag.registry, "dim"),
            Cell(f"{tag.repository}:{tag.tag}"),
            Cell(short(tag.digest, 12) or "-", "dim"),
            Cell(size(tag.size), "dim"),
            Cell(" ".join(tag.platforms), "dim"),
            Cell(short(tag.link("commit")) or "-", "accent"),
            Cell(age(tag.created_at, look.now), "dim"),
        ),
    )


def named_line(word: str) -> Callable[[Sequence[Record], Look], str]:
    """A collapsed line that counts and names the worst."""

    def line(rows: Sequence[Record], look: Look) -> str:
        first = worst(rows)
        return f"no {word}" if first is None else f"{len(rows)} {word}s · {first.name}"

    return line


VIEWS = (
    View("container", "Containers", CONTAINER_COLUMNS, container_row, {"trouble": container_order,
         "newest": newest_first, "name": by_name, "project": lambda c: (c.project, c.service, c.name)},
         container_line),
    View("image", "Images", IMAGE_COLUMNS, image_row, {"newest": newest_first, "name": by_name,
         "size": lambda i: -(i.size or 0)}, named_line("image")),
    View("tag", "Registry tags", TAG_COLUMNS, tag_row, {"newest": newest_first, "name": by_name,
         "size": lambda t: -(t.size or 0)}, named_line("tag")),
    View("volume", "Volumes", VOLUME_COLUMNS, volume_row, {"name": by_name, "newest": newest_first},
         named_line("volume")),
    View("network", "Networks", NETWORK_COLUMNS, network_row, {"name": by_name, "trouble": trouble_first},
         named_line("network")),
)  # fmt: skip
