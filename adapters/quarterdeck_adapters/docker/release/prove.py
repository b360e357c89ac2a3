"""Proofs that only the engine can give: its own health check, a program inside, and what is left of a container."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

from quarterdeck_adapters.docker.release.calls import Calls, Json
from quarterdeck_adapters.docker.release.differences import env
from quarterdeck_adapters.docker.release.facts import read
from quarterdeck_adapters.docker.release.moves import ALIVE, Moves, ending, status
from quarterdeck_adapters.docker.release.routing import address
from quarterdeck_config.masking import mask_args, mask_mapping
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError, Timeout
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.model import Change, ProbeRule
from quarterdeck_lifecycle.release.ports import Evidence, Sample, Verdict

LOOP_S = 3.0
"""How long a container that is restarted again and again is watched for its next end, which tells its exit code."""
LOOP_POLL_S = 0.05
HEALTH: dict[str, Verdict] = {"healthy": "pass", "unhealthy": "fail", "starting": "unknown"}


async def subject(moves: Moves, change: Change) -> Json:
    """The container that is to be proven: the new one while it is there, else the old one. Raises Conflict."""
    return await moves.new(change) or await moves.old(change)


async def sample(moves: Moves, change: Change, rule: ProbeRule) -> Sample:
    """One look by the engine's health check or by a program inside. Never raises: trouble is unknown."""
    try:
        found = await subject(moves, change)
        if status(found) not in ALIVE or status(found) == "restarting":
            return Sample(verdict="fail", said=ending(found), at=time.time())
        if rule.exec:
            verdict, said = await _run(moves.calls, str(found["Id"]), rule)
        elif rule.engine or health(found)[0] == "fail":
            verdict, said = health(found)
        else:
            verdict, said = "pass", f"it is {status(found)}, nothing more is probed"
    except QuarterdeckError as error:
        verdict, said = "unknown", str(error)
    return Sample(verdict=verdict, said=said, at=time.time())


def health(found: Json) -> tuple[Verdict, str]:
    """What the engine's own health check says."""
    said = (found.get("State") or {}).get("Health") or {}
    word = str(said.get("Status") or "")
    if word not in HEALTH:
        return "unknown", "it has no health check: probe it by http, tcp or exec, or give its image a HEALTHCHECK"
    last = (said.get("Log") or [{}])[-1]
    output = str(last.get("Output") or "").strip()
    tried = f" {said.get('FailingStreak')} times in a row" if word == "unhealthy" else ""
    return HEALTH[word], f"{word}{tried}" + (f": {output[:300]}" if output else "")


async def _run(calls: Calls, id: str, rule: ProbeRule) -> tuple[Verdict, str]:
    # The engine runs programs by POST; a probe is asked for by the config and changes nothing of the release.
    try:
        with permit(calls.name):
            code, output = await calls.run(id, rule.exec, rule.timeout_s)
    except Timeout:
        return "fail", f"{rule.exec[0]} did not end within {rule.timeout_s:g} s"
    last = output.splitlines()[-1][:300] if output else ""
    if code != 0:
        return "fail", f"{rule.exec[0]}: exit code {code}" + (f", {last}" if last else "")
    if rule.body and not re.search(rule.body, output):
        return "fail", f"{rule.exec[0]}: its output does not match {rule.body}"
    return "pass", f"{rule.exec[0]}: exit code 0" + (f", {last}" if last else "")


async def endpoint(moves: Moves, change: Change) -> str:
    """IP:PORT of the new container in the network of its proxy or alias; empty when it has none."""
    facts, found = read(change), await subject(moves, change)
    return address(found, facts.network, facts.port)


async def evidence(moves: Moves, change: Change, which: str, lines: int) -> Evidence:
    """The last lines, exit code and inspect, secrets masked. Raises NotFound when it is gone."""
    found = await moves.new(change) if which == "new" else await moves.calls.container(read(change).old_id)
    if found is None:
        raise NotFound(f"the {which} {change.place.name} is gone", source=moves.calls.name)
    seen = await _ended_again(moves.calls, found)
    up = status(seen) in ("running", "paused")
    log = await moves.calls.log(str(seen["Id"]), lines) if status(seen) != "created" else ()
    return Evidence(
        target=change.target, which="new" if which == "new" else "old",
        state=_running(seen) if up else ending(seen),
        exit_code=None if up else (seen.get("State") or {}).get("ExitCode"), log=log,
        inspect=json.dumps(masked(seen), indent=1, sort_keys=True),
    )  # fmt: skip


def _running(found: Json) -> str:
    restarts = found.get("RestartCount") or 0
    return f"{status(found)}, restarted {restarts} times" if restarts else status(found)


async def _ended_again(calls: Calls, found: Json) -> Json:
    """A container that its engine restarts, once it has ended again; as it is where it lives on."""
    now: Json = found
    try:
        async with asyncio.timeout(LOOP_S):
            while (now.get("RestartCount") or 0) and status(now) == "running":
                await asyncio.sleep(LOOP_POLL_S)
                now = await calls.container(str(found["Id"])) or found
    except TimeoutError:
        pass
    return now


def masked(found: Json) -> dict[str, Any]:
    """An inspect with env, labels and arguments masked."""
    shown = dict(found)
    config = dict(found.get("Config") or {})
    config["Env"] = [f"{k}={v}" for k, v in mask_mapping(env(config.get("Env"))).items()]
    config["Labels"] = mask_mapping({str(k): str(v) for k, v in (config.get("Labels") or {}).items()})
    for key in ("Cmd", "Entrypoint"):
        config[key] = list(mask_args([str(each) for each in config.get(key) or ()]))
    shown["Config"] = config
    shown["Args"] = list(mask_args([str(each) for each in found.get("Args") or ()]))
    return shown
