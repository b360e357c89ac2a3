"""A container's part of a plan: how it changes over, what is checked, what will differ. Nothing here writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from quarterdeck_adapters.docker.mapping import epoch
from quarterdeck_adapters.docker.release import differences, images, modes, retained, stages
from quarterdeck_adapters.docker.release.calls import Calls, Json
from quarterdeck_adapters.docker.release.checks import preflight
from quarterdeck_adapters.docker.release.facts import Facts, policy
from quarterdeck_adapters.docker.release.moves import ALIVE, policy_of_label, status
from quarterdeck_adapters.docker.release.naming import new_name, old_name, op_part, retired_by
from quarterdeck_adapters.docker.release.recreate import BUILTIN, aliases, primary
from quarterdeck_adapters.docker.release.reviving import undrainable
from quarterdeck_adapters.docker.release.routing import address
from quarterdeck_adapters.docker.release.subtract import own_config
from quarterdeck_lifecycle.errors import NotFound, QuarterdeckError, Refused
from quarterdeck_lifecycle.release.model import Change, Check, Draft, Mode, Place
from quarterdeck_lifecycle.release.ports import Wanted

STOP_S = 10
DRAIN_S = 30.0
LONGEST_GAP_S = 600.0


class Found(NamedTuple):
    """What a plan is made from."""

    old: dict[str, Any]
    old_image: Json | None
    source: dict[str, Any]
    others: list[dict[str, Any]]
    new_image: Json | None
    back: dict[str, Any] | None


async def draft(calls: Calls, place: Place, wanted: Wanted, settings: Mapping[str, str]) -> Draft:
    """This container's part. Raises Refused, NotFound, QuarterdeckError."""
    found = await _look(calls, place, wanted)
    proxy = dict(json.loads(settings["proxy"])) if settings.get("proxy") else {}
    mode, why = modes.way(found.old, proxy=bool(proxy))
    if mode == "stop-start" and not calls.engine.endpoint.local:
        raise Refused(
            f"{place.name} cannot be released on {place.source}", source=place.source,
            why=f"the old one must stop before the new one starts ({why}), and nothing on that host would start it "
            "again if the link to it died", mend="run the deck on that host, or put a proxy before the container",
        )  # fmt: skip
    facts = _facts(found, place, wanted, settings, proxy, mode)
    looked = preflight(
        calls, found.old, found.others, wanted.to, found.old_image, new=found.new_image, source=found.source
    )
    checks = list(await looked)
    warned = modes.warnings(found.old)
    if mode == "start-first":
        more, said = await _proxied(calls, facts, undrainable(str(proxy.get("kind")), found.old))
        checks, warned = [*checks, *more], [*warned, *said]
    elif mode == "stop-start":
        warned.insert(0, f"stop-then-start: {why}")
        warned += ["the proxy is not asked to drain: the new container takes the old one's place"] if proxy else []
    else:
        warned.insert(
            0, "old and new answer the same alias for a while: failed requests are counted, 0 is not promised"
        )
    change = Change(
        place=place, service=wanted.service, environment=wanted.environment, op=wanted.op, mode=mode, to=wanted.to,
        back=wanted.back, revision=wanted.revision, actor=wanted.actor, at=wanted.at,
        restart_only=wanted.restart_only, facts=facts.strings(),
    )  # fmt: skip
    drain = float(proxy.get("drain") or DRAIN_S)
    steps = stages.steps(place, mode, wanted, stop_s=facts.stop_s, drain_s=drain, image=wanted.to.short)
    return Draft(
        change=change, steps=steps, checks=tuple(checks), warnings=tuple(warned),
        gap_s=await _gap(calls, found, wanted, facts, mode), config=_config(found, facts),
    )  # fmt: skip


async def _look(calls: Calls, place: Place, wanted: Wanted) -> Found:
    old = await calls.named(place.name)
    if old is None:
        raise NotFound(
            f"no container {place.name}", source=place.source,
            mend="start it once with docker run or compose: a release replaces what is there",
        )  # fmt: skip
    others = await calls.containers()
    why, mend = modes.refusal(old, others)
    if why:
        raise Refused(f"{place.name} cannot be released", source=place.source, why=why, mend=mend)
    back = await _back(calls, place, wanted, str(old["Id"]))
    source = old if wanted.candidate in ("", old["Id"]) else await calls.container(wanted.candidate)
    if source is None:
        raise NotFound(f"the container to go back to is gone: {wanted.candidate[:12]}", source=place.source)
    old_image = await calls.image(str(old["Image"]))
    if old_image is None and source is old and not wanted.restart_only:
        raise Refused(
            f"{place.name} cannot be released", source=place.source,
            why=f"its image {str(old['Image'])[7:19]} is gone from the engine, so that what the image said cannot be "
            "told from what its operator said", mend="pull that image again, or create the container anew once",
        )  # fmt: skip
    new_image = await images.local(calls, wanted.to)
    if wanted.candidate and new_image is None:
        raise Refused(f"{place.name} cannot go back", source=place.source, why=f"image {wanted.to.short} is gone")
    return Found(old, old_image, source, others, new_image, back)


async def _back(calls: Calls, place: Place, wanted: Wanted, old_id: str) -> dict[str, Any] | None:
    """The retained container that a failure goes back to, None for what runs now."""
    if wanted.back_candidate in ("", old_id):
        return None
    found = await calls.container(wanted.back_candidate)
    if found is None:
        raise NotFound(f"the container to put back is gone: {wanted.back_candidate[:12]}", source=place.source)
    return found


def _facts(
    found: Found, place: Place, wanted: Wanted, settings: Mapping[str, str], proxy: Mapping[str, Any], mode: Mode
) -> Facts:
    old, source = found.old, found.source
    own_image = wanted.restart_only or source["Id"] != old["Id"] or bool(wanted.candidate)
    network = str(proxy.get("network") or "") if proxy else _alias_network(old)
    port = int(proxy.get("port") or 0) if proxy else _probed_port(wanted)
    restart = policy(old)
    return Facts(
        name=place.name, old_id=str(old["Id"]), old_image=str(old["Image"]), new_name=new_name(place.name, wanted.op),
        old_name=old_name(place.name, wanted.op), recipe_from=str(source["Id"]), own_image=own_image,
        ran=status(old) in ALIVE, restart=restart,
        policy=_kept_policy(source, old), back_id=str(found.back["Id"]) if found.back else "",
        back_policy=_kept_policy(found.back, old) if found.back else {},
        stop_s=_stop_seconds(old, settings), keep=wanted.keep, port=port, network=network,
        proxy=settings.get("proxy", "") if mode == "start-first" else "",
        old_server=address(old, network, port) if mode == "start-first" else "",
    )  # fmt: skip


def _kept_policy(found: Json, old: Json) -> dict[str, Any]:
    """The restart policy that a retained container had: its label says it, else it is as the running one's."""
    return policy(old) if found["Id"] == old["Id"] else policy_of_label(found) or policy(old)


def _stop_seconds(old: Json, settings: Mapping[str, str]) -> int:
    if settings.get("stop_timeout"):
        return max(int(float(settings["stop_timeout"])), 0)
    said = (old.get("Config") or {}).get("StopTimeout")
    return int(said) if isinstance(said, int) else STOP_S


def _probed_port(wanted: Wanted) -> int:
    if wanted.probe.http:
        parts = urlsplit(wanted.probe.http)
        return parts.port or (443 if parts.scheme == "https" else 80)
    port = wanted.probe.tcp.rpartition(":")[2]
    return int(port) if port.isascii() and port.isdigit() else 0


def _alias_network(old: Json) -> str:
    named = [network for network, names in aliases(old).items() if names and network not in BUILTIN]
    first = primary(old)
    return first if first in named else next(iter(sorted(named)), "")


async def _proxied(calls: Calls, facts: Facts, cannot: str) -> tuple[list[Check], list[str]]:
    """Whether the proxy answers and sends traffic to the old container, which it can be made to drop."""
    from quarterdeck_adapters.docker.release.routing import Routing

    if cannot:
        return [Check(name="proxy", ok=False, said=f"{facts.name} cannot be drained: {cannot}")], []
    try:
        proxy = Routing(calls, facts).proxy(facts.old_id)
        there = await proxy.find(facts.old_server) if facts.old_server else None
        said = list(await proxy.warnings())
    except QuarterdeckError as error:
        return [Check(name="proxy", ok=False, said=str(error))], []
    if not calls.engine.endpoint.local:
        said.append("the new container is probed at its own address: this host must reach the engine's networks")
    if there is None and facts.ran:
        where = facts.old_server or f"{facts.name}, which has no address in {facts.network or 'its network'}"
        return [Check(name="proxy", ok=False, said=f"the proxy sends no traffic to {where}")], said
    sends = f"it sends traffic to the old one as {there}" if there else "it sends no traffic: the old one does not run"
    return [Check(name="proxy", ok=True, said=sends)], said


async def _gap(calls: Calls, found: Found, wanted: Wanted, facts: Facts, mode: Mode) -> float | None:
    """Seconds in which nothing will serve: what the last release took, else the longest that the old one may need."""
    if mode != "stop-start":
        return 0.0 if mode == "start-first" else None
    if not facts.ran:
        return 0.0
    marks = retained.marks_of(found.old)
    began = epoch((found.old.get("State") or {}).get("StartedAt"))
    if marks is not None and began is not None:
        for before in await retained.retained(calls, facts.name, wanted.service, wanted.environment):
            if retired_by(facts.name, str(before.get("Name") or "").removeprefix("/")) == op_part(marks.op):
                measured = began - retained.served_until(before)
                if 0 < measured < LONGEST_GAP_S:
                    return max(0.01, round(measured, 2))
    return float(facts.stop_s) + 1.0


def _config(found: Found, facts: Facts) -> tuple[str, ...]:
    """Differences that are known before the pull."""
    before = found.old.get("Config") or {}
    old_host, source_host = found.old.get("HostConfig") or {}, found.source.get("HostConfig") or {}
    if facts.own_image:
        after: Json = found.source.get("Config") or {}
        return differences.between(before, after, old_host, source_host)
    if found.new_image is None:
        return ("what the new image says itself is known after the pull",)
    old_part = (found.old_image or {}).get("Config") or {}
    own = own_config(before, old_part, facts.old_id)
    return differences.between(
        {**before, "Hostname": ""}, differences.merged(own, found.new_image.get("Config") or {}), old_host, old_host
    )
