"""Silences: what a client may post, how they live, and what they match.

Source: https://github.com/prometheus/alertmanager/blob/v0.25.0/api/v2/openapi.yaml and silence/silence.go there.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

from quarterdeck_demo.gojson import go_json
from quarterdeck_demo.messages import Response
from quarterdeck_demo.prometheus.syntax import Matcher, MatchOp
from quarterdeck_demo.prometheus.values import fits

__all__ = ["Refusal", "Silence", "Silences", "milliseconds", "parse_filter", "read_time", "reply"]

HEAD = {"Content-Type": "application/json", "Vary": "Origin"}
OPERATORS = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}


class Refusal(Exception):
    """A refused request: a plain message, or one with go-openapi's code."""

    def __init__(self, message: str, status: int = 400, code: int = 0) -> None:
        super().__init__(message)
        self.message, self.status, self.code = message, status, code

    def response(self) -> Response:
        if self.code:
            body = go_json({"code": self.code, "message": self.message})
            return Response(self.status, dict(HEAD), body.encode())
        return reply(self.message, self.status)


def reply(obj: Any, status: int = 200) -> Response:
    return Response(status, dict(HEAD), (go_json(obj) + "\n").encode())


def milliseconds(at: float) -> str:
    """Epoch seconds as strfmt.DateTime writes them."""
    moment = datetime.fromtimestamp(round(at, 3), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def read_time(text: str) -> float:
    """Epoch seconds of an RFC 3339 time; ValueError otherwise."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; times are epoch seconds."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: float
    ends_at: float
    updated_at: float
    created_by: str
    comment: str

    def state(self, now: float) -> str:
        if now >= self.ends_at:
            return "expired"
        return "active" if now >= self.starts_at else "pending"

    def mutes(self, labels: dict[str, str], now: float) -> bool:
        return self.state(now) == "active" and fits(labels, self.matchers)

    def payload(self, now: float) -> dict[str, Any]:
        matchers = [
            {"isEqual": m.op in ("=", "=~"), "isRegex": "~" in m.op, "name": m.name, "value": m.value}
            for m in self.matchers
        ]
        return {
            "id": self.id,
            "status": {"state": self.state(now)},
            "updatedAt": milliseconds(self.updated_at),
            "comment": self.comment,
            "createdBy": self.created_by,
            "endsAt": milliseconds(self.ends_at),
            "matchers": matchers,
            "startsAt": milliseconds(self.starts_at),
        }


class Silences:
    """The silences of one Alertmanager."""

    def __init__(self) -> None:
        self.by_id: dict[str, Silence] = {}

    def ordered(self, now: float) -> list[Silence]:
        """Active by end, then pending by start, then expired with the newest end first."""

        def key(one: Silence) -> tuple[int, float]:
            state = one.state(now)
            if state == "active":
                return 0, one.ends_at
            return (1, one.starts_at) if state == "pending" else (2, -one.ends_at)

        return sorted(self.by_id.values(), key=key)

    def post(self, body: Any, now: float) -> str:
        """Make or change a silence and return its id; a change of what it matches makes another one."""
        wanted = read_silence(body, now)
        old = self.by_id.get(wanted.id)
        if wanted.id and old is None:
            raise Refusal("silence not found", 404)
        if old is not None and changeable(old, wanted, now):
            starts = old.starts_at if old.state(now) == "active" else wanted.starts_at
            self.by_id[old.id] = replace(wanted, starts_at=starts, updated_at=now)
            return old.id
        if old is not None and old.state(now) != "expired":
            self.expire(old.id, now)
        made = replace(wanted, id=str(uuid.uuid4()), starts_at=max(wanted.starts_at, now), updated_at=now)
        self.by_id[made.id] = made
        return made.id

    def expire(self, key: str, now: float) -> None:
        """End a silence; one that has ended is left alone. Refusal when there is none such."""
        old = self.by_id.get(key)
        if old is None:
            raise Refusal("silence not found", 500)
        if old.state(now) != "expired":
            self.by_id[key] = replace(old, starts_at=min(old.starts_at, now), ends_at=now, updated_at=now)


def changeable(old: Silence, new: Silence, now: float) -> bool:
    if old.matchers != new.matchers:
        return False
    state = old.state(now)
    if state == "active":
        return int(old.starts_at) == int(new.starts_at) and new.ends_at >= now
    return state == "pending" and new.starts_at >= now


def read_silence(body: Any, now: float) -> Silence:
    if body is None:
        raise Refusal("silence in body is required", 422, 602)
    if not isinstance(body, dict):
        raise Refusal('parsing silence body from "" failed, because json: cannot unmarshal', 400, 400)
    for name in ("comment", "createdBy", "endsAt", "matchers", "startsAt"):
        if body.get(name) is None:
            raise Refusal(f"{name} in body is required", 422, 602)
    if not isinstance(body["matchers"], list):
        kind = type(body["matchers"]).__name__.replace("str", "string").replace("dict", "object")
        problem = f"json: cannot unmarshal {kind} into Go struct field Silence.matchers of type models.Matchers"
        raise Refusal(f'parsing silence body from "" failed, because {problem}', 400, 400)
    if not body["matchers"]:
        raise Refusal("matchers in body should have at least 1 items", 422, 612)
    matchers = tuple(read_matcher(number, raw) for number, raw in enumerate(body["matchers"]))
    try:
        starts, ends = read_time(body["startsAt"]), read_time(body["endsAt"])
    except ValueError:
        raise Refusal('parsing silence body from "" failed, because parsing time', 400, 400) from None
    if ends <= starts:
        raise Refusal("Failed to create silence: start time must be before end time")
    if ends < now:
        raise Refusal("Failed to create silence: end time can't be in the past")
    if all(matcher.matches("") for matcher in matchers):
        raise Refusal("silence invalid: at least one matcher must not match the empty string")
    return Silence(str(body.get("id") or ""), matchers, starts, ends, now, str(body["createdBy"]), str(body["comment"]))


def read_matcher(number: int, raw: Any) -> Matcher:
    for name in ("isRegex", "name", "value"):
        if not isinstance(raw, dict) or raw.get(name) is None:
            raise Refusal(f"matchers.{number}.{name} in body is required", 422, 602)
    op = cast(MatchOp, OPERATORS[raw.get("isEqual") is not False, bool(raw["isRegex"])])
    if raw["isRegex"]:
        try:
            re.compile(raw["value"])
        except re.error as error:
            told = f'invalid regular expression "{raw["value"]}": error parsing regexp: {error.msg}'
            raise Refusal(f"silence invalid: invalid label matcher {number}: {told}: `{raw['value']}`") from None
    return Matcher(str(raw["name"]), op, str(raw["value"]))


def parse_filter(text: str) -> Matcher:
    """A `filter` parameter such as `alertname="X"` or `env!~"p.*"`; Refusal on any other."""
    found = re.fullmatch(r'\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^"]*?)\s*', text)
    if found is None:
        raise Refusal(f"bad matcher format: {text}")
    value = found[3]
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return Matcher(found[1], cast(MatchOp, found[2]), value)
