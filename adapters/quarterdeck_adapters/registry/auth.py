"""How a registry wants to be asked: nothing, basic, or a token for each scope from a token server.

https://distribution.github.io/distribution/spec/auth/token/ and /oauth/ . Nothing is sent before the registry
challenges, and then only to itself and to a token server that is https, on the loopback, or on the same host.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.credential import KEPT_S, Credential, Login
from quarterdeck_adapters.http import HttpClient, is_loopback
from quarterdeck_adapters.registry import dockerconfig
from quarterdeck_lifecycle.errors import AuthFailed, Conflict, Malformed, NotFound, Unavailable

MOST_TOKENS = 256
LEAST_S, MARGIN_S = 60.0, 10.0
_SCHEME = re.compile(r"\s*([A-Za-z]+)\s+")
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


class Challenge(msgspec.Struct, frozen=True):
    """What a 401 asks for (RFC 9110, 11.6.1)."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def read_challenge(header: str) -> Challenge:
    """The challenge of a WWW-Authenticate header; an unknown one has another scheme than `bearer` and `basic`."""
    found = _SCHEME.match(header + " ")
    if not found:
        return Challenge("")
    values = {name.lower(): quoted or bare for name, quoted, bare in _PARAMETER.findall(header[found.end() :])}
    return Challenge(
        found[1].lower(), values.get("realm", ""), values.get("service", ""), values.get("scope", "")
    )  # fmt: skip


class Logins:
    """The login of one registry: the config's, else Docker's own for its host; kept for a minute."""

    def __init__(self, config: SourceConfig, context: Context, host: str) -> None:
        self._config = config
        self._context = context
        self._host = host
        self._configured = Credential(config, context)
        self._kept: tuple[float, Login | None] | None = None

    async def login(self) -> Login | None:
        """Who signs in; None when nobody does. Raises AuthFailed, Timeout."""
        if not self._config.credentials:
            return None
        if self._configured.configured:
            return await self._configured.login()
        if self._kept is None or time.monotonic() - self._kept[0] >= KEPT_S:
            found = await dockerconfig.login(self._host, self._context.env, self._config.name)
            self._kept = (time.monotonic(), found)
        return self._kept[1]

    def forget(self) -> None:
        """Look anew at the next use: it was refused."""
        self._kept = None
        self._configured.forget()


class Authorizer:
    """Keeps what the registry was found to want, and tokens until they expire."""

    def __init__(self, config: SourceConfig, context: Context, url: str, deadline: float) -> None:
        self.logins = Logins(config, context, urlsplit(url).netloc)
        self._config = config
        self._url = url
        self._deadline = deadline
        self._standing = False
        self._tokens: dict[str, tuple[float, str]] = {}
        self.lock = asyncio.Lock()

    async def known(self, scope: str) -> str:
        """The Authorization header to begin with; an empty string before the registry has asked for one."""
        if self._standing:
            login = await self.logins.login()
            return login.header if login else ""
        until, token = self._tokens.get(scope, (0.0, ""))
        return f"Bearer {token}" if time.monotonic() < until else ""

    async def answer(self, challenge: Challenge, scope: str) -> str:
        """The header that answers a challenge; an empty string when there is nothing to answer it with.

        Raises AuthFailed, Malformed, Timeout, Unavailable.
        """
        self._tokens.pop(scope, None)
        login = await self.logins.login()
        if challenge.scheme == "basic":
            self._standing = login is not None and login.username != dockerconfig.IDENTITY
            return login.header if login is not None and self._standing else ""
        if challenge.scheme != "bearer":
            return ""
        if login is not None and not login.username:
            self._standing = True
            return login.header
        return f"Bearer {await self._token(challenge, login, challenge.scope or scope, scope)}"

    def refused(self, scope: str) -> None:
        """What was sent was refused: look for it anew."""
        self._standing = False
        self._tokens.pop(scope, None)
        self.logins.forget()

    def _checked(self, realm: str) -> str:
        """The token server's address. Raises AuthFailed for one that must not get a credential."""
        here = urlsplit(self._url)
        try:
            there = urlsplit(realm)
            host, _ = there.hostname or "", there.port
        except ValueError:
            there, host = urlsplit(""), ""
        fits = there.scheme == "https" or is_loopback(host) or host == here.hostname
        if there.scheme not in ("http", "https") or not host or not fits:
            raise AuthFailed(
                "the login was not sent", source=self._config.name,
                why=f"the registry names {realm or 'no'} token server, which is neither https nor this host",
                mend="check the registry's auth.token.realm",
            )  # fmt: skip
        return realm

    def _client(self, realm: str, headers: Callable[[], Awaitable[Mapping[str, str]]]) -> HttpClient:
        there, here = urlsplit(realm), urlsplit(self._url)
        same = there.hostname == here.hostname
        return HttpClient(
            self._config.name, f"{there.scheme}://{there.netloc}",
            headers=headers,
            reads=[("POST", re.escape(there.path or "/"))],
            deadline=self._deadline,
            plain_http=self._config.plain_http and same,
            ca_file=self._config.ca_file or "",
            insecure=self._config.insecure and same,
        )  # fmt: skip

    async def _token(self, challenge: Challenge, login: Login | None, scope: str, key: str) -> str:
        realm = self._checked(challenge.realm)
        scopes = scope.split(" ") if scope else []
        exchanged = login is not None and login.username == dockerconfig.IDENTITY

        async def headers() -> Mapping[str, str]:
            return {"Authorization": login.header} if login is not None and not exchanged else {}

        client = self._client(realm, headers)
        try:
            if exchanged and login is not None:
                form = {"grant_type": "refresh_token", "refresh_token": login.secret, "client_id": "quarterdeck",
                        "service": challenge.service, "scope": scope}  # fmt: skip
                answer = await client.request("POST", realm, form=form)
            else:
                params: dict[str, Any] = {"service": challenge.service, "scope": scopes}
                answer = await client.get(realm, params={name: value for name, value in params.items() if value})
            body = await answer.json()
        except (AuthFailed, Conflict, NotFound) as error:
            self.logins.forget()
            raise AuthFailed(
                "the token server refused the login" if login else "the registry wants a login",
                source=self._config.name, why=error.why, mend=self.mend,
            ) from error  # fmt: skip
        except Malformed:
            raise
        except Unavailable as error:
            what = f"the token server {urlsplit(realm).netloc} does not answer"
            raise type(error)(what, source=self._config.name, why=error.why, mend=error.mend) from error
        finally:
            await client.close()
        return self._keep(body, key)

    @property
    def mend(self) -> str:
        """What an operator does about a login that is missing or refused."""
        return f"docker login {urlsplit(self._url).netloc}, or name username and password under this source"

    def _keep(self, body: Any, key: str) -> str:
        found = (body.get("token") or body.get("access_token")) if isinstance(body, dict) else None
        if not isinstance(found, str) or not found.isascii() or not found.isprintable():
            raise Malformed("the token server sent no token", source=self._config.name)
        lifetime = body.get("expires_in")
        seconds = float(lifetime) if isinstance(lifetime, int | float) and lifetime > 0 else LEAST_S
        self._tokens[key] = (time.monotonic() + max(min(seconds, 86_400.0) - MARGIN_S, 1.0), found)
        while len(self._tokens) > MOST_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        return found
