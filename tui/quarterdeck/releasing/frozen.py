"""Why a release is frozen out now: by somebody's freeze, or by the config's window."""

from __future__ import annotations

from datetime import UTC, datetime

from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.release.freezing import blocking
from quarterdeck_lifecycle.release.store import Store


def window(config: Config, environment: str, now: float) -> str:
    """What the config's freeze of an environment says at `now` (epoch seconds); empty outside its window."""
    place = config.environments.get(environment)
    freeze = place.freeze if place is not None else None
    if freeze is None:
        return ""
    start, end = _epoch(freeze.start), _epoch(freeze.end)
    if (start is not None and now < start) or (end is not None and now >= end):
        return ""
    until = f" until {freeze.end}" if freeze.end else ""
    return f"the config freezes {environment}{until}: {freeze.reason}"


async def why_frozen(
    config: Config, store: Store, service: str, environment: str, kind: str, user: str, now: float
) -> str:
    """Why a release of that kind by that user is frozen out; empty when it is not. Raises StateError."""
    if said := window(config, environment, now):
        return said
    found = [f for f in await store.freezes() if (f.service, f.environment) == (service, environment)]
    held = blocking(found, kind, user)
    return str(held) if held is not None else ""


def _epoch(text: str | None) -> float | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
