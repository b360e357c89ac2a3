"""What stands before every operation: the version, tokens, limits; and pages.

Errors: https://github.com/travis-ci/travis-api/blob/master/lib/travis/api/v3.rb
Limits: https://github.com/travis-ci/travis-api/blob/master/lib/travis/api/attack.rb
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from quarterdeck_demo.messages import Handler, Request, Response, json_response, text_response
from quarterdeck_demo.travis.state import State, Token

PER_MINUTE, ANONYMOUS_PER_MINUTE = 2000, 500
POSTS, POSTS_S, BAN_S = 50, 30.0, 3600.0
DEFAULT_LIMIT, MOST = 25, 100


class Refused(Exception):
    """An operation's refusal, as an error answer."""

    def __init__(self, status: int, type: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.document = status, {"@type": "error", "error_type": type, "error_message": message, **more}


def not_found(what: str) -> Refused:
    """What is not there, or not to be seen."""
    return Refused(404, "not_found", f"{what} not found (or insufficient access)", resource_type=what)


def login_required() -> Refused:
    """A write by nobody."""
    return Refused(403, "login_required", "login required")


def insufficient(permission: str, what: str, document: Any) -> Refused:
    """A right that the token has not."""
    return Refused(
        403, "insufficient_access", f"operation requires {permission} access to {what}", resource_type=what,
        permission=permission, **{what: document},
    )  # fmt: skip


def gate(state: State, app: Handler) -> Handler:
    """Put the gate before an app."""

    async def handle(request: Request) -> Response:
        token = token_of(state, request)
        if token is None:
            return text_response("access denied", 403)
        limited = _limited(state, request, token)
        if limited is not None:
            return limited
        if request.header("travis-api-version") != "3" and not request.path.startswith("/v3/"):
            return json_response({"error": {"message": "this is version 2 of the API"}}, 404)
        try:
            return await app(request._replace(path=request.path.removeprefix("/v3")))
        except Refused as refused:
            return json_response(refused.document, refused.status)

    return handle


def token_of(state: State, request: Request) -> Token | None:
    """The caller; None for a token that nobody has."""
    header = request.header("authorization")
    if not header:
        return state.anonymous.setdefault("", Token("", state.story.viewer, False))
    scheme, _, value = header.partition(" ")
    return state.tokens.get(value) if scheme == "token" else None


def _limited(state: State, request: Request, token: Token) -> Response | None:
    now = state.clock()
    while token.recent and token.recent[0] <= now - 60:
        token.recent.popleft()
    if len(token.recent) >= (PER_MINUTE if token.value else ANONYMOUS_PER_MINUTE):
        return text_response("Retry later\n", 429, {"Retry-After": str(int(token.recent[0] + 60 - now) + 1)})
    token.recent.append(now)
    if now < token.banned_until:
        return text_response("Forbidden\n", 403)
    if request.method == "POST":
        token.posts = deque(at for at in token.posts if at > now - POSTS_S)
        token.posts.append(now)
        if len(token.posts) > POSTS:
            token.banned_until = now + BAN_S
            return text_response("Forbidden\n", 403)
    return None


def paged(request: Request, rows: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The page asked for by `limit` and `offset`, and its @pagination
    (https://developer.travis-ci.com/pagination).
    """
    limit, offset = _number(request, "limit", DEFAULT_LIMIT), _number(request, "offset", 0)
    limit, count = limit if 1 <= limit <= MOST else MOST, len(rows)
    last = max(0, (count - 1) // limit * limit)

    def at(place: int) -> dict[str, Any]:
        query = urlencode({"limit": limit, **({"offset": place} if place else {})})
        return {"@href": f"{request.path}?{query}", "offset": place, "limit": limit}

    info = {
        "limit": limit, "offset": offset, "count": count, "is_first": offset == 0, "is_last": offset + limit >= count,
        "next": at(offset + limit) if offset + limit < count else None,
        "prev": at(max(0, offset - limit)) if offset else None, "first": at(0), "last": at(last),
    }  # fmt: skip
    return list(rows[offset : offset + limit]), info


def _number(request: Request, name: str, default: int) -> int:
    given = request.arg(name)
    if not given:
        return default
    if not given.isascii() or not given.isdigit():
        raise Refused(400, "wrong_params", f"{name} must be an integer")
    return int(given)
