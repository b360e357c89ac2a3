"""Finding MLflow servers: MLFLOW_TRACKING_URI, ports that MLflow containers publish, loopback 5000. Passive.

Port 5000 is also the default of registries: the answer decides, never the port.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from quarterdeck_adapters.base import Candidate, Context, SourceConfig
from quarterdeck_adapters.http import is_loopback
from quarterdeck_adapters.mlflow.api import Api
from quarterdeck_adapters.mlflow.values import without_user
from quarterdeck_config.merge import normal_url
from quarterdeck_lifecycle.errors import AuthFailed, Forbidden, QuarterdeckError

DEADLINE_S = 2.0
LOOPBACK = "http://127.0.0.1:5000"
VERSION = re.compile(r"\d+\.\d+[A-Za-z0-9.+-]{0,40}")
MOST_BYTES = 64 * 1024
MOST_LEADS = 16


async def discover(context: Context) -> Sequence[Candidate]:
    """The servers that the user's settings name and that stand on this machine, each asked for two seconds at most."""
    named = context.env.get("MLFLOW_TRACKING_URI", "").strip()
    asked = [tracking(named, context)] if named else []
    taken = {normal_url(without_user(named))}
    leads = [(f"http://{p.address}", f"container {p.container} publishes {p.address}") for p in context.published
             if "mlflow" in p.image.lower()]  # fmt: skip
    for address, evidence in [*leads[:MOST_LEADS], (LOOPBACK, "loopback port 5000")]:
        if normal_url(address) not in taken:
            taken.add(normal_url(address))
            asked.append(identify(address, context, name="mlflow", evidence=evidence))
    return await asyncio.gather(*asked)


async def tracking(uri: str, context: Context) -> Candidate:
    """The server that MLFLOW_TRACKING_URI names; a folder or a database is none."""
    evidence = "MLFLOW_TRACKING_URI"
    scheme = urlsplit(uri).scheme.lower() if "://" in uri else uri.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        why = f"{scheme or 'a path'}: is no server; start `mlflow server` on that store and name its http address"
        return Candidate(SourceConfig(name="mlflow", system="mlflow"), evidence, False, why)
    address = without_user(uri).rstrip("/")
    found = await identify(address, context, name="mlflow", evidence=evidence)
    why = found.why
    if address != uri.rstrip("/"):
        why = f"{why}; the password in it is not used, set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    # The user's own setting is shown even when it is down.
    return Candidate(found.source, found.evidence, found.answered or None, why)


async def identify(address: str, context: Context, *, name: str, evidence: str) -> Candidate:
    """Ask an address whether it is an MLflow server: its version as plain text, and an answer in MLflow's words."""
    source = SourceConfig(name=name, system="mlflow", url=address)
    if not is_loopback(urlsplit(address).hostname or "") and evidence != "MLFLOW_TRACKING_URI":
        return Candidate(source, evidence, None, "not on this machine, so it was not asked")
    api = Api(source, context, deadline=DEADLINE_S)
    try:
        async with asyncio.timeout(DEADLINE_S):
            version = (await api.http.request("GET", "/version", max_body=MOST_BYTES)).text().strip()
            if not VERSION.fullmatch(version):
                return Candidate(source, evidence, False, "what answers there is no MLflow server")
            said = "answers"
            try:
                await api.get("registered-models/search", max_results=1)
            except (AuthFailed, Forbidden) as error:
                said = f"wants a credential ({error.short})"
    except (QuarterdeckError, TimeoutError) as error:
        why = error.why or error.what if isinstance(error, QuarterdeckError) else f"no answer in {DEADLINE_S:g} s"
        return Candidate(source, evidence, False, why)
    finally:
        await api.close()
    return Candidate(source, f"{evidence}: {address}/version answered {version}", True, f"MLflow {version} {said}")
