"""Alertmanager's API v2 over the story's firing alerts, in the words of Alertmanager 0.25.

Source: https://github.com/prometheus/alertmanager/blob/v0.25.0/api/v2/openapi.yaml .
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from quarterdeck_demo.faults import Faults
from quarterdeck_demo.messages import Request, Response, text_response
from quarterdeck_demo.prometheus.auth import WebAuth, plain
from quarterdeck_demo.prometheus.rules import raised
from quarterdeck_demo.prometheus.silences import (
    Refusal,
    Silences,
    milliseconds,
    parse_filter,
    read_time,
    reply,
)
from quarterdeck_demo.prometheus.syntax import Matcher
from quarterdeck_demo.prometheus.values import fits
from quarterdeck_demo.story import Story

__all__ = ["AlertmanagerServer"]

RESOLVE_AFTER = 300.0
HELD = 240.0
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
VERSION = {
    "branch": "HEAD",
    "buildDate": "20221222-14:51:36",
    "buildUser": "practice",
    "goVersion": "go1.19.4",
    "revision": "258fab7cdd551f2cf251ed0348f0ad7289aee789",
    "version": "0.25.0",
}


@dataclass(frozen=True, slots=True)
class Notified:
    """An alert as Alertmanager holds it."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: float
    ends_at: float
    updated_at: float
    generator: str

    @property
    def fingerprint(self) -> str:
        """FNV-1a over the sorted labels, as prometheus/common's LabelSet.Fingerprint."""
        value = 0xCBF29CE484222325
        for name, text in sorted(self.labels.items()):
            for byte in name.encode() + b"\xff" + text.encode() + b"\xff":
                value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
        return f"{value:016x}"


class AlertmanagerServer:
    """Holds the story's firing alerts and those that a client posts; silences mute them."""

    def __init__(
        self,
        story: Story | None,
        clock: Callable[[], float],
        faults: Faults | None = None,
        *,
        auth: WebAuth | None = None,
        receiver: str = "oncall",
        source: str = "http://127.0.0.1:9090",
    ) -> None:
        self.story = story
        self.clock = clock
        self.faults = faults or Faults()
        self.auth = auth
        self.receiver = receiver
        self.source = source
        self.started_at = clock()
        self.posted: dict[str, Notified] = {}
        self.silences = Silences()
        if story is not None:
            self.silences.post(op2_is_at_it(story.now), clock())

    async def handler(self, request: Request) -> Response:
        """Answer one request."""
        if self.auth is not None and (refusal := self.auth.refusal(request)) is not None:
            return refusal
        if request.path in ("/-/ready", "/-/healthy"):
            if request.method not in ("GET", "HEAD"):
                return plain("Method Not Allowed", 405, Allow="GET, HEAD, OPTIONS")
            return text_response("OK")
        if not request.path.startswith("/api/v2/"):
            return plain("404 page not found", 404)
        try:
            return self.routed(request, request.path.removeprefix("/api/v2/"))
        except Refusal as refused:
            return refused.response()

    def routed(self, request: Request, path: str) -> Response:
        one = path.removeprefix("silence/") if path.startswith("silence/") else ""
        table: dict[str, dict[str, Callable[[Request], Response]]] = {
            "alerts": {"GET": self.alerts, "POST": self.post_alerts},
            "alerts/groups": {"GET": self.groups},
            "receivers": {"GET": lambda _: reply([{"name": self.receiver}])},
            "silence": {"DELETE": self.delete_silence, "GET": self.silence},
            "silences": {"GET": self.list_silences, "POST": self.post_silence},
            "status": {"GET": self.status},
        }
        methods = table.get("silence" if one else path)
        if methods is None or path == "silence":
            raise Refusal(f"path {request.path} was not found", 404, 404)
        if request.method not in methods:
            told = f"method {request.method} is not allowed, but [{','.join(methods)}] are"
            response = Refusal(told, 405, 405).response()
            response.headers["Allow"] = ",".join(methods)
            return response
        if one and not UUID.fullmatch(one):
            raise Refusal(f'silenceID in path must be of type uuid: "{one}"', 422, 601)
        return methods[request.method](request._replace(match={"id": one}))

    def held(self, now: float) -> list[Notified]:
        """Every alert that has not ended, by fingerprint."""
        found = {key: one for key, one in self.posted.items() if one.ends_at > now}
        for one in raised(self.story, now) if self.story is not None else ():
            if one.state == "firing":
                url = f"{self.source}/graph?g0.expr={quote(one.alert.expr, safe='')}&g0.tab=1"
                annotations = dict(sorted(one.alert.annotations.items()))
                made = Notified(one.labels, annotations, one.since + one.alert.hold, now + HELD, now, url)
                found[made.fingerprint] = made
        return [one for _, one in sorted(found.items())]

    def payload(self, one: Notified, now: float) -> dict[str, Any]:
        muting = sorted(s.id for s in self.silences.by_id.values() if s.mutes(one.labels, now))
        told = {
            "annotations": one.annotations,
            "endsAt": milliseconds(one.ends_at),
            "fingerprint": one.fingerprint,
            "receivers": [{"name": self.receiver}],
            "startsAt": milliseconds(one.starts_at),
            "status": {
                "inhibitedBy": [],
                "silencedBy": muting,
                "state": "suppressed" if muting else "active",
            },
            "updatedAt": milliseconds(one.updated_at),
            "generatorURL": one.generator,
            "labels": dict(sorted(one.labels.items())),
        }
        if not one.generator:
            del told["generatorURL"]
        return told

    def wanted(self, request: Request) -> list[dict[str, Any]]:
        now = self.clock()
        matchers = filters(request)
        receiver = request.arg("receiver")
        if receiver and not re.fullmatch(receiver, self.receiver):
            return []
        found = [self.payload(one, now) for one in self.held(now) if fits(one.labels, matchers)]
        for flag, state in (("active", "active"), ("silenced", "suppressed")):
            if request.arg(flag, "true") == "false":
                found = [told for told in found if told["status"]["state"] != state]
        return found

    def alerts(self, request: Request) -> Response:
        return reply(self.wanted(request))

    def groups(self, request: Request) -> Response:
        grouped: dict[str, list[dict[str, Any]]] = {}
        for told in self.wanted(request):
            grouped.setdefault(told["labels"].get("alertname", ""), []).append(told)
        return reply(
            [
                {
                    "alerts": alerts,
                    "labels": {"alertname": name} if name else {},
                    "receiver": {"name": self.receiver},
                }
                for name, alerts in sorted(grouped.items())
            ]
        )

    def post_alerts(self, request: Request) -> Response:
        now = self.clock()
        for raw in body_of(request, "alerts") or []:
            labels = {name: value for name, value in raw.get("labels", {}).items() if value}
            if not labels:
                raise Refusal("at least one label pair required")
            starts = read_time(raw["startsAt"]) if raw.get("startsAt") else now
            ends = read_time(raw["endsAt"]) if raw.get("endsAt") else now + RESOLVE_AFTER
            generator = raw.get("generatorURL", "")
            one = Notified(labels, raw.get("annotations", {}), starts, ends, now, generator)
            self.posted[one.fingerprint] = one
        return Response(200, {"Vary": "Origin"})

    def list_silences(self, request: Request) -> Response:
        now, matchers = self.clock(), filters(request)
        found = [s for s in self.silences.ordered(now) if all(m in s.matchers for m in matchers)]
        return reply([one.payload(now) for one in found])

    def silence(self, request: Request) -> Response:
        found = self.silences.by_id.get(request.match["id"])
        return Response(404, {"Vary": "Origin"}) if found is None else reply(found.payload(self.clock()))

    def post_silence(self, request: Request) -> Response:
        return reply({"silenceID": self.silences.post(body_of(request, "silence"), self.clock())})

    def delete_silence(self, request: Request) -> Response:
        self.silences.expire(request.match["id"], self.clock())
        return Response(200, {"Vary": "Origin"})

    def status(self, _: Request) -> Response:
        original = (
            f"route:\n  receiver: {self.receiver}\n  group_by:\n  - alertname\nreceivers:\n- name: {self.receiver}\n"
        )
        return reply(
            {
                "cluster": {"peers": [], "status": "disabled"},
                "config": {"original": original},
                "uptime": milliseconds(self.started_at),
                "versionInfo": VERSION,
            }
        )


def filters(request: Request) -> list[Matcher]:
    return [parse_filter(text) for text in request.query.get("filter", [])]


def body_of(request: Request, name: str) -> Any:
    media_type = request.header("content-type").split(";")[0].strip()
    if media_type != "application/json":
        raise Refusal(f'unsupported media type "{media_type}", only [application/json] are allowed', 415, 415)
    try:
        return request.json()
    except json.JSONDecodeError:
        raise Refusal(f'parsing {name} body from "" failed, because unexpected EOF', 400, 400) from None


def op2_is_at_it(now: float) -> dict[str, Any]:
    """The silence that stands at the story's beginning: 40 minutes of it are left."""
    return {
        "matchers": [{"name": "alertname", "value": "EtlLag", "isRegex": False, "isEqual": True}],
        "startsAt": milliseconds(now - 1200),
        "endsAt": milliseconds(now + 2400),
        "createdBy": "op2",
        "comment": "backfill runs, features are late until it ends",
    }
