"""Engines behind ssh that are reached by the operator's forwarded agent alone: it dies with the link, so they are
refused before anything is started."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

from quarterdeck_adapters.blocking import call
from quarterdeck_config.schema import Source
from quarterdeck_lifecycle.errors import Refused

CONNECT_S = 15.0
SSH_FAILED = 255
"""What ssh itself ends with when there is no connection; the command's own code otherwise (ssh(1))."""


async def refuse_agent_only(sources: Sequence[Source], env: Mapping[str, str]) -> None:
    """Log in to each ssh:// source as a runner with `env` would. Raises Refused, naming the first that does not."""
    urls = {source.name: source.url or env.get("DOCKER_HOST", "") for source in sources if source.system == "docker"}
    behind = {name: url for name, url in urls.items() if url.startswith("ssh://")}
    answers = await asyncio.gather(*(_reach(url, env) for url in behind.values()))
    for (name, url), said in zip(behind.items(), answers, strict=True):
        if said:
            raise Refused(
                "the release was not started", source=name,
                why=f"{url} is reached by your forwarded ssh agent alone, which dies with your link ({said})",
                mend="put a key on this host that may log in there, or run the deck on that host",
            )  # fmt: skip


def argv(url: str) -> list[str]:
    """One login without an agent, a prompt or a shared connection; what it runs there does nothing."""
    parts = urlsplit(url)
    found = ["ssh", "-T", "-n", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ForwardAgent=no"]
    found += ["-o", "IdentityAgent=none", "-o", "ControlPath=none", "-o", "PermitLocalCommand=no"]
    if parts.port:
        found += ["-p", str(parts.port)]
    if parts.username:
        found += ["-l", unquote(parts.username)]
    return [*found, "--", parts.hostname or "", "true"]


async def _reach(url: str, env: Mapping[str, str]) -> str:
    """Why the login fails; empty when it does not."""

    def work() -> str:
        try:
            done = subprocess.run(
                argv(url), env=dict(env), capture_output=True, timeout=CONNECT_S, check=False, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return (told[-1] if told else "no login") if done.returncode == SSH_FAILED else ""

    return await call(work, deadline=CONNECT_S + 5, source="ssh", what="logging in without the forwarded agent")
