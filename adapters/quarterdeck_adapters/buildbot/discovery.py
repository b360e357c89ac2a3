"""Finding Buildbot masters: ports that Buildbot containers publish, and loopback 8010. Passive.

The answer decides, never the port: the links at the root of its REST API.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

from quarterdeck_adapters.base import Candidate, Context, SourceConfig
from quarterdeck_adapters.buildbot.api import PORT, Api
from quarterdeck_adapters.ci.values import text
from quarterdeck_adapters.http import is_loopback
from quarterdeck_config.merge import normal_url
from quarterdeck_lifecycle.errors import AuthFailed, Forbidden, QuarterdeckError

DEADLINE_S = 2.0
MOST_LEADS = 16
LINKS = {"builders", "buildrequests", "forceschedulers"}


async def discover(context: Context) -> Sequence[Candidate]:
    """The masters on this machine, each asked for two seconds at most."""
    leads = [(f"http://{p.address}", f"container {p.container} publishes {p.address}") for p in context.published
             if "buildbot" in p.image.lower()]  # fmt: skip
    taken: set[str] = set()
    asked = []
    for address, evidence in [*leads[:MOST_LEADS], (f"http://127.0.0.1:{PORT}", f"loopback port {PORT}")]:
        if normal_url(address) not in taken:
            taken.add(normal_url(address))
            asked.append(identify(address, context, evidence))
    return await asyncio.gather(*asked)


async def identify(address: str, context: Context, evidence: str) -> Candidate:
    """Ask an address whether it is a Buildbot."""
    source = SourceConfig(name="buildbot", system="buildbot", url=address)
    if not is_loopback(urlsplit(address).hostname or ""):
        return Candidate(source, evidence, False, "not on this machine, so it was not asked")
    api = Api(SourceConfig(name="buildbot", system="buildbot", url=address, deadline=DEADLINE_S), context)
    try:
        async with asyncio.timeout(DEADLINE_S):
            links = {text(each.get("name")) for each in await api.rows("", "rootlinks")}
    except (AuthFailed, Forbidden) as error:
        return Candidate(source, evidence, False, f"it wants a credential ({error.short})")
    except (QuarterdeckError, TimeoutError) as error:
        why = error.why or error.what if isinstance(error, QuarterdeckError) else f"no answer in {DEADLINE_S:g} s"
        return Candidate(source, evidence, False, why)
    finally:
        await api.close()
    if not links >= LINKS:
        return Candidate(source, evidence, False, "what answers there is no Buildbot")
    return Candidate(source, f"{evidence}: {address}/api/v2 answered", True, "Buildbot answers")
