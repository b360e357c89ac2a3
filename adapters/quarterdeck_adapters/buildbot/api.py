"""Buildbot's REST API, version 2: reads in pages of rows, control by JSON-RPC, and a login that is a cookie.

https://docs.buildbot.net/latest/developer/rest.html
https://docs.buildbot.net/latest/manual/configuration/www.html#authentication-plugins
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.ci import faults
from quarterdeck_adapters.ci.api import ANY, JsonApi
from quarterdeck_adapters.ci.values import Json, section, shown, text
from quarterdeck_adapters.http import OFF_LOOP, Answer, HttpClient
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    Timeout,
    Unavailable,
    Unsupported,
)

PORT = 8010
LOGIN_S = 6 * 3600.0
"""Seconds after which we sign in anew; the server's cookie is good for a week."""
LOGIN = "auth/login"


def root(url: str) -> str:
    """The base of a Buildbot from what people paste: a page of its web, or the API's own address."""
    return re.sub(r"/api(/v2.*)?$", "", url.partition("#")[0].rstrip("/"))


def words(answer: Answer) -> str:
    """Why Buildbot refused: text, an error of JSON-RPC, or what is wrong with each field of a form."""
    try:
        body = msgspec.json.decode(answer.body[:OFF_LOOP])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    error = body.get("error") if isinstance(body, Mapping) else None
    said = error.get("message") if isinstance(error, Mapping) else error
    if isinstance(said, Mapping):
        return "; ".join(f"{shown(field)}: {shown(why)}" for field, why in said.items())
    return "" if answer.status == 404 else shown(said, 500)


class Api(JsonApi):
    """Calls below /api/v2. All raise QuarterdeckError. `me` is who we are signed in as, by what is known now."""

    system = "Buildbot"
    # Since 4.2 the answers are written from a thread beside the server's loop (buildbot#8224), and now and then one is
    # garbled or short. Neither packed nor on a connection that stays, that is noticed at once.
    accept = {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}

    def __init__(self, config: SourceConfig, context: Context) -> None:
        super().__init__(config, context, root(config.url or ""), headers=self._headers)
        # Streams hold their connections for hours: they must not take those of the calls.
        self.streams = HttpClient(
            config.name, self.base, headers=self._headers, plain_http=config.plain_http,
            ca_file=config.ca_file or "", insecure=config.insecure, deadline=self.http.deadline,
        )  # fmt: skip
        self.by_cookie = bool(config.username)
        self.me = ""
        self._signing_in = False
        self._signed_at: float | None = None
        self._lock = asyncio.Lock()

    async def _headers(self) -> Mapping[str, str]:
        """A user's password goes to the login alone; a token is of a proxy before the server, and goes everywhere."""
        return await self.credential.headers() if self._signing_in or not self.by_cookie else {}

    async def sign_in(self) -> None:
        """Get the cookie, where a user is configured. Raises AuthFailed, Unsupported."""
        if not (self.by_cookie and self.credential.configured):
            return
        async with self._lock:
            if self._signed_at is not None and self.now() - self._signed_at < LOGIN_S:
                return
            self._signing_in = True
            try:
                answer = await self.http.request("GET", LOGIN, ok=ANY, follow=False)
            finally:
                self._signing_in = False
            await self._judge_login(answer)
            self._signed_at = self.now()

    async def _judge_login(self, answer: Answer) -> None:
        if answer.status in (401, 403):
            self.credential.forget()
            raise AuthFailed(
                "signing in", source=self.source, why=f"Buildbot refused the password ({answer.status})",
                mend="correct username: and password: of this source",
            )  # fmt: skip
        if answer.status != 302:
            raise Unsupported(
                "signing in", source=self.source, why=f"this Buildbot takes no user and password ({answer.status})",
                mend="leave username: and password: of this source out",
            )  # fmt: skip
        login = await self.credential.login()
        known = await self._whoami()
        if known is not None and not known:
            raise AuthFailed(
                "signing in", source=self.source, why="Buildbot goes on to take us for anonymous",
                mend="its web wants another kind of login, which the deck cannot do: leave username: out to only read",
            )  # fmt: skip
        self.me = known or (login.username if login else "")

    async def _whoami(self) -> str | None:
        try:
            answer = await self.http.get("config", headers=self.accept)
            user = section(await answer.json(), "user")
        except QuarterdeckError:
            return None
        return "" if user.get("anonymous") is True else text(user.get("username")) or text(user.get("email"))

    def translated(self, answer: Answer, what: str) -> QuarterdeckError:
        """The typed error of an answer of 400 and above."""
        why = words(answer)
        if answer.status == 403:
            self._signed_at = None
            return Forbidden(
                what, source=self.source, why=why or "403",
                mend="give this source username: and password:" if not self.me else f"ask for the role for {self.me}",
            )  # fmt: skip
        if answer.status == 501:
            return Unsupported(what, source=self.source, why=why or "this Buildbot does not know it")
        if why:
            answer = msgspec.structs.replace(answer, body=msgspec.json.encode({"message": why}))
        return faults.translated(answer, what, self.now(), self.system)

    async def answer(
        self, path: str, params: Mapping[str, Any] | None = None, *, etag: bool = False, ok: Iterable[int] = ()
    ) -> Answer:
        await self.sign_in()
        return await super().answer(path, params, etag=etag, ok=ok)

    async def get(self, path: str, params: Mapping[str, Any] | None = None, *, etag: bool = False) -> Any:
        """The decoded body of a GET; one that came garbled is asked for once more."""
        try:
            return await super().get(path, params, etag=etag)
        except Unavailable as error:
            if isinstance(error, Timeout):
                raise
            return await super().get(path, params, etag=etag)

    async def rows(self, path: str, key: str, **params: Any) -> list[Json]:
        """The rows of a collection, or the one of a single thing. Raises Malformed, NotFound."""
        body = await self.get(f"/api/v2/{path}".rstrip("/"), params)
        listed = body.get(key) if isinstance(body, Mapping) else None
        if not isinstance(listed, list):
            raise Malformed(
                f"GET /api/v2/{path} answered no {key}", source=self.source, mend="check that this is Buildbot's API"
            )
        return [each for each in listed if isinstance(each, Mapping)]

    async def one(self, path: str, key: str, **params: Any) -> Json:
        """One thing. Raises NotFound."""
        found = await self.rows(path, key, **params)
        if not found:
            raise NotFound(f"GET /api/v2/{path}", source=self.source, why="Buildbot answered none")
        return found[0]

    @staticmethod
    def rpc(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a control call (JSON-RPC 2.0)."""
        return {"jsonrpc": "2.0", "id": 1, "method": method, "params": dict(params)}

    async def control(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a control call once; answers its result, which is null for most. Raises QuarterdeckError."""
        await self.sign_in()
        answer = await self.write("POST", f"/api/v2/{path}", dict(body))
        return section({"body": await answer.json()}, "body").get("result")

    async def close(self) -> None:
        """Let go of every connection."""
        await self.streams.close()
        await super().close()
        self._signed_at = None
