"""Basic and token authentication of a registry.

Source: https://distribution.github.io/distribution/spec/auth/token/ ; the 401 answers are those of docker-registry
2.8.2.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs

from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.oci import rfc3339
from quarterdeck_demo.registry.errors import RegistryError, reply

__all__ = ["Access", "Auth", "BasicAuth", "TokenAuth"]


class Access(NamedTuple):
    """One thing a request wants to do."""

    kind: str
    name: str
    action: str

    @property
    def detail(self) -> dict[str, str]:
        return {"Type": self.kind, "Class": "", "Name": self.name, "Action": self.action}


class Auth(Protocol):
    """How a registry tells who may do what."""

    def check(self, request: Request, wanted: list[Access]) -> None:
        """RegistryError UNAUTHORIZED, with its challenge, unless the request may do all of it."""


def basic_user(request: Request, users: Mapping[str, str]) -> str | None:
    """The user of a Basic Authorization header whose password fits."""
    scheme, _, value = request.header("authorization").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name if name in users and secrets.compare_digest(users[name], password) else None


def refused(wanted: list[Access], challenge: str) -> RegistryError:
    error = RegistryError("UNAUTHORIZED", [one.detail for one in wanted] or None)
    error.headers["WWW-Authenticate"] = challenge
    return error


@dataclass(slots=True)
class BasicAuth:
    """`auth: htpasswd` of docker-registry: every user may do everything."""

    users: Mapping[str, str]
    realm: str = "Registry Realm"

    def check(self, request: Request, wanted: list[Access]) -> None:
        if basic_user(request, self.users) is None:
            raise refused(wanted, f'Basic realm="{self.realm}"')


@dataclass(slots=True)
class TokenAuth:
    """`auth: token`: a token endpoint at /token grants users everything, the anonymous `pull` if `public`."""

    users: Mapping[str, str]
    clock: Callable[[], float]
    service: str = "practice-registry"
    public: bool = False
    lifetime: int = 300
    tokens: dict[str, tuple[float, frozenset[Access]]] = field(default_factory=dict)

    def check(self, request: Request, wanted: list[Access]) -> None:
        scheme, _, token = request.header("authorization").partition(" ")
        problem = ""
        if scheme.lower() == "bearer":
            expires, granted = self.tokens.get(token, (0.0, frozenset()))
            if self.clock() < expires:
                if set(wanted) <= granted:
                    return
                problem = "insufficient_scope"
            else:
                problem = "invalid_token"
        challenge = f'Bearer realm="http://{request.header("host")}/token",service="{self.service}"'
        if scopes := scope_of(wanted):
            challenge += f',scope="{scopes}"'
        if problem:
            challenge += f',error="{problem}"'
        raise refused(wanted, challenge)

    async def handle(self, request: Request) -> Response:
        """The token endpoint, by GET with Basic or by an OAuth2 POST with a password."""
        form = parse_qs(request.body.decode("utf-8", "replace")) if request.method == "POST" else request.query
        scopes = [scope for text in form.get("scope", []) for scope in text.split()]
        user = basic_user(request, self.users)
        name, password = form.get("username", [""])[0], form.get("password", [""])[0]
        if name and self.users.get(name) == password:
            user = name
        attempted = bool(request.header("authorization")) or request.method == "POST"
        if user is None and (attempted or not self.public):
            raise refused([], f'Basic realm="{self.service}"')
        granted = {access for scope in scopes for access in parsed(scope) if user or access.action == "pull"}
        token = secrets.token_urlsafe(24)
        now = self.clock()
        self.tokens[token] = (now + self.lifetime, frozenset(granted))
        issued = rfc3339(now)
        return reply({"token": token, "access_token": token, "expires_in": self.lifetime, "issued_at": issued})


def scope_of(wanted: list[Access]) -> str:
    grouped: dict[tuple[str, str], list[str]] = {}
    for one in wanted:
        grouped.setdefault((one.kind, one.name), []).append(one.action)
    return " ".join(f"{kind}:{name}:{','.join(actions)}" for (kind, name), actions in grouped.items())


def parsed(scope: str) -> list[Access]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return [Access(kind, name, action) for action in actions.split(",") if action]
