"""Finding out whether this machine is a CI system: whether the config has pipelines. Loaded for everybody at every
start, so that the adapter itself is loaded only where it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quarterdeck_adapters.base import Candidate, Context, SourceConfig

NAME = "local-ci"
"""Of the source that appears by itself; `local` names this machine's engine."""


async def discover(context: Context) -> Sequence[Candidate]:
    """This machine, where the config has pipelines. Reads the config alone."""
    count = len(context.config.pipelines)
    if not count or any(source.system == "local" for source in context.config.sources):
        return ()
    return [Candidate(SourceConfig(name=NAME, system="local"), f"pipelines of the config ({count})", True)]


def __getattr__(name: str) -> Any:
    """`LocalSource`, when the catalog makes one."""
    if name != "LocalSource":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from quarterdeck_adapters.local.adapter import LocalSource

    return LocalSource
