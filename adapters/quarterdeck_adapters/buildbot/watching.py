"""Following the runs by the server's events, at a bounded pace."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from quarterdeck_adapters.buildbot.events import Ear

if TYPE_CHECKING:
    from quarterdeck_adapters.buildbot.adapter import BuildbotSource

PATHS = ("builds/*/*", "buildrequests/*/*", "steps/*/*", "workers/*/*")
PACE_S = 0.5
"""Between two refreshes: each step of each build is an event, and a busy master has many."""


async def watch(source: BuildbotSource) -> AsyncGenerator[None, None]:
    """Yield when the runs should be listed again. Raises QuarterdeckError when the stream is lost."""
    async with Ear(source.api, *PATHS) as ear:
        while True:
            await ear.hear()
            yield
            await source.sleep(PACE_S)
