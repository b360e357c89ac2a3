"""What stands before every operation: tokens, scopes, limits, ETags, and paging by offset and by keyset.

https://docs.gitlab.com/api/rest/authentication/
https://docs.gitlab.com/api/rest/#pagination
https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from quarterdeck_demo.gitlab.state import State, Token
from quarterdeck_demo.messages import Handler, Request, Response, json_response, text_response

READS = frozenset({"GET", "HEAD"})
GRAPHQL = "/api/graphql"
WINDOW = 60.0


class Refused(Exception):
    """An operation's refusal: GitLab writes its status into the message."""

    def __init__(self, status: int, message: str | Mapping[str, Any]) -> None:
        super().__init__(str(message))
        self.status = status
        self.body = {"message": message} if isinstance(message, str) else dict(message)

    def response(self) -> Response:
        """The error answer."""
        return json_response(self.body, self.status)


def not_found(what: str = "") -> Refused:
    """What is not there, or not to be seen."""
    return Refused(404, f"404 {what} Not Found" if what else "404 Not found")


def token_of(state: State, request: Request) -> Token | None:
    """The caller's token by either header, None for the anonymous; raises `Refused` 401 for an unknown one."""
    scheme, _, bearer = request.header("authorization").partition(" ")
    value = request.header("private-token") or (bearer.strip() if scheme.lower() == "bearer" else "")
    if not value:
        if request.header("authorization"):
            raise Refused(401, "401 Unauthorized")
        return None
    if value not in state.tokens:
        raise Refused(401, "401 Unauthorized")
    return state.tokens[value]


def gate(state: State, app: Handler) -> Handler:
    """Put the gate before an app."""

    async def handle(request: Request) -> Response:
        now = state.clock()
        try:
            token = token_of(state, request)
            if token is None:
                raise not_found("Project") if request.path.startswith("/api/v4/projects/") else Refused(
                    401, "401 Unauthorized"
                )
            if now - token.window >= WINDOW:
                token.window, token.used = now - now % WINDOW, 0
            if token.used >= state.limit:
                return _limited(state, token, now)
            token.used += 1
            if request.method not in READS and request.path != GRAPHQL and "api" not in token.scopes:
                raise Refused(403, {
                    "error": "insufficient_scope", "scope": "api",
                    "error_description": "The request requires higher privileges than provided by the access token.",
                })  # fmt: skip
            response = await app(request)
        except Refused as refused:
            return refused.response()
        response.headers.update(_rates(state, token))
        return _conditional(request, response)

    return handle


def _rates(state: State, token: Token) -> dict[str, str]:
    reset = token.window + WINDOW
    return {
        "RateLimit-Limit": str(state.limit),
        "RateLimit-Name": "throttle_authenticated_api",
        "RateLimit-Observed": str(token.used),
        "RateLimit-Remaining": str(max(0, state.limit - token.used)),
        "RateLimit-Reset": str(int(reset)),
        "RateLimit-ResetTime": formatdate(reset, usegmt=True),
    }


def _limited(state: State, token: Token, now: float) -> Response:
    wait = max(1, int(token.window + WINDOW - now))
    return text_response("Retry later\n", 429, {**_rates(state, token), "Retry-After": str(wait)})


def _conditional(request: Request, response: Response) -> Response:
    """Weak ETags of the whole body, as Rack::ETag makes them; a 304 saves bytes and not the limit."""
    if request.method not in READS or response.status != 200 or not isinstance(response.body, bytes):
        return response
    tag = f'W/"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    headers = {**response.headers, "ETag": tag, "Cache-Control": "max-age=0, private, must-revalidate"}
    if tag in [item.strip() for item in request.header("if-none-match").split(",")]:
        return Response(304, {k: v for k, v in headers.items() if k.lower() != "content-type"})
    response.headers.update(headers)
    return response


def number(text: str, default: int) -> int:
    """A whole number of a query, or the default."""
    return int(text) if text.isascii() and text.isdigit() else default


def paged(request: Request, base: str, rows: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
    """The page asked for by `page` and `per_page` (20, at most 100), and its headers."""
    size = min(max(number(request.arg("per_page"), 20), 1), 100)
    page = max(number(request.arg("page"), 1), 1)
    last = max((len(rows) + size - 1) // size, 1)
    kept = {key: values for key, values in request.query.items() if key != "page"}
    links = []
    for relation, at, given in (("prev", page - 1, page > 1), ("next", page + 1, page < last), ("first", 1, True),
                                ("last", last, True)):  # fmt: skip
        if given:
            query = urlencode({**kept, "page": str(at)}, doseq=True)
            links.append(f'<{base}{request.path}?{query}>; rel="{relation}"')
    headers = {
        "Link": ", ".join(links), "X-Page": str(page), "X-Per-Page": str(size), "X-Total": str(len(rows)),
        "X-Total-Pages": str(last), "X-Next-Page": str(page + 1) if page < last else "",
        "X-Prev-Page": str(page - 1) if page > 1 else "",
    }  # fmt: skip
    return list(rows[(page - 1) * size : page * size]), headers


def keyset(request: Request, base: str, rows: Sequence[Mapping[str, Any]]) -> tuple[list[Any], dict[str, str]]:
    """The rows after `id_before`, newest first; only a next link, no totals: https://docs.gitlab.com/api/rest/"""
    size = min(max(number(request.arg("per_page"), 20), 1), 100)
    before = number(request.arg("id_before"), 0)
    left = [row for row in rows if not before or row["id"] < before]
    page = left[:size]
    if len(left) <= size:
        return page, {}
    kept = {key: values for key, values in request.query.items() if key != "id_before"}
    query = urlencode({**kept, "id_before": str(page[-1]["id"])}, doseq=True)
    return page, {"Link": f'<{base}{request.path}?{query}>; rel="next"'}


@lru_cache(maxsize=8192)
def iso(at: float | None) -> str | None:
    """Epoch seconds as GitLab writes a time."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
