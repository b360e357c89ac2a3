"""What the containers pane shows."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from quarterdeck_lifecycle.records import Record, Ref


class Container(Record, frozen=True, kw_only=True):
    """A container. `digest` is the image's id or repository digest; `ports` read `127.0.0.1:8080->80/tcp`."""

    kind: ClassVar[str] = "container"
    pane: ClassVar[str] = "containers"
    watched: ClassVar[tuple[str, ...]] = ("image", "image_id", "state", "labels")

    image: str = ""
    image_id: str = ""
    digest: str = ""
    project: str = ""
    service: str = ""
    health: str = ""
    restarts: int | None = None
    exit_code: int | None = None
    ports: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    command: str = ""
    created_at: float | None = None
    started_at: float | None = None


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Live use of one container: CPU in percent of one core, memory and limit in bytes, rates in bytes a second."""

    ref: Ref
    at: float
    cpu_percent: float | None = None
    memory: int | None = None
    memory_limit: int | None = None
    rx_s: float | None = None
    tx_s: float | None = None
    pids: int | None = None


class Image(Record, frozen=True, kw_only=True):
    """A local image. `size` in bytes; `containers` counts its users, None when the engine did not say."""

    kind: ClassVar[str] = "image"
    pane: ClassVar[str] = "containers"
    watched: ClassVar[tuple[str, ...]] = ()
    announced: ClassVar[bool] = False

    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int | None = None
    containers: int | None = None
    labels: dict[str, str] = {}
    created_at: float | None = None


class Volume(Record, frozen=True, kw_only=True):
    """A named or anonymous volume of an engine."""

    kind: ClassVar[str] = "volume"
    pane: ClassVar[str] = "containers"
    watched: ClassVar[tuple[str, ...]] = ()
    announced: ClassVar[bool] = False

    driver: str = ""
    mountpoint: str = ""
    anonymous: bool = False
    labels: dict[str, str] = {}
    created_at: float | None = None


class Network(Record, frozen=True, kw_only=True):
    """A network of an engine."""

    kind: ClassVar[str] = "network"
    pane: ClassVar[str] = "containers"
    watched: ClassVar[tuple[str, ...]] = ()
    announced: ClassVar[bool] = False

    driver: str = ""
    scope: str = ""
    internal: bool = False
    subnets: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    created_at: float | None = None


class Tag(Record, frozen=True, kw_only=True):
    """A tag in a registry. `size` is the compressed sum in bytes; `platforms` has several for an index."""

    kind: ClassVar[str] = "tag"
    pane: ClassVar[str] = "containers"
    watched: ClassVar[tuple[str, ...]] = ("digest",)

    registry: str
    repository: str
    tag: str
    digest: str = ""
    media_type: str = ""
    size: int | None = None
    platforms: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    created_at: float | None = None
