"""What every adapter is given when it is made."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from quarterdeck_config.merge import Candidate
from quarterdeck_config.schema import Config, SecretRef
from quarterdeck_config.schema import Source as SourceConfig

__all__ = ["AsksMetrics", "Candidate", "Context", "Discover", "Published", "SourceConfig"]


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A port that a running container publishes on this machine: `address` is `127.0.0.1:5000`."""

    container: str
    image: str
    address: str


class AsksMetrics(Protocol):
    """The way to another source's series, for services whose version stands in an info metric's label."""

    async def label(self, source: str, query: str, label: str) -> str:
        """The value of `label` of the series that `query` finds, or an empty string."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The outside of an adapter: how to resolve a secret at the moment of use, the environment, the clock.

    `secret` may block on a helper program for up to 10 s, so adapters call it off the loop. `project` is the folder
    the deck was started in. `published` and `image_hosts` (hosts in local image references) are what engines that
    were found before told; they are leads, and only the answer decides.
    """

    secret: Callable[[SecretRef], str]
    env: Mapping[str, str]
    config: Config
    project: str
    now: Callable[[], float] = time.time
    published: tuple[Published, ...] = ()
    image_hosts: tuple[str, ...] = ()
    metrics: AsksMetrics | None = None


Discover = Callable[[Context], Awaitable[Sequence[Candidate]]]
