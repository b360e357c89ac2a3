"""Who we are to this Buildbot, its version, and what is missing.

https://docs.buildbot.net/latest/manual/configuration/www.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quarterdeck_adapters.buildbot.run_actions import CANNOT
from quarterdeck_adapters.ci.values import Json, rows, section, shown, text
from quarterdeck_lifecycle.errors import Malformed, NotFound
from quarterdeck_lifecycle.ports import Probe

if TYPE_CHECKING:
    from quarterdeck_adapters.buildbot.adapter import BuildbotSource


def version_of(config: Json) -> str:
    """Buildbot's own version among those that its web names."""
    listed = config.get("versions")
    for pair in listed if isinstance(listed, list) else []:
        if isinstance(pair, list) and len(pair) == 2 and pair[0] == "Buildbot":
            return shown(pair[1], 40)
    return ""


async def probe(source: BuildbotSource) -> Probe:
    """Ask for its settings, workers and builders. Raises QuarterdeckError."""
    api = source.api
    config: Json = {}
    evidence = f"{api.base}/api/v2/workers answered"
    workers = await api.rows("workers", "workers")
    try:
        config = await api.object("config")
        evidence = f"{api.base}/config answered"
    except (NotFound, Malformed):
        # A Buildbot without its web, or an older one, has none.
        pass
    user = section(config, "user")
    who = api.me or text(user.get("username")) or "nobody (anonymous)"
    warnings = []
    away = [shown(each.get("name")) for each in workers if not rows(each, "connected_to")]
    if away:
        warnings.append(f"not connected: {', '.join(away[:8])}{' ...' if len(away) > 8 else ''}")
    if not workers:
        warnings.append("no worker is configured: nothing is built")
    if source.insecure:
        warnings.append("its certificate is not verified (insecure: true)")
    builders = {text(each.get("name")) for each in await api.rows("builders", "builders", field="name")}
    if unknown := [name for name in source.runs.only if name not in builders]:
        warnings.append(f"no such builder: {', '.join(unknown)}")
    can: Mapping[str, str | None] = {verb: why for verb, (why, kind) in CANNOT.items() if kind == "run"}
    title = text(config.get("title"))
    return Probe(
        version=version_of(config),
        identity=f"{who} at {title or api.base}",
        evidence=evidence,
        warnings=tuple(warnings),
        can={**dict.fromkeys(("run.rerun", "run.cancel", "run.trigger")), **can},
    )
