"""What only the manager can tell of a service's tasks: their health, a program inside them, what a failed one said."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from typing import Any, Literal

from quarterdeck_adapters.docker.release import swarm_spec
from quarterdeck_adapters.docker.release.calls import LOG_BYTES, SLOW_S, Calls
from quarterdeck_adapters.docker.release.swarm_state import FAILED, State, Task
from quarterdeck_config.secrets import mask_mapping
from quarterdeck_lifecycle.errors import QuarterdeckError, Timeout
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.model import Change, ProbeRule
from quarterdeck_lifecycle.release.ports import Evidence, Sample

Verdict = Literal["pass", "fail", "unknown"]


async def probe(calls: Calls, state: State, rule: ProbeRule) -> Sample:
    """All tasks run what the service says, and those on this node say, by health check or `exec`, that they are well.

    A task on another node is as well as Swarm says. Raises QuarterdeckError.
    """
    if not state.whole:
        return _sample("fail", state.summary())
    here = [found for task in state.current if (found := await calls.container(task.container)) is not None]
    if rule.exec:
        return await _run(calls, here, rule)
    checks = [health for each in here if (health := (each.get("State") or {}).get("Health"))]
    said = f"{len(state.current)} tasks run, {len(checks)} of them have a health check on this node"
    words = [str(check.get("Status") or "") for check in checks]
    if "unhealthy" in words:
        return _sample("fail", "a task is unhealthy")
    if any(word != "healthy" for word in words):
        return _sample("unknown", f"{said}: {', '.join(sorted(set(words)))}")
    if not checks and not swarm_spec.container(state.spec).get("Healthcheck"):
        return _sample("unknown", "no health check is known here")
    return _sample("pass", said)


async def _run(calls: Calls, here: list[dict[str, Any]], rule: ProbeRule) -> Sample:
    if not here:
        return _sample("unknown", "no task runs on this node, and a program can be run on this node alone")
    for each in here:
        # The engine runs programs by POST; the config asks for this one, and it changes nothing of the release.
        try:
            with permit(calls.name):
                code, said = await calls.run(str(each["Id"]), rule.exec, rule.timeout_s)
        except Timeout:
            return _sample("fail", f"{rule.exec[0]} did not end within {rule.timeout_s:g} s")
        if code != 0:
            return _sample("fail", f"{rule.exec[0]} ended with {code}: {said[-300:]}")
        if rule.body and not re.search(rule.body, said):
            return _sample("fail", f"{rule.exec[0]}: its output does not match {rule.body}")
    return _sample("pass", f"{rule.exec[0]} ended with 0 in {len(here)} tasks")


def _sample(verdict: Verdict, said: str) -> Sample:
    return Sample(verdict=verdict, said=said, at=time.time())


async def evidence(calls: Calls, state: State, change: Change, which: Literal["new", "old"], lines: int) -> Evidence:
    """The last words of one task of the new or the old image: of the newest that failed, else of the newest."""
    place = change.target
    task = last_of(state, change, which)
    if task is None:
        return Evidence(target=place, which=which, state="no task of it is listed any more")
    found = await calls.engine.call(lambda c: dict(c.inspect_task(task.id)), what=f"looking at task {task.id}")
    try:
        tty = bool(swarm_spec.container(found.get("Spec") or {}).get("TTY"))
        log = await _log(calls, task.id, lines, tty=tty)
    except QuarterdeckError as error:
        log = (f"its log could not be read: {error.why or error.what}",)
    said = f"{task.state}{f': {task.error}' if task.error else ''}"
    with suppress(QuarterdeckError):
        said += health_of(await calls.container(task.container))
    return Evidence(target=place, which=which, exit_code=task.exit_code, state=said, log=log, inspect=masked(found))


def health_of(found: dict[str, Any] | None) -> str:
    """What the health check of a container that is still here said last; empty when it is well, or has none."""
    health = ((found or {}).get("State") or {}).get("Health") or {}
    if health.get("Status") in (None, "", "none", "healthy"):
        return ""
    # A check that was cut off when its container was stopped said nothing: the one before it did.
    told = (str(each.get("Output") or "").strip() for each in reversed(health.get("Log") or []))
    output = next(filter(None, told), "")
    return f"; health check: {health['Status']}{f': {output[:300]}' if output else ''}"


def last_of(state: State, change: Change, which: Literal["new", "old"]) -> Task | None:
    """The task to ask: of the new image those of this operation, of the old one those that name what was before."""
    if which == "new":
        mine = [t for t in state.tasks if t.token[1] == change.op or swarm_spec.identity_of(t.token[0]).same(change.to)]
    else:
        mine = [t for t in state.tasks if t.token[1] != change.op and t.token[0] == change.facts.get("before")]
    failed = [task for task in mine if task.state in FAILED]
    return next(iter(failed or mine), None)


async def _log(calls: Calls, id: str, lines: int, *, tty: bool) -> tuple[str, ...]:
    def read(client: Any) -> bytes:
        url = client._url("/tasks/{0}/logs", id)
        params = {"stdout": True, "stderr": True, "tail": lines}
        response = client._get(url, params=params, stream=True)
        client._raise_for_status(response)
        return b"".join(client._get_result_tty(True, response, tty))

    data = await calls.engine.call(read, what=f"reading the log of task {id}", deadline=SLOW_S)
    return tuple(data[-LOG_BYTES:].decode("utf-8", "replace").splitlines()[-lines:])


def masked(found: dict[str, Any]) -> str:
    """An inspect as JSON, its env and labels fit to be shown."""
    inside = swarm_spec.container(found.get("Spec") or {})
    if env := inside.get("Env"):
        pairs = dict(str(each).partition("=")[::2] for each in env)
        inside["Env"] = [f"{name}={value}" for name, value in mask_mapping(pairs).items()]
    if labels := inside.get("Labels"):
        inside["Labels"] = mask_mapping(labels)
    return json.dumps(found, sort_keys=True)
