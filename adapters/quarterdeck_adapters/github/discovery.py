"""Finding GitHub by the remotes of the project's repository, and a token among those that the user keeps for it.

Nothing is asked over the network. Each token is for its own host only.
https://cli.github.com/manual/gh_help_environment
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Sequence

from quarterdeck_adapters.base import Candidate, Context, SourceConfig
from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.git.command import Git, remote_urls
from quarterdeck_adapters.git.finding import nearest
from quarterdeck_adapters.git.urls import normalised
from quarterdeck_adapters.github.places import slugs
from quarterdeck_adapters.github.stored import environment, password_in, question
from quarterdeck_adapters.process import run
from quarterdeck_config.schema import SecretRef
from quarterdeck_lifecycle.errors import QuarterdeckError

HOST = "github.com"
DEADLINE_S = 2.0
TOKEN_S = 2.5
MOST = 20
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:\d{1,5})?")
_VARIABLES = {
    HOST: ("GH_TOKEN", "GITHUB_TOKEN"),
    "": ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
}


async def discover(context: Context) -> Sequence[Candidate]:
    """A candidate for github.com, and one for GH_HOST, where the project's repository has a remote there."""
    remotes = await remotes_of(context)
    named = context.env.get("GH_HOST", "").strip().lower()
    hosts = [HOST, *([named] if named not in ("", HOST) and _HOST.fullmatch(named) else [])]
    found = []
    for host in hosts:
        repos, _ = slugs(path for where, path in remotes if where == host)
        if repos:
            found.append(await _candidate(context, host, repos[:MOST]))
    return found


async def remotes_of(context: Context) -> list[tuple[str, str]]:
    """Host and path of each remote of the repository that the project is in. Runs nothing of the repository's."""
    top = await call(lambda: nearest(context.project), deadline=DEADLINE_S, source="github", what="the repository")
    if not top:
        return []
    try:
        opened = await Git("github", context.env, DEADLINE_S).open(top)
    except QuarterdeckError:
        return []
    names = dict.fromkeys(
        match[1] for setting in opened.settings if (match := re.fullmatch(r"remote\.(.+)\.url", setting.key, re.DOTALL))
    )
    found = []
    for name in names:
        for url in remote_urls(opened, name):
            host, _, path = normalised(url).partition("/")
            # GitHub's ssh over the https port: https://docs.github.com/authentication/troubleshooting-ssh
            found.append((HOST if host == "ssh.github.com" else host, path))
    return found


async def _candidate(context: Context, host: str, repos: list[str]) -> Candidate:
    try:
        async with asyncio.timeout(TOKEN_S):
            token, evidence = await _token(context, host)
    except TimeoutError:
        token, evidence = None, "the programs that keep tokens did not answer in time"
    source = SourceConfig(
        name="github" if host == HOST else host.partition(":")[0],
        system="github",
        url=None if host == HOST else f"https://{host}/api/v3",
        repos=tuple(repos),
        token=token,
    )
    remotes = f"remote {host}/{repos[0]}" + (f" and {len(repos) - 1} more" if len(repos) > 1 else "")
    why = "" if token else "no token found: 60 requests an hour, and no private repository; run `gh auth login`"
    return Candidate(source, f"{remotes}; {evidence}", None, why)


async def _token(context: Context, host: str) -> tuple[SecretRef | None, str]:
    for variable in _VARIABLES[HOST if host == HOST else ""]:
        if context.env.get(variable, "").strip():
            return SecretRef(env=variable), f"token in {variable}"
    argv = ("gh", "auth", "token", *(() if host == HOST else ("--hostname", host)))
    if await _prints(argv, context):
        return SecretRef(command=argv), "token of gh"
    stored = (sys.executable, "-I", "-m", "quarterdeck_adapters.github.stored", host)
    if await _kept_by_git(context, host):
        return SecretRef(command=stored), "password that git keeps"
    return None, "no token"


async def _prints(argv: tuple[str, ...], context: Context) -> bool:
    env = {**context.env, "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1"}
    try:
        ended = await run(argv, source="github", deadline=DEADLINE_S, env=env, cwd=os.sep, limit=64 * 1024)
    except QuarterdeckError:
        return False
    return ended.code == 0 and bool(ended.stdout.strip())


async def _kept_by_git(context: Context, host: str) -> bool:
    try:
        ended = await run(
            ("git", "credential", "fill"), source="github", deadline=DEADLINE_S, env=environment(context.env),
            cwd=os.sep, stdin=question(host), limit=64 * 1024,
        )  # fmt: skip
    except QuarterdeckError:
        return False
    return ended.code == 0 and bool(password_in(ended.stdout))
