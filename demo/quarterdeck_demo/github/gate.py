"""What stands before every operation: tokens, limits, versions, ETags, and paging by the Link header.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api?apiVersion=2022-11-28
https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from quarterdeck_demo.github.state import HOUR, State, Token
from quarterdeck_demo.messages import Handler, Request, Response, json_response

DOCS = "https://docs.github.com/rest"
VERSION = "2022-11-28"
WRITES_PER_MINUTE = 80
MEDIA = "github.v3; format=json"


class Refused(Exception):
    """An operation's refusal, as an error answer."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.headers, self.more = status, message, dict(headers or {}), more

    def response(self) -> Response:
        """The error answer, as `basic-error` has it."""
        document = {"message": self.message, **self.more, "documentation_url": DOCS}
        if self.status < 405:  # basic-error has a status; the refusals of a merge and validation-error have none
            document["status"] = str(self.status)
        return json_response(document, self.status, self.headers)


def not_found() -> Refused:
    """What is not there, or not to be seen."""
    return Refused(404, "Not Found")


def token_of(state: State, request: Request) -> Token:
    """The caller's token; raises `Refused` 401 for one that is unknown."""
    header = request.header("authorization")
    if not header:
        return state.anonymous
    scheme, _, value = header.partition(" ")
    token = state.tokens.get(value.strip())
    if scheme.lower() not in ("bearer", "token") or token is None:
        raise Refused(401, "Bad credentials")
    return token


def gate(state: State, app: Handler) -> Handler:
    """Put the gate before an app."""

    async def handle(request: Request) -> Response:
        try:
            token = token_of(state, request)
        except Refused as refused:
            return _stamped(refused.response(), request)
        now = state.clock()
        if now >= token.reset_at:
            token.used = token.used if token.reset_at == 0.0 else 0
            token.reset_at = now + HOUR
        free = request.path == "/rate_limit" or request.path.startswith("/_logs/")
        try:
            _admit(request, token, now, free=free)
            response = await app(request)
        except Refused as refused:
            response = refused.response()
        response = _conditional(request, response, token)
        charged = not free and not (response.status == 304 and token.value)
        token.used = min(token.used + charged, token.limit)
        response.headers.update(rate_headers(token))
        return _stamped(response, request)

    return handle


def _admit(request: Request, token: Token, now: float, *, free: bool) -> None:
    if not request.header("user-agent"):
        raise Refused(403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent")
    version = request.header("x-github-api-version", VERSION)
    if version != VERSION:
        raise Refused(400, f"Invalid API version: {version}. Supported versions: {VERSION}")
    if token.used >= token.limit and not free:
        who = "user ID 4101" if token.value else "127.0.0.1"
        raise Refused(403, f"API rate limit exceeded for {who}.", rate_headers(token))
    if request.method in ("GET", "HEAD"):
        return
    if not token.value:
        raise Refused(401, "Requires authentication")
    while token.recent_writes and token.recent_writes[0] <= now - 60:
        token.recent_writes.popleft()
    if len(token.recent_writes) >= WRITES_PER_MINUTE:
        wait = int(token.recent_writes[0] + 60 - now) + 1
        text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        raise Refused(403, text, {"Retry-After": str(wait)})
    token.recent_writes.append(now)
    if not token.writes:
        needed = {"X-Accepted-GitHub-Permissions": "actions=write"}
        raise Refused(403, "Resource not accessible by personal access token", needed)


def rate_headers(token: Token) -> dict[str, str]:
    """The X-RateLimit headers of a token."""
    return {
        "X-RateLimit-Limit": str(token.limit),
        "X-RateLimit-Remaining": str(token.limit - token.used),
        "X-RateLimit-Reset": str(int(token.reset_at)),
        "X-RateLimit-Used": str(token.used),
        "X-RateLimit-Resource": "core",
    }


def _conditional(request: Request, response: Response, token: Token) -> Response:
    if request.method not in ("GET", "HEAD") or response.status != 200 or not isinstance(response.body, bytes):
        return response
    # The tag differs from token to token, as the forge's does (`Vary: Authorization`).
    raw = hashlib.sha256(token.value.encode() + response.body).hexdigest()
    tag = f'W/"{raw}"'
    headers = {"ETag": tag, "Cache-Control": "private, max-age=60, s-maxage=60",
               "Vary": "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding"}  # fmt: skip
    known = [item.strip() for item in request.header("if-none-match").split(",")]
    if tag in known or f'"{raw}"' in known:
        return Response(304, headers)
    response.headers.update(headers)
    return response


def _stamped(response: Response, request: Request) -> Response:
    response.headers["X-GitHub-Api-Version-Selected"] = VERSION
    response.headers["X-GitHub-Media-Type"] = MEDIA
    response.headers["X-GitHub-Request-Id"] = hashlib.sha256(repr(request[:3]).encode()).hexdigest()[:20].upper()
    return response


def paged(request: Request, base: str, rows: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
    """The page asked for by `page` and `per_page` (30, at most 100), and its Link header."""
    size = min(max(_number(request.arg("per_page"), 30), 1), 100)
    page = max(_number(request.arg("page"), 1), 1)
    last = max((len(rows) + size - 1) // size, 1)
    links = []
    for relation, number, shown in (
        ("prev", page - 1, page > 1),
        ("next", page + 1, page < last),
        ("last", last, page < last),
        ("first", 1, page > 1),
    ):
        if shown:
            query = {**{key: values[0] for key, values in request.query.items()}, "page": str(number)}
            links.append(f'<{base}{request.path}?{urlencode(query)}>; rel="{relation}"')
    headers = {"Link": ", ".join(links)} if links else {}
    return list(rows[(page - 1) * size : page * size]), headers


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() else default
