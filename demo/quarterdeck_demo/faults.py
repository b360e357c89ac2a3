"""Faults a server can be told to have: what goes wrong, on which requests, how often."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec

from quarterdeck_demo import mangle
from quarterdeck_demo.hostile import HOSTILE, in_turn
from quarterdeck_demo.messages import Drop, Handler, Request, Response, Silence, json_response


class Struck(NamedTuple):
    """What a fault works on; `memory` lasts as long as its rule."""

    request: Request
    response: Response
    memory: dict[str, Any]


class Fault(msgspec.Struct, kw_only=True, tag_field="fault"):
    """Base of all faults. One that `replaces` the answer keeps the request from taking effect."""

    effect: bool = False
    """True: the request takes effect first and only its answer is lost or spoiled."""

    replaces = False

    async def apply(self, struck: Struck) -> Response:
        """The spoiled answer."""
        raise NotImplementedError


class Replacing(Fault):
    """A fault that makes up its own answer."""

    replaces = True

    def made(self) -> Response:
        """The answer."""
        raise NotImplementedError


class Status(Replacing, tag="status"):
    """Answer with a status; `retry_after` in seconds or as an HTTP date; `body` is the answer's JSON."""

    code: int
    retry_after: int | str | None = None
    body: Any = msgspec.field(default_factory=lambda: {"message": "injected fault"})
    headers: dict[str, str] = msgspec.field(default_factory=dict)

    def made(self) -> Response:
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return json_response(self.body, self.code, headers)


class BlackHole(Replacing, tag="black-hole"):
    """Accept and never answer."""

    def made(self) -> Response:
        return Silence()


class Reset(Replacing, tag="reset"):
    """Reset the connection instead of answering."""

    def made(self) -> Response:
        return Drop()


class Html(Replacing, tag="html"):
    """A proxy's page where JSON is expected."""

    code: int = 200

    def made(self) -> Response:
        page = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to continue</body></html>"
        return Response(self.code, {"Content-Type": "text/html; charset=utf-8"}, page)


class Huge(Replacing, tag="huge"):
    """A JSON document of `size` bytes: one string in an array."""

    size: int = 100_000_000

    def made(self) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b'["'
            left = self.size - 4
            while left > 0:
                yield b"A" * min(left, 65_536)
                left -= 65_536
            yield b'"]'

        return Response(200, {"Content-Type": "application/json"}, body())


class Drip(Fault, tag="drip"):
    """Send the answer slowly: `chunk` bytes every `interval` seconds."""

    chunk: int = 1
    interval: float = 0.1

    async def apply(self, struck: Struck) -> Response:
        return mangle.drip(struck.response, self.chunk, self.interval)


class Truncate(Fault, tag="truncate"):
    """Keep `fraction` of the body; `framed` ends it properly (broken JSON), else the connection drops."""

    fraction: float = 0.5
    framed: bool = True

    async def apply(self, struck: Struck) -> Response:
        return mangle.truncate(await mangle.whole(struck.response), self.fraction, framed=self.framed)


class DuplicatePages(Fault, tag="duplicate-pages"):
    """Each page begins with the rows of the one before it on the same path, as when rows move."""

    async def apply(self, struck: Struck) -> Response:
        return mangle.overlap(await mangle.whole(struck.response), struck.request.path, struck.memory)


class TokenLoop(Fault, tag="token-loop"):
    """The next page is always the same one: the token or `Link` first seen, for ever."""

    keys: tuple[str, ...] = ("next_page_token", "nextToken", "NextToken", "continue")

    async def apply(self, struck: Struck) -> Response:
        return mangle.loop(await mangle.whole(struck.response), struck.request, self.keys, struck.memory)


class ClockSkew(Fault, tag="clock-skew"):
    """The `Date` header is `seconds` off."""

    seconds: float

    async def apply(self, struck: Struck) -> Response:
        return mangle.skew(struck.response, self.seconds)


class Hostile(Fault, tag="hostile"):
    """Hostile strings before each string value of JSON (or JSON lines), or as lines of plain text."""

    strings: tuple[str, ...] = HOSTILE
    everything: bool = False
    keep: tuple[str, ...] = ()

    async def apply(self, struck: Struck) -> Response:
        change = struck.memory.setdefault("change", in_turn(self.strings))
        return mangle.hostile(struck.response, change, self.strings, everything=self.everything, keep=self.keep)


AnyFault = Status | BlackHole | Reset | Html | Huge | Drip | Truncate | DuplicatePages | TokenLoop | ClockSkew | Hostile


class Rule(msgspec.Struct, kw_only=True):
    """A fault for requests whose method and path (regexes, searched) fit, `count` times (None: always)."""

    fault: AnyFault
    method: str = ""
    path: str = ""
    count: int | None = None
    hits: int = 0
    memory: dict[str, Any] = msgspec.field(default_factory=dict)

    def fits(self, request: Request) -> bool:
        """Whether this rule is for the request and not used up."""
        if self.count is not None and self.hits >= self.count:
            return False
        return bool(re.search(self.method, request.method) and re.search(self.path, request.path))


class Faults:
    """The rules of one server, in order: all that fit apply, the first replacing one is the last."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def add(self, fault: AnyFault, *, method: str = "", path: str = "", count: int | None = None) -> Rule:
        """Add a rule and return it; its `hits` tells how often it struck."""
        rule = Rule(fault=fault, method=method, path=path, count=count)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """Be well again."""
        self.rules.clear()

    async def answer(self, app: Handler, request: Request) -> Response:
        """The answer of `app`, spoiled by the rules that fit."""
        struck: list[Rule] = []
        for rule in self.rules:
            if rule.fits(request):
                rule.hits += 1
                struck.append(rule)
                if rule.fault.replaces:
                    break
        ends = struck and struck[-1].fault.replaces
        response = Response() if ends and not struck[-1].fault.effect else await app(request)
        for rule in reversed(struck):
            fault = rule.fault
            if isinstance(fault, Replacing):
                response = fault.made()
            else:
                response = await fault.apply(Struck(request, response, rule.memory))
        return response

    async def control(self, request: Request) -> Response:
        """GET lists the rules, POST adds one (`{"fault": {"fault": "reset"}}`), DELETE clears them."""
        if request.method == "DELETE":
            self.clear()
        elif request.method == "POST":
            try:
                self.rules.append(msgspec.convert(request.json(), Rule))
            except (msgspec.ValidationError, ValueError) as error:
                return json_response({"message": str(error)}, 422)
        rules = [{"fault": msgspec.to_builtins(rule.fault), "hits": rule.hits} for rule in self.rules]
        return json_response({"rules": rules})
