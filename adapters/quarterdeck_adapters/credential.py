"""The configured credential of one source, as HTTP wants it: a bearer's token, or a user with a password or token."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping

import msgspec

from quarterdeck_adapters.base import Context, SourceConfig
from quarterdeck_adapters.blocking import call
from quarterdeck_lifecycle.errors import AuthFailed

KEPT_S = 60.0
SECRET_DEADLINE_S = 12.0


class Login(msgspec.Struct, frozen=True):
    """Who signs in. Without a `username` the secret is a bearer's token."""

    username: str
    secret: str

    def __repr__(self) -> str:
        return f"Login({self.username})"

    @property
    def header(self) -> str:
        """The Authorization header's value (RFC 7617, RFC 6750)."""
        if not self.username:
            return f"Bearer {self.secret}"
        pair = base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()
        return f"Basic {pair}"


class Credential:
    """Resolved off the loop when a request needs it; requests within the next minute share it.

    A source with `credentials: false` has none.
    """

    def __init__(self, config: SourceConfig, context: Context, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = config.name
        self._username = config.username or ""
        self._ref = (config.token or config.password) if config.credentials else None
        self._basic = bool(config.username) or config.token is None
        self._secret = context.secret
        self._clock = clock
        self._kept: tuple[float, Login] | None = None
        self._lock = asyncio.Lock()

    @property
    def configured(self) -> bool:
        """Whether the config names one that may be used."""
        return self._ref is not None

    async def login(self) -> Login | None:
        """The login, or None when there is none. Raises AuthFailed, Timeout."""
        ref = self._ref
        if ref is None:
            return None
        async with self._lock:
            if self._kept is not None and self._clock() - self._kept[0] < KEPT_S:
                return self._kept[1]
            try:
                secret = await call(
                    lambda: self._secret(ref), deadline=SECRET_DEADLINE_S, source=self._source, what="its credential"
                )
            except AuthFailed as error:
                raise AuthFailed(error.what, source=self._source, why=error.why, mend=error.mend) from error
            login = Login(self._username or "user" if self._basic else "", secret)
            self._kept = (self._clock(), login)
            return login

    async def headers(self) -> Mapping[str, str]:
        """The header of a request, or none."""
        login = await self.login()
        return {} if login is None else {"Authorization": login.header}

    def forget(self) -> None:
        """Resolve it anew at the next use: it was refused."""
        self._kept = None
